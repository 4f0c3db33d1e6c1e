//! What goes out: the question as it came in, and the answer with all that can be checked about it.

use std::collections::BTreeMap;

use index::Filter;
use paper::PaperId;
use serde::{Deserialize, Serialize};

pub use super::mode::{AskMode, Form};
pub use router::Route;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    text: String,
    budget_usd: Option<f64>,
    /// How to answer.
    pub mode: AskMode,
    /// Which papers may answer.
    pub filter: Filter,
    /// What was asked and answered before, the newest last.
    #[serde(default)]
    pub earlier: Vec<Exchange>,
    /// Whether an answer that was given before may be given once more.
    pub cache: bool,
    /// The papers that are asked about; all of the library when it is empty.
    #[serde(default)]
    pub papers: Vec<PaperId>,
    /// What papers are compared by; what the question names when it is empty.
    #[serde(default)]
    pub aspects: Vec<String>,
    /// The arm of an experiment that it is answered in; none for no arm.
    #[serde(default)]
    pub experiment: Option<Assigned>,
}

/// An arm that somebody was assigned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// The experiment's name.
    pub experiment: String,
    /// The arm's name.
    pub arm: String,
    /// Who was assigned, as a hash.
    pub unit: String,
}

impl Assigned {
    /// Both names together, as an answer tells them.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{}/{}", self.experiment, self.arm)
    }
}

/// A question that was answered before in the same conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What was asked.
    pub question: String,
    /// What was answered, with its marks.
    pub answer: String,
}

/// The longest question, in characters; more is a document, not a question.
pub const LONGEST_QUESTION: usize = 4_000;

/// The most aspects that papers can be compared by, and the longest name of one, in characters.
const MOST_ASPECTS: usize = 5;
/// The longest name of an aspect, in characters.
pub const LONGEST_ASPECT: usize = 60;

/// What papers are to be compared by.
///
/// # Errors
/// What is wrong with it, when there are too many, or one is empty or too long.
pub fn aspects_of(named: &[String]) -> Result<Vec<String>, String> {
    let aspects: Vec<String> = named.iter().map(|aspect| aspect.trim().to_owned()).collect();
    let fits = |aspect: &String| (1..=LONGEST_ASPECT).contains(&aspect.chars().count());
    if aspects.len() > MOST_ASPECTS || !aspects.iter().all(fits) {
        return Err(format!("there can be {MOST_ASPECTS} aspects at most, each of 1 to {LONGEST_ASPECT} characters"));
    }
    Ok(aspects)
}

/// A question that cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuestion {
    /// Nothing but white space.
    #[error("the question is empty")]
    Empty,
    /// More than [`LONGEST_QUESTION`] characters.
    #[error("the question has {length} characters; the most is {LONGEST_QUESTION}")]
    TooLong {
        /// How long it is.
        length: usize,
    },
}

impl Question {
    /// A question of 1 to [`LONGEST_QUESTION`] characters, white space around it taken off.
    ///
    /// # Errors
    /// [`BadQuestion`] when it is empty or too long.
    pub fn new(text: &str, mode: AskMode, filter: Filter) -> Result<Self, BadQuestion> {
        let text = text.trim();
        let length = text.chars().count();
        match length {
            0 => Err(BadQuestion::Empty),
            1..=LONGEST_QUESTION => Ok(Self {
                text: text.to_owned(),
                budget_usd: None,
                mode,
                filter,
                earlier: Vec::new(),
                cache: true,
                papers: Vec::new(),
                aspects: Vec::new(),
                experiment: None,
            }),
            _ => Err(BadQuestion::TooLong { length }),
        }
    }

    /// The same question, to be answered for at most this many US dollars.
    #[must_use]
    pub fn with_budget(self, budget_usd: f64) -> Self {
        Self { budget_usd: Some(budget_usd), ..self }
    }

    /// The most that the answer may cost, in US dollars.
    #[must_use]
    pub fn budget_usd(&self) -> Option<f64> {
        self.budget_usd
    }

    /// The question's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// With at least one verified claim.
    Answered,
    /// The library does not answer it.
    Abstained,
    /// Nothing came of the run; a [`FailedAnswer`] says why.
    Failed,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Abstained, Self::Failed];

    /// Its name, as it is told.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Abstained => "abstained",
            Self::Failed => "failed",
        }
    }
}

/// A sentence of the answer that its citations support.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The sentence, marks included: the characters `start..end` of the answer's text.
    pub text: String,
    /// Where it begins in the answer's text, in Unicode characters.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// The numbers of its citations.
    pub citations: Vec<usize>,
    /// How well its source supports it, 0 to 1; a quotation is 1.
    pub support: f32,
}

