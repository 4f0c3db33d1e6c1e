//! `stats` and `config`.

use std::fmt::Write;

use serde_json::json;

use super::Outcome;
use super::output::{Output, count};
use super::reach::Reached;
use crate::api::stats::Stats;
use crate::api::usage::Usage;
use crate::app::{UnderWay, WorkState, database_file, index_dir};
use crate::config::Config;

pub(crate) async fn stats(config: &Config, reached: &Reached, output: &mut Output) -> anyhow::Result<Outcome> {
    let stats = match reached {
        Reached::Here(app) => Stats::of(app).await?,
        Reached::There(server) => server.stats().await?,
    };
    let Stats { library, index, database_bytes, reindex, usage } = &stats;
    let document = json!({"home": config.home, "library": library, "index": index, "database_bytes": database_bytes,
        "reindex": reindex, "usage": usage});
    output.print(&document, || {
        let mut text = format!("{}, {} with an abstract\n", count(library.papers, "paper"), library.with_abstract);
        for (source, papers) in &library.by_source {
            let _ = writeln!(text, "  {source:<17} {papers}");
        }
        let vectors = index.vectors.map_or("no vectors".to_owned(), |vectors| count(vectors, "vector"));
        let model = index.model.as_deref().unwrap_or("none");
        let _ = writeln!(text, "index: {}, {vectors}, model {model}", count(index.passages, "passage"));
        let _ = writeln!(text, "index follows the library to revision {} of {}", index.watermark, library.revision);
        text.push_str(&reindex.as_ref().map(told).unwrap_or_default());
        let _ = writeln!(text, "{} MiB in {}", mebibytes(*database_bytes), database_file(config).display());
        let _ = writeln!(text, "{} MiB in {}", mebibytes(index.bytes_on_disk), index_dir(config).display());
        text.push_str(&cost(usage));
        text
    })?;
    Ok(Outcome::Done)
}

/// What models have cost; nothing when none was ever asked.
fn cost(usage: &Usage) -> String {
    let Usage { month, month_usd, monthly_usd, total, baseline_model, rows, .. } = usage;
    if rows.is_empty() {
        return String::new();
    }
    let calls = count(usize::try_from(total.calls).unwrap_or(usize::MAX), "call");
    let mut text = format!("models: ${:.4} for {calls}", total.cost_usd);
    if total.baseline_cost_usd > 0.0 {
        let _ = write!(text, ", ${:.4} for the same tokens on {baseline_model}", total.baseline_cost_usd);
    }
    if total.unknown > 0 {
        let _ = write!(text, "; of {} it is not known what they cost", total.unknown);
    }
    let of_cap = monthly_usd.map(|cap| format!(" of ${cap}")).unwrap_or_default();
    let _ = writeln!(text, "\n  {month}: ${month_usd:.4}{of_cap}");
    for row in rows {
        let _ = writeln!(
            text,
            "  {} {:<8} {:<18} {:<7} {:>5} {:>9} in {:>8} cached {:>8} out  ${:.4}",
            row.month,
            row.provider,
            row.model,
            row.step,
            row.calls,
            row.prompt_tokens,
            row.cache_hit_tokens,
            row.completion_tokens,
            row.cost_usd
        );
    }
    text
}

/// How far a new index is.
pub(crate) fn told(new: &UnderWay) -> String {
    let UnderWay { model, done, total, state } = new;
    let state = match state {
        WorkState::Building => "is being built",
        WorkState::Waiting => "waits to be built on, after a failure that the server's log tells of",
        WorkState::Interrupted => "was interrupted; `lectern reindex` or `lectern serve` goes on with it",
    };
    format!("a new index with model {model} has {done} of {} and {state}\n", count(*total, "paper"))
}

fn mebibytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let size = bytes as f64 / f64::from(1024 * 1024);
    format!("{size:.1}")
}

pub(crate) fn config_show(config: &Config, output: &mut Output) -> anyhow::Result<Outcome> {
    let shown = config.shown();
    let settings = shown.iter().map(|(name, value, origin)| (name.clone(), json!({"value": value, "from": origin})));
    let settings: serde_json::Map<_, _> = settings.collect();
    let models = config.models_dir();
    output.print(&json!({"home": config.home, "models": models, "settings": settings}), || {
        let mut text = format!("home = {}\nmodels = {}\n", config.home.display(), models.display());
        for (name, value, origin) in &shown {
            let _ = writeln!(text, "{name} = {value}  # {origin}");
        }
        text
    })?;
    Ok(Outcome::Done)
}

/// A configuration that could not be read has ended the command before this.
pub(crate) fn config_check(config: &Config, output: &mut Output) -> anyhow::Result<Outcome> {
    let settings = config.layers.iter().count();
    let jobs: Vec<&String> = config.jobs.keys().collect();
    output.print(&json!({"ok": true, "settings": settings, "jobs": jobs}), || {
        format!("the configuration is good: {settings} settings, {}", count(jobs.len(), "job"))
    })?;
    Ok(Outcome::Done)
}
