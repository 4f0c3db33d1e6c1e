//! `sync`, `import` and `reindex`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use ingest::arxiv::{self, ArxivRequest, ArxivSource};
use ingest::http::{ClientSettings, PoliteClient};
use ingest::semantic_scholar::{self, S2Request, S2Source};
use ingest::{IngestError, Page, Rejected, Source};
use paper::SourceName;
use serde_json::json;

use super::args::{SyncArgs, SyncSource};
use super::output::{Meter, Output};
use super::{Outcome, Usage, open};
use crate::app::{App, AppError, destroy_index};
use crate::config::{Config, Origin, optional, optional_secret};
use crate::library::{self, IndexReport, SyncRequest};
use crate::store::UpsertCounts;

/// arXiv asks for one request every three seconds, Semantic Scholar for one a second.
const ARXIV_INTERVAL: Duration = Duration::from_secs(3);
const SCHOLAR_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn sync(config: Config, source: SyncSource, output: &mut Output) -> anyhow::Result<Outcome> {
    let (common, live): (SyncArgs, Option<Box<dyn Source>>) = match source {
        SyncSource::Arxiv { query, category, ids, common } => {
            let nothing = query.is_none() && category.is_none() && ids.is_empty();
            check_origin(nothing, &common, "--query, --category, --ids or --from-file")?;
            let live = if nothing { None } else { Some(arxiv_source(&config, query, category, &ids)?) };
            (common, live)
        }
        SyncSource::SemanticScholar { query, bulk, ids, common } => {
            let nothing = query.is_none() && ids.is_empty();
            check_origin(nothing, &common, "--query, --ids or --from-file")?;
            let live = if nothing { None } else { Some(scholar_source(&config, query, bulk, ids)?) };
            return run(config, common, live, semantic_scholar::parse_body, output).await;
        }
    };
    run(config, common, live, arxiv::parse, output).await
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
    parse: fn(&[u8], jiff::Timestamp) -> Result<Page, IngestError>,
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

fn arxiv_source(
    config: &Config,
    query: Option<String>,
    category: Option<String>,
    ids: &[String],
) -> anyhow::Result<Box<dyn Source>> {
    let ids: Result<Vec<paper::ArxivId>, _> = ids.iter().map(|id| id.parse()).collect();
    let ids = ids.map_err(|error| Usage(error.to_string()))?;
    let request = ArxivRequest { query, category, ids, ..ArxivRequest::default() };
    let base = config.settings.sources.arxiv.base_url.parse()?;
    let client = client(config, "arxiv", ARXIV_INTERVAL)?;
    Ok(Box::new(ArxivSource::new(client, base, request)))
}

fn scholar_source(
    config: &Config,
    query: Option<String>,
    bulk: bool,
    ids: Vec<String>,
) -> anyhow::Result<Box<dyn Source>> {
    let request = match query {
        // As arXiv does: what is new comes first, so that a repeated sync with --max finds it.
        Some(query) if bulk => S2Request::Bulk { query, sort: Some("publicationDate:desc".to_owned()) },
        Some(query) => S2Request::Search { query },
        None => S2Request::Batch { ids },
    };
    let settings = &config.settings.sources.semantic_scholar;
    let base = settings.base_url.parse()?;
    let client = client(config, "semantic-scholar", SCHOLAR_INTERVAL)?;
    Ok(Box::new(S2Source::new(client, base, optional_secret(&settings.api_key), request)))
}

fn client(config: &Config, source: &str, min_interval: Duration) -> anyhow::Result<Arc<PoliteClient>> {
    let sources = &config.settings.sources;
    let contact = optional(&sources.contact).map(|contact| format!(" ({contact})")).unwrap_or_default();
    let unusable = |source| AppError::Home { path: config.home.clone(), source };
    let pace = config.home.join(format!("{source}.pace"));
    // Tried before anything is asked, where it is still known to be a matter of the home folder.
    std::fs::create_dir_all(&config.home).map_err(unusable)?;
    std::fs::File::options().append(true).create(true).open(&pace).map_err(unusable)?;
    let settings = ClientSettings {
        user_agent: format!("lectern/{}{contact}", env!("CARGO_PKG_VERSION")),
        timeout: Duration::from_secs(sources.timeout_s),
        min_interval,
        max_retries: sources.max_retries,
        max_wait: Duration::from_secs(sources.max_wait_s),
        state_file: Some(pace),
        ..ClientSettings::default()
    };
    Ok(Arc::new(PoliteClient::new(settings, crate::clock::Clock::system().now_fn())?))
}
