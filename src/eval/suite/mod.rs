//! Suites of questions with the papers that answer them: the project's own form, PubMedQA, and BioASQ.

mod bioasq;
mod own;
mod pubmedqa;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use paper::Paper;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::points::Point;
use crate::agent::answer::AskMode;

/// The suite that ships with the program, and the files that its library is made of.
const SHIPPED: &str = include_str!("../../../samples/answers.json");
const SHIPPED_FILES: [(&str, &[u8]); 2] = [
    ("arxiv.xml", include_bytes!("../../../samples/arxiv.xml")),
    ("semantic-scholar.json", include_bytes!("../../../samples/semantic-scholar.json")),
];

/// One in so many questions of a suite that knows no unanswerable ones has its papers left out of the library.
pub const HOLD_OUT: usize = 5;

/// A file that is no suite.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is in none of the forms, or a question of it is not what it should be.
    #[error("{name} is no suite: {reason}; docs/EVALUATION.md has the forms that are read")]
    Form {
        /// The file, or where in it.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Asks for one thing that a paper says.
    Fact,
    /// Sets two or more things side by side.
    Comparison,
    /// Is answered by several papers together.
    Synthesis,
    /// Is answered in opposite ways.
    Contradiction,
    /// No paper of the library answers it.
    Unanswerable,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Comparison => "comparison",
            Self::Synthesis => "synthesis",
            Self::Contradiction => "contradiction",
            Self::Unanswerable => "unanswerable",
        }
    }
}

/// One question of a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct SuiteQuestion {
    /// What it is called in the suite.
    pub id: String,
    /// What it is for, where the suite says so.
    pub kind: Option<Kind>,
    /// The question.
    pub text: String,
    /// How it is to be answered, where the suite says so.
    pub mode: Option<AskMode>,
    /// The papers that answer it, by any of their ids; none when the library does not answer it.
    pub answered_by: Vec<String>,
    /// What an answer must say.
    pub points: Vec<Point>,
}

/// Where the papers are that a suite asks about.
#[derive(Debug, Clone, PartialEq)]
pub enum SuiteLibrary {
    /// In a library of the suite's own: these papers.
    Papers(Vec<Paper>),
    /// The same, in files as `sync --from-file` and `import` read them: name and bytes.
    Files(Vec<(String, Vec<u8>)>),
    /// In the library that the program is used with.
    Home,
}

/// Questions and where their papers are.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Where the papers are.
    pub library: SuiteLibrary,
    /// The questions, in their order.
    pub questions: Vec<SuiteQuestion>,
}

impl Suite {
    /// The suite over the sample library that ships with the program.
    ///
    /// # Errors
    /// When it is no suite, which a test excludes.
    pub fn shipped() -> Result<Self, SuiteError> {
        let file = |name: &str| {
            let file = SHIPPED_FILES.iter().find(|(known, _)| *known == name);
            file.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| format!("there is no file {name}"))
        };
        own::read(SHIPPED, &file).map_err(|reason| SuiteError::Form { name: "the shipped suite".to_owned(), reason })
    }

    /// Reads a suite in any of the forms; of one that knows no unanswerable questions one in [`HOLD_OUT`] is made so.
    ///
    /// # Errors
    /// See [`SuiteError`].
    pub fn read(path: &Path, now: jiff::Timestamp) -> Result<Self, SuiteError> {
        let unreadable = |source| SuiteError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = |file: &str| {
            let file = path.parent().unwrap_or(Path::new(".")).join(file);
            std::fs::read(&file).map_err(|fault| format!("cannot read {}: {fault}", file.display()))
        };
        let read = match form_of(&text) {
            Form::Own => own::read(&text, &beside),
            Form::PubMedQa => pubmedqa::read(&name, &text, now),
            Form::BioAsq => bioasq::read(&name, &text, now),
        };
        let suite = read.map_err(|reason| SuiteError::Form { name: path.display().to_string(), reason })?;
        if suite.questions.is_empty() {
            return Err(SuiteError::Form {
                name: path.display().to_string(),
                reason: "it has no questions".to_owned(),
            });
        }
        Ok(suite)
    }

    /// The first so many questions; the library stays as it is.
    #[must_use]
    pub fn first(self, most: usize) -> Self {
        Self { questions: self.questions.into_iter().take(most).collect(), ..self }
    }
}

/// The forms that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Own,
    PubMedQa,
    BioAsq,
}

/// Told apart by the fields that only one of them has, looked for in the first object that has any.
fn form_of(text: &str) -> Form {
    let at = |field: &str| text.find(&format!("\"{field}\"")).unwrap_or(usize::MAX);
    let fields = [("answered_by", Form::Own), ("QUESTION", Form::PubMedQa), ("body", Form::BioAsq)];
    let first = fields.into_iter().min_by_key(|(field, _)| at(field)).filter(|(field, _)| at(field) < usize::MAX);
    first.map_or(Form::Own, |(_, form)| form)
}

/// A paper of a data set that knows it by its PubMed id; a data set has no title for most.
fn pubmed_paper(pmid: &str, title: Option<String>, text: String, now: jiff::Timestamp) -> Result<Paper, String> {
    let title = title.unwrap_or_else(|| format!("PubMed {pmid}"));
    let mut paper = Paper::new(title, paper::SourceName::Import, now);
    paper.ids.pmid = Some(pmid.parse().map_err(|_| format!("`{pmid}` is no PubMed id"))?);
    paper.abstract_text = Some(text).filter(|text| !text.trim().is_empty());
    Ok(paper)
}

/// Makes one question in [`HOLD_OUT`] unanswerable, always the same ones for the same ids: the papers that answer it are left out of
/// the library, and of what answers other questions.
fn hold_out(questions: &mut [SuiteQuestion], papers: &mut Vec<Paper>) {
    let is_held_out = |question: &SuiteQuestion| {
        let digest = Sha256::digest(question.id.as_bytes());
        digest.first().is_some_and(|byte| usize::from(*byte) % HOLD_OUT == 0)
    };
    let left_out: BTreeSet<String> =
        questions.iter().filter(|q| is_held_out(q)).flat_map(|q| q.answered_by.iter().cloned()).collect();
    let id_of = |paper: &Paper| paper.ids.pmid.as_ref().map(|pmid| format!("pmid:{pmid}"));
    papers.retain(|paper| id_of(paper).is_none_or(|id| !left_out.contains(&id)));
    for question in questions {
        question.answered_by.retain(|id| !left_out.contains(id));
        if question.answered_by.is_empty() {
            question.kind = Some(Kind::Unanswerable);
            question.points.clear();
        }
    }
}

/// The first id that stands twice, if one does.
fn twice(questions: &[SuiteQuestion]) -> Option<&str> {
    let mut seen = HashSet::new();
    questions.iter().map(|question| question.id.as_str()).find(|id| !seen.insert(*id))
}
