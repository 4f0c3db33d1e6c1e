use paper::{Paper, PaperId};
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions, Value};
use tantivy::{TantivyDocument, Term};

use uuid::Uuid;

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
    /// What is given back: the passage's text and where it stands.
    pub(super) text: Field,
    pub(super) section: Field,
    pub(super) start: Field,
    pub(super) end: Field,
    /// The store's revision of the paper.
    pub(super) revision: Field,
}

pub(super) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let words =
        TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let words = TextOptions::default().set_indexing_options(words);
    let tag = TextFieldIndexing::default().set_tokenizer("raw").set_fieldnorms(false);
    let tag = TextOptions::default().set_indexing_options(tag.set_index_option(IndexRecordOption::Basic));
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
        year: builder.add_i64_field("year", INDEXED | FAST),
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

impl Fields {
    /// By which the passages of a paper are found.
    pub(super) fn of_paper(self, paper: PaperId) -> Term {
        Term::from_field_bytes(self.paper, paper.as_uuid().as_bytes())
    }

    /// By which a passage is found; another of which the upper half of the id is the same is found too.
    pub(super) fn near_passage(self, passage: PassageId) -> Term {
        Term::from_field_u64(self.passage, upper_half(passage))
    }

    /// The document of a passage.
    pub(super) fn document(self, paper: &Paper, facets: &Facets, passage: &Passage, revision: u64) -> TantivyDocument {
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
        document.add_text(self.text, &passage.text);
        document.add_text(self.section, passage.section.as_str());
        document.add_u64(self.start, passage.start as u64);
        document.add_u64(self.end, passage.end as u64);
        document.add_u64(self.revision, revision);
        document
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
            for passage in crate::split(id, &paper) {
                let document = fields.document(&paper, &facets, &passage, 3);
                assert_eq!(fields.passage(&document).unwrap(), passage);
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
