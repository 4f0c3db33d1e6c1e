//! `sync` and `import`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use ingest::{IngestError, Page, Rejected, Source};
use paper::SourceName;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::args::{SyncArgs, SyncSource};
use super::meter::Meter;
use super::output::{Output, count};
use super::reach::{Reached, reach};
use super::{Outcome, Usage};
use crate::app::{App, SourceError, Sources, SyncError, saved_page};
use crate::config::{Config, SyncSpec};
use crate::library::progress::Course;
use crate::library::{Checked, IntakeReport, LibraryError, Lines};

pub(crate) async fn sync(config: Config, source: SyncSource, output: &mut Output) -> anyhow::Result<Outcome> {
    let (common, spec): (SyncArgs, SyncSpec) = match source {
        SyncSource::Arxiv { query, category, sort, ids, harvest, daily, from, until, common } => {
            let nothing = SyncSpec::of(SourceName::Arxiv);
            let spec = SyncSpec { query, category, sort, ids, harvest, daily, from, until, ..nothing.clone() };
            let choices = "--query, --category, --ids, --harvest, --daily or --from-file";
            check_origin(spec == nothing, &common, choices)?;
            (common, spec)
        }
        SyncSource::SemanticScholar {
            query,
            bulk,
            sort,
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
                sort,
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
            (common, spec)
        }
        SyncSource::Crossref { ids, enrich, common } => {
            let nothing = SyncSpec::of(SourceName::Crossref);
            let spec = SyncSpec { ids, enrich, ..nothing.clone() };
            check_origin(spec == nothing, &common, "--ids, --enrich or --from-file")?;
            (common, spec)
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
    run(config, common, (spec, live), output).await
}

/// A folder as a server sees it, which runs in another one.
fn absolute(place: String) -> String {
    std::fs::canonicalize(&place).map_or(place, |folder| folder.display().to_string())
}

fn as_usage(fault: SourceError) -> anyhow::Error {
    match fault {
        SourceError::Spec(what) => Usage(what).into(),
        SourceError::Saved(fault) | SourceError::Client(fault) => fault.into(),
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
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let max = spec.most();
    let clock = crate::clock::Clock::system();
    let saved = match &common.from_file {
        Some(file) => Some(saved(file, spec.source, clock.now())?),
        None => None,
    };
    if common.dry_run {
        let page = match (saved, live) {
            (Some((_, page)), _) => page,
            (None, Some(source)) => first_papers(source.as_ref(), max, clock.now()).await?,
            (None, None) => Page::default(),
        };
        return dry_run(page, max, output);
    }
    let meter = output.meter();
    let report = match reach(config).await? {
        Reached::Here(app) => here(&app, saved.map(|(_, page)| page), &spec, &meter).await?,
        Reached::There(server) => match saved {
            Some((bytes, _)) => server.take_saved(spec.source, bytes, max, &meter).await?,
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

/// A saved answer of a source, and what it holds.
fn saved(file: &Path, source: SourceName, seen: jiff::Timestamp) -> anyhow::Result<(Vec<u8>, Page)> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let page = saved_page(source, &bytes, seen).map_err(|fault| match fault {
        SourceError::Saved(fault) => anyhow::anyhow!("{fault}{}", remedy(&fault)),
        fault => as_usage(fault),
    });
    let page = page.with_context(|| format!("cannot take in {}", file.display()))?;
    Ok((bytes, page))
}

/// How asking about the library's own papers went.
fn told(checked: Checked, asked: &str) -> String {
    let Checked { asked: papers, found, unknown, left } = checked;
    let more = match left {
        0 => String::new(),
        1 => "1 paper is still to be asked about\n".to_owned(),
        left => format!("{left} papers are still to be asked about\n"),
    };
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
        let further = "sync again to go on with what is new, or give a larger --max to read further back";
        eprintln!("stopped at {}; the source has more: {further}", count(max, "paper"));
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
        all.deleted.extend(page.deleted);
        all.rejected.extend(page.rejected);
        all.next = page.next;
    }
    Ok(all)
}

fn dry_run(mut page: Page, max: usize, output: &mut Output) -> anyhow::Result<Outcome> {
    page.papers.truncate(max);
    let document =
        json!({"papers": page.papers, "deleted": page.deleted, "rejected": page.rejected, "next": page.next});
    output.print(&document, || {
        let titles = page.papers.iter().map(|paper| format!("  {}\n", paper.title));
        format!(
            "{}, {} rejected{}\n{}{}",
            count(page.papers.len(), "paper"),
            page.rejected.len(),
            gone(page.deleted.len() as u64),
            titles.collect::<String>(),
            reasons(&page.rejected, page.rejected.len())
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
    // What comes through a pipe can be read only once, and is looked at when it is taken in.
    if file.is_file() {
        Lines::open(file, u64::MAX)?;
    }
    let (meter, max) = (output.meter(), max.unwrap_or(usize::MAX));
    let report = match reach(config).await? {
        Reached::Here(app) => {
            let tell = |step| meter.tell(step);
            app.library.import_file(Lines::open(file, u64::MAX)?, max, &Course::new(&tell)).await?
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
        let (deleted, written) = (gone(*deleted), count(*index_writes, "paper"));
        format!(
            "{checked}{added} added, {updated} updated, {unchanged} unchanged, {rejected} rejected{deleted} in {seconds:.1} s \
             ({embedding_seconds:.1} s of it embedding)\n{written} written to the index, {} embedded\n{}{}",
            count(*embeddings, "passage"),
            left_out(report),
            reasons(&report.rejections, *rejected)
        )
    })?;
    Ok(if report.rejections.is_empty() { Outcome::Done } else { Outcome::SomeRejected })
}

fn left_out(report: &IntakeReport) -> String {
    let told = |(field, lines): (&String, &u64)| {
        format!("  {field} of {} could not be read and is left out\n", count(*lines, "line"))
    };
    report.left_out.iter().map(told).collect()
}

fn gone(deleted: u64) -> String {
    if deleted > 0 { format!(", {deleted} deleted") } else { String::new() }
}

/// The first records that were rejected, of so many.
fn reasons(rejected: &[Rejected], all: usize) -> String {
    const MOST: usize = 20;
    let mut text: String =
        rejected.iter().take(MOST).map(|r| format!("  rejected {}: {}\n", r.record, r.reason)).collect();
    if all > MOST {
        text.push_str(&format!("  … and {} more; --json lists the first thousand\n", all - MOST));
    }
    text
}
