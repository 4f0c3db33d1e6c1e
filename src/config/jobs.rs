//! `[jobs.NAME]`: what to sync by itself, and when.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{ConfigError, Schedule, SyncSpec};

/// The fields of a job: those of its schedule, then those of [`SyncSpec`].
const FIELDS: [&str; 19] = [
    "schedule",
    "time_zone",
    "paused",
    "source",
    "query",
    "category",
    "sort",
    "ids",
    "from",
    "until",
    "harvest",
    "daily",
    "bulk",
    "references-of",
    "citations-of",
    "recommended-for",
    "diff",
    "enrich",
    "max",
];

/// A job as `lectern.toml` and the REST API say it, its fields flat beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    /// When it is due.
    pub schedule: Schedule,
    /// Whether it waits to be resumed.
    pub paused: bool,
    /// What it syncs.
    pub sync: SyncSpec,
}

/// The fields of the schedule, as they are written.
#[derive(Serialize, Deserialize)]
struct Timing {
    schedule: String,
    #[serde(default = "utc")]
    time_zone: String,
    #[serde(default)]
    paused: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl JobSpec {
    /// Reads a job from its fields.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn from_fields(fields: serde_json::Map<String, serde_json::Value>) -> Result<Self, String> {
        if let Some((field, nearest)) = fields.keys().find_map(|field| unknown(field)) {
            return Err(format!("unknown field `{field}`; did you mean `{nearest}`?"));
        }
        let is_timing = |name: &String| matches!(name.as_str(), "schedule" | "time_zone" | "paused");
        let (timing, sync): (serde_json::Map<_, _>, _) = fields.into_iter().partition(|(name, _)| is_timing(name));
        let timing: Timing = serde_json::from_value(timing.into()).map_err(|fault| fault.to_string())?;
        let sync: SyncSpec =
            serde_json::from_value(serde_json::Value::Object(sync)).map_err(|fault| fault.to_string())?;
        sync.check()?;
        let schedule = Schedule::parse(&timing.schedule, &timing.time_zone)?;
        Ok(Self { schedule, paused: timing.paused, sync })
    }

    /// The fields as [`JobSpec::from_fields`] reads them.
    ///
    /// # Errors
    /// When a field cannot be written as JSON, which none of them does.
    pub fn fields(&self) -> Result<serde_json::Map<String, serde_json::Value>, serde_json::Error> {
        let timing = Timing {
            schedule: self.schedule.text().to_owned(),
            time_zone: self.schedule.time_zone().to_owned(),
            paused: self.paused,
        };
        let mut fields = serde_json::Map::new();
        for part in [serde_json::to_value(timing)?, serde_json::to_value(&self.sync)?] {
            fields.extend(part.as_object().cloned().unwrap_or_default());
        }
        Ok(fields)
    }

    /// A job of the configuration file.
    pub(super) fn from_table(name: &str, table: &Table, origin: &str) -> Result<Self, ConfigError> {
        let bad = |reason| ConfigError::BadJob { name: name.to_owned(), reason, origin: origin.to_owned() };
        check_name(name).map_err(bad)?;
        if let Some((field, nearest)) = table.keys().find_map(|field| unknown(field)) {
            let (name, nearest) = (format!("jobs.{name}.{field}"), format!("jobs.{name}.{nearest}"));
            return Err(ConfigError::UnknownSetting { name, nearest, origin: origin.to_owned() });
        }
        let fields = table.iter().map(|(field, value)| (field.clone(), as_json(value))).collect();
        Self::from_fields(fields).map_err(bad)
    }
}

/// Checks the name of a job.
///
/// # Errors
/// A sentence for the user.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    // Those that failed for good have that address.
    if name == "dead-letters" {
        return Err("no job can have the name `dead-letters`, which is an address".to_owned());
    }
    match (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        true => Ok(()),
        false => Err("a job's name is 1 to 64 of the letters a to z, digits and `-`".to_owned()),
    }
}

