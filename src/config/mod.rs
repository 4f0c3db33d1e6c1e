//! What the operator decides: defaults, `lectern.toml`, the environment and flags, in that order.

pub mod env;
mod experiments;
mod jobs;
pub mod layers;
mod schedule;
mod sections;
mod sync_spec;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use env::Environment;
pub use experiments::{ARM_SETTINGS, ArmSpec, ExperimentSpec, Metric, Unit};
pub use jobs::{JobSpec, check_name};
pub use layers::{Layers, Origin};
pub use schedule::Schedule;
use secrecy::SecretString;
pub use sections::*;
pub use sync_spec::{Sort, SyncSpec};

/// The documented defaults.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// The setting that names the embedding model.
const MODEL: &str = "embedding.model";

/// Settings whose values are never shown.
pub const SECRETS: [&str; 5] = [
    "sources.semantic_scholar.api_key",
    "llm.deepseek.api_key",
    "llm.openai.api_key",
    "qdrant.api_key",
    "tracing.otlp_headers",
];

/// A configuration that cannot be used; every message says what to change.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No setting of that name.
    #[error("unknown setting `{name}` ({origin}); did you mean `{nearest}`?")]
    UnknownSetting {
        /// What was written.
        name: String,
        /// The known name most like it.
        nearest: String,
        /// Where it was written.
        origin: String,
    },
    /// A value of another type than the setting has.
    #[error("`{name}` must be {expected} ({origin})")]
    WrongType {
        /// The setting.
        name: String,
        /// What it takes.
        expected: &'static str,
        /// Where it was written.
        origin: String,
    },
    /// A value that the setting does not take.
    #[error("`{name}` is `{value}`, but must be {expected}")]
    BadValue {
        /// The setting.
        name: &'static str,
        /// What was written.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A job that cannot be run as it is written.
    #[error("job `{name}` ({origin}): {reason}")]
    BadJob {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
        /// Where it was written.
        origin: String,
    },
    /// An experiment that cannot be run as it is written.
    #[error("experiment `{name}` ({origin}): {reason}")]
    BadExperiment {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
        /// Where it was written.
        origin: String,
    },
    /// Not TOML, or not of the settings' shape. The text itself is not told: it may hold a key.
    #[error("{} cannot be used{}: {reason}", file.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// Why.
        reason: String,
    },
    /// A file that was named and cannot be read.
    #[error("cannot read the configuration file {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no place for the library.
    #[error("no home folder: set {} or pass --home DIR", env::HOME)]
    NoHome,
}

/// The whole configuration, with where each value came from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the library, the index and the lock live.
    pub home: PathBuf,
    /// Every section, typed.
    pub settings: Settings,
    /// The jobs of the file, by name.
    pub jobs: BTreeMap<String, JobSpec>,
    /// The experiments of the file, by name.
    pub experiments: Vec<ExperimentSpec>,
    /// Every value with its origin, for `config show`.
    pub layers: Layers,
}

impl ConfigError {
    /// What is wrong with `text`, without any of its words.
    pub(crate) fn syntax(file: impl Into<PathBuf>, text: &str, fault: &toml::de::Error) -> Self {
        let line = fault.span().and_then(|span| text.get(..span.start)).map(|before| 1 + before.matches('\n').count());
        Self::Syntax { file: file.into(), line, reason: fault.message().to_owned() }
    }
}

impl Config {
    /// Reads the configuration: defaults, the file (`file`, else `lectern.toml` in the home folder when
    /// it is there), the environment, then `flags` as `(setting, value, flag)`.
    ///
    /// # Errors
    /// See [`ConfigError`]; the first fault found is told.
    pub fn load(
        home: Option<&Path>,
        file: Option<&Path>,
        environment: &Environment,
        flags: &[(&str, String, &str)],
    ) -> Result<Self, ConfigError> {
        let home = home
            .map(Path::to_owned)
            .or_else(|| environment.get(env::HOME).map(PathBuf::from))
            .or_else(|| dirs::data_dir().map(|data| data.join("lectern")))
            .ok_or(ConfigError::NoHome)?;
        let mut layers = Layers::defaults(DEFAULT_TOML)?;
        let beside = home.join("lectern.toml");
        if let Some(file) = file.or_else(|| beside.exists().then_some(beside.as_path())) {
            layers.add_file(file)?;
        }
        for (variable, setting, value) in environment.settings() {
            layers.add_text(&setting, &value, Origin::Environment(variable))?;
        }
        for (setting, value, flag) in flags {
            layers.add_text(setting, value, Origin::Flag((*flag).to_owned()))?;
        }
        let settings = typed(&layers)?;
        let job = |(name, table, origin): (&str, _, &Origin)| {
            Ok((name.to_owned(), JobSpec::from_table(name, table, &origin.to_string())?))
        };
        let jobs = layers.jobs().map(job).collect::<Result<_, ConfigError>>()?;
        let experiment = |(name, table, origin)| ExperimentSpec::from_table(name, table, origin, &layers);
        let experiments = layers.experiments().map(experiment).collect::<Result<Vec<_>, _>>()?;
        experiments::check_shares(&experiments).map_err(|name| ConfigError::BadExperiment {
            reason: "the shares of all running experiments together are more than 1".to_owned(),
            origin: layers
                .experiments()
                .find(|(known, ..)| *known == name)
                .map(|(.., o)| o.to_string())
                .unwrap_or_default(),
            name,
        })?;
        Ok(Self { home, settings, jobs, experiments, layers })
    }

