use paper::{Paper, SourceName};

use super::*;
use crate::filter::Conditions;
use crate::{EdgeStore, HashEmbedder, IndexedPaper, Mode, SearchHit, SearchQuery, SearchResults, Section, split};

mod asking;
mod batches;
mod failing;

const DIMENSION: usize = 64;

fn id(number: usize) -> PaperId {
    PaperId::derive(&format!("hybrid:{number}"))
}

fn paper(title: &str, text: &str) -> Paper {
    let mut paper = Paper::new(title, SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH);
    paper.abstract_text = (!text.is_empty()).then(|| text.to_owned());
    paper
}

fn indexed(number: usize, title: &str, text: &str) -> IndexedPaper {
    IndexedPaper { id: id(number), revision: 1, paper: Some(paper(title, text)), text_revision: 1 }
}

fn shelf() -> Vec<IndexedPaper> {
    vec![
        indexed(0, "Graph neural networks", "We classify nodes of citation graphs with message passing."),
        indexed(1, "A theory of the firm", "Transaction costs explain why firms exist."),
        indexed(2, "Protein folding", "Structures of proteins are predicted with attention."),
        indexed(3, "Message brokers", ""),
        indexed(4, "Attention", "Attention replaces recurrence in sequence models. Networks attend."),
    ]
}

/// An index with all of its parts in a folder.
fn open(dir: &Path) -> HybridIndex {
    let settings = IndexSettings { dir: dir.to_owned() };
    let vectors = EdgeStore::open(&settings.dense_dir(), DIMENSION).unwrap();
    HybridIndex::open(settings, Some(Arc::new(vectors)), Some(Arc::new(HashEmbedder::new(DIMENSION)))).unwrap()
}

fn open_words(dir: &Path) -> HybridIndex {
    HybridIndex::open(IndexSettings { dir: dir.to_owned() }, None, None).unwrap()
}

async fn filled(dir: &Path) -> HybridIndex {
    let index = open(dir);
    index.write(shelf(), 5).await.unwrap();
    index
}

fn query(text: &str, mode: Mode) -> SearchQuery {
    SearchQuery { mode, ..SearchQuery::new(text) }
}

/// The hits of all pages of a search.
async fn pages(index: &HybridIndex, mut search: SearchQuery) -> Vec<SearchHit> {
    let mut hits = Vec::new();
    loop {
        let page = index.search(search.clone()).await.unwrap();
        assert!(page.hits.len() <= search.limit && page.total >= hits.len() + page.hits.len());
        hits.extend(page.hits);
        match page.next {
            Some(next) => search.after = Some(next),
            None => return hits,
        }
    }
}

fn numbers(results: &SearchResults) -> Vec<usize> {
    results.hits.iter().map(|hit| (0..1000).find(|n| id(*n) == hit.paper).unwrap()).collect()
}

#[tokio::test]
async fn a_hit_is_told_in_full() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let results = index.search(query("predict protein structures", Mode::Hybrid)).await.unwrap();
    let hit = &results.hits[0];
    let text = "Structures of proteins are predicted with attention.";
    assert_eq!(hit.passage, split(id(2), &paper("Protein folding", text))[0]);
    let shown: Vec<&str> = hit.highlights.iter().map(|(start, end)| text.get(*start..*end).unwrap()).collect();
    assert_eq!(shown, ["Structures", "proteins", "predicted"]);
    assert!(hit.score > 0.8 && hit.score <= 1.0, "first in both arms: {}", hit.score);
    assert!(hit.scores.lexical.unwrap() > 1.0 && hit.scores.dense.unwrap() > 0.3, "{:?}", hit.scores);
    assert_eq!((results.mode, results.notice, results.total), (Mode::Hybrid, None, 5));
}

