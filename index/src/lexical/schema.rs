use std::collections::BTreeSet;

use paper::{Paper, PaperId, PublicationDate};
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions, Value};
use tantivy::{TantivyDocument, Term};

use uuid::Uuid;

use super::Document;
use super::analyzer::ANALYZER;
use crate::filter::Facets;
use crate::{IndexError, Passage, PassageId, Section};

/// What a document of the lexical arm is: one passage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// The upper half of the passage's id, to find it by.
    pub(super) passage: Field,
    /// The paper's id, to find and replace its passages by.
    pub(super) paper: Field,
    /// The upper and the lower half of the paper's id, to read without opening the stored document.
    pub(super) paper_high: Field,
    pub(super) paper_low: Field,
    pub(super) ordinal: Field,
    /// Words of the title.
    pub(super) title: Field,
    /// Words of title and text.
    pub(super) body: Field,
    /// The tags of [`Facets`].
    pub(super) tags: Field,
    pub(super) year: Field,
    /// The hash of the title, to find a paper by that is typed whole.
    pub(super) title_hash: Field,
    /// The word pieces of title and text, see [`crate::Pieces`].
    pub(super) pieces: Field,
    /// What is given back: the passage's text and where it stands.
    pub(super) text: Field,
    pub(super) section: Field,
    pub(super) start: Field,
    pub(super) end: Field,
    /// The store's revision of the paper.
    pub(super) revision: Field,
    /// What hits are sorted by: the date as a number such as 20240131, and how often the paper is cited.
    pub(super) date: Field,
    pub(super) citations: Field,
    /// What is counted, as it is shown.
    pub(super) venue: Field,
    pub(super) category: Field,
    pub(super) author: Field,
}

/// The columns that are read by name.
pub(super) const YEAR: &str = "year";
pub(super) const DATE: &str = "date";
pub(super) const CITATIONS: &str = "citations";
pub(super) const VENUE: &str = "venue";
pub(super) const CATEGORY: &str = "category";
pub(super) const AUTHOR: &str = "author";
pub(super) const PIECES: &str = "pieces";

/// Authors of a paper beyond these are not counted: of a collaboration of thousands nobody picks one from a list.
const COUNTED_AUTHORS: usize = 100;

pub(super) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let words =
        TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let words = TextOptions::default().set_indexing_options(words);
    let tag = TextFieldIndexing::default().set_tokenizer("raw").set_fieldnorms(false);
    let tag = TextOptions::default().set_indexing_options(tag.set_index_option(IndexRecordOption::Basic));
    let counted = TextOptions::default().set_fast("raw");
    let fields = Fields {
        // Numbers and bytes, for the dictionary of so many random texts of 36 letters takes a fifth of the time of a write.
        passage: builder.add_u64_field("passage", INDEXED),
        paper: builder.add_bytes_field("paper", INDEXED | STORED),
        paper_high: builder.add_u64_field("paper_high", FAST),
        paper_low: builder.add_u64_field("paper_low", FAST),
        ordinal: builder.add_u64_field("ordinal", FAST | STORED),
        title: builder.add_text_field("title", words.clone()),
        body: builder.add_text_field("body", words),
        tags: builder.add_text_field("tags", tag),
        year: builder.add_i64_field(YEAR, INDEXED | FAST),
        title_hash: builder.add_u64_field("title_hash", INDEXED),
        pieces: builder.add_u64_field(PIECES, INDEXED | FAST),
        date: builder.add_i64_field(DATE, FAST),
        citations: builder.add_i64_field(CITATIONS, FAST),
        venue: builder.add_text_field(VENUE, counted.clone()),
        category: builder.add_text_field(CATEGORY, counted.clone()),
        author: builder.add_text_field(AUTHOR, counted),
        text: builder.add_text_field("text", STORED),
        section: builder.add_text_field("section", STORED),
        start: builder.add_u64_field("start", STORED),
        end: builder.add_u64_field("end", STORED),
        revision: builder.add_u64_field("revision", STORED),
    };
    (builder.build(), fields)
}

fn upper_half(passage: PassageId) -> u64 {
    passage.as_uuid().as_u64_pair().0
}

/// A date as a number that dates are ordered by: 2024-01-31 is 20240131, and what is unknown of it 0.
fn day_number(date: PublicationDate) -> i64 {
    let part = |part: Option<i8>| i64::from(part.unwrap_or(0));
    i64::from(date.year()) * 10_000 + part(date.month()) * 100 + part(date.day())
}

fn title_hash(title: &str) -> Option<u64> {
    let key = Some(paper::title_key(title)).filter(|key| !key.is_empty())?;
    Some(Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).as_u64_pair().0)
}

impl Fields {
    /// By which the passages of a paper are found.
    pub(super) fn of_paper(self, paper: PaperId) -> Term {
        Term::from_field_bytes(self.paper, paper.as_uuid().as_bytes())
    }

    /// By which a passage is found; another of which the upper half of the id is the same is found too.
    pub(super) fn near_passage(self, passage: PassageId) -> Term {
        Term::from_field_u64(self.passage, upper_half(passage))
    }

