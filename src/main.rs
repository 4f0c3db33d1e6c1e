//! `lectern`, the command.

use std::process::ExitCode;

/// A search asks for some thousand small pieces of memory on several threads, for which the system's takes a tenth of
/// its time.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lectern::cli::run()
}
