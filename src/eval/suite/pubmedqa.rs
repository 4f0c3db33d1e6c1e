//! PubMedQA (Jin et al. 2019, <https://arxiv.org/abs/1909.06146>): one object, its keys PubMed ids. The contexts are an abstract
//! without its conclusion, the question is the paper's title and the long answer its conclusion; so neither of these two goes into the
//! library.

use std::collections::BTreeMap;

use paper::Paper;
use serde::Deserialize;

use super::{Suite, SuiteLibrary, SuiteQuestion, hold_out, pubmed_paper};
use crate::eval::points::Point;

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "QUESTION")]
    question: String,
    #[serde(rename = "CONTEXTS")]
    contexts: Vec<String>,
    #[serde(rename = "YEAR")]
    year: Option<String>,
    #[serde(rename = "LONG_ANSWER")]
    long_answer: Option<String>,
}

pub(super) fn read(name: &str, text: &str, now: jiff::Timestamp) -> Result<Suite, String> {
    let entries: BTreeMap<String, Entry> = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
    let (mut questions, mut papers): (Vec<SuiteQuestion>, Vec<Paper>) = (Vec::new(), Vec::new());
    for (pmid, entry) in entries {
        let mut paper = pubmed_paper(&pmid, None, entry.contexts.join(" "), now)?;
        paper.year = entry.year.and_then(|year| year.trim().parse().ok());
        papers.push(paper);
        questions.push(SuiteQuestion {
            answered_by: vec![format!("pmid:{pmid}")],
            id: pmid,
            kind: None,
            text: entry.question,
            mode: None,
            points: entry.long_answer.map(Point::Reference).into_iter().collect(),
        });
    }
    hold_out(&mut questions, &mut papers);
    Ok(Suite { name: name.to_owned(), library: SuiteLibrary::Papers(papers), questions })
}