    /// The embedding model that the operator has set, and where; none when nobody has. A file is read anew: it may have been
    /// changed since, and holds at the next start.
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn model_set(&self) -> Result<Option<(String, Origin)>, ConfigError> {
        match self.layers.origin(MODEL) {
            None | Some(Origin::Default | Origin::Index(_)) => Ok(None),
            Some(Origin::File(file)) => {
                let mut layers = Layers::defaults(DEFAULT_TOML)?;
                layers.add_file(file)?;
                let set = layers.iter().find(|(name, _, origin)| *name == MODEL && **origin != Origin::Default);
                Ok(set.and_then(|(_, value, origin)| Some((value.as_str()?.to_owned(), origin.clone()))))
            }
            Some(origin) => Ok(Some((self.settings.embedding.model.clone(), origin.clone()))),
        }
    }

    /// The same with the model that the index in `dir` was made with, unless the operator has named one.
    #[must_use]
    pub(crate) fn with_model_of_index(mut self, model: &str, dir: &Path) -> Self {
        if self.layers.origin(MODEL) == Some(&Origin::Default)
            && model != self.settings.embedding.model
            && self.layers.add_text(MODEL, model, Origin::Index(dir.to_owned())).is_ok()
        {
            model.clone_into(&mut self.settings.embedding.model);
        }
        self
    }

    /// `(setting, value, origin)` of every setting and of every field of a job; a secret is shown as set or not, never itself.
    #[must_use]
    pub fn shown(&self) -> Vec<(String, serde_json::Value, String)> {
        let show = |(name, value, origin): (&str, &toml::Value, &Origin)| {
            let shown = if SECRETS.contains(&name) {
                let set = value.as_str().is_some_and(|text| !text.is_empty());
                serde_json::Value::from(if set { "(set, not shown)" } else { "" })
            } else {
                serde_json::to_value(value).unwrap_or_default()
            };
            (name.to_owned(), shown, origin.to_string())
        };
        let jobs = self.jobs.iter().zip(self.layers.jobs()).flat_map(|((name, job), (.., origin))| {
            let fields = job.fields().unwrap_or_default();
            fields.into_iter().map(move |(field, value)| (format!("jobs.{name}.{field}"), value, origin.to_string()))
        });
        let experiments = self.layers.experiments().flat_map(|(name, table, origin)| {
            let fields = layers::flatten(table).into_iter();
            fields.map(move |(field, value)| {
                let value = serde_json::to_value(value).unwrap_or_default();
                (format!("experiments.{name}.{field}"), value, origin.to_string())
            })
        });
        self.layers.iter().map(show).chain(jobs).chain(experiments).collect()
    }

    /// The same for another library, in a folder of its own: nothing of this one's is touched, and models and prices are where they
    /// are.
    #[must_use]
    pub fn elsewhere(self, home: &Path) -> Self {
        let models = self.models_dir().display().to_string();
        let mut other = self.clone();
        other.home = home.to_owned();
        other.settings.embedding.dir = models;
        other.settings.store.url = String::new();
        other.settings.index.dense = Dense::Edge;
        if !self.settings.llm.prices.is_empty() {
            other.settings.llm.prices = self.home.join(&self.settings.llm.prices).display().to_string();
        }
        other.jobs.clear();
        other.experiments.clear();
        other
    }

    /// Where the models and the ONNX Runtime are.
    #[must_use]
    pub fn models_dir(&self) -> PathBuf {
        optional(&self.settings.embedding.dir).map_or_else(
            || dirs::data_dir().unwrap_or_else(|| self.home.clone()).join("lectern").join("models"),
            PathBuf::from,
        )
    }
}

/// The settings of all layers together, checked.
fn typed(layers: &Layers) -> Result<Settings, ConfigError> {
    let table = toml::Value::Table(layers.table());
    let settings: Settings =
        table.try_into().map_err(|fault| ConfigError::syntax("the settings together", "", &fault))?;
    settings.check()?;
    Ok(settings)
}

/// A text setting, where the empty text means "not set".
#[must_use]
pub fn optional(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// A secret setting, where the empty text means "not set".
#[must_use]
pub fn optional_secret(secret: &SecretString) -> Option<SecretString> {
    use secrecy::ExposeSecret;
    optional(secret.expose_secret()).map(SecretString::from)
}
