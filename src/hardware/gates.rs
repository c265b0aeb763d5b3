//! Choices of one of K made by K − 1 two-state elements in turn: the first that is on decides, the last state takes the rest.
//!
//! Gate k is on with probability P(k | not an earlier one) = p_k/(p_k + … + p_{K−1}), so its logit is
//! 2I_k = ln(p_k/Σ_{m>k} p_m); each flips on its own, with the correlation time of its element (US 2026/0031800: gated
//! metastable elements).

/// Inputs I_k of the K − 1 gates that choose with `probabilities` (K ≥ 2 positive numbers; their sum does not matter).
pub(super) fn inputs(probabilities: &[f64]) -> impl Iterator<Item = f64> + '_ {
    let mut rest: f64 = probabilities.iter().sum();
    let gates = probabilities.len().saturating_sub(1);
    probabilities[..gates].iter().map(move |&p| {
        rest -= p;
        0.5 * (p / rest.max(f64::MIN_POSITIVE)).ln()
    })
}

/// The probabilities that gates with these inputs choose with.
pub(super) fn probabilities(inputs: &[f64]) -> Vec<f64> {
    let mut rest = 1.0;
    let mut chosen: Vec<f64> = inputs
        .iter()
        .map(|&input| {
            let p = rest / (1.0 + (-2.0 * input).exp());
            rest /= 1.0 + (2.0 * input).exp();
            p
        })
        .collect();
    chosen.push(rest);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A gate that is shut beyond what 1 − p tells leaves the others what is theirs.
    #[test]
    fn shut_gates_leave_a_little() {
        let chosen = probabilities(&[20.0, -20.0]);
        assert!(
            (chosen[2] / (-40.0f64).exp() - 1.0).abs() < 1e-12,
            "{chosen:?}"
        );
        assert!(
            (chosen[1] / (-80.0f64).exp() - 1.0).abs() < 1e-12,
            "{chosen:?}"
        );
    }

    proptest! {
        #[test]
        fn gates_choose_with_the_probabilities_they_were_set_for(
            weights in proptest::collection::vec(1e-3..10.0f64, 2..8),
        ) {
            let total: f64 = weights.iter().sum();
            for (p, w) in probabilities(&inputs(&weights).collect::<Vec<_>>()).iter().zip(&weights) {
                prop_assert!((p - w / total).abs() < 1e-9);
            }
        }
    }
}
