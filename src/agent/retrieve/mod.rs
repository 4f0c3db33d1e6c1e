//! The third step of the walk: search for all that the plan names, judge what was found, and search again for what is
//! missing, a few times at most.

mod judge;
mod related;

use std::collections::{HashMap, HashSet};

use futures::future::try_join_all;
use index::{HybridIndex, Mode, PassageId, SearchHit, SearchQuery};
use paper::{Paper, PaperId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::event::EventLog;
use super::evidence::{Evidence, Vectors, can_be_cited, cosine, embed, gather};
use super::memory::Memory;
use super::plan::Plan;
use super::purse::Purse;
use super::run::Run;
use super::words::{content_stems, content_words, coverage};
use super::{AgentError, Question, Settings};
use crate::library::{Found, Library, LibraryError};
use crate::llm::Prices;
use crate::telemetry::{conventions, trace};

/// How many papers each search gives.
const HITS: usize = 10;
/// How many passages are looked at closely, for a plan of one query and for more.
const LOOKED_AT: usize = 10;
const LOOKED_AT_FOR_SEVERAL: usize = 18;
/// The constant of reciprocal rank fusion, as in the paper that gave it its name (Cormack, Clarke and Büttcher 2009).
const RANK_CONSTANT: f32 = 60.0;
/// With so much relevance of some passage a query is covered, with a model and by words alone.
const COVERED: f32 = 0.45;
const COVERED_BY_WORDS: f32 = 0.6;
/// Of two passages of different papers whose best sentences come this close one is left out.
const REDUNDANT: f32 = 0.97;
/// The most passages of one paper.
const MOST_OF_A_PAPER: usize = 3;

/// What a question is answered from.
pub(super) struct Retrieved {
    /// Numbered from 1, in an order that does not depend on the question.
    pub evidence: Vec<Evidence>,
    /// Of the model that belongs to the index that was searched, to the end of the answer.
    pub vectors: Vectors,
    /// What was searched for.
    pub searched: Vec<String>,
    /// What the reader should know about the search.
    pub notice: Option<String>,
}

/// The same as it is kept: the passages as they were numbered.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Number, relevance and passage.
    passages: Vec<(usize, f32, SearchHit)>,
    searched: Vec<String>,
    notice: Option<String>,
}

/// The name of this step in a run.
const STEP: &str = "evidence";

/// Who looks where.
pub(super) struct Seeker<'a> {
    pub library: &'a Library,
    pub prices: &'a Prices,
    pub settings: &'a Settings,
    pub memory: &'a Memory,
    /// Who pays for a model's judgement, where one is wanted.
    pub judge: Option<&'a Purse<'a>>,
    pub log: &'a EventLog,
}

/// A passage that was found, with how it ranked over all searches.
struct Candidate {
    hit: SearchHit,
    paper: Paper,
    score: f32,
}

/// Passages that were found, by their place in the order of finding, and their sentences once they were looked at.
#[derive(Default)]
struct Pool {
    found: HashMap<PassageId, Candidate>,
    seen: HashMap<PassageId, Evidence>,
    searched: Vec<String>,
    notice: Option<String>,
    /// Whether the papers were named by whoever asks: then all that they say is looked at.
    named: bool,
    /// The papers whose relatives were looked for.
    led_on: HashSet<PaperId>,
    /// What a model says of them.
    ratings: judge::Ratings,
}

