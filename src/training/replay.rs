//! A replay buffer: more chains of PCD than an update runs. Each update continues different ones at random and puts them back, so
//! that successive negatives are further apart (Du and Mordatch 2019, arXiv 1903.08689; there with restarts, here `restart`).

use crate::error::{Error, Result};
use rand::Rng;

/// Refuses a buffer that an update of `batch` chains cannot be taken from, or that nothing is kept in.
///
/// # Errors
/// Fewer slots than chains; chains that do not persist.
pub(super) fn check(slots: usize, batch: usize, persistent: bool) -> Result<()> {
    let refused = |expected: String| Err(Error::invalid("train.buffer", slots, expected));
    if !persistent {
        return refused("no buffer: only chains of pcd are kept".to_owned());
    }
    if slots < batch {
        return refused(format!("at least {batch} chains, those of an update"));
    }
    Ok(())
}

/// Which of the kept chains an update continues: all in their order where there are no more, else different ones at random.
pub(super) fn chosen(slots: usize, batch: usize, rng: &mut impl Rng) -> Vec<usize> {
    if slots <= batch {
        return (0..batch).collect();
    }
    rand::seq::index::sample(rng, slots, batch).into_vec()
}
