//! Defaults, then the file, then the environment, then flags: which value holds, and where it is from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::ConfigError;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `default.toml`.
    Default,
    /// The index in this folder, which was made with it.
    Index(PathBuf),
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Index(path) => write!(f, "index {}", path.display()),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Every setting by its dotted name, with its value and origin.
#[derive(Clone)]
pub struct Layers {
    settings: BTreeMap<String, (Value, Origin)>,
    /// The tables of `[jobs]`, whose names are the operator's own.
    jobs: BTreeMap<String, (Table, Origin)>,
    /// The tables of `[experiments]`, likewise.
    experiments: BTreeMap<String, (Table, Origin)>,
}

impl fmt::Debug for Layers {
    /// The number of settings only: some of the values are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layers({} settings, {} jobs)", self.settings.len(), self.jobs.len())
    }
}

impl Layers {
    /// The defaults alone. Their names are the names that exist.
    ///
    /// # Errors
    /// When `text` is not TOML, which only a broken build can bring about.
    pub fn defaults(text: &str) -> Result<Self, ConfigError> {
        let table: Table = text.parse().map_err(|fault| ConfigError::syntax("default.toml", text, &fault))?;
        let flat = flatten(&table).into_iter().map(|(name, value)| (name, (value, Origin::Default)));
        Ok(Self { settings: flat.collect(), jobs: BTreeMap::new(), experiments: BTreeMap::new() })
    }

    /// Lays a configuration file over what is there.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or has a name or a type that does not exist.
    pub fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { file: path.to_owned(), source })?;
        let mut table: Table = text.parse().map_err(|fault| ConfigError::syntax(path, &text, &fault))?;
        let origin = Origin::File(path.to_owned());
        for (name, job) in
            take_tables(&mut table, "jobs", "a table with the fields of a job, as in [jobs.daily]", &origin)?
        {
            self.jobs.insert(name, (job, origin.clone()));
        }
        let expected = "a table with the fields of an experiment, as in [experiments.models]";
        for (name, experiment) in take_tables(&mut table, "experiments", expected, &origin)? {
            self.experiments.insert(name, (experiment, origin.clone()));
        }
        for (name, value) in flatten(&table) {
            self.set(&name, value, Origin::File(path.to_owned()))?;
        }
        Ok(())
    }

    /// Lays one text value over what is there, read as the type that the setting has.
    ///
    /// # Errors
    /// When the name does not exist or the text is not of its type.
    pub fn add_text(&mut self, name: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let wrong = |expected| ConfigError::WrongType { name: name.to_owned(), expected, origin: origin.to_string() };
        let value = match self.known(name, &origin)? {
            Value::Integer(_) => Value::Integer(text.trim().parse().map_err(|_| wrong("a whole number"))?),
            Value::Float(_) => Value::Float(text.trim().parse().map_err(|_| wrong("a number"))?),
            Value::Boolean(_) => Value::Boolean(text.trim().parse().map_err(|_| wrong("true or false"))?),
            Value::Array(_) => listed(text),
            _ => Value::String(text.to_owned()),
        };
        self.set(name, value, origin)
    }

    /// Lays one value over what is there.
    pub(super) fn set(&mut self, name: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let known = self.known(name, &origin)?;
        // 5 is a number where 5.0 is.
        let value = match (known, value) {
            #[allow(clippy::cast_precision_loss)]
            (Value::Float(_), Value::Integer(whole)) => Value::Float(whole as f64),
            (_, value) => value,
        };
        let texts = value.as_array().is_none_or(|list| list.iter().all(Value::is_str));
        if !known.same_type(&value) || !texts {
            let expected = match known {
                Value::Integer(_) => "a whole number",
                Value::Float(_) => "a number",
                Value::Boolean(_) => "true or false",
                Value::Array(_) => "a list of texts in quotes, as in [\"a\", \"b\"]",
                _ => "a text in quotes",
            };
            return Err(ConfigError::WrongType { name: name.to_owned(), expected, origin: origin.to_string() });
        }
        self.settings.insert(name.to_owned(), (value, origin));
        Ok(())
    }

    fn known(&self, name: &str, origin: &Origin) -> Result<&Value, ConfigError> {
        self.settings.get(name).map(|(value, _)| value).ok_or_else(|| ConfigError::UnknownSetting {
            name: name.to_owned(),
            nearest: self.nearest(name),
            origin: origin.to_string(),
        })
    }

    fn nearest(&self, name: &str) -> String {
        let closeness = |known: &&String| strsim::jaro_winkler(known, name);
        let best = self.settings.keys().max_by(|a, b| closeness(a).total_cmp(&closeness(b)));
        best.cloned().unwrap_or_default()
    }

    /// Where a setting's value is from; none for a name that does not exist.
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.settings.get(name).map(|(_, origin)| origin)
    }

    /// Name, value and origin of every setting, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value, &Origin)> {
        self.settings.iter().map(|(name, (value, origin))| (name.as_str(), value, origin))
    }

    /// Name, table and origin of every job, by name.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, &Table, &Origin)> {
        self.jobs.iter().map(|(name, (job, origin))| (name.as_str(), job, origin))
    }

    /// Name, table and origin of every experiment, by name.
    pub fn experiments(&self) -> impl Iterator<Item = (&str, &Table, &Origin)> {
        self.experiments.iter().map(|(name, (table, origin))| (name.as_str(), table, origin))
    }

    /// The nested table that the typed configuration is read from.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut root = Table::new();
        for (name, value, _) in self.iter() {
            insert(&mut root, name, value.clone());
        }
        root
    }
}

/// Texts with commas between them.
fn listed(text: &str) -> Value {
    let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    Value::Array(texts.map(|text| Value::String(text.to_owned())).collect())
}

/// Takes a section out of a file whose names are the operator's own: everything in it must be a table.
fn take_tables(
    table: &mut Table,
    section: &str,
    expected: &'static str,
    origin: &Origin,
) -> Result<Vec<(String, Table)>, ConfigError> {
    let wrong = |name: String| ConfigError::WrongType { name, expected, origin: origin.to_string() };
    let Some(tables) = table.remove(section) else { return Ok(Vec::new()) };
    let Value::Table(tables) = tables else { return Err(wrong(section.to_owned())) };
    let one = |(name, value)| match value {
        Value::Table(table) => Ok((name, table)),
        _ => Err(wrong(format!("{section}.{name}"))),
    };
    tables.into_iter().map(one).collect()
}

fn insert(table: &mut Table, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            table.insert(name.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// The values of nested tables by their dotted names.
pub(super) fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                flat.extend(flatten(inner).into_iter().map(|(rest, value)| (format!("{name}.{rest}"), value)));
            }
            other => flat.push((name.clone(), other.clone())),
        }
    }
    flat
}
