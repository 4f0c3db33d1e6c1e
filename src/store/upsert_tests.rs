use crate::store::tests::{arxiv, at, counts, reference, scholar, store};

use super::*;

/// One record that is new, and one that makes two stored papers one.
fn bridge() -> [Paper; 2] {
    let mut bridge = scholar(7, "Another spelling");
    bridge.ids.arxiv = Some("1706.03762".parse().unwrap());
    [arxiv("1810.04805", 1, "BERT"), bridge]
}

async fn stored(store: &Store) -> (Vec<crate::store::Change>, u64, crate::store::StoreCounts) {
    let changes = store.changes_since(0, 100).await.unwrap();
    (changes, store.revision().await.unwrap(), store.counts().await.unwrap())
}

#[tokio::test]
async fn a_batch_that_is_broken_off_before_its_end_leaves_nothing() {
    let (_folder, store) = store().await;
    store.upsert(&[arxiv("1706.03762", 1, "Attention"), scholar(7, "Another spelling")]).await.unwrap();
    let before = stored(&store).await;
    let mut transaction = store.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut batch = Batch::new(&mut transaction).await.unwrap();
    let told = bridge();
    let records: Vec<_> = told.iter().map(|record| (record, None)).collect();
    batch.take_in(tell(&records).unwrap()).await.unwrap();
    let outcomes = batch.settle().await.unwrap();
    assert!(outcomes.iter().any(|outcome| *outcome != Outcome::Untouched), "it had written");
    drop(transaction);
    assert_eq!(stored(&store).await, before);
    assert!(store.paper(&reference("arXiv:1810.04805")).await.unwrap().is_none());
    assert_eq!(store.upsert(&bridge()).await.unwrap(), counts(1, 1, 0), "and is taken in whole the next time");
    assert_eq!(store.counts().await.unwrap().papers, 2);
}

/// Wherever the caller lets go, and whether or not the database has been asked already.
#[tokio::test]
async fn an_upsert_that_is_dropped_is_stored_whole_or_not_at_all() {
    for steps in 0..40 {
        let (_folder, store) = store().await;
        let records = bridge();
        let mut upsert = Box::pin(store.upsert(&records));
        for _ in 0..steps {
            tokio::select! {
                biased;
                _ = &mut upsert => break,
                () = tokio::time::sleep(std::time::Duration::from_micros(50)) => {}
            }
        }
        drop(upsert);
        let rest = store.upsert(&records).await.unwrap();
        assert!([counts(2, 0, 0), counts(0, 0, 2)].contains(&rest), "after {steps} steps: {rest:?}");
        assert_eq!(store.counts().await.unwrap().papers, 2);
    }
}

#[tokio::test]
async fn a_record_that_is_told_under_ever_new_titles_is_found_by_no_more_of_them_than_it_needs() {
    let (_folder, store) = store().await;
    let told = |n: i64| {
        let mut record = scholar(7, &format!("Title {n}"));
        (record.year, record.sources[0].seen) = (Some(2020), at(n));
        record
    };
    let states: Vec<Paper> = (0..150).map(told).collect();
    store.upsert(&states).await.unwrap();
    let links = "SELECT COUNT(*) FROM record_links";
    let links: i64 = sqlx::query_scalar(links).fetch_one(&store.pool).await.unwrap();
    assert_eq!(
        (links, store.paper(&reference("CorpusId:7")).await.unwrap().unwrap().title),
        (102, "Title 149".to_owned())
    );
}
