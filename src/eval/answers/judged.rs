//! What a model thinks of the answers, beside what is measured and never in its place.

use serde::{Deserialize, Serialize};

use super::report::{QuestionReport, mean, rounded, share};
use crate::agent::appraisal::Appraisal;
use crate::eval::{bootstrapped, interval_of_values};

/// What a model thinks of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedQuestion {
    /// Which model.
    pub model: String,
    /// How many sentences it finds borne out by what they quote.
    pub supported: usize,
    /// How many points it finds made.
    pub made: usize,
    /// Of so many.
    pub points: usize,
    /// What that cost, in US dollars; none when it is not known.
    pub cost_usd: Option<f64>,
}

impl From<Appraisal> for JudgedQuestion {
    fn from(appraisal: Appraisal) -> Self {
        let count = |said: &[bool]| said.iter().filter(|yes| **yes).count();
        Self {
            supported: count(&appraisal.supported),
            made: count(&appraisal.made),
            points: appraisal.made.len(),
            model: appraisal.model,
            cost_usd: appraisal.cost_usd,
        }
    }
}

/// What a model thinks of the answers of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedReport {
    /// Which model.
    pub model: String,
    /// How many answers it judged.
    pub n: usize,
    /// Of how many answers its word could not be had.
    pub failed: usize,
    /// Of the answers that were judged: the share of their sentences that are borne out, on average.
    pub support: Option<f64>,
    /// The interval of `support`, as those of the measures.
    pub support_interval: Option<[f64; 2]>,
    /// Of the questions that the library answers and that have points: the share that is made, 0 for one that was not answered.
    pub coverage: Option<f64>,
    /// The interval of `coverage`.
    pub coverage_interval: Option<[f64; 2]>,
    /// What all of it cost, in US dollars; none when a price is not known.
    pub cost_usd: Option<f64>,
}

impl JudgedReport {
    /// The report of these questions; none when no answer was judged.
    #[must_use]
    pub fn of(questions: &[QuestionReport]) -> Option<Self> {
        let judged: Vec<&JudgedQuestion> = questions.iter().filter_map(|question| question.judged.as_ref()).collect();
        let model = judged.first()?.model.clone();
        let failed = questions.iter().filter(|question| question.is_answered() && question.judged.is_none()).count();
        let interval = |measure: fn(&[&QuestionReport]) -> Option<f64>| {
            let resampled = |picked: &[usize]| {
                measure(&picked.iter().filter_map(|at| questions.get(*at)).collect::<Vec<&QuestionReport>>())
            };
            interval_of_values(bootstrapped(questions.len(), &resampled)).map(|interval| interval.map(rounded))
        };
        let all: Vec<&QuestionReport> = questions.iter().collect();
        Some(Self {
            model,
            n: judged.len(),
            failed,
            support: support(&all).map(rounded),
            support_interval: interval(support),
            coverage: coverage(&all).map(rounded),
            coverage_interval: interval(coverage),
            cost_usd: judged.iter().map(|question| question.cost_usd).sum(),
        })
    }
}

fn support(questions: &[&QuestionReport]) -> Option<f64> {
    mean(questions.iter().filter_map(|question| share(question.judged.as_ref()?.supported, question.claims)))
}

fn coverage(questions: &[&QuestionReport]) -> Option<f64> {
    let rated = questions.iter().filter(|question| question.answerable && question.coverage.is_some());
    mean(rated.filter_map(|question| match &question.judged {
        Some(judged) => share(judged.made, judged.points),
        // Of an answer that could not be judged nothing is known.
        None => (!question.is_answered()).then_some(0.0),
    }))
}
