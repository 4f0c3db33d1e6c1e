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
    Arc::get_mut(&mut store.inner).unwrap().room = u64::MAX;
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
