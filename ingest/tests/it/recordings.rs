//! Every recorded body: no record is lost, and every error is understood.

use std::path::Path;

use ingest::{IngestError, Page, arxiv, semantic_scholar};
use serde_json::Value;

use crate::shared::{files, seen};

/// The HTTP status, which is the part before the extension in a recording's name.
fn status(file: &Path) -> u16 {
    file.file_stem().unwrap().to_str().unwrap().rsplit('.').next().unwrap().parse().unwrap_or(200)
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

fn tags(body: &str, tag: &str) -> usize {
    body.matches(&format!("<{tag}>")).count() + body.matches(&format!("<{tag} ")).count()
}

/// Papers and rejected records together, as many as there are in the body.
fn complete(file: &Path, page: &Page, records: usize) -> (usize, usize) {
    assert_eq!(page.papers.len() + page.rejected.len(), records, "{}", file.display());
    (page.papers.len(), page.rejected.len())
}

#[test]
fn no_entry_of_any_recorded_feed_is_lost() {
    let (mut papers, mut rejected) = (0, 0);
    let feeds = files("api/arxiv", "xml");
    for file in &feeds {
        let body = std::fs::read_to_string(file).unwrap();
        if status(file) == 400 {
            let text = arxiv::parse(body.as_bytes(), seen()).unwrap_err().to_string();
            assert_eq!(text, "refused: arXiv says: incorrect id format for abc; change the query or the ids");
            continue;
        }
        let page = arxiv::parse(body.as_bytes(), seen()).unwrap();
        assert_eq!(page, arxiv::parse_feed(body.as_bytes(), seen()).unwrap());
        let counted = complete(file, &page, tags(&body, "entry"));
        (papers, rejected) = (papers + counted.0, rejected + counted.1);
        assert_eq!(page.papers.iter().filter(|paper| paper.abstract_text.is_none()).count(), 0);
        assert_eq!(page.papers.iter().filter(|p| p.published.is_none() || p.authors.is_empty()).count(), 0);
        assert_eq!(page.papers.iter().filter(|p| p.ids.arxiv_version.is_none() || p.pdf_url.is_none()).count(), 0);
    }
    assert!(feeds.is_empty() || (papers, rejected) == (221, 0), "{papers} {rejected}");
}

#[test]
fn no_record_of_any_recorded_harvest_is_lost() {
    let (mut papers, mut rejected) = (0, 0);
    let answers = files("api/arxiv_oai", "xml");
    for file in &answers {
        let body = std::fs::read_to_string(file).unwrap();
        let page = arxiv::parse(body.as_bytes(), seen()).unwrap();
        let counted = complete(file, &page, tags(&body, "record"));
        (papers, rejected) = (papers + counted.0, rejected + counted.1);
    }
    assert!(answers.is_empty() || (papers, rejected) == (30, 0), "{papers} {rejected}");
}

/// How many records a body of Semantic Scholar's has, counted by its JSON alone.
fn records(body: &Value) -> usize {
    let list = body.as_array().or_else(|| body["data"].as_array()).or_else(|| body["recommendedPapers"].as_array());
    list.map_or_else(|| usize::from(body.get("paperId").is_some()), Vec::len)
}

/// Recordings that list something other than papers.
const NO_PAPERS: [&str; 10] = [
    "test_get_author.00.200.json",
    "test_get_authors.00.200.json",
    "test_get_authors_not_found_warning.00.200.json",
    "test_get_available_releases.00.200.json",
    "test_get_dataset_diffs.00.200.json",
    "test_get_dataset_download_links.00.200.json",
    "test_get_paper_authors.00.200.json",
    "test_get_release.00.200.json",
    "test_search_author.00.200.json",
    "test_search_snippet.00.200.json",
];

#[test]
fn no_record_of_any_recorded_answer_is_lost() {
    let (mut answers, mut papers, mut rejected, mut others) = (0, 0, 0, 0);
    let mut reasons = std::collections::BTreeMap::<String, usize>::new();
    for file in files("api/semantic_scholar", "json") {
        if name(&file).ends_with(".request.json") || status(&file) != 200 {
            continue;
        }
        answers += 1;
        let body = std::fs::read(&file).unwrap();
        match semantic_scholar::parse_body(&body, seen()) {
            Ok(page) => {
                let counted = complete(&file, &page, records(&serde_json::from_slice(&body).unwrap()));
                (papers, rejected) = (papers + counted.0, rejected + counted.1);
                assert!(!NO_PAPERS.contains(&name(&file).as_str()), "{}", file.display());
                for rejected in page.rejected {
                    *reasons.entry(rejected.reason).or_default() += 1;
                }
            }
            Err(IngestError::NotPapers { .. }) => {
                assert!(NO_PAPERS.contains(&name(&file).as_str()), "{}", file.display());
                others += 1;
            }
            Err(error) => panic!("{}: {error}", file.display()),
        }
    }
    if answers > 0 {
        assert_eq!((answers, papers, rejected, others), (118, 7_378, 9_370, NO_PAPERS.len()));
        // Most recordings asked for a few fields, and the title was not among them.
        assert_eq!(reasons.into_iter().collect::<Vec<_>>(), [("no title".into(), 9_369), ("not found".into(), 1)]);
    }
}

#[test]
fn every_recorded_error_is_understood_by_its_words() {
    for file in files("api/semantic_scholar", "json").into_iter().filter(|file| status(file) != 200) {
        if name(&file).ends_with(".request.json") {
            continue;
        }
        let error = semantic_scholar::parse_body(&std::fs::read(&file).unwrap(), seen()).unwrap_err();
        let expected = match status(&file) {
            429 => matches!(error, IngestError::RateLimited { .. }),
            500..=599 => matches!(error, IngestError::Transient { .. }),
            _ => matches!(error, IngestError::Refused { status: None, .. }),
        };
        assert!(expected, "{}: {error:?}", file.display());
    }
}

#[test]
fn a_known_paper_is_read_as_it_is() {
    let Some(file) = files("api/arxiv", "xml").into_iter().find(|file| name(file).starts_with("id_astro-ph_0601001"))
    else {
        return;
    };
    let page = arxiv::parse(&std::fs::read(file).unwrap(), seen()).unwrap();
    let paper = &page.papers[0];
    assert_eq!(paper.ids.arxiv.as_ref().unwrap().base(), "astro-ph/0601001");
    assert_eq!(paper.journal_ref.as_deref(), Some("ActaAstron.56:1-50,2006"));
    assert_eq!(paper.url.as_deref(), Some("https://arxiv.org/abs/astro-ph/0601001v1"));
    let names: Vec<_> = paper.authors.iter().map(|author| author.name.as_str()).collect();
    assert_eq!(names, ["Andrew Gould", "Susan Dorsher", "B. Scott Gaudi", "Andrzej Udalski"]);
    assert!(paper.abstract_text.as_ref().unwrap().contains("V_max<17.5"));
}
