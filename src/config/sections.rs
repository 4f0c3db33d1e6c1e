use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::ConfigError;

/// Every section; the fields are documented where their defaults are, in `default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Settings {
    pub server: Server,
    pub sources: Sources,
    pub scheduler: Scheduler,
    pub llm: Llm,
    pub agent: Agent,
    pub embedding: Embedding,
    pub search: Search,
    pub index: Index,
    pub qdrant: Qdrant,
    pub store: Store,
    pub log: Log,
    pub tracing: Tracing,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Server {
    pub addr: String,
    pub allowed_hosts: Vec<String>,
    pub max_body_bytes: usize,
    pub max_import_bytes: u64,
    pub max_import_unpacked_bytes: u64,
    pub max_imports: usize,
    pub request_timeout_s: u64,
    pub max_in_flight: usize,
    pub drain_timeout_s: u64,
}

/// `[sources]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Sources {
    pub contact: String,
    pub timeout_s: u64,
    pub max_retries: usize,
    pub max_wait_s: u64,
    pub breaker_failures: u32,
    pub breaker_pause_s: u64,
    pub arxiv: Arxiv,
    pub semantic_scholar: SemanticScholar,
    pub crossref: Crossref,
}

/// `[scheduler]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Scheduler {
    pub max_failures: u32,
    pub retry_pause_s: u64,
}

/// `[sources.arxiv]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Arxiv {
    pub base_url: String,
    pub oai_url: String,
    pub feed_url: String,
}

/// `[sources.semantic_scholar]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct SemanticScholar {
    pub base_url: String,
    pub api_key: SecretString,
    pub recheck_days: u32,
    pub diff_dir: String,
}

/// `[sources.crossref]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Crossref {
    pub base_url: String,
    pub enabled: bool,
    pub recheck_days: u32,
}

/// `[llm]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Llm {
    pub policy: Policy,
    pub order: Vec<ProviderName>,
    pub monthly_usd: f64,
    pub prices: String,
    pub max_output_tokens: u32,
    pub idle_timeout_s: u64,
    pub max_retries: usize,
    pub breaker_failures: u32,
    pub breaker_pause_s: u64,
    pub deepseek: Provider,
    pub openai: Provider,
}

/// Who writes answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Policy {
    Auto,
    Single,
    Hybrid,
    Fallback,
    Deepseek,
    Openai,
    Quote,
}

/// A provider of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ProviderName {
    Deepseek,
    Openai,
}

/// `[llm.deepseek]` and `[llm.openai]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Provider {
    pub base_url: String,
    pub api_key: SecretString,
    pub model: String,
    pub strong_model: String,
}

/// `[agent]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Agent {
    pub evidence_tokens: u64,
    pub rounds: usize,
    pub judge: By,
    pub entailment: By,
    pub repair: bool,
    pub cache: bool,
    pub dense_weight: f64,
    pub instructions: String,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// What is reckoned on this machine, at no cost.
    Local,
    /// A language model as well.
    Model,
}

/// `[embedding]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Embedding {
    pub model: String,
    pub dir: String,
    pub runtime_library: String,
    pub threads: usize,
}

/// `[search]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Search {
    pub reranker: String,
}

/// `[index]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Index {
    pub dense: Dense,
}

/// Where the vectors live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Dense {
    Edge,
    Qdrant,
}

/// `[qdrant]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Qdrant {
    pub url: String,
    pub api_key: SecretString,
    pub collection: String,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Store {
    pub url: String,
}

impl Store {
    /// The database file; none when the address names none. A path is absolute when it begins with `/` after
    /// `sqlite:` or after the `//` that users of other programs put there, with three slashes or four in all;
    /// else it is relative to the home folder.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        let path = self.url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.strip_prefix('/').filter(|rest| rest.starts_with('/')).unwrap_or(path);
        Some(path).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Whether the address is one of a file and nothing else: options and databases in memory are not taken.
    fn is_usable(&self) -> bool {
        let path = self.url.strip_prefix("sqlite:");
        self.url.is_empty() || path.is_some_and(|path| !path.contains('?') && !path.contains(":memory:"))
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

/// `[tracing]`
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Tracing {
    pub otlp_endpoint: String,
    pub otlp_headers: SecretString,
    pub service_name: String,
    pub texts: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum LogFormat {
    Text,
    Json,
}

impl Settings {
    /// Checks what the types alone do not: addresses and limits.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`] for the first value that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let addresses = [
            ("sources.arxiv.base_url", &self.sources.arxiv.base_url),
            ("sources.arxiv.oai_url", &self.sources.arxiv.oai_url),
            ("sources.arxiv.feed_url", &self.sources.arxiv.feed_url),
            ("sources.semantic_scholar.base_url", &self.sources.semantic_scholar.base_url),
            ("sources.crossref.base_url", &self.sources.crossref.base_url),
            ("llm.deepseek.base_url", &self.llm.deepseek.base_url),
            ("llm.openai.base_url", &self.llm.openai.base_url),
            ("qdrant.url", &self.qdrant.url),
        ];
        for (name, value) in addresses {
            let usable = reqwest::Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            require(usable, name, value, "an address that begins with http:// or https://")?;
        }
        require(
            self.server.addr.parse::<std::net::SocketAddr>().is_ok(),
            "server.addr",
            &self.server.addr,
            "an address and a port, such as 127.0.0.1:8080",
        )?;
        for host in &self.server.allowed_hosts {
            let expected = "a list of host names without http:// and without a port, such as lectern.example.org";
            require(is_host_name(host), "server.allowed_hosts", host, expected)?;
        }
        let expected = "sqlite:PATH without options (no `?`, no :memory:), or empty";
        require(self.store.is_usable(), "store.url", &self.store.url, expected)?;
        let cap = self.llm.monthly_usd;
        require(cap.is_finite() && cap >= 0.0, "llm.monthly_usd", &cap.to_string(), "0 or more")?;
        let weight = self.agent.dense_weight;
        require((0.0..=1.0).contains(&weight), "agent.dense_weight", &weight.to_string(), "from 0 to 1")?;
        let counts = [
            ("server.max_body_bytes", self.server.max_body_bytes),
            ("server.max_import_bytes", usize::from(self.server.max_import_bytes > 0)),
            ("server.max_import_unpacked_bytes", usize::from(self.server.max_import_unpacked_bytes > 0)),
            ("server.max_imports", self.server.max_imports),
            ("server.max_in_flight", self.server.max_in_flight),
            ("sources.breaker_failures", self.sources.breaker_failures as usize),
            ("scheduler.max_failures", self.scheduler.max_failures as usize),
            ("sources.breaker_pause_s", usize::try_from(self.sources.breaker_pause_s).unwrap_or(usize::MAX)),
            ("llm.max_output_tokens", self.llm.max_output_tokens as usize),
            ("llm.breaker_failures", self.llm.breaker_failures as usize),
            ("llm.breaker_pause_s", usize::try_from(self.llm.breaker_pause_s).unwrap_or(usize::MAX)),
            ("llm.order", self.llm.order.len()),
            ("agent.evidence_tokens", usize::try_from(self.agent.evidence_tokens).unwrap_or(usize::MAX)),
            ("agent.rounds", self.agent.rounds),
        ];
        counts.into_iter().try_for_each(|(name, n)| require(n > 0, name, &n.to_string(), "more than 0"))
    }
}

fn is_host_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !text.is_empty() && text.bytes().all(plain)
}

fn require(holds: bool, name: &'static str, value: &str, expected: &'static str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::BadValue { name, value: value.to_owned(), expected }) }
}
