//! How good it is: suites, metrics and reports.

mod beir;
mod metrics;
mod retrieval;
mod routing;
mod speed;

pub use beir::{Dataset, DatasetError};
pub use metrics::{Interval, Scores, bootstrap, percentile, score};
pub use retrieval::{ModeReport, RetrievalReport, retrieval};
pub use routing::{Bin, RoutedQuestion, RoutingReport, SourceReport, Wanted, read_questions, routing};
pub use speed::{Load, Memory, SpeedReport, Times, queries_of};
