use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;

use paper::PaperId;

use super::HybridIndex;
use super::rank::{Ranked, Search};
use crate::filter::Conditions;
use crate::fusion::DENSE_WEIGHT;
use crate::lexical::{Candidate, Listed, QueryWords, Respelled, stands_behind};
use crate::syntax::Typed;
use crate::threads::{on_one_thread, searches};
use crate::{ArmScores, FacetCounts, IndexError, Mode, Place, SearchHit, SearchQuery, SearchResults, Sort};

/// Papers that a search by relevance shows at most, page by page; what comes after is far from what was asked.
pub const MOST_SHOWN: usize = 1_000;
/// How many hits a reranker reads. It takes as long for each as embedding it.
const RERANKED: usize = 20;

/// A search under way.
pub type Searching = Pin<Box<dyn Future<Output = Result<SearchResults, IndexError>>>>;

/// What a search found before a page is cut of it.
pub(super) struct Found {
    ranked: Ranked,
    mode: Mode,
    notice: Option<String>,
}

impl Found {
    /// Of each paper the best passage.
    pub(super) fn new(mut ranked: Ranked, mode: Mode, notice: Option<String>) -> Self {
        let mut seen = HashSet::new();
        ranked.retain(|(candidate, ..)| seen.insert(candidate.paper));
        Self { ranked, mode, notice }
    }
}

impl HybridIndex {
    /// Searches.
    ///
    /// A text that is the title of a paper finds it first. When the dense arm fails, a server that is down for one,
    /// words alone are searched and the results say so, as they say why nothing is found.
    ///
    /// # Errors
    /// When the lexical arm cannot be read; no query is an error.
    pub async fn search(&self, query: SearchQuery) -> Result<SearchResults, IndexError> {
        self.search_around(query, |search| search).await
    }

    /// The same with something put around the search, such as what belongs to the task of whoever asks: it runs on a thread of its
    /// own, from its beginning to its end.
    ///
    /// # Errors
    /// As [`HybridIndex::search`].
    pub async fn search_around(
        &self,
        query: SearchQuery,
        around: impl FnOnce(Searching) -> Searching + Send + 'static,
    ) -> Result<SearchResults, IndexError> {
        searches();
        let (index, place) = (self.clone(), self.place().await?);
        on_one_thread(async move || {
            let _place = place;
            around(Box::pin(async move { index.found(query).await })).await
        })
        .await
    }

    async fn found(&self, query: SearchQuery) -> Result<SearchResults, IndexError> {
        let typed = if query.plain { Typed::plain(&query.text) } else { Typed::parse(&query.text) };
        if typed.words.is_empty() && typed.clauses.is_empty() && query.filter.is_empty() {
            let notice = Some("The query is empty.".to_owned());
            return Ok(SearchResults { mode: query.mode, notice, ..SearchResults::default() });
        }
        let conditions = Conditions::of(&query.filter).and(&typed.clauses);
        let snapshot = self.shared.lexical.snapshot();
        let mut words = QueryWords::of(&typed);
        // Whoever asks a question looks for an answer, and an answer about another word is none. In a long text the other
        // words say what is meant.
        let respelled = if query.plain || typed.is_prose() { Vec::new() } else { snapshot.respell(&mut words)? };
        let mut notes = typed.notes.clone();
        let search =
            Search { snapshot, words: Arc::new(words), conditions, depth: 0, dense_weight: query.dense_weight };
        let by_relevance = query.sort == Sort::Relevance && !typed.words.is_empty();
        let mut results = if by_relevance {
            self.by_relevance(search.clone(), &typed, &query).await?
        } else {
            in_order(&search, &query)?
        };
        if results.mode != Mode::Dense {
            notes.extend(respelled.iter().map(told));
        }
        if results.hits.is_empty() && query.after.is_none() {
            notes.push(search.why_nothing(&typed, &query.filter, results.mode)?);
        }
        notes.extend(results.notice.take());
        results.notice = (!notes.is_empty()).then(|| notes.join(" "));
        Ok(results)
    }

