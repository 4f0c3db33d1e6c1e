//! How good it is: suites, metrics and reports.

mod answers;
mod beir;
mod metrics;
mod opinions;
mod points;
mod retrieval;
mod routing;
mod speed;
mod suite;

pub use answers::{
    AnswersError, AnswersReport, ComparedMeasure, ComparedReports, JudgedQuestion, JudgedReport, KindReport, Latency,
    QuestionReport, answers, fill, page,
};
pub use beir::{Dataset, DatasetError};
pub use metrics::{Interval, Scores, bootstrap, bootstrapped, interval_of_values, percentile, score};
pub use opinions::suite_of_opinions;
pub use points::{Point, coverage_of};
pub use retrieval::{ModeReport, RetrievalReport, retrieval};
pub use routing::{Bin, RoutedQuestion, RoutingReport, SourceReport, Wanted, read_questions, routing};
pub use speed::{Load, Memory, SpeedReport, Times, queries_of};
pub use suite::{HOLD_OUT, Kind, Suite, SuiteError, SuiteLibrary, SuiteQuestion};