impl Seeker<'_> {
    /// Finds the evidence for a plan, or takes it up as it was found before the run was cut off.
    pub async fn retrieve(&self, run: &Run, question: &Question, plan: &Plan) -> Result<Retrieved, AgentError> {
        let index = self.library.index();
        let vectors = Vectors::of_index(index.clone(), self.memory);
        if let Some(kept) = run.outcome::<Kept>(STEP)? {
            return self.taken_up(kept, vectors).await;
        }
        let mut pool = Pool::default();
        let of_plan: Vec<(String, Mode)> = plan.queries.iter().map(|query| (query.clone(), Mode::Hybrid)).collect();
        if question.papers.is_empty() {
            self.search(&index, plan, of_plan, &mut pool).await?;
        } else {
            self.named(&index, question, &mut pool).await?;
            pool.searched.push(plan.question.clone());
            pool.named = true;
        }
        let lifted = self.without_demands(&index, question, plan, &mut pool).await?;
        // Where the demands were lifted they stay so.
        let bare = Plan { filter: question.filter.clone(), ..plan.clone() };
        let plan = if lifted.is_some() { &bare } else { plan };
        let mut round = 1;
        let mut relevances = self.judge((run, round), plan, &vectors, &mut pool).await?;
        while question.papers.is_empty() && round < self.settings.rounds {
            let missing = missing(plan, &relevances, &pool);
            if missing.is_empty() {
                break;
            }
            let known = pool.found.len();
            let more: Vec<(String, Mode)> = missing.iter().filter_map(|query| keywords(query)).collect();
            let more = more.into_iter().filter(|(query, _)| !pool.searched.contains(query)).collect::<Vec<_>>();
            let searched_more = !more.is_empty();
            self.search(&index, plan, more, &mut pool).await?;
            self.relatives(&index, plan, &missing, &relevances, &mut pool).await?;
            if !searched_more && pool.found.len() == known {
                break;
            }
            round += 1;
            relevances = self.judge((run, round), plan, &vectors, &mut pool).await?;
        }
        let notice = super::notice::joined([pool.notice.take(), lifted]);
        let searched = std::mem::take(&mut pool.searched);
        let evidence = self.chosen(&relevances, pool);
        let passages = evidence.iter().map(|e| (e.n, e.relevance, e.hit.clone())).collect();
        let kept = Kept { passages, searched, notice };
        run.finish(STEP, &kept)?;
        self.tell(&evidence);
        let Kept { searched, notice, .. } = kept;
        Ok(Retrieved { evidence, vectors, searched, notice })
    }

    async fn search(
        &self,
        index: &HybridIndex,
        plan: &Plan,
        queries: Vec<(String, Mode)>,
        pool: &mut Pool,
    ) -> Result<(), AgentError> {
        let searches = queries.iter().map(|(text, mode)| {
            let question = SearchQuery::question(text.clone());
            let dense_weight = self.settings.dense_weight;
            let query = SearchQuery { mode: *mode, filter: plan.filter.clone(), limit: HITS, dense_weight, ..question };
            trace::within("retrieval library", async move {
                trace::note(conventions::OPERATION, "retrieval");
                trace::note(conventions::DATA_SOURCE, "library");
                trace::note(conventions::TOP_K, HITS);
                let found = self.library.search_in(index, query).await.inspect_err(|_| trace::fail("library"))?;
                trace::note("lectern.search.mode", found.mode.as_str());
                trace::note("lectern.search.hits", found.hits.len());
                trace::note("lectern.search.total", found.total);
                trace::note_text(conventions::QUERY, || text.clone());
                Ok::<_, LibraryError>(found)
            })
        });
        for ((text, _), found) in queries.iter().zip(try_join_all(searches).await?) {
            self.log.add(
                "search",
                &json!({"query": text, "hits": found.hits.len(), "total": found.total, "mode": found.mode,
                    "took_ms": found.took_ms, "notice": found.notice}),
            );
            if !pool.searched.contains(text) {
                pool.searched.push(text.clone());
            }
            pool.notice = pool.notice.take().or(found.notice);
            pool.add(found.hits);
        }
        Ok(())
    }

    /// The passages of the papers that are asked about.
    async fn named(&self, index: &HybridIndex, question: &Question, pool: &mut Pool) -> Result<(), AgentError> {
        let mut papers = self.library.store.papers(&question.papers).await?;
        for id in &question.papers {
            let Some(paper) = papers.remove(id) else { continue };
            for found in self.passages_of(index, vec![paper]).await? {
                pool.add(vec![found]);
            }
        }
        Ok(())
    }

    /// Where nothing meets the demands that were read out of the question, it is asked without them, and the answer says so.
    async fn without_demands(
        &self,
        index: &HybridIndex,
        question: &Question,
        plan: &Plan,
        pool: &mut Pool,
    ) -> Result<Option<String>, AgentError> {
        if !pool.found.is_empty() || !question.papers.is_empty() || plan.filter == question.filter {
            return Ok(None);
        }
        let bare = Plan { filter: question.filter.clone(), ..plan.clone() };
        self.search(index, &bare, vec![(plan.question.clone(), Mode::Hybrid)], pool).await?;
        let told = "No paper of the library meets what the question asks of papers (years, authors or venues), so all were searched.";
        Ok((!pool.found.is_empty()).then(|| told.to_owned()))
    }

    /// How relevant each of the best passages is to each query of the plan.
    async fn judge(
        &self,
        (run, round): (&Run, usize),
        plan: &Plan,
        vectors: &Vectors,
        pool: &mut Pool,
    ) -> Result<Relevances, AgentError> {
        let most = match plan.queries.len() {
            _ if pool.named => usize::MAX,
            1 => LOOKED_AT,
            _ => LOOKED_AT_FOR_SEVERAL,
        };
        let fresh = pool.best_unseen(most).into_iter();
        let fresh: Vec<(SearchHit, Paper)> =
            fresh.map(|candidate| (candidate.hit.clone(), candidate.paper.clone())).collect();
        let mut evidence = gather(fresh, 1);
        embed(&mut evidence, vectors).await?;
        pool.seen.extend(evidence.into_iter().map(|evidence| (evidence.hit.passage.id, evidence)));
        if let Some(purse) = self.judge {
            judge::rate(run, purse, plan, round, pool).await?;
        }
        let mut relevances = Relevances::default();
        for (place, query) in plan.queries.iter().enumerate() {
            let (vector, stems) = (vectors.of_query(query).await?, content_stems(query));
            let rated = pool.seen.iter().map(|(id, evidence)| {
                let local = relevance(vector.as_deref(), &stems, evidence);
                (*id, pool.ratings.weighed(*id, place, local))
            });
            relevances.0.push(rated.collect());
        }
        Ok(relevances)
    }

    /// The passages to answer from: the most relevant ones, none twice, within the budget of tokens.
    fn chosen(&self, relevances: &Relevances, mut pool: Pool) -> Vec<Evidence> {
        let mut kept: Vec<Evidence> = Vec::new();
        let mut tokens = 0;
        let choosy = pool.ratings.find_any();
        for (id, relevance) in relevances.best(usize::MAX) {
            if choosy && pool.ratings.refuse(id) {
                continue;
            }
            let Some(evidence) = pool.seen.remove(&id) else { continue };
            let evidence = Evidence { relevance, ..evidence };
            let of_paper = kept.iter().filter(|other| other.hit.paper == evidence.hit.paper).count();
            if of_paper >= MOST_OF_A_PAPER || kept.iter().any(|other| repeats(&evidence, other)) {
                continue;
            }
            let cost = self.prices.estimated_tokens(&evidence.hit.passage.text)
                + self.prices.estimated_tokens(&evidence.paper.title);
            // The best passage is never too long.
            if !kept.is_empty() && tokens + cost > self.settings.evidence_tokens {
                continue;
            }
            tokens += cost;
            kept.push(evidence);
        }
        // Two questions with the same evidence have the same prompt up to the question, which the provider has cached.
        kept.sort_by_key(|evidence| evidence.hit.passage.id);
        (1..).zip(&mut kept).for_each(|(n, evidence)| evidence.n = n);
        kept
    }

    /// The evidence of a run that goes on. What has changed since is left out, and the others keep their numbers.
    async fn taken_up(&self, kept: Kept, vectors: Vectors) -> Result<Retrieved, AgentError> {
        let ids: Vec<_> = kept.passages.iter().map(|(.., hit)| hit.paper).collect();
        let papers = self.library.store.papers(&ids).await.map_err(crate::library::LibraryError::from)?;
        let mut evidence = Vec::with_capacity(kept.passages.len());
        for (n, relevance, hit) in kept.passages {
            if let Some(paper) = papers.get(&hit.paper).filter(|paper| can_be_cited(&hit, paper)) {
                let taken_up = gather(vec![(hit, paper.clone())], n).into_iter();
                evidence.extend(taken_up.map(|evidence| Evidence { relevance, ..evidence }));
            }
        }
        embed(&mut evidence, &vectors).await?;
        self.tell(&evidence);
        Ok(Retrieved { evidence, vectors, searched: kept.searched, notice: kept.notice })
    }

    fn tell(&self, evidence: &[Evidence]) {
        let told: Vec<_> = evidence
            .iter()
            .map(|e| {
                json!({"n": e.n, "paper_id": e.hit.paper, "passage_id": e.hit.passage.id, "title": e.paper.title,
                    "year": e.paper.year, "text": e.hit.passage.text, "score": e.hit.score, "relevance": e.relevance})
            })
            .collect();
        self.log.add("evidence", &told);
    }
}

