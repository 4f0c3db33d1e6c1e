//! `search`, `ask` and `cite`.

use std::fmt::Write;

use clap::Args;
use index::FacetCounts;
use paper::{Paper, PaperRef};
use serde::Deserialize;

use super::args::FilterArgs;
use super::output::{Output, count};
use super::reach::Reached;
use super::{Outcome, Usage};
use crate::agent::answer::{AskMode, Circumstances, Citation, Question, Removed, Status, aspects_of};
use crate::agent::sentence::slice;
use crate::api::wire::{HitResponse, SearchRequest, SearchResponse};
use crate::app::App;
use crate::citation::{Format, export};
use crate::library::progress::{Course, Stage};

pub(crate) async fn search(
    reached: &Reached,
    request: &SearchRequest,
    query: index::SearchQuery,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let response = match reached {
        Reached::Here(app) => {
            bring_up_to_date(app, output).await;
            SearchResponse::new(app.library.search(query.clone()).await?, Some(&query))
        }
        Reached::There(server) => server.search(request).await?,
    };
    output.print(&response, || show_hits(&response))?;
    Ok(Outcome::Done)
}

/// The most sentences that were taken out which are printed.
const MOST_TAKEN_OUT: usize = 5;

/// A sync that was cut off may have left papers in the store that the index does not have yet. What is indexed
/// can be searched all the same.
async fn bring_up_to_date(app: &App, output: &Output) {
    let meter = output.meter();
    let tell = |step| meter.tell(step);
    let course = Course::new(&tell);
    if let Err(fault) = app.library.index_pending(&course.counts(Stage::Indexing)).await {
        tracing::warn!("some papers cannot be found yet: {fault}");
    }
}

fn show_hits(response: &SearchResponse) -> String {
    let mut text = String::new();
    if let Some(notice) = &response.notice {
        let _ = writeln!(text, "Note: {notice}\n");
    }
    for (place, hit) in (1..).zip(&response.hits) {
        let _ = writeln!(text, "{place:>2}. {}{}", standing(&hit.paper), hit.paper.title);
        let _ = writeln!(text, "    {}", byline(&hit.paper));
        let _ = writeln!(text, "    {}", snippet(hit));
        text.push_str(&scores(hit));
        text.push('\n');
    }
    if let Some(facets) = &response.facets {
        text.push_str(&show_facets(facets));
    }
    let shown = response.hits.len();
    let _ = write!(text, "{shown} of {}, {} ms, {}", count(response.total, "paper"), response.took_ms, response.mode);
    if let Some(next) = &response.next {
        let _ = write!(text, "\nmore: the same with --cursor {next}");
    }
    text
}

