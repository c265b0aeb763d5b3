//! A drift without an energy: s(x) = −κ(x − c) − A z_L(x), z_l = tanh(W_l z_{l−1} + b_l), a row of A per variable.
//!
//! dx = s dt + √2 dW has the law exp(−E) where s = −∇E; a field that is learned directly need not be a gradient, and its curl
//! (the antisymmetric part of its Jacobian) is then a current in the stationary state. All objectives ask for projections
//! p = u·s and q = u·(∂s/∂x)v, whose θ-gradients come from one backward pass. Columns are points.

use super::{Layer, Network, NetworkReal};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DMatrixView};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// The field, its parameters in one list: those of the hidden layers as in [`Network`], then A (columns first).
#[derive(Clone, Debug, PartialEq)]
pub struct DriftField<R: NetworkReal> {
    /// The hidden layers, with their confinement and centre; its own output is zero.
    body: Network<R>,
    theta: Vec<R>,
}

impl<R: NetworkReal> DriftField<R> {
    /// Random weights as [`Network::new`] draws them, rows of A of spread 1/√units.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn new(
        sizes: &[usize],
        confinement: f64,
        centre: &[f64],
        rng: &mut impl Rng,
    ) -> Result<Self> {
        let body = Network::<R>::new(sizes, confinement, centre, rng)?;
        let units = sizes[sizes.len() - 1];
        let hidden = body.parameters().len() - units;
        let mut theta = body.parameters()[..hidden].to_vec();
        let spread = 1.0 / (units as f64).sqrt();
        let heads = (0..sizes[0] * units).map(|_| {
            let z: f64 = StandardNormal.sample(rng);
            R::of(spread * z)
        });
        theta.extend(heads);
        let mut field = DriftField {
            body,
            theta: Vec::new(),
        };
        field.write(theta)?;
        Ok(field)
    }

    fn write(&mut self, theta: Vec<R>) -> Result<()> {
        let units = self.units();
        let hidden = self.body.parameters().len() - units;
        let silent = std::iter::repeat_n(R::zero(), units);
        let body: Vec<R> = theta[..hidden].iter().copied().chain(silent).collect();
        self.body.set_parameters(&body)?;
        self.theta = theta;
        Ok(())
    }

    fn units(&self) -> usize {
        self.body.sizes[self.body.layers()]
    }

    /// Number of variables.
    pub fn inputs(&self) -> usize {
        self.body.inputs()
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
        if theta.iter().any(|v| !v.to_double().is_finite()) {
            let expected = "finite numbers";
            return Err(Error::invalid(
                "parameters",
                "one that is not finite",
                expected,
            ));
        }
        self.write(theta.to_vec())
    }

    /// The same field in another precision.
    pub fn convert<S: NetworkReal>(&self) -> DriftField<S> {
        DriftField {
            body: self.body.convert(),
            theta: self.theta.iter().map(|v| S::of(v.to_double())).collect(),
        }
    }

    /// A.
    fn heads(&self) -> DMatrixView<'_, R> {
        let (rows, columns) = (self.inputs(), self.units());
        let start = self.theta.len() - rows * columns;
        DMatrixView::from_slice(&self.theta[start..], rows, columns)
    }

    /// s, and (∂s/∂x)v where `top` has derivatives along v.
    fn read(&self, x: &DMatrix<R>, v: &DMatrix<R>, top: &Layer<R>) -> Vec<DMatrix<R>> {
        let kappa = R::of(self.body.confinement);
        let linear = [self.body.offset(x), v.clone()];
        let pairs = top.z.iter().zip(linear);
        pairs
            .map(|(z, linear)| -(self.heads() * z) - linear * kappa)
            .collect()
    }

    /// s of each column.
    pub fn values(&self, x: &DMatrix<R>) -> DMatrix<R> {
        let layers = self.body.forward(x, x, 0);
        let read = layers.last().map(|top| self.read(x, x, top));
        read.and_then(|mut r| r.pop())
            .unwrap_or_else(|| DMatrix::zeros(x.nrows(), x.ncols()))
    }

    /// ∂s_i/∂x_j of each column.
    pub fn jacobians(&self, x: &DMatrix<R>) -> Vec<DMatrix<R>> {
        let (d, n) = x.shape();
        let mut all = vec![DMatrix::zeros(d, d); n];
        for j in 0..d {
            let v = DMatrix::from_fn(d, n, |i, _| R::of(f64::from(i == j)));
            let layers = self.body.forward(x, &v, 1);
            let Some(top) = layers.last() else { continue };
            if let [_, along] = &self.read(x, &v, top)[..] {
                for (jacobian, column) in all.iter_mut().zip(along.column_iter()) {
                    jacobian.set_column(j, &column);
                }
            }
        }
        all
    }

    /// Adds ∂/∂θ Σ_r (w0 p + w1 q) to `gradient`, p = u·s and q = u·(∂s/∂x)v (zero at order 0), with
    /// `weights(column, [p, q])` telling (w0, w1) of each column as constants.
    pub fn add_projected_gradient(
        &self,
        (x, v, u): (&DMatrix<R>, &DMatrix<R>, &DMatrix<R>),
        order: usize,
        gradient: &mut [R],
        mut weights: impl FnMut(usize, [R; 2]) -> [R; 2],
    ) {
        let layers = self.body.forward(x, v, order);
        let Some(top) = layers.last() else { return };
        let read = self.read(x, v, top);
        let weights: Vec<[R; 2]> = (0..x.ncols())
            .map(|r| {
                let mut along = [R::zero(); 2];
                for (value, s) in along.iter_mut().zip(&read) {
                    *value = u.column(r).dot(&s.column(r));
                }
                weights(r, along)
            })
            .collect();
        let weighted =
            |k: usize| DMatrix::from_fn(u.nrows(), u.ncols(), |i, r| -u[(i, r)] * weights[r][k]);
        let heads = self.heads();
        let start = self.theta.len() - heads.len();
        let transposed = heads.transpose();
        let mut bars = Vec::with_capacity(order + 1);
        for k in 0..=order {
            let w = weighted(k);
            let slot = &mut gradient[start..];
            nalgebra::DMatrixViewMut::from_slice(slot, heads.nrows(), heads.ncols()).gemm(
                R::one(),
                &w,
                &top.z[k].transpose(),
                R::one(),
            );
            bars.push(&transposed * w);
        }
        self.body
            .add_hidden_gradient((x, v), &layers, bars, gradient);
    }
}
