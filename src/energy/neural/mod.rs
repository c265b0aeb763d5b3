//! A small neural energy E(x) = a·z_L + ½κ|x − c|², z_l = tanh(W_l z_{l−1} + b_l), z_0 = x.
//!
//! tanh keeps the network's part bounded by |a|₁, so with κ > 0 the law exp(−E) is always normalisable. Everything that an
//! objective can ask of it comes from one primitive, the Taylor coefficients ("jets") along a direction v,
//! E(x + tv) = e0 + e1 t + ½ e2 t² + …: the score matching trace is Σ_q e2 along the axes, and θ-gradients of any
//! Σ_r (w0 e0 + w1 e1 + w2 e2) follow by one backward pass ([`Network::add_jet_gradient`]). Columns are points.

mod activation;
mod derivatives;
mod field;

use super::{ContinuousEnergy, SoftSpin};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DMatrixView, DVectorView};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

pub use activation::NetworkReal;
pub use field::DriftField;

/// Spread of the first layer's weights and biases at the start: features about half a unit wide.
const FIRST_SPREAD: f64 = 2.0;

/// The network, its parameters in one list: W_1 (columns first), b_1, W_2, b_2, …, a.
#[derive(Clone, Debug, PartialEq)]
pub struct Network<R> {
    /// Inputs, then units of each hidden layer.
    sizes: Vec<usize>,
    theta: Vec<R>,
    /// W_lᵀ: the library's product with a transposed factor is many times slower than with a written one.
    transposed: Vec<DMatrix<R>>,
    /// κ.
    confinement: f64,
    /// c.
    centre: Vec<f64>,
}

/// (e0, e1, e2) of each point: E, v·∇E, vᵀ∇∇E v. Orders beyond the asked are zero.
pub type Jet<R> = [R; 3];

/// Pre-activations and activations of one layer with their first and second derivative along v.
#[derive(Debug)]
struct Layer<R: NetworkReal> {
    a: Vec<DMatrix<R>>,
    z: Vec<DMatrix<R>>,
}

/// Where a layer's weights and biases lie in the list.
#[derive(Clone, Copy)]
struct Place {
    inputs: usize,
    units: usize,
    weights: usize,
    biases: usize,
}

impl<R: NetworkReal> Network<R> {
    /// Random weights of spread 2 (first layer, biases too) and 1/√inputs (the rest), other biases zero.
    ///
    /// # Errors
    /// Fewer than two sizes, a size of zero, a confinement that is not positive, or a centre of another dimension.
    pub fn new(
        sizes: &[usize],
        confinement: f64,
        centre: &[f64],
        rng: &mut impl Rng,
    ) -> Result<Self> {
        if sizes.len() < 2 || sizes.contains(&0) {
            let expected = "the number of inputs and at least one layer, none empty";
            return Err(Error::invalid("layers", format!("{sizes:?}"), expected));
        }
        if !(confinement > 0.0 && confinement.is_finite()) {
            let expected = "a positive number: without it the law is not normalisable";
            return Err(Error::invalid("confinement", confinement, expected));
        }
        if centre.len() != sizes[0] {
            let expected = format!("{} numbers", sizes[0]);
            return Err(Error::invalid("centre", centre.len(), expected));
        }
        let mut network = Network {
            theta: Vec::new(),
            transposed: Vec::new(),
            sizes: sizes.to_vec(),
            confinement,
            centre: centre.to_vec(),
        };
        let mut draw = |n: usize, spread: f64| -> Vec<R> {
            let normal = |rng: &mut _| -> f64 { StandardNormal.sample(rng) };
            (0..n).map(|_| R::of(spread * normal(rng))).collect()
        };
        for (layer, pair) in sizes.windows(2).enumerate() {
            let first = layer == 0;
            let spread = if first {
                FIRST_SPREAD
            } else {
                1.0 / (pair[0] as f64).sqrt()
            };
            network.theta.extend(draw(pair[0] * pair[1], spread));
            let biases = draw(pair[1], if first { FIRST_SPREAD } else { 0.0 });
            network.theta.extend(biases);
        }
        let last = sizes[sizes.len() - 1];
        network.theta.extend(draw(last, 1.0 / (last as f64).sqrt()));
        network.transpose();
        Ok(network)
    }

    /// θ.
    pub fn parameters(&self) -> &[R] {
        &self.theta
    }

    /// Replaces θ.
    ///
    /// # Errors
    /// Another number of values, or one that is not finite.
    pub fn set_parameters(&mut self, theta: &[R]) -> Result<()> {
        if theta.len() != self.theta.len() {
            let expected = format!("{} values", self.theta.len());
            return Err(Error::invalid("parameters", theta.len(), expected));
        }
        if let Some(k) = theta.iter().position(|v| !v.to_double().is_finite()) {
            let value = theta[k].to_double();
            return Err(Error::invalid(
                format!("parameters[{k}]"),
                value,
                "a finite number",
            ));
        }
        self.theta.copy_from_slice(theta);
        self.transpose();
        Ok(())
    }