impl Pool {
    /// Adds what one search found, by reciprocal rank fusion over all searches.
    fn add(&mut self, hits: Vec<Found>) {
        for (rank, Found { hit, paper }) in (1u16..).zip(hits) {
            let score = 1.0 / (RANK_CONSTANT + f32::from(rank));
            let known = self.found.entry(hit.passage.id).or_insert(Candidate { hit, paper, score: 0.0 });
            known.score += score;
        }
    }

    /// The best of those that were not looked at yet.
    fn best_unseen(&self, most: usize) -> Vec<&Candidate> {
        let unseen = self.found.iter().filter(|(id, _)| !self.seen.contains_key(id));
        let mut all: Vec<&Candidate> = unseen.map(|(_, candidate)| candidate).collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.hit.passage.id.cmp(&b.hit.passage.id)));
        all.truncate(most);
        all
    }
}

/// For each query of the plan, how relevant each passage is.
#[derive(Default)]
struct Relevances(Vec<HashMap<PassageId, f32>>);

impl Relevances {
    /// The passages by their greatest relevance to any query, the most relevant first.
    fn best(&self, most: usize) -> Vec<(PassageId, f32)> {
        let mut greatest: HashMap<PassageId, f32> = HashMap::new();
        for (id, relevance) in self.0.iter().flatten() {
            let known = greatest.entry(*id).or_default();
            *known = known.max(*relevance);
        }
        let mut all: Vec<(PassageId, f32)> = greatest.into_iter().collect();
        all.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
        all.truncate(most);
        all
    }
}

