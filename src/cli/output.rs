//! Standard output.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

use super::meter::Meter;

/// Where results go: text for people, or one JSON document.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Says something on standard error, unless nothing is to be said there.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// What shows on standard error how far a command is.
    pub(crate) fn meter(&self) -> Meter {
        Meter::new(self.quiet)
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

/// A number with what it counts: `1 paper`, `2 papers`.
pub(crate) fn count(number: impl TryInto<u64> + Display + Copy, one: &str) -> String {
    match number.try_into() {
        Ok(1) => format!("{number} {one}"),
        _ => format!("{number} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_all_else_is_many() {
        assert_eq!([count(0, "job"), count(1_u64, "paper"), count(2_usize, "line")], ["0 jobs", "1 paper", "2 lines"]);
    }
}