/// A place in a paper that a claim rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Citation {
    /// The number in the marks.
    pub n: usize,
    /// The paper.
    pub paper_id: PaperId,
    /// The passage.
    pub passage_id: index::PassageId,
    /// The words of the source: the characters `start..end` of the stored text of its section.
    pub quote: String,
    /// Where it begins, in Unicode characters.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// The section: `abstract` or `title`.
    pub section: index::Section,
    /// `retracted` or `withdrawn`, of a paper that is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// The paper's reference in CSL-JSON.
    pub reference: serde_json::Value,
}

/// Why a sentence was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalReason {
    /// It cites nothing, or what it cites does not say so.
    Unsupported,
    /// It cites a number that was not offered.
    UnknownCitation,
    /// It quotes words that are not in the source.
    Misquoted,
}

impl RemovalReason {
    /// The reason as half a sentence.
    #[must_use]
    pub fn explained(self) -> &'static str {
        match self {
            Self::Unsupported => "its source does not say so",
            Self::UnknownCitation => "it cites what was not offered",
            Self::Misquoted => "it quotes words that are not in the source",
        }
    }
}

/// A sentence that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The sentence as it was drafted.
    pub text: String,
    /// Why it was taken out.
    pub reason: RemovalReason,
}

/// Papers compared: the columns are aspects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The aspects.
    pub columns: Vec<String>,
    /// A row for each paper.
    pub rows: Vec<Row>,
}

/// One paper of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The paper.
    pub paper_id: PaperId,
    /// Its title.
    pub title: String,
    /// Its year.
    pub year: Option<i16>,
    /// For each column the claim that fills it; none where the paper's text does not say.
    pub cells: Vec<Option<Claim>>,
}

/// A part of an answer under a heading of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The heading.
    pub title: String,
    /// Where it begins in the answer's text, heading included, in Unicode characters.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
}

/// Two sources that say the opposite of each other on what the answer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// The numbers of their citations: first the one that the answer rests on.
    pub citations: [usize; 2],
    /// Their words.
    pub quotes: [String; 2],
}

/// The paper that came closest to a question that is not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closest {
    /// The paper.
    pub paper_id: PaperId,
    /// Its title.
    pub title: String,
    /// Its year.
    pub year: Option<i16>,
}

/// What an answer used and cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct UsageReport {
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Of these, tokens that the provider had cached.
    pub cache_hit_tokens: u64,
    /// Tokens received, thoughts included.
    pub completion_tokens: u64,
    /// US dollars; none when the model's price is not known.
    pub cost_usd: Option<f64>,
    /// What the same tokens cost on GPT-5.
    pub baseline_cost_usd: Option<f64>,
}

/// How an answer came about, beside what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Circumstances {
    /// The answer's id.
    pub id: String,
    /// The question.
    pub question: String,
    /// How it was made.
    pub route: Route,
    /// Tokens and cost.
    pub usage: UsageReport,
    /// The model that wrote it; `quote` when none did.
    pub model: String,
    /// Milliseconds by step.
    pub timings_ms: BTreeMap<String, f64>,
    /// What the reader should know about how it was answered.
    pub notice: Option<String>,
    /// The answer that is given here once more, at no cost; none for one that was made anew.
    #[serde(default)]
    pub cached_from: Option<String>,
    /// The experiment and the arm that it was made in, with a `/` between them.
    #[serde(default)]
    pub experiment: Option<String>,
}

/// What is kept of a run that ended without an answer: a document in the shape of one, with nothing in it but what was
/// asked and why there is no answer. It has no place for claims or citations, which only verification makes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailedAnswer<'a, P> {
    id: &'a str,
    question: &'a str,
    status: Status,
    route: Option<Route>,
    text: &'static str,
    claims: [(); 0],
    citations: [(); 0],
    removed: [(); 0],
    contradictions: [(); 0],
    closest: [(); 0],
    /// Not known.
    usage: UsageReport,
    model: Option<&'static str>,
    timings_ms: BTreeMap<String, f64>,
    notice: Option<&'static str>,
    experiment: Option<String>,
    /// The problem document that the run's `error` event has.
    error: &'a P,
}

impl<'a, P: Serialize> FailedAnswer<'a, P> {
    /// The run `id` failed for this problem.
    #[must_use]
    pub fn new(id: &'a str, question: &'a Question, error: &'a P) -> Self {
        Self {
            id,
            question: question.text(),
            status: Status::Failed,
            route: None,
            text: "",
            claims: [],
            citations: [],
            removed: [],
            contradictions: [],
            closest: [],
            usage: UsageReport::default(),
            model: None,
            timings_ms: BTreeMap::new(),
            notice: None,
            experiment: question.experiment.as_ref().map(Assigned::told),
            error,
        }
    }
}
