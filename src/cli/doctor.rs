//! `doctor`: what could keep Lectern from working, each with what to do about it.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::net::TcpStream;

use super::Outcome;
use super::inspect::told;
use super::output::{Output, count};
use crate::app::{App, AppError};
use crate::clock::Clock;
use crate::config::{Config, Dense, optional_secret};

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// Works without it, less well.
    Missing,
    Bad,
}

#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, state: State::Good, found: found.into(), remedy: None }
    }

    fn missing(what: &'static str, found: impl Into<String>, remedy: &str) -> Self {
        Self { what, state: State::Missing, found: found.into(), remedy: Some(remedy.to_owned()) }
    }

    fn bad(what: &'static str, found: impl Into<String>, remedy: &str) -> Self {
        Self { what, state: State::Bad, found: found.into(), remedy: Some(remedy.to_owned()) }
    }
}

pub(crate) async fn doctor(config: Config, output: &mut Output) -> anyhow::Result<Outcome> {
    let mut checks = vec![model(&config), disk(&config), writer(&config)];
    // It needs the same runtime library.
    if checks.iter().all(|check| check.what != MODEL || check.state == State::Good) {
        checks.extend(reranker(&config));
    }
    checks.push(source("arxiv", &config.settings.sources.arxiv.base_url).await);
    checks.push(source("semantic-scholar", &config.settings.sources.semantic_scholar.base_url).await);
    let crossref = &config.settings.sources.crossref;
    if crossref.enabled {
        checks.push(source("crossref", &crossref.base_url).await);
    }
    if config.settings.index.dense == Dense::Qdrant {
        checks.push(source("qdrant", &config.settings.qdrant.url).await);
    }
    checks.push(library(config).await);
    let bad = checks.iter().filter(|check| check.state == State::Bad).count();
    output.print(&json!({"ok": bad == 0, "checks": checks}), || show(&checks))?;
    if bad > 0 {
        anyhow::bail!("{bad} of {} checks failed", checks.len());
    }
    Ok(Outcome::Done)
}

fn show(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let mark = match check.state {
            State::Good => "ok  ",
            State::Missing => "note",
            State::Bad => "FAIL",
        };
        let _ = writeln!(text, "{mark}  {:<16} {}", check.what, check.found);
        if let Some(remedy) = &check.remedy {
            let _ = writeln!(text, "      {:<16} -> {remedy}", "");
        }
    }
    text
}

const MODEL: &str = "embedding model";

fn model(config: &Config) -> Check {
    let loaded = crate::app::load_embedder(config).and_then(|embedder| {
        let vector = embedder.embed_query("a question")?;
        Ok(format!("{}, {} dimensions, in {}", embedder.model().name, vector.len(), config.models_dir().display()))
    });
    match loaded {
        Ok(found) => Check::good(MODEL, found),
        Err(fault) => Check::bad(MODEL, fault.to_string(), "run `make setup`; until then search is by words only"),
    }
}

/// Nothing where none is configured.
fn reranker(config: &Config) -> Option<Check> {
    const WHAT: &str = "reranker";
    let reranker = crate::app::reranker(config)?;
    Some(match reranker.scores("a question", &["an answer".to_owned()]) {
        Ok(_) => Check::good(WHAT, reranker.name()),
        Err(fault) => Check::bad(WHAT, fault.to_string(), "do as it says; until then hits are in the order without it"),
    })
}

/// Room below which a write may fail soon.
const LITTLE_ROOM: u64 = 1 << 30;

