//! `eval`.

mod answers;
mod compare;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use answers::AnswersArgs;
pub(crate) use answers::answers_command;
use clap::Subcommand;
pub use compare::CompareArgs;
pub(crate) use compare::compare_command;
use index::{EdgeStore, HybridIndex, IndexSettings, Mode, VectorStore};

use super::Outcome;
use super::output::Output;
use crate::app::{load_embedder, reranker};
use crate::config::Config;
use crate::eval::{Dataset, RetrievalReport, RoutingReport, read_questions, retrieval, routing};
use crate::library::progress::{Course, Stage};
use router::Router;

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Eval {
    /// How good answers are: a suite of questions with the papers that answer them
    Answers(AnswersArgs),
    /// Whether one way of answering is better than another: two reports of one suite, or two arms
    Compare(CompareArgs),
    /// Search quality and speed on a BEIR folder: corpus.jsonl, queries.jsonl, qrels/*.tsv
    Retrieval {
        /// The folder
        #[arg(long)]
        data: PathBuf,
        /// Measure only this mode
        #[arg(long)]
        mode: Option<Mode>,
    },
    /// How often questions are routed as they ask for: JSON lines with text and route, or suggested
    Routing {
        /// The file
        #[arg(long)]
        data: PathBuf,
    },
}

/// Measures on an index of its own, in a folder that is gone afterwards; the library is not touched.
async fn retrieval_index(config: &Config, folder: &Path) -> anyhow::Result<HybridIndex> {
    let settings = IndexSettings { dir: folder.to_owned() };
    let index = match load_embedder(config) {
        Ok(embedder) => {
            let vectors: Arc<dyn VectorStore> =
                Arc::new(EdgeStore::open(&folder.join("dense"), embedder.model().dimension)?);
            HybridIndex::open(settings, Some(vectors), Some(embedder))?
        }
        Err(fault) => {
            tracing::warn!("measuring the lexical arm only: {fault}");
            HybridIndex::open(settings, None, None)?
        }
    };
    let reranker = reranker(config);
    if let Some(reranker) = &reranker {
        // One that cannot be used is to be told of, not measured without.
        reranker.scores("a question", &["an answer".to_owned()])?;
    }
    Ok(index.reranked_by(reranker))
}

pub(crate) async fn retrieval_command(
    config: &Config,
    data: &Path,
    mode: Option<Mode>,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let dataset = Dataset::read(data)?;
    let folder = tempfile::tempdir()?;
    let index = retrieval_index(config, folder.path()).await?;
    let all = [Mode::Lexical, Mode::Dense, Mode::Hybrid];
    let with_vectors = index.stats().await?.vectors.is_some();
    let asked = mode.as_ref().map_or(&all[..], std::slice::from_ref);
    let modes: Vec<Mode> = asked.iter().copied().filter(|mode| with_vectors || *mode == Mode::Lexical).collect();
    if modes.is_empty() {
        anyhow::bail!(
            "mode {} needs the embedding model: run `make setup`",
            asked.first().copied().unwrap_or_default()
        );
    }
    let meter = output.meter();
    let tell = |step| meter.tell(step);
    let course = Course::new(&tell);
    let report = retrieval(&dataset, &index, &modes, &course.counts(Stage::Indexing)).await?;
    drop(meter);
    output.print(&report, || table(&report))?;
    Ok(Outcome::Done)
}

fn table(report: &RetrievalReport) -> String {
    let model = report.model.as_deref().unwrap_or("no model");
    let mut text =
        format!("{}: {} queries over {} documents, {model}\n\n", report.dataset, report.queries, report.documents);
    let _ = writeln!(text, "mode     nDCG@10   95% interval     R@10    R@100   MRR@10  MAP     p50 ms  p99 ms");
    for (mode, m) in &report.modes {
        let [low, high] = m.ndcg_at_10_ci;
        let _ = writeln!(
            text,
            "{mode:<8} {:<9.4} {low:.4} - {high:.4}  {:.4}  {:.4}  {:.4}  {:.4}  {:<7.2} {:.2}",
            m.ndcg_at_10, m.recall_at_10, m.recall_at_100, m.mrr_at_10, m.map, m.p50_ms, m.p99_ms
        );
    }
    text
}

pub(crate) fn routing_command(config: &Config, data: &Path, output: &mut Output) -> anyhow::Result<Outcome> {
    let questions = read_questions(data)?;
    let embedder = load_embedder(config)?;
    let router = Router::open(&[config.models_dir(), config.home.clone()], embedder.as_ref())?;
    let report = routing(&questions, &router, embedder.as_ref())?;
    output.print(&report, || routing_table(&report))?;
    Ok(Outcome::Done)
}

fn routing_table(report: &RoutingReport) -> String {
    let RoutingReport { n, accuracy, accuracy_ci: [low, high], p50_ms, p99_ms, embedding_p50_ms, .. } = report;
    let mut text = format!("{n} questions, {accuracy:.3} right ({low:.3} - {high:.3})\n");
    let _ = writeln!(
        text,
        "a decision takes {p50_ms:.3} ms (p99 {p99_ms:.3}) beside the embedding, which takes {embedding_p50_ms:.3} ms\n"
    );
    for (wanted, given) in &report.confusion {
        let given: Vec<String> = given.iter().map(|(route, count)| format!("{route} {count}")).collect();
        let _ = writeln!(text, "{wanted:<7} -> {}", given.join(", "));
    }
    if !report.by_source.is_empty() {
        let _ = writeln!(text, "\nsource            n     right  95% interval   always one answer");
    }
    for (source, part) in &report.by_source {
        let [low, high] = part.accuracy_ci;
        let _ = writeln!(
            text,
            "{source:<16} {:>5}  {:.3}  {low:.3} - {high:.3}  {:.3}",
            part.n, part.accuracy, part.majority
        );
    }
    let _ = writeln!(
        text,
        "\nneeds a model: how likely it was found, and how often it was so (error {:.3})",
        report.calibration_error
    );
    for bin in report.calibration.iter().filter(|bin| bin.n > 0) {
        let _ = writeln!(text, "  {:.2}  {:.2}  of {}", bin.predicted, bin.observed, bin.n);
    }
    text
}