fn unknown(field: &str) -> Option<(String, &'static str)> {
    let closeness = |known: &&&str| strsim::jaro_winkler(known, field);
    let nearest = FIELDS.iter().max_by(|a, b| closeness(a).total_cmp(&closeness(b)))?;
    (!FIELDS.contains(&field)).then(|| (field.to_owned(), *nearest))
}

/// A day may stand in TOML without quotes; it is read as the same text.
fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Datetime(date) => date.to_string().into(),
        other => serde_json::to_value(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(text).unwrap()
    }

    fn read(toml: &str) -> Result<JobSpec, String> {
        JobSpec::from_table("daily", &toml.parse().unwrap(), "file x").map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_job_is_read_and_written_with_its_fields_flat() {
        let job =
            read("schedule = '30 6 * * *'\nsource = 'arxiv'\ncategory = 'cs.CL'\nfrom = 2024-01-01\nmax = 5").unwrap();
        assert_eq!((job.schedule.text(), job.schedule.time_zone(), job.paused), ("30 6 * * *", "UTC", false));
        assert_eq!((job.sync.category.as_deref(), job.sync.max), (Some("cs.CL"), Some(5)));
        let written = serde_json::Value::Object(job.fields().unwrap());
        let expected = r#"{"schedule": "30 6 * * *", "time_zone": "UTC", "paused": false, "source": "arxiv",
            "category": "cs.CL", "from": "2024-01-01", "max": 5}"#;
        assert_eq!(written, serde_json::Value::Object(fields(expected)));
        assert_eq!(JobSpec::from_fields(job.fields().unwrap()).unwrap(), job);
    }

    #[test]
    fn every_field_that_a_request_has_is_known() {
        let all = r#"{"source": "arxiv", "query": "x", "category": "x", "sort": "cited", "ids": ["x"], "from": "2024-01-01",
            "until": "2024-01-01", "harvest": "x", "daily": "x", "bulk": true, "references-of": "x", "citations-of": "x",
            "recommended-for": ["x"], "diff": "x", "enrich": true, "max": 1}"#;
        let spec: SyncSpec = serde_json::from_str(all).unwrap();
        let written = serde_json::to_value(spec).unwrap();
        assert_eq!(written.as_object().unwrap().keys().collect::<Vec<_>>(), FIELDS[3..].iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_wrong_with_a_job_is_told_with_its_name() {
        for (toml, told) in [
            (
                "schedule = '0 3 * * *'\nsource = 'arxiv'\nqeury = 'x'",
                "unknown setting `jobs.daily.qeury` (file x); did you mean `jobs.daily.query`?",
            ),
            (
                "schedule = '0 3 * *'\nsource = 'arxiv'\nquery = 'x'",
                "job `daily` (file x): `schedule` is `0 3 * *`, which is no cron line",
            ),
            (
                "schedule = '0 3 * * *'\ntime_zone = 'Mars'\nsource = 'arxiv'\nquery = 'x'",
                "job `daily` (file x): `time_zone` is `Mars`",
            ),
            ("source = 'arxiv'\nquery = 'x'", "job `daily` (file x): missing field `schedule`"),
            ("schedule = '0 3 * * *'\nsource = 'arxiv'", "job `daily` (file x): say what to ask of arxiv"),
            ("schedule = '0 3 * * *'\nsource = 'arxiv'\nquery = 7", "job `daily` (file x): invalid type: integer `7`"),
        ] {
            let error = read(toml).unwrap_err();
            assert!(error.starts_with(told), "{error}");
        }
        let error = JobSpec::from_table("dead-letters", &Table::new(), "file x").unwrap_err().to_string();
        assert_eq!(error, "job `dead-letters` (file x): no job can have the name `dead-letters`, which is an address");
        let error = JobSpec::from_table("Daily!", &Table::new(), "file x").unwrap_err().to_string();
        assert_eq!(error, "job `Daily!` (file x): a job's name is 1 to 64 of the letters a to z, digits and `-`");
    }
}
