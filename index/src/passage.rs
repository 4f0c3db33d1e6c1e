use std::fmt;
use std::str::FromStr;

use paper::{Paper, PaperId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An abstract of at most this many characters is one passage.
pub const WHOLE_UP_TO: usize = 2_400;
/// Longer ones are split into pieces of at most this many characters.
pub const PIECE_UP_TO: usize = 1_600;

/// The identifier of a passage: it follows from the paper's and the passage's place in it (UUID
/// version 5), so that indexing a paper again replaces its passages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PassageId(Uuid);

impl PassageId {
    /// The id of the passage at `ordinal`, from 0, of `paper`.
    #[must_use]
    pub fn derive(paper: PaperId, ordinal: u32) -> Self {
        Self(Uuid::new_v5(&paper.as_uuid(), format!("passage:{ordinal}").as_bytes()))
    }

    /// The bytes behind it.
    #[must_use]
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for PassageId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for PassageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for PassageId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text.trim()).map(Self)
    }
}

/// The part of a paper that a passage is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// The abstract.
    Abstract,
    /// The title, of a paper whose abstract is unknown.
    Title,
}

impl Section {
    /// The name as users read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abstract => "abstract",
            Self::Title => "title",
        }
    }

    /// The whole text of this section of a paper; empty when it has none.
    #[must_use]
    pub fn text_of(self, paper: &Paper) -> &str {
        match self {
            Self::Abstract => paper.abstract_text.as_deref().unwrap_or_default(),
            Self::Title => &paper.title,
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A piece of a paper's text: what is searched, shown and quoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Follows from paper and ordinal.
    pub id: PassageId,
    /// The paper it is of.
    pub paper: PaperId,
    /// Its place among the paper's passages, from 0.
    pub ordinal: u32,
    /// The section it is taken from.
    pub section: Section,
    /// Where it begins in the section's text, in Unicode characters.
    pub start: usize,
    /// Where it ends, exclusive, in Unicode characters.
    pub end: usize,
    /// The text itself: `section_text[start..end]`, character for character.
    pub text: String,
}

/// The passages of a paper, in order; pure.
///
/// Normally one, the whole abstract. An abstract of more than [`WHOLE_UP_TO`] characters is split at
/// sentence ends into pieces of at most [`PIECE_UP_TO`]; nothing but white space between pieces is
/// left out. A paper without abstract has its title as only passage.
#[must_use]
pub fn split(id: PaperId, paper: &Paper) -> Vec<Passage> {
    let paper_id = id;
    let section = match &paper.abstract_text {
        Some(text) if !text.trim().is_empty() => Section::Abstract,
        _ => Section::Title,
    };
    let text = section.text_of(paper);
    let whole = text.trim();
    let (start, length) = (text.chars().take_while(|c| c.is_whitespace()).count(), whole.chars().count());
    let passage = |ordinal, start, end, text| {
        let id = PassageId::derive(id, ordinal);
        Passage { id, paper: paper_id, ordinal, section, start, end, text }
    };
    if (1..=WHOLE_UP_TO).contains(&length) {
        return vec![passage(0, start, start + length, whole.to_owned())];
    }
    let characters: Vec<char> = text.chars().collect();
    let mut passages = Vec::new();
    for (ordinal, (start, end)) in (0..).zip(pieces(&characters)) {
        let text = characters.iter().skip(start).take(end - start).collect();
        passages.push(passage(ordinal, start, end, text));
    }
    passages
}

/// What is embedded for a passage: the title says what the piece is about.
#[must_use]
pub fn embedded_text(paper: &Paper, passage: &Passage) -> String {
    match passage.section {
        Section::Title => passage.text.clone(),
        Section::Abstract => format!("{}. {}", paper.title.trim().trim_end_matches('.'), passage.text),
    }
}

/// The ranges of the pieces, white space around them left out.
fn pieces(text: &[char]) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let (mut start, total) = trimmed(text, 0, text.len());
    let limit = if total - start <= WHOLE_UP_TO { WHOLE_UP_TO } else { PIECE_UP_TO };
    while start < total {
        let end = if total - start <= limit { total } else { start + cut(text, start, limit) };
        let (from, to) = trimmed(text, start, end);
        if from < to {
            ranges.push((from, to));
        }
        start = trimmed(text, end, total).0;
    }
    ranges
}

/// `start..end` without the white space at either end.
fn trimmed(text: &[char], start: usize, end: usize) -> (usize, usize) {
    let inner = text.get(start..end).unwrap_or_default();
    let leading = inner.iter().take_while(|c| c.is_whitespace()).count();
    let trailing = inner.iter().rev().take_while(|c| c.is_whitespace()).count();
    if leading == inner.len() { (end, end) } else { (start + leading, end - trailing) }
}

