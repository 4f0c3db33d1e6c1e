//! The command line: arguments in, results on standard output, everything else on standard error.

mod args;
mod ask;
mod bench;
mod doctor;
mod evaluate;
mod events;
mod experiments;
mod inspect;
mod intake;
mod jobs;
mod meter;
mod output;
mod papers;
mod reach;
mod reindex;
mod remote;
mod serve;

use std::process::ExitCode;
use std::time::Duration;

use args::{Arguments, Command, ConfigCommand};
use clap::Parser;
use evaluate::Eval;
use output::Output;
use reach::reach;

use crate::agent::AgentError;
use crate::api::wire::SearchRequest;
use crate::app::{App, AppError, AskError};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Environment};

/// How a command ended, beside failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    SomeRejected,
    NoAnswer,
}

/// A command that was used wrongly: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

/// How long a server that stops waits for texts that are being embedded: the ONNX Runtime may crash when the process ends
/// under it.
const LAST_THREADS: Duration = Duration::from_secs(5);

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(fault) => {
            eprintln!("error: cannot start: {fault}");
            return ExitCode::FAILURE;
        }
    };
    let patience = if matches!(arguments.command, Command::Serve { .. }) { LAST_THREADS } else { Duration::ZERO };
    let ended = runtime.block_on(dispatch(arguments));
    // What still runs in blocking threads (a model being loaded) is not waited for, or not for long.
    let began = std::time::Instant::now();
    runtime.shutdown_timeout(patience);
    let left = patience.saturating_sub(began.elapsed());
    if !index::wait_for_models(left) && left > Duration::ZERO {
        tracing::warn!("texts are still being embedded; what is not indexed yet is taken up at the next start");
    }
    match ended {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeRejected) => ExitCode::from(3),
        Ok(Outcome::NoAnswer) => ExitCode::from(4),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", told_once(&error));
            ExitCode::from(code_of(&error))
        }
    }
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<Outcome> {
    let mut flags: Vec<(&str, String, &str)> = Vec::new();
    if let Command::Serve { addr: Some(addr) } = &arguments.command {
        flags.push(("server.addr", addr.clone(), "--addr"));
    }
    let environment = Environment::read();
    let config = Config::load(arguments.home.as_deref(), arguments.config.as_deref(), &environment, &flags)?;
    let config = crate::app::with_model_of_index(config);
    crate::telemetry::start(&config.settings.log).map_err(Usage)?;
    let mut output = Output::new(arguments.json, arguments.quiet);
    match arguments.command {
        Command::Config { what: ConfigCommand::Show } => inspect::config_show(&config, &mut output),
        Command::Config { what: ConfigCommand::Check } => inspect::config_check(&config, &mut output),
        Command::Doctor => doctor::doctor(config, &mut output).await,
        Command::Eval { what: Eval::Answers(args) } => evaluate::answers_command(config, args, &mut output).await,
        Command::Eval { what: Eval::Compare(args) } => evaluate::compare_command(config, args, &mut output).await,
        Command::Experiments { what } => experiments::experiments(config, what, &mut output).await,
        Command::Feedback { what } => experiments::feedback(config, &what, &mut output).await,
        Command::Eval { what: Eval::Retrieval { data, mode } } => {
            evaluate::retrieval_command(&config, &data, mode, &mut output).await
        }
        Command::Eval { what: Eval::Routing { data } } => evaluate::routing_command(&config, &data, &mut output),
        Command::Bench { queries, clients, seconds } => {
            let (file, time) = (arguments.config.as_deref(), Duration::from_secs(seconds));
            bench::bench(config, file, queries.as_deref(), clients, time, &mut output).await
        }
        Command::Sync { source } => intake::sync(config, source, &mut output).await,
        Command::Import { file, max } => intake::import(config, &file, max, &mut output).await,
        Command::Reindex { model } => reindex::reindex(config, model, &mut output).await,
        Command::Jobs { what } => jobs::jobs(&reach(config).await?, what, &mut output).await,
        Command::Papers { what } => papers::papers(&reach(config).await?, what, &mut output).await,
        Command::Serve { .. } => serve::serve(open(config).await?).await,
        Command::Search { query, mode, sort, facets, cursor, limit, filters } => {
            let request = SearchRequest {
                q: Some(query),
                mode: Some(mode.to_string()),
                sort: Some(sort.to_string()),
                facets,
                cursor,
                limit: Some(limit),
                filters: filters.into_filters(),
            };
            let query = request.clone().into_query().map_err(Usage)?;
            ask::search(&reach(config).await?, &request, query, &mut output).await
        }
        Command::Ask { question, how, filters } => {
            let asked = ask::question(&question, how, filters)?;
            ask::ask(&reach(config).await?, asked, &mut output).await
        }
        Command::Cite { ids, format } => {
            let references = ask::references(&ids)?;
            ask::cite(&reach(config).await?, &ids, &references, format, &mut output).await
        }
        Command::Stats => inspect::stats(&config.clone(), &reach(config).await?, &mut output).await,
    }
}

/// Opens the library, and says so when search will be lexical only.
pub(crate) async fn open(config: Config) -> Result<App, AppError> {
    let app = App::open(config, Clock::system()).await?;
    if let Some(fault) = &app.embedding_fault {
        tracing::warn!("searching by words only: {fault}; run `lectern reindex` when that is done");
    }
    Ok(app)
}

/// The error with its causes, leaving out a cause that the text before it has told already.
fn told_once(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.is_empty() => cause,
        told if told.contains(&cause) => told,
        told => format!("{told}: {cause}"),
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |kind: std::io::ErrorKind| kind == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|fault| broken(fault.kind()))
            || cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind).is_some_and(broken)
    })
}

/// 2 for what the user can put right in the command or the configuration, else 1.
fn code_of(error: &anyhow::Error) -> u8 {
    let usage = error.is::<Usage>() || error.is::<ConfigError>();
    let home = matches!(
        error.downcast_ref::<AppError>(),
        Some(AppError::Home { .. } | AppError::Model(_) | AppError::OwnPrices { .. })
    );
    let no_model = matches!(error.downcast_ref::<AskError>(), Some(AskError::Agent(AgentError::NoModel(_))));
    if usage || home || no_model { 2 } else { 1 }
}
