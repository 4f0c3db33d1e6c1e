use std::collections::HashSet;
use std::ops::Bound;

use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery,
};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, Term};

use super::analyzer::{self, Highlighter};
use super::schema::Fields;
use crate::filter::{Conditions, Years};
use crate::syntax::{Asks, Typed};

/// Words of a query beyond these are not read.
pub(super) const MAX_WORDS: usize = 512;
/// Of its different words the rarest are searched for.
const MAX_TERMS: usize = 64;
/// What a word in the title counts beside the same word in title and text.
pub(super) const TITLE_BOOST: f32 = 0.5;

/// What a query asks of the words of a passage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueryWords {
    /// The different words, in their order: what passages are scored by.
    words: Vec<QueryWord>,
    /// What must occur.
    required: Vec<Phrase>,
    /// What must not occur.
    without: Vec<Phrase>,
}

/// A word to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueryWord {
    pub(super) stem: String,
    /// As it stands in the query.
    pub(super) typed: String,
}

/// Stems with their places: words that follow each other, or a single one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Phrase {
    /// Whether the title must have them, and not only title or text.
    in_title: bool,
    stems: Vec<(usize, String)>,
}

impl Phrase {
    /// None of a text that is only stop words, by which nothing can be told apart.
    fn of(text: &str, in_title: bool) -> Option<Self> {
        let words = analyzer::words(text, MAX_WORDS);
        let stems: Vec<_> = words.into_iter().map(|word| (word.position, word.stem)).collect();
        (!stems.is_empty()).then_some(Self { in_title, stems })
    }

    fn query(&self, fields: Fields) -> Box<dyn Query> {
        let field = if self.in_title { fields.title } else { fields.body };
        let term = |stem: &String| Term::from_field_text(field, stem);
        match self.stems.as_slice() {
            [(_, stem)] => Box::new(TermQuery::new(term(stem), IndexRecordOption::Basic)),
            many => Box::new(PhraseQuery::new_with_offset(many.iter().map(|(at, stem)| (*at, term(stem))).collect())),
        }
    }
}

impl QueryWords {
    /// What a typed text asks for.
    pub(crate) fn of(typed: &Typed) -> Self {
        let mut seen = HashSet::new();
        let words = analyzer::words(&typed.words, MAX_WORDS).into_iter();
        let words = words.filter(|word| seen.insert(word.stem.clone())).map(|word| {
            let typed = typed.words.get(word.bytes).unwrap_or_default().to_owned();
            QueryWord { stem: word.stem, typed }
        });
        let mut query = Self { words: words.collect(), ..Self::default() };
        query.required.extend(typed.phrases.iter().filter_map(|phrase| Phrase::of(phrase, false)));
        for clause in &typed.clauses {
            let phrase = match &clause.asks {
                Asks::Text(words) => Phrase::of(words, false),
                Asks::Title(words) => Phrase::of(words, true),
                _ => None,
            };
            if clause.negated { &mut query.without } else { &mut query.required }.extend(phrase);
        }
        query
    }

    /// Whether a passage is found only if it has, or lacks, certain words.
    pub(crate) fn are_demanding(&self) -> bool {
        !(self.required.is_empty() && self.without.is_empty())
    }

    /// Whether there is no word to score by.
    pub(crate) fn are_none(&self) -> bool {
        self.words.is_empty()
    }

    /// The words.
    pub(super) fn words(&self) -> &[QueryWord] {
        &self.words
    }

    /// The words, to look closer at them.
    pub(super) fn words_mut(&mut self) -> &mut [QueryWord] {
        &mut self.words
    }

    /// What finds the words in a text.
    pub(crate) fn highlighter(&self) -> Highlighter {
        Highlighter::new(self.words.iter().map(|word| word.stem.clone()).collect())
    }

    /// The stems that passages are scored by: the rarest of those that any has.
    pub(super) fn rarest(&self, fields: Fields, searcher: &Searcher) -> tantivy::Result<Vec<&str>> {
        let mut known = Vec::new();
        for word in &self.words {
            let frequency = searcher.doc_freq(&Term::from_field_text(fields.body, &word.stem))?;
            if frequency > 0 {
                known.push((frequency, word.stem.as_str()));
            }
        }
        // Stable, so that of equally rare words the first are taken.
        known.sort_by_key(|(frequency, _)| *frequency);
        Ok(known.into_iter().take(MAX_TERMS).map(|(_, stem)| stem).collect())
    }

    /// The queries whose scores add up to a passage's BM25: each stem in the body, and in the title
    /// for less. Stems that no passage has are left out.
    fn scored(&self, fields: Fields, searcher: &Searcher) -> tantivy::Result<Vec<Box<dyn Query>>> {
        let mut queries: Vec<Box<dyn Query>> = Vec::new();
        for stem in self.rarest(fields, searcher)? {
            let term = |field| TermQuery::new(Term::from_field_text(field, stem), IndexRecordOption::WithFreqs);
            queries.push(Box::new(term(fields.body)));
            queries.push(Box::new(BoostQuery::new(Box::new(term(fields.title)), TITLE_BOOST)));
        }
        Ok(queries)
    }

