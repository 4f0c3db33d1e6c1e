//! `sync … --enrich` and `sync semantic-scholar --diff`: what is asked about papers that the library has.

use std::time::Instant;

use serde_json::json;

use super::args::SyncArgs;
use super::intake::{as_usage, finish, index, reasons, tell_the_course};
use super::output::{Meter, Output};
use super::{Outcome, Usage, open};
use crate::config::{Config, SyncSpec};
use crate::library::{EnrichReport, EnrichRequest, SyncRequest};

pub(crate) async fn enrich(
    config: Config,
    spec: &SyncSpec,
    common: &SyncArgs,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    if common.dry_run {
        return Err(Usage("--enrich asks about papers of the library: it has no --dry-run".to_owned()).into());
    }
    let app = open(config).await?;
    let enrichment = app.sources.enrichment(spec).map_err(as_usage)?;
    let began = Instant::now();
    let meter = Meter::new("papers");
    let max = common.max.unwrap_or(usize::MAX);
    let request = EnrichRequest { lookup: enrichment.lookup.as_ref(), recheck_days: enrichment.recheck_days, max };
    let report = app.library.enrich(request, &|done, total| meter.at(done, total)).await?;
    drop(meter);
    let indexed = index(&app).await?;
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let embedding_seconds = (indexed.embedding.as_secs_f64() * 1e3).round() / 1e3;
    let EnrichReport { asked, found, unknown, counts, rejected, left } = &report;
    let document = json!({"asked": asked, "found": found, "unknown": unknown, "added": counts.added,
        "updated": counts.updated, "unchanged": counts.unchanged, "rejected": rejected.len(), "rejections": rejected,
        "left": left, "seconds": seconds, "embedding_seconds": embedding_seconds});
    output.print(&document, || told(&report, spec, seconds))?;
    Ok(if report.rejected.is_empty() { Outcome::Done } else { Outcome::SomeRejected })
}

pub(crate) async fn diff(
    config: Config,
    spec: &SyncSpec,
    common: &SyncArgs,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    if common.dry_run {
        return Err(Usage("--diff is about papers of the library: it has no --dry-run".to_owned()).into());
    }
    let app = open(config).await?;
    let source = app.source(spec).map_err(as_usage)?;
    let began = Instant::now();
    let meter = Meter::new("papers");
    let max = common.max.unwrap_or(usize::MAX);
    let report =
        app.library.sync(SyncRequest { source: source.as_ref(), max }, &|done, all| meter.at(done, all)).await?;
    drop(meter);
    tell_the_course(&report, max);
    let indexed = index(&app).await?;
    finish(report.counts, &report.rejected, began, indexed, output)
}

fn told(report: &EnrichReport, spec: &SyncSpec, seconds: f64) -> String {
    let EnrichReport { asked, found, unknown, counts, rejected, left } = report;
    if *asked == 0 {
        return format!("nothing to ask: {} has been asked about every paper not long ago", spec.source);
    }
    let learnt = format!("{} updated, {} unchanged, {} added", counts.updated, counts.unchanged, counts.added);
    let more = if *left > 0 { format!("{left} papers are still to be asked about\n") } else { String::new() };
    format!(
        "{asked} asked about, {found} found, {unknown} unknown; {learnt}, {} rejected in {seconds:.1} s\n{more}{}",
        rejected.len(),
        reasons(rejected)
    )
}
