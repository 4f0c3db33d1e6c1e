//! Where each field of a paper comes from.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Paper, PublicationDate, merge};

/// For each field that the merged paper has, which of the records tell its value: their places in the list that was
/// given. `ids.doi` and the like are fields of their own; of a list (categories, authors) whoever tells a part of it
/// is named. A field that is unknown, empty or `false` has no entry, nor has `sources`, which says it itself.
#[must_use]
pub fn provenance(records: &[Paper]) -> BTreeMap<String, Vec<usize>> {
    let Some(whole) = merge(records) else { return BTreeMap::new() };
    let told: Vec<Map<String, Value>> = records.iter().map(fields).collect();
    let mut from = BTreeMap::new();
    for (name, value) in fields(&whole) {
        let tells = |record: &Map<String, Value>| record.get(&name).is_some_and(|own| has_part(own, &value));
        let mut places: Vec<usize> = (0..records.len()).filter(|place| told.get(*place).is_some_and(tells)).collect();
        if places.is_empty() {
            let follows = |place: &usize| records.get(*place).is_some_and(|record| implies(record, &name, &whole));
            places = (0..records.len()).filter(follows).collect();
        }
        from.insert(name, places);
    }
    from
}

/// The fields of a paper by name, those of its identifiers beside the others.
fn fields(paper: &Paper) -> Map<String, Value> {
    let Ok(Value::Object(mut all)) = serde_json::to_value(paper) else { return Map::new() };
    if let Some(Value::Object(ids)) = all.remove("ids") {
        all.extend(ids.into_iter().map(|(kind, id)| (format!("ids.{kind}"), id)));
    }
    all.retain(|name, value| {
        !["id", "sources"].contains(&name.as_str()) && *value != Value::Null && *value != Value::Bool(false)
    });
    all.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    all
}

fn has_part(own: &Value, whole: &Value) -> bool {
    match (own, whole) {
        (Value::Array(own), Value::Array(whole)) => own.iter().any(|item| whole.iter().any(|one| is_same(item, one))),
        _ => own == whole,
    }
}

/// An author of the merged paper may have more identifiers than the record gives.
fn is_same(own: &Value, whole: &Value) -> bool {
    match (own.get("name"), whole.get("name")) {
        (Some(own), Some(whole)) => own == whole,
        _ => own == whole,
    }
}

/// What follows from another field: a year from a date, an arXiv id from arXiv's DOI.
fn implies(record: &Paper, field: &str, whole: &Paper) -> bool {
    match field {
        "year" => record.published.map(PublicationDate::year) == whole.year,
        "ids.arxiv" => record.ids.doi.as_ref().and_then(crate::Doi::arxiv) == whole.ids.arxiv,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merge::any_paper;
    use crate::{Author, CorpusId, SourceName};

    fn of(source: SourceName, title: &str) -> Paper {
        Paper::new(title, source, jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn each_field_names_the_records_that_tell_it() {
        let mut arxiv = of(SourceName::Arxiv, "Attention Is All You Need");
        arxiv.published = Some("2017-06-12".parse().unwrap());
        arxiv.authors = vec![Author::named("Ashish Vaswani")];
        arxiv.categories = vec!["cs.CL".into()];
        arxiv.ids.arxiv = Some("1706.03762".parse().unwrap());
        let mut scholar = of(SourceName::SemanticScholar, "Attention is All you Need");
        scholar.citation_count = Some(100_000);
        scholar.published = arxiv.published;
        scholar.authors = vec![Author::named("A. Vaswani")];
        scholar.categories = vec!["Computer Science".into()];
        scholar.ids.arxiv = arxiv.ids.arxiv.clone();
        scholar.ids.corpus_id = Some(CorpusId(13_756_489));
        let mut crossref = of(SourceName::Crossref, "Attention is all you need");
        crossref.retracted = true;
        let expected = [
            ("authors", vec![1]),
            ("categories", vec![0, 1]),
            ("citation_count", vec![0]),
            ("ids.arxiv", vec![0, 1]),
            ("ids.corpus_id", vec![0]),
            ("published", vec![0, 1]),
            ("retracted", vec![2]),
            ("title", vec![1]),
            ("year", vec![0, 1]),
        ];
        let expected = expected.into_iter().map(|(name, places)| (name.to_owned(), places)).collect();
        assert_eq!(provenance(&[scholar, arxiv, crossref]), expected);
    }

    #[test]
    fn an_arxiv_id_comes_from_the_doi_that_arxiv_gave() {
        let mut paper = of(SourceName::Import, "Attention");
        paper.ids.doi = Some("10.48550/arXiv.1706.03762".parse().unwrap());
        assert_eq!(provenance(&[paper])["ids.arxiv"], [0]);
        assert!(provenance(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn every_field_of_the_merged_paper_comes_from_somewhere(papers in prop::collection::vec(any_paper(), 1..6)) {
            let from = provenance(&papers);
            for (field, places) in &from {
                prop_assert!(!places.is_empty(), "{field}");
                prop_assert!(places.iter().all(|place| *place < papers.len()));
            }
            prop_assert_eq!(from.contains_key("venue"), papers.iter().any(|paper| paper.venue.is_some()));
        }
    }
}
