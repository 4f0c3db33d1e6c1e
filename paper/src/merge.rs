use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::{Author, Doi, Paper, PaperIds, PublicationDate, Sighting, SourceName, surname};

/// One paper out of what several records say of it; `None` when there is no record.
///
/// The result does not depend on the order of the records, and giving one twice changes nothing. No
/// field that any record has is lost: where several have it, the most trusted source is taken
/// ([`SourceName`]'s order; among records of one source the newest version), for venue, its year, and citation
/// count Semantic Scholar before arXiv, for the DOI a publisher's before arXiv's own. The version is that of the newest
/// arXiv record, unknown when that has none. Withdrawn is as arXiv said last of its newest state, or as anybody says of
/// a paper that arXiv has not told of; retracted if anybody says so.
#[must_use]
pub fn merge(records: &[Paper]) -> Option<Paper> {
    let mut ordered: Vec<&Paper> = records.iter().collect();
    ordered.sort_by(|a, b| by_trust(a, b));
    let first = *ordered.first()?;
    let published = first_of(&ordered, |p| p.published).map(|best| sharpen(best, &ordered));
    Some(Paper {
        id: first_of(&ordered, |p| p.id),
        title: first.title.clone(),
        abstract_text: first_of(&ordered, |p| p.abstract_text.clone()),
        authors: merge_authors(&ordered),
        year: year_of_venue(&ordered)
            .or(published.map(PublicationDate::year))
            .or_else(|| first_of(&ordered, |p| p.year)),
        published,
        updated: ordered.iter().filter_map(|p| p.updated).max(),
        venue: first_of(&scholar_first(&ordered), |p| p.venue.clone()),
        categories: union(&ordered, |p| &p.categories),
        primary_category: first_of(&ordered, |p| p.primary_category.clone()),
        ids: merge_ids(&ordered),
        url: first_of(&ordered, |p| p.url.clone()),
        pdf_url: first_of(&ordered, |p| p.pdf_url.clone()),
        comment: first_of(&ordered, |p| p.comment.clone()),
        journal_ref: first_of(&ordered, |p| p.journal_ref.clone()),
        citation_count: first_of(&scholar_first(&ordered), |p| p.citation_count),
        withdrawn: is_withdrawn(&ordered),
        retracted: ordered.iter().any(|p| p.retracted),
        sources: merge_sources(&ordered),
    })
}

/// Of two records that one source gave for one paper, the one to keep: of arXiv's the higher version, else the later update,
/// else the higher version, else the one seen later. Ties are broken by content, so that the choice never
/// depends on the order of arrival.
#[must_use]
pub fn newer_of_same_record<'a>(a: &'a Paper, b: &'a Paper) -> &'a Paper {
    if by_age(a, b).is_le() { a } else { b }
}

/// Most trusted source first, then the newest version. When each was seen does not count: two records of one source
/// would take turns as they are read again. The text itself comes last, so that no two different records compare equal.
fn by_trust(a: &Paper, b: &Paper) -> Ordering {
    let rank = |paper: &Paper| paper.source().map_or(usize::MAX, |source| source as usize);
    rank(a).cmp(&rank(b)).then_with(|| by_version(a, b)).then_with(|| by_text(a, b))
}

/// Newest first.
fn by_age(a: &Paper, b: &Paper) -> Ordering {
    let seen = |paper: &Paper| paper.sources.iter().map(|s| s.seen).max();
    // An announcement of arXiv's tells the version, and no date of it; so do all of its records under that name.
    let version = |paper: &Paper| paper.ids.arxiv_version.filter(|_| paper.source() == Some(SourceName::Arxiv));
    let by_version = version(b).cmp(&version(a)).then_with(|| by_version(a, b));
    // The other way round than between sources: what is known sorts after what is not.
    by_version.then_with(|| seen(b).cmp(&seen(a))).then_with(|| by_text(b, a))
}

fn by_version(a: &Paper, b: &Paper) -> Ordering {
    // A record of OAI-PMH tells no version, so the date comes first.
    b.updated.cmp(&a.updated).then_with(|| b.ids.arxiv_version.cmp(&a.ids.arxiv_version))
}

/// `sources` is a paper's last field, so it decides only between records that say the same.
fn by_text(a: &Paper, b: &Paper) -> Ordering {
    format!("{a:?}").cmp(&format!("{b:?}"))
}

/// The year that goes with the venue shown: a preprint's date is not that of the conference it led to.
fn year_of_venue(ordered: &[&Paper]) -> Option<i16> {
    let with_venue = scholar_first(ordered).into_iter().find(|paper| paper.venue.is_some());
    with_venue.and_then(|paper| paper.year)
}

