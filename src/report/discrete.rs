//! Draws of spins and categories: what moments are taken of, and the numbers of joint states. `domain` is the array of that name in
//! `samples-NAME.npz`: 0 for a spin (±1), K for a category (0..K).

/// Each draw's features, and how many there are: a spin's value, and the indicators of a category's states but the first.
pub(super) fn features(x: &[f64], domain: &[f64]) -> (Vec<f64>, usize) {
    let list: Vec<(usize, f64)> = domain
        .iter()
        .enumerate()
        .flat_map(|(i, &states)| {
            let indicators = (1..states.max(2.0) as usize).map(move |state| (i, state as f64));
            indicators.map(move |(i, state)| (i, if states == 0.0 { f64::NAN } else { state }))
        })
        .collect();
    let of = |row: &[f64], (i, state): (usize, f64)| {
        if state.is_nan() {
            row[i]
        } else {
            f64::from(u8::from(row[i] == state))
        }
    };
    let rows = x.chunks(domain.len().max(1));
    let values = rows.flat_map(|row| list.iter().map(move |&feature| of(row, feature)));
    (values.collect(), list.len())
}

/// Number of a joint state: the first variable runs fastest.
pub(super) fn state_number(row: &[f64], domain: &[f64]) -> usize {
    row.iter()
        .zip(domain)
        .rev()
        .fold(0, |number, (&x, &states)| {
            if states == 0.0 {
                2 * number + usize::from(x > 0.0)
            } else {
                states as usize * number + x as usize
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spin_and_a_category() {
        let (domain, x) = ([0.0, 3.0], [-1.0, 2.0, 1.0, 0.0]);
        let expected = vec![-1.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        assert_eq!(features(&x, &domain), (expected, 3));
        assert_eq!(state_number(&x[..2], &domain), 4);
        assert_eq!(state_number(&x[2..], &domain), 1);
    }
}
