//! The same library from whatever order, batches and repetition of what the sources send.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use paper::{Author, CorpusId, Paper, SourceName, title_key};
use proptest::prelude::*;

use super::tests::{at, store};
use super::{Store, StoreError};

/// What a second and a third source, and the same one at other times, would send of a real record. What they know is
/// made from the record and its number, so that it is the same in each run.
fn sent(record: &Paper, number: usize) -> Vec<Paper> {
    let mut all = vec![record.clone()];
    let mut scholar = Paper::new(record.title.to_uppercase(), SourceName::SemanticScholar, at(20));
    scholar.year = record.year;
    scholar.authors = record.authors.iter().map(|author| Author::named(author.name.clone())).collect();
    scholar.ids.corpus_id = Some(CorpusId(number as u64 + 1));
    scholar.citation_count = Some(number as u64);
    match number % 5 {
        0 => scholar.ids.arxiv = record.ids.arxiv.clone(),
        1 => scholar.ids.doi = record.ids.doi.clone(),
        // Known by its title alone.
        2 => {}
        // Somebody else's DOI.
        3 => scholar.ids.doi = Some(format!("10.5555/other.{}", number % 7).parse().unwrap()),
        _ => scholar.title = format!("{}, revised", record.title),
    }
    all.push(scholar);
    if number.is_multiple_of(2) {
        let mut line = Paper::new(record.title.clone(), SourceName::Import, at(5));
        line.year = record.year;
        line.authors = record.authors.iter().take(1).cloned().collect();
        line.ids.local = Some((number % 9).to_string());
        all.push(line);
    }
    if record.ids.arxiv.is_some() {
        for version in [1, 2] {
            let mut state = record.clone();
            state.sources = Paper::new("", SourceName::Arxiv, at(30)).sources;
            state.ids.local = None;
            state.ids.arxiv_version = Some(version);
            state.title = if version == 1 { format!("Draft: {}", record.title) } else { record.title.clone() };
            all.push(state);
        }
        let mut harvested = record.clone();
        harvested.sources = Paper::new("", SourceName::Arxiv, at(40)).sources;
        harvested.ids.local = None;
        harvested.journal_ref = Some("J. Test 1".to_owned());
        harvested.withdrawn = number.is_multiple_of(4);
        all.push(harvested);
    }
    all
}

/// All papers, as whole values but for their ids and when they were seen.
async fn papers(store: &Store) -> Result<BTreeSet<String>, StoreError> {
    let mut papers = BTreeSet::new();
    for change in store.changes_since(0, 1_000_000).await? {
        if let Some(mut paper) = change.paper {
            paper.id = None;
            paper.sources.iter_mut().for_each(|sighting| sighting.seen = at(0));
            papers.insert(serde_json::to_string(&paper).unwrap());
        }
    }
    Ok(papers)
}

async fn library(batches: &[Vec<Paper>]) -> (BTreeSet<String>, u64) {
    let (_folder, store) = store().await;
    for batch in batches {
        store.upsert(batch).await.unwrap();
    }
    (papers(&store).await.unwrap(), store.counts().await.unwrap().papers)
}

/// The stream in another order, some of it twice, cut into batches.
fn shuffled(stream: &[Paper], seed: u64) -> Vec<Vec<Paper>> {
    let mut random = seed | 1;
    let mut next = move |below: usize| {
        // Xorshift, <https://www.jstatsoft.org/article/view/v008i14>.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 33).unwrap() % below.max(1)
    };
    let mut stream: Vec<Paper> = stream.to_vec();
    for _ in 0..stream.len() / 5 {
        let again = next(stream.len());
        stream.push(stream[again].clone());
    }
    for place in (1..stream.len()).rev() {
        let other = next(place + 1);
        stream.swap(place, other);
    }
    let mut batches = Vec::new();
    while !stream.is_empty() {
        let most = if next(3) == 0 { 5 } else { 90 };
        let size = 1 + next(most);
        batches.push(stream.split_off(stream.len().saturating_sub(size)));
    }
    batches
}

