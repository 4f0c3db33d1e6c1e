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
use crate::config::{Config, Dense, Policy, Provider, optional_secret};
use crate::llm::{self, Account, LlmError, Prices, ProviderKind, ProviderSettings};

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
    checks.extend(providers(&config).await);
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

/// The providers that a key is set for, unless none is ever asked.
async fn providers(config: &Config) -> Vec<Check> {
    let llm = &config.settings.llm;
    let mut checks = Vec::new();
    let all = [(DEEPSEEK, ProviderKind::DeepSeek, &llm.deepseek), ("openai", ProviderKind::OpenAi, &llm.openai)];
    for (what, kind, provider) in all {
        if llm.policy != Policy::Quote && optional_secret(&provider.api_key).is_some() {
            checks.extend(provider_checks(what, kind, provider).await);
        }
    }
    checks
}

const DEEPSEEK: &str = "deepseek";
/// Some servers offer hundreds.
const MODELS_SHOWN: usize = 10;

/// What costs nothing: the list of models, which only a good key gets, and at DeepSeek the balance.
async fn provider_checks(what: &'static str, kind: ProviderKind, provider: &Provider) -> Vec<Check> {
    let key = optional_secret(&provider.api_key);
    let mut settings = ProviderSettings::new(provider.base_url.clone(), key, provider.model.clone());
    (settings.connect_timeout, settings.deadline) = (Duration::from_secs(3), Duration::from_secs(10));
    let offered = match llm::available_models(kind, &settings).await {
        Ok(models) => offers(what, kind, &settings, &models),
        Err(fault) => return vec![provider_fault(what, &fault)],
    };
    let balance = match kind {
        ProviderKind::DeepSeek => balance(llm::balance(&settings).await),
        ProviderKind::OpenAi => None,
    };
    [Some(offered), balance].into_iter().flatten().collect()
}

fn provider_fault(what: &'static str, fault: &LlmError) -> Check {
    match fault {
        LlmError::Unauthorized { .. } | LlmError::Misconfigured { .. } => {
            Check::bad(what, fault.to_string(), "correct the setting; until then nothing is written")
        }
        _ => {
            Check::missing(what, fault.to_string(), "do as it says, or try again later; until then answers are quoted")
        }
    }
}

/// Whether the model that is configured, by whichever of its names, is one of those on offer.
fn offers(what: &'static str, kind: ProviderKind, settings: &ProviderSettings, models: &[String]) -> Check {
    let client = match kind {
        ProviderKind::DeepSeek => llm::deepseek(settings.clone()),
        ProviderKind::OpenAi => llm::openai_compatible(settings.clone()),
    };
    let model = match client {
        Ok(client) => client.model().to_owned(),
        Err(fault) => return provider_fault(what, &fault),
    };
    let prices = Prices::bundled().ok();
    let same = |offered: &String| {
        *offered == model || prices.as_ref().is_some_and(|prices| prices.is_one_model(offered, &model))
    };
    if models.iter().any(same) {
        return Check::good(what, format!("the key is taken, and {model} is on offer"));
    }
    let found = format!("the key is taken, but {model} is not among the {} models on offer", models.len());
    let some: Vec<&str> = models.iter().take(MODELS_SHOWN).map(String::as_str).collect();
    Check::missing(what, found, &format!("set llm.{what}.model to one of them, such as {}", some.join(", ")))
}

