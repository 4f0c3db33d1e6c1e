//! `sync`, `import` and `reindex`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use ingest::{IngestError, Page, Rejected, Source, arxiv, semantic_scholar};
use paper::SourceName;
use serde_json::json;

use super::args::{SyncArgs, SyncSource};
use super::output::{Meter, Output};
use super::{Outcome, Usage, open};
use crate::app::{App, SourceError, Sources, destroy_index};
use crate::config::{Config, Origin, SyncSpec};
use crate::library::{self, IndexReport, SyncRequest};
use crate::store::UpsertCounts;

pub(crate) async fn sync(config: Config, source: SyncSource, output: &mut Output) -> anyhow::Result<Outcome> {
    let (common, spec, parse): (SyncArgs, SyncSpec, Parse) = match source {
        SyncSource::Arxiv { query, category, ids, harvest, daily, from, until, common } => {
            let nothing = SyncSpec::of(SourceName::Arxiv);
            let spec = SyncSpec { query, category, ids, harvest, daily, from, until, ..nothing.clone() };
            let choices = "--query, --category, --ids, --harvest, --daily or --from-file";
            check_origin(spec == nothing, &common, choices)?;
            (common, spec, arxiv::parse)
        }
        SyncSource::SemanticScholar { query, bulk, ids, common } => {
            let spec = SyncSpec { query, bulk, ids, ..SyncSpec::of(SourceName::SemanticScholar) };
            check_origin(spec == SyncSpec::of(SourceName::SemanticScholar), &common, "--query, --ids or --from-file")?;
            (common, spec, semantic_scholar::parse_body)
        }
    };
    let live = match &common.from_file {
        Some(_) => None,
        None => Some(Sources::new(Arc::new(config.clone())).source(&spec).map_err(as_usage)?),
    };
    run(config, common, live, parse, output).await
}

/// Reads a saved answer.
type Parse = fn(&[u8], jiff::Timestamp) -> Result<Page, IngestError>;

fn as_usage(fault: SourceError) -> anyhow::Error {
    match fault {
        SourceError::Spec(what) => Usage(what).into(),
        SourceError::Client(fault) => fault.into(),
        SourceError::Home(fault) => fault.into(),
    }
}

fn check_origin(nothing: bool, common: &SyncArgs, choices: &str) -> Result<(), Usage> {
    match (nothing, &common.from_file) {
        (true, None) => Err(Usage(format!("say what to sync: {choices}"))),
        (false, Some(_)) => Err(Usage("a file is read as it is: leave out the other choices".to_owned())),
        _ => Ok(()),
    }
}

async fn run(
    config: Config,
    common: SyncArgs,
    live: Option<Box<dyn Source>>,
    parse: Parse,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let clock = crate::clock::Clock::system();
    let page = match &common.from_file {
        Some(file) => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let page = parse(&bytes, clock.now()).map_err(|fault| anyhow::anyhow!("{fault}{}", remedy(&fault)));
            Some(page.with_context(|| format!("cannot take in {}", file.display()))?)
        }
        None => None,
    };
    if common.dry_run {
        let page = match (page, live) {
            (Some(page), _) => page,
            (None, Some(source)) => first_papers(source.as_ref(), common.max, clock.now()).await?,
            (None, None) => Page::default(),
        };
        return dry_run(page, common.max, output);
    }
    let app = open(config).await?;
    let began = Instant::now();
    let meter = Meter::new("papers");
    let progress = |done, total| meter.at(done, total);
    let report = match (page, live) {
        (Some(page), _) => app.library.take_file(page, common.max).await?,
        (None, Some(source)) => {
            app.library.sync(SyncRequest { source: source.as_ref(), max: common.max }, &progress).await?
        }
        (None, None) => library::SyncReport::default(),
    };
    drop(meter);
    tell_the_course(&report, common.max);
    let indexed = index(&app).await?;
    finish(report.counts, &report.rejected, began, indexed, output)
}

/// What to do with a file that is another source's.
fn remedy(fault: &IngestError) -> &'static str {
    match fault {
        IngestError::Malformed { origin: SourceName::SemanticScholar, what, .. } if what == "XML" => {
            "; if it is an Atom feed or an OAI-PMH answer of arXiv, use `lectern sync arxiv --from-file`"
        }
        IngestError::Malformed { origin: SourceName::Arxiv, what, .. } if what == "JSON" => {
            "; if it is an answer of Semantic Scholar, use `lectern sync semantic-scholar --from-file`, and for JSON \
             lines `lectern import`"
        }
        _ => "",
    }
}

