//! The project's own form of a suite: one JSON document (docs/EVALUATION.md).

use serde::Deserialize;

use super::{Kind, Suite, SuiteLibrary, SuiteQuestion, twice};
use crate::agent::answer::{AskMode, Question};
use crate::eval::points::Point;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    #[serde(default)]
    #[allow(dead_code, reason = "for those who read the file")]
    description: String,
    /// Files beside the suite; the library that the program is used with when there are none.
    #[serde(default)]
    library: Vec<String>,
    questions: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    kind: Option<Kind>,
    question: String,
    mode: Option<AskMode>,
    answered_by: Vec<String>,
    #[serde(default)]
    points: Vec<Vec<String>>,
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    #[allow(dead_code, reason = "for those who read the file")]
    note: Option<String>,
}

/// Reads a document; `file` gives the bytes of a file beside it.
pub(super) fn read(text: &str, file: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Suite, String> {
    let document: Document = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
    let questions = document.questions.into_iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
    if let Some(id) = twice(&questions) {
        return Err(format!("question `{id}` stands in it twice"));
    }
    let library = if document.library.is_empty() {
        SuiteLibrary::Home
    } else {
        let files = document.library.into_iter().map(|name| file(&name).map(|bytes| (name, bytes)));
        SuiteLibrary::Files(files.collect::<Result<_, _>>()?)
    };
    Ok(Suite { name: document.name, library, questions })
}

impl Entry {
    fn read(self) -> Result<SuiteQuestion, String> {
        let Self { id, kind, question, mode, answered_by, points, reference, .. } = self;
        let wrong = |reason: String| format!("question `{id}`: {reason}");
        Question::new(&question, AskMode::Auto, index::Filter::default()).map_err(|bad| wrong(bad.to_string()))?;
        let unanswerable = kind == Some(Kind::Unanswerable);
        if unanswerable != answered_by.is_empty() && kind.is_some() {
            return Err(wrong("a question is unanswerable when `answered_by` is empty, and only then".to_owned()));
        }
        if let Some(bad) = answered_by.iter().find(|id| id.parse::<paper::PaperRef>().is_err()) {
            return Err(wrong(format!("`{bad}` is no id of a paper")));
        }
        let mut asked: Vec<Point> = Vec::with_capacity(points.len() + 1);
        for alternatives in points {
            asked.push(Point::any(alternatives).map_err(&wrong)?);
        }
        asked.extend(reference.map(Point::Reference));
        Ok(SuiteQuestion { id, kind, text: question, mode, answered_by, points: asked })
    }
}
