//! Moments of any order, accumulated block by block: ⟨Π_k f_k(x)⟩, each f_k a node's value or the indicator of one of its states.
//!
//! Blocks are `x[(chain * draws + draw) * nodes + node]` with the same chains each time; nothing else is kept than one sum for
//! each product and chain. Standard errors come from the scatter between chains.

use super::Estimates;
use rayon::prelude::*;

/// One factor of a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// x_i.
    Value(usize),
    /// 1 where x_i is this number, else 0.
    Indicator(usize, f32),
}

impl Reading {
    /// Of one draw.
    pub fn of(self, x: &[f32]) -> f64 {
        match self {
            Reading::Value(i) => f64::from(x[i]),
            Reading::Indicator(i, state) => f64::from(u8::from(x[i] == state)),
        }
    }
}

/// Means of chosen products.
#[derive(Clone, Debug)]
pub struct StreamingProducts {
    chains: usize,
    nodes: usize,
    products: Vec<Vec<Reading>>,
    draws: u64,
    /// Chain by chain, one sum for each product.
    sums: Vec<f64>,
}

impl StreamingProducts {
    /// Nothing seen yet; `products` are over nodes below `nodes`.
    pub fn new(chains: usize, nodes: usize, products: Vec<Vec<Reading>>) -> Self {
        StreamingProducts {
            sums: vec![0.0; chains * products.len()],
            chains,
            nodes,
            products,
            draws: 0,
        }
    }

    /// Adds a block of `draws` draws per chain.
    pub fn add(&mut self, x: &[f32], draws: usize) {
        let (nodes, products) = (self.nodes, &self.products);
        self.sums
            .par_chunks_mut(products.len().max(1))
            .zip(x.par_chunks(draws * nodes))
            .for_each(|(sums, chain)| {
                for x in chain.chunks(nodes) {
                    for (sum, product) in sums.iter_mut().zip(products) {
                        *sum += product.iter().map(|reading| reading.of(x)).product::<f64>();
                    }
                }
            });
        self.draws += draws as u64;
    }

    /// The means, in the order of the products.
    pub fn finish(&self) -> Estimates {
        let (width, count) = (self.products.len(), self.chains as f64);
        let of = |k: usize| {
            let chains = self.sums.iter().skip(k).step_by(width);
            let means: Vec<f64> = chains.map(|sum| sum / self.draws as f64).collect();
            let mean = means.iter().sum::<f64>() / count;
            let scatter: f64 = means.iter().map(|m| (m - mean).powi(2)).sum();
            (mean, (scatter / (count - 1.0) / count).sqrt())
        };
        let (value, se) = (0..width).map(of).unzip();
        Estimates { value, se }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two chains of four draws in blocks of three and one: the sums of all by hand.
    #[test]
    fn products_over_blocks_are_those_of_all_draws() {
        let first = [[1.0, 2.0], [-1.0, 0.0], [1.0, 2.0], [1.0, 1.0]];
        let second = [[-1.0, 2.0], [-1.0, 2.0], [1.0, 0.0], [1.0, 2.0]];
        let block = |range: std::ops::Range<usize>| -> Vec<f32> {
            let both = first[range.clone()].iter().chain(&second[range]);
            both.flatten().copied().collect()
        };
        let (spin, two) = (Reading::Value(0), Reading::Indicator(1, 2.0));
        let products = vec![vec![spin, two], vec![two], vec![spin, spin, spin]];
        let mut sums = StreamingProducts::new(2, 2, products);
        sums.add(&block(0..3), 3);
        sums.add(&block(3..4), 1);
        let found = sums.finish();
        assert_eq!(found.value, [0.5 * (2.0 - 1.0) / 4.0, 5.0 / 8.0, 0.25]);
        // Chain means of the first product: 1/2 and −1/4.
        assert_eq!(found.se[0], 0.375);
    }
}
