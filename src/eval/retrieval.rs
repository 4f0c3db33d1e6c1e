//! A corpus indexed as the library would index it, and its queries asked in each mode.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use index::{HybridIndex, IndexError, IndexedPaper, Mode, SearchQuery};
use paper::{Paper, PaperId, SourceName};
use serde::Serialize;

use super::{Dataset, Scores, bootstrap, percentile, score};

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetrievalReport {
    /// The folder's name.
    pub dataset: String,
    /// How many queries were asked.
    pub queries: usize,
    /// How many documents were searched.
    pub documents: usize,
    /// The embedding model; none when there was none.
    pub model: Option<String>,
    /// Seconds that indexing took.
    pub index_seconds: f64,
    /// By mode.
    pub modes: BTreeMap<String, ModeReport>,
}

/// One mode's means over the queries, and its times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModeReport {
    /// See [`Scores`].
    #[serde(rename = "ndcg@10")]
    pub ndcg_at_10: f64,
    /// See [`Scores`].
    #[serde(rename = "recall@10")]
    pub recall_at_10: f64,
    /// See [`Scores`].
    #[serde(rename = "recall@100")]
    pub recall_at_100: f64,
    /// See [`Scores`].
    #[serde(rename = "mrr@10")]
    pub mrr_at_10: f64,
    /// See [`Scores`].
    pub map: f64,
    /// The 95% interval of nDCG@10.
    #[serde(rename = "ndcg@10_ci")]
    pub ndcg_at_10_ci: [f64; 2],
    /// Half of the searches took at most this many milliseconds, the query's embedding included.
    pub p50_ms: f64,
    /// 99 of 100 searches took at most this.
    pub p99_ms: f64,
}

/// Indexes the corpus of a data set and measures the modes on its queries; `progress` is told how many
/// documents are indexed.
///
/// # Errors
/// When the index fails.
pub async fn retrieval(
    dataset: &Dataset,
    index: &HybridIndex,
    modes: &[Mode],
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<RetrievalReport, IndexError> {
    let began = Instant::now();
    let names = fill(dataset, index, progress).await?;
    let index_seconds = round(began.elapsed().as_secs_f64());
    let mut reports = BTreeMap::new();
    for mode in modes {
        reports.insert(mode.to_string(), measure(dataset, index, *mode, &names).await?);
    }
    Ok(RetrievalReport {
        dataset: dataset.name.clone(),
        queries: dataset.queries.len(),
        documents: dataset.corpus.len(),
        model: index.stats().await?.model,
        index_seconds,
        modes: reports,
    })
}

async fn fill(
    dataset: &Dataset,
    index: &HybridIndex,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<HashMap<PaperId, String>, IndexError> {
    let mut names = HashMap::with_capacity(dataset.corpus.len());
    let mut revision = 0;
    for batch in dataset.corpus.chunks(256) {
        let mut papers = Vec::with_capacity(batch.len());
        for document in batch {
            revision += 1;
            let id = PaperId::derive(&format!("local:{}", document.id));
            names.insert(id, document.id.clone());
            let mut paper = Paper::new(document.title.clone(), SourceName::Import, jiff::Timestamp::UNIX_EPOCH);
            paper.id = Some(id);
            paper.abstract_text = Some(document.text.clone()).filter(|text| !text.trim().is_empty());
            papers.push(IndexedPaper { id, revision, paper: Some(paper), text_revision: revision });
        }
        index.write(papers, revision).await?;
        progress(revision, dataset.corpus.len() as u64);
    }
    index.optimize().await?;
    Ok(names)
}

async fn measure(
    dataset: &Dataset,
    index: &HybridIndex,
    mode: Mode,
    names: &HashMap<PaperId, String>,
) -> Result<ModeReport, IndexError> {
    let mut scores: Vec<Scores> = Vec::with_capacity(dataset.queries.len());
    let mut times: Vec<f64> = Vec::with_capacity(dataset.queries.len());
    for (_, text, grades) in &dataset.queries {
        let query = SearchQuery { mode, limit: 100, ..SearchQuery::new(text.clone()) };
        let began = Instant::now();
        let found = index.search(query).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        let ranking: Vec<String> = found.hits.iter().filter_map(|hit| names.get(&hit.paper).cloned()).collect();
        scores.push(score(&ranking, grades));
    }
    times.sort_by(f64::total_cmp);
    let mean = |field: fn(&Scores) -> f64| {
        let values: Vec<f64> = scores.iter().map(field).collect();
        bootstrap(&values)
    };
    let ndcg = mean(|s| s.ndcg_at_10);
    Ok(ModeReport {
        ndcg_at_10: round(ndcg.mean),
        recall_at_10: round(mean(|s| s.recall_at_10).mean),
        recall_at_100: round(mean(|s| s.recall_at_100).mean),
        mrr_at_10: round(mean(|s| s.mrr_at_10).mean),
        map: round(mean(|s| s.map).mean),
        ndcg_at_10_ci: [round(ndcg.low), round(ndcg.high)],
        p50_ms: round(percentile(&times, 50.0)),
        p99_ms: round(percentile(&times, 99.0)),
    })
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
