//! The questions of a suite asked one after the other, and what their answers are worth.

mod compare;
mod judged;
mod page;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

pub use compare::{ComparedMeasure, ComparedReports};
use index::Filter;
pub use judged::{JudgedQuestion, JudgedReport};
pub use page::page;
use paper::{PaperId, PaperRef};
pub use report::{AnswersReport, KindReport, Latency, QuestionReport};

use super::points::coverage_of;
use super::suite::{Suite, SuiteLibrary, SuiteQuestion};
use crate::agent::answer::{AskMode, Question, Status};
use crate::agent::run::Run;
use crate::agent::sentence::slice;
use crate::agent::verify::Answer;
use crate::agent::{Agent, AgentError};
use crate::app::{App, AskError, SourceError, saved_page};
use crate::library::LibraryError;
use crate::store::StoreError;

/// Why a suite could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum AnswersError {
    /// A question got neither an answer nor an abstention.
    #[error("question `{id}`: {fault}")]
    Ask {
        /// Its id in the suite.
        id: String,
        /// Why.
        fault: AskError,
    },
    /// The suite names a paper that is not there.
    #[error("question `{question}` is answered by `{paper}`, which is not in the library")]
    NoSuchPaper {
        /// The question's id in the suite.
        question: String,
        /// The id as the suite has it.
        paper: String,
    },
    /// A file of the suite's library cannot be read.
    #[error("cannot read {file} of the suite's library: {reason}")]
    File {
        /// Its name.
        file: String,
        /// Why.
        reason: String,
    },
    /// The library failed.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who is told how far it is: done, of all.
pub type Told<'t> = &'t (dyn Fn(u64, u64) + Send + Sync);

/// Takes the papers of a suite into a library that is made for it.
///
/// # Errors
/// When a file cannot be read, or the library fails.
pub async fn fill(app: &App, suite: &Suite, indexed: Told<'_>) -> Result<(), AnswersError> {
    let now = app.clock.now();
    match &suite.library {
        SuiteLibrary::Home => {}
        SuiteLibrary::Papers(papers) => {
            for batch in papers.chunks(500) {
                app.library.store.upsert(batch).await?;
            }
        }
        SuiteLibrary::Files(files) => {
            for (name, bytes) in files {
                let papers =
                    papers_of(name, bytes, now).map_err(|reason| AnswersError::File { file: name.clone(), reason })?;
                app.library.store.upsert(&papers).await?;
            }
        }
    }
    app.library.index_pending(indexed).await?;
    Ok(())
}

/// The papers of a saved answer of a source, or of JSON lines; all of them, for a suite has no records that may be rejected.
fn papers_of(name: &str, bytes: &[u8], now: jiff::Timestamp) -> Result<Vec<paper::Paper>, String> {
    let of_source = |source| saved_page(source, bytes, now).map_err(|fault: SourceError| fault.to_string());
    let page = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("xml") => of_source(paper::SourceName::Arxiv)?,
        Some("json") => of_source(paper::SourceName::SemanticScholar)?,
        Some("jsonl") => {
            let lines = ingest::jsonl::Reader::new(bytes, now).map(|line| match line {
                Ok(read) => read.map_err(|rejected| format!("{}: {}", rejected.record, rejected.reason)),
                Err(fault) => Err(fault.to_string()),
            });
            return lines.collect();
        }
        _ => return Err("its name must end in .xml (arXiv), .json (Semantic Scholar) or .jsonl".to_owned()),
    };
    match page.rejected.first() {
        Some(rejected) => Err(format!("{}: {}", rejected.record, rejected.reason)),
        None => Ok(page.papers),
    }
}

/// Asks all questions of a suite, in the mode that a question asks for, else in this one; where there is a judge, it is asked what it
/// thinks of each answer.
///
/// # Errors
/// When a question cannot be asked at all. A question whose run fails is one that failed, and counts as neither answered nor
/// abstained from.
pub async fn answers(
    app: &App,
    suite: &Suite,
    mode: AskMode,
    judge: Option<&Agent>,
    told: Told<'_>,
) -> Result<AnswersReport, AnswersError> {
    let mut reports = Vec::with_capacity(suite.questions.len());
    let all = suite.questions.len() as u64;
    for asked in &suite.questions {
        reports.push(measured(app, asked, mode, judge).await?);
        told(reports.len() as u64, all);
    }
    let papers = app.library.store.counts().await?.papers;
    Ok(AnswersReport::of(suite.name.clone(), papers, reports))
}

