//! Statistics of A/B experiments.
//!
//! - [`compare`]: effect, standard error, interval, p value and a sequential test that may be looked at at any time;
//! - [`Plan`]: the size of an experiment, its error, and the boundaries of its looks ([`spending`]);
//! - [`split_check`]: whether the arms have the sizes that they should have;
//! - [`simulate`]: how often the test calls a difference when the truth is known.
//!
//! All functions are pure: the same arguments give the same result.

mod compare;
mod moments;
mod normal;
mod observation;
mod path;
mod plan;
mod ratio;
mod recursion;
mod simulate;
pub mod spending;
#[cfg(test)]
mod tests;
mod welch;

pub use compare::{Arm, Comparison, compare};
pub use observation::{Observation, count_units};
pub use path::{Decision, Look};
pub use plan::{Boundary, DEFAULT_ALPHA, DEFAULT_LOOKS, DEFAULT_UNITS, EQUAL_LOOKS, Plan, PlanError, Progress};
pub use ratio::{Split, split_check};
pub use simulate::{Simulation, simulate};
pub use welch::Interval;
