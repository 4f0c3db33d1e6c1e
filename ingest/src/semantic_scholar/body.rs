//! A whole answer: which kind it is, and its records, each still as it was sent, so that a bad one fails alone.

use std::borrow::Cow;
use std::fmt;

use paper::SourceName;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{IngestError, text};

/// A whole body.
#[derive(Debug)]
pub(super) enum Body<'b> {
    /// A list of papers in any of its shapes.
    Papers(Papers<'b>),
    /// An error, in their words.
    Failure(String),
    /// Something else, by its name.
    Other(&'static str),
}

/// The records of a list, and how it goes on.
#[derive(Debug, Default)]
pub(super) struct Papers<'b> {
    pub(super) records: Vec<&'b RawValue>,
    pub(super) next: Option<u64>,
    pub(super) token: Option<String>,
    pub(super) total: Option<u64>,
}

impl Papers<'_> {
    /// As many unknown papers.
    pub(super) fn unknown(count: usize) -> Self {
        Self { records: vec![RawValue::NULL; count], ..Self::default() }
    }
}

/// Tells what a body is.
///
/// # Errors
/// [`IngestError::Malformed`] when it is no JSON, or JSON of no known shape.
pub(super) fn read(bytes: &[u8]) -> Result<Body<'_>, IngestError> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(no_json(bytes)) };
    let first = text.bytes().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'[') => {
            let records = serde_json::from_str(text).map_err(|_| no_json(bytes))?;
            Ok(list(Papers { records, ..Papers::default() }))
        }
        Some(b'{') => object_body(text, serde_json::from_str(text).map_err(|_| no_json(bytes))?),
        _ if serde_json::from_str::<IgnoredAny>(text).is_ok() => Err(malformed(None, "a bare JSON value".to_owned())),
        _ => Err(no_json(bytes)),
    }
}

/// What stands at the top of an object.
#[derive(Default)]
struct Top<'b> {
    records: Option<Records<'b>>,
    recommended: Option<Records<'b>>,
    error: Option<&'b RawValue>,
    message: Option<&'b RawValue>,
    next: Option<&'b RawValue>,
    token: Option<&'b RawValue>,
    total: Option<&'b RawValue>,
    names: Names,
}

/// Which of the keys that tell a kind are there.
#[derive(Debug, Default, Clone, Copy)]
struct Names {
    offset: bool,
    paper: bool,
    snippet: bool,
    author: bool,
    release: bool,
    files: bool,
}

impl Names {
    fn note(&mut self, key: &str) {
        match key {
            "offset" => self.offset = true,
            "paperId" | "corpusId" | "externalIds" | "title" => self.paper = true,
            "snippet" => self.snippet = true,
            "authorId" => self.author = true,
            "release_id" => self.release = true,
            "diffs" | "files" => self.files = true,
            _ => {}
        }
    }

    fn other_kind(self) -> Option<&'static str> {
        if self.snippet {
            Some("a list of snippets")
        } else if self.author {
            Some("about authors")
        } else {
            None
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(deserializer.deserialize_map(TopVisitor { keep: false })?.names)
    }
}

impl<'de> Deserialize<'de> for Top<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TopVisitor { keep: true })
    }
}

struct TopVisitor {
    /// Whether the values are kept, or the keys noted only.
    keep: bool,
}

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
        let mut top = Top::default();
        while let Some(Key(key)) = map.next_key()? {
            top.names.note(&key);
            match (self.keep, key.as_ref()) {
                (true, "data") => top.records = Some(map.next_value()?),
                (true, "recommendedPapers") => top.recommended = Some(map.next_value()?),
                (true, "error") => top.error = Some(map.next_value()?),
                (true, "message") => top.message = Some(map.next_value()?),
                (true, "next") => top.next = Some(map.next_value()?),
                (true, "token") => top.token = Some(map.next_value()?),
                (true, "total") => top.total = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(top)
    }
}