fn gives_one_library(stream: &[Paper], seeds: impl Iterator<Item = u64>) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let expected = library(&[stream.to_vec()]).await;
        for seed in seeds {
            let found = library(&shuffled(stream, seed)).await;
            assert_eq!(found.1, expected.1, "papers, seed {seed}");
            let differing: Vec<_> = found.0.symmetric_difference(&expected.0).take(4).collect();
            assert!(differing.is_empty(), "seed {seed}: {differing:#?}");
        }
    });
}

#[allow(clippy::disallowed_methods)]
fn shared() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("LECTERN_SHARED").map_or(beside, PathBuf::from)
}

/// Real records of the shared corpus, with those of one title beside each other; none, saying so, where it is missing.
fn real_records() -> Vec<Paper> {
    let corpus = shared().join("corpus");
    let (Ok(odd), Ok(packed)) = (
        std::fs::File::open(corpus.join("odd_records.jsonl")),
        std::fs::File::open(corpus.join("papers-100k.jsonl.gz")),
    ) else {
        eprintln!("skipped: {} is not there", corpus.display());
        return Vec::new();
    };
    let odd: Box<dyn BufRead + Send> = Box::new(BufReader::new(odd));
    let packed: Box<dyn BufRead + Send> = Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(packed)));
    let read = |lines| ingest::jsonl::Reader::new(lines, at(1)).filter_map(|line| line.unwrap().ok());
    let mut records: Vec<Paper> = read(odd).take(200).chain(read(packed).take(200)).collect();
    // Long lists of authors and texts say nothing here, and cost much.
    for record in &mut records {
        record.authors.truncate(5);
        record.abstract_text = record.abstract_text.take().map(|text| text.chars().take(80).collect());
    }
    records.sort_by_key(|record| title_key(&record.title));
    records
}

#[test]
fn real_records_give_one_library_in_whatever_order_and_batches() {
    let stream: Vec<Paper> =
        real_records().iter().enumerate().flat_map(|(number, record)| sent(record, number)).collect();
    if !stream.is_empty() {
        gives_one_library(&stream, 1..5);
    }
}

/// The papers of every recorded answer of a provider, in the order of the files.
fn recorded(folder: &std::path::Path, seen: i64) -> Vec<Paper> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("skipped: {} is not there", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let of = |path: &PathBuf| {
        if path.is_dir() {
            return recorded(path, seen);
        }
        let body = std::fs::read(path).unwrap();
        let page = match path.extension().and_then(|extension| extension.to_str()) {
            Some("xml") => ingest::arxiv::parse(&body, at(seen)),
            Some("json") => ingest::semantic_scholar::parse_body(&body, at(seen)),
            _ => return Vec::new(),
        };
        // Some of them are refusals.
        page.map(|page| page.papers).unwrap_or_default()
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn recorded_answers_of_all_providers_give_one_library_in_whatever_order_and_batches() {
    let api = shared().join("api");
    let folders = [("arxiv", 10), ("arxiv_oai", 30), ("semantic_scholar", 20)];
    let stream: Vec<Paper> = folders.iter().flat_map(|(folder, seen)| recorded(&api.join(folder), *seen)).collect();
    if !api.exists() {
        return;
    }
    assert!(stream.len() > 500, "{} records", stream.len());
    gives_one_library(&stream, 1..5);
}

fn by_hand() -> Vec<Paper> {
    let titles = ["Introduction", "Introduction", "Attention", "Deep Learning", "Deep learning.", "Editorial"];
    let named = |(number, title): (usize, &&str)| {
        let mut record = Paper::new(*title, SourceName::Import, at(1));
        record.year = Some(2015);
        record.authors = vec![Author::named("Ada Lovelace")];
        record.ids.local = Some(number.to_string());
        record.ids.arxiv = (number % 2 == 0).then(|| format!("1706.0000{number}").parse().unwrap());
        record.ids.doi = (number % 3 == 1).then(|| format!("10.1000/{}", number % 2).parse().unwrap());
        record
    };
    let records: Vec<Paper> = titles.iter().enumerate().map(named).collect();
    records.iter().enumerate().flat_map(|(number, record)| sent(record, number)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn records_written_by_hand_give_one_library_in_whatever_order_and_batches(seed in any::<u64>()) {
        gives_one_library(&by_hand(), std::iter::once(seed));
    }
}
