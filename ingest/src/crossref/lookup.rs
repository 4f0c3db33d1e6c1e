use async_trait::async_trait;
use jiff::Timestamp;
use paper::{Doi, Paper, SourceName, ids_conflict, likeness_key, share_a_surname, title_key};

use super::api::{Answers, BATCH, is_of_one_work};
use super::wire::Work;
use super::{CrossrefApi, convert};
use crate::lookup::{self, LookedUp, Lookup};
use crate::{IngestError, Rejected};

/// Papers looked up in Crossref: by their DOI where a publisher gave them one, else by title and author.
///
/// Forty DOIs are one request, a paper without a DOI is one by itself. A work that was found by its title is taken only
/// when that title is the paper's, the years are known and at most one apart, an author's surname is shared, and no
/// identifiers contradict each other; and only where one work alone is like that, or one alone of the kinds that
/// publishers print. A preprint's own DOI is never taken for a missing one of arXiv's paper.
#[derive(Debug)]
pub struct CrossrefLookup {
    api: CrossrefApi,
}

impl CrossrefLookup {
    /// Asks through `api`.
    #[must_use]
    pub fn new(api: CrossrefApi) -> Self {
        Self { api }
    }

    async fn by_dois(&self, papers: &[(&Paper, Doi)], seen: Timestamp) -> Result<LookedUp, IngestError> {
        if papers.is_empty() {
            return Ok(LookedUp::default());
        }
        let mut dois: Vec<Doi> = papers.iter().map(|(_, doi)| doi.clone()).collect();
        dois.sort_by_key(Doi::key);
        dois.dedup();
        let answers = self.api.by_dois(&dois).await?;
        let mut found = taken(answers, seen);
        let known = |doi: &Doi| found.found.iter().any(|(paper, _)| paper.ids.doi.as_ref() == Some(doi));
        let told = |doi: &Doi| found.rejected.iter().any(|r| r.record.eq_ignore_ascii_case(doi.as_str()));
        found.unknown = papers.iter().filter(|(_, doi)| !known(doi) && !told(doi)).count() as u64;
        Ok(found)
    }
}

#[async_trait]
impl Lookup for CrossrefLookup {
    fn name(&self) -> SourceName {
        SourceName::Crossref
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn look_up(&self, papers: &[Paper], seen: Timestamp) -> Result<LookedUp, IngestError> {
        let with_doi: Vec<(&Paper, Doi)> =
            papers.iter().filter_map(|paper| Some((paper, published_doi(paper)?))).collect();
        let mut found = self.by_dois(&with_doi, seen).await?;
        for paper in papers.iter().filter(|paper| published_doi(paper).is_none()) {
            if !can_be_found(paper) {
                found.unknown += 1;
                continue;
            }
            match self.api.by_title(paper).await {
                Err(refused) if is_of_one_work(&refused) => {
                    found.rejected.push(Rejected { record: paper.title.clone(), reason: refused.to_string() });
                }
                answers => match same_work_of(paper, &answers?.works, seen) {
                    Some(work) => found.found.push(work),
                    None => found.unknown += 1,
                },
            }
        }
        Ok(found)
    }
}

/// The DOI that a publisher gave; arXiv's own are registered elsewhere, and Crossref does not know them.
fn published_doi(paper: &Paper) -> Option<Doi> {
    paper.ids.doi.clone().filter(|doi| doi.arxiv().is_none())
}

/// Without title, year or authors no work could be told from others.
fn can_be_found(paper: &Paper) -> bool {
    paper.year.is_some() && !paper.authors.is_empty() && !title_key(&paper.title).is_empty()
}

fn taken(answers: Answers, seen: Timestamp) -> LookedUp {
    let mut found = LookedUp { rejected: answers.rejected, ..LookedUp::default() };
    for work in &answers.works {
        match convert::paper(work, seen) {
            Ok(paper) => found.found.push((paper, None)),
            Err(reason) => found.rejected.push(Rejected { record: work.doi.clone().unwrap_or_default(), reason }),
        }
    }
    found
}

/// The kinds of works that are papers in print.
const PRINTED: [&str; 5] = ["journal-article", "proceedings-article", "book-chapter", "monograph", "book"];

/// The work that the paper is, with the link of the paper.
fn same_work_of(paper: &Paper, works: &[Work], seen: Timestamp) -> Option<(Paper, Option<String>)> {
    let printed = |work: &&Work| work.kind.as_deref().is_some_and(|kind| PRINTED.contains(&kind));
    let mut same: Vec<Paper> = works.iter().filter(printed).filter_map(|work| same_paper(paper, work, seen)).collect();
    let found = same.pop().filter(|_| same.is_empty())?;
    // Without a link it joins by its likeness only, for which the years must be the same.
    let (found, link) = lookup::found(found, paper).ok()?;
    (link.is_some() || likeness_key(&found) == likeness_key(paper)).then_some((found, link))
}

fn same_paper(paper: &Paper, work: &Work, seen: Timestamp) -> Option<Paper> {
    let found = convert::paper(work, seen).ok()?;
    let titles = [Some(found.title.clone()), convert::long_title(work)];
    let titled = titles.iter().flatten().any(|title| title_key(title) == title_key(&paper.title));
    let close = paper.year.zip(found.year).is_some_and(|(a, b)| a.abs_diff(b) <= 1);
    let same = titled && close && found.ids.doi.is_some() && share_a_surname(paper, &found);
    Some(found).filter(|found| same && !ids_conflict(paper, found))
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