    /// The best papers, those that were shown left out.
    async fn by_relevance(
        &self,
        mut search: Search,
        typed: &Typed,
        query: &SearchQuery,
    ) -> Result<SearchResults, IndexError> {
        let shown: HashSet<u32> = match &query.after {
            Some(Place::Shown(marks)) => marks.iter().copied().collect(),
            _ => HashSet::new(),
        };
        let room = MOST_SHOWN.saturating_sub(shown.len());
        let limit = query.limit.min(room);
        search.depth = super::rank::depth(shown.len().saturating_add(limit));
        let found = self.rank(&search, typed.words.clone(), query.mode).await?;
        // Those that it reads have been shown when one has paged beyond them.
        let found = if shown.len() < RERANKED { self.reranked(&search, found, &typed.words)? } else { found };
        let exact = if query.plain { Vec::new() } else { search.titled(&query.text)? };
        let ranked = with_first(found.ranked, &exact);
        let total = ranked.len();
        let candidates: Vec<Candidate> = ranked.iter().map(|(at, ..)| *at).collect();
        let mut left = ranked.into_iter().filter(|(at, ..)| !shown.contains(&mark(at.paper)));
        let page: Ranked = left.by_ref().take(limit).collect();
        let more = left.next().is_some() && shown.len() + page.len() < MOST_SHOWN;
        let mut marks: Vec<u32> = shown.into_iter().chain(page.iter().map(|(at, ..)| mark(at.paper))).collect();
        marks.sort_unstable();
        let next = (more && !page.is_empty()).then_some(Place::Shown(marks));
        let facets = search.facets(query.facets, &candidates)?;
        let hits = search.hits(page, &exact)?;
        Ok(SearchResults { hits, total, next, mode: found.mode, notice: found.notice, facets })
    }

    /// What a hybrid search found, the best in the order of the reranker, if there is one. Each takes the score of the
    /// place that it comes to, so that those behind stay behind.
    fn reranked(&self, search: &Search, mut found: Found, text: &str) -> Result<Found, IndexError> {
        let Some(reranker) = self.reranker.as_ref().filter(|_| found.mode == Mode::Hybrid) else { return Ok(found) };
        let best = found.ranked.iter().take(RERANKED);
        let passages = best.clone().map(|(at, ..)| Ok(search.snapshot.passage_at(at.address)?.text));
        let passages: Vec<String> = passages.collect::<Result<_, IndexError>>()?;
        let read = match reranker.scores(text, &passages) {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(%error, model = reranker.name(), "the reranker failed, hits stay in the order that they had");
                found.notice = Some("The reranker failed, so hits are in the order without it.".to_owned());
                return Ok(found);
            }
        };
        let places: Vec<f32> = best.clone().map(|(_, score, _)| *score).collect();
        let mut read: Vec<_> = best.copied().zip(read).collect();
        // Stable, so that of those it likes as well the better ones by both arms come first.
        read.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        for ((slot, place), ((at, _, arms), _)) in found.ranked.iter_mut().zip(places).zip(read) {
            *slot = (at, place, arms);
        }
        Ok(found)
    }

    /// The papers closest to a paper, itself left out: by their vectors, or without vectors by the
    /// rarest words of its passages. Nothing for a paper that the index does not have.
    ///
    /// When the vectors cannot be asked, words are, as in [`HybridIndex::search`].
    ///
    /// # Errors
    /// When the lexical arm cannot be read.
    pub async fn similar(&self, paper: PaperId, limit: usize) -> Result<SearchResults, IndexError> {
        searches();
        let (index, place) = (self.clone(), self.place().await?);
        on_one_thread(async move || {
            let _place = place;
            index.alike(paper, limit).await
        })
        .await
    }

    async fn alike(&self, paper: PaperId, limit: usize) -> Result<SearchResults, IndexError> {
        let snapshot = self.shared.lexical.snapshot();
        let passages = snapshot.passages_of(paper)?;
        let text = passages.iter().map(|passage| passage.text.as_str()).collect::<Vec<_>>().join(" ");
        let mut search = Search {
            snapshot,
            words: Arc::new(QueryWords::of(&Typed::plain(&text))),
            conditions: Conditions::default(),
            depth: super::rank::depth(limit.saturating_add(passages.len())),
            dense_weight: DENSE_WEIGHT,
        };
        let found = self.rank_alike(&search, &passages).await?;
        let mut ranked = found.ranked;
        ranked.retain(|(candidate, ..)| candidate.paper != paper);
        let total = ranked.len();
        ranked.truncate(limit);
        // What two papers have in common is no answer to a query that could be highlighted.
        search.words = Arc::default();
        let hits = search.hits(ranked, &[])?;
        Ok(SearchResults { hits, total, mode: found.mode, notice: found.notice, ..SearchResults::default() })
    }
}

