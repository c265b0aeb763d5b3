//! Energies of the free variables when the others are held, E(x_f | x_c) = E(x_f, x_c) up to a constant.
//!
//! Couplings to held variables become fields: h_i + Σ_c J_ic x_c; for ½xᵀPx − bᵀx, P_ff and b_f − P_fc x_c.

use super::{Couplings, Ising, Model, Quadratic, SoftSpin};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

impl Model {
    /// The energy of the variables that are not in `nodes`, in their order, with those held at `values`; `None` for mixtures and
    /// factor graphs (of which [`super::enumerate_factors`] holds variables itself), and when nothing is free.
    ///
    /// # Errors
    /// A variable that does not exist, or another number of values.
    pub fn given(&self, nodes: &[usize], values: &[f64]) -> Result<Option<Model>> {
        let n = self.dim();
        if let Some(node) = nodes.iter().find(|&&i| i >= n) {
            return Err(Error::invalid("nodes", node, format!("below {n}")));
        }
        if nodes.len() != values.len() {
            let expected = format!("{} values", nodes.len());
            return Err(Error::invalid("values", values.len(), expected));
        }
        let mut held = vec![None; n];
        for (&i, &value) in nodes.iter().zip(values) {
            held[i] = Some(value);
        }
        let free: Vec<usize> = (0..n).filter(|&i| held[i].is_none()).collect();
        if free.is_empty() {
            return Ok(None);
        }
        let of_free = |all: &[f64]| free.iter().map(|&i| all[i]).collect::<Vec<f64>>();
        let reduced = |fields: &[f64], couplings: &Couplings| {
            let (mut fields, mut list) = (fields.to_vec(), Vec::new());
            for (&(i, j), &value) in couplings.edges().iter().zip(couplings.values()) {
                match (held[i], held[j]) {
                    (None, None) => {
                        let place = |k| free.partition_point(|&f| f < k);
                        list.push((place(i), place(j), value));
                    }
                    (None, Some(x)) => fields[i] += value * x,
                    (Some(x), None) => fields[j] += value * x,
                    (Some(_), Some(_)) => {}
                }
            }
            Ok::<_, Error>((of_free(&fields), Couplings::new(free.len(), list)?))
        };
        Ok(Some(match self {
            Model::Ising(e) => {
                let (fields, couplings) = reduced(&e.fields, &e.couplings)?;
                Model::Ising(Ising::new(fields, couplings)?)
            }
            Model::SoftSpin(e) => {
                let (fields, couplings) = reduced(&e.fields, &e.couplings)?;
                Model::SoftSpin(SoftSpin::new(
                    of_free(&e.j2),
                    of_free(&e.j4),
                    fields,
                    couplings,
                )?)
            }
            Model::Quadratic(e) => {
                let p = e.precision();
                let own = DMatrix::from_fn(free.len(), free.len(), |a, b| p[(free[a], free[b])]);
                let pull = |i: usize| -> f64 {
                    let held = nodes.iter().zip(values);
                    held.map(|(&c, &x)| p[(i, c)] * x).sum()
                };
                let linear = free.iter().map(|&i| e.linear()[i] - pull(i));
                let linear = DVector::from_vec(linear.collect());
                Model::Quadratic(Quadratic::new(own, linear)?)
            }
            Model::FluxCells(e) => {
                let mut cells = e.clone();
                cells.flux = of_free(&e.flux);
                Model::FluxCells(cells)
            }
            Model::Mixture(_) | Model::Factors(_) => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::{ContinuousEnergy, DiscreteEnergy};

    /// Differences of energies at the same held values are those of the conditional energy, for every kind.
    #[test]
    fn conditional_energies_differ_as_the_whole_does() {
        let list = vec![(0, 1, 0.3), (0, 3, -0.7), (1, 2, 0.9), (2, 3, 0.4)];
        let (fields, couplings) = (vec![0.1, -0.2, 0.3, 0.5], Couplings::new(4, list).unwrap());
        let spins = Ising::new(fields.clone(), couplings.clone()).unwrap();
        let soft = SoftSpin::new(vec![0.5; 4], vec![0.2; 4], fields, couplings).unwrap();
        let p = DMatrix::from_fn(4, 4, |i, j| if i == j { 3.0 } else { 0.2 * (i + j) as f64 });
        let linear = DVector::from_vec(vec![0.5, -0.3, 0.2, 0.1]);
        let quadratic = Quadratic::new(p, linear).unwrap();
        for model in [
            Model::Ising(spins),
            Model::SoftSpin(soft),
            Model::Quadratic(quadratic),
        ] {
            let part = model.given(&[3, 1], &[-1.0, 1.0]).unwrap().unwrap();
            let value = |m: &Model, x: &[f64]| match (m.continuous(), m.discrete()) {
                (Some(e), _) => ContinuousEnergy::value(e, x),
                (_, Some(e)) => {
                    let s: Vec<i8> = x.iter().map(|&v| v as i8).collect();
                    DiscreteEnergy::value(e, &s)
                }
                _ => f64::NAN,
            };
            let whole = |a: f64, b: f64| value(&model, &[a, 1.0, b, -1.0]);
            for (a, b) in [(1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
                let wanted = whole(a, b) - whole(1.0, 1.0);
                let got = value(&part, &[a, b]) - value(&part, &[1.0, 1.0]);
                assert!((got - wanted).abs() < 1e-12, "{model:?}: {got} {wanted}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let pair = Model::Ising(Ising::new(vec![0.0; 2], Couplings::empty(2)).unwrap());
        assert!(pair.given(&[2], &[1.0]).is_err() && pair.given(&[0], &[]).is_err());
        assert!(pair.given(&[0, 1], &[1.0, 1.0]).unwrap().is_none());
    }
}