/// The most frequent values of each kind, a line each.
fn show_facets(facets: &FacetCounts) -> String {
    const MOST: usize = 8;
    let mut text = String::new();
    let FacetCounts { year, venue, category, author } = facets;
    for (name, counts) in [("year", year), ("venue", venue), ("category", category), ("author", author)] {
        let counts: Vec<String> =
            counts.iter().take(MOST).map(|counted| format!("{} ({})", counted.value, counted.count)).collect();
        if !counts.is_empty() {
            let _ = writeln!(text, "{name:>8}: {}", counts.join(", "));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// What a reader must know before the title.
fn standing(paper: &Paper) -> &'static str {
    match (paper.retracted, paper.withdrawn) {
        (true, _) => "[retracted] ",
        (false, true) => "[withdrawn] ",
        (false, false) => "",
    }
}

fn byline(paper: &Paper) -> String {
    let mut parts: Vec<String> = Vec::new();
    match paper.authors.as_slice() {
        [] => {}
        [one] => parts.push(one.name.clone()),
        [one, two] => parts.push(format!("{} and {}", one.name, two.name)),
        [first, ..] => parts.push(format!("{} and {} others", first.name, paper.authors.len() - 1)),
    }
    parts.extend(paper.year.map(|year| year.to_string()));
    parts.extend(paper.venue.clone());
    let ids = [
        paper.ids.arxiv.as_ref().map(|id| format!("arXiv:{id}")),
        paper.ids.doi.as_ref().map(|doi| format!("doi:{doi}")),
    ];
    parts.extend(ids.into_iter().flatten());
    parts.join(" · ")
}

/// About 200 characters of the passage around the first word that was looked for.
fn snippet(hit: &HitResponse) -> String {
    const AROUND: usize = 100;
    let first = hit.highlights.first().map_or(0, |(start, _)| *start);
    let start = first.saturating_sub(AROUND);
    let length = hit.passage.text.chars().count();
    let end = (start + 2 * AROUND).min(length);
    let cut = slice(&hit.passage.text, start, end);
    format!("{}{}{}", if start > 0 { "…" } else { "" }, cut.trim(), if end < length { "…" } else { "" })
}

/// The line of scores; none for a hit that was not found by them.
fn scores(hit: &HitResponse) -> String {
    let arm = |name: &str, score: Option<f32>| score.map(|score| format!(" {name} {score:.3}")).unwrap_or_default();
    let arms = format!("{}{}", arm("lexical", hit.scores.lexical), arm("dense", hit.scores.dense));
    if arms.is_empty() { String::new() } else { format!("    score {:.3}{arms}\n", hit.score) }
}

/// How a question is answered.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// auto, quote, chat, reason, compare (papers in a table) or review (in sections)
    #[arg(long, default_value = "auto")]
    mode: AskMode,
    /// Ask about this paper, by any of its ids; more than once for several
    #[arg(long = "paper", value_name = "ID")]
    papers: Vec<String>,
    /// Compare papers by this; more than once for several
    #[arg(long = "aspect", value_name = "NAME")]
    aspects: Vec<String>,
    /// What the answer may cost at most, in US dollars
    #[arg(long = "budget", value_name = "USD")]
    budget_usd: Option<f64>,
    /// The answer that this question follows on
    #[arg(long = "after", value_name = "ANSWER")]
    previous: Option<String>,
    /// Answer anew what was answered before
    #[arg(long)]
    anew: bool,
    /// Who asks: they keep the arm of an experiment
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// A question as a command asks it.
pub(crate) struct Asked {
    pub question: Question,
    pub papers: Vec<String>,
    pub previous: Option<String>,
    pub user: Option<String>,
}

pub(crate) fn question(text: &str, how: AskArgs, filters: FilterArgs) -> anyhow::Result<Asked> {
    let AskArgs { mode, papers, aspects, budget_usd, previous, anew, user } = how;
    let filter = filters.into_filter().map_err(Usage)?;
    let mut question = Question::new(text, mode, filter).map_err(|bad| Usage(bad.to_string()))?;
    question.aspects = aspects_of(&aspects).map_err(Usage)?;
    question.cache = !anew;
    let question = match budget_usd {
        None => question,
        Some(budget) if budget.is_finite() && budget >= 0.0 => question.with_budget(budget),
        Some(_) => return Err(Usage("--budget must be 0 or more".to_owned()).into()),
    };
    Ok(Asked { question, papers, previous, user })
}

pub(crate) async fn ask(reached: &Reached, asked: Asked, output: &mut Output) -> anyhow::Result<Outcome> {
    let answer = match reached {
        Reached::Here(app) => {
            bring_up_to_date(app, output).await;
            let Asked { mut question, papers, previous, user } = asked;
            question.papers = app.named_papers(&papers).await?.map_err(Usage)?;
            if let Some(previous) = previous {
                let earlier = app.exchange(&previous).await?;
                question.earlier =
                    earlier.ok_or_else(|| Usage(format!("there is no answer `{previous}` to follow on")))?;
            }
            let question = app.assigned(question, user.as_deref());
            let answer = app.ask(&question).await?;
            // As text and back, so that its numbers are printed as the server prints them.
            serde_json::from_str::<serde_json::Value>(&serde_json::to_string(&answer)?)?
        }
        Reached::There(server) => server.ask(&asked).await?,
    };
    let shown = ShownAnswer::deserialize(&answer)?;
    output.print(&answer, || show_answer(&shown))?;
    Ok(if shown.status == Status::Answered { Outcome::Done } else { Outcome::NoAnswer })
}

/// What is shown of an answer, which was verified where it was made.
#[derive(Deserialize)]
struct ShownAnswer {
    #[serde(flatten)]
    circumstances: Circumstances,
    status: Status,
    text: String,
    citations: Vec<Citation>,
    removed: Vec<Removed>,
}

fn show_answer(answer: &ShownAnswer) -> String {
    let mut text = format!("{}\n", answer.text);
    if !answer.citations.is_empty() {
        text.push('\n');
    }
    for citation in &answer.citations {
        let title = citation.reference.get("title").and_then(|title| title.as_str()).unwrap_or("(no title)");
        let warning = citation.warning.as_deref().map(|warning| format!("[{warning}] ")).unwrap_or_default();
        let _ = writeln!(text, "[{}] {warning}{title}{}", citation.n, issued(&citation.reference));
        let _ = writeln!(text, "    “{}”", citation.quote);
        let _ = writeln!(text, "    {} · {} {}-{}", citation.paper_id, citation.section, citation.start, citation.end);
    }
    let mut taken_out: Vec<&Removed> = Vec::new();
    for removed in &answer.removed {
        if !taken_out.contains(&removed) {
            taken_out.push(removed);
        }
    }
    for removed in taken_out.iter().take(MOST_TAKEN_OUT) {
        let _ = writeln!(text, "\nTaken out, because {}: {}", removed.reason.explained(), removed.text);
    }
    if let Some(more) = taken_out.len().checked_sub(MOST_TAKEN_OUT).filter(|more| *more > 0) {
        let _ = writeln!(text, "\n{more} more sentences were taken out; --json lists them");
    }
    let circumstances = &answer.circumstances;
    if let Some(notice) = &circumstances.notice {
        let _ = writeln!(text, "\nNote: {notice}");
    }
    let cost = circumstances.usage.cost_usd.map_or("price not known".to_owned(), |cost| format!("${cost:.6}"));
    let _ = write!(text, "\n{} · {cost}", circumstances.model);
    text
}

fn issued(reference: &serde_json::Value) -> String {
    let year = reference.pointer("/issued/date-parts/0/0").and_then(serde_json::Value::as_i64);
    year.map(|year| format!(" ({year})")).unwrap_or_default()
}

pub(crate) fn references(ids: &[String]) -> anyhow::Result<Vec<PaperRef>> {
    let parsed: Result<Vec<PaperRef>, _> = ids.iter().map(|id| id.parse()).collect();
    parsed.map_err(|error: paper::ParseError| Usage(error.to_string()).into())
}

pub(crate) async fn cite(
    reached: &Reached,
    ids: &[String],
    references: &[PaperRef],
    format: Format,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let exported = match reached {
        Reached::Here(app) => bibliography(app, references, format).await?,
        Reached::There(server) => server.cite(ids, format).await?,
    };
    if output.is_json() && format != Format::CslJson {
        output.print(&serde_json::json!({"format": format.as_str(), "bibliography": exported}), String::new)?;
    } else {
        output.print_raw(&exported)?;
    }
    Ok(Outcome::Done)
}

async fn bibliography(app: &App, ids: &[PaperRef], format: Format) -> anyhow::Result<String> {
    let mut papers = Vec::with_capacity(ids.len());
    for id in ids {
        let paper = app.library.store.paper(id).await?;
        papers.push(paper.ok_or_else(|| anyhow::anyhow!("no paper `{id}` in the library"))?);
    }
    let papers: Vec<&Paper> = papers.iter().collect();
    Ok(export(&papers, format))
}
