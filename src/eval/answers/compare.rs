//! Two reports of one suite, question by question.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::report::{AnswersReport, MEASURES, QuestionReport, rounded};
use crate::eval::{bootstrapped, interval_of_values};

/// How one way of answering does beside another on the same questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedReports {
    /// The suite's name.
    pub suite: String,
    /// How many questions both were asked.
    pub n: usize,
    /// What the first is called.
    pub a: String,
    /// What the second is called.
    pub b: String,
    /// Questions that only one of them was asked, and which are left out.
    pub left_out: usize,
    /// By measure, in the order in which they are shown.
    pub measures: Vec<ComparedMeasure>,
}

/// One measure of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedMeasure {
    /// Its name.
    pub name: String,
    /// Of the first; none where there was nothing to measure.
    pub a: Option<f64>,
    /// Of the second.
    pub b: Option<f64>,
    /// The second less the first.
    pub difference: Option<f64>,
    /// Its 95% interval, from a paired bootstrap: questions are drawn, and both are measured on the same ones (Efron and Tibshirani
    /// 1993; for systems on the same test set Koehn 2004).
    pub interval: Option<[f64; 2]>,
    /// Whether the interval leaves out 0.
    pub differs: bool,
}

impl ComparedReports {
    /// Holds the second report against the first, on the questions that both have.
    ///
    /// # Errors
    /// What is wrong, when they are of different suites or have no question in common.
    pub fn of((a, first): (&str, &AnswersReport), (b, second): (&str, &AnswersReport)) -> Result<Self, String> {
        if first.suite != second.suite {
            return Err(format!("`{a}` is of the suite {} and `{b}` of {}", first.suite, second.suite));
        }
        let by_id: HashMap<&str, &QuestionReport> = second.questions.iter().map(|q| (q.id.as_str(), q)).collect();
        let pairs: Vec<(&QuestionReport, &QuestionReport)> =
            first.questions.iter().filter_map(|one| Some((one, *by_id.get(one.id.as_str())?))).collect();
        if pairs.is_empty() {
            return Err(format!("`{a}` and `{b}` have no question in common"));
        }
        let measures = MEASURES.iter().map(|(name, measure)| {
            let of = |picked: &[usize]| {
                let picked = || picked.iter().filter_map(|at| pairs.get(*at));
                let one = measure(&picked().map(|(one, _)| *one).collect::<Vec<_>>());
                let other = measure(&picked().map(|(_, other)| *other).collect::<Vec<_>>());
                (one, other)
            };
            let all: Vec<usize> = (0..pairs.len()).collect();
            let (one, other) = of(&all);
            let less = |(one, other): (Option<f64>, Option<f64>)| Some(other? - one?);
            let interval = interval_of_values(bootstrapped(pairs.len(), &|picked| less(of(picked))));
            ComparedMeasure {
                name: (*name).to_owned(),
                a: one.map(rounded),
                b: other.map(rounded),
                difference: less((one, other)).map(rounded),
                interval: interval.map(|interval| interval.map(rounded)),
                differs: interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0),
            }
        });
        Ok(Self {
            suite: first.suite.clone(),
            n: pairs.len(),
            a: a.to_owned(),
            b: b.to_owned(),
            left_out: first.questions.len() + second.questions.len() - 2 * pairs.len(),
            measures: measures.collect(),
        })
    }

    /// The measures by name.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<&str, &ComparedMeasure> {
        self.measures.iter().map(|measure| (measure.name.as_str(), measure)).collect()
    }
}