/// Nothing where the server shows none.
fn balance(told: Result<Option<Account>, LlmError>) -> Option<Check> {
    const WHAT: &str = "balance";
    let account = match told {
        Ok(account) => account?,
        Err(fault) => return Some(Check::missing(WHAT, fault.to_string(), "look at the provider's own pages")),
    };
    let left: Vec<String> = account.balances.iter().map(|left| format!("{} {}", left.total, left.currency)).collect();
    let left = if left.is_empty() { "nothing".to_owned() } else { left.join(" and ") };
    Some(if account.available {
        Check::good(WHAT, format!("{left} at DeepSeek"))
    } else {
        Check::missing(WHAT, format!("{left} at DeepSeek, too little for a call"), "top the account up")
    })
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{
        Router,
        extract::State as Extract,
        http::{StatusCode, Uri},
    };
    use secrecy::SecretString;

    use super::*;

    type Pages = Arc<Mutex<Vec<(&'static str, u16, String)>>>;

    /// A server that has these pages, by path.
    async fn serving(pages: Vec<(&'static str, u16, String)>) -> Provider {
        async fn answer(Extract(pages): Extract<Pages>, uri: Uri) -> (StatusCode, String) {
            let pages = pages.lock().unwrap();
            let page = pages.iter().find(|(path, ..)| *path == uri.path());
            page.map_or((StatusCode::NOT_FOUND, String::new()), |(_, status, body)| {
                (StatusCode::from_u16(*status).unwrap(), body.clone())
            })
        }
        let app = Router::new().fallback(answer).with_state(Arc::new(Mutex::new(pages)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Provider {
            base_url,
            api_key: SecretString::from("sk-planted-key"),
            model: "deepseek-flash".to_owned(),
            strong_model: String::new(),
        }
    }

    fn models(names: &[&str]) -> (&'static str, u16, String) {
        let list: Vec<_> = names.iter().map(|name| json!({"id": name})).collect();
        ("/models", 200, json!({"data": list}).to_string())
    }

    fn account(available: bool, total: &str) -> (&'static str, u16, String) {
        let left =
            json!({"currency": "USD", "total_balance": total, "granted_balance": "0.00", "topped_up_balance": total});
        ("/user/balance", 200, json!({"is_available": available, "balance_infos": [left]}).to_string())
    }

    async fn shown(pages: Vec<(&'static str, u16, String)>) -> String {
        let provider = serving(pages).await;
        show(&provider_checks(DEEPSEEK, ProviderKind::DeepSeek, &provider).await)
    }

    #[tokio::test]
    async fn a_provider_is_asked_for_its_models_and_for_the_balance() {
        let good = "ok    deepseek         the key is taken, and deepseek-flash is on offer\n";
        assert_eq!(
            shown(vec![models(&["deepseek-v4-pro", "deepseek-v4-flash"]), account(true, "1.00")]).await,
            format!("{good}ok    balance          1.00 USD at DeepSeek\n")
        );
        assert_eq!(
            shown(vec![models(&["deepseek-flash"]), account(false, "0.00")]).await,
            format!(
                "{good}note  balance          0.00 USD at DeepSeek, too little for a call\n      {:<16} -> top the account up\n",
                ""
            )
        );
    }

    #[tokio::test]
    async fn a_server_without_a_balance_is_not_blamed_for_it() {
        let found = shown(vec![models(&["deepseek-flash"])]).await;
        assert_eq!(found, "ok    deepseek         the key is taken, and deepseek-flash is on offer\n");
    }

    #[tokio::test]
    async fn a_model_that_is_not_on_offer_is_told_with_those_that_are() {
        let found = shown(vec![models(&["a", "b"])]).await;
        let told = "note  deepseek         the key is taken, but deepseek-flash is not among the 2 models on offer\n";
        assert_eq!(found, format!("{told}      {:<16} -> set llm.deepseek.model to one of them, such as a, b\n", ""));
    }

    #[tokio::test]
    async fn a_key_that_is_refused_is_a_failure_and_is_not_shown() {
        let found =
            shown(vec![("/models", 401, "{\"error\": {\"message\": \"not sk-planted-key\"}}".to_owned())]).await;
        let told = "FAIL  deepseek         deepseek does not accept the key; set llm.deepseek.api_key (or DEEPSEEK_API_KEY) to a valid one: not [key] (status 401)\n";
        let remedy = "correct the setting; until then nothing is written";
        assert_eq!(found, format!("{told}      {:<16} -> {remedy}\n", ""));
    }
}