    /// The same network in another precision.
    pub fn convert<S: NetworkReal>(&self) -> Network<S> {
        Network {
            sizes: self.sizes.clone(),
            theta: self.theta.iter().map(|v| S::of(v.to_double())).collect(),
            transposed: self
                .transposed
                .iter()
                .map(|w| w.map(|v| S::of(v.to_double())))
                .collect(),
            confinement: self.confinement,
            centre: self.centre.clone(),
        }
    }

    /// Number of variables.
    pub fn inputs(&self) -> usize {
        self.sizes[0]
    }

    fn layers(&self) -> usize {
        self.sizes.len() - 1
    }

    fn place(&self, layer: usize) -> Place {
        let block = |l: usize| (self.sizes[l] + 1) * self.sizes[l + 1];
        let weights = (0..layer).map(block).sum();
        let (inputs, units) = (self.sizes[layer], self.sizes[layer + 1]);
        Place {
            inputs,
            units,
            weights,
            biases: weights + inputs * units,
        }
    }

    fn weights(&self, layer: usize) -> DMatrixView<'_, R> {
        let p = self.place(layer);
        DMatrixView::from_slice(&self.theta[p.weights..p.biases], p.units, p.inputs)
    }

    fn output(&self) -> DVectorView<'_, R> {
        let n = self.sizes[self.layers()];
        DVectorView::from_slice(&self.theta[self.theta.len() - n..], n)
    }

    /// W z (+ b).
    fn affine(&self, layer: usize, z: &DMatrix<R>, bias: bool) -> DMatrix<R> {
        let p = self.place(layer);
        let mut a = DMatrix::zeros(p.units, z.ncols());
        a.gemm(R::one(), &self.weights(layer), z, R::zero());
        if bias {
            let b = DVectorView::from_slice(&self.theta[p.biases..p.biases + p.units], p.units);
            for mut column in a.column_iter_mut() {
                column += &b;
            }
        }
        a
    }

    /// Writes what is kept beside θ.
    fn transpose(&mut self) {
        let layers = 0..self.layers();
        self.transposed = layers.map(|l| self.weights(l).transpose()).collect();
    }

    /// Wᵀ a.
    fn pulled_back(&self, layer: usize, a: &DMatrix<R>) -> DMatrix<R> {
        let transposed = &self.transposed[layer];
        let mut z = DMatrix::zeros(transposed.nrows(), a.ncols());
        z.gemm(R::one(), transposed, a, R::zero());
        z
    }

    fn offset(&self, x: &DMatrix<R>) -> DMatrix<R> {
        let mut from_centre = x.clone();
        for mut column in from_centre.column_iter_mut() {
            for (value, &c) in column.iter_mut().zip(&self.centre) {
                *value -= R::of(c);
            }
        }
        from_centre
    }

    /// E of each column.
    pub fn energies(&self, x: &DMatrix<R>) -> Vec<R> {
        let mut z = x.clone();
        for layer in 0..self.layers() {
            z = self.affine(layer, &z, true);
            derivatives::activate(&mut z);
        }
        let half = R::of(0.5 * self.confinement);
        let (output, offset) = (self.output(), self.offset(x));
        z.column_iter()
            .zip(offset.column_iter())
            .map(|(z, d)| output.dot(&z) + half * d.norm_squared())
            .collect()
    }

    /// ∇E of each column.
    pub fn gradients(&self, x: &DMatrix<R>) -> DMatrix<R> {
        let mut z: Vec<DMatrix<R>> = Vec::with_capacity(self.layers());
        for layer in 0..self.layers() {
            let mut above = self.affine(layer, z.last().unwrap_or(x), true);
            derivatives::activate(&mut above);
            z.push(above);
        }
        let output = self.output();
        let mut bar = DMatrix::from_fn(output.len(), x.ncols(), |i, _| output[i]);
        for layer in (0..self.layers()).rev() {
            derivatives::times_slope(&z[layer], &mut bar);
            bar = self.pulled_back(layer, &bar);
        }
        bar + self.offset(x) * R::of(self.confinement)
    }

    /// Forward pass of all derivatives up to `order`.
    fn forward(&self, x: &DMatrix<R>, v: &DMatrix<R>, order: usize) -> Vec<Layer<R>> {
        let mut layers: Vec<Layer<R>> = Vec::with_capacity(self.layers());
        for layer in 0..self.layers() {
            let mut a = Vec::with_capacity(order + 1);
            for k in 0..=order {
                let input = match (layers.last(), k) {
                    (Some(below), _) => &below.z[k],
                    (None, 0) => x,
                    (None, 1) => v,
                    // A straight line has no second derivative.
                    (None, _) => {
                        a.push(DMatrix::zeros(self.sizes[1], x.ncols()));
                        continue;
                    }
                };
                a.push(self.affine(layer, input, k == 0));
            }
            let z = derivatives::forward(&a);
            layers.push(Layer { a, z });
        }
        layers
    }

    fn read(&self, x: &DMatrix<R>, v: &DMatrix<R>, top: &Layer<R>, order: usize) -> Vec<Jet<R>> {
        let (output, kappa) = (self.output(), R::of(self.confinement));
        let offset = self.offset(x);
        (0..x.ncols())
            .map(|r| {
                let mut jet = [R::zero(); 3];
                for (k, value) in jet.iter_mut().enumerate().take(order + 1) {
                    *value = output.dot(&top.z[k].column(r));
                }
                jet[0] += R::of(0.5) * kappa * offset.column(r).norm_squared();
                if order > 0 {
                    jet[1] += kappa * offset.column(r).dot(&v.column(r));
                }
                if order > 1 {
                    jet[2] += kappa * v.column(r).norm_squared();
                }
                jet
            })
            .collect()
    }

    /// The jets of all columns of `x` along the columns of `v`, up to `order` (0, 1 or 2).
    pub fn jets(&self, x: &DMatrix<R>, v: &DMatrix<R>, order: usize) -> Vec<Jet<R>> {
        match self.forward(x, v, order).last() {
            Some(top) => self.read(x, v, top, order),
            None => Vec::new(),
        }
    }

    /// ΔE of each column.
    pub fn laplacians(&self, x: &DMatrix<R>) -> Vec<R> {
        let mut sum = vec![R::zero(); x.ncols()];
        for q in 0..x.nrows() {
            let axis = DMatrix::from_fn(x.nrows(), x.ncols(), |i, _| R::of(f64::from(i == q)));
            for (sum, jet) in sum.iter_mut().zip(self.jets(x, &axis, 2)) {
                *sum += jet[2];
            }
        }
        sum
    }

    /// Adds ∂/∂θ Σ_r (w0 e0 + w1 e1 + w2 e2) to `gradient`, with `weights(column, jet)` telling (w0, w1, w2) of each
    /// column as constants.
    pub fn add_jet_gradient(
        &self,
        x: &DMatrix<R>,
        v: &DMatrix<R>,
        order: usize,
        gradient: &mut [R],
        mut weights: impl FnMut(usize, Jet<R>) -> Jet<R>,
    ) {
        let layers = self.forward(x, v, order);
        let Some(top) = layers.last() else { return };
        let weights: Vec<Jet<R>> = self
            .read(x, v, top, order)
            .into_iter()
            .enumerate()
            .map(|(r, jet)| weights(r, jet))
            .collect();
        let output = self.output();
        let start = self.theta.len() - output.len();
        for k in 0..=order {
            for (column, w) in top.z[k].column_iter().zip(&weights) {
                for (g, &z) in gradient[start..].iter_mut().zip(column.iter()) {
                    *g += w[k] * z;
                }
            }
        }
        let spread =
            |k: usize| DMatrix::from_fn(output.len(), x.ncols(), |i, r| output[i] * weights[r][k]);
        let bars: Vec<DMatrix<R>> = (0..=order).map(spread).collect();
        self.add_hidden_gradient((x, v), &layers, bars, gradient);
    }

    /// The part of the hidden layers, given the adjoints of the last one's z, z′, z″ (as many as there are).
    fn add_hidden_gradient(
        &self,
        (x, v): (&DMatrix<R>, &DMatrix<R>),
        layers: &[Layer<R>],
        mut bars: Vec<DMatrix<R>>,
        gradient: &mut [R],
    ) {
        for layer in (0..self.layers()).rev() {
            derivatives::backward(&layers[layer].a, &mut bars);
            let p = self.place(layer);
            for (k, bar) in bars.iter().enumerate() {
                let input = match (layer, k) {
                    (0, 0) => x,
                    (0, 1) => v,
                    (0, _) => continue,
                    _ => &layers[layer - 1].z[k],
                };
                let slot = &mut gradient[p.weights..p.biases];
                nalgebra::DMatrixViewMut::from_slice(slot, p.units, p.inputs).gemm(
                    R::one(),
                    bar,
                    &input.transpose(),
                    R::one(),
                );
            }
            for column in bars[0].column_iter() {
                let slot = &mut gradient[p.biases..p.biases + p.units];
                for (g, &b) in slot.iter_mut().zip(column.iter()) {
                    *g += b;
                }
            }
            if layer > 0 {
                for bar in &mut bars {
                    *bar = self.pulled_back(layer, bar);
                }
            }
        }
    }
}

impl ContinuousEnergy for Network<f64> {
    fn dim(&self) -> usize {
        self.inputs()
    }

    fn value(&self, x: &[f64]) -> f64 {
        self.energies(&DMatrix::from_column_slice(x.len(), 1, x))[0]
    }

    fn gradient(&self, x: &[f64], gradient: &mut [f64]) {
        let at = self.gradients(&DMatrix::from_column_slice(x.len(), 1, x));
        gradient.copy_from_slice(at.as_slice());
    }

    fn laplacian(&self, x: &[f64]) -> f64 {
        self.laplacians(&DMatrix::from_column_slice(x.len(), 1, x))[0]
    }

    fn pairwise(&self) -> Option<SoftSpin> {
        None
    }
}
