//! `sync`, `import` and `reindex`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use ingest::{IngestError, Page, Rejected, Source, arxiv, crossref, semantic_scholar};
use paper::SourceName;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::args::{SyncArgs, SyncSource};
use super::meter::Meter;
use super::output::Output;
use super::reach::{Reached, reach};
use super::remote::Remote;
use super::{Outcome, Usage, open};
use crate::app::{App, SourceError, Sources, SyncError, destroy_index};
use crate::config::{Config, Origin, SyncSpec};
use crate::library::progress::{Course, Stage};
use crate::library::{self, Checked, IntakeReport, LibraryError};

pub(crate) async fn sync(config: Config, source: SyncSource, output: &mut Output) -> anyhow::Result<Outcome> {
    let (common, spec, parse): (SyncArgs, SyncSpec, Parse) = match source {
        SyncSource::Arxiv { query, category, ids, harvest, daily, from, until, common } => {
            let nothing = SyncSpec::of(SourceName::Arxiv);
            let spec = SyncSpec { query, category, ids, harvest, daily, from, until, ..nothing.clone() };
            let choices = "--query, --category, --ids, --harvest, --daily or --from-file";
            check_origin(spec == nothing, &common, choices)?;
            (common, spec, arxiv::parse)
        }
        SyncSource::SemanticScholar {
            query,
            bulk,
            ids,
            references_of,
            citations_of,
            recommended_for,
            enrich,
            diff,
            common,
        } => {
            let nothing = SyncSpec::of(SourceName::SemanticScholar);
            let spec = SyncSpec {
                query,
                bulk,
                ids,
                references_of,
                citations_of,
                recommended_for,
                enrich,
                diff,
                ..nothing.clone()
            };
            let choices = "--query, --ids, --references-of, --citations-of, --recommended-for, --enrich, \
                           --diff or --from-file";
            check_origin(spec == nothing, &common, choices)?;
            (common, spec, semantic_scholar::parse_body)
        }
        SyncSource::Crossref { ids, enrich, common } => {
            let nothing = SyncSpec::of(SourceName::Crossref);
            let spec = SyncSpec { ids, enrich, ..nothing.clone() };
            check_origin(spec == nothing, &common, "--ids, --enrich or --from-file")?;
            (common, spec, crossref::parse_body)
        }
    };
    let spec = SyncSpec { max: common.max, diff: spec.diff.map(absolute), ..spec };
    let needs_library = spec.enrich || spec.diff.is_some();
    if common.dry_run && needs_library {
        return Err(
            Usage("--enrich and --diff are about papers of the library: they have no --dry-run".to_owned()).into()
        );
    }
    let live = match &common.from_file {
        Some(_) => None,
        None if needs_library => None,
        None => Some(Sources::new(Arc::new(config.clone())).source(&spec).map_err(as_usage)?),
    };
    run(config, common, (spec, live), parse, output).await
}

/// A folder as a server sees it, which runs in another one.
fn absolute(place: String) -> String {
    std::fs::canonicalize(&place).map_or(place, |folder| folder.display().to_string())
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
    (spec, live): (SyncSpec, Option<Box<dyn Source>>),
    parse: Parse,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let max = spec.most();
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
            (None, Some(source)) => first_papers(source.as_ref(), max, clock.now()).await?,
            (None, None) => Page::default(),
        };
        return dry_run(page, max, output);
    }
    let meter = output.meter();
    let report = match reach(config).await? {
        Reached::Here(app) => here(&app, page, &spec, &meter).await?,
        Reached::There(server) => match page {
            Some(page) => file_there(&server, page, spec.most(), &meter).await?,
            None => server.sync(&spec, &meter).await?,
        },
    };
    drop(meter);
    tell_the_course(&report, spec.most());
    finish(&report, spec.source.as_str(), output)
}

async fn here(app: &App, page: Option<Page>, spec: &SyncSpec, meter: &Meter) -> anyhow::Result<IntakeReport> {
    let tell = |step| meter.tell(step);
    let course = Course::new(&tell);
    match page {
        Some(page) => Ok(app.library.take_in(app.library.take_file(spec.source, page, spec.most()), &course).await?),
        None => match app.sync(spec, CancellationToken::new(), &course).await {
            Err(SyncError::Source(fault)) => Err(as_usage(fault)),
            taken => Ok(taken?),
        },
    }
}

