//! Energy along trajectories: heat, work and stored energy, element by element.
//!
//! Charge dq passes an element with voltage V across it; the element takes up V ∘ dq (Stratonovich), noise included
//! (Sekimoto's heat, arXiv cond-mat/9702086 for the definition; arXiv 1301.4311 for circuits). Dissipative elements hand it to their bath as
//! heat Q, sources and active elements deliver work W = −∫ V ∘ dq, and capacitors, inductors and junctions store the rest:
//!
//! ΔU = W − Q.
//!
//! The integrals are V̄ q̄ of a step's trapezoids, plus ¼ (ΔI h δV − h ΔV̇ q_noise) with δV what noise did to V: without it
//! the heat of a single element between unequal temperatures would be wrong by O(h), though the sum would not. The law
//! closes to the order of the scheme; what is left is reported as the defect.

use super::assembly::Assembly;
use super::element::{Element, Terminal};
use super::meter::Meter;
use super::netlist::Circuit;
use super::simulate::{Plan, Precision, Prepared, initial};
use super::storage::{Delivered, Storage, equilibrium};
use crate::dynamics::{Control, Ensemble, LANES, Passage, Row, is_linear, linear as theory};
use crate::error::{Error, Result};

/// What an element does with energy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Dissipates it into a bath of this temperature, K.
    Bath(f64),
    /// A voltage or current source.
    Source,
    /// Has a supply of its own: transconductors, active cells, injected noise.
    Active,
}

/// An element of the balance.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its name in the netlist.
    pub name: String,
    /// What it does.
    pub role: Role,
}

/// Work on a circuit that has an equilibrium e^{−H/kT} whenever its voltage sources stand still: one temperature, nothing
/// active, no steady current. H = U − Σ_k V_k q_k is a function of state, q_k being the charge that source k has delivered.
/// Diodes and transistors have that law exactly only charge by charge; their Langevin level, which a balance follows, comes
/// near it as a charge becomes small beside C kT/q.
#[derive(Clone, Debug)]
pub struct Driving {
    /// The temperature, K.
    pub kelvins: f64,
    /// Work of each chain in the sense of Jarzynski and Crooks, −Σ_k ∫ q_k ∘ dV_k, J: the change of H that is not heat.
    pub work: Vec<f64>,
    /// F(end) − F(start) of the equilibria at the sources' values, J; known where all storage is linear.
    pub free_energy: Option<f64>,
}

/// Energies of many trajectories over one stretch of time, J.
#[derive(Clone, Debug)]
pub struct Balance {
    /// Copies.
    pub chains: usize,
    /// The elements that exchange energy with the outside.
    pub items: Vec<Item>,
    /// `absorbed[chain * items.len() + item]` = ∫ V ∘ dq.
    pub absorbed: Vec<f64>,
    /// Change of the stored energy of each chain.
    pub stored: Vec<f64>,
    /// What fluctuation theorems speak of; where there is no equilibrium at fixed sources, why.
    pub driving: std::result::Result<Driving, String>,
    /// Start and end, s.
    pub span: (f64, f64),
    /// The scheme used.
    pub scheme: String,
    /// The step used, s.
    pub step: f64,
}

impl Balance {
    fn sum(&self, chain: usize, pick: impl Fn(Role) -> bool) -> f64 {
        let n = self.items.len();
        let own = self.absorbed[chain * n..(chain + 1) * n].iter();
        own.zip(&self.items)
            .filter(|(_, item)| pick(item.role))
            .map(|(energy, _)| energy)
            .sum()
    }

    /// Q of a chain: heat to all baths.
    pub fn heat(&self, chain: usize) -> f64 {
        self.sum(chain, |role| matches!(role, Role::Bath(_)))
    }

    /// W of a chain: work of sources and active elements.
    pub fn work(&self, chain: usize) -> f64 {
        -self.sum(chain, |role| !matches!(role, Role::Bath(_)))
    }

    /// ΔU − W + Q of a chain: what the scheme's finite step leaves of the first law.
    pub fn defect(&self, chain: usize) -> f64 {
        self.stored[chain] - self.work(chain) + self.heat(chain)
    }

    /// Entropy handed to the baths by a chain, Σ Q/T, J/K.
    pub fn entropy(&self, chain: usize) -> f64 {
        let n = self.items.len();
        let own = self.absorbed[chain * n..(chain + 1) * n].iter();
        own.zip(&self.items)
            .map(|(energy, item)| match item.role {
                Role::Bath(kelvins) => energy / kelvins,
                _ => 0.0,
            })
            .sum()
    }

