//! The report as a page of its own.

use super::AnswersReport;

/// The page.
#[must_use]
pub fn page(report: &AnswersReport) -> String {
    format!("{}", report.n)
}
