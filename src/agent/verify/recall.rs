//! An answer that was given before, read back and checked against the papers once more.

use std::collections::{BTreeMap, HashMap};

use paper::{Paper, PaperId};
use serde::Deserialize;

use super::Answer;
use crate::agent::answer::{
    Circumstances, Citation, Claim, Closest, Contradiction, Part, Removed, Status, Table, UsageReport,
};
use crate::agent::evidence::warning;
use crate::agent::sentence::slice;

/// An answer as it was stored, which is none until it has been [`checked`](Recalled::checked).
#[derive(Deserialize)]
pub(in crate::agent) struct Recalled {
    #[serde(flatten)]
    circumstances: Circumstances,
    status: Status,
    text: String,
    claims: Vec<Claim>,
    citations: Vec<Citation>,
    removed: Vec<Removed>,
    contradictions: Vec<Contradiction>,
    closest: Vec<Closest>,
    table: Option<Table>,
    sections: Vec<Part>,
}

/// Reads an answer to be given once more, as the answer `id` in an arm of its own; none when it cannot be read.
pub(in crate::agent) fn recall(stored: &str, id: &str, experiment: Option<String>) -> Option<Recalled> {
    let mut recalled: Recalled = serde_json::from_str(stored).ok()?;
    let before = std::mem::replace(&mut recalled.circumstances.id, id.to_owned());
    // Where it was a copy itself, the one that was made is named.
    let made = recalled.circumstances.cached_from.take().unwrap_or(before);
    recalled.circumstances.cached_from = Some(made);
    recalled.circumstances.experiment = experiment;
    Some(recalled)
}

impl Recalled {
    /// The papers that it cites.
    pub fn papers(&self) -> Vec<PaperId> {
        self.citations.iter().map(|citation| citation.paper_id).collect()
    }

    /// The answer, when every citation holds in the papers as they are now.
    pub fn checked(
        self,
        papers: &HashMap<PaperId, Paper>,
        usage: UsageReport,
        timings_ms: BTreeMap<String, f64>,
    ) -> Option<Answer> {
        let holds = |citation: &Citation| {
            papers.get(&citation.paper_id).is_some_and(|paper| {
                let stored = slice(citation.section.text_of(paper), citation.start, citation.end);
                stored == citation.quote && warning(paper) == citation.warning.as_deref()
            })
        };
        let known = |claim: &Claim| {
            claim.citations.iter().all(|n| self.citations.iter().any(|citation| citation.n == *n))
                && slice(&self.text, claim.start, claim.end) == claim.text
        };
        if self.status == Status::Failed || !self.citations.iter().all(holds) || !self.claims.iter().all(known) {
            return None;
        }
        Some(Answer {
            circumstances: Circumstances { usage, timings_ms, ..self.circumstances },
            status: self.status,
            text: self.text,
            claims: self.claims,
            citations: self.citations,
            removed: self.removed,
            contradictions: self.contradictions,
            closest: self.closest,
            table: self.table,
            sections: self.sections,
        })
    }
}
