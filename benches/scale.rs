//! A library made larger, to measure how the cost of a search grows:
//! `cargo bench --bench scale -- FROM TO 1000000` fills the home folder TO with so many papers made of those in FROM, which
//! `lectern --home TO bench` then measures.
//!
//! Fewer papers than FROM has are its first ones. More are its papers again and again under other ids, with other words
//! and other vectors: each word but the most frequent becomes another one of about the same frequency, so that lists of
//! papers are as long as they would be, and each vector is moved to a cosine of about 0.9. Hardly anything is embedded.
//!
//! `cargo bench --bench scale -- HOME` tells how many of the nearest vectors its dense arm finds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, clippy::string_slice)]
#![allow(clippy::cast_precision_loss)]
#![allow(clippy::disallowed_methods, missing_docs)]

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use index::filter::Conditions;
use index::{
    EdgeStore, Embedder, Generations, HybridIndex, IndexError, IndexSettings, ModelInfo, PassageId, Pieces,
    VectorStore, embedded_text, split,
};
use lectern::app::{index_dir, load_embedder};
use lectern::clock::Clock;
use lectern::config::{Config, Environment};
use lectern::eval::{Times, queries_of};
use lectern::library::Library;
use lectern::store::Store;
use paper::{Paper, PaperId, SourceName};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Words that stay as they are: what texts are made of.
const STAY: usize = 200;
/// Words of about the same frequency.
const BAND: usize = 1_000;
/// How far a vector is moved, its length being 1.
const NOISE: f32 = 0.5;
const BATCH: usize = 2_000;

fn config(home: &Path) -> Config {
    Config::load(Some(home), None, &Environment::default(), &[]).unwrap()
}

/// The papers of a library, each with the vectors of its passages.
async fn read(home: &Path) -> Vec<(Paper, Vec<Vec<f32>>)> {
    let config = config(home);
    let store = Store::open(&home.join("library.db")).await.unwrap();
    let mut generations = Generations::open(&index_dir(&config)).unwrap();
    let searched = generations.searched().unwrap();
    let settings = IndexSettings { dir: generations.folder(searched) };
    let dimension = load_embedder(&config).unwrap().model().dimension;
    let vectors = EdgeStore::open(&settings.dense_dir(), dimension).unwrap();
    let (mut papers, mut revision) = (Vec::new(), 0);
    loop {
        let changes = store.changes_since(revision, BATCH).await.unwrap();
        let Some(last) = changes.last() else { return papers };
        revision = last.revision;
        for paper in changes.into_iter().filter_map(|change| change.paper) {
            let ids: Vec<PassageId> = split(paper.id.unwrap(), &paper).iter().map(|passage| passage.id).collect();
            let mut found: HashMap<PassageId, Vec<f32>> = vectors.vectors(&ids).await.unwrap().into_iter().collect();
            let vectors: Option<Vec<Vec<f32>>> = ids.iter().map(|id| found.remove(id)).collect();
            papers.extend(vectors.map(|vectors| (paper, vectors)));
        }
    }
}

/// The words of a library by frequency, and what takes the place of each.
struct Words {
    ranks: HashMap<String, usize>,
    words: Vec<String>,
}

fn pieces_of(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(|c: char| !c.is_alphanumeric())
}

impl Words {
    fn of(papers: &[(Paper, Vec<Vec<f32>>)]) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for (paper, _) in papers {
            for text in [Some(&paper.title), paper.abstract_text.as_ref()].into_iter().flatten() {
                for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
                    *counts.entry(word.to_lowercase()).or_default() += 1;
                }
            }
        }
        let mut counted: Vec<(String, usize)> = counts.into_iter().collect();
        counted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let words: Vec<String> = counted.into_iter().map(|(word, _)| word).collect();
        let ranks = words.iter().cloned().zip(0..).collect();
        Self { ranks, words }
    }

    fn other(&self, text: &str, copy: usize) -> String {
        let mut other = String::with_capacity(text.len());
        for piece in pieces_of(text) {
            let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
            match self.ranks.get(&word.to_lowercase()).filter(|rank| **rank >= STAY) {
                Some(rank) => {
                    let (band, place) = ((rank - STAY) / BAND, (rank - STAY) % BAND);
                    let moved = STAY + band * BAND + (place + copy * 97) % BAND;
                    other.push_str(self.words.get(moved).unwrap_or(&self.words[*rank]));
                }
                None => other.push_str(word),
            }
            other.push_str(&piece[word.len()..]);
        }
        other
    }
}

/// The paper again, under another id and with other words; the first copy is the paper itself.
fn copied(paper: &Paper, words: &Words, copy: usize, number: usize) -> Paper {
    let mut other = Paper::new(words.other(&paper.title, copy), SourceName::Import, jiff::Timestamp::UNIX_EPOCH);
    other.abstract_text = paper.abstract_text.as_ref().map(|text| words.other(text, copy));
    (other.authors, other.venue, other.year) = (paper.authors.clone(), paper.venue.clone(), paper.year);
    (other.categories, other.published) = (paper.categories.clone(), paper.published);
    other.ids.local = Some(format!("{copy}-{number}"));
    other
}

/// Gives each text the vector that was made for it.
struct LookUp {
    real: Arc<dyn Embedder>,
    known: Mutex<HashMap<u64, (Vec<f32>, u64)>>,
}

