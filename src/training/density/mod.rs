//! Training of a neural energy of real variables, by every objective over one interface.
//!
//! An [`Objective`] turns a batch into ∂loss/∂θ through the network's jets; [`DensityTrainer`] moves θ. Which one to take:
//! score matching and its kin never sample but see no weights of separated modes; contrastive divergence sees what its
//! chains reach; noise contrast learns log Z as well, as far as noise and data overlap.

mod descent;
mod likelihood;
pub mod monitor;
mod objective;
mod quality;
mod score;
mod settings;
mod trainer;

pub use monitor::{ChainMonitors, Monitors};
pub use objective::{NoiseLaw, Objective, Projection};
pub use quality::{PlaneGrid, PlaneLaw, curl};
pub use score::ScoreTrainer;
pub use trainer::{Buffer, DensityCheckpoint, DensitySettings, DensityStep, DensityTrainer};
