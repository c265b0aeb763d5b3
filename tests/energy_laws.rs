//! Energies against closed forms, difference quotients and the reference numbers of small models.

use proptest::prelude::*;
use thermochip::energy::*;
use thermochip::testing::{assertions::*, strategies};

proptest! {
    #[test]
    fn soft_spin_gradient(energy in strategies::soft_spins(1..7), seed in any::<u64>()) {
        let x = strategies::point(energy.dim(), seed);
        gradient_matches(&energy, &x, 1e-5).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn quadratic_gradient(energy in strategies::quadratics(1..7), seed in any::<u64>()) {
        let x = strategies::point(energy.dim(), seed);
        gradient_matches(&energy, &x, 1e-5).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn spins_are_conditionally_consistent(energy in strategies::isings(1..9), seed in any::<u64>()) {
        let s = strategies::spins(energy.dim(), seed);
        conditional_consistency(&energy, &s, 1e-10).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn laplacian_is_the_trace_of_the_gradient_quotients(energy in strategies::soft_spins(1..5), seed in any::<u64>()) {
        let mut x = strategies::point(energy.dim(), seed);
        let n = x.len();
        let (mut up, mut down) = (vec![0.0; n], vec![0.0; n]);
        let mut trace = 0.0;
        for i in 0..n {
            let at = x[i];
            x[i] = at + 1e-5;
            energy.gradient(&x, &mut up);
            x[i] = at - 1e-5;
            energy.gradient(&x, &mut down);
            x[i] = at;
            trace += (up[i] - down[i]) / 2e-5;
        }
        prop_assert!((energy.laplacian(&x) - trace).abs() < 1e-4 * (1.0 + trace.abs()));
    }

    /// A chip holds a Gaussian as cells and couplings; both forms must be one energy.
    #[test]
    fn quadratic_and_its_pairwise_form_agree(energy in strategies::quadratics(1..7), seed in any::<u64>()) {
        let x = strategies::point(energy.dim(), seed);
        let pairwise = energy.pairwise().unwrap();
        prop_assert!((energy.value(&x) - pairwise.value(&x)).abs() < 1e-9);
    }
}

/// The mutations that the two property checks must reject: a gradient off by a factor, a field with doubled pairs.
#[test]
fn mutated_energies_are_caught() {
    #[derive(Debug)]
    struct Halved(SoftSpin);
    impl ContinuousEnergy for Halved {
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn value(&self, x: &[f64]) -> f64 {
            self.0.value(x)
        }
        fn gradient(&self, x: &[f64], gradient: &mut [f64]) {
            self.0.gradient(x, gradient);
            gradient.iter_mut().for_each(|g| *g *= 1.02);
        }
        fn laplacian(&self, x: &[f64]) -> f64 {
            self.0.laplacian(x)
        }
        fn pairwise(&self) -> Option<SoftSpin> {
            None
        }
    }
    let right = SoftSpin::four_wells();
    assert!(gradient_matches(&right, &[0.3, -1.7], 1e-5).is_ok());
    assert!(gradient_matches(&Halved(right), &[0.3, -1.7], 1e-5).is_err());

    #[derive(Debug)]
    struct PairsTwice(Ising);
    impl DiscreteEnergy for PairsTwice {
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn value(&self, s: &[i8]) -> f64 {
            self.0.value(s)
        }
        fn local_field(&self, s: &[i8], i: usize) -> f64 {
            2.0 * self.0.local_field(s, i) - self.0.fields[i]
        }
        fn couplings(&self) -> &Couplings {
            &self.0.couplings
        }
    }
    let ising = Ising::new(
        vec![0.1, -0.2],
        Couplings::new(2, vec![(0, 1, 0.5)]).unwrap(),
    )
    .unwrap();
    assert!(conditional_consistency(&ising, &[1, -1], 1e-10).is_ok());
    assert!(conditional_consistency(&PairsTwice(ising), &[1, -1], 1e-10).is_err());
}

/// V7: the thermodynamic neuron J2 = J4 = 1 at kT = 1 in a field I.
#[test]
fn soft_spin_cell_has_its_published_moments() {
    for (field, mean, variance) in [
        (0.0, 0.0, 0.23396),
        (1.0, 0.22897, 0.21939),
        (5.0, 0.84211, 0.09878),
    ] {
        let cell = SoftSpin::new(vec![1.0], vec![1.0], vec![field], Couplings::empty(1)).unwrap();
        let m = exact::quadrature(&cell).unwrap();
        assert!((m.mean[0] - mean).abs() < 1e-5, "{field}: {}", m.mean[0]);
        assert!(
            (m.covariance[(0, 0)] - variance).abs() < 1e-5,
            "{field}: {}",
            m.covariance[(0, 0)]
        );
    }
}

/// V6: p ∝ exp(−2(x⁴/4 − x²/2)) has E x² = 0.8934649696.
#[test]
fn quartic_second_moment() {
    let quartic = SoftSpin::new(vec![-1.0], vec![0.5], vec![0.0], Couplings::empty(1)).unwrap();
    let m = exact::quadrature(&quartic).unwrap();
    assert!((m.covariance[(0, 0)] - 0.893_464_969_6).abs() < 1e-9);
}

#[test]
fn quadrature_of_a_correlated_gaussian_is_its_closed_form() {
    let precision = nalgebra::DMatrix::from_row_slice(2, 2, &[2.0, -0.7, -0.7, 1.0]);
    let energy = Quadratic::new(precision, nalgebra::DVector::from_vec(vec![0.4, -1.0])).unwrap();
    let (a, b) = (
        exact::gaussian(&energy),
        exact::quadrature(&energy).unwrap(),
    );
    assert!((a.mean - b.mean).norm() < 1e-10);
    assert!((a.covariance - b.covariance).norm() < 1e-10);
}

/// V9: the ring of eight at β = 1.5 (fields and couplings multiplied by β).
pub fn ring_of_eight() -> Ising {
    let j = [0.05, 0.5, -1.0, 0.69, -0.42, -1.58, -0.65, 0.6];
    let h = [0.33, -1.15, 0.62, -0.09, 0.43, 0.33, -1.16, 0.35];
    let couplings =
        Couplings::new(8, (0..8).map(|i| (i, (i + 1) % 8, 1.5 * j[i])).collect()).unwrap();
    Ising::new(h.iter().map(|h| 1.5 * h).collect(), couplings).unwrap()
}

#[test]
fn ring_of_eight_has_its_published_means() {
    let exact = exact::enumerate(&ring_of_eight()).unwrap();
    let published = [
        0.8312, -0.8082, 0.3405, -0.3283, -0.2443, 0.9794, -0.9888, 0.9407,
    ];
    for (mean, expected) in exact.means.iter().zip(published) {
        assert!((mean - expected).abs() < 5e-5, "{mean} {expected}");
    }
    assert!((exact.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn two_spins_in_closed_form() {
    let j: f64 = 0.7;
    let pair = Ising::new(vec![0.0; 2], Couplings::new(2, vec![(0, 1, j)]).unwrap()).unwrap();
    let exact = exact::enumerate(&pair).unwrap();
    assert!((exact.correlations[(0, 1)] - j.tanh()).abs() < 1e-12);
    assert!((exact.log_z - (4.0 * j.cosh()).ln()).abs() < 1e-12);
}

#[test]
fn an_rbm_couples_only_across() {
    let weights = nalgebra::DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let rbm = Ising::rbm(&weights, vec![0.0; 5]).unwrap();
    assert_eq!(
        rbm.couplings.edges(),
        [(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)]
    );
    assert_eq!(rbm.couplings.values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(rbm.couplings.colouring().len(), 2);
}

/// The curvature of B(x² − 1)² at its wells is 8B; a coupling of two such cells adds what the Hessian says.
#[test]
fn stiffness_is_the_curvature_at_the_wells() {
    let single = SoftSpin::double_well(1.5, 3).unwrap();
    assert!((single.stiffness() - 12.0).abs() < 1e-5);
    let cells = SoftSpin::double_well(1.0, 2).unwrap();
    let pair = SoftSpin::new(
        cells.j2,
        cells.j4,
        vec![0.0; 2],
        Couplings::new(2, vec![(0, 1, 0.4)]).unwrap(),
    )
    .unwrap();
    // Aligned minimum: 4x³ − 4x − 0.4x = 0, x² = 1.1, curvature 12x² − 4 ∓ 0.4; anti-aligned: x² = 0.9.
    assert!(
        (pair.stiffness() - (12.0 * 1.1 - 4.0 + 0.4)).abs() < 1e-5,
        "{}",
        pair.stiffness()
    );
}

#[test]
fn energies_that_no_law_belongs_to_are_refused() {
    let none = || Couplings::empty(1);
    let message = |result: thermochip::error::Result<SoftSpin>| result.unwrap_err().to_string();
    assert!(
        message(SoftSpin::new(vec![1.0], vec![-1.0], vec![0.0], none()))
            .contains("unbounded below")
    );
    assert!(
        message(SoftSpin::new(vec![-1.0], vec![0.0], vec![0.0], none()))
            .contains("unbounded below")
    );
    assert!(
        message(SoftSpin::new(vec![1.0], vec![f64::NAN], vec![0.0], none())).contains("finite")
    );
    assert!(SoftSpin::new(vec![1.0], vec![0.0], vec![0.0], none()).is_ok());
    let matrix = |m: [f64; 4]| {
        let precision = nalgebra::DMatrix::from_row_slice(2, 2, &m);
        Quadratic::new(precision, nalgebra::DVector::zeros(2))
    };
    assert!(
        matrix([1.0, 2.0, 2.0, 1.0])
            .unwrap_err()
            .to_string()
            .contains("positive definite")
    );
    assert!(
        matrix([1.0, 0.2, 0.3, 1.0])
            .unwrap_err()
            .to_string()
            .contains("symmetric")
    );
    assert!(matrix([1.0, 0.2, 0.2, 1.0]).is_ok());
}

#[test]
fn parameters_go_in_and_come_back() {
    let mut model = Model::SoftSpin(
        SoftSpin::new(
            vec![1.0; 3],
            vec![1.0; 3],
            vec![0.0; 3],
            Couplings::new(3, vec![(0, 1, 0.1), (1, 2, 0.2)]).unwrap(),
        )
        .unwrap(),
    );
    let wanted = Parameters {
        fields: vec![1.0, 2.0, 3.0],
        couplings: vec![-0.5, 0.5],
    };
    model.set_parameters(&wanted).unwrap();
    assert_eq!(model.parameters(), wanted);
    // −∂E/∂θ at one state is the statistics that training matches.
    let mut sum = Parameters {
        fields: vec![0.0; 3],
        couplings: vec![0.0; 2],
    };
    model.add_statistics(&[1.0, -2.0, 0.5], &mut sum);
    assert_eq!(sum.fields, [1.0, -2.0, 0.5]);
    assert_eq!(sum.couplings, [-2.0, -1.0]);
    let short = Parameters {
        fields: vec![0.0; 2],
        couplings: vec![0.0; 2],
    };
    assert!(model.set_parameters(&short).is_err());
}

/// The gradient of −log p(data) of a chain of four with nodes {0, 2} seen at (−1, −1), ⟨s⟩ free minus ⟨s⟩ with the data held
/// (the same of pairs), against an independent implementation's numbers: h and J are known to five decimals, half a unit of the
/// last of seven such inputs moves these means by up to 2e-5. With one phase for the other it is another.
#[test]
fn the_likelihoods_gradient_of_a_chain_has_its_published_values() {
    let (h, j) = (
        [0.57794, 0.21474, 0.87800, 0.63853],
        [0.43184, 0.04710, 0.11051],
    );
    let list = (0..3).map(|i| (i, i + 1, j[i])).collect();
    let chain = Ising::new(h.to_vec(), Couplings::new(4, list).unwrap()).unwrap();
    let law = exact::enumerate(&chain).unwrap();
    let spin = |state: usize, i: usize| if state >> i & 1 == 1 { 1.0 } else { -1.0 };
    let seen = |state: usize| spin(state, 0) < 0.0 && spin(state, 2) < 0.0;
    // Means over all states, and over those with the data.
    let difference = |f: &dyn Fn(usize) -> f64| {
        let mean = |among: &dyn Fn(usize) -> bool| {
            let states = (0..16).filter(|&s| among(s));
            let (sum, z) = states.fold((0.0, 0.0), |(sum, z), s| {
                let p = law.probabilities[s];
                (sum + p * f(s), z + p)
            });
            sum / z
        };
        mean(&|_| true) - mean(&seen)
    };
    let fields: Vec<f64> = (0..4).map(|i| difference(&|s| spin(s, i))).collect();
    let pairs: Vec<f64> = (0..3)
        .map(|i| difference(&|s| spin(s, i) * spin(s, i + 1)))
        .collect();
    let published = [
        1.59001, 0.69210, 1.74393, 0.13141, 0.24966, 0.08213, 0.97525,
    ];
    let off = |got: &[f64]| {
        let pairs = got.iter().zip(&published);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let gradient = [fields, pairs].concat();
    assert!(off(&gradient) < 2e-5, "{gradient:?}");
    let reversed: Vec<f64> = gradient.iter().map(|g| -g).collect();
    assert!(off(&reversed) > 0.1);
    // −log p(data) itself, differentiated numerically.
    let surprise = |parameter: usize, shift: f64| {
        let (mut h, mut j) = (h, j);
        if parameter < 4 {
            h[parameter] += shift;
        } else {
            j[parameter - 4] += shift;
        }
        let list = (0..3).map(|i| (i, i + 1, j[i])).collect();
        let moved = Ising::new(h.to_vec(), Couplings::new(4, list).unwrap()).unwrap();
        let law = exact::enumerate(&moved).unwrap().probabilities;
        -(0..16)
            .filter(|&s| seen(s))
            .map(|s| law[s])
            .sum::<f64>()
            .ln()
    };
    for (k, g) in gradient.iter().enumerate() {
        let slope = (surprise(k, 1e-5) - surprise(k, -1e-5)) / 2e-5;
        assert!((slope - g).abs() < 1e-8, "{k}: {slope} {g}");
    }
}

/// log Z of a Gaussian in closed form and by quadrature of the same energy; of a cell with all mass far from one.
#[test]
fn log_partition_functions_agree() {
    let p = nalgebra::DMatrix::from_row_slice(2, 2, &[2.0, 0.6, 0.6, 1.0]);
    let energy = Quadratic::new(p, nalgebra::DVector::from_vec(vec![0.5, -1.0])).unwrap();
    let (closed, numeric) = (
        exact::gaussian(&energy),
        exact::quadrature(&energy).unwrap(),
    );
    assert!((closed.log_z - numeric.log_z).abs() < 1e-10);
    let free = SoftSpin::double_well(3.0, 2).unwrap();
    let one = SoftSpin::double_well(3.0, 1).unwrap();
    let log_z = |e: SoftSpin| exact::log_partition(&Model::SoftSpin(e)).unwrap();
    assert!((log_z(free) - 2.0 * log_z(one)).abs() < 1e-10);
}
