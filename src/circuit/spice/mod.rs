//! SPICE netlists: a documented subset in, programmed chips out, `.raw` waveforms.
//!
//! Read: R C L K V I G B D M X, `.model .param .subckt .ends .ic .tran .temp .options .end`, SI suffixes by SPICE's rules
//! (M is milli, MEG is mega), `temp=` and `dtemp=` per element (°C), `+` continuation. Sources: a value, `dc`, `ac` (kept
//! for other simulators), SIN, PULSE, PWL. B sources: currents that are sums of polynomials of one voltage difference and
//! of tanh, exp or sin of a linear one. Diodes: `.model d(is= n=)`. Transistors: `.model nmos|pmos(i0= n= vto= ekv=0|1)`.
//! What SPICE cannot say stands in `*@` comment lines, which SPICE skips:
//!
//! ```text
//! *@ noise off|on [ELEMENT …]  whether these elements or subcircuits have noise (all, if none is named); the last word
//!                              on the element itself or else on the innermost subcircuit around it holds
//! *@ prescription ELEMENT ito|stratonovich|anti-ito
//!                              the noise 4kT·I/V of a diode or a B source (a passive current of the voltage across it),
//!                              read in that calculus; a B source without one is noiseless
//! *@ chains 64                 *@ seed 1
//! *@ scheme heun               *@ step 1n|auto       *@ tolerance 0.01
//! *@ level langevin|poisson    *@ rails 1.2
//! *@ precision f32|f64|mixed   *@ generator pcg|chacha8
//! ```
//!
//! A line that is not understood is an error that names it.

mod elements;
mod expression;
mod lines;
mod number;
mod raw;
mod reader;
mod scope;
mod sources;
mod writer;

pub use raw::{Waveforms, read_raw, write_raw};
pub use reader::{Deck, Transient, read, read_with};
pub use writer::{NoiseStyle, write};
