use std::collections::HashSet;

use tantivy::query::{BooleanQuery, BoostQuery, ConstScoreQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, Term};

use super::analyzer;
use super::schema::Fields;
use crate::filter::Conditions;

/// Words of a query beyond these are not read.
const MAX_WORDS: usize = 512;
/// Of its different words the rarest are searched for.
const MAX_TERMS: usize = 64;
/// What a word in the title counts beside the same word in title and text.
pub(super) const TITLE_BOOST: f32 = 0.5;

/// A query's text, read leniently: words, and phrases in quotes. There is no other syntax and no
/// text that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueryWords {
    /// The different stems, in their order.
    stems: Vec<String>,
    /// Phrases that must occur: stems with their places in the phrase.
    phrases: Vec<Vec<(usize, String)>>,
}

impl QueryWords {
    /// Reads a text. A quote that is not closed is no quote.
    pub(crate) fn parse(text: &str) -> Self {
        let parts: Vec<&str> = text.split(['"', '“', '”']).collect();
        let closed = parts.len() - (1 - parts.len() % 2);
        let mut query = Self::default();
        let (mut seen, mut left) = (HashSet::new(), MAX_WORDS);
        for (at, part) in parts.into_iter().enumerate() {
            let words = analyzer::words(part, left);
            left -= words.len();
            query.stems.extend(words.iter().map(|word| word.stem.clone()).filter(|stem| seen.insert(stem.clone())));
            if at % 2 == 1 && at < closed && !words.is_empty() {
                query.phrases.push(words.into_iter().map(|word| (word.position, word.stem)).collect());
            }
        }
        query
    }

    /// Whether a passage must have something to be found at all.
    pub(crate) fn has_phrases(&self) -> bool {
        !self.phrases.is_empty()
    }

    /// The stems, to highlight.
    pub(crate) fn stems(&self) -> HashSet<String> {
        self.stems.iter().cloned().collect()
    }

    /// The queries whose scores add up to a passage's BM25: each stem in the body, and in the title
    /// for less. Stems that no passage has are left out.
    pub(super) fn scored(&self, fields: Fields, searcher: &Searcher) -> tantivy::Result<Vec<Box<dyn Query>>> {
        let mut known = Vec::new();
        for stem in &self.stems {
            let term = Term::from_field_text(fields.body, stem);
            let frequency = searcher.doc_freq(&term)?;
            if frequency > 0 {
                known.push((frequency, stem));
            }
        }
        // Stable, so that of equally rare words the first are taken.
        known.sort_by_key(|(frequency, _)| *frequency);
        let mut queries: Vec<Box<dyn Query>> = Vec::new();
        for (_, stem) in known.into_iter().take(MAX_TERMS) {
            let term = |field| TermQuery::new(Term::from_field_text(field, stem), IndexRecordOption::WithFreqs);
            queries.push(Box::new(term(fields.body)));
            queries.push(Box::new(BoostQuery::new(Box::new(term(fields.title)), TITLE_BOOST)));
        }
        Ok(queries)
    }

    /// The phrases, each a query; the body has the title's words too.
    pub(super) fn required(&self, fields: Fields) -> Vec<Box<dyn Query>> {
        let term = |stem: &String| Term::from_field_text(fields.body, stem);
        let query = |phrase: &Vec<(usize, String)>| -> Box<dyn Query> {
            match phrase.as_slice() {
                [(_, stem)] => Box::new(TermQuery::new(term(stem), IndexRecordOption::Basic)),
                many => {
                    Box::new(PhraseQuery::new_with_offset(many.iter().map(|(at, stem)| (*at, term(stem))).collect()))
                }
            }
        };
        self.phrases.iter().map(query).collect()
    }

    /// The whole query; none when nothing can match.
    pub(super) fn query(
        &self,
        fields: Fields,
        searcher: &Searcher,
        conditions: &Conditions,
    ) -> tantivy::Result<Option<BooleanQuery>> {
        let scored = self.scored(fields, searcher)?;
        if scored.is_empty() {
            return Ok(None);
        }
        let filters: Vec<_> = self.required(fields).into_iter().chain(filters(fields, conditions)).collect();
        let words = BooleanQuery::union(scored);
        if filters.is_empty() {
            // Left as a plain union, which tantivy prunes by block maxima.
            return Ok(Some(words));
        }
        let must = filters.into_iter().map(|query| (Occur::Must, unscored(query)));
        Ok(Some(BooleanQuery::new(must.chain([(Occur::Must, Box::new(words) as Box<dyn Query>)]).collect())))
    }
}

/// The conditions, each a query that must hold.
fn filters(fields: Fields, conditions: &Conditions) -> Vec<Box<dyn Query>> {
    let tag = |tag: &String| -> Box<dyn Query> {
        Box::new(TermQuery::new(Term::from_field_text(fields.tags, tag), IndexRecordOption::Basic))
    };
    let all =
        |tags: &Vec<String>| -> Box<dyn Query> { Box::new(BooleanQuery::intersection(tags.iter().map(tag).collect())) };
    let any =
        |group: &Vec<Vec<String>>| -> Box<dyn Query> { Box::new(BooleanQuery::union(group.iter().map(all).collect())) };
    let mut queries: Vec<Box<dyn Query>> = conditions.groups.iter().map(any).collect();
    if conditions.year_from.is_some() || conditions.year_to.is_some() {
        let bound = |year: Option<i16>| {
            let term = year.map(|year| Term::from_field_i64(fields.year, i64::from(year)));
            term.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Included)
        };
        queries.push(Box::new(RangeQuery::new(bound(conditions.year_from), bound(conditions.year_to))));
    }
    queries
}

fn unscored(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn phrase(words: &[(usize, &str)]) -> Vec<(usize, String)> {
        words.iter().map(|(at, stem)| (*at, (*stem).to_owned())).collect()
    }

    #[test]
    fn words_are_kept_once_and_phrases_beside_them() {
        let query = QueryWords::parse("networks of \"theory of the firm\" network \"graphs\"");
        assert_eq!(query.stems, ["network", "theori", "firm", "graph"]);
        assert_eq!(query.phrases, [phrase(&[(0, "theori"), (3, "firm")]), phrase(&[(0, "graph")])]);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_no_quote() {
        let query = QueryWords::parse("a \"graph network\" and \"a theory");
        assert_eq!(query.phrases, [phrase(&[(0, "graph"), (1, "network")])]);
        assert!(!QueryWords::parse("5\" disk").has_phrases());
        assert!(!QueryWords::parse("\"of the\" disk").has_phrases());
        assert!(QueryWords::parse("“curly quotes”").has_phrases());
    }

    #[test]
    fn only_the_first_words_of_a_huge_text_are_read() {
        let text: String = (0..20_000).map(|n| format!("word{n} ")).collect();
        assert_eq!(QueryWords::parse(&text).stems.len(), MAX_WORDS);
    }

    proptest! {
        #[test]
        fn no_text_is_an_error(text in "[\\PC\"“”]{0,60}") {
            let query = QueryWords::parse(&text);
            prop_assert!(query.phrases.iter().all(|phrase| !phrase.is_empty()));
            prop_assert!(query.phrases.iter().flatten().all(|(_, stem)| query.stems.contains(stem)));
        }
    }
}
