use paper::CorpusId;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn seen() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn read(value: Value) -> Paper {
    parse_line(&value.to_string(), 1, seen()).unwrap().unwrap()
}

fn reason(line: &str) -> String {
    let rejected = parse_line(line, 7, seen()).unwrap_err();
    assert_eq!(rejected.record, "line 7");
    rejected.reason
}

#[test]
fn every_field_of_the_import_format_is_read() {
    let mut expected = Paper::new("A title", SourceName::Import, seen());
    expected.abstract_text = Some("We import.".into());
    expected.authors = vec![Author::named("Ada Lovelace"), Author::named("Alan Turing")];
    expected.year = Some(2006);
    expected.published = Some("2006-11-03".parse().unwrap());
    expected.updated = Some("2007-01-01".parse().unwrap());
    expected.venue = Some("ECCV".into());
    expected.categories = vec!["cs.OH".into(), "cs.CL".into()];
    expected.primary_category = Some("cs.OH".into());
    expected.comment = Some("10 pages".into());
    expected.journal_ref = Some("J. 1".into());
    expected.citation_count = Some(12);
    expected.url = Some("https://example.org/a".into());
    expected.pdf_url = Some("https://example.org/a.pdf".into());
    expected.ids.doi = Some("10.1000/a".parse().unwrap());
    expected.ids.arxiv = Some("cs/0611013".parse().unwrap());
    expected.ids.arxiv_version = Some(2);
    expected.ids.local = Some("row 7".into());
    let line = json!({
        "id": " row 7 ", "title": "A \n title", "abstract": "We  import.", "authors": ["Ada Lovelace", {"name": "Alan Turing"}, ""],
        "created": "2006-11-03", "updated": "2007-01-01", "year": 2006, "venue": "ECCV", "categories": "cs.OH cs.CL",
        "primary_category": "cs.OH", "comments": "10 pages", "journal_ref": "J. 1", "citation_count": 12, "doi": "10.1000/a",
        "arxiv_id": "cs/0611013v2", "url": "https://example.org/a", "pdf_url": "https://example.org/a.pdf", "keywords": null
    });
    assert_eq!(read(line), expected);
}

#[test]
fn the_names_of_beir_are_known() {
    let paper = read(json!({"_id": "4983", "title": "Diffusion", "text": "Alterations.", "metadata": {}}));
    let mut expected = Paper::new("Diffusion", SourceName::Import, seen());
    expected.abstract_text = Some("Alterations.".into());
    expected.ids.local = Some("4983".into());
    assert_eq!(paper, expected);
    assert_eq!(read(json!({"_id": 12, "title": "T"})).ids.local.as_deref(), Some("12"));
}

#[test]
fn authors_come_in_many_forms() {
    let names = |authors: Value| -> Vec<String> {
        read(json!({"title": "T", "authors": authors})).authors.into_iter().map(|author| author.name).collect()
    };
    assert_eq!(names(json!("Lovelace, Ada; Turing, Alan")), ["Lovelace, Ada", "Turing, Alan"]);
    assert_eq!(names(json!("Ada Lovelace and  Alan Turing")), ["Ada Lovelace", "Alan Turing"]);
    assert_eq!(names(json!("Fernando Sandoval")), ["Fernando Sandoval"]);
    assert_eq!(names(json!([{"name": "Ada"}, {"nom": "x"}, 5, "Alan"])), ["Ada", "Alan"]);
    assert_eq!(names(json!(null)), Vec::<String>::new());
}

#[test]
fn what_is_not_in_form_is_left_out_and_the_paper_stays() {
    let line = json!({"title": "T", "doi": "forthcoming", "arxiv_id": "?", "year": "soon", "created": 5, "citation_count": -1,
        "categories": {"a": 1}, "venue": ["x"], "abstract": " "});
    assert_eq!(read(line), Paper::new("T", SourceName::Import, seen()));
    for (year, read_as) in
        [(json!("2021"), Some(2021)), (json!(2021.0), Some(2021)), (json!("2021-04"), Some(2021)), (json!(21), None)]
    {
        assert_eq!(read(json!({"title": "T", "year": year})).year, read_as);
    }
}

#[test]
fn a_doi_inside_an_address_is_kept() {
    let doi = |line: Value| read(line).ids.doi.map(|doi| doi.to_string());
    let springer = "https://link.springer.com/chapter/10.1007/978-3-031-19809-0_31";
    assert_eq!(doi(json!({"title": "T", "doi": springer})).as_deref(), Some("10.1007/978-3-031-19809-0_31"));
    assert_eq!(doi(json!({"title": "T", "url": "https://doi.org/10.1000/b"})).as_deref(), Some("10.1000/b"));
    assert_eq!(doi(json!({"title": "T", "url": "https://x.org/10.1000/b.pdf"})), None);
}

#[test]
fn a_local_id_has_at_most_200_characters() {
    let id = read(json!({"title": "T", "id": "é".repeat(300)})).ids.local.unwrap();
    assert_eq!(id, "é".repeat(200));
}

