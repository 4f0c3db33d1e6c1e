//! What requests and responses look like; the command line prints the same.

use std::collections::BTreeSet;

use index::{FacetCounts, Filter, Mode, SearchQuery, Sort};
use paper::{Paper, SourceName};
use serde::{Deserialize, Serialize};

use super::cursor;
use crate::library::{Found, FoundPapers};

/// The most hits of one page.
pub const MOST_HITS: usize = 100;
/// Queries are words to look for, not documents.
pub const LONGEST_QUERY: usize = 4_000;

/// Which papers, as a request says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// Published in this year or later.
    pub year_from: Option<i16>,
    /// Published in this year or earlier.
    pub year_to: Option<i16>,
    /// Authors, any of them.
    pub author: OneOrMany,
    /// Venues, any of them.
    pub venue: OneOrMany,
    /// Categories, any of them.
    pub category: OneOrMany,
    /// Sources, any of them.
    pub source: OneOrMany,
}

/// One text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Any number.
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

impl Filters {
    /// The filter that the index takes.
    ///
    /// # Errors
    /// A sentence for the user when a source is unknown or the years are the wrong way round.
    pub fn into_filter(self) -> Result<Filter, String> {
        if let (Some(from), Some(to)) = (self.year_from, self.year_to)
            && from > to
        {
            return Err(format!("year_from {from} is after year_to {to}"));
        }
        let sources: Result<Vec<SourceName>, _> = self.source.into_vec().iter().map(|source| source.parse()).collect();
        Ok(Filter {
            year_from: self.year_from,
            year_to: self.year_to,
            authors: self.author.into_vec(),
            venues: self.venue.into_vec(),
            categories: self.category.into_vec(),
            sources: sources.map_err(|error| error.to_string())?,
        })
    }
}

/// A search, as a request says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchRequest {
    /// What to look for, as [`index::syntax`] reads it.
    pub q: Option<String>,
    /// `hybrid`, `lexical` or `dense`.
    pub mode: Option<String>,
    /// `relevance`, `date` or `citations`.
    pub sort: Option<String>,
    /// Whether to count what the papers found are.
    pub facets: bool,
    /// Hits a page, 1 to 100.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// Which papers.
    #[serde(flatten)]
    pub filters: Filters,
}

const NAMES: &str = "q, mode, sort, facets, limit, cursor, year_from, year_to, author, venue, category, source";

impl SearchRequest {
    /// Reads the pairs of a query string; a list's name comes once for each of its items.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, String> {
        let mut request = Self::default();
        let mut seen = BTreeSet::new();
        for (name, value) in pairs {
            let list = match name.as_str() {
                "author" => Some(&mut request.filters.author),
                "venue" => Some(&mut request.filters.venue),
                "category" => Some(&mut request.filters.category),
                "source" => Some(&mut request.filters.source),
                _ => None,
            };
            if let Some(OneOrMany::Many(list)) = list {
                list.push(value);
                continue;
            }
            if !seen.insert(name.clone()) {
                return Err(format!("`{name}` is given twice"));
            }
            match name.as_str() {
                "q" => request.q = Some(value),
                "mode" => request.mode = Some(value),
                "sort" => request.sort = Some(value),
                "facets" => request.facets = flag(&name, &value)?,
                "cursor" => request.cursor = Some(value),
                "limit" => request.limit = Some(number(&name, &value)?),
                "year_from" => request.filters.year_from = Some(number(&name, &value)?),
                "year_to" => request.filters.year_to = Some(number(&name, &value)?),
                _ => return Err(format!("unknown parameter `{name}`; there are {NAMES}")),
            }
        }
        Ok(request)
    }

    /// The query that the index takes.
    ///
    /// # Errors
    /// A sentence for the user: an empty or endless query, a limit out of range, a cursor of another search.
    pub fn into_query(self) -> Result<SearchQuery, String> {
        let text = self.q.unwrap_or_default().trim().to_owned();
        let length = text.chars().count();
        if length > LONGEST_QUERY {
            return Err(format!("the query has {length} characters; the most is {LONGEST_QUERY}"));
        }
        let limit = self.limit.unwrap_or(10);
        if !(1..=MOST_HITS).contains(&limit) {
            return Err(format!("`limit` is {limit}, but must be from 1 to {MOST_HITS}; page on with `cursor`"));
        }
        let mode: Mode = self.mode.map_or(Ok(Mode::Hybrid), |mode| mode.parse()).map_err(|error| error.to_string())?;
        let sort: Sort =
            self.sort.map_or(Ok(Sort::Relevance), |sort| sort.parse()).map_err(|error| error.to_string())?;
        let (filter, facets) = (self.filters.into_filter()?, self.facets);
        if text.is_empty() && filter.is_empty() {
            return Err("the query is empty: `q` says what to look for".to_owned());
        }
        let mut query = SearchQuery { mode, filter, sort, limit, facets, ..SearchQuery::new(text) };
        if let Some(cursor) = self.cursor {
            let place = cursor::read(&cursor, &query).ok_or("`cursor` is not one that this search has given")?;
            query.after = Some(place);
        }
        Ok(query)
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|_| format!("`{name}` is `{value}`, but must be a whole number"))
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    value.trim().parse().map_err(|_| format!("`{name}` is `{value}`, but must be true or false"))
}