    /// Mean power that item `item` absorbs, and its standard error over chains, W.
    pub fn power(&self, item: usize) -> (f64, f64) {
        let n = self.items.len();
        let seconds = self.span.1 - self.span.0;
        let powers = self.absorbed.iter().skip(item).step_by(n);
        let powers: Vec<f64> = powers.map(|energy| energy / seconds).collect();
        let count = powers.len() as f64;
        let mean = powers.iter().sum::<f64>() / count;
        let square: f64 = powers.iter().map(|p| (p - mean).powi(2)).sum();
        (mean, (square / (count - 1.0).max(1.0) / count).sqrt())
    }
}

/// The role of an element, if it exchanges energy with the outside.
pub(super) fn role(element: &Element) -> Option<Role> {
    match element {
        Element::Resistor { kelvins, .. } => Some(Role::Bath(*kelvins)),
        Element::Inductor {
            series, kelvins, ..
        } => (*series > 0.0).then_some(Role::Bath(*kelvins)),
        Element::Transistor(t) => Some(Role::Bath(t.kelvins)),
        Element::Nonlinear(element) => Some(element.kelvins.map_or(Role::Active, Role::Bath)),
        Element::Voltage { .. } | Element::Drive { .. } | Element::Current { .. } => {
            Some(Role::Source)
        }
        Element::Transconductor { .. }
        | Element::Controlled { .. }
        | Element::Polynomial { .. }
        | Element::Noise { .. }
        | Element::Coloured { .. } => Some(Role::Active),
        Element::Capacitor { .. }
        | Element::Mutual { .. }
        | Element::Josephson { .. }
        | Element::Telegraph { .. } => None,
    }
}

/// What one tile of chains has exchanged so far.
#[derive(Clone, Debug)]
struct Account {
    /// `absorbed[item][lane]`.
    absorbed: Vec<Row<f64>>,
    driving: [f64; LANES],
}

/// Everything that is the same for all steps.
struct Books<'a> {
    assembly: &'a Assembly,
    meters: Vec<Meter>,
    /// Item of each element.
    item_of: Vec<Option<usize>>,
    items: usize,
    storage: Storage,
    /// (element, wave) of each voltage source.
    sources: Vec<(usize, usize)>,
    delivered: Vec<Delivered>,
    /// Step in units of the process, and in s.
    step: (f64, f64),
}

