//! What is reported of a suite: means with intervals, and each question.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judged::{JudgedQuestion, JudgedReport};
use crate::agent::answer::{Route, Status};
use crate::eval::suite::Kind;
use crate::eval::{bootstrapped, interval_of_values, percentile};

/// An answer cites so many papers at most when it quotes, so that no more can be asked of it: recall is capped there (as BEIR caps it
/// at the depth of a ranking; Thakur et al. 2021).
pub const CAP: usize = 3;

/// What became of one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionReport {
    /// What it is called in the suite.
    pub id: String,
    /// What it is for.
    pub kind: Option<Kind>,
    /// The question.
    pub question: String,
    /// Whether some paper of the library answers it.
    pub answerable: bool,
    /// How it ended.
    pub status: Status,
    /// How it was answered.
    pub route: Route,
    /// By which model; `quote` for none.
    pub model: String,
    /// The papers that answer it, as the suite names them.
    pub answered_by: Vec<String>,
    /// The papers that were cited: those that answer it as the suite names them, others by their ids here.
    pub cited: Vec<String>,
    /// How many of these answer it.
    pub cited_right: usize,
    /// How many places were quoted.
    pub quotes: usize,
    /// How many of these are in the stored text as they are quoted.
    pub true_quotes: usize,
    /// How far its points were made, 0 to 1; none where it has none.
    pub coverage: Option<f64>,
    /// The points that were not wholly made.
    pub missed: Vec<String>,
    /// How many sentences stand.
    pub claims: usize,
    /// How many were taken out.
    pub removed: usize,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Tokens received.
    pub completion_tokens: u64,
    /// US dollars; none when a price is not known.
    pub cost_usd: Option<f64>,
    /// What the same tokens cost at the model that costs are compared with.
    pub baseline_cost_usd: Option<f64>,
    /// Milliseconds from the question to the whole answer.
    pub latency_ms: f64,
    /// The answer.
    pub text: String,
    /// Its id.
    pub answer_id: String,
    /// What a model thinks of it, where one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<JudgedQuestion>,
}

/// Milliseconds from a question to its whole answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them took at most this.
    pub p50_ms: f64,
    /// 99 of 100 took at most this.
    pub p99_ms: f64,
}

/// The questions of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct KindReport {
    /// How many.
    pub n: usize,
    /// How many of them were answered.
    pub answered: usize,
    /// See [`AnswersReport`].
    pub citation_precision: Option<f64>,
    /// See [`AnswersReport`].
    pub citation_recall: Option<f64>,
    /// See [`AnswersReport`].
    pub coverage: Option<f64>,
}

/// What was measured of a suite. A measure is none where nothing was there to measure it on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswersReport {
    /// The suite's name.
    pub suite: String,
    /// How many questions were asked.
    pub n: usize,
    /// How many papers were searched.
    pub papers: u64,
    /// Of the questions that the library answers and that were answered: the share of the cited papers that answer the question.
    pub citation_precision: Option<f64>,
    /// Of all questions that the library answers: the share of the papers that answer it which were cited, out of three where there
    /// are more; 0 for one that was not answered.
    pub citation_recall: Option<f64>,
    /// The share of the quotes that are in the stored text, character for character.
    pub quote_fidelity: Option<f64>,
    /// Of the questions that the library answers and that have points: how far these were made; 0 for one that was not answered.
    pub coverage: Option<f64>,
    /// Of the questions that were not answered: the share that the library does not answer.
    pub abstention_precision: Option<f64>,
    /// Of the questions that the library does not answer: the share that was not answered.
    pub abstention_recall: Option<f64>,
    /// What all answers cost, in US dollars; none when a price is not known.
    pub cost_usd: Option<f64>,
    /// What the same tokens cost at the model that costs are compared with.
    pub baseline_cost_usd: Option<f64>,
    /// How long an answer took.
    pub latency: Latency,
    /// By measure its 95% interval (percentile bootstrap over the questions, 2,000 resamples, always the same).
    pub intervals: BTreeMap<String, [f64; 2]>,
    /// By kind of question, where the suite says so.
    pub kinds: BTreeMap<Kind, KindReport>,
    /// What a model thinks of the answers, where one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<JudgedReport>,
    /// Each question.
    pub questions: Vec<QuestionReport>,
}

/// A measure of a set of questions; none where there is nothing to measure.
pub type Measure = fn(&[&QuestionReport]) -> Option<f64>;

/// The measures with their names, in the order in which they are shown.
pub const MEASURES: [(&str, Measure); 8] = [
    ("citation_precision", citation_precision),
    ("citation_recall", citation_recall),
    ("quote_fidelity", quote_fidelity),
    ("coverage", coverage),
    ("abstention_precision", abstention_precision),
    ("abstention_recall", abstention_recall),
    ("cost_usd", mean_cost),
    ("latency_ms", mean_latency),
];

