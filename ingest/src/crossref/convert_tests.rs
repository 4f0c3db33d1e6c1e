use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(work: Value) -> Result<Paper, String> {
    paper(&wire::work(work).unwrap(), Timestamp::UNIX_EPOCH)
}

fn retracted(mut work: Value) -> bool {
    work["DOI"] = json!("10.1000/a");
    if work["title"].is_null() {
        work["title"] = json!(["A title"]);
    }
    read(work).unwrap().retracted
}

#[test]
fn every_field_is_kept() {
    let work = json!({
        "DOI": "10.1038/s42256-024-00832-8", "type": "journal-article", "title": ["Tools <i>for</i>\n chemistry &amp; more"],
        "container-title": ["Nature Machine Intelligence"], "published": {"date-parts": [[2024, 5, 8]]},
        "issued": {"date-parts": [[2023]]}, "is-referenced-by-count": 238,
        "author": [{"ORCID": "https://orcid.org/0000-0003-0310-0851", "given": "Oliver", "family": "Schilter"},
            {"family": "Plato"}, {"name": "The Collaboration"}, {"given": "Nobody"}]
    });
    let mut expected = Paper::new("Tools for chemistry & more", SourceName::Crossref, Timestamp::UNIX_EPOCH);
    expected.venue = Some("Nature Machine Intelligence".into());
    expected.published = Some("2024-05-08".parse().unwrap());
    expected.year = Some(2024);
    expected.url = Some("https://doi.org/10.1038/s42256-024-00832-8".into());
    expected.ids.doi = Some("10.1038/s42256-024-00832-8".parse().unwrap());
    expected.authors = ["Oliver Schilter", "Plato", "The Collaboration"].map(Author::named).into();
    expected.authors[0].ids.insert("orcid".into(), "0000-0003-0310-0851".into());
    assert_eq!(read(work).unwrap(), expected);
}

#[test]
fn a_date_is_as_fine_as_it_is_known() {
    for (parts, expected) in [
        (json!([[2024, 5, 8]]), Some("2024-05-08")),
        (json!([[2024, 5]]), Some("2024-05")),
        (json!([[2024]]), Some("2024")),
        (json!([[null]]), None),
        (json!([[2024, 13, 40]]), None),
        (json!([]), None),
        (Value::Null, None),
    ] {
        let read = read(json!({"title": ["A"], "issued": {"date-parts": parts}})).unwrap();
        assert_eq!(read.published.map(|date| date.to_string()).as_deref(), expected, "{parts}");
    }
}

#[test]
fn a_paper_is_retracted_by_a_notice_that_takes_it_back_whoever_registered_it() {
    for kind in ["retraction", "withdrawal", "removal"] {
        assert!(retracted(json!({"updated-by": [{"type": kind, "DOI": "10.1000/notice", "source": "publisher"}]})));
    }
    let both = json!({"updated-by": [{"type": "correction", "DOI": "10.1000/b", "source": "retraction-watch"},
        {"type": "retraction", "DOI": "10.1000/c", "source": "retraction-watch"}]});
    assert!(retracted(both));
}

#[test]
fn what_leaves_a_paper_standing_is_no_retraction() {
    for kind in ["correction", "erratum", "corrigendum", "expression_of_concern", "partial_retraction", "new_version"] {
        assert!(!retracted(json!({"updated-by": [{"type": kind, "DOI": "10.1000/b"}]})), "{kind}");
    }
    for none in [json!({}), json!({"updated-by": null}), json!({"updated-by": [{"DOI": "10.1000/b"}]})] {
        assert!(!retracted(none));
    }
}

#[test]
fn the_notice_of_another_papers_retraction_is_not_retracted_itself() {
    let notice = |to: &str, title: &str| json!({"title": [title], "update-to": [{"type": "retraction", "DOI": to}]});
    assert!(!retracted(notice("10.1000/other", "Retraction notice to: A title")));
    assert!(!retracted(notice("10.1000/other", "RETRACTED: A title")));
    assert!(retracted(notice("10.1000/A", "A title")), "a paper that is its own notice");
    assert!(retracted(json!({"title": ["RETRACTED: A"], "update-to": [{"type": "correction", "DOI": "10.1000/x"}]})));
}

#[test]
fn a_mark_before_the_title_says_so_and_is_no_part_of_it() {
    for (title, marked, plain) in [
        ("RETRACTED: A title", true, "A title"),
        ("RETRACTED ARTICLE: A title", true, "A title"),
        ("[Retracted] A title", true, "A title"),
        ("WITHDRAWN: A title", true, "A title"),
        ("Retracted: A title", false, "Retracted: A title"),
        ("Retraction: A title", false, "Retraction: A title"),
        ("RETRACTED:", false, "RETRACTED:"),
        ("Why papers are RETRACTED: a study", false, "Why papers are RETRACTED: a study"),
    ] {
        let read = read(json!({"title": [title]})).unwrap();
        assert_eq!((read.retracted, read.title.as_str()), (marked, plain));
    }
}

#[test]
fn only_tags_are_taken_out_of_a_title() {
    for (title, plain) in [
        ("H<sub>2</sub>O at <jats:italic toggle=\"yes\">T</jats:italic>", "H2O at T"),
        ("p < 0.05 and q > 1", "p < 0.05 and q > 1"),
        ("a &lt;b&gt; &amp;lt;", "a <b> &lt;"),
        ("open < end", "open < end"),
    ] {
        assert_eq!(read(json!({"title": [null, " ", title]})).unwrap().title, plain);
    }
    assert_eq!(read(json!({"title": ["<i></i>"]})), Err("no title".to_owned()));
}

proptest! {
    #[test]
    fn no_text_panics_and_what_has_no_brackets_stays(text in "\\PC{0,40}") {
        let plain = without_tags(&text);
        prop_assert!(text.contains(['<', '>', '&']) || plain == text);
        let _ = read(json!({"title": [text], "author": [{"name": text}], "DOI": text}));
    }
}
