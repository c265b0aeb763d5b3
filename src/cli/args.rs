//! The command line's words: `models`, `verify`, `run`, `compare`, `train`, `fit`, `netlist`, `report`, `diagnose`, `reference`.
//!
//! [`parse`] turns clap's many-line complaints into the one line that every bad input gets.

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Simulates thermodynamic sampling chips: programs an energy, runs the noisy circuit, reads samples, says how good they are.
#[derive(Clone, Debug, Parser)]
#[command(name = "thermochip", version, propagate_version = true)]
#[command(
    after_help = "Example: thermochip compare experiments/gaussian_rc.toml --out runs/gaussian\n\
    Exit status: 0 done, 1 a check failed or the run broke off, 2 bad input (one line says where)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Threads to use (default: all cores); the samples are the same bits for any number.
    #[arg(long, global = true, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Print the result as JSON on standard output, for machines.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress bars and no table; errors are still printed.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List the chip models, or show one: every parameter with value, unit, provenance label and source.
    #[command(after_help = "Example: thermochip models soft_spin_cmos")]
    Models {
        /// A card's name; without it, all are listed.
        name: Option<String>,
    },
    /// Fabricate and simulate each card and check what its datasheet claims: claim, expected, measured, verdict.
    #[command(
        after_help = "Example: thermochip verify lc_spu_8\n         thermochip verify my_chip.toml --json\n         thermochip verify rc_gaussian --corner FF --temperature \"350 K\"\nExit status: 0 every claim holds, 1 one does not."
    )]
    Verify {
        /// Names of cards, or card files (.toml); without any, all shipped cards.
        names: Vec<String>,
        /// Seed of the simulations.
        #[arg(long, value_name = "S", default_value_t = 0)]
        seed: u64,
        /// Process corner of the dies (TT, FF, SS, FS, SF), where the card states it: which claims does it move?
        #[arg(long, value_name = "CORNER")]
        corner: Option<String>,
        /// Actual temperature of the dies, e.g. "350 K"; the program keeps the card's.
        #[arg(long, value_name = "T")]
        temperature: Option<String>,
        /// Another design: a parameter of the card, e.g. --set "physics.tau=80 ns"; may be repeated.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Simulate one hardware sampling run, or a SPICE netlist (.cir).
    #[command(
        after_help = "Example: thermochip run experiments/gaussian_rc.toml --seed 3 --out runs/g3\n         thermochip run experiments/johnson.cir"
    )]
    Run(Job),
    /// Sample one energy on the ideal chip, the imperfect die, digitally and, where it exists, exactly; write a report.
    #[command(after_help = "Example: thermochip compare experiments/optdigits.toml")]
    Compare(Job),
    /// Train the couplings, through the chip or digitally.
    #[command(
        after_help = "Example: thermochip train experiments/optdigits.toml --out runs/digits"
    )]
    Train(Job),
    /// Fit a card's parameters to measured traces: arrays `x` (chain, draw, node) in volts, `t` (draw) in seconds, `bias` (chain) in volts.
    #[command(after_help = "Example: thermochip fit rc_gaussian measured.npz")]
    Fit(Measured),
    /// Write the programmed chip as a SPICE netlist.
    #[command(
        after_help = "Example: thermochip netlist experiments/gaussian_rc.toml --out chip.cir"
    )]
    Netlist(Export),
    /// Rebuild the figures and report.html from a run directory.
    #[command(after_help = "Example: thermochip report runs/optdigits")]
    Report {
        /// A directory that run, compare or train wrote.
        dir: PathBuf,
    },
    /// Judge draws from anywhere: mixing, drift, errors, correlation and dwell times, currents, distance from a reference.
    #[command(
        after_help = "Example: thermochip diagnose runs/gaussian/samples-analog-die-1.npz --reference runs/gaussian/samples-mala.npz\n\n\
        FILE is .npz with x[chain, draw, node] (or x[draw, node], x[draw]; optional t[draw] and score[…] = −∇E like x), or .csv or\n\
        .csv.gz with a draw per row and a node per column (optional header; columns `chain` and `t` are not nodes).\n\
        A reference .npz may hold `probabilities` of the 2^n states of n two-valued nodes instead of draws (bit i: node i is up).\n\
        Exit status: 1 where the draws contradict mixing, stationarity or the reference."
    )]
    Diagnose(Examination),
    /// Run every sampler on every energy of the reference set and print the matrix against the exact moments.
    #[command(
        after_help = "Example: thermochip reference --out runs/reference\n         thermochip reference my_energies/ --samplers mala,hmc,tempering --json\n\n\
        PATH is an experiment file, or a folder of them (with exact.json where the exact moments are not known otherwise); without\n\
        any, the twenty shipped energies of experiments/reference.\n\
        Exit status: 1 where a sampler that claims to be exact is contradicted (by chance: once in 10,000 matrices)."
    )]
    Reference(ReferenceSet),
}

/// An experiment and where its results go.
#[derive(Args, Clone, Debug)]
pub struct Job {
    /// The experiment (TOML), or a SPICE netlist (.cir).
    pub file: PathBuf,
    /// Seed of everything random but the die, instead of the file's.
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Directory of the results (default: runs/NAME of the file).
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Continue the interrupted run in that directory, to the same bits.
    #[arg(long)]
    pub resume: bool,
}

/// Traces and the card that they are of.
#[derive(Args, Clone, Debug)]
pub struct Measured {
    /// Card name, or the path of a card (.toml).
    pub card: String,
    /// The traces (.npz).
    pub traces: PathBuf,
}