#[tokio::test]
async fn an_index_of_another_library_or_ahead_of_its_own_is_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    assert!(!index.follow("a", 5).await.unwrap(), "it had none yet");
    assert!(!index.follow("a", 9).await.unwrap(), "behind is no harm");
    assert_eq!((index.watermark(), index.stats().await.unwrap().papers), (5, 5));
    drop(index);
    let index = open(dir.path());
    assert!(index.follow("b", 9).await.unwrap(), "another library");
    let stats = index.stats().await.unwrap();
    assert_eq!((index.watermark(), stats.papers, stats.vectors), (0, 0, Some(0)));
    index.write(shelf(), 5).await.unwrap();
    assert!(!index.follow("b", 5).await.unwrap());
    assert!(index.follow("b", 4).await.unwrap(), "ahead of it");
    assert_eq!(index.stats().await.unwrap().papers, 0);
    index.write(shelf(), 5).await.unwrap();
    drop(index);
    let without_model = open_words(dir.path());
    assert!(matches!(without_model.follow("b", 4).await, Err(IndexError::ModelNotLoaded { .. })));
    drop(without_model);
    let index = open(dir.path());
    assert!(index.follow("b", 9).await.unwrap(), "it is not forgotten while the library grows past it");
    assert_eq!(index.watermark(), 0);
    assert_eq!(index.model(), Some("hashing-64"));
}

#[tokio::test]
async fn each_mode_orders_by_its_own_scores() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    for mode in Mode::ALL {
        let results = index.search(query("message passing in graphs", mode)).await.unwrap();
        assert_eq!((numbers(&results)[0], results.mode), (0, mode));
        assert!(results.hits.windows(2).all(|pair| pair[0].score >= pair[1].score), "{mode}");
        let own = |hit: &SearchHit| match mode {
            Mode::Lexical => hit.scores.lexical == Some(hit.score) && hit.scores.dense.is_none(),
            Mode::Dense => hit.scores.dense == Some(hit.score) && hit.scores.lexical.is_none(),
            Mode::Hybrid => hit.scores.dense.is_some(),
        };
        assert!(results.hits.iter().all(own), "{mode}: {results:?}");
    }
    let lexical = index.search(query("message passing in graphs", Mode::Lexical)).await.unwrap();
    assert_eq!((numbers(&lexical), lexical.total), (vec![0, 3], 2));
}

#[tokio::test]
async fn a_paper_is_one_hit_by_its_best_passage_and_pages_fit_together() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let filler = "Nothing of interest is said in this sentence. ".repeat(40);
    let long = format!("{filler} Unicorns graze here. {filler} More unicorns, unicorns everywhere.");
    let mut batch: Vec<IndexedPaper> =
        (1..60).map(|n| indexed(n, "Horses", &format!("Horse {n} and unicorns {n}."))).collect();
    batch.push(indexed(0, "Zoology", &long));
    index.write(batch, 1).await.unwrap();
    assert!(index.passages_of(id(0)).await.unwrap().len() >= 3);
    for mode in Mode::ALL {
        let whole = index.search(SearchQuery { limit: 100, ..query("unicorns", mode) }).await.unwrap();
        assert_eq!((whole.hits.len(), whole.total), (60, 60), "{mode}");
        let pages = pages(&index, SearchQuery { limit: 7, ..query("unicorns", mode) }).await;
        assert_eq!(pages, whole.hits, "{mode}");
    }
    let lexical =
        index.search(SearchQuery { limit: 100, ..query("unicorns everywhere", Mode::Lexical) }).await.unwrap();
    let zoology = lexical.hits.iter().find(|hit| hit.paper == id(0)).unwrap();
    assert!(zoology.passage.text.contains("unicorns everywhere"), "{zoology:?}");
}

#[tokio::test]
async fn paging_far_finds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    index.write((0..450).map(|n| indexed(n, "Same", "Same words.")).collect(), 1).await.unwrap();
    let mut seen: Vec<PaperId> = pages(&index, SearchQuery { limit: 50, ..query("words", Mode::Lexical) })
        .await
        .into_iter()
        .map(|hit| hit.paper)
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 450);
    let all = SearchQuery { limit: usize::MAX, ..query("words", Mode::Dense) };
    let results = index.search(all).await.unwrap();
    assert_eq!((results.hits.len(), results.next), (450, None));
}

