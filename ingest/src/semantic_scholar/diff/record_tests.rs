use paper::{Author, SourceName};
use proptest::prelude::*;

use super::super::files::Place;
use super::*;

fn of(dataset: Dataset, kind: Kind, lines: &[&str]) -> DiffPage {
    let file = DiffFile { name: "f.gz".into(), place: Place::Path("f.gz".into()), dataset, kind };
    let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    page(&file, &lines, 1_000, Timestamp::UNIX_EPOCH)
}

#[test]
fn every_field_of_a_paper_is_kept() {
    let line = r#"{"corpusid": 13756489, "externalids": {"ACL": null, "DBLP": "conf/nips/VaswaniSPUJGKP17", "ArXiv": "1706.03762",
        "MAG": "2963403868", "CorpusId": "13756489", "PubMed": null, "DOI": null, "PubMedCentral": null},
        "url": "https://www.semanticscholar.org/paper/204e3073870fae3d05bcbc2f6a8e263d9b72e776", "title": "Attention is All you Need",
        "authors": [{"authorId": "40348417", "name": "Ashish Vaswani"}], "venue": "Neural Information Processing Systems",
        "publicationvenueid": "d9720b90", "year": 2017, "referencecount": 42, "citationcount": 90000,
        "influentialcitationcount": 15000, "isopenaccess": false, "s2fieldsofstudy": [{"category": "Computer Science", "source": "external"}],
        "publicationtypes": ["JournalArticle"], "publicationdate": "2017-06-12", "journal": {"name": "ArXiv", "pages": null, "volume": "abs/1706.03762"}}"#;
    let read = of(Dataset::Papers, Kind::Update, &[&line.replace('\n', " ")]);
    let mut expected = Paper::new("Attention is All you Need", SourceName::SemanticScholar, Timestamp::UNIX_EPOCH);
    expected.published = Some("2017-06-12".parse().unwrap());
    expected.year = Some(2017);
    expected.venue = Some("Neural Information Processing Systems".into());
    expected.categories = vec!["Computer Science".into()];
    expected.url = Some("https://www.semanticscholar.org/paper/204e3073870fae3d05bcbc2f6a8e263d9b72e776".into());
    expected.citation_count = Some(90_000);
    expected.authors = vec![Author::named("Ashish Vaswani")];
    expected.authors[0].ids.insert("semantic_scholar".into(), "40348417".into());
    expected.ids = serde_json::from_value(serde_json::json!({"arxiv": "1706.03762", "corpus_id": 13_756_489,
        "semantic_scholar": "204e3073870fae3d05bcbc2f6a8e263d9b72e776", "dblp": "conf/nips/VaswaniSPUJGKP17",
        "mag": "2963403868"}))
    .unwrap();
    assert_eq!(read, DiffPage { papers: vec![expected], ..DiffPage::default() });
}

#[test]
fn abstracts_come_and_go_by_corpus_id() {
    let lines =
        [r#"{"corpusid": 7, "openaccessinfo": {"license": null}, "abstract": " We\n read. "}"#.replace('\n', " ")];
    let came = of(Dataset::Abstracts, Kind::Update, &[&lines[0]]).abstracts;
    assert_eq!(came, [(CorpusId(7), Some("We read.".to_owned()))]);
    assert_eq!(of(Dataset::Abstracts, Kind::Delete, &[r#"{"corpusid": 7}"#]).abstracts, [(CorpusId(7), None)]);
    assert_eq!(of(Dataset::Papers, Kind::Delete, &[r#"{"corpusid": 7}"#, ""]).deleted, [CorpusId(7)]);
}

#[test]
fn a_bad_line_is_named_and_the_rest_go_on() {
    let read = of(
        Dataset::Papers,
        Kind::Update,
        &["{", "", r#"{"title": "A"}"#, r#"{"corpusid": 1}"#, r#"{"corpusid": 2, "title": "B"}"#],
    );
    let rejected: Vec<String> =
        read.rejected.iter().map(|r| format!("{}: {}", r.record, r.reason.split(" (").next().unwrap())).collect();
    let expected = [
        "f.gz, line 1001: not in the form of the data set: EOF while parsing an object at line 1 column 1",
        "f.gz, line 1003: no corpusid",
        "f.gz, line 1004: no title",
    ];
    assert_eq!((rejected, read.papers[0].title.as_str()), (expected.map(String::from).to_vec(), "B"));
    let none = of(Dataset::Abstracts, Kind::Update, &[r#"{"corpusid": 7, "abstract": null}"#]);
    assert_eq!(none.rejected[0].reason, "no abstract");
}

proptest! {
    #[test]
    fn every_line_is_read_or_rejected(lines in prop::collection::vec("[\\[\\]{}:,\"a0 -]{0,30}", 0..6), delete in any::<bool>()) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let kind = if delete { Kind::Delete } else { Kind::Update };
        for dataset in [Dataset::Papers, Dataset::Abstracts] {
            let read = of(dataset, kind, &lines);
            let told = read.papers.len() + read.abstracts.len() + read.deleted.len() + read.rejected.len();
            prop_assert_eq!(told, lines.iter().filter(|line| !line.trim().is_empty()).count());
        }
    }
}
