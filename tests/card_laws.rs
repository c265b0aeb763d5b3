//! Every card does what its datasheet says; a card that lies is caught.
//!
//! A right claim fails with probability below 1e-6 (4.9 standard errors beyond its tolerance); with about sixty claims the
//! file's false-alarm rate is below 1e-4 — and far below it, since almost all tolerances are several standard errors wide.

use thermochip::hardware::card::{Card, card, names};
use thermochip::study::{Conditions, Session, Verdict, verify};

fn check(card: &Card) -> Vec<(String, Verdict)> {
    check_under(card, &Conditions::default())
}

fn check_under(card: &Card, conditions: &Conditions) -> Vec<(String, Verdict)> {
    let checked = verify(card, conditions, 1, &Session::silent()).unwrap();
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
            "dtca_g12_l70",
            "phase = { value = \"500 ns\"",
            "phase = { value = \"200 ns\"",
            "mixing",
        ),
        (
            "soft_spin_cmos",
            "noise_temperature_sigma = { value = \"5 %\"",
            "noise_temperature_sigma = { value = \"6 %\"",
            "spread of the noise",
        ),
        (
            "rc_gaussian",
            "offset = { value = \"1 mV\"",
            "offset = { value = \"1.2 mV\"",
            "offset over sites",
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

/// A corner and a temperature move what they must and leave the rest: conductances 25 per cent up make a node of time constant
/// 80 ns; a magnet of barrier Δ at temperature T has e^{Δ(300 K/T − 1)} of its time and couplings weaker by 300 K/T.
#[test]
fn corners_and_temperatures_move_what_they_must() {
    let fast = Conditions {
        corner: Some("FF".to_owned()),
        temperature: None,
    };
    let verdict = |card: &Card, conditions: &Conditions, claim: &str| {
        let checked = verify(card, conditions, 1, &Session::silent()).unwrap();
        let found = checked.into_iter().find(|c| c.claim.claim.contains(claim));
        let found = found.unwrap();
        (found.measured.value, found.measured.se, found.verdict)
    };
    let only = |name: &str, claims: &[&str]| {
        let mut card = card(name).unwrap();
        card.datasheet
            .retain(|c| claims.iter().any(|claim| c.claim.contains(claim)));
        card
    };
    let mode = only("rc_gaussian", &["correlation time", "rms noise voltage"]);
    let (tau, se, moved) = verdict(&mode, &fast, "correlation time");
    assert!((tau - 80e-9).abs() < 4.9 * se + 0.4e-9, "{tau} ± {se}");
    assert_eq!(moved, Verdict::Fails);
    assert_eq!(verdict(&mode, &fast, "rms noise voltage").2, Verdict::Holds);

    let magnet = only("smtj_pbit", &["autocorrelation time", "temperature 1"]);
    let hot = Conditions {
        corner: None,
        temperature: Some(330.0),
    };
    let (tau, se, _) = verdict(&magnet, &hot, "autocorrelation time");
    let wanted = 5e-9 * (1.609f64 * (300.0 / 330.0 - 1.0)).exp();
    assert!(
        (tau - wanted).abs() < 4.9 * se + 0.01 * wanted,
        "{tau} ± {se}, {wanted}"
    );
    let (temperature, se, _) = verdict(&magnet, &hot, "temperature 1");
    assert!(
        (temperature - 1.1).abs() < 4.9 * se + 0.005,
        "{temperature} ± {se}"
    );
    let unstated = Conditions {
        corner: Some("FF".to_owned()),
        temperature: None,
    };
    let refused = verify(&magnet, &unstated, 1, &Session::silent()).unwrap_err();
    assert!(refused.to_string().contains("a corner of smtj_pbit: TT"));
    // A time constant that its barrier does not give.
    let text = magnet.toml.replace("value = \"1.609\"", "value = \"1.7\"");
    let refused = Card::parse(&text).unwrap_err().to_string();
    assert!(refused.contains("`physics.tau` = 5.00 ns"), "{refused}");
}
