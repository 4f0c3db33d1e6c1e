//! What a model thinks of the answers, beside what is measured and never in its place.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::report::{QuestionReport, mean, rounded, share};
use crate::agent::appraisal::Appraisal;
use crate::eval::{bootstrapped, interval_of_values};

/// What a model thinks of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedQuestion {
    /// Which model; none when nobody could be asked.
    pub model: Option<String>,
    /// How many sentences it finds borne out by what they quote; none when it said nothing that can be used.
    pub supported: Option<usize>,
    /// How many points it finds made; none as above.
    pub made: Option<usize>,
    /// Of so many.
    pub points: usize,
    /// What asking cost, in US dollars; none when it is not known.
    pub cost_usd: Option<f64>,
}

impl JudgedQuestion {
    /// What was said of an answer to a question of so many points.
    #[must_use]
    pub fn of(appraisal: Appraisal, points: usize) -> Self {
        let Appraisal { model, opinion, cost_usd } = appraisal;
        let count = |said: &[bool]| said.iter().filter(|yes| **yes).count();
        let supported = opinion.as_ref().map(|opinion| count(&opinion.supported));
        let made = opinion.as_ref().map(|opinion| count(&opinion.made));
        Self { model, supported, made, points, cost_usd }
    }
}

/// What a model thinks of the answers of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedReport {
    /// Which models: one, unless another had to take its place.
    pub models: Vec<String>,
    /// How many answers were judged.
    pub n: usize,
    /// Of how many answers no word that can be used could be had.
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
    /// The report of these questions; none when nobody was asked.
    #[must_use]
    pub fn of(questions: &[QuestionReport]) -> Option<Self> {
        let judged: Vec<&JudgedQuestion> = questions.iter().filter_map(|question| question.judged.as_ref()).collect();
        if judged.is_empty() {
            return None;
        }
        let models: BTreeSet<String> = judged.iter().filter_map(|question| question.model.clone()).collect();
        let failed = judged.iter().filter(|question| question.supported.is_none()).count();
        let interval = |measure: fn(&[&QuestionReport]) -> Option<f64>| {
            let resampled = |picked: &[usize]| {
                measure(&picked.iter().filter_map(|at| questions.get(*at)).collect::<Vec<&QuestionReport>>())
            };
            interval_of_values(bootstrapped(questions.len(), &resampled)).map(|interval| interval.map(rounded))
        };
        let all: Vec<&QuestionReport> = questions.iter().collect();
        Some(Self {
            models: models.into_iter().collect(),
            n: judged.len() - failed,
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
    mean(questions.iter().filter_map(|question| share(question.judged.as_ref()?.supported?, question.claims)))
}

fn coverage(questions: &[&QuestionReport]) -> Option<f64> {
    let rated = questions.iter().filter(|question| question.answerable && question.coverage.is_some());
    mean(rated.filter_map(|question| match &question.judged {
        // Of an answer that could not be judged nothing is known.
        Some(judged) => share(judged.made?, judged.points),
        None => (!question.is_answered()).then_some(0.0),
    }))
}