async fn measured(
    app: &App,
    asked: &SuiteQuestion,
    mode: AskMode,
    judge: Option<&Agent>,
) -> Result<QuestionReport, AnswersError> {
    let right = right_papers(app, asked).await?;
    let question = Question::new(&asked.text, asked.mode.unwrap_or(mode), Filter::default());
    let mut question =
        question.map_err(|bad| AnswersError::File { file: asked.id.clone(), reason: bad.to_string() })?;
    // What is given once more costs nothing, and says nothing of how it came about.
    question.cache = false;
    let began = Instant::now();
    let answer = app.ask(&question).await.map_err(|fault| AnswersError::Ask { id: asked.id.clone(), fault })?;
    let latency_ms = (began.elapsed().as_secs_f64() * 1e5).round() / 100.0;
    let true_quotes = true_quotes(app, &answer).await?;
    let mut report = report_of(asked, &right, &answer, latency_ms, true_quotes);
    if let Some(judge) = judge.filter(|_| answer.status() == Status::Answered) {
        report.judged = judged(app, judge, asked, &answer).await?;
    }
    Ok(report)
}

/// What a model thinks of an answer, asked for in the answer's own run.
async fn judged(
    app: &App,
    judge: &Agent,
    asked: &SuiteQuestion,
    answer: &Answer,
) -> Result<Option<JudgedQuestion>, AnswersError> {
    let store = &app.library.store;
    let Some(stored) = store.run(&answer.circumstances().id).await? else { return Ok(None) };
    let (run, _) = Run::take_up(stored, store.clone(), app.clock).await?;
    let points: Vec<&str> = asked.points.iter().map(super::points::Point::told).collect();
    let failed = |fault: AgentError| AnswersError::Ask { id: asked.id.clone(), fault: fault.into() };
    let appraisal = judge.appraise(&run, answer, &points).await.map_err(failed)?;
    Ok(Some(JudgedQuestion::of(appraisal, points.len())))
}

/// The papers that answer a question, each by all the ids that the suite has for it.
async fn right_papers(app: &App, asked: &SuiteQuestion) -> Result<BTreeMap<PaperId, String>, AnswersError> {
    let mut right = BTreeMap::new();
    for id in &asked.answered_by {
        let missing = || AnswersError::NoSuchPaper { question: asked.id.clone(), paper: id.clone() };
        let reference: PaperRef = id.parse().map_err(|_| missing())?;
        let paper = app.library.store.paper(&reference).await?.and_then(|paper| paper.id);
        right.insert(paper.ok_or_else(missing)?, id.clone());
    }
    Ok(right)
}

/// How many of an answer's quotes are, character for character, what the store has.
async fn true_quotes(app: &App, answer: &Answer) -> Result<usize, StoreError> {
    let ids: Vec<PaperId> = answer.citations().iter().map(|citation| citation.paper_id).collect();
    let papers = app.library.store.papers(&ids).await?;
    let is_true = |citation: &&crate::agent::answer::Citation| {
        let stored = papers.get(&citation.paper_id).map(|paper| citation.section.text_of(paper));
        stored.is_some_and(|text| slice(text, citation.start, citation.end) == citation.quote)
    };
    Ok(answer.citations().iter().filter(is_true).count())
}

fn report_of(
    asked: &SuiteQuestion,
    right: &BTreeMap<PaperId, String>,
    answer: &Answer,
    latency_ms: f64,
    true_quotes: usize,
) -> QuestionReport {
    let cited: BTreeSet<PaperId> = answer.citations().iter().map(|citation| citation.paper_id).collect();
    let of_right = cited.iter().filter(|id| right.contains_key(id)).count();
    let said: Vec<&str> = answer.claims().iter().map(|claim| claim.text.as_str()).collect();
    let said = said.join(" ");
    let answered = answer.status() == Status::Answered;
    let circumstances = answer.circumstances();
    QuestionReport {
        id: asked.id.clone(),
        kind: asked.kind,
        question: asked.text.clone(),
        answerable: !right.is_empty(),
        status: answer.status(),
        route: circumstances.route,
        model: circumstances.model.clone(),
        answered_by: asked.answered_by.clone(),
        cited: cited.iter().map(|id| right.get(id).cloned().unwrap_or_else(|| id.to_string())).collect(),
        cited_right: of_right,
        quotes: answer.citations().len(),
        true_quotes,
        coverage: coverage_of(&asked.points, &said).filter(|_| !right.is_empty()),
        missed: asked
            .points
            .iter()
            .filter(|p| p.made_by(&said) < 1.0 && answered)
            .map(|p| p.told().to_owned())
            .collect(),
        claims: answer.claims().len(),
        removed: answer.removed().len(),
        prompt_tokens: circumstances.usage.prompt_tokens,
        completion_tokens: circumstances.usage.completion_tokens,
        cost_usd: circumstances.usage.cost_usd,
        baseline_cost_usd: circumstances.usage.baseline_cost_usd,
        latency_ms,
        text: answer.text().to_owned(),
        answer_id: circumstances.id.clone(),
        judged: None,
    }
}