/// How long the piece that begins at `start` is to be: to its last sentence end within `limit`, else
/// to its last white space, else all of it. Pieces of less than a quarter of the limit are not made,
/// since a lone short sentence says little.
fn cut(text: &[char], start: usize, limit: usize) -> usize {
    let window = text.get(start..start + limit + 1).unwrap_or_default();
    let least = limit / 4;
    let is_space = |at: usize| window.get(at).is_some_and(|c| c.is_whitespace());
    let ends_sentence = |at: usize| {
        let closing =
            window.get(..at).unwrap_or_default().iter().rev().find(|c| !matches!(**c, ')' | '"' | '\'' | '”' | ']'));
        matches!(closing, Some('.' | '!' | '?' | '…' | '。'))
    };
    let last = |accept: &dyn Fn(usize) -> bool| (least..=limit).rev().find(|at| accept(*at));
    last(&|at| is_space(at) && ends_sentence(at) && starts_sentence(window, at))
        .or_else(|| last(&is_space))
        .unwrap_or(limit)
}

/// Whether what follows the white space at `at` looks like a new sentence: no lower case letter, as
/// after `e.g.` or `et al.`.
fn starts_sentence(window: &[char], at: usize) -> bool {
    let next = window.get(at..).unwrap_or_default().iter().find(|c| !c.is_whitespace());
    next.is_none_or(|c| !c.is_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use paper::SourceName;
    use proptest::prelude::*;

    fn paper(text: Option<&str>) -> Paper {
        let mut paper = Paper::new("On Titles.", SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH);
        paper.abstract_text = text.map(str::to_owned);
        paper
    }

    fn id() -> PaperId {
        PaperId::derive("arxiv:1706.03762")
    }

    #[test]
    fn an_abstract_is_one_passage_and_embedded_below_its_title() {
        let paper = paper(Some("We test. It works."));
        let passages = split(id(), &paper);
        let expected = Passage {
            id: PassageId::derive(id(), 0),
            paper: id(),
            ordinal: 0,
            section: Section::Abstract,
            start: 0,
            end: 18,
            text: "We test. It works.".to_owned(),
        };
        assert_eq!(passages, [expected]);
        assert_eq!(embedded_text(&paper, &passages[0]), "On Titles. We test. It works.");
    }

    #[test]
    fn without_an_abstract_the_title_is_the_passage() {
        for text in [None, Some(""), Some(" \n")] {
            let paper = paper(text);
            let passages = split(id(), &paper);
            assert_eq!(passages.len(), 1, "{text:?}");
            assert_eq!((passages[0].section, passages[0].text.as_str()), (Section::Title, "On Titles."));
            assert_eq!(embedded_text(&paper, &passages[0]), "On Titles.");
        }
    }

    #[test]
    fn long_abstracts_are_cut_at_sentence_ends() {
        let sentence = "Graphs, as shown by Kim et al. in practice, are hard (see above). ";
        let text = sentence.repeat(60);
        let passages = split(id(), &paper(Some(text.trim())));
        assert_eq!(passages.len(), 3);
        for passage in &passages {
            assert!(passage.text.starts_with("Graphs, as") && passage.text.ends_with("above)."), "{passage:?}");
            assert!(passage.text.chars().count() <= PIECE_UP_TO);
        }
        let short = "x ".repeat(WHOLE_UP_TO / 2);
        assert_eq!(split(id(), &paper(Some(&short))).len(), 1);
    }

    #[test]
    fn text_without_spaces_is_cut_all_the_same() {
        let passages = split(id(), &paper(Some(&"漢".repeat(5_000))));
        let lengths: Vec<usize> = passages.iter().map(|passage| passage.end - passage.start).collect();
        assert_eq!(lengths, [1600, 1600, 1600, 200]);
    }

    #[test]
    fn ids_are_stable_and_read_back() {
        let id = PassageId::derive(id(), 1);
        assert_eq!(id.to_string().parse::<PassageId>(), Ok(id));
        assert_ne!(id, PassageId::derive(self::id(), 2));
    }

    proptest! {
        #[test]
        fn passages_are_the_text_and_lose_nothing_but_white_space(
            parts in prop::collection::vec("[a-zé漢]{1,30}[.?!,)]{0,2}[ \\n]{0,2}[A-Za-z]{0,5}|\\PC{0,20} ", 0..400),
        ) {
            let text = parts.concat();
            let paper = paper(Some(&text));
            let passages = split(id(), &paper);
            let section: Vec<char> = passages.first().map_or("", |passage| passage.section.text_of(&paper)).chars().collect();
            let mut end = 0;
            for (ordinal, passage) in (0..).zip(&passages) {
                prop_assert_eq!(passage.ordinal, ordinal);
                prop_assert!(passage.start >= end && passage.end > passage.start);
                prop_assert!(section[end..passage.start].iter().all(|c| c.is_whitespace()));
                let quoted: String = section[passage.start..passage.end].iter().collect();
                prop_assert_eq!(&quoted, &passage.text);
                prop_assert!(passages.len() == 1 || passage.end - passage.start <= PIECE_UP_TO);
                end = passage.end;
            }
            prop_assert!(section[end..].iter().all(|c| c.is_whitespace()));
            prop_assert!(!passages.is_empty());
        }
    }
}
