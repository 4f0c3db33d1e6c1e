use super::super::suite;
use super::*;
use crate::filter::Facets;

fn point(paper: usize) -> VectorPoint {
    let paper = suite::paper_id(paper);
    let mut vector = vec![0.5; suite::DIMENSION];
    vector[0] = 1.0;
    VectorPoint { passage: PassageId::derive(paper, 0), paper, vector, facets: Facets::default() }
}

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    suite::run(&EdgeStore::open(dir.path(), suite::DIMENSION).unwrap()).await;
}

#[tokio::test]
async fn what_was_flushed_is_there_again_after_opening() {
    let dir = tempfile::tempdir().unwrap();
    let store = EdgeStore::open(dir.path(), suite::DIMENSION).unwrap();
    store.upsert(vec![point(1), point(2)]).await.unwrap();
    store.delete_papers(&[suite::paper_id(2)], &[]).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    let store = EdgeStore::open(dir.path(), suite::DIMENSION).unwrap();
    assert_eq!(store.count().await.unwrap(), 1);
    // Numbers of operations must go on where they ended, or this would be taken for an old one.
    store.upsert(vec![point(1), point(3)]).await.unwrap();
    store.delete_papers(&[suite::paper_id(1)], &[]).await.unwrap();
    assert_eq!(store.count().await.unwrap(), 1);
}

#[tokio::test]
async fn what_a_killed_process_was_building_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    drop(EdgeStore::open(dir.path(), suite::DIMENSION).unwrap());
    let unfinished = dir.path().join("temp_segments/half");
    std::fs::create_dir_all(&unfinished).unwrap();
    std::fs::write(unfinished.join("vectors"), "half").unwrap();
    let store = EdgeStore::open(dir.path(), suite::DIMENSION).unwrap();
    assert!(!dir.path().join("temp_segments").exists());
    assert_eq!(store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_second_process_is_told_that_it_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let first = EdgeStore::open(dir.path(), suite::DIMENSION).unwrap();
    let second = EdgeStore::open(dir.path(), suite::DIMENSION).err().unwrap();
    assert!(matches!(second, IndexError::Busy { .. }), "{second}");
    drop(first);
    EdgeStore::open(dir.path(), suite::DIMENSION).unwrap();
}

#[tokio::test]
async fn a_disk_without_room_is_an_error_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = EdgeStore::open(dir.path(), suite::DIMENSION).unwrap();
    Arc::get_mut(&mut store.inner).unwrap().limits.room = u64::MAX;
    let error = store.upsert(vec![point(1)]).await.unwrap_err();
    assert!(matches!(error, IndexError::Disk { .. }), "{error}");
    assert!(error.to_string().contains("free some disk space"), "{error}");
    assert!(matches!(store.flush().await.unwrap_err(), IndexError::Disk { .. }));
    assert_eq!(store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_damaged_folder_is_an_error_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let store = EdgeStore::open(dir.path(), suite::DIMENSION).unwrap();
    store.upsert(vec![point(1)]).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    for segment in std::fs::read_dir(dir.path().join("segments")).unwrap() {
        std::fs::write(segment.unwrap().path().join("segment.json"), "no JSON").unwrap();
    }
    let error = EdgeStore::open(dir.path(), suite::DIMENSION).err().unwrap();
    assert!(matches!(error, IndexError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("lectern reindex"), "{error}");
}

#[tokio::test]
async fn vectors_of_another_dimension_are_not_mixed_in() {
    let dir = tempfile::tempdir().unwrap();
    drop(EdgeStore::open(dir.path(), suite::DIMENSION).unwrap());
    let error = EdgeStore::open(dir.path(), suite::DIMENSION + 1).err().unwrap();
    assert!(matches!(error, IndexError::Corrupt { .. }), "{error}");
}

#[test]
fn only_old_files_of_the_log_are_taken_out() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("wal");
    std::fs::create_dir(&log).unwrap();
    for name in ["closed-0", "closed-9", "closed-10", "closed-200", "open-5", "first-index"] {
        std::fs::write(log.join(name), "").unwrap();
    }
    prune_log(dir.path()).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["closed-10", "closed-200", "first-index", "open-5"]);
}

/// A vector that points anywhere, always the same for a number.
fn scattered(number: usize, dimension: usize) -> Vec<f32> {
    let mut state = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f32::from((state >> 48) as u16) / 32_768.0 - 1.0
    };
    (0..dimension).map(|_| next()).collect()
}

fn scattered_points(numbers: std::ops::Range<usize>, dimension: usize) -> Vec<VectorPoint> {
    numbers.map(|n| VectorPoint { vector: scattered(n, dimension), ..point(n) }).collect()
}