    /// The document of a passage, of which the word pieces are known.
    pub(super) fn document(self, of: &Document, passage: &Passage, pieces: &[u32]) -> TantivyDocument {
        let Document { paper, facets, revision, .. } = of;
        let mut document = TantivyDocument::default();
        let (high, low) = passage.paper.as_uuid().as_u64_pair();
        document.add_field_value(self.passage, &upper_half(passage.id));
        document.add_bytes(self.paper, passage.paper.as_uuid().as_bytes());
        document.add_u64(self.paper_high, high);
        document.add_u64(self.paper_low, low);
        document.add_u64(self.ordinal, u64::from(passage.ordinal));
        document.add_text(self.title, &paper.title);
        document.add_text(self.body, crate::passage::embedded_text(paper, passage));
        facets.tags.iter().for_each(|tag| document.add_text(self.tags, tag));
        if let Some(year) = facets.year {
            document.add_i64(self.year, i64::from(year));
        }
        if let Some(hash) = title_hash(&paper.title) {
            document.add_u64(self.title_hash, hash);
        }
        self.add_columns(&mut document, paper, facets);
        document.add_text(self.text, &passage.text);
        document.add_text(self.section, passage.section.as_str());
        document.add_u64(self.start, passage.start as u64);
        document.add_u64(self.end, passage.end as u64);
        pieces.iter().for_each(|piece| document.add_u64(self.pieces, u64::from(*piece)));
        document.add_u64(self.revision, *revision);
        document
    }

    fn add_columns(self, document: &mut TantivyDocument, paper: &Paper, facets: &Facets) {
        if let Some(date) = paper.published.map(day_number).or(facets.year.map(|year| i64::from(year) * 10_000)) {
            document.add_i64(self.date, date);
        }
        if let Some(count) = paper.citation_count {
            document.add_i64(self.citations, i64::try_from(count).unwrap_or(i64::MAX));
        }
        if let Some(venue) = paper.venue.as_deref().map(str::trim).filter(|venue| !venue.is_empty()) {
            document.add_text(self.venue, venue);
        }
        let categories: BTreeSet<&String> = paper.categories.iter().chain(&paper.primary_category).collect();
        categories.into_iter().for_each(|category| document.add_text(self.category, category));
        let authors: BTreeSet<&str> =
            paper.authors.iter().take(COUNTED_AUTHORS).map(|author| author.name.trim()).collect();
        authors.into_iter().for_each(|author| document.add_text(self.author, author));
    }

    /// By which papers with a title are found, whatever its case and punctuation; none for one without a letter.
    pub(super) fn titled(self, title: &str) -> Option<Term> {
        title_hash(title).map(|hash| Term::from_field_u64(self.title_hash, hash))
    }

    /// The passage that a stored document is of.
    pub(super) fn passage(self, document: &TantivyDocument) -> Result<Passage, IndexError> {
        let number = |field| document.get_first(field).and_then(|value| value.as_u64());
        let text = |field| document.get_first(field).and_then(|value| value.as_str());
        let read = || {
            let paper = document.get_first(self.paper).and_then(|value| value.as_bytes())?;
            let paper = PaperId::from(Uuid::from_slice(paper).ok()?);
            let ordinal = u32::try_from(number(self.ordinal)?).ok()?;
            let section = match text(self.section)? {
                "abstract" => Section::Abstract,
                "title" => Section::Title,
                _ => return None,
            };
            Some(Passage {
                id: PassageId::derive(paper, ordinal),
                paper,
                ordinal,
                section,
                start: usize::try_from(number(self.start)?).ok()?,
                end: usize::try_from(number(self.end)?).ok()?,
                text: text(self.text)?.to_owned(),
            })
        };
        read().ok_or_else(|| IndexError::internal("a stored passage lacks a field; run `lectern reindex`"))
    }
}

#[cfg(test)]
mod tests {
    use paper::SourceName;
    use tantivy::schema::Document as _;

    use super::*;

    #[test]
    fn a_passage_comes_back_from_its_document() {
        let (_, fields) = schema();
        let mut paper = Paper::new("Titles", SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH);
        let id = PaperId::derive("arxiv:1");
        for text in [None, Some("Naïve “quotes”\t\u{1F600}.")] {
            paper.abstract_text = text.map(str::to_owned);
            let facets = Facets::of(&paper);
            let passages = crate::split(id, &paper);
            let (paper, pieces) = (paper.clone(), Vec::new());
            let whole = Document { paper, revision: 3, facets, passages, pieces, text_revision: 3 };
            for passage in &whole.passages {
                let document = fields.document(&whole, passage, &[5, 7]);
                let pieces = document.get_all(fields.pieces).filter_map(|piece| piece.as_u64());
                assert_eq!(pieces.collect::<Vec<_>>(), [5, 7]);
                assert_eq!(fields.passage(&document).unwrap(), *passage);
                let revision = document.iter_fields_and_values().find(|(field, _)| *field == fields.revision);
                assert_eq!(revision.and_then(|(_, value)| value.as_u64()), Some(3));
            }
        }
    }

    #[test]
    fn a_document_that_lacks_a_field_is_an_error() {
        let (_, fields) = schema();
        let error = fields.passage(&TantivyDocument::default()).unwrap_err().to_string();
        assert!(error.contains("lectern reindex"), "{error}");
    }
}
