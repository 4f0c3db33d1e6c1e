//! `eval`.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use index::{EdgeStore, HybridIndex, IndexSettings, Mode, VectorStore};

use super::Outcome;
use super::output::Output;
use crate::app::{load_embedder, reranker};
use crate::config::Config;
use crate::eval::{Dataset, RetrievalReport, retrieval};
use crate::library::progress::{Course, Stage};

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