#[derive(Deserialize)]
struct Key<'b>(#[serde(borrow)] Cow<'b, str>);

/// What should be a list of records.
enum Records<'b> {
    List(Vec<&'b RawValue>),
    Null,
    Else,
}

impl<'de> Deserialize<'de> for Records<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RecordsVisitor)
    }
}

struct RecordsVisitor;

impl<'de> Visitor<'de> for RecordsVisitor {
    type Value = Records<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Records<'de>, A::Error> {
        let mut records = Vec::new();
        while let Some(record) = list.next_element()? {
            records.push(record);
        }
        Ok(Records::List(records))
    }

    fn visit_unit<E: Error>(self) -> Result<Records<'de>, E> {
        Ok(Records::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Records<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Records::Else)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Records<'de>, E> {
        Ok(Records::Else)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Records<'de>, E> {
        Ok(Records::Else)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Records<'de>, E> {
        Ok(Records::Else)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Records<'de>, E> {
        Ok(Records::Else)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Records<'de>, E> {
        Ok(Records::Else)
    }
}

fn object_body<'b>(text: &'b str, top: Top<'b>) -> Result<Body<'b>, IngestError> {
    let said = |value: Option<&RawValue>| value.and_then(|value| serde_json::from_str::<String>(value.get()).ok());
    if let Some(said) = said(top.error.or(top.message)) {
        return Ok(Body::Failure(said));
    }
    let number = |value: Option<&RawValue>| value.and_then(|value| serde_json::from_str::<u64>(value.get()).ok());
    let token = said(top.token).filter(|token| !token.is_empty());
    let (next, total, names) = (number(top.next), number(top.total), top.names);
    match top.records.or(top.recommended) {
        Some(Records::List(records)) => Ok(list(Papers { records, next, token, total })),
        // So it says that a publisher lets nobody have the references of a paper.
        Some(Records::Null) => Ok(Body::Papers(Papers { next, token, total, ..Papers::default() })),
        Some(Records::Else) => Err(malformed(None, "`data` that is no list".to_owned())),
        None if names.offset && total.unwrap_or(0) == 0 => Ok(Body::Papers(Papers::default())),
        None => Ok(single(text, names)),
    }
}

fn single(text: &str, names: Names) -> Body<'_> {
    if let Some(other) = names.other_kind() {
        return Body::Other(other);
    }
    match serde_json::from_str(text) {
        Ok(record) if names.paper => Body::Papers(Papers { records: vec![record], ..Papers::default() }),
        _ if names.release => Body::Other("a release of the data sets"),
        _ if names.files => Body::Other("a list of files of a data set"),
        _ => Body::Other("a JSON object without papers"),
    }
}

/// The first object tells for all: no list mixes kinds.
fn list(papers: Papers<'_>) -> Body<'_> {
    let first = papers.records.iter().find(|record| record.get().starts_with('{'));
    let names = first.and_then(|record| serde_json::from_str::<Names>(record.get()).ok());
    if let Some(other) = names.and_then(Names::other_kind) {
        return Body::Other(other);
    }
    let bare = first.is_none() && papers.records.iter().any(|record| record.get() != "null");
    if bare { Body::Other("a list of bare values") } else { Body::Papers(papers) }
}

/// Why it is no JSON; read once more, since the records of a good body are not read to their depth here.
fn no_json(bytes: &[u8]) -> IngestError {
    let seen = text::describe(bytes);
    match serde_json::from_slice::<Value>(bytes) {
        _ if seen != "JSON" => malformed(None, seen),
        Err(error) if error.is_eof() => malformed(Some(bytes.len() as u64), "the JSON ends in the middle,".to_owned()),
        Err(error) => malformed(None, format!("broken JSON ({error})")),
        Ok(_) => malformed(None, "JSON in no known form".to_owned()),
    }
}

fn malformed(position: Option<u64>, what: String) -> IngestError {
    IngestError::Malformed { origin: SourceName::SemanticScholar, position, what }
}