/// What a file held goes to the server as the lines that this program prints its papers in, and comes back as it was.
async fn file_there(server: &Remote, page: Page, max: usize, meter: &Meter) -> anyhow::Result<IntakeReport> {
    let mut lines = Vec::new();
    for paper in page.papers.iter().take(max) {
        serde_json::to_writer(&mut lines, paper)?;
        lines.push(b'\n');
    }
    let mut report = server.import(lines.into(), max, meter).await?;
    report.stopped_at_max = page.papers.len() > max;
    report.rejections.splice(..0, page.rejected);
    report.rejected = report.rejections.len();
    Ok(report)
}

/// How asking about the library's own papers went.
fn told(checked: Checked, asked: &str) -> String {
    let Checked { asked: papers, found, unknown, left } = checked;
    let more = if left > 0 { format!("{left} papers are still to be asked about\n") } else { String::new() };
    match papers {
        0 => format!("nothing to ask: {asked} has been asked about every paper not long ago\n"),
        _ => format!("{papers} asked about, {found} found, {unknown} unknown\n{more}"),
    }
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

fn tell_the_course(report: &IntakeReport, max: usize) {
    if report.resumed {
        eprintln!("went on from where an earlier sync of the same request was cut off");
    }
    if let Some(refused) = &report.began_anew {
        eprintln!("began anew: the place where an earlier sync was cut off is not taken any more ({refused})");
    }
    if report.stopped_at_max {
        eprintln!("stopped at {max} papers; the source has more: to read further, give a larger --max");
    }
    if report.stopped {
        eprintln!("stopped before the end, because the server was; the same sync goes on from there");
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
    library::refuse_foreign(file)?;
    let (meter, max) = (output.meter(), max.unwrap_or(usize::MAX));
    let report = match reach(config).await? {
        Reached::Here(app) => {
            let tell = |step| meter.tell(step);
            app.library.import_file(file, max, &Course::new(&tell)).await?
        }
        Reached::There(server) => {
            let unreadable = |source| LibraryError::Unreadable { path: file.to_owned(), source };
            let lines = tokio::fs::File::open(file).await.map_err(unreadable)?;
            server.import(lines.into(), max, &meter).await?
        }
    };
    drop(meter);
    finish(&report, "", output)
}

fn finish(report: &IntakeReport, asked: &str, output: &mut Output) -> anyhow::Result<Outcome> {
    output.print(report, || {
        let checked = report.checked.map(|checked| told(checked, asked)).unwrap_or_default();
        let IntakeReport { added, updated, unchanged, rejected, deleted, .. } = report;
        let IntakeReport { seconds, embedding_seconds, embeddings, index_writes, .. } = report;
        let deleted = if *deleted > 0 { format!(", {deleted} deleted") } else { String::new() };
        format!(
            "{checked}{added} added, {updated} updated, {unchanged} unchanged, {rejected} rejected{deleted} in {seconds:.1} s \
             ({embedding_seconds:.1} s of it embedding)\n{index_writes} papers written to the index, {embeddings} \
             passages embedded\n{}{}",
            left_out(report),
            reasons(&report.rejections)
        )
    })?;
    Ok(if report.rejections.is_empty() { Outcome::Done } else { Outcome::SomeRejected })
}

fn left_out(report: &IntakeReport) -> String {
    let told =
        |(field, lines): (&String, &u64)| format!("  {field} of {lines} lines could not be read and is left out\n");
    report.left_out.iter().map(told).collect()
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
    let meter = output.meter();
    let tell = |step| meter.tell(step);
    let indexed = app.library.index_pending(&Course::new(&tell).counts(Stage::Indexing)).await?;
    drop(meter);
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let document =
        json!({"papers": indexed.papers, "seconds": seconds, "embedding_seconds": indexed.embedding.as_secs_f64()});
    output.print(&document, || format!("{} papers indexed in {seconds:.1} s", indexed.papers))?;
    Ok(Outcome::Done)
}
