use paper::{Author, CorpusId, Paper, PaperRef, SourceName};
use proptest::prelude::*;

use super::*;

pub(super) fn at(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds).unwrap()
}

pub(super) async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("library.db")).await.unwrap();
    (folder, store)
}

pub(super) fn arxiv(id: &str, version: u16, title: &str) -> Paper {
    let mut paper = Paper::new(title, SourceName::Arxiv, at(10));
    paper.abstract_text = Some(format!("Abstract of version {version}."));
    paper.ids.arxiv = Some(id.parse().unwrap());
    paper.ids.arxiv_version = Some(version);
    paper.year = Some(2017);
    paper.authors = vec![Author::named("Ashish Vaswani")];
    paper
}

pub(super) fn scholar(corpus: u64, title: &str) -> Paper {
    let mut paper = Paper::new(title, SourceName::SemanticScholar, at(20));
    paper.ids.corpus_id = Some(CorpusId(corpus));
    paper.venue = Some("NeurIPS".into());
    paper.year = Some(2017);
    paper.authors = vec![Author::named("A. Vaswani")];
    paper
}

pub(super) fn counts(added: u64, updated: u64, unchanged: u64) -> UpsertCounts {
    UpsertCounts { added, updated, unchanged }
}

pub(super) fn reference(text: &str) -> PaperRef {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_record_is_added_then_unchanged_then_updated_by_a_newer_version() {
    let (_folder, store) = store().await;
    let first = arxiv("1706.03762", 1, "Attention");
    assert_eq!(store.upsert(std::slice::from_ref(&first)).await.unwrap(), counts(1, 0, 0));
    let mut again = first.clone();
    again.sources[0].seen = at(99);
    assert_eq!(store.upsert(&[again]).await.unwrap(), counts(0, 0, 1));
    assert_eq!(store.revision().await.unwrap(), 1, "nothing to index");
    let seen = |paper: Option<Paper>| paper.unwrap().sources[0].seen;
    assert_eq!(seen(store.paper(&reference("arXiv:1706.03762")).await.unwrap()), at(99));
    assert_eq!(store.upsert(&[arxiv("1706.03762", 2, "Attention!")]).await.unwrap(), counts(0, 1, 0));
    assert_eq!(store.upsert(&[first]).await.unwrap(), counts(0, 0, 1), "an older version changes nothing");
    let paper = store.paper(&reference("arXiv:1706.03762")).await.unwrap().unwrap();
    assert_eq!((paper.title.as_str(), paper.ids.arxiv_version), ("Attention!", Some(2)));
    assert_eq!(store.revision().await.unwrap(), 2);
}

#[tokio::test]
async fn two_sources_of_one_work_become_one_paper_and_each_stays_readable() {
    let (_folder, store) = store().await;
    store.upsert(&[arxiv("1706.03762", 1, "Attention Is All You Need")]).await.unwrap();
    let joined = store.upsert(&[scholar(7, "Attention is all you need.")]).await.unwrap();
    assert_eq!(joined, counts(0, 1, 0));
    let paper = store.paper(&reference("CorpusId:7")).await.unwrap().unwrap();
    assert_eq!(paper.venue.as_deref(), Some("NeurIPS"));
    assert_eq!(paper.abstract_text.as_deref(), Some("Abstract of version 1."));
    let titles: Vec<String> = store.records(paper.id.unwrap()).await.unwrap().into_iter().map(|r| r.title).collect();
    assert_eq!(titles, ["Attention Is All You Need", "Attention is all you need."]);
    let stored = store.counts().await.unwrap();
    assert_eq!((stored.papers, stored.with_abstract, stored.revision), (1, 1, 2));
    assert_eq!(stored.by_source["arxiv"], 1);
    assert_eq!(stored.by_source["semantic-scholar"], 1);
}

#[tokio::test]
async fn a_record_that_bridges_two_papers_makes_them_one_and_the_old_id_still_leads_there() {
    let (_folder, store) = store().await;
    store.upsert(&[arxiv("1706.03762", 1, "Attention")]).await.unwrap();
    store.upsert(&[scholar(7, "Another spelling")]).await.unwrap();
    let old = store.paper(&reference("CorpusId:7")).await.unwrap().unwrap().id.unwrap();
    let mut bridge = scholar(7, "Another spelling");
    bridge.ids.arxiv = Some("1706.03762".parse().unwrap());
    store.upsert(&[bridge]).await.unwrap();
    let whole = store.paper(&reference("arXiv:1706.03762")).await.unwrap().unwrap();
    assert_eq!(store.paper(&PaperRef::Library(old)).await.unwrap().unwrap(), whole);
    assert_eq!(whole.ids.corpus_id, Some(CorpusId(7)));
    assert_eq!(store.counts().await.unwrap().papers, 1);
    let cleared: Vec<_> =
        store.changes_since(2, 10).await.unwrap().into_iter().map(|c| (c.id, c.paper.is_some())).collect();
    assert_eq!(cleared, [(whole.id.unwrap(), true), (old, false)]);
}

#[tokio::test]
async fn a_title_that_a_newer_version_gave_up_still_leads_to_the_paper() {
    let (_folder, store) = store().await;
    store.upsert(&[arxiv("1706.03762", 1, "Attention"), arxiv("1706.03762", 2, "Attention, revised")]).await.unwrap();
    assert_eq!(store.upsert(&[scholar(7, "Attention")]).await.unwrap(), counts(0, 1, 0));
    assert_eq!(store.counts().await.unwrap().papers, 1);
}

#[tokio::test]
async fn works_of_one_title_with_different_identifiers_stay_apart() {
    let (_folder, store) = store().await;
    let (mut a, mut b) = (scholar(1, "Introduction"), scholar(2, "Introduction"));
    a.ids.doi = Some("10.1000/a".parse().unwrap());
    b.ids.doi = Some("10.1000/b".parse().unwrap());
    assert_eq!(store.upsert(&[a, b]).await.unwrap(), counts(2, 0, 0));
}

#[tokio::test]
async fn chapters_that_share_the_doi_of_their_book_stay_apart_and_each_is_found() {
    let (_folder, store) = store().await;
    let chapter = |local: &str, title: &str| {
        let mut paper = Paper::new(title, SourceName::Import, at(1));
        paper.ids.local = Some(local.to_owned());
        paper.ids.doi = Some("10.1007/978-3-031-19836-6".parse().unwrap());
        paper
    };
    let chapters =
        [chapter("a", "A Sliding Window Scheme"), chapter("b", "Temporal Saliency"), chapter("c", "Masked Siamese")];
    assert_eq!(store.upsert(&chapters).await.unwrap(), counts(3, 0, 0));
    assert_eq!(store.upsert(&chapters).await.unwrap(), counts(0, 0, 3));
    let found = store.paper(&reference("local:b")).await.unwrap().unwrap();
    assert_eq!(found.title, "Temporal Saliency");
    let error = store.paper(&reference("10.1007/978-3-031-19836-6")).await.unwrap_err();
    let StoreError::Ambiguous { key, papers } = error else { panic!("{error:?}") };
    let titles: Vec<&str> = papers.iter().map(|(_, title)| title.as_str()).collect();
    assert_eq!(key, "doi:10.1007/978-3-031-19836-6");
    assert_eq!(titles, ["A Sliding Window Scheme", "Temporal Saliency", "Masked Siamese"]);
}

#[tokio::test]
async fn changes_come_in_order_and_from_where_they_were_left() {
    let (_folder, store) = store().await;
    let papers: Vec<Paper> = (1..=5).map(|n| arxiv(&format!("1706.0000{n}"), 1, &format!("Paper {n}"))).collect();
    store.upsert(&papers).await.unwrap();
    let first: Vec<u64> = store.changes_since(0, 2).await.unwrap().iter().map(|c| c.revision).collect();
    assert_eq!(first, [1, 2]);
    let rest = store.changes_since(2, 100).await.unwrap();
    let titles: Vec<&str> = rest.iter().map(|c| c.paper.as_ref().unwrap().title.as_str()).collect();
    assert_eq!(titles, ["Paper 3", "Paper 4", "Paper 5"]);
}

#[tokio::test]
async fn what_has_no_identifier_is_kept_once_by_its_text() {
    let (_folder, store) = store().await;
    let bare = Paper::new("A note", SourceName::Import, at(1));
    assert_eq!(store.upsert(&[bare.clone(), bare.clone()]).await.unwrap(), counts(1, 0, 1));
    let mut other = bare;
    other.abstract_text = Some("Another text.".into());
    assert_eq!(store.upsert(&[other]).await.unwrap(), counts(1, 0, 0), "never joined on the text alone");
}

#[tokio::test]
async fn cursors_are_read_back_as_written() {
    let (_folder, store) = store().await;
    store.save_cursor("arxiv?q", "100", at(1)).await.unwrap();
    store.save_cursor("arxiv?q", "200", at(2)).await.unwrap();
    assert_eq!(store.cursor("arxiv?q").await.unwrap().as_deref(), Some("200"));
    store.clear_cursor("arxiv?q").await.unwrap();
    assert_eq!(store.cursor("arxiv?q").await.unwrap(), None);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("library.db");
    std::fs::write(&file, "this is no database, but long enough to be read as the header of one: ".repeat(20)).unwrap();
    let error = Store::open(&file).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("is not a usable library database"), "{error}");
}