impl AnswersReport {
    /// The report of questions that were asked.
    #[must_use]
    pub fn of(suite: String, papers: u64, questions: Vec<QuestionReport>) -> Self {
        let all: Vec<&QuestionReport> = questions.iter().collect();
        let mut times: Vec<f64> = questions.iter().map(|question| question.latency_ms).collect();
        times.sort_by(f64::total_cmp);
        let intervals = MEASURES.iter().filter_map(|(name, measure)| {
            let resampled = |picked: &[usize]| {
                let picked: Vec<&QuestionReport> = picked.iter().filter_map(|at| questions.get(*at)).collect();
                measure(&picked)
            };
            let interval = interval_of_values(bootstrapped(questions.len(), &resampled))?;
            Some(((*name).to_owned(), interval.map(rounded)))
        });
        let mut kinds: BTreeMap<Kind, Vec<&QuestionReport>> = BTreeMap::new();
        for question in &questions {
            if let Some(kind) = question.kind {
                kinds.entry(kind).or_default().push(question);
            }
        }
        let total = |of: fn(&QuestionReport) -> Option<f64>| questions.iter().map(of).sum::<Option<f64>>();
        let share = |measure: Measure| measure(&all).map(rounded);
        Self {
            suite,
            n: questions.len(),
            papers,
            citation_precision: share(citation_precision),
            citation_recall: share(citation_recall),
            quote_fidelity: share(quote_fidelity),
            coverage: share(coverage),
            abstention_precision: share(abstention_precision),
            abstention_recall: share(abstention_recall),
            cost_usd: total(|question| question.cost_usd),
            baseline_cost_usd: total(|question| question.baseline_cost_usd),
            latency: Latency { p50_ms: percentile(&times, 50.0), p99_ms: percentile(&times, 99.0) },
            intervals: intervals.collect(),
            kinds: kinds.into_iter().map(|(kind, of)| (kind, KindReport::of(&of))).collect(),
            judged: JudgedReport::of(&questions),
            questions,
        }
    }
}

impl AnswersReport {
    /// The measures with their names, in the order in which they are shown.
    #[must_use]
    pub fn measures(&self) -> Vec<(&'static str, Option<f64>)> {
        let all: Vec<&QuestionReport> = self.questions.iter().collect();
        MEASURES.iter().map(|(name, measure)| (*name, measure(&all).map(rounded))).collect()
    }
}

impl KindReport {
    fn of(questions: &[&QuestionReport]) -> Self {
        Self {
            n: questions.len(),
            answered: questions.iter().filter(|question| question.is_answered()).count(),
            citation_precision: citation_precision(questions).map(rounded),
            citation_recall: citation_recall(questions).map(rounded),
            coverage: coverage(questions).map(rounded),
        }
    }
}

impl QuestionReport {
    /// Whether it was answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.status == Status::Answered
    }

    fn is_abstained(&self) -> bool {
        self.status == Status::Abstained
    }

    /// Whether it went as the suite has it: abstained from what the library does not answer, and answered from nothing but the papers
    /// that answer it otherwise, with all that it must say.
    #[must_use]
    pub fn is_right(&self) -> bool {
        if !self.answerable {
            return self.is_abstained();
        }
        self.is_answered() && self.cited_right == self.cited.len() && self.missed.is_empty()
    }

    /// What is not as the suite has it, in words.
    #[must_use]
    pub fn fault(&self) -> String {
        match (self.answerable, self.is_answered()) {
            (false, true) => "answered, though the library does not answer it".to_owned(),
            (true, false) => "not answered".to_owned(),
            (false, false) => "failed".to_owned(),
            (true, true) if self.cited_right < self.cited.len() => {
                format!("{} of {} papers cited answer it", self.cited_right, self.cited.len())
            }
            (true, true) => format!("{} points not made", self.missed.len()),
        }
    }

    fn recall(&self) -> f64 {
        share(self.cited_right.min(CAP), self.answered_by.len().min(CAP)).unwrap_or(0.0)
    }
}

fn citation_precision(questions: &[&QuestionReport]) -> Option<f64> {
    let rated = questions.iter().filter(|question| question.answerable && question.is_answered());
    mean(rated.filter_map(|question| share(question.cited_right, question.cited.len())))
}

fn citation_recall(questions: &[&QuestionReport]) -> Option<f64> {
    mean(questions.iter().filter(|question| question.answerable).map(|question| question.recall()))
}

fn quote_fidelity(questions: &[&QuestionReport]) -> Option<f64> {
    share(
        questions.iter().map(|question| question.true_quotes).sum(),
        questions.iter().map(|question| question.quotes).sum(),
    )
}

fn coverage(questions: &[&QuestionReport]) -> Option<f64> {
    mean(questions.iter().filter(|question| question.answerable).filter_map(|question| question.coverage))
}

fn abstention_precision(questions: &[&QuestionReport]) -> Option<f64> {
    let abstained: Vec<_> = questions.iter().filter(|question| question.is_abstained()).collect();
    share(abstained.iter().filter(|question| !question.answerable).count(), abstained.len())
}

fn abstention_recall(questions: &[&QuestionReport]) -> Option<f64> {
    let unanswerable: Vec<_> = questions.iter().filter(|question| !question.answerable).collect();
    share(unanswerable.iter().filter(|question| question.is_abstained()).count(), unanswerable.len())
}

fn mean_cost(questions: &[&QuestionReport]) -> Option<f64> {
    let costs: Option<Vec<f64>> = questions.iter().map(|question| question.cost_usd).collect();
    mean(costs?.into_iter())
}

fn mean_latency(questions: &[&QuestionReport]) -> Option<f64> {
    mean(questions.iter().map(|question| question.latency_ms))
}

#[allow(clippy::cast_precision_loss, reason = "a count of questions")]
pub(super) fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

#[allow(clippy::cast_precision_loss, reason = "a count of questions")]
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// To ten thousandths, or, below a hundredth, to four figures: costs are small.
pub(super) fn rounded(value: f64) -> f64 {
    let scale = if value.abs() < 0.01 { 1e8 } else { 1e4 };
    (value * scale).round() / scale
}
