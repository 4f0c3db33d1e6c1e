//! Files of the user's own, a JSON object a line: the `import` format, BEIR's `corpus.jsonl`, and the papers
//! that this program prints itself.

mod left_out;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use jiff::Timestamp;
use paper::{ArxivId, Author, Paper, PaperIds, PublicationDate, SourceName};
use serde_json::{Map, Value};

use crate::retracted::without_mark;
use crate::text::{first_doi, present, push_new};
use crate::{Rejected, withdrawn};

/// The longest id of a line that is kept, in characters.
const MAX_LOCAL_ID: usize = 200;

/// The longest line that is read, in bytes; a longer one is no record of a paper.
const MAX_LINE: u64 = 16 * 1024 * 1024;

type Object = Map<String, Value>;

/// The records of a file, line by line; blank lines are passed over. An error of the file itself ends it.
#[derive(Debug)]
pub struct Reader<R> {
    lines: R,
    line_number: usize,
    seen: Timestamp,
    left_out: BTreeMap<String, u64>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `lines`, which a caller has decompressed if need be; `seen` is the time that the papers are
    /// marked with.
    pub fn new(lines: R, seen: Timestamp) -> Self {
        Self { lines, line_number: 0, seen, left_out: BTreeMap::new() }
    }

    /// The fields that said something in none of the forms they may have, with in how many lines so far; the papers
    /// came without them.
    pub fn left_out(&self) -> &BTreeMap<String, u64> {
        &self.left_out
    }

    /// The next line's bytes, at most as many as a line may have; none at the end.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = self.lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        self.line_number += 1;
        if read as u64 == MAX_LINE && line.last() != Some(&b'\n') {
            self.lines.skip_until(b'\n')?;
        }
        Ok((read > 0).then_some(line))
    }

    fn record(&mut self, line: &[u8]) -> Result<Option<Paper>, Rejected> {
        if line.len() as u64 >= MAX_LINE {
            return Err(rejected(self.line_number, format!("longer than {MAX_LINE} bytes")));
        }
        let text = std::str::from_utf8(line).map_err(|_| rejected(self.line_number, "not UTF-8".to_owned()))?;
        let read = parse(text, self.line_number, self.seen)?;
        Ok(read.map(|(paper, left_out)| {
            left_out.into_iter().for_each(|field| *self.left_out.entry(field).or_default() += 1);
            paper
        }))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = io::Result<Result<Paper, Rejected>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.line() {
                Ok(line) => line?,
                Err(error) => return Some(Err(error)),
            };
            if let Some(record) = self.record(&line).transpose() {
                return Some(Ok(record));
            }
        }
    }
}

/// The paper that a line tells of; none for a blank line. Lines are numbered from 1.
///
/// All it takes is a `title`. Also read: `abstract` or `text`; `authors` as names, as objects with a `name`, or
/// as one text with `;` or ` and ` between them; `year`, `published` or `created`, `updated`; `venue`, `doi`,
/// `arxiv_id`, `url`, `pdf_url`, `categories` as a list or with blanks between them, `primary_category`,
/// `comment` or `comments`, `journal_ref`, `citation_count`; `id` or `_id`, which becomes the local id. What is
/// in none of the forms it may have is left out. An object with `ids` is read as a paper of this program's own,
/// and comes back as it was printed.
///
/// # Errors
/// The line by its number, with the reason: no JSON, no object, no title.
pub fn parse_line(line: &str, line_number: usize, seen: Timestamp) -> Result<Option<Paper>, Rejected> {
    Ok(parse(line, line_number, seen)?.map(|(paper, _)| paper))
}

/// The paper that a line tells of, and the fields of the line that are not in it.
type Told = (Paper, Vec<String>);

fn parse(line: &str, line_number: usize, seen: Timestamp) -> Result<Option<Told>, Rejected> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() {
        return Ok(None);
    }
    record(line, seen).map(Some).map_err(|reason| rejected(line_number, reason))
}

fn rejected(line_number: usize, reason: String) -> Rejected {
    Rejected { record: format!("line {line_number}"), reason }
}

fn record(line: &str, seen: Timestamp) -> Result<Told, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(object) = value else { return Err("not a JSON object".to_owned()) };
    let title = text(&object, &["title"]).ok_or("no title")?;
    if object.get("ids").is_some_and(Value::is_object) {
        return Ok(exported(object, title, seen));
    }
    let (marked, title) = without_mark(&title);
    let mut paper = Paper::new(title, SourceName::Import, seen);
    paper.abstract_text = text(&object, &["abstract", "text"]);
    paper.authors = authors(object.get("authors"));
    paper.published = date(&object, &["published", "created"]);
    paper.updated = date(&object, &["updated"]);
    paper.year = year(&object).or(paper.published.map(PublicationDate::year));
    paper.venue = text(&object, &["venue"]);
    paper.categories = categories(object.get("categories"));
    paper.primary_category = text(&object, &["primary_category"]);
    paper.url = text(&object, &["url"]);
    paper.pdf_url = text(&object, &["pdf_url"]);
    paper.comment = text(&object, &["comment", "comments"]);
    paper.journal_ref = text(&object, &["journal_ref", "journal-ref"]);
    paper.citation_count = number(&object, "citation_count").and_then(|count| u64::try_from(count).ok());
    paper.ids = ids(&object);
    let arxiv_says =
        paper.ids.arxiv.is_some() && withdrawn::says_so(paper.comment.as_deref(), paper.abstract_text.as_deref());
    paper.withdrawn = object.get("withdrawn").and_then(Value::as_bool).unwrap_or(arxiv_says);
    paper.retracted = object.get("retracted").and_then(Value::as_bool).unwrap_or(marked);
    let left_out = left_out::fields(&object, &paper);
    Ok((paper, left_out))
}