/// A page of hits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SearchResponse {
    /// Best first.
    pub hits: Vec<HitResponse>,
    /// How many papers were found. By relevance those that were looked at closely, more as one pages on; in any other
    /// order all.
    pub total: usize,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// Milliseconds.
    pub took_ms: f64,
    /// The mode that was used.
    pub mode: Mode,
    /// What the reader should know about how it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// What the papers found are, when `facets` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facets: Option<FacetCounts>,
}

/// One hit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HitResponse {
    /// The paper.
    pub paper: Paper,
    /// Its best passage.
    pub passage: PassageResponse,
    /// What hits are ordered by.
    pub score: f32,
    /// The scores of both arms.
    pub scores: index::ArmScores,
    /// Whether the query names this paper, by its title or an identifier.
    pub exact: bool,
    /// Where words of the query occur in the passage's text, in Unicode characters.
    pub highlights: Vec<(usize, usize)>,
}

/// The passage of a hit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PassageResponse {
    /// Its id.
    pub id: index::PassageId,
    /// Its text.
    pub text: String,
    /// The section it is of.
    pub section: index::Section,
    /// Where it begins in the section's text, in Unicode characters.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
}

impl SearchResponse {
    /// The page that `query` found; without a query (similar papers) there is no next page.
    #[must_use]
    pub fn new(found: FoundPapers, query: Option<&SearchQuery>) -> Self {
        let next = query.zip(found.next).map(|(query, place)| cursor::write(query, &place));
        let hits = found.hits.into_iter().map(HitResponse::from).collect();
        let (total, took_ms, mode) = (found.total, found.took_ms, found.mode);
        Self { hits, total, next, took_ms, mode, notice: found.notice, facets: found.facets }
    }
}

impl From<Found> for HitResponse {
    fn from(found: Found) -> Self {
        let Found { hit, paper } = found;
        let passage = hit.passage;
        let passage = PassageResponse {
            id: passage.id,
            text: passage.text,
            section: passage.section,
            start: passage.start,
            end: passage.end,
        };
        let (score, scores, exact) = (hit.score, hit.scores, hit.exact);
        Self { paper, passage, score, scores, exact, highlights: hit.highlights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&str, &str)]) -> Result<SearchQuery, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        SearchRequest::from_pairs(pairs).and_then(SearchRequest::into_query)
    }

    #[test]
    fn a_query_string_and_a_body_say_the_same() {
        let pairs = [
            ("q", "cats"),
            ("mode", "dense"),
            ("sort", "citations"),
            ("facets", "true"),
            ("limit", "5"),
            ("author", "He"),
            ("author", "Li"),
            ("year_from", "2015"),
        ];
        let body = r#"{"q": "cats", "mode": "dense", "sort": "citations", "facets": true, "limit": 5,
            "author": ["He", "Li"], "year_from": 2015}"#;
        let from_body: SearchRequest = serde_json::from_str(body).unwrap();
        assert_eq!(request(&pairs).unwrap(), from_body.into_query().unwrap());
        assert_eq!(request(&pairs).unwrap().filter.authors, ["He", "Li"]);
    }

    #[test]
    fn each_fault_is_said_in_a_sentence() {
        for (pairs, message) in [
            (vec![], "the query is empty: `q` says"),
            (vec![("q", "  ")], "the query is empty: `q` says"),
            (vec![("q", "x"), ("limit", "0")], "`limit` is 0, but must be from 1 to 100"),
            (vec![("q", "x"), ("limit", "1000000")], "`limit` is 1000000, but must be from 1 to 100"),
            (vec![("q", "x"), ("limit", "-1")], "`limit` is `-1`, but must be a whole number"),
            (vec![("q", "x"), ("mode", "fuzzy")], "`fuzzy` is not a search mode"),
            (vec![("q", "x"), ("colour", "red")], "unknown parameter `colour`"),
            (vec![("q", "x"), ("q", "y")], "`q` is given twice"),
            (vec![("q", "x"), ("source", "pubmed")], "`pubmed` is not a source"),
            (vec![("q", "x"), ("year_from", "2020"), ("year_to", "2010")], "year_from 2020 is after year_to 2010"),
            (vec![("q", "x"), ("sort", "size")], "`size` is not an order of hits: relevance, date or citations"),
            (vec![("q", "x"), ("facets", "yes")], "`facets` is `yes`, but must be true or false"),
            (vec![("q", "x"), ("cursor", "a.00000000")], "`cursor` is not one that this search has given"),
        ] {
            let error = request(&pairs).unwrap_err();
            assert!(error.contains(message), "{pairs:?}: {error}");
        }
        let long = "x ".repeat(50_000);
        assert!(request(&[("q", &long)]).unwrap_err().starts_with("the query has 99999 characters"));
        assert!(serde_json::from_str::<SearchRequest>(r#"{"q": "x", "colour": "red"}"#).is_err());
    }
}
