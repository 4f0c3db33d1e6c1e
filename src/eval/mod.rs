//! How good it is: suites, metrics and reports.

mod beir;
mod metrics;
mod retrieval;
mod speed;

pub use beir::{Dataset, DatasetError};
pub use metrics::{Interval, Scores, bootstrap, percentile, score};
pub use retrieval::{ModeReport, RetrievalReport, retrieval};
pub use speed::{Load, Memory, SpeedReport, Times, queries_of};