#[tokio::test]
async fn a_pruned_log_forgets_nothing_and_later_writes_count() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { log_file: 16 * 1024, ..Limits::default() };
    let store = EdgeStore::open_with(dir.path(), suite::DIMENSION, limits, false).unwrap();
    for batch in 0..40 {
        store.upsert(scattered_points(batch * 20..batch * 20 + 20, suite::DIMENSION)).await.unwrap();
    }
    let log_files = || std::fs::read_dir(dir.path().join("wal")).unwrap().count();
    // How many exactly depends on a thread of the log that makes files ahead of their use.
    let before = log_files();
    store.optimize().await.unwrap();
    assert!(before > 5 && log_files() <= 5, "{before} files, then {}", log_files());
    assert_eq!(store.count().await.unwrap(), 800);
    store.upsert(vec![VectorPoint { vector: scattered(1000, suite::DIMENSION), ..point(3) }]).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    let store = EdgeStore::open_with(dir.path(), suite::DIMENSION, limits, false).unwrap();
    let passage = PassageId::derive(suite::paper_id(3), 0);
    let nearest = store.search(&scattered(1000, suite::DIMENSION), &Conditions::default(), 1).await.unwrap();
    assert_eq!(nearest[0].0, passage, "the newest vector of the passage is found");
    store.delete_papers(&[suite::paper_id(3)], &[]).await.unwrap();
    assert_eq!(store.count().await.unwrap(), 799);
}

#[tokio::test]
async fn a_large_store_gets_a_graph_by_itself_and_still_finds_what_is_near() {
    let (dir, dimension) = (tempfile::tempdir().unwrap(), 1024);
    let limits = Limits { unindexed: 3_000, ..Limits::default() };
    let store = EdgeStore::open_with(dir.path(), dimension, limits, false).unwrap();
    store.upsert(scattered_points(0..3_200, dimension)).await.unwrap();
    store.flush().await.unwrap();
    let indexed = store.inner.read(|shard| Ok(shard.info().indexed_vectors_count)).unwrap();
    assert_eq!(indexed, 3_200);
    let mut found = 0;
    for number in (0..3_200).step_by(32) {
        // Close to one of the stored vectors, which is what a query is to its answer.
        let noise = scattered(number + 10_000, dimension);
        let near: Vec<f32> = scattered(number, dimension).iter().zip(noise).map(|(x, noise)| x + noise).collect();
        let nearest = store.search(&near, &Conditions::default(), 10).await.unwrap();
        found += usize::from(nearest[0].0 == PassageId::derive(suite::paper_id(number), 0));
    }
    assert!(found >= 97, "{found} of 100 were found");
}

#[tokio::test]
async fn a_store_to_be_filled_gets_its_graph_once_keeps_its_log_short_and_forgets_nothing() {
    let (dir, dimension) = (tempfile::tempdir().unwrap(), 1024);
    let limits = Limits { unindexed: 3_000, log_file: 64 * 1024, log_files: 8, ..Limits::default() };
    let store = EdgeStore::open_with(dir.path(), dimension, limits, true).unwrap();
    let indexed = |store: &EdgeStore| store.inner.read(|shard| Ok(shard.info().indexed_vectors_count)).unwrap();
    for batch in 0..32 {
        store.upsert(scattered_points(batch * 100..batch * 100 + 100, dimension)).await.unwrap();
        store.flush().await.unwrap();
        assert!(closed_log(dir.path()).unwrap().len() <= 8 + 8, "what a batch closes comes on top");
    }
    assert_eq!((indexed(&store), store.count().await.unwrap()), (0, 3_200));
    drop(store);
    let store = EdgeStore::open_with(dir.path(), dimension, limits, true).unwrap();
    assert_eq!((indexed(&store), store.count().await.unwrap()), (0, 3_200));
    store.optimize().await.unwrap();
    assert_eq!(indexed(&store), 3_200);
    store.upsert(scattered_points(3_200..6_400, dimension)).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!((indexed(&store), store.count().await.unwrap()), (6_400, 6_400), "as any other from then on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_search_while_one_writes_and_optimizes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(EdgeStore::open(dir.path(), suite::DIMENSION).unwrap());
    store.upsert(scattered_points(0..500, suite::DIMENSION)).await.unwrap();
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for batch in 1..6 {
            writer.upsert(scattered_points(batch * 500..(batch + 1) * 500, suite::DIMENSION)).await.unwrap();
            writer.flush().await.unwrap();
            writer.optimize().await.unwrap();
        }
    });
    while !writing.is_finished() {
        // What is built stands behind what is searched.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let nearest = store.search(&scattered(7, suite::DIMENSION), &Conditions::default(), 1).await.unwrap();
        assert!((nearest[0].1 - 1.0).abs() < 1e-4, "{nearest:?}");
    }
    writing.await.unwrap();
    assert_eq!(store.count().await.unwrap(), 3_000);
}
