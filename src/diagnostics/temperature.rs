//! Effective inverse temperature measured from samples: β such that they are those of exp(−βE).

/// From the virial identity ⟨x·∇E⟩ = n/β of `dim` real variables; `virial[chain]` is the mean of x·∇E over a chain's draws.
/// Returns β and its standard error (delta method over independent chains).
pub fn virial_beta(virial: &[f64], dim: usize) -> (f64, f64) {
    let n = virial.len() as f64;
    let mean = virial.iter().sum::<f64>() / n;
    let variance = virial.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let beta = dim as f64 / mean;
    (beta, beta / mean * (variance / n).sqrt())
}

/// Maximum pseudo-likelihood β of spins: solves Σ s f (1 − tanh(β s f)) = 0, with s and its local field f at β = 1.
///
/// `spins` and `fields` are chain-major and aligned; the standard error is the sandwich over `chains` independent chains. NaN where
/// the draws have no β: every field is zero, or every spin lies along (or against) its own.
pub fn pseudo_likelihood_beta(spins: &[f64], fields: &[f64], chains: usize) -> (f64, f64) {
    let aligned: Vec<f64> = spins.iter().zip(fields).map(|(s, f)| s * f).collect();
    let score = |beta: f64, a: f64| a * (1.0 - (beta * a).tanh());
    let slope = |beta: f64| -> f64 {
        aligned
            .iter()
            .map(|a| (a / (beta * a).cosh()).powi(2))
            .sum()
    };
    let separable = aligned.iter().all(|&a| a >= 0.0) || aligned.iter().all(|&a| a <= 0.0);
    if separable {
        return (f64::NAN, f64::NAN);
    }
    let mut beta: f64 = 1.0;
    for _ in 0..100 {
        let total: f64 = aligned.iter().map(|&a| score(beta, a)).sum();
        let step = total / slope(beta).max(1e-300);
        beta = (beta + step.clamp(-0.5, 0.5)).clamp(-50.0, 50.0);
        if step.abs() < 1e-12 {
            break;
        }
    }
    let per_chain = aligned.len() / chains.max(1);
    let meat: f64 = aligned
        .chunks(per_chain.max(1))
        .map(|chain| chain.iter().map(|&a| score(beta, a)).sum::<f64>().powi(2))
        .sum();
    (beta, meat.sqrt() / slope(beta))
}

/// Maximum pseudo-likelihood β of categories: solves Σ (ℓ_x − ⟨ℓ⟩_β) = 0, with ℓ_k the logits (−E at β = 1) of one variable given
/// the others, x its state and ⟨·⟩_β the mean under p_k ∝ exp(β ℓ_k).
///
/// `chosen` holds (number of states, state) for each reading, chain-major, and `logits` the ℓ of one after the other; the standard
/// error is the sandwich over `chains` independent chains.
pub fn categorical_beta(logits: &[f64], chosen: &[(usize, usize)], chains: usize) -> (f64, f64) {
    let per_chain = (chosen.len() / chains.max(1)).max(1);
    // Score of every chain, and the sum of the variances of ℓ.
    let at = |beta: f64| -> (Vec<f64>, f64) {
        let (mut rest, mut slope) = (logits, 0.0);
        let scores = chosen.chunks(per_chain).map(|chain| {
            let mut score = 0.0;
            for &(states, state) in chain {
                let (own, others) = rest.split_at(states);
                rest = others;
                let most = own.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let (mut z, mut first, mut second) = (0.0, 0.0, 0.0);
                for l in own {
                    let (l, w) = (l - most, (beta * (l - most)).exp());
                    z += w;
                    first += w * l;
                    second += w * l * l;
                }
                let mean = first / z;
                score += own[state] - most - mean;
                slope += second / z - mean * mean;
            }
            score
        });
        (scores.collect(), slope)
    };
    let mut beta: f64 = 1.0;
    for _ in 0..100 {
        let (scores, slope) = at(beta);
        let step = scores.iter().sum::<f64>() / slope.max(1e-300);
        beta = (beta + step.clamp(-0.5, 0.5)).clamp(-50.0, 50.0);
        if step.abs() < 1e-12 {
            break;
        }
    }
    let (scores, slope) = at(beta);
    let meat: f64 = scores.iter().map(|s| s * s).sum();
    (beta, meat.sqrt() / slope)
}

/// [`virial_beta`] node by node: ⟨x_i ∂E/∂x_i⟩ = 1/β_i for each node of a chip whose nodes need not be equally hot.
///
/// `x` and `gradient` (∂E/∂x at β = 1) are `[(chain * draws + draw) * nodes + node]`; standard errors from `chains`
/// independent chains.
pub fn virial_betas(x: &[f64], gradient: &[f64], chains: usize, nodes: usize) -> Vec<(f64, f64)> {
    let per_chain = x.len() / (chains * nodes).max(1);
    let of_node = |node: usize| {
        let product = |k: usize| x[k * nodes + node] * gradient[k * nodes + node];
        let mean = |chain: usize| {
            let draws = chain * per_chain..(chain + 1) * per_chain;
            draws.map(product).sum::<f64>() / per_chain as f64
        };
        virial_beta(&(0..chains).map(mean).collect::<Vec<_>>(), 1)
    };
    (0..nodes).map(of_node).collect()
}