    /// The whole query; none when nothing can match, for no passage has any of the words.
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
        let words = BooleanQuery::union(scored);
        let mut clauses = self.clauses(fields, conditions);
        if clauses.is_empty() {
            // Left as a plain union, which tantivy prunes by block maxima.
            return Ok(Some(words));
        }
        clauses.push((Occur::Must, Box::new(words)));
        Ok(Some(BooleanQuery::new(clauses)))
    }

    /// What passages are listed by, their words not weighed: of up to three words all must be there, of more three
    /// quarters. None when there is nothing to list by.
    pub(super) fn having(&self, fields: Fields, conditions: &Conditions) -> Option<BooleanQuery> {
        let mut clauses = self.clauses(fields, conditions);
        if clauses.is_empty() && self.are_none() {
            return None;
        }
        let term = |word: &QueryWord| -> Box<dyn Query> {
            Box::new(TermQuery::new(Term::from_field_text(fields.body, &word.stem), IndexRecordOption::Basic))
        };
        let words: Box<dyn Query> = if self.are_none() {
            Box::new(AllQuery)
        } else {
            let least = if self.words.len() > 3 { self.words.len() * 3 / 4 } else { self.words.len() };
            let words = self.words.iter().map(|word| (Occur::Should, term(word))).collect();
            Box::new(BooleanQuery::with_minimum_required_clauses(words, least))
        };
        clauses.push((Occur::Must, unscored(words)));
        Some(BooleanQuery::new(clauses))
    }

    /// What passages are held against, whatever their words are worth.
    pub(super) fn demands(&self, fields: Fields, conditions: &Conditions) -> BooleanQuery {
        let mut clauses = self.clauses(fields, conditions);
        clauses.push((Occur::Must, unscored(Box::new(AllQuery))));
        BooleanQuery::new(clauses)
    }

    fn clauses(&self, fields: Fields, conditions: &Conditions) -> Vec<(Occur, Box<dyn Query>)> {
        let queries = |phrases: &[Phrase]| phrases.iter().map(|phrase| phrase.query(fields)).collect::<Vec<_>>();
        // The body has the title's words too.
        let must = queries(&self.required).into_iter().chain(filters(fields, conditions));
        let not = queries(&self.without).into_iter().chain(excluded(fields, conditions));
        let must = must.map(|query| (Occur::Must, unscored(query)));
        must.chain(not.map(|query| (Occur::MustNot, query))).collect()
    }
}

/// The conditions that must hold, each a query.
fn filters(fields: Fields, conditions: &Conditions) -> Vec<Box<dyn Query>> {
    let any = |group: &Vec<Vec<String>>| -> Box<dyn Query> {
        Box::new(BooleanQuery::union(group.iter().map(|tags| all_of(fields, tags)).collect()))
    };
    let years = conditions.years.iter().map(|years| within(fields, years));
    conditions.groups.iter().map(any).chain(years).collect()
}

/// The conditions that must not hold, each a query.
fn excluded(fields: Fields, conditions: &Conditions) -> Vec<Box<dyn Query>> {
    let years = conditions.other_years.iter().map(|years| within(fields, years));
    conditions.without.iter().map(|tags| all_of(fields, tags)).chain(years).collect()
}

fn all_of(fields: Fields, tags: &[String]) -> Box<dyn Query> {
    let tag = |tag: &String| -> Box<dyn Query> {
        Box::new(TermQuery::new(Term::from_field_text(fields.tags, tag), IndexRecordOption::Basic))
    };
    Box::new(BooleanQuery::intersection(tags.iter().map(tag).collect()))
}

fn within(fields: Fields, years: &Years) -> Box<dyn Query> {
    let bound = |year: Option<i16>| {
        let term = year.map(|year| Term::from_field_i64(fields.year, i64::from(year)));
        term.map_or(Bound::Unbounded, Bound::Included)
    };
    Box::new(RangeQuery::new(bound(years.from), bound(years.to)))
}

fn unscored(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> QueryWords {
        QueryWords::of(&Typed::parse(text))
    }

    fn phrase(in_title: bool, words: &[(usize, &str)]) -> Phrase {
        Phrase { in_title, stems: words.iter().map(|(at, stem)| (*at, (*stem).to_owned())).collect() }
    }

    #[test]
    fn words_are_kept_once_and_what_is_demanded_beside_them() {
        let query = parse("networks of \"theory of the firm\" network ti:graphs -survey -ti:\"a review\"");
        let words: Vec<_> = query.words.iter().map(|word| (word.stem.as_str(), word.typed.as_str())).collect();
        assert_eq!(words, [("network", "networks"), ("theori", "theory"), ("firm", "firm"), ("graph", "graphs")]);
        assert_eq!(query.required, [phrase(false, &[(0, "theori"), (3, "firm")]), phrase(true, &[(0, "graph")])]);
        assert_eq!(query.without, [phrase(false, &[(0, "survey")]), phrase(true, &[(1, "review")])]);
    }

    #[test]
    fn stop_words_alone_demand_nothing() {
        assert!(!parse("\"of the\" disk -the").are_demanding());
        assert!(parse("the of").are_none() && !parse("disk").are_none());
    }

    #[test]
    fn only_the_first_words_of_a_huge_text_are_read() {
        let text: String = (0..20_000).map(|n| format!("word{n} ")).collect();
        assert_eq!(parse(&text).words.len(), MAX_WORDS);
    }

    proptest! {
        #[test]
        fn no_text_is_an_error(text in "[\\PC\"“”-]{0,60}") {
            let query = parse(&text);
            prop_assert!(query.required.iter().chain(&query.without).all(|phrase| !phrase.stems.is_empty()));
            let demanded = query.required.iter().flat_map(|phrase| &phrase.stems);
            prop_assert!(demanded.into_iter().all(|(_, stem)| query.words.iter().any(|word| word.stem == *stem)));
        }
    }
}