fn disk(config: &Config) -> Check {
    const WHAT: &str = "disk";
    let probe = config.home.join(".doctor");
    let written = std::fs::create_dir_all(&config.home).and_then(|()| std::fs::write(&probe, b"x"));
    if let Err(fault) = written.and_then(|()| std::fs::remove_file(&probe)) {
        let found = format!("cannot write to {}: {fault}", config.home.display());
        return Check::bad(WHAT, found, "choose another home with --home or LECTERN_HOME, or make it writable");
    }
    match fs4::available_space(&config.home) {
        Ok(room) if room < LITTLE_ROOM => {
            let found = format!("{} MiB free for {}", room >> 20, config.home.display());
            Check::bad(WHAT, found, "make room: below 1 GiB indexing may stop")
        }
        Ok(room) => Check::good(WHAT, format!("{} GiB free for {}", room >> 30, config.home.display())),
        Err(fault) => Check::missing(WHAT, format!("cannot tell the free space: {fault}"), "check it by hand"),
    }
}

fn writer(config: &Config) -> Check {
    const WHAT: &str = "writer";
    let llm = &config.settings.llm;
    let keyed = [("DeepSeek", &llm.deepseek), ("OpenAI", &llm.openai)];
    let keyed: Vec<&str> =
        keyed.iter().filter(|(_, p)| optional_secret(&p.api_key).is_some()).map(|(name, _)| *name).collect();
    if keyed.is_empty() {
        let remedy = "answers are quoted, at no cost; for written ones set DEEPSEEK_API_KEY or OPENAI_API_KEY";
        return Check::missing(WHAT, "no key is set", remedy);
    }
    Check::good(WHAT, format!("a key is set for {}; policy {:?}", keyed.join(" and "), llm.policy))
}

/// A connection and nothing more: a request would count against the provider's limits.
async fn source(what: &'static str, address: &str) -> Check {
    const PATIENCE: Duration = Duration::from_secs(3);
    let url = reqwest::Url::parse(address).ok();
    let place = url.as_ref().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
    let Some((host, port)) = place else { return Check::bad(what, format!("`{address}` is no address"), "correct it") };
    let remedy = "check the network and the base_url or url setting; what is stored can be searched all the same";
    match tokio::time::timeout(PATIENCE, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Check::good(what, format!("{host}:{port} can be reached")),
        Ok(Err(fault)) => Check::missing(what, format!("{host}:{port} cannot be reached: {fault}"), remedy),
        Err(_) => {
            Check::missing(what, format!("{host}:{port} does not answer within {} s", PATIENCE.as_secs()), remedy)
        }
    }
}

async fn library(config: Config) -> Check {
    const WHAT: &str = "library";
    const DAMAGED: &str = "see \"When the library is damaged\" in docs/OPERATIONS.md";
    let app = match App::open(config, Clock::system()).await {
        Ok(app) => app,
        Err(fault @ AppError::InUse { .. }) => {
            return Check::missing(WHAT, fault.to_string(), "ask that one: GET /readyz");
        }
        Err(fault @ AppError::Index(_)) => return Check::bad(WHAT, fault.to_string(), "run `lectern reindex`"),
        Err(fault) => return Check::bad(WHAT, fault.to_string(), "do as it says"),
    };
    let counts = match app.library.store.counts().await {
        Ok(counts) => counts,
        Err(fault) => return Check::bad(WHAT, fault.to_string(), DAMAGED),
    };
    let behind = counts.revision.saturating_sub(app.library.index().watermark());
    // While it is behind, one arm may be ahead of the other.
    if behind == 0
        && let Err(fault) = app.library.index().check().await
    {
        return Check::bad(WHAT, fault.to_string(), "do as it says; the papers are not touched by it");
    }
    let found = format!("{}; the index is {} behind", count(counts.papers, "paper"), count(behind, "change"));
    if let Ok(Some(new)) = app.reindexing.under_way().await {
        let found = format!("{found}; {}", told(&new).trim_end());
        return Check::missing(WHAT, found, "run `lectern reindex` to go on with it");
    }
    match app.library.index().stats().await {
        Ok(index) if index.model.is_none() && app.embedding_fault.is_none() => {
            Check::missing(WHAT, format!("{found}, and has words only"), "run `lectern reindex` to add the vectors")
        }
        _ => Check::good(WHAT, found),
    }
}