/// [`pseudo_likelihood_beta`] node by node: the β_i at which spin i is drawn from its local field.
///
/// `spins` and `fields` are `[(chain * draws + draw) * nodes + node]`; a node whose field is always zero has no β (NaN).
pub fn pseudo_likelihood_betas(
    spins: &[f64],
    fields: &[f64],
    chains: usize,
    nodes: usize,
) -> Vec<(f64, f64)> {
    let column = |values: &[f64], node: usize| -> Vec<f64> {
        values.iter().skip(node).step_by(nodes).copied().collect()
    };
    let of_node =
        |node: usize| pseudo_likelihood_beta(&column(spins, node), &column(fields, node), chains);
    (0..nodes).map(of_node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, StandardNormal};
    use rand_pcg::Pcg32;

    /// Spins that never leave their fields' side have no β, however many there are.
    #[test]
    fn frozen_spins_have_no_temperature() {
        let (s, f) = ([1.0, -1.0, 1.0, 1.0], [0.3, -0.2, 0.5, 0.0]);
        assert!(pseudo_likelihood_beta(&s, &f, 2).0.is_nan());
        assert!(pseudo_likelihood_beta(&s, &[0.0; 4], 2).0.is_nan());
        let flipped = [1.0, -1.0, -1.0, 1.0];
        assert!(pseudo_likelihood_beta(&flipped, &f, 2).0.is_finite());
    }

    /// Both estimators recover β = 1.3 within 5 standard errors (6e-7 each), and reject β = 1.
    #[test]
    fn known_temperatures_are_recovered() {
        let mut rng = Pcg32::seed_from_u64(1);
        let beta = 1.3f64;
        let chains = 2000;
        let virial: Vec<f64> = (0..chains)
            .map(|_| {
                (0..10)
                    .map(|_| {
                        let z: f64 = StandardNormal.sample(&mut rng);
                        z * z / beta
                    })
                    .sum()
            })
            .collect();
        let (b, se) = virial_beta(&virial, 10);
        assert!(
            (b - beta).abs() < 5.0 * se && (b - 1.0).abs() > 5.0 * se,
            "{b} {se}"
        );

        let fields: Vec<f64> = (0..chains).map(|_| rng.random_range(-1.0..1.0)).collect();
        let spins: Vec<f64> = fields
            .iter()
            .map(|f| {
                if rng.random::<f64>() < 1.0 / (1.0 + (-2.0 * beta * f).exp()) {
                    1.0
                } else {
                    -1.0
                }
            })
            .collect();
        let (b, se) = pseudo_likelihood_beta(&spins, &fields, chains);
        assert!((b - beta).abs() < 5.0 * se && b > 5.0 * se, "{b} {se}");
    }

    /// Two states with logits ±f are a spin of local field f.
    #[test]
    fn categories_of_two_states_are_spins() {
        let mut rng = Pcg32::seed_from_u64(2);
        let fields: Vec<f64> = (0..600).map(|_| rng.random_range(-1.0..1.0)).collect();
        let up: Vec<bool> = fields
            .iter()
            .map(|f| rng.random::<f64>() < 1.0 / (1.0 + (-1.6 * f).exp()))
            .collect();
        let spins: Vec<f64> = up.iter().map(|&u| if u { 1.0 } else { -1.0 }).collect();
        let logits: Vec<f64> = fields.iter().flat_map(|&f| [-f, f]).collect();
        let chosen: Vec<(usize, usize)> = up.iter().map(|&u| (2, usize::from(u))).collect();
        let a = pseudo_likelihood_beta(&spins, &fields, 60);
        let b = categorical_beta(&logits, &chosen, 60);
        assert!(
            (a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9,
            "{a:?} {b:?}"
        );
    }

    /// Two nodes at different temperatures, two draws a chain: each its own β within 5 standard errors (6e-7 a check), and the
    /// other's rejected.
    #[test]
    fn every_node_has_its_own_temperature() {
        let mut rng = Pcg32::seed_from_u64(5);
        let (betas, chains, draws) = ([0.8f64, 1.25], 4000, 2);
        let (mut x, mut gradient, mut spins, mut fields) = (vec![], vec![], vec![], vec![]);
        for _ in 0..chains * draws {
            for beta in betas {
                // E = x²: variance 1/2β.
                let z: f64 = StandardNormal.sample(&mut rng);
                x.push(z / (2.0 * beta).sqrt());
                gradient.push(2.0 * z / (2.0 * beta).sqrt());
                let field: f64 = rng.random_range(-1.5..1.5);
                let up = rng.random::<f64>() < 1.0 / (1.0 + (-2.0 * beta * field).exp());
                spins.push(if up { 1.0 } else { -1.0 });
                fields.push(field);
            }
        }
        let continuous = virial_betas(&x, &gradient, chains, 2);
        let discrete = pseudo_likelihood_betas(&spins, &fields, chains, 2);
        for found in [continuous, discrete] {
            for (k, (beta, se)) in found.into_iter().enumerate() {
                assert!((beta - betas[k]).abs() < 5.0 * se, "{k}: {beta} {se}");
                assert!((beta - betas[1 - k]).abs() > 5.0 * se, "{k}: {beta} {se}");
            }
        }
        assert!(
            pseudo_likelihood_betas(&[1.0; 4], &[0.0; 4], 2, 2)[0]
                .0
                .is_nan()
        );
    }
}