/// A netlist to write.
#[derive(Args, Clone, Debug)]
pub struct Export {
    /// The experiment (TOML), or a netlist to write anew.
    pub file: PathBuf,
    /// The ideal chip although the experiment has a die.
    #[arg(long)]
    pub ideal: bool,
    /// How noise is written: `trnoise` sources, a recorded realisation as `pwl`, or `off`.
    #[arg(long, value_name = "HOW", default_value = "trnoise", value_parser = ["trnoise", "pwl", "off"])]
    pub noise: String,
    /// Time step of the noise, e.g. "0.1 ns" (default: a hundredth of the time constant).
    #[arg(long, value_name = "TIME")]
    pub step: Option<String>,
    /// Simulated time, e.g. "2 us" (default: 100 time constants).
    #[arg(long, value_name = "TIME")]
    pub stop: Option<String>,
    /// Seed of a recorded realisation.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// File to write (default: standard output).
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Energies and samplers of a matrix.
#[derive(Args, Clone, Debug)]
pub struct ReferenceSet {
    /// Experiment files, or folders of them; without any, the shipped set.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Samplers, with commas between (default: all).
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub samplers: Vec<String>,
    /// Time after which no further cell is begun, e.g. "30 s".
    #[arg(long, value_name = "TIME")]
    pub time_limit: Option<String>,
    /// Seed of everything random.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Directory for reference.json, the figure and report.html (default: none is written).
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Draws to judge.
#[derive(Args, Clone, Debug)]
pub struct Examination {
    /// The draws (.npz, .csv, .csv.gz).
    pub file: PathBuf,
    /// Draws, or exact probabilities, of the law that was meant.
    #[arg(long, value_name = "FILE2")]
    pub reference: Option<PathBuf>,
    /// Centres of modes whose weights are wanted: a CSV with a centre per row.
    #[arg(long, value_name = "CSV")]
    pub centres: Option<PathBuf>,
    /// Hysteresis thresholds of the two levels of an analog trace, for dwell times.
    #[arg(long, value_name = "LOW,HIGH", value_parser = pair, allow_hyphen_values = true)]
    pub levels: Option<(f64, f64)>,
    /// Groups of consecutive chains that started alike, for the nested R-hat.
    #[arg(long, value_name = "K")]
    pub superchains: Option<usize>,
    /// Seed of permutations and simulated nulls.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Directory for diagnosis.json and the figures (default: none is written).
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl Job {
    /// `--out`, or `runs/STEM` for `…/STEM.toml`.
    pub fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let stem = self.file.file_stem().unwrap_or(self.file.as_os_str());
            Path::new("runs").join(stem)
        })
    }
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("expected a whole number of at least 1".to_owned()),
    }
}

fn pair(text: &str) -> Result<(f64, f64), String> {
    let parts = text.split_once(',');
    let numbers = parts.and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    numbers.ok_or_else(|| "expected two numbers with a comma between".to_owned())
}

/// Why there is no command to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Help or version was asked for: print this and exit 0.
    Show(String),
    /// The command line is wrong: print this one line and exit 2.
    Refuse(String),
}

/// Parses a command line, program name first.
///
/// # Errors
/// [`Stop`], which says what to print and how to exit.
pub fn parse<I>(arguments: I) -> Result<Cli, Stop>
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    use clap::error::ErrorKind;
    Cli::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Show(error.to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            let words =
                "no command: expected one of models, verify, run, compare, train, fit, netlist, report, diagnose, reference";
            Stop::Refuse(format!("{words} (try --help)"))
        }
        _ => Stop::Refuse(one_line(&error.to_string())),
    })
}

/// clap's message without its usage block: what is wrong, and its tips.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim);
    let told = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty());
    let mut text = String::new();
    for line in told {
        let line = line.strip_prefix("error: ").unwrap_or(line);
        if !text.is_empty() {
            text.push_str(if line.starts_with("tip:") { "; " } else { " " });
        }
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn refused(words: &[&str]) -> String {
        match parse([&["thermochip"], words].concat()) {
            Err(Stop::Refuse(line)) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn definitions_are_consistent_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string);
            assert!(help.unwrap_or_default().contains("Example: thermochip"));
        }
    }

    #[test]
    fn options_may_stand_before_or_after_the_command() {
        for words in [
            [
                "thermochip",
                "--threads",
                "2",
                "--quiet",
                "compare",
                "a/b.toml",
            ],
            [
                "thermochip",
                "compare",
                "a/b.toml",
                "--quiet",
                "--threads",
                "2",
            ],
        ] {
            let cli = parse(words).unwrap();
            assert_eq!((cli.common.threads, cli.common.quiet), (Some(2), true));
            let Command::Compare(job) = cli.command else {
                panic!()
            };
            assert_eq!(job.out(), Path::new("runs/b"));
        }
    }

    #[test]
    fn a_wrong_command_line_is_one_line() {
        for (words, expected) in [
            (
                &["compare"][..],
                "the following required arguments were not provided: <FILE>",
            ),
            (
                &["compare", "x", "--thread", "2"],
                "unexpected argument '--thread' found; tip: a similar argument exists: '--threads'",
            ),
            (
                &["compare", "x", "--threads", "0"],
                "invalid value '0' for '--threads <N>': expected a whole number of at least 1",
            ),
            (
                &["comparr", "x"],
                "unrecognized subcommand 'comparr'; tip: a similar subcommand exists: 'compare'",
            ),
            (
                &[],
                "no command: expected one of models, verify, run, compare, train, fit, netlist, report, diagnose, reference (try --help)",
            ),
        ] {
            assert_eq!(refused(words), expected);
        }
    }

    #[test]
    fn help_is_shown_not_refused() {
        assert!(matches!(
            parse(["thermochip", "run", "--help"]),
            Err(Stop::Show(_))
        ));
    }
}
