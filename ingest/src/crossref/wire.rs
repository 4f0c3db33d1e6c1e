//! What Crossref sends, exactly as sent: every field may be absent or null, unknown ones are ignored.
//! The shapes are those of <https://api.crossref.org/swagger-ui/index.html>.

use paper::SourceName;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{IngestError, text};

/// What is asked of every work.
pub(super) const FIELDS: &str = "DOI,title,subtitle,author,container-title,published,issued,type,update-to,updated-by";

/// A work.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Work {
    #[serde(rename = "DOI")]
    pub(super) doi: Option<String>,
    pub(super) title: Option<Vec<Option<String>>>,
    pub(super) subtitle: Option<Vec<Option<String>>>,
    pub(super) author: Option<Vec<Author>>,
    pub(super) container_title: Option<Vec<Option<String>>>,
    pub(super) published: Option<Date>,
    pub(super) issued: Option<Date>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// The works that this one corrects or retracts.
    pub(super) update_to: Option<Vec<Update>>,
    /// The notices that correct or retract this one.
    pub(super) updated_by: Option<Vec<Update>>,
}

/// A person, or a group by its name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Author {
    pub(super) given: Option<String>,
    pub(super) family: Option<String>,
    pub(super) name: Option<String>,
    #[serde(rename = "ORCID")]
    pub(super) orcid: Option<String>,
}

/// Year, month and day, as many of them as are known: `[[2024, 5, 8]]`, or `[[null]]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Date {
    pub(super) date_parts: Option<Vec<Vec<Option<i64>>>>,
}

/// One end of an update.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Update {
    #[serde(rename = "DOI")]
    pub(super) doi: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

/// The works of an answer, still as they were sent.
#[derive(Debug, Default)]
pub(super) struct Works {
    pub(super) items: Vec<Value>,
    pub(super) total: Option<u64>,
}

pub(super) fn work(item: Value) -> Result<Work, String> {
    serde_json::from_value(item).map_err(|error| format!("not in the form of a work: {error}"))
}

pub(super) fn name_of(item: &Value) -> Option<String> {
    item.get("DOI").and_then(Value::as_str).map(str::to_owned)
}

/// Takes an answer out of its envelope.
///
/// # Errors
/// What [`super::parse_body`] says.
pub(super) fn read(bytes: &[u8]) -> Result<Works, IngestError> {
    let Ok(Value::Object(mut envelope)) = serde_json::from_slice(bytes) else {
        return Err(malformed(text::describe(bytes)));
    };
    let kind = envelope.get("message-type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match (kind.as_str(), envelope.remove("message")) {
        ("work", Some(work @ Value::Object(_))) => Ok(Works { items: vec![work], total: None }),
        ("work-list", Some(Value::Object(list))) => Ok(of_list(list)),
        (_, Some(said)) if envelope.get("status").and_then(Value::as_str) == Some("failed") => {
            Err(IngestError::refused(format!("Crossref says: {}; change the request", reason(&said))))
        }
        ("", _) => Err(malformed("JSON without `message-type`".to_owned())),
        (other, _) => {
            Err(IngestError::NotPapers { origin: SourceName::Crossref, what: format!("an answer of kind `{other}`") })
        }
    }
}

fn of_list(mut list: Map<String, Value>) -> Works {
    let total = list.get("total-results").and_then(Value::as_u64);
    let items = match list.remove("items") {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    Works { items, total }
}

/// What went wrong, in their words: a list of `{"message": …}`, or an object of exceptions.
fn reason(said: &Value) -> String {
    let first = said.get(0).unwrap_or(said);
    let message = first.get("message").or_else(|| first.get("description")).and_then(Value::as_str);
    message.map_or_else(|| text::excerpt(&said.to_string(), 200), str::to_owned)
}

pub(super) fn malformed(what: String) -> IngestError {
    IngestError::Malformed { origin: SourceName::Crossref, position: None, what }
}