fn first_of<T>(ordered: &[&Paper], field: impl Fn(&Paper) -> Option<T>) -> Option<T> {
    ordered.iter().find_map(|paper| field(paper))
}

fn scholar_first<'a>(ordered: &[&'a Paper]) -> Vec<&'a Paper> {
    let mut papers = ordered.to_vec();
    papers.sort_by_key(|paper| paper.source() != Some(SourceName::SemanticScholar));
    papers
}

fn union<'a>(ordered: &[&'a Paper], field: impl Fn(&'a Paper) -> &'a Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for item in ordered.iter().flat_map(|paper| field(paper)) {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    all
}

/// The most trusted date, replaced by a finer one that agrees with it (2017 by 2017-06-12).
fn sharpen(best: PublicationDate, ordered: &[&Paper]) -> PublicationDate {
    let agrees =
        |date: &PublicationDate| date.year() == best.year() && (best.month().is_none() || date.month() == best.month());
    let finer = ordered.iter().filter_map(|p| p.published).filter(|d| d.precision() > best.precision()).find(agrees);
    finer.unwrap_or(best)
}

/// The list of the most trusted source that has one, with the identifiers that other lists add to the
/// same surname at the same place.
fn merge_authors(ordered: &[&Paper]) -> Vec<Author> {
    let lists = || ordered.iter().map(|paper| &paper.authors).filter(|authors| !authors.is_empty());
    let Some(mut authors) = lists().next().cloned() else { return Vec::new() };
    for other in lists().skip(1) {
        for (author, same) in authors.iter_mut().zip(other) {
            if surname(&author.name) == surname(&same.name) {
                for (kind, id) in &same.ids {
                    author.ids.entry(kind.clone()).or_insert_with(|| id.clone());
                }
            }
        }
    }
    authors
}

fn merge_ids(ordered: &[&Paper]) -> PaperIds {
    let dois = || ordered.iter().filter_map(|paper| paper.ids.doi.clone());
    let arxiv = first_of(ordered, |p| p.ids.arxiv.clone()).or_else(|| dois().find_map(|doi: Doi| doi.arxiv()));
    let version_of = |paper: &Paper| paper.ids.arxiv_version.filter(|_| paper.ids.arxiv == arxiv);
    let versions = || ordered.iter().filter_map(|paper| Some((paper.updated, version_of(paper)?)));
    let newest = versions().map(|(updated, _)| updated).max();
    // Of a state that only a record without a version tells of, nobody says which version it is.
    let is_beyond = |paper: &&Paper| paper.source() == Some(SourceName::Arxiv) && Some(paper.updated) > newest;
    let version = versions().map(|(_, version)| version).max().filter(|_| !ordered.iter().any(is_beyond));
    PaperIds {
        arxiv_version: version,
        arxiv,
        doi: dois().find(|doi| doi.arxiv().is_none()).or_else(|| dois().next()),
        semantic_scholar: first_of(ordered, |p| p.ids.semantic_scholar.clone()),
        corpus_id: first_of(ordered, |p| p.ids.corpus_id),
        pmid: first_of(ordered, |p| p.ids.pmid.clone()),
        pmcid: first_of(ordered, |p| p.ids.pmcid.clone()),
        dblp: first_of(ordered, |p| p.ids.dblp.clone()),
        acl: first_of(ordered, |p| p.ids.acl.clone()),
        mag: first_of(ordered, |p| p.ids.mag.clone()),
        local: first_of(ordered, |p| p.ids.local.clone()),
    }
}

/// arXiv has two records of a paper, one of each interface, and takes back either; the later word counts.
fn is_withdrawn(ordered: &[&Paper]) -> bool {
    let of_arxiv = || ordered.iter().filter(|paper| paper.source() == Some(SourceName::Arxiv));
    let seen = |paper: &Paper| paper.sources.iter().map(|sighting| sighting.seen).max();
    // OAI-PMH tells of an update only where there are several versions.
    let dated = |paper: &Paper| paper.updated.or(paper.published);
    match of_arxiv().map(|paper| (dated(paper), seen(paper))).max() {
        Some(last) => of_arxiv().any(|paper| (dated(paper), seen(paper)) == last && paper.withdrawn),
        None => ordered.iter().any(|paper| paper.withdrawn),
    }
}

fn merge_sources(ordered: &[&Paper]) -> Vec<Sighting> {
    let mut latest: BTreeMap<SourceName, jiff::Timestamp> = BTreeMap::new();
    for sighting in ordered.iter().flat_map(|paper| &paper.sources) {
        let seen = latest.entry(sighting.name).or_insert(sighting.seen);
        *seen = (*seen).max(sighting.seen);
    }
    latest.into_iter().map(|(name, seen)| Sighting { name, seen }).collect()
}

#[cfg(test)]
pub(crate) use tests::any_paper;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::CorpusId;

    fn at(seconds: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(seconds).unwrap()
    }

    fn arxiv(version: u16) -> Paper {
        let mut paper = Paper::new(format!("Attention v{version}"), SourceName::Arxiv, at(10));
        paper.abstract_text = Some(format!("Abstract v{version}."));
        paper.published = Some("2017-06-12".parse().unwrap());
        paper.year = Some(2017);
        paper.authors = vec![Author::named("Ashish Vaswani"), Author::named("Noam Shazeer")];
        paper.ids.arxiv = Some("1706.03762".parse().unwrap());
        paper.ids.arxiv_version = Some(version);
        paper.ids.doi = Some("10.48550/arXiv.1706.03762".parse().unwrap());
        paper.categories = vec!["cs.CL".into()];
        paper
    }

    fn scholar() -> Paper {
        let mut paper = Paper::new("Attention is All you Need", SourceName::SemanticScholar, at(20));
        paper.published = Some("2017".parse().unwrap());
        paper.year = Some(2017);
        paper.venue = Some("Neural Information Processing Systems".into());
        paper.citation_count = Some(100_000);
        paper.ids.corpus_id = Some(CorpusId(13_756_489));
        paper.ids.doi = Some("10.5555/3295222".parse().unwrap());
        let mut author = Author::named("A. Vaswani");
        author.ids.insert("semantic_scholar".into(), "40348417".into());
        paper.authors = vec![author];
        paper
    }

    #[test]
    fn two_sources_become_one_and_nothing_is_lost() {
        let merged = merge(&[scholar(), arxiv(5)]).unwrap();
        assert_eq!(merged.title, "Attention v5");
        assert_eq!(merged.venue.as_deref(), Some("Neural Information Processing Systems"));
        assert_eq!(merged.citation_count, Some(100_000));
        assert_eq!(merged.published.unwrap().to_string(), "2017-06-12");
        assert_eq!(merged.ids.doi.unwrap().as_str(), "10.5555/3295222");
        assert_eq!(merged.authors.len(), 2);
        assert_eq!(merged.authors[0].name, "Ashish Vaswani");
        assert_eq!(merged.authors[0].ids["semantic_scholar"], "40348417");
        let names: Vec<_> = merged.sources.iter().map(|s| (s.name, s.seen)).collect();
        assert_eq!(names, [(SourceName::Arxiv, at(10)), (SourceName::SemanticScholar, at(20))]);
    }

    #[test]
    fn a_newer_version_replaces_title_and_abstract() {
        let merged = merge(&[arxiv(2), arxiv(7)]).unwrap();
        assert_eq!((merged.title.as_str(), merged.ids.arxiv_version), ("Attention v7", Some(7)));
        assert_eq!(newer_of_same_record(&arxiv(2), &arxiv(7)).title, "Attention v7");
        assert_eq!(newer_of_same_record(&arxiv(7), &arxiv(2)).title, "Attention v7");
    }

    #[test]
    fn a_later_update_without_a_version_replaces_an_earlier_one_with_a_version() {
        let (mut first, mut later) = (arxiv(1), arxiv(1));
        first.updated = Some("2017-06-12".parse().unwrap());
        later.updated = Some("2017-12-06".parse().unwrap());
        later.ids.arxiv_version = None;
        later.title = "Attention, revised".into();
        let merged = merge(&[first.clone(), later.clone()]).unwrap();
        assert_eq!((merged.title.as_str(), merged.ids.arxiv_version), ("Attention, revised", None));
        later.updated = first.updated;
        let merged = merge(&[later, first]).unwrap();
        assert_eq!((merged.title.as_str(), merged.ids.arxiv_version), ("Attention v1", Some(1)));
    }

    #[test]
    fn an_announcement_gives_way_to_the_record_of_its_version_and_no_other() {
        let announced = arxiv(2);
        let full = |version: u16, day: &str| {
            let mut paper = arxiv(version);
            (paper.updated, paper.comment) = (Some(day.parse().unwrap()), Some(format!("of v{version}")));
            paper
        };
        for (record, kept) in [(full(1, "2017-06-12"), None), (full(2, "2017-06-19"), Some("of v2"))] {
            assert_eq!(newer_of_same_record(&announced, &record).comment.as_deref(), kept);
            assert_eq!(newer_of_same_record(&record, &announced).comment.as_deref(), kept);
        }
    }

    #[test]
    fn a_paper_is_withdrawn_as_arxiv_said_last_of_its_newest_state() {
        let told = |day: &str, seen: i64, withdrawn: bool| {
            let mut paper = arxiv(1);
            (paper.updated, paper.sources[0].seen, paper.withdrawn) = (Some(day.parse().unwrap()), at(seen), withdrawn);
            paper
        };
        let withdrawn = |records: &[Paper]| merge(records).unwrap().withdrawn;
        assert!(withdrawn(&[told("2017-06-12", 10, false), told("2017-12-06", 5, true)]), "the newer version");
        assert!(withdrawn(&[told("2017-06-12", 10, false), told("2017-06-12", 20, true)]), "the later word");
        assert!(!withdrawn(&[told("2017-06-12", 10, true), told("2017-06-12", 20, false)]), "it is back");
        let harvested = |seen: i64, withdrawn: bool| {
            let mut paper = told("2017-06-12", seen, withdrawn);
            // So OAI-PMH tells of a paper that has one version.
            (paper.updated, paper.ids.arxiv_version) = (None, None);
            paper
        };
        assert!(withdrawn(&[told("2017-06-12", 10, false), harvested(20, true)]));
        assert!(!withdrawn(&[told("2017-06-12", 10, true), harvested(20, false)]));
        let imported = Paper { withdrawn: true, ..Paper::new("Attention", SourceName::Import, at(1)) };
        assert!(withdrawn(&[scholar(), imported.clone()]), "nobody else can know");
        assert!(!withdrawn(&[told("2017-06-12", 10, false), imported]));
    }

    #[test]
    fn nothing_merges_to_nothing() {
        assert_eq!(merge(&[]), None);
    }

    pub(crate) fn any_paper() -> impl Strategy<Value = Paper> {
        let source = prop::sample::select(SourceName::ALL.to_vec());
        let text = prop::option::of("[a-c]{1,2}");
        let numbers = (prop::option::of(1u16..3), prop::option::of(0u64..3), prop::option::of(2000i64..2003), 0i64..4);
        (source, "[A-C]", text.clone(), text.clone(), text, numbers, any::<bool>()).prop_map(
            |(source, title, abstract_text, venue, author, (version, cited, year, seen), retracted)| {
                let mut paper = Paper::new(title, source, at(seen));
                paper.abstract_text = abstract_text;
                paper.venue = venue;
                paper.authors = author.map(Author::named).into_iter().collect();
                paper.ids.arxiv_version = version;
                paper.ids.arxiv = version.map(|_| "1706.03762".parse().unwrap());
                paper.citation_count = cited;
                paper.published = year.map(|y| PublicationDate::from_year(y).unwrap());
                paper.year = paper.published.map(PublicationDate::year);
                paper.retracted = retracted;
                paper
            },
        )
    }

    proptest! {
        #[test]
        fn order_and_repetition_do_not_matter(papers in prop::collection::vec(any_paper(), 1..6), rotate in 0usize..6) {
            let mut other = papers.clone();
            let places = rotate % papers.len();
            other.rotate_left(places);
            other.reverse();
            other.push(papers[0].clone());
            prop_assert_eq!(merge(&papers), merge(&other));
        }

        #[test]
        fn no_field_is_lost_and_none_is_invented(papers in prop::collection::vec(any_paper(), 1..6)) {
            let merged = merge(&papers).unwrap();
            prop_assert_eq!(merged.abstract_text.is_some(), papers.iter().any(|p| p.abstract_text.is_some()));
            prop_assert_eq!(merged.venue.is_some(), papers.iter().any(|p| p.venue.is_some()));
            prop_assert_eq!(merged.authors.is_empty(), papers.iter().all(|p| p.authors.is_empty()));
            prop_assert_eq!(merged.year.is_some(), papers.iter().any(|p| p.year.is_some()));
            prop_assert_eq!(merged.citation_count.is_some(), papers.iter().any(|p| p.citation_count.is_some()));
            prop_assert_eq!(merged.ids.arxiv_version, papers.iter().filter_map(|p| p.ids.arxiv_version).max(), "all of one date");
            prop_assert_eq!(merged.retracted, papers.iter().any(|p| p.retracted));
            prop_assert!(papers.iter().any(|p| p.title == merged.title));
            prop_assert!(merged.venue.is_none() || papers.iter().any(|p| p.venue == merged.venue));
        }
    }
}