#[tokio::test]
async fn a_full_disk_keeps_all_that_was_stored_and_nothing_of_the_failed_batch() {
    let (_folder, store) = store().await;
    store.upsert(&[arxiv("1706.03762", 1, "Attention")]).await.unwrap();
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.pool).await.unwrap();
    // SQLite's own limit gives the same error as the disk, to the connection that has it.
    let limit = format!("PRAGMA max_page_count = {}", pages + 2);
    sqlx::query(sqlx::AssertSqlSafe(limit)).execute(&store.writes).await.unwrap();
    let many: Vec<Paper> =
        (10_000..10_400).map(|n| arxiv(&format!("1801.{n}"), 1, &"long title ".repeat(40))).collect();
    let error = store.upsert(&many).await.unwrap_err();
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert_eq!(store.counts().await.unwrap().papers, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_order_of_the_same_records_gives_the_same_library(order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(), repeat in 0..6usize) {
        let mut bridge = scholar(3, "Third");
        bridge.ids.arxiv = Some("1706.00002".parse().unwrap());
        let records = [
            arxiv("1706.00001", 1, "First"), arxiv("1706.00001", 2, "First, revised"), scholar(1, "First"),
            arxiv("1706.00002", 1, "Second"), bridge, scholar(4, "Fourth"),
        ];
        let library = |order: Vec<usize>| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let (_folder, store) = store().await;
                for place in order {
                    store.upsert(&[records[place].clone()]).await.unwrap();
                }
                let mut found = Vec::new();
                for change in store.changes_since(0, 100).await.unwrap() {
                    found.extend(change.paper.map(|paper| (paper.title, paper.ids.arxiv_version, paper.ids.arxiv)));
                }
                found.sort();
                found
            })
        };
        let mut shuffled = order;
        shuffled.push(shuffled[repeat]);
        prop_assert_eq!(library(shuffled), library((0..6).collect()));
    }
}
