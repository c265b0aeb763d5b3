//! Samplers, right ones and ones with one thing wrong, and how each assertion judges them.

pub mod other;
pub mod reals;
pub mod spins;

use other::{Conductor, Euler, Field};
use reals::{Hamiltonian, Mala};
use spins::Spins;
use thermochip::dynamics::Calculus;
use thermochip::testing::Sequential;

/// What an assertion says.
pub type Caught = Result<(), String>;

/// All assertions, in the order of the table's columns.
pub const ASSERTIONS: &[&str] = &[
    "leaves_invariant",
    "rank_uniform",
    "geweke_joint",
    "detailed_balance",
    "converges_to",
    "transitions_match",
    "step_orders",
    "no_rectification",
    "conditional_consistency",
];

/// Something that can be judged.
#[derive(Clone, Copy)]
pub enum System {
    Spins(&'static str, Spins),
    Mala(&'static str, Mala),
    Hamiltonian(&'static str, Hamiltonian),
    Euler(&'static str, Euler),
    Conductor(&'static str, Conductor),
    Field(&'static str, Field),
}

impl System {
    pub fn name(&self) -> &'static str {
        match self {
            System::Spins(name, _)
            | System::Mala(name, _)
            | System::Hamiltonian(name, _)
            | System::Euler(name, _)
            | System::Conductor(name, _)
            | System::Field(name, _) => name,
        }
    }

    /// `None` where the assertion is about something else.
    pub fn judge(&self, assertion: &str, test: &Sequential) -> Option<Caught> {
        match self {
            System::Spins(_, system) => system.judge(assertion, test),
            System::Mala(_, system) => system.judge(assertion, test),
            System::Hamiltonian(_, system) => system.judge(assertion, test),
            System::Euler(_, system) => system.judge(assertion),
            System::Conductor(_, system) => system.judge(assertion, test),
            System::Field(_, system) => system.judge(assertion),
        }
    }
}

/// A sampler with one thing wrong.
pub struct Mutation {
    pub system: System,
    /// Assertions that always catch it …
    pub claimed: &'static [&'static str],
    /// … from so many draws in the first round.
    pub draws: usize,
}

impl Mutation {
    pub fn name(&self) -> &'static str {
        self.system.name()
    }
}

/// The right ones.
pub const SYSTEMS: &[System] = &[
    System::Spins("heat bath, right", spins::HEAT_BATH),
    System::Spins("colour sweeps, right", spins::COLOURS),
    System::Spins("Metropolis flips, right", spins::METROPOLIS),
    System::Mala("MALA, right", reals::MALA),
    System::Hamiltonian("Hamiltonian, right", reals::HAMILTONIAN),
    System::Euler("Euler's step, right", other::EULER),
    System::Conductor("passive conductor, right", Conductor(Calculus::AntiIto)),
    System::Field("local field, right", Field { flipped: false }),
];

/// Draws of the first round, in the published table as well.
pub const DRAWS: usize = 10_000;

const LAW: &[&str] = &[
    "leaves_invariant",
    "rank_uniform",
    "geweke_joint",
    "detailed_balance",
];
const CHAIN: &[&str] = &[
    "leaves_invariant",
    "rank_uniform",
    "geweke_joint",
    "detailed_balance",
    "converges_to",
    "transitions_match",
];

/// The wrong ones.
pub const MUTATIONS: &[Mutation] = &[
    Mutation {
        system: System::Spins("coupling's sign flipped", spins::FLIPPED),
        claimed: CHAIN,
        draws: DRAWS,
    },
    Mutation {
        system: System::Spins("5 % hot", spins::HOT),
        claimed: &["leaves_invariant"],
        draws: 6 * DRAWS,
    },
    Mutation {
        system: System::Spins("σ(f) for σ(2f)", spins::HALVED),
        claimed: CHAIN,
        draws: DRAWS,
    },
    Mutation {
        system: System::Spins("half of the flips left out", spins::LAZY),
        claimed: &["converges_to", "transitions_match"],
        draws: DRAWS,
    },
    Mutation {
        system: System::Spins("all spins at once", spins::AT_ONCE),
        claimed: CHAIN,
        draws: DRAWS,
    },
    Mutation {
        system: System::Spins("colouring off by one", spins::OFF_BY_ONE),
        claimed: CHAIN,
        draws: DRAWS,
    },
    Mutation {
        system: System::Spins("proposals' ratio left out, flips", spins::UNBALANCED),
        claimed: CHAIN,
        draws: DRAWS,
    },
    Mutation {
        system: System::Mala("√h noise for √2h", reals::QUIET),
        claimed: LAW,
        draws: DRAWS,
    },
    Mutation {
        system: System::Mala("nothing rejected", reals::UNADJUSTED),
        claimed: LAW,
        draws: DRAWS,
    },
    Mutation {
        system: System::Mala("proposals' ratio left out, MALA", reals::ENERGY_ONLY),
        claimed: LAW,
        draws: DRAWS,
    },
    Mutation {
        system: System::Mala("5 % hot, MALA", reals::HOT),
        claimed: &["leaves_invariant"],
        draws: 10 * DRAWS,
    },
    Mutation {
        system: System::Hamiltonian("momentum not refreshed", reals::STUBBORN),
        claimed: &["rank_uniform", "converges_to"],
        draws: DRAWS,
    },
    Mutation {
        system: System::Euler("√h noise for √2h, Euler", other::QUIET),
        claimed: &["step_orders"],
        draws: DRAWS,
    },
    Mutation {
        system: System::Conductor("noise read as Itô", Conductor(Calculus::Ito)),
        claimed: &["no_rectification"],
        draws: DRAWS,
    },
    Mutation {
        system: System::Conductor(
            "noise read as Stratonovich",
            Conductor(Calculus::Stratonovich),
        ),
        claimed: &["no_rectification"],
        draws: DRAWS,
    },
    Mutation {
        system: System::Field("sign flipped in the field alone", Field { flipped: true }),
        claimed: &["conditional_consistency"],
        draws: DRAWS,
    },
];