/// All papers that have the words and fulfil the conditions, in order of a value.
fn in_order(search: &Search, query: &SearchQuery) -> Result<SearchResults, IndexError> {
    let sort = if query.sort == Sort::Relevance { Sort::Date } else { query.sort };
    let listed = search.snapshot.list(&search.words, &search.conditions, sort)?;
    let total = listed.len();
    let candidates: Vec<Candidate> = listed.iter().map(|listed| listed.at).collect();
    let behind = |listed: &Listed| match query.after {
        Some(Place::Behind { value, paper }) => stands_behind(listed, value, paper),
        _ => true,
    };
    let from = listed.partition_point(|listed| !behind(listed));
    let mut left = listed.into_iter().skip(from);
    let page: Vec<Listed> = left.by_ref().take(query.limit).collect();
    let last = page.last().filter(|_| left.next().is_some());
    let next = last.map(|last| Place::Behind { value: last.value, paper: last.at.paper });
    let scored = |listed: Listed| (listed.at, 0.0, ArmScores::default());
    let facets = search.facets(query.facets, &candidates)?;
    let hits = search.hits(page.into_iter().map(scored).collect(), &[])?;
    Ok(SearchResults { hits, total, next, mode: Mode::Lexical, notice: None, facets })
}

impl Search {
    /// The papers of a title for which the conditions hold.
    fn titled(&self, text: &str) -> Result<Vec<Candidate>, IndexError> {
        let found = self.snapshot.titled(text)?;
        self.snapshot.demanded(&QueryWords::default(), &self.conditions, found)
    }

    fn facets(&self, wanted: bool, papers: &[Candidate]) -> Result<Option<FacetCounts>, IndexError> {
        wanted.then(|| self.snapshot.count_facets(papers)).transpose()
    }

    /// The hits of a page, read.
    fn hits(&self, page: Ranked, exact: &[Candidate]) -> Result<Vec<SearchHit>, IndexError> {
        let mut highlighter = self.words.highlighter();
        let hit = |(at, score, scores): (Candidate, f32, ArmScores)| {
            let passage = self.snapshot.passage_at(at.address)?;
            let highlights = highlighter.highlights(&passage.text);
            let exact = exact.iter().any(|exact| exact.paper == at.paper);
            Ok(SearchHit { paper: at.paper, passage, score, scores, exact, highlights })
        };
        page.into_iter().map(hit).collect()
    }
}

/// The papers of the title that was typed, before all others and with no lower a score.
fn with_first(ranked: Ranked, exact: &[Candidate]) -> Ranked {
    if exact.is_empty() {
        return ranked;
    }
    let best = ranked.first().map_or(1.0, |(_, score, _)| *score);
    let is_exact = |paper: PaperId| exact.iter().any(|at| at.paper == paper);
    let found = |at: &Candidate| ranked.iter().find(|(other, ..)| other.paper == at.paper);
    let first =
        exact.iter().map(|at| found(at).map_or((*at, best, ArmScores::default()), |(at, _, arms)| (*at, best, *arms)));
    let mut all: Ranked = first.collect();
    all.extend(ranked.iter().filter(|(at, ..)| !is_exact(at.paper)));
    all
}

/// What of a paper's id is kept to know that it was shown.
fn mark(paper: PaperId) -> u32 {
    let (_, low) = paper.as_uuid().as_u64_pair();
    // The end of an id is random whatever its version, the beginning may be a time.
    u32::try_from(low & u64::from(u32::MAX)).unwrap_or_default()
}

fn told(Respelled { typed, meant }: &Respelled) -> String {
    format!("`{typed}` occurs in no paper; `{meant}` was searched instead.")
}
