//! Standard output, and progress on standard error.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Where results go: text for people, or one JSON document.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the document when JSON was asked for, else the text.
    pub(crate) fn print(&mut self, document: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, document)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", text().trim_end())?;
        }
        out.flush()?;
        Ok(())
    }

    /// Prints text as it is, a bibliography for example.
    pub(crate) fn print_raw(&mut self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

/// How far something is, on standard error: a bar for a terminal, else a line now and then.
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
    what: &'static str,
}

/// Between two lines in a log.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

impl Meter {
    pub(crate) fn new(what: &'static str) -> Self {
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed} (ready in {eta})");
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0).with_prefix(what);
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, last_line: Mutex::new(Instant::now()), what }
    }

    /// `done` of `total`; 0 for a total that is not known.
    pub(crate) fn at(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total.max(done));
            bar.set_position(done);
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() >= BETWEEN_LINES {
            *last = Instant::now();
            let of = if total > 0 { format!(" of {total}") } else { String::new() };
            eprintln!("{} {done}{of}", self.what);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
