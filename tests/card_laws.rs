//! Every card does what its datasheet says; a card that lies is caught.
//!
//! A right claim fails with probability below 1e-6 (4.9 standard errors beyond its tolerance); with about sixty claims the
//! file's false-alarm rate is below 1e-4 — and far below it, since almost all tolerances are several standard errors wide.

use thermochip::hardware::card::{Card, card, names};
use thermochip::study::{Session, Verdict, verify};

fn check(card: &Card) -> Vec<(String, Verdict)> {
    let checked = verify(card, 1, &Session::silent()).unwrap();
    checked
        .into_iter()
        .map(|c| {
            let line = format!(
                "{}: {}: expected {:e} ± {:e}, measured {:e} ± {:e}",
                c.card, c.claim.claim, c.expected, c.tolerance, c.measured.value, c.measured.se
            );
            (line, c.verdict)
        })
        .collect()
}

#[test]
fn every_card_does_what_it_says() {
    for name in names() {
        let card = card(name).unwrap();
        assert!(!card.datasheet.is_empty(), "{name} claims nothing");
        for (line, verdict) in check(&card) {
            println!("{verdict:?} {line}");
            assert_eq!(verdict, Verdict::Holds, "{line}");
        }
    }
}

/// Cards whose physics and claims disagree by a little more than the tolerance and its error bars.
#[test]
fn cards_that_lie_are_caught() {
    for (name, from, to, claim) in [
        (
            "rc_gaussian",
            "tau = { value = \"100 ns\"",
            "tau = { value = \"108 ns\"",
            "correlation time",
        ),
        (
            "rc_gaussian",
            "noise_temperature = { value = \"300000 K\"",
            "noise_temperature = { value = \"312000 K\"",
            "rms noise voltage",
        ),
        (
            "pbit_cmos_subthreshold",
            "bias_gain = { value = \"1.05\"",
            "bias_gain = { value = \"1.10\"",
            "logit per millivolt",
        ),
        (
            "pbit_cmos_subthreshold",
            "offset = { value = \"0.19 mV\"",
            "offset = { value = \"0.25 mV\"",
            "left by calibration",
        ),
        (
            "lc_spu_8",
            "inductance = { value = \"1 uH\"",
            "inductance = { value = \"1.001 uH\"",
            "resonance",
        ),
        (
            "josephson_flux",
            "critical_current = { value = \"0.3 uA\"",
            "critical_current = { value = \"0.301 uA\"",
            "barrier between",
        ),
        (
            "dtca_g12_l70",
            "open 70x70 G12",
            "torus 70x70 G12",
            "couplings",
        ),
        (
            "z1",
            "read_energy = { value = \"1.692 pJ\"",
            "read_energy = { value = \"1.71 pJ\"",
            "full reads",
        ),
    ] {
        let text = card(name).unwrap().toml;
        assert!(text.contains(from), "{name}: {from}");
        let mut liar = Card::parse(&text.replace(from, to)).unwrap();
        liar.datasheet.retain(|c| c.claim.contains(claim));
        let verdicts = check(&liar);
        assert_eq!(verdicts.len(), 1, "{name}: {claim}");
        assert_eq!(verdicts[0].1, Verdict::Fails, "{}", verdicts[0].0);
    }
}
