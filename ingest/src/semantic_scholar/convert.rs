//! A record of Semantic Scholar's into a paper.

use std::str::FromStr;

use jiff::Timestamp;
use paper::{ArxivId, Author, CorpusId, Paper, PaperIds, PublicationDate, SourceName};

use super::wire::{self, ExternalId, ExternalIds};
use crate::retracted::without_mark;
use crate::text::{first_doi, present, push_new};

/// The paper that a record tells of.
///
/// # Errors
/// The reason in words: without a title there is no paper.
pub(super) fn paper(record: wire::Paper, seen: Timestamp) -> Result<Paper, String> {
    let title = record.title.as_deref().and_then(present).ok_or("no title")?;
    let (retracted, title) = without_mark(&title);
    let mut paper = Paper::new(title, SourceName::SemanticScholar, seen);
    paper.retracted = retracted;
    paper.published = published(&record);
    paper.year = paper.published.map(PublicationDate::year);
    paper.venue = venue(&record);
    paper.categories = categories(&record);
    paper.abstract_text = record.abstract_text.as_deref().and_then(present);
    paper.url = record.url.as_deref().and_then(present);
    paper.pdf_url = record.open_access_pdf.and_then(|pdf| pdf.url).as_deref().and_then(present);
    paper.citation_count = record.citation_count;
    paper.authors = record.authors.unwrap_or_default().into_iter().filter_map(author).collect();
    paper.ids = ids(record.external_ids.unwrap_or_default());
    paper.ids.semantic_scholar = record.paper_id.and_then(|id| id.parse().ok());
    paper.ids.corpus_id = record.corpus_id.as_ref().and_then(parsed).or(paper.ids.corpus_id);
    Ok(paper)
}

fn published(record: &wire::Paper) -> Option<PublicationDate> {
    let date = record.publication_date.as_deref().and_then(|date| date.parse().ok());
    date.or_else(|| PublicationDate::from_year(record.year?).ok())
}

/// The venue, else the journal. arXiv is where a preprint lies, not where it appeared.
fn venue(record: &wire::Paper) -> Option<String> {
    let journal = record.journal.as_ref().and_then(|journal| journal.name.as_deref());
    let named = [record.venue.as_deref(), journal].into_iter().flatten().filter_map(present);
    named.into_iter().find(|name| !is_arxiv(name))
}

/// `arXiv.org`, `ArXiv`, `arXiv: Quantum Physics`, and arXiv's name in DBLP.
fn is_arxiv(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "corr" || name.split(|c: char| !c.is_alphanumeric()).next() == Some("arxiv")
}

fn categories(record: &wire::Paper) -> Vec<String> {
    let classified = record.s2_fields_of_study.iter().flatten().filter_map(|field| field.category.as_deref());
    let given = record.fields_of_study.iter().flatten().filter_map(|field| field.as_deref());
    let mut categories = Vec::new();
    for category in classified.chain(given).filter_map(present) {
        push_new(&mut categories, category);
    }
    categories
}

fn author(author: wire::Author) -> Option<Author> {
    let mut known = Author::named(author.name.as_deref().and_then(present)?);
    if let Some(id) = author.author_id.filter(|id| !id.is_empty()) {
        known.ids.insert("semantic_scholar".to_owned(), id);
    }
    Some(known)
}

fn ids(external: ExternalIds) -> PaperIds {
    let arxiv: Option<ArxivId> = external.arxiv.as_ref().and_then(parsed);
    let text = |id: Option<ExternalId>| id.as_ref().and_then(text_of).as_deref().and_then(present);
    PaperIds {
        arxiv_version: arxiv.as_ref().and_then(ArxivId::version),
        arxiv: arxiv.map(|id| id.without_version()),
        doi: text(external.doi).and_then(|doi| first_doi(&doi)),
        corpus_id: external.corpus_id.as_ref().and_then(parsed::<CorpusId>),
        pmid: external.pubmed.as_ref().and_then(parsed),
        pmcid: text(external.pubmed_central),
        dblp: text(external.dblp),
        acl: text(external.acl),
        mag: text(external.mag),
        ..PaperIds::default()
    }
}

fn parsed<T: FromStr>(id: &ExternalId) -> Option<T> {
    text_of(id)?.parse().ok()
}