impl Books<'_> {
    fn source(&self, wave: usize, t: f64) -> f64 {
        self.assembly.process().waves[wave].at(t) * self.assembly.voltage_unit()
    }

    /// The item that a meter feeds, if its element exchanges energy with the outside there.
    fn item(&self, meter: &Meter) -> Option<usize> {
        self.item_of[meter.element].filter(|_| !meter.stores)
    }

    /// Δx − h v̄: what noise moved, v = M⁻¹F being the drift at either end.
    fn kick(&self, ends: [(&[f64], f64); 2]) -> Vec<f64> {
        let process = self.assembly.process();
        let [first, last] = ends.map(|(x, t)| theory::force(process, x, t));
        let mut moved: Vec<f64> = ((first + last) * (0.5 * self.step.0)).data.into();
        // What varying sources push through capacitors.
        for drive in process.drives.iter().filter(|d| d.derivative) {
            let wave = &process.waves[drive.wave];
            moved[drive.node] += drive.weight * (wave.at(ends[1].1) - wave.at(ends[0].1));
        }
        theory::solve_mass_vector(&process.mass, &mut moved);
        let change = ends[1].0.iter().zip(ends[0].0);
        change.zip(moved).map(|((b, a), v)| b - a - v).collect()
    }

    /// h M⁻¹ΔF over the step, F without what storing elements do to each other (that does no work on the noise).
    fn turn(&self, currents: &[[f64; 2]]) -> Vec<f64> {
        let mut change = vec![0.0; self.assembly.process().nodes];
        for (meter, current) in self.meters.iter().zip(currents) {
            if self.item(meter).is_some() {
                for &(row, weight) in &meter.forces {
                    change[row] += self.step.0 * weight * (current[1] - current[0]);
                }
            }
        }
        theory::solve_mass_vector(&self.assembly.process().mass, &mut change);
        change
    }

    /// Adds a step to the account.
    fn enter(&self, account: &mut Account, passage: &Passage<'_, f64>) {
        let nodes = self.assembly.circuit().nodes();
        let (t, end) = (passage.time, passage.time + self.step.0);
        let n = passage.before.len();
        let (mut before, mut after) = (vec![0.0; n], vec![0.0; n]);
        let (mut from, mut to) = (vec![0.0; nodes], vec![0.0; nodes]);
        let mut leaving = vec![0.0; nodes];
        for lane in 0..passage.lanes {
            for row in 0..n {
                before[row] = passage.before[row][lane];
                after[row] = passage.after[row][lane];
            }
            for node in 0..nodes {
                from[node] = self.assembly.voltage(node, &before, t);
                to[node] = self.assembly.voltage(node, &after, end);
            }
            let across = |volts: &[f64], [a, b]: [Terminal; 2]| {
                a.map_or(0.0, |a| volts[a]) - b.map_or(0.0, |b| volts[b])
            };
            leaving.fill(0.0);
            let mut leave = |[a, b]: [Terminal; 2], charge: f64| {
                if let Some(a) = a {
                    leaving[a] += charge;
                }
                if let Some(b) = b {
                    leaving[b] -= charge;
                }
            };
            let ends = [(&before[..], t), (&after[..], end)];
            let kick = self.kick(ends);
            let currents: Vec<[f64; 2]> = self
                .meters
                .iter()
                .map(|meter| ends.map(|(x, t)| meter.current(self.assembly, x, t)))
                .collect();
            let turn = self.turn(&currents);
            for (meter, current) in self.meters.iter().zip(&currents) {
                let xi = meter
                    .noise
                    .map_or(0.0, |(row, _)| passage.normals[row][lane]);
                let noise = meter.noise_charge(self.assembly, ends, self.step.1, xi);
                let charge = 0.5 * (current[0] + current[1]) * self.step.1 + noise;
                let volts = match meter.path {
                    Some(path) => {
                        leave(path, charge);
                        0.5 * (across(&from, path) + across(&to, path))
                    }
                    None => 0.5 * (meter.over(&before) + meter.over(&after)),
                };
                if let Some(item) = self.item(meter) {
                    let steady = (current[1] - current[0]) * self.step.1;
                    let within = steady * meter.over(&kick) - meter.over(&turn) * noise;
                    account.absorbed[item][lane] += volts * charge + 0.25 * within;
                }
            }
            for &(a, b, farads) in &self.storage.capacitors {
                let charge = farads * (across(&to, [a, b]) - across(&from, [a, b]));
                leave([a, b], charge);
            }
            self.enter_sources(account, lane, [(&from, t), (&to, end)], &leaving);
        }
    }

    /// What the voltage sources did: the charge that left their nodes passed through them.
    fn enter_sources(
        &self,
        account: &mut Account,
        lane: usize,
        [(from, t), (to, end)]: [(&[f64], f64); 2],
        leaving: &[f64],
    ) {
        for &(element, wave) in &self.sources {
            let volts = 0.5 * (self.source(wave, t) + self.source(wave, end));
            let delivered = leaving.iter().enumerate().map(|(node, charge)| {
                let held = self.assembly.place(Some(node)).1.iter();
                let sign: f64 = held.filter(|e| e.0 == wave).map(|e| e.1).sum();
                sign * charge
            });
            let delivered: f64 = delivered.sum();
            if let Some(item) = self.item_of[element] {
                account.absorbed[item][lane] -= volts * delivered;
            }
        }
        for (wave, plates) in &self.delivered {
            let charge = |volts: &[f64]| self.storage.delivered(plates, volts);
            let change = self.source(*wave, end) - self.source(*wave, t);
            account.driving[lane] -= 0.5 * (charge(from) + charge(to)) * change;
        }
    }
}

/// The scheme where the plan names none: trapezoidal steps keep the stationary law of linear circuits exact.
fn pick_scheme(_: &Circuit, assembly: &Assembly) -> &'static str {
    if is_linear(assembly.process()) {
        "implicit-trapezoid"
    } else {
        "heun"
    }
}

/// Steps that [`balance`] will take, summed over chains.
///
/// # Errors
/// As [`balance`].
pub fn balance_steps(circuit: &Circuit, plan: &Plan) -> Result<u64> {
    Ok(Prepared::new(circuit, plan, pick_scheme)?.chain_steps(plan))
}

