//! What Semantic Scholar sends, exactly as sent: every field may be absent or null, unknown ones are ignored.
//! The shapes are those of <https://api.semanticscholar.org/api-docs/graph>.

use std::collections::BTreeMap;

use paper::SourceName;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{IngestError, text};

/// A record of a paper.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Paper {
    pub(super) paper_id: Option<String>,
    pub(super) corpus_id: Option<ExternalId>,
    pub(super) external_ids: Option<BTreeMap<String, ExternalId>>,
    pub(super) url: Option<String>,
    pub(super) title: Option<String>,
    #[serde(rename = "abstract")]
    pub(super) abstract_text: Option<String>,
    pub(super) venue: Option<String>,
    pub(super) year: Option<i64>,
    pub(super) citation_count: Option<u64>,
    pub(super) open_access_pdf: Option<OpenAccessPdf>,
    pub(super) fields_of_study: Option<Vec<Option<String>>>,
    pub(super) s2_fields_of_study: Option<Vec<FieldOfStudy>>,
    pub(super) publication_date: Option<String>,
    pub(super) journal: Option<Journal>,
    pub(super) authors: Option<Vec<Author>>,
}

/// An identifier of another place: a text, or a number in the case of the corpus id.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ExternalId {
    Number(u64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OpenAccessPdf {
    pub(super) url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FieldOfStudy {
    pub(super) category: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Journal {
    pub(super) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Author {
    pub(super) author_id: Option<String>,
    pub(super) name: Option<String>,
}

/// A whole body.
#[derive(Debug)]
pub(super) enum Body {
    /// A list of papers in any of its shapes.
    Papers(Papers),
    /// An error, in their words.
    Failure(String),
    /// Something else, by its name.
    Other(&'static str),
}

/// The records of a list, and how it goes on.
#[derive(Debug, Default)]
pub(super) struct Papers {
    pub(super) records: Vec<Value>,
    pub(super) next: Option<u64>,
    pub(super) token: Option<String>,
    pub(super) total: Option<u64>,
}

impl Papers {
    /// As many unknown papers.
    pub(super) fn unknown(count: usize) -> Self {
        Self { records: vec![Value::Null; count], ..Self::default() }
    }
}

/// One record, still as it was sent: none for an unknown id.
pub(super) fn paper(record: Value) -> Result<Option<Paper>, String> {
    // A citation or a reference wraps the paper in what is known of the link.
    let record = match record {
        Value::Object(mut link) => {
            let inner = link.remove("citingPaper").or_else(|| link.remove("citedPaper"));
            inner.unwrap_or(Value::Object(link))
        }
        other => other,
    };
    serde_json::from_value(record).map_err(|error| format!("not in the form of a paper: {error}"))
}

/// Tells what a body is.
///
/// # Errors
/// [`IngestError::Malformed`] when it is no JSON, or JSON of no known shape.
pub(super) fn read(bytes: &[u8]) -> Result<Body, IngestError> {
    let value = serde_json::from_slice(bytes).map_err(|error| no_json(bytes, &error))?;
    match value {
        Value::Array(records) => Ok(list(Papers { records, ..Papers::default() })),
        Value::Object(object) => object_body(object),
        _ => Err(malformed(None, "a bare JSON value".to_owned())),
    }
}

fn object_body(mut object: Map<String, Value>) -> Result<Body, IngestError> {
    if let Some(Value::String(said)) = object.get("error").or_else(|| object.get("message")) {
        return Ok(Body::Failure(said.clone()));
    }
    let number = |name: &str| object.get(name).and_then(Value::as_u64);
    let token = object.get("token").and_then(Value::as_str).filter(|token| !token.is_empty()).map(str::to_owned);
    let (next, total) = (number("next"), number("total"));
    match object.remove("data").or_else(|| object.remove("recommendedPapers")) {
        Some(Value::Array(records)) => Ok(list(Papers { records, next, token, total })),
        // So it says that a publisher lets nobody have the references of a paper.
        Some(Value::Null) => Ok(Body::Papers(Papers { next, token, total, ..Papers::default() })),
        Some(_) => Err(malformed(None, "`data` that is no list".to_owned())),
        None if object.contains_key("offset") && total.unwrap_or(0) == 0 => Ok(Body::Papers(Papers::default())),
        None => Ok(single(object)),
    }
}

fn single(object: Map<String, Value>) -> Body {
    let has = |name: &str| object.contains_key(name);
    if let Some(other) = other_kind(&object) {
        Body::Other(other)
    } else if ["paperId", "corpusId", "externalIds", "title"].into_iter().any(has) {
        Body::Papers(Papers { records: vec![Value::Object(object)], ..Papers::default() })
    } else if has("release_id") {
        Body::Other("a release of the data sets")
    } else if has("diffs") || has("files") {
        Body::Other("a list of files of a data set")
    } else {
        Body::Other("a JSON object without papers")
    }
}

/// The first object tells for all: no list mixes kinds.
fn list(papers: Papers) -> Body {
    let first = papers.records.iter().find_map(Value::as_object);
    if let Some(other) = first.and_then(other_kind) {
        return Body::Other(other);
    }
    let bare = first.is_none() && papers.records.iter().any(|record| !record.is_null());
    if bare { Body::Other("a list of bare values") } else { Body::Papers(papers) }
}

fn other_kind(object: &Map<String, Value>) -> Option<&'static str> {
    if object.contains_key("snippet") {
        Some("a list of snippets")
    } else if object.contains_key("authorId") {
        Some("about authors")
    } else {
        None
    }
}

fn no_json(bytes: &[u8], error: &serde_json::Error) -> IngestError {
    let seen = text::describe(bytes);
    if seen != "JSON" {
        malformed(None, seen)
    } else if error.is_eof() {
        malformed(Some(bytes.len() as u64), "the JSON ends in the middle,".to_owned())
    } else {
        malformed(None, format!("broken JSON ({error})"))
    }
}

fn malformed(position: Option<u64>, what: String) -> IngestError {
    IngestError::Malformed { origin: SourceName::SemanticScholar, position, what }
}
