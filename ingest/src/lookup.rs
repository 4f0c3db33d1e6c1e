use async_trait::async_trait;
use paper::{LinkKind, Paper, SourceName, identity_keys, links};

use crate::{IngestError, Rejected};

/// What a source knows of papers that are there already, asked about many at once.
///
/// To sum it up: a name, which papers it can be asked about, how many at once, and the asking. Retrying is done inside,
/// as for a [`crate::Source`].
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Who is asked.
    fn name(&self) -> SourceName;

    /// The kinds of identifiers, as [`paper::identity_keys`] names them, of which a paper needs one to be asked about;
    /// empty when every paper can be.
    fn kinds(&self) -> &'static [&'static str];

    /// The most papers to ask about at once.
    fn batch(&self) -> usize;

    /// Asks about papers, at most as many as [`Lookup::batch`] says; `seen` is the time that answers are marked with.
    ///
    /// # Errors
    /// Whatever [`IngestError`] says, after its own polite retries.
    async fn look_up(&self, papers: &[Paper], seen: jiff::Timestamp) -> Result<LookedUp, IngestError>;
}

/// What a source knew of the papers that it was asked about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LookedUp {
    /// What it says of those that it knows, each with the link ([`paper::links`]) of the paper that was asked about when
    /// it shares none with it: of papers that a source has made one it may name another than that one.
    pub found: Vec<(Paper, Option<String>)>,
    /// How many it does not know.
    pub unknown: u64,
    /// The answers that could not be read, each with the reason.
    pub rejected: Vec<Rejected>,
}

/// The record, with the strongest link of the paper that it was looked up for when it has none of them.
///
/// # Errors
/// A sentence for a record that has another identifier of every kind that the paper has: it is about another paper.
pub(crate) fn found(record: Paper, paper: &Paper) -> Result<(Paper, Option<String>), String> {
    let surely = |of: &Paper| -> Vec<String> {
        let links = links(of, &[], &[]).into_iter();
        links.filter(|(kind, _)| *kind != LinkKind::Likeness).map(|(_, key)| key).collect()
    };
    let (own, papers) = (surely(&record), surely(paper));
    if papers.is_empty() || own.iter().any(|key| papers.contains(key)) {
        return Ok((record, None));
    }
    let kind = |key: &str| key.split(':').next().unwrap_or_default().to_owned();
    let free = papers.into_iter().find(|link| own.iter().all(|key| kind(key) != kind(link)));
    match free {
        Some(link) => Ok((record, Some(link))),
        None => Err(format!("the answer is about another paper: {}", identity_keys(&record).join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(ids: serde_json::Value) -> Paper {
        serde_json::from_value(serde_json::json!({"title": "A", "ids": ids})).unwrap()
    }

    #[test]
    fn an_answer_has_the_link_of_its_paper_when_it_shares_none_and_says_nothing_that_it_did_not_say() {
        let answers = [
            (serde_json::json!({"corpus_id": 9}), serde_json::json!({"arxiv": "2104.12255"}), Some("arxiv:2104.12255")),
            (
                serde_json::json!({"arxiv": "2104.12255"}),
                serde_json::json!({"doi": "10.1000/a"}),
                Some("doi:10.1000/a"),
            ),
            (
                serde_json::json!({"doi": "10.1000/B"}),
                serde_json::json!({"doi": "10.1000/a", "pmid": "1"}),
                Some("pmid:1"),
            ),
            (serde_json::json!({"doi": "10.1000/A"}), serde_json::json!({"doi": "10.1000/a", "pmid": "1"}), None),
            (serde_json::json!({"doi": "10.1000/A"}), serde_json::json!({"local": "7"}), Some("local:7:a")),
            (serde_json::json!({"doi": "10.1000/A"}), serde_json::json!({}), None),
        ];
        for (record, of, link) in answers {
            let record = paper(record);
            assert_eq!(found(record.clone(), &paper(of)), Ok((record, link.map(str::to_owned))));
        }
        let other =
            found(paper(serde_json::json!({"doi": "10.1000/b"})), &paper(serde_json::json!({"doi": "10.1000/a"})));
        assert_eq!(other, Err("the answer is about another paper: doi:10.1000/b".to_owned()));
    }
}