#[tokio::test]
async fn filters_hold_on_both_arms() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let shelf = crate::dense::suite::shelf();
    let batch = shelf.iter().enumerate().map(|(n, paper)| IndexedPaper {
        id: id(n),
        revision: 1,
        paper: Some(paper.clone()),
        text_revision: 1,
    });
    index.write(batch.collect(), 1).await.unwrap();
    for filter in crate::dense::suite::filters() {
        let conditions = Conditions::of(&filter);
        let expected: Vec<usize> =
            (0..shelf.len()).filter(|n| conditions.hold(&crate::filter::Facets::of(&shelf[*n]))).collect();
        for mode in Mode::ALL {
            let search = SearchQuery { filter: filter.clone(), ..query("title", mode) };
            let mut found = numbers(&index.search(search).await.unwrap());
            found.sort_unstable();
            assert_eq!(found, expected, "{mode} {filter:?}");
        }
    }
}

#[tokio::test]
async fn quoted_words_must_occur_in_a_hybrid_search_too() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let found = index.search(query("networks \"transaction costs\"", Mode::Hybrid)).await.unwrap();
    assert_eq!(numbers(&found), [1]);
}

#[tokio::test]
async fn no_text_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let huge = "graph \" ".repeat(12_500);
    for text in ["", "  \n", "the", "\"", "*:*", "\0", "漢字", &huge] {
        for mode in Mode::ALL {
            let results = index.search(query(text, mode)).await.unwrap();
            assert_eq!(results.hits.is_empty() && text.trim().is_empty(), text.trim().is_empty());
        }
    }
    let empty = index.search(query(" ", Mode::Hybrid)).await.unwrap();
    assert_eq!((empty.total, empty.notice.as_deref()), (0, Some("The query is empty.")));
}

#[tokio::test]
async fn writing_again_replaces_on_both_arms_and_deleting_takes_out() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let long = "A sentence about unicorns in the mist. ".repeat(100);
    let report = index.write(vec![indexed(1, "Unicorns", &long)], 6).await.unwrap();
    assert_eq!((report.papers, report.passages), (1, 3));
    let batch = vec![
        indexed(1, "Unicorns", "Once more."),
        IndexedPaper { id: id(2), revision: 2, paper: None, text_revision: 2 },
    ];
    let report = index.write([batch, vec![indexed(1, "Unicorns", "A short one.")]].concat(), 7).await.unwrap();
    assert_eq!((report.papers, report.passages), (2, 1), "of two records of one paper the later counts");
    let stats = index.stats().await.unwrap();
    assert_eq!((stats.papers, stats.passages, stats.vectors, stats.watermark), (4, 4, Some(4), 7));
    assert_eq!(stats.model.as_deref(), Some("hashing-64"));
    assert!(stats.bytes_on_disk > 1000);
    index.check().await.unwrap();
    for mode in Mode::ALL {
        assert!(!numbers(&index.search(query("protein folding", mode)).await.unwrap()).contains(&2));
    }
    assert_eq!(index.passages_of(id(1)).await.unwrap()[0].text, "A short one.");
}

#[tokio::test]
async fn passages_are_found_by_id() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let title = index.passage(PassageId::derive(id(3), 0)).await.unwrap().unwrap();
    assert_eq!(
        (title.section, title.text.as_str(), title.start, title.end),
        (Section::Title, "Message brokers", 0, 15)
    );
    assert_eq!(index.passage(PassageId::derive(id(3), 1)).await.unwrap(), None);
    assert_eq!(index.passages_of(id(77)).await.unwrap(), []);
}

#[tokio::test]
async fn similar_papers_leave_out_the_paper_itself() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    index.write(vec![indexed(9, "Graph networks", "Nodes of citation graphs and message passing.")], 6).await.unwrap();
    let similar = index.similar(id(0), 2).await.unwrap();
    assert_eq!((numbers(&similar)[0], similar.hits.len(), similar.mode), (9, 2, Mode::Dense));
    assert!(!numbers(&similar).contains(&0));
    assert_eq!(index.similar(id(77), 5).await.unwrap().hits, []);
}

#[tokio::test]
async fn without_a_model_words_are_searched_and_the_user_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let index = open_words(dir.path());
    index.write(shelf(), 5).await.unwrap();
    let results = index.search(query("citation graphs", Mode::Hybrid)).await.unwrap();
    assert_eq!((numbers(&results), results.mode), (vec![0], Mode::Lexical));
    assert!(results.notice.unwrap().contains("make setup"));
    assert_eq!(index.search(query("graphs", Mode::Lexical)).await.unwrap().notice, None);
    assert_eq!(index.stats().await.unwrap().vectors, None);
    let similar = index.similar(id(4), 5).await.unwrap();
    assert_eq!((numbers(&similar), similar.mode), (vec![0, 2], Mode::Lexical));
    index.optimize().await.unwrap();
    assert_eq!(index.watermark(), 5);
}