fn tell_the_course(report: &library::SyncReport, max: usize) {
    if report.resumed {
        eprintln!("went on from where an earlier sync of the same request was cut off");
    }
    if let Some(refused) = &report.began_anew {
        eprintln!("began anew: the place where an earlier sync was cut off is not taken any more ({refused})");
    }
    if report.stopped_at_max {
        eprintln!("stopped at {max} papers; the source has more: to read further, give a larger --max");
    }
}

/// The pages of a source up to `max` papers, for looking only.
async fn first_papers(source: &dyn Source, max: usize, seen: jiff::Timestamp) -> anyhow::Result<Page> {
    let mut all = source.page(None, seen).await?;
    while let Some(cursor) = all.next.clone().filter(|_| all.papers.len() < max) {
        let page = source.page(Some(&cursor), seen).await?;
        all.papers.extend(page.papers);
        all.rejected.extend(page.rejected);
        all.next = page.next;
    }
    Ok(all)
}

fn dry_run(mut page: Page, max: usize, output: &mut Output) -> anyhow::Result<Outcome> {
    page.papers.truncate(max);
    let document = json!({"papers": page.papers, "rejected": page.rejected, "next": page.next});
    output.print(&document, || {
        let titles = page.papers.iter().map(|paper| format!("  {}\n", paper.title));
        format!(
            "{} papers, {} rejected\n{}{}",
            page.papers.len(),
            page.rejected.len(),
            titles.collect::<String>(),
            reasons(&page.rejected)
        )
    })?;
    Ok(if page.rejected.is_empty() { Outcome::Done } else { Outcome::SomeRejected })
}

pub(crate) async fn import(
    config: Config,
    file: &Path,
    max: Option<usize>,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let app = open(config).await?;
    let began = Instant::now();
    let meter = Meter::new("papers");
    let report =
        library::import(&app.library, file, max.unwrap_or(usize::MAX), &|done, total| meter.at(done, total)).await?;
    drop(meter);
    let indexed = index(&app).await?;
    finish(report.counts, &report.rejected, began, indexed, output)
}

async fn index(app: &App) -> anyhow::Result<IndexReport> {
    let meter = Meter::new("indexing");
    Ok(app.library.index_pending(&|done, total| meter.at(done, total)).await?)
}

fn finish(
    counts: UpsertCounts,
    rejected: &[Rejected],
    began: Instant,
    indexed: IndexReport,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let embedding_seconds = (indexed.embedding.as_secs_f64() * 1e3).round() / 1e3;
    let UpsertCounts { added, updated, unchanged } = counts;
    let document = json!({"added": added, "updated": updated, "unchanged": unchanged, "rejected": rejected.len(),
        "rejections": rejected, "seconds": seconds, "embedding_seconds": embedding_seconds});
    output.print(&document, || {
        let told = format!("{added} added, {updated} updated, {unchanged} unchanged, {} rejected", rejected.len());
        format!("{told} in {seconds:.1} s ({embedding_seconds:.1} s of it embedding)\n{}", reasons(rejected))
    })?;
    Ok(if rejected.is_empty() { Outcome::Done } else { Outcome::SomeRejected })
}

fn reasons(rejected: &[Rejected]) -> String {
    const MOST: usize = 20;
    let mut text: String =
        rejected.iter().take(MOST).map(|r| format!("  rejected {}: {}\n", r.record, r.reason)).collect();
    if rejected.len() > MOST {
        text.push_str(&format!("  … and {} more; --json lists all\n", rejected.len() - MOST));
    }
    text
}

/// `reindex --model` chooses for all commands to come, so it must not be overruled by a setting.
pub(crate) fn check_model_is_free(config: &Config, model: &str) -> Result<(), Usage> {
    let set = &config.settings.embedding.model;
    match config.layers.origin("embedding.model") {
        Some(origin) if *origin != Origin::Default && set != model => Err(Usage(format!(
            "embedding.model is `{set}` ({origin}), which would hold again at the next command: change it there to \
             `{model}`, then run `lectern reindex`"
        ))),
        _ => Ok(()),
    }
}

pub(crate) async fn reindex(config: Config, output: &mut Output) -> anyhow::Result<Outcome> {
    // Before anything is deleted: without the model the new index would have no vectors.
    crate::app::load_embedder(&config).map_err(|fault| Usage(format!("{fault}; the index is left as it is")))?;
    destroy_index(&config).await?;
    let app = open(config).await?;
    let began = Instant::now();
    let indexed = index(&app).await?;
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let document =
        json!({"papers": indexed.papers, "seconds": seconds, "embedding_seconds": indexed.embedding.as_secs_f64()});
    output.print(&document, || format!("{} papers indexed in {seconds:.1} s", indexed.papers))?;
    Ok(Outcome::Done)
}
