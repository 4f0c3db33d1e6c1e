//! Every environment variable that Lectern reads, in one place.

use std::collections::BTreeMap;

/// The home folder, unless `--home` names one.
pub const HOME: &str = "LECTERN_HOME";
/// Before every setting: `LECTERN__SERVER__ADDR` is `server.addr`.
pub const SETTING_PREFIX: &str = "LECTERN__";
/// Names that other programs use too, and the settings they stand for.
pub const PLAIN: [(&str, &str); 2] =
    [("DEEPSEEK_API_KEY", "llm.deepseek.api_key"), ("OPENAI_API_KEY", "llm.openai.api_key")];

/// The environment as it was when the program started.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the process's environment; names and values that are no Unicode are left out.
    #[must_use]
    pub fn read() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// An environment of just these variables.
    #[must_use]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// The value of one variable, unless it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `(variable, setting, value)` for each variable that sets a setting; plain names first, so that
    /// the full name wins.
    pub fn settings(&self) -> Vec<(String, String, String)> {
        let plain = PLAIN.iter().filter_map(|(variable, setting)| {
            Some(((*variable).to_owned(), (*setting).to_owned(), self.get(variable)?.to_owned()))
        });
        let full = self.0.iter().filter_map(|(variable, value)| {
            let setting = variable.strip_prefix(SETTING_PREFIX)?.to_ascii_lowercase().replace("__", ".");
            Some((variable.clone(), setting, value.clone()))
        });
        plain.chain(full).collect()
    }
}
