//! What the program tells of itself: log lines, on standard error, and traces.

pub mod conventions;
pub mod export;
pub mod metrics;
pub mod trace;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Begins to write log lines as configured. A second call changes nothing.
///
/// # Errors
/// When `log.level` is no level and no filter.
pub fn start(log: &Log) -> Result<(), String> {
    let single = ["error", "warn", "info", "debug", "trace", "off"].contains(&log.level.as_str());
    // A bare level is meant for this program; the libraries below it are heard when something is wrong.
    let directives =
        if single { format!("warn,lectern={0},ingest={0},index={0}", log.level) } else { log.level.clone() };
    let filter = EnvFilter::try_new(&directives).map_err(|fault| format!("`log.level` is `{}`: {fault}", log.level))?;
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    let begun = match log.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().with_current_span(false)).try_init(),
    };
    // It fails only when logging has begun already, in tests that start several applications.
    let _ = begun;
    Ok(())
}