fn key(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn moved(vector: &[f32], seed: u64) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(seed);
    let noise: Vec<f32> = vector.iter().map(|_| random.random_range(-1.0..1.0)).collect();
    let length = |vector: &[f32]| vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    let scale = if seed == 0 { 0.0 } else { NOISE / length(&noise) };
    let sum: Vec<f32> = vector.iter().zip(&noise).map(|(x, y)| x + scale * y).collect();
    let length = length(&sum);
    sum.iter().map(|x| x / length).collect()
}

impl Embedder for LookUp {
    fn model(&self) -> &ModelInfo {
        self.real.model()
    }

    fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, IndexError> {
        let mut known = self.known.lock().unwrap();
        let mut made = |text: &String| match known.remove(&key(text)) {
            Some((vector, seed)) => Ok(moved(&vector, seed)),
            // Of papers that were joined, which are few.
            None => Ok(self.real.embed_passages(std::slice::from_ref(text))?.concat()),
        };
        texts.iter().map(&mut made).collect()
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, IndexError> {
        self.real.embed_query(text)
    }

    fn pieces(&self) -> Option<&Pieces> {
        self.real.pieces()
    }
}

async fn fill(home: &Path, papers: &[(Paper, Vec<Vec<f32>>)], wanted: usize) {
    let config = config(home);
    std::fs::create_dir_all(home).unwrap();
    let embedder = Arc::new(LookUp { real: load_embedder(&config).unwrap(), known: Mutex::default() });
    let store = Store::open(&home.join("library.db")).await.unwrap();
    let mut generations = Generations::open(&index_dir(&config)).unwrap();
    let searched = generations.searched().unwrap();
    let settings = IndexSettings { dir: generations.folder(searched) };
    let vectors: Arc<dyn VectorStore> =
        Arc::new(EdgeStore::open_to_fill(&settings.dense_dir(), embedder.model().dimension).unwrap());
    let index = HybridIndex::open(settings, Some(vectors), Some(Arc::<LookUp>::clone(&embedder))).unwrap();
    let library = Library::new(store.clone(), index, Clock::system());
    let words = Words::of(papers);
    let began = Instant::now();
    let all = (0..wanted).map(|n| (n / papers.len(), n % papers.len()));
    let all: Vec<(usize, usize)> = all.collect();
    for batch in all.chunks(BATCH) {
        let mut copies = Vec::with_capacity(batch.len());
        for (copy, number) in batch {
            let (paper, vectors) = &papers[*number];
            let other = copied(paper, &words, *copy, *number);
            // Passages are cut by length alone, and some words are longer than those whose place they take.
            let passages = split(PaperId::derive("scale"), &other);
            let mut known = embedder.known.lock().unwrap();
            for (place, passage) in passages.iter().enumerate() {
                let vector = vectors[place.min(vectors.len() - 1)].clone();
                let seed = u64::try_from(copy * 1_000_000_000 + number * 10 + place).unwrap();
                known.insert(key(&embedded_text(&other, passage)), (vector, if *copy == 0 { 0 } else { seed }));
            }
            copies.push(other);
        }
        store.upsert(&copies).await.unwrap();
    }
    println!("stored in {:.0} s", began.elapsed().as_secs_f64());
    let tell = |done: u64, of: u64| {
        if done.is_multiple_of(51_200) {
            println!("{done} of {of} indexed after {:.0} s", began.elapsed().as_secs_f64());
        }
    };
    library.index_pending(&tell).await.unwrap();
    println!("indexed and optimized after {:.0} s", began.elapsed().as_secs_f64());
}

/// How many of the nearest vectors the dense arm names, against looking at every one.
async fn recall(home: &Path) {
    let papers = read(home).await;
    let config = config(home);
    let embedder = load_embedder(&config).unwrap();
    let mut generations = Generations::open(&index_dir(&config)).unwrap();
    let searched = generations.searched().unwrap();
    let settings = IndexSettings { dir: generations.folder(searched) };
    let store = EdgeStore::open(&settings.dense_dir(), embedder.model().dimension).unwrap();
    let titles: Vec<String> = papers.iter().step_by(papers.len() / 200).map(|(paper, _)| paper.title.clone()).collect();
    let queries = queries_of(&titles);
    for k in [10, 64] {
        let (mut found, mut all, mut times) = (0, 0, Vec::new());
        for query in queries.iter().take(500) {
            let vector = embedder.embed_query(query).unwrap();
            let dot = |other: &Vec<f32>| vector.iter().zip(other).map(|(x, y)| x * y).sum::<f32>();
            let mut scores: Vec<f32> = papers.iter().flat_map(|(_, vectors)| vectors.iter().map(dot)).collect();
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
            let least = scores[k - 1] - 1e-5;
            let began = Instant::now();
            let named = store.search(&vector, &Conditions::default(), k).await.unwrap();
            times.push(began.elapsed().as_secs_f64() * 1e3);
            found += named.iter().filter(|(_, score)| *score >= least).count().min(k);
            all += k;
        }
        let recall = found as f64 / all as f64;
        let Times { p50_ms, p99_ms, .. } = Times::of(times);
        println!("the {k:>2} nearest of {}: recall {recall:.4}, {p50_ms} ms p50, {p99_ms} ms p99", papers.len());
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match arguments.as_slice() {
        [from, to, wanted] => {
            let papers = runtime.block_on(read(Path::new(from)));
            println!("{} papers read", papers.len());
            runtime.block_on(fill(Path::new(to), &papers, wanted.parse().unwrap()));
        }
        [home] => runtime.block_on(recall(Path::new(home))),
        _ => println!("usage: cargo bench --bench scale -- FROM TO PAPERS, or -- HOME"),
    }
}