/// Integrates `circuit` by `plan` and keeps the energies of every trajectory over `plan.span` (its records are not kept).
///
/// # Errors
/// As [`simulate`](super::simulate()); rails, two-state elements and charge jumps, whose energies have other laws; a scheme
/// whose random numbers are not the noise of the elements (without one: implicit trapezoid, Heun for nonlinear circuits).
pub fn balance(circuit: &Circuit, plan: &Plan, control: Control<'_>) -> Result<Balance> {
    let prepared = Prepared::new(circuit, plan, pick_scheme)?;
    let assembly = &prepared.assembly;
    let plain = assembly.process();
    if plain.rails.is_some() || plain.levels.is_some() || !plain.jumps.is_empty() {
        let value = "rails, two-state elements or charge jumps";
        let expected = "continuous elements (level langevin) without rails for an energy balance";
        return Err(Error::invalid("circuit", value, expected));
    }
    if plan.precision == Precision::Single {
        let expected = "f64 or mixed for an energy balance, which is made of small differences of large energies";
        return Err(Error::invalid("plan.precision", "\"f32\"", expected));
    }
    if !prepared.stepper::<f64>(plain)?.shows_noise() {
        let expected = "a scheme whose random numbers are the noise of the elements: euler-maruyama, heun or implicit-trapezoid";
        let value = format!("\"{}\"", prepared.scheme);
        return Err(Error::invalid("plan.scheme", value, expected));
    }
    let (process, meters) = Meter::all(assembly);
    let stepper = prepared.stepper::<f64>(&process)?;
    let (burn_in, draws) = prepared.horizon(plan);
    let steps = draws as u64 * prepared.per_record;
    let n = process.nodes;
    let elements = &circuit.elements;
    let mut items = Vec::new();
    let item_of: Vec<Option<usize>> = elements
        .iter()
        .enumerate()
        .map(|(index, element)| {
            let role = role(element)?;
            let name = circuit.name_of(index);
            items.push(Item { name, role });
            Some(items.len() - 1)
        })
        .collect();
    let sources: Vec<(usize, usize)> = elements
        .iter()
        .enumerate()
        .filter(|(_, element)| matches!(element, Element::Voltage { .. }))
        .map(|(index, _)| index)
        .zip(0..)
        .collect();
    let equilibrium = equilibrium(assembly, &sources);
    let books = Books {
        assembly,
        meters,
        item_of,
        items: items.len(),
        storage: Storage::new(assembly),
        sources,
        delivered: equilibrium
            .as_ref()
            .map_or_else(|_| Vec::new(), |e| e.1.clone()),
        step: (prepared.step / assembly.time_unit(), prepared.step),
    };
    let mut ensemble = Ensemble::<f64>::from_origin(plan.origin(), plan.chains, n, 0);
    ensemble.set_values(&initial(assembly, plan)?)?;
    ensemble.follow(&*stepper, burn_in, || (), |(), _| {}, control)?;
    let energy = |ensemble: &Ensemble<f64>, steps: u64| -> Vec<f64> {
        let t = steps as f64 * books.step.0;
        let values = ensemble.values();
        values
            .chunks(n)
            .map(|x| books.storage.energy(assembly, x, t))
            .collect()
    };
    let first = energy(&ensemble, burn_in);
    let open = || Account {
        absorbed: vec![Row::splat(0.0); books.items],
        driving: [0.0; LANES],
    };
    let accounts = ensemble.follow(
        &*stepper,
        steps,
        open,
        |account, passage| books.enter(account, passage),
        control,
    )?;
    let last = energy(&ensemble, burn_in + steps);
    let chain = |c: usize| (&accounts[c / LANES], c % LANES);
    let absorbed = (0..plan.chains).flat_map(|c| {
        let (account, lane) = chain(c);
        account.absorbed.iter().map(move |item| item[lane])
    });
    let driving = equilibrium.map(|(kelvins, delivered)| {
        let least = |steps: u64| {
            let t = steps as f64 * books.step.0;
            books.storage.least_enthalpy(assembly, &delivered, t)
        };
        let ends = least(burn_in).zip(least(burn_in + steps));
        Driving {
            kelvins,
            work: (0..plan.chains)
                .map(|c| chain(c).0.driving[chain(c).1])
                .collect(),
            free_energy: ends.map(|(before, after)| after - before),
        }
    });
    Ok(Balance {
        chains: plan.chains,
        absorbed: absorbed.collect(),
        stored: last.iter().zip(&first).map(|(b, a)| b - a).collect(),
        driving,
        items,
        span: (
            burn_in as f64 * prepared.step,
            (burn_in + steps) as f64 * prepared.step,
        ),
        scheme: prepared.scheme.clone(),
        step: prepared.step,
    })
}
