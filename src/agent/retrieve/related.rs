//! Papers that are found through the best ones rather than by words: those like them, and those that they cite or that cite
//! them.

use std::collections::BTreeSet;

use index::filter::{Conditions, Facets};
use index::{ArmScores, HybridIndex, SearchHit};
use paper::{Paper, PaperId};
use serde_json::json;

use super::super::AgentError;
use super::super::plan::Plan;
use super::super::words::{content_stems, coverage};
use super::{HITS, Pool, Relevances, Seeker};
use crate::library::{Found, LibraryError};
use crate::store::Linked;

/// How many papers lead on to others.
const LEADS: usize = 2;
/// How many papers each way of being related gives.
const RELATED: usize = HITS / 2;
/// The most references, and citations, of one paper that are looked at.
const MOST_LINKS: usize = 300;

impl Seeker<'_> {
    /// Adds the relatives of the most relevant papers, each of which leads on once, as far as they are what is asked for.
    pub(super) async fn relatives(
        &self,
        index: &HybridIndex,
        plan: &Plan,
        missing: &[&String],
        relevances: &Relevances,
        pool: &mut Pool,
    ) -> Result<(), AgentError> {
        let conditions = Conditions::of(&plan.filter);
        let wanted: Vec<BTreeSet<String>> = missing.iter().map(|query| content_stems(query)).collect();
        let best = relevances.best(usize::MAX).into_iter().filter_map(|(id, _)| pool.found.get(&id));
        let mut leads: Vec<(PaperId, String)> = Vec::new();
        for candidate in best {
            let paper = candidate.hit.paper;
            if leads.len() < LEADS && !leads.iter().any(|(lead, _)| *lead == paper) {
                leads.push((paper, candidate.paper.title.clone()));
            }
        }
        for (lead, title) in leads {
            if !pool.led_on.insert(lead) {
                continue;
            }
            let mut alike = self.library.similar(lead, RELATED).await?;
            alike.hits.retain(|found| conditions.hold(&Facets::of(&found.paper)));
            pool.add(alike.hits);
            let linked = self.linked(lead, &conditions, &wanted).await?;
            if !linked.is_empty() {
                let titles: Vec<&str> = linked.iter().map(|paper| paper.title.as_str()).collect();
                self.log.add(
                    "search",
                    &json!({"query": title, "mode": "citations", "hits": linked.len(), "papers": titles}),
                );
            }
            pool.add(self.passages_of(index, linked).await?);
        }
        Ok(())
    }

    /// The papers that one cites or is cited by which speak most of what is wanted.
    async fn linked(
        &self,
        lead: PaperId,
        conditions: &Conditions,
        wanted: &[BTreeSet<String>],
    ) -> Result<Vec<Paper>, AgentError> {
        let mut rated: Vec<(f32, Paper)> = Vec::new();
        for linked in [Linked::References, Linked::Citations] {
            for paper in self.library.store.linked(lead, linked, 0, MOST_LINKS).await?.papers {
                let text = paper.abstract_text.as_deref().unwrap_or_default();
                let says = content_stems(&format!("{} {text}", paper.title));
                let share = wanted.iter().map(|stems| coverage(stems, &says)).fold(0.0, f32::max);
                if share > 0.0 && conditions.hold(&Facets::of(&paper)) {
                    rated.push((share, paper));
                }
            }
        }
        rated.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(x.id.cmp(&y.id)));
        // Two papers may cite each other.
        rated.dedup_by_key(|(_, paper)| paper.id);
        rated.truncate(RELATED);
        Ok(rated.into_iter().map(|(_, paper)| paper).collect())
    }

    /// All passages of papers, as if each had been found.
    pub(super) async fn passages_of(&self, index: &HybridIndex, papers: Vec<Paper>) -> Result<Vec<Found>, AgentError> {
        let mut found = Vec::new();
        for paper in papers {
            let Some(id) = paper.id else { continue };
            for passage in index.passages_of(id).await.map_err(LibraryError::from)? {
                let (scores, highlights) = (ArmScores::default(), Vec::new());
                let hit = SearchHit { paper: id, passage, score: 1.0, scores, exact: false, highlights };
                found.push(Found { hit, paper: paper.clone() });
            }
        }
        Ok(found)
    }
}
