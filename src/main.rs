//! `lectern`, the command.

use std::process::ExitCode;

fn main() -> ExitCode {
    lectern::cli::run()
}