/// A paper in the form that this program prints. A field that is not in that form is left out.
fn exported(object: Object, title: String, seen: Timestamp) -> Told {
    let (mut paper, left_out) = match serde_json::from_value(Value::Object(object.clone())) {
        Ok(paper) => (paper, Vec::new()),
        Err(_) => mended(object, &title, seen),
    };
    paper.title = title;
    if paper.sources.is_empty() {
        paper.sources = Paper::new("", SourceName::Import, seen).sources;
    }
    (paper, left_out)
}

fn mended(object: Object, title: &str, seen: Timestamp) -> Told {
    let mut kept = object.clone();
    let mut left_out = Vec::new();
    if let (Some(Value::Object(ids)), Some(Value::Object(before))) = (kept.get_mut("ids"), object.get("ids")) {
        ids.retain(|name, id| serde_json::from_value::<PaperIds>(single(name, id)).is_ok());
        left_out.extend(left_out::taken_out(before, ids));
    }
    kept.retain(|name, value| {
        let mut alone = single(name, value);
        alone.as_object_mut().map(|object| object.insert("title".to_owned(), title.into()));
        serde_json::from_value::<Paper>(alone).is_ok()
    });
    left_out.extend(left_out::taken_out(&object, &kept));
    kept.insert("title".to_owned(), title.into());
    let paper =
        serde_json::from_value(Value::Object(kept)).unwrap_or_else(|_| Paper::new(title, SourceName::Import, seen));
    (paper, left_out)
}

fn single(name: &str, value: &Value) -> Value {
    Value::Object(std::iter::once((name.to_owned(), value.clone())).collect())
}

fn text(object: &Object, names: &[&str]) -> Option<String> {
    names.iter().filter_map(|name| object.get(*name)).filter_map(Value::as_str).find_map(present)
}

/// A whole number, written as one or as a text.
fn number(object: &Object, name: &str) -> Option<i64> {
    match object.get(name)? {
        Value::String(text) => text.trim().parse().ok(),
        value => {
            value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e15).map(|n| n as i64))
        }
    }
}

fn date(object: &Object, names: &[&str]) -> Option<PublicationDate> {
    names.iter().filter_map(|name| text(object, &[name])).find_map(|text| text.parse().ok())
}

fn year(object: &Object) -> Option<i16> {
    let year = number(object, "year").and_then(|year| PublicationDate::from_year(year).ok());
    year.or_else(|| date(object, &["year"])).map(PublicationDate::year)
}

fn authors(value: Option<&Value>) -> Vec<Author> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(author).collect(),
        Some(Value::String(names)) if names.contains(';') => {
            names.split(';').filter_map(present).map(Author::named).collect()
        }
        Some(Value::String(names)) => {
            crate::text::collapse(names).split(" and ").filter_map(present).map(Author::named).collect()
        }
        _ => Vec::new(),
    }
}

fn author(value: &Value) -> Option<Author> {
    let name = value.as_str().or_else(|| value.get("name").and_then(Value::as_str)).and_then(present)?;
    let ids = value.get("ids").and_then(|ids| serde_json::from_value(ids.clone()).ok());
    Some(Author { name, ids: ids.unwrap_or_default() })
}

fn categories(value: Option<&Value>) -> Vec<String> {
    let mut categories = Vec::new();
    let named: Vec<String> = match value {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).filter_map(present).collect(),
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    named.into_iter().for_each(|category| push_new(&mut categories, category));
    categories
}

fn ids(object: &Object) -> PaperIds {
    let arxiv: Option<ArxivId> = text(object, &["arxiv_id"]).and_then(|id| id.parse().ok());
    let resolver = text(object, &["url"]).filter(|url| url.contains("//doi.org/") || url.contains("//dx.doi.org/"));
    let doi = text(object, &["doi"]).and_then(|doi| first_doi(&doi));
    let local = text(object, &["id", "_id"])
        .or_else(|| number(object, "id").or(number(object, "_id")).map(|id| id.to_string()));
    PaperIds {
        arxiv_version: arxiv.as_ref().and_then(ArxivId::version),
        arxiv: arxiv.map(|id| id.without_version()),
        doi: doi.or_else(|| resolver.and_then(|url| url.parse().ok())),
        local: local.map(|id| id.chars().take(MAX_LOCAL_ID).collect()),
        ..PaperIds::default()
    }
}

#[cfg(test)]
#[path = "jsonl_tests.rs"]
mod tests;