#[tokio::test]
async fn an_index_with_vectors_can_be_searched_without_a_model_and_not_written() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    let index = open_words(dir.path());
    assert_eq!(numbers(&index.search(query("firms", Mode::Hybrid)).await.unwrap()), [1]);
    let error = index.write(shelf(), 6).await.unwrap_err();
    assert!(matches!(error, IndexError::ModelNotLoaded { .. }), "{error}");
    assert_eq!(index.watermark(), 5);
}

#[tokio::test]
async fn another_model_is_refused_until_the_index_is_destroyed() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    let other = || {
        let vectors = Arc::new(EdgeStore::open(&dir.path().join("other"), 32).unwrap());
        let settings = IndexSettings { dir: dir.path().to_owned() };
        HybridIndex::open(settings, Some(vectors), Some(Arc::new(HashEmbedder::new(32))))
    };
    let error = other().err().unwrap().to_string();
    assert!(
        error.contains("model hashing-64 (64 numbers)") && error.contains("model hashing-32 (32 numbers)"),
        "{error}"
    );
    HybridIndex::destroy(dir.path()).unwrap();
    let index = other().unwrap();
    assert_eq!((index.watermark(), index.stats().await.unwrap().passages), (0, 0));
}

#[tokio::test]
async fn an_index_in_use_is_not_destroyed() {
    let dir = tempfile::tempdir().unwrap();
    let _index = filled(dir.path()).await;
    assert!(matches!(HybridIndex::destroy(dir.path()), Err(IndexError::Busy { .. })));
}

#[tokio::test]
async fn it_is_released_when_the_last_search_has_ended_and_can_be_destroyed_then() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let (searching, model) = (index.clone(), index.embedder().unwrap());
    let released = tokio::spawn(index.released());
    let found = searching.search(query("graphs", Mode::Hybrid)).await.unwrap();
    assert_eq!((numbers(&found)[0], found.mode), (0, Mode::Hybrid));
    assert!(!released.is_finished());
    assert!(matches!(HybridIndex::destroy(dir.path()), Err(IndexError::Busy { .. })));
    drop(searching);
    released.await.unwrap();
    HybridIndex::destroy(dir.path()).unwrap();
    assert_eq!((Arc::strong_count(&model), dir.path().join("dense").exists()), (1, false), "the model goes with it");
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    index.optimize().await.unwrap();
    let before = index.search(query("attention networks", Mode::Hybrid)).await.unwrap();
    drop(index);
    let index = open(dir.path());
    assert_eq!(index.watermark(), 5);
    assert_eq!(index.search(query("attention networks", Mode::Hybrid)).await.unwrap(), before);
    index.clear().await.unwrap();
    let stats = index.stats().await.unwrap();
    assert_eq!((stats.passages, stats.vectors, stats.watermark), (0, Some(0), 0));
    index.write(shelf(), 5).await.unwrap();
    assert_eq!(index.search(query("attention networks", Mode::Hybrid)).await.unwrap(), before);
}

#[tokio::test]
async fn the_watermark_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    index.write(vec![indexed(1, "A theory of the firm", "Again.")], 3).await.unwrap();
    assert_eq!(index.watermark(), 5);
    index.write(Vec::new(), 9).await.unwrap();
    index.write(Vec::new(), 9).await.unwrap();
    assert_eq!(index.watermark(), 9);
}

#[tokio::test]
async fn readers_see_whole_batches_while_one_writes() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let writer = index.clone();
    let writing = tokio::spawn(async move {
        for batch in 0..8 {
            let papers = (0..10).map(|n| indexed(batch * 10 + n, "Whole", "Whole batches."));
            writer.write(papers.collect(), batch as u64 + 1).await.unwrap();
        }
    });
    while !writing.is_finished() {
        let search = SearchQuery { limit: 100, ..query("whole", Mode::Hybrid) };
        let found = index.search(search).await.unwrap().hits.len();
        assert_eq!(found % 10, 0, "{found}");
    }
    writing.await.unwrap();
}