/// How well the best sentence of a passage goes with a query, 0 to 1: its cosine, or, without a model, the share of the
/// query's content words that it and the title have.
fn relevance(query: Option<&[f32]>, stems: &std::collections::BTreeSet<String>, evidence: &Evidence) -> f32 {
    let title = content_stems(&evidence.paper.title);
    let rated = evidence.sentences.iter().map(|sentence| {
        let known = sentence.stems.union(&title).cloned().collect();
        match (query, &sentence.vector) {
            (Some(query), Some(vector)) => 0.8 * cosine(query, vector).max(0.0) + 0.2 * coverage(stems, &known),
            _ => coverage(stems, &known),
        }
    });
    rated.fold(0.0, f32::max)
}

/// The queries to which nothing that was found is relevant enough.
fn missing<'p>(plan: &'p Plan, relevances: &Relevances, pool: &Pool) -> Vec<&'p String> {
    let with_model = pool.seen.values().flat_map(|e| &e.sentences).any(|sentence| sentence.vector.is_some());
    let least = if with_model { COVERED } else { COVERED_BY_WORDS };
    let covered = |rated: &HashMap<PassageId, f32>| rated.values().any(|relevance| *relevance >= least);
    plan.queries.iter().zip(&relevances.0).filter(|(_, rated)| !covered(rated)).map(|(query, _)| query).collect()
}

/// The content words of a query alone, for the lexical arm; none when that is the query itself.
fn keywords(query: &str) -> Option<(String, Mode)> {
    let words = content_words(query).join(" ");
    (!words.is_empty() && words != query).then_some((words, Mode::Lexical))
}

/// Whether two passages say the same: one text, or best sentences that are all but one.
fn repeats(a: &Evidence, b: &Evidence) -> bool {
    if a.hit.passage.text == b.hit.passage.text {
        return true;
    }
    let close = |x: &super::evidence::Sentence| {
        b.sentences.iter().any(|y| matches!((&x.vector, &y.vector), (Some(x), Some(y)) if cosine(x, y) >= REDUNDANT))
    };
    !a.sentences.is_empty() && a.sentences.iter().all(close)
}
