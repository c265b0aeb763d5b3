//! What another supply than the card's does to a chip whose program does not know of it.
//!
//! Only a card that has the circuit of its p-bits (supply, cell capacitance, cell current) says how the supply acts: it raises
//! the barrier of the latch, whose exact master equation (arXiv 2008.10578; single charges, local detailed balance) gives the
//! relaxation time 1/λ1, the logit per volt of bias κ, and α of τ(I) = τ0/cosh(αI), at the card's supply and at the actual
//! one. Latches of transistors get the supply itself; two-state elements the ratios of the three to the card's. Couplings and
//! fields come as bias voltages, so what is sampled is β = κ/κ_card times the program.

use super::card::Kind;
use super::die::{Die, Level};
use super::latch::LatchChip;
use crate::circuit::ChargeLevel;
use crate::dynamics::MasterEquation;
use crate::energy::{Couplings, Ising};
use crate::error::{Error, Result};
use crate::units::{BOLTZMANN, ELEMENTARY_CHARGE, format_si};

/// Bias at which the response is taken, in V_T.
const BIAS: f64 = 0.1;
/// Largest supply whose latch is solved for, in V_T.
const MOST: f64 = 4.0;

/// A supply and what it makes of a two-state element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Supply {
    /// Each rail from ground, V.
    pub volts: f64,
    /// Relaxation time over the card's.
    pub slower: f64,
    /// Logit per volt over the card's.
    pub gain: f64,
    /// α over the card's.
    pub tau_bias: f64,
}

impl Die {
    /// The die at a supply of so many `volts` (each rail from ground), which the program does not know.
    ///
    /// # Errors
    /// A card that does not state how the supply acts; a supply at which its latch has no two states (V_dd ≤ ln 2 V_T), or beyond 4 V_T.
    pub fn at_supply(mut self, volts: f64) -> Result<Self> {
        let circuit = ["supply", "cell_capacitance", "cell_current"];
        let stated = |name: &&str| self.card.get(&format!("physics.{name}")).is_some();
        if self.card.kind != Kind::Telegraph || !circuit.iter().all(stated) {
            let expected = format!(
                "no supply: {} does not state how its supply acts (physics.supply, cell_capacitance and cell_current of p-bits)",
                self.card.name
            );
            return Err(Error::invalid("supply", format_si(volts, "V"), expected));
        }
        let kelvins = self.card.required("physics.temperature") * self.temperature_ratio;
        let thermal = BOLTZMANN * kelvins / ELEMENTARY_CHARGE;
        let range = std::f64::consts::LN_2..=MOST;
        if !range.contains(&(volts / thermal)) {
            let expected = format!(
                "{} to {}, ln 2 to {MOST} V_T: below it a latch has one state only",
                format_si(std::f64::consts::LN_2 * thermal, "V"),
                format_si(MOST * thermal, "V")
            );
            return Err(Error::invalid("supply", format_si(volts, "V"), expected));
        }
        let mut nominal = Die::fabricate(&self.card, None, None)?;
        nominal.level = Level::Poisson;
        let mut actual = nominal.clone();
        actual.temperature_ratio = self.temperature_ratio;
        actual.supply = Some(Supply {
            volts,
            slower: 1.0,
            gain: 1.0,
            tau_bias: 1.0,
        });
        // The card's own supply at the actual temperature follows V_T, which two-state elements know already.
        let (was, is) = (response(&nominal)?, response(&actual)?);
        self.supply = Some(Supply {
            volts,
            slower: is.seconds / was.seconds,
            gain: is.logit / was.logit,
            tau_bias: is.tau_bias / was.tau_bias,
        });
        Ok(self)
    }
}

/// A latch as a two-state element.
struct Response {
    /// Relaxation time, s.
    seconds: f64,
    /// Logit per V_T of bias.
    logit: f64,
    /// α.
    tau_bias: f64,
}

fn response(die: &Die) -> Result<Response> {
    let kelvins = die.card.required("physics.temperature") * die.temperature_ratio;
    let thermal = BOLTZMANN * kelvins / ELEMENTARY_CHARGE;
    let at = |bias: f64| {
        let field = bias * thermal / die.volts_per_input();
        let one = Ising::new(vec![field], Couplings::empty(1))?;
        let chip = LatchChip::new(die, &one, ChargeLevel::Poisson)?;
        let reach = chip.supply(die) + 2.0;
        let equation = MasterEquation::new(chip.latch(), &[0.0, 0.0], reach)?;
        let lean = equation.mean(|x| match x[1] - x[0] {
            d if d.abs() < 1e-9 => 0.0,
            d => d.signum(),
        });
        // P(+) − P(−) = tanh I.
        let rate = equation.slowest_rate(|x| x[1] - x[0]) / chip.time_unit();
        Ok::<_, Error>((rate, lean.atanh()))
    };
    let ((still, _), (leaning, input)) = (at(0.0)?, at(BIAS)?);
    Ok(Response {
        seconds: 1.0 / still,
        logit: 2.0 * input / BIAS,
        tau_bias: (leaning / still).max(1.0).acosh() / input,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::card::card;

    /// V5's relaxation rates at three supplies, as ratios to the card's 1.2 V_T; at the card's own supply nothing changes.
    #[test]
    fn the_barrier_follows_the_supply() {
        let card = card("pbit_cmos_subthreshold").unwrap();
        let thermal = BOLTZMANN * 300.0 / ELEMENTARY_CHARGE;
        for (supply, rate) in [(1.0, 1.96387e-2), (1.2, 4.4492e-3), (1.4, 4.8161e-4)] {
            let die = Die::fabricate(&card, Some(1), None).unwrap();
            let found = die.at_supply(supply * thermal).unwrap().supply.unwrap();
            let slower = 4.4492e-3 / rate;
            assert!((found.slower / slower - 1.0).abs() < 3e-3, "{found:?}");
            assert!(supply == 1.2 || (found.gain - 1.0) * (supply - 1.2) > 0.0);
            if supply == 1.2 {
                assert!((found.gain - 1.0).abs() < 1e-4 && (found.tau_bias - 1.0).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn supplies_that_no_card_explains_are_refused() {
        let refused = |name: &str, volts: f64| {
            let die = Die::fabricate(&card(name).unwrap(), None, None).unwrap();
            die.at_supply(volts).unwrap_err().to_string()
        };
        for name in ["z1", "rc_gaussian", "josephson_flux", "pdit", "lc_spu_8"] {
            let said = refused(name, 0.03);
            assert!(
                said.contains("does not state how its supply acts"),
                "{said}"
            );
        }
        for volts in [0.017, 0.2, f64::NAN] {
            assert!(refused("pbit_cmos_subthreshold", volts).contains("one state only"));
        }
    }
}
