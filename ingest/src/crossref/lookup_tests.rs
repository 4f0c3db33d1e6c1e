use serde_json::{Value, json};

use super::super::wire;
use super::*;

fn paper(fields: Value) -> Paper {
    let mut paper = json!({"title": "Deep Residual Learning", "year": 2015, "authors": [{"name": "Kaiming He"}], "ids": {"arxiv": "1512.03385"}});
    paper.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(paper).unwrap()
}

fn work(fields: Value) -> Work {
    let mut work = json!({"DOI": "10.1000/a", "type": "proceedings-article", "title": ["Deep residual learning"],
        "author": [{"given": "Kaiming", "family": "He"}], "issued": {"date-parts": [[2016]]}});
    work.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    wire::work(work).unwrap()
}

fn found(fields: Value, works: &[Value]) -> Option<String> {
    let works: Vec<Work> = works.iter().map(|fields| work(fields.clone())).collect();
    let found = same_work_of(&paper(fields), &works, Timestamp::UNIX_EPOCH);
    found.map(|(found, link)| [paper::identity_keys(&found), link.into_iter().collect()].concat().join(" "))
}

#[test]
fn a_work_of_one_title_and_author_a_year_apart_is_the_paper_and_gets_its_identifier() {
    assert_eq!(found(json!({}), &[json!({})]).as_deref(), Some("doi:10.1000/a arxiv:1512.03385"));
    for (ids, lent) in [
        (json!({"corpus_id": 7, "pmid": "1"}), "doi:10.1000/a corpus:7"),
        (json!({"pmid": "1", "local": "x"}), "doi:10.1000/a pmid:1"),
        (json!({"local": "x"}), "doi:10.1000/a local:x:deepresiduallearning"),
    ] {
        assert_eq!(found(json!({"ids": ids}), &[json!({})]).as_deref(), Some(lent));
    }
}

#[test]
fn without_identifiers_only_the_same_year_will_do() {
    let issued = |year: i64| json!({"issued": {"date-parts": [[year]]}});
    assert_eq!(found(json!({"ids": {}}), &[issued(2016)]), None);
    assert_eq!(found(json!({"ids": {}}), &[issued(2015)]).as_deref(), Some("doi:10.1000/a"));
}

#[test]
fn what_is_not_surely_the_paper_is_left_alone() {
    for other in [
        json!({"title": ["Deep residual learning, revisited"]}),
        json!({"author": [{"family": "Zhang"}]}),
        json!({"author": []}),
        json!({"issued": {"date-parts": [[2017]]}}),
        json!({"issued": null}),
        json!({"type": "posted-content"}),
        json!({"type": null}),
        json!({"DOI": null}),
    ] {
        assert_eq!(found(json!({}), std::slice::from_ref(&other)), None, "{other}");
    }
    assert_eq!(found(json!({}), &[json!({}), json!({"DOI": "10.1000/b"})]), None, "two that are alike");
    assert!(found(json!({}), &[json!({"type": "posted-content"}), json!({})]).is_some());
    assert_eq!(found(json!({}), &[]), None);
}

#[test]
fn a_subtitle_is_part_of_the_title_where_the_paper_has_it() {
    let works = [json!({"title": ["RETRACTED: Deep residual learning"], "subtitle": ["A study"]})];
    assert!(found(json!({"title": "Deep Residual Learning: a Study"}), &works).is_some());
    assert!(found(json!({"title": "Deep Residual Learning"}), &works).is_some());
    assert!(found(json!({"title": "A Study"}), &works).is_none());
}

#[test]
fn only_a_publishers_doi_is_looked_up_and_only_what_can_be_told_from_others_by_its_title() {
    assert_eq!(published_doi(&paper(json!({"ids": {"doi": "10.48550/arXiv.1512.03385"}}))), None);
    assert!(published_doi(&paper(json!({"ids": {"doi": "10.1000/a"}}))).is_some());
    assert!(can_be_found(&paper(json!({}))));
    for unknown in [json!({"year": null}), json!({"authors": []}), json!({"title": "$$"})] {
        assert!(!can_be_found(&paper(unknown.clone())), "{unknown}");
    }
}
