//! BioASQ's task B (Tsatsaronis et al. 2015, <https://doi.org/10.1186/s12859-015-0564-6>): `{"questions": […]}`, or an object a line.
//! The library is made of the snippets, those of one document put together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Suite, SuiteLibrary, SuiteQuestion, hold_out, pubmed_paper, twice};
use crate::eval::points::Point;

#[derive(Deserialize)]
struct Document {
    questions: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    body: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    snippets: Vec<Snippet>,
    #[serde(default)]
    ideal_answer: Value,
    #[serde(default)]
    exact_answer: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snippet {
    document: String,
    text: String,
    #[serde(default)]
    begin_section: String,
    #[serde(default)]
    offset_in_begin_section: usize,
}

/// What the snippets of all questions tell of one document.
#[derive(Default)]
struct Told {
    title: Option<String>,
    /// By where they begin; of two that begin at one place the longer.
    pieces: BTreeMap<usize, String>,
}

pub(super) fn read(name: &str, text: &str, now: jiff::Timestamp) -> Result<Suite, String> {
    let entries = entries(text)?;
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let mut questions = Vec::with_capacity(entries.len());
    for entry in entries {
        let points = entry.points();
        let mut answered_by = BTreeSet::new();
        for snippet in entry.snippets {
            let pmid = snippet.document.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            answered_by.insert(format!("pmid:{pmid}"));
            told.entry(pmid).or_default().add(snippet.begin_section, snippet.offset_in_begin_section, &snippet.text);
        }
        if answered_by.is_empty() {
            continue;
        }
        let answered_by = answered_by.into_iter().collect();
        questions.push(SuiteQuestion { id: entry.id, kind: None, text: entry.body, mode: None, answered_by, points });
    }
    if let Some(id) = twice(&questions) {
        return Err(format!("question `{id}` stands in it twice"));
    }
    let papers = told.into_iter().map(|(pmid, told)| {
        let text = told.text();
        pubmed_paper(&pmid, told.title, text, now)
    });
    let mut papers = papers.collect::<Result<Vec<_>, _>>()?;
    hold_out(&mut questions, &mut papers);
    Ok(Suite { name: name.to_owned(), library: SuiteLibrary::Papers(papers), questions })
}

fn entries(text: &str) -> Result<Vec<Entry>, String> {
    if let Ok(document) = serde_json::from_str::<Document>(text) {
        return Ok(document.questions);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|fault| format!("line {}: {fault}", number + 1))
    };
    lines.map(read).collect()
}

impl Told {
    fn add(&mut self, section: String, begins: usize, text: &str) {
        let text = text.trim();
        if section == "title" {
            let longer = self.title.as_ref().is_none_or(|known| known.len() < text.len());
            if longer && !text.is_empty() {
                self.title = Some(text.to_owned());
            }
        } else {
            let known = self.pieces.entry(begins).or_default();
            if known.len() < text.len() {
                text.clone_into(known);
            }
        }
    }

    /// The pieces in their order, without those that lie within another.
    fn text(&self) -> String {
        let mut joined = String::new();
        for piece in self.pieces.values().filter(|piece| !piece.is_empty()) {
            if joined.contains(piece.as_str()) {
                continue;
            }
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(piece);
        }
        joined
    }
}

impl Entry {
    /// The things that the exact answer names, each with its synonyms; without such, the ideal answer.
    fn points(&self) -> Vec<Point> {
        let named: Vec<Point> = match &self.exact_answer {
            // One thing, its synonyms not in a list of their own.
            flat if self.kind == "factoid" && !has_lists(flat) => Point::any(texts(flat)).into_iter().collect(),
            Value::Array(things) => things.iter().filter_map(|thing| Point::any(texts(thing)).ok()).collect(),
            _ => Vec::new(),
        };
        if named.is_empty() {
            texts(&self.ideal_answer).into_iter().next().map(Point::Reference).into_iter().collect()
        } else {
            named
        }
    }
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

fn has_lists(value: &Value) -> bool {
    value.as_array().is_some_and(|all| all.iter().any(Value::is_array))
}