#[test]
fn a_line_without_a_paper_says_why() {
    for line in [r#"{"abstract": "x"}"#, r#"{"title": " "}"#, r#"{"title": null}"#, r#"{"title": ["T"]}"#] {
        assert_eq!(reason(line), "no title", "{line}");
    }
    assert_eq!(reason("[1]"), "not a JSON object");
    assert!(reason(r#"{"title": "#).starts_with("not JSON: EOF"), "{}", reason(r#"{"title": "#));
    assert_eq!(parse_line("\u{feff}  ", 1, seen()), Ok(None));
}

#[test]
fn a_withdrawn_paper_of_arxiv_is_marked() {
    let line =
        |arxiv| json!({"title": "T", "arxiv_id": arxiv, "comments": "This paper has been withdrawn by the author"});
    assert!(read(line(Some("1109.5260"))).withdrawn);
    assert!(!read(line(None)).withdrawn);
    assert!(read(json!({"title": "T", "withdrawn": true, "retracted": true})).retracted);
    for (line, title, retracted) in [
        (json!({"title": "RETRACTED: T"}), "T", true),
        (json!({"title": "RETRACTED: T", "retracted": false}), "T", false),
        (json!({"title": "T"}), "T", false),
    ] {
        let paper = read(line);
        assert_eq!((paper.title.as_str(), paper.retracted), (title, retracted));
    }
}

#[test]
fn an_exported_paper_comes_back_as_it_was() {
    let mut paper =
        read(json!({"title": "T", "arxiv_id": "2104.12255v2", "doi": "10.1000/a", "year": 2021, "authors": ["Ada"]}));
    paper.id = Some(paper::PaperId::derive("arxiv:2104.12255"));
    paper.ids.corpus_id = Some(CorpusId(7));
    paper.authors[0].ids.insert("orcid".into(), "0000".into());
    paper.sources = Paper::new("", SourceName::Arxiv, Timestamp::UNIX_EPOCH).sources;
    assert_eq!(read(serde_json::to_value(&paper).unwrap()), paper);
}

#[test]
fn an_exported_paper_that_was_edited_loses_only_what_is_wrong() {
    let paper =
        read(json!({"title": " T ", "year": "then", "venue": "V", "ids": {"doi": "none", "pmid": "12", "local": "x"}}));
    let mut expected = Paper::new("T", SourceName::Import, seen());
    expected.venue = Some("V".into());
    expected.ids.pmid = Some("12".parse().unwrap());
    expected.ids.local = Some("x".into());
    assert_eq!(paper, expected);
}

#[test]
fn a_file_is_read_line_by_line_to_its_end() {
    let file = b"{\"title\": \"A\"}\n\n{broken\n\xff\xfe\n{\"title\": \"B\"}";
    let records: Vec<_> = Reader::new(&file[..], seen()).map(Result::unwrap).collect();
    let told: Vec<_> =
        records.iter().map(|r| r.as_ref().map_or_else(|e| e.record.as_str(), |p| p.title.as_str())).collect();
    assert_eq!(told, ["A", "line 3", "line 4", "B"]);
    assert_eq!(records[2].as_ref().unwrap_err().reason, "not UTF-8");
}

#[test]
fn an_endless_line_is_passed_over() {
    let mut file = vec![b'x'; usize::try_from(MAX_LINE).unwrap() + 5];
    file.extend_from_slice(b"\n{\"title\": \"A\"}\n");
    let records: Vec<_> = Reader::new(&file[..], seen()).map(Result::unwrap).collect();
    assert_eq!(records[0].as_ref().unwrap_err().reason, "longer than 16777216 bytes");
    assert_eq!((records.len(), records[1].as_ref().unwrap().title.as_str()), (2, "A"));
}

#[test]
fn what_is_left_out_is_told_by_its_field() {
    let file = concat!(
        "{\"title\": \"a\", \"year\": \"soon\", \"published\": \"2020\", \"doi\": \"none\", \"id\": {}, \"authors\": [\"A B\", 7]}\n",
        "{\"title\": \"b\", \"year\": \"later\", \"venue\": 3, \"categories\": 4, \"citation_count\": -1, \"arxiv_id\": \"x\"}\n",
        "{\"title\": \"c\", \"year\": null, \"doi\": \" \", \"authors\": [], \"abstract\": \"\", \"text\": \"t\", \"unknown\": 1}\n",
        "{\"title\": \"d\", \"ids\": {\"doi\": 5, \"corpus_id\": 7}, \"year\": \"no\"}\n",
    );
    let mut reader = Reader::new(file.as_bytes(), seen());
    let titles: Vec<_> = reader.by_ref().map(|record| record.unwrap().unwrap().title).collect();
    assert_eq!(titles, ["a", "b", "c", "d"]);
    let told: Vec<_> = reader.left_out().iter().map(|(field, lines)| (field.as_str(), *lines)).collect();
    let expected = [
        ("arxiv_id", 1),
        ("authors", 1),
        ("categories", 1),
        ("citation_count", 1),
        ("doi", 2),
        ("id", 1),
        ("venue", 1),
        ("year", 3),
    ];
    assert_eq!(told, expected);
}

proptest! {
    #[test]
    fn whatever_is_exported_comes_back(title in "\\S{1,8}( \\S{1,8}){0,3}", year in prop::option::of(1000i16..9999), local in "[a-z]{1,8}") {
        prop_assume!(!title.chars().any(char::is_control) && crate::text::collapse(&title) == title);
        let mut paper = Paper::new(title, SourceName::SemanticScholar, seen());
        paper.year = year;
        paper.ids.local = Some(local);
        prop_assert_eq!(read(serde_json::to_value(&paper).unwrap()), paper);
    }

    #[test]
    fn never_panics(line in "\\PC{0,60}", inside in "[\\[\\]{}:,\"a0.-]{0,30}") {
        let _ = parse_line(&line, 1, seen());
        let _ = parse_line(&format!(r#"{{"title": "T", "authors": "{line}", "ids": {inside}}}"#), 1, seen());
    }
}