fn text_of(id: &ExternalId) -> Option<String> {
    match id {
        ExternalId::Number(number) => Some(number.to_string()),
        ExternalId::Text(text) => Some(text.clone()),
        ExternalId::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    fn read(record: serde_json::Value) -> Result<Paper, String> {
        let record = serde_json::value::to_raw_value(&record).unwrap();
        paper(wire::paper(&record).unwrap().unwrap(), seen())
    }

    #[test]
    fn every_field_is_kept() {
        let record = serde_json::json!({
            "paperId": "354dcdebf3f8b5feeed5c62090e0bc1f0c28db06", "corpusId": 258059792, "matchScore": 1.5,
            "externalIds": {"DBLP": "journals/x", "ArXiv": "2304.05376", "PubMedCentral": "11116106", "MAG": "7",
                "DOI": "10.1038/s42256-024-00832-8", "CorpusId": 258059792, "PubMed": "38799228", "ACL": "P19-1"},
            "url": "https://www.semanticscholar.org/paper/354d", "title": " Tools\n for chemistry ",
            "abstract": "We  add tools.", "venue": "Nat. Mac. Intell.", "year": 2023, "citationCount": 500,
            "openAccessPdf": {"url": "https://x.org/a.pdf", "status": "HYBRID"}, "publicationTypes": null,
            "fieldsOfStudy": ["Medicine", "Computer Science"], "publicationVenue": {"id": "x"},
            "s2FieldsOfStudy": [{"category": "Computer Science", "source": "external"}, {"category": "Computer Science"}],
            "publicationDate": "2023-04-11", "journal": {"name": "Nature Machine Intelligence"},
            "authors": [{"authorId": "2216007369", "name": "Andrés M Bran"}, {"authorId": null, "name": "Sam Cox"}, {"name": " "}]
        });
        let mut expected = Paper::new("Tools for chemistry", SourceName::SemanticScholar, seen());
        expected.abstract_text = Some("We add tools.".into());
        let mut first = Author::named("Andrés M Bran");
        first.ids.insert("semantic_scholar".into(), "2216007369".into());
        expected.authors = vec![first, Author::named("Sam Cox")];
        expected.year = Some(2023);
        expected.published = Some("2023-04-11".parse().unwrap());
        expected.venue = Some("Nat. Mac. Intell.".into());
        expected.categories = vec!["Computer Science".into(), "Medicine".into()];
        expected.ids = PaperIds {
            arxiv: Some("2304.05376".parse().unwrap()),
            doi: Some("10.1038/s42256-024-00832-8".parse().unwrap()),
            semantic_scholar: Some("354dcdebf3f8b5feeed5c62090e0bc1f0c28db06".parse().unwrap()),
            corpus_id: Some(CorpusId(258_059_792)),
            pmid: Some("38799228".parse().unwrap()),
            pmcid: Some("11116106".into()),
            dblp: Some("journals/x".into()),
            acl: Some("P19-1".into()),
            mag: Some("7".into()),
            ..PaperIds::default()
        };
        expected.url = Some("https://www.semanticscholar.org/paper/354d".into());
        expected.pdf_url = Some("https://x.org/a.pdf".into());
        expected.citation_count = Some(500);
        assert_eq!(read(record), Ok(expected));
    }

    #[test]
    fn a_title_is_all_it_takes() {
        let paper =
            read(serde_json::json!({"paperId": null, "title": "Cited, nowhere found", "openAccessPdf": {"url": ""}}));
        assert_eq!(paper, Ok(Paper::new("Cited, nowhere found", SourceName::SemanticScholar, seen())));
        for untitled in [serde_json::json!({"paperId": "x", "year": 1936}), serde_json::json!({"title": " "})] {
            assert_eq!(read(untitled), Err("no title".to_owned()));
        }
    }

    #[test]
    fn the_day_of_publication_falls_back_to_the_year() {
        for (date, year, published) in [
            (Some("2023-04-11"), Some(2023), Some("2023-04-11")),
            (None, Some(1936), Some("1936")),
            (Some("soon"), Some(1936), Some("1936")),
            (None, Some(20_230), None),
        ] {
            let paper = read(serde_json::json!({"title": "T", "publicationDate": date, "year": year})).unwrap();
            assert_eq!(paper.published.map(|date| date.to_string()).as_deref(), published);
            assert_eq!(paper.year, paper.published.map(PublicationDate::year));
        }
    }

    #[test]
    fn a_title_marked_as_retracted_is_that_of_a_retracted_paper() {
        let mut expected = Paper::new("On Things", SourceName::SemanticScholar, seen());
        expected.retracted = true;
        assert_eq!(read(serde_json::json!({"title": "RETRACTED ARTICLE: On Things"})), Ok(expected));
    }

    #[test]
    fn arxiv_is_no_venue() {
        for (venue, journal, kept) in [
            ("arXiv.org", "ArXiv", None),
            ("", "Nature", Some("Nature")),
            ("arXiv: Quantum Physics", "Physical Review A", Some("Physical Review A")),
            ("CoRR", "", None),
            ("Arxival Studies", "", Some("Arxival Studies")),
        ] {
            let paper = read(serde_json::json!({"title": "T", "venue": venue, "journal": {"name": journal}})).unwrap();
            assert_eq!(paper.venue.as_deref(), kept, "{venue}");
        }
    }

    #[test]
    fn an_identifier_that_is_none_is_left_out() {
        let external = serde_json::json!({"ArXiv": "nonsense", "DOI": 5, "CorpusId": "12", "PubMed": ["x"], "New": {}});
        let paper = read(serde_json::json!({"title": "T", "paperId": "short", "externalIds": external})).unwrap();
        assert_eq!(paper.ids, PaperIds { corpus_id: Some(CorpusId(12)), ..PaperIds::default() });
    }
}
