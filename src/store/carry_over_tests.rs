use std::path::Path;

use paper::{CorpusId, Paper, PaperRef, SourceName, identity_keys, record_key};
use sqlx::SqlitePool;

use super::*;
use crate::store::tests::{arxiv, at, counts, reference, scholar};

/// The version of the migration after which papers follow from the records.
const ONE_LIBRARY: i64 = 4;

/// A library as a version before wrote it.
struct Old {
    folder: tempfile::TempDir,
    pool: SqlitePool,
}

impl Old {
    /// With the migrations that it `had`.
    async fn new(had: impl Fn(i64) -> bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(Self::file(&folder)).create_if_missing(true);
        // Nothing here has to survive a power cut.
        let options = options.synchronous(sqlx::sqlite::SqliteSynchronous::Off);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let mut migrations = sqlx::migrate!("src/store/migrations");
        migrations.migrations.to_mut().retain(|migration| had(migration.version));
        migrations.run(&pool).await.unwrap();
        Self { folder, pool }
    }

    fn file(folder: &tempfile::TempDir) -> std::path::PathBuf {
        Path::new(folder.path()).join("library.db")
    }

    async fn run(&self, statement: &'static str, values: &[&str]) {
        let query = values.iter().fold(sqlx::query(statement), |query, value| query.bind(*value));
        query.execute(&self.pool).await.unwrap();
    }

    /// A paper with its records, at a revision, part of another or not.
    async fn paper(&self, name: &str, revision: i64, merged_into: Option<PaperId>, records: &[Paper]) -> PaperId {
        let id = PaperId::derive(name);
        let (id_text, revision, merged) = (id.to_string(), revision.to_string(), merged_into.map(|id| id.to_string()));
        let paper = serde_json::to_string(&paper::merge(records)).unwrap();
        self.run("INSERT INTO papers (id, revision, paper) VALUES (?, ?, ?)", &[&id_text, &revision, &paper]).await;
        if let Some(merged) = merged {
            self.run("UPDATE papers SET merged_into = ? WHERE id = ?", &[&merged, &id_text]).await;
        }
        for record in records {
            let (key, text) = (record_key(record), serde_json::to_string(record).unwrap());
            let source = record.source().unwrap().as_str();
            self.run(
                "INSERT INTO records (source, record_key, paper_id, record) VALUES (?, ?, ?, ?)",
                &[source, &key, &id_text, &text],
            )
            .await;
            for key in identity_keys(record) {
                let statement = "INSERT INTO identities (identity_key, paper_id) VALUES (?, ?) ON CONFLICT DO NOTHING";
                self.run(statement, &[&key, &id_text]).await;
            }
            if let Some(likeness) = likeness_key(record) {
                self.likeness(&likeness, id).await;
            }
        }
        id
    }

    async fn likeness(&self, likeness: &str, id: PaperId) {
        let statement = "INSERT INTO likenesses (likeness, paper_id) VALUES (?, ?) ON CONFLICT DO NOTHING";
        self.run(statement, &[likeness, &id.to_string()]).await;
    }

    async fn opened(self) -> (tempfile::TempDir, Store) {
        self.pool.close().await;
        let store = Store::open(&Self::file(&self.folder)).await.unwrap();
        (self.folder, store)
    }
}

async fn old() -> Old {
    // Migrations up to the tenth were there before the fourth was.
    Old::new(|version| version != ONE_LIBRARY && version <= 10).await
}

fn line(local: &str, title: &str) -> Paper {
    let mut paper = Paper::new(title, SourceName::Import, at(1));
    paper.ids.local = Some(local.to_owned());
    paper
}

async fn by_id(store: &Store, id: PaperId) -> Paper {
    store.paper(&PaperRef::Library(id)).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_oldest_library_keeps_its_papers_and_their_identifiers() {
    let old = Old::new(|version| version == 1).await;
    let id = old.paper("local:1", 1, None, &[line("1", "Cats")]).await;
    let (_folder, store) = old.opened().await;
    assert_eq!(store.paper(&reference("local:1")).await.unwrap().unwrap().id, Some(id));
    assert_eq!(store.upsert(&[line("1", "Cats")]).await.unwrap(), counts(0, 0, 1));
    assert_eq!(store.upsert(&[line("1", "Stars")]).await.unwrap(), counts(1, 0, 0));
    assert_eq!(store.records(id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn papers_keep_ids_revisions_and_records_and_are_unchanged_when_they_are_read_again() {
    let old = old().await;
    let mut joined = scholar(7, "Attention");
    joined.ids.arxiv = Some("1706.03762".parse().unwrap());
    let records = [arxiv("1706.03762", 1, "Attention"), joined];
    let attention = old.paper("arxiv:1706.03762", 9, None, &records).await;
    let bert = old.paper("arxiv:1810.04805", 4, None, &[arxiv("1810.04805", 1, "BERT")]).await;
    let (_folder, store) = old.opened().await;
    let changes = store.changes_since(0, 10).await.unwrap();
    let told: Vec<_> = changes.iter().map(|change| (change.id, change.revision, change.paper.is_some())).collect();
    assert_eq!(told, [(bert, 4, true), (attention, 9, true)]);
    let expected = Paper { id: Some(attention), ..paper::merge(&records).unwrap() };
    assert_eq!(store.paper(&reference("CorpusId:7")).await.unwrap(), Some(expected));
    assert_eq!(store.upsert(&records).await.unwrap(), counts(0, 0, 2));
    assert_eq!(store.revision().await.unwrap(), 9, "nothing to index");
}

/// Each paper had a record of the same source and key: neither is lost, and both are found by their identifiers.
#[tokio::test]
async fn records_of_one_name_in_two_papers_are_both_kept() {
    let old = old().await;
    let told = |text: &str| Paper { abstract_text: Some(text.into()), ..line("1", "Cats") };
    let one = old.paper("one", 1, None, &[told("They sleep.")]).await;
    let other = old.paper("other", 2, None, &[told("They hunt.")]).await;
    let (_folder, store) = old.opened().await;
    for (id, text) in [(one, "They sleep."), (other, "They hunt.")] {
        assert_eq!(by_id(&store, id).await.abstract_text.as_deref(), Some(text));
        assert_eq!(store.records(id).await.unwrap(), [told(text)]);
    }
    assert_eq!(store.counts().await.unwrap().papers, 2);
}

#[tokio::test]
async fn the_id_of_a_paper_that_was_merged_before_still_leads_to_the_whole() {
    let old = old().await;
    let whole = old.paper("whole", 3, None, &[arxiv("1706.03762", 1, "Attention")]).await;
    let part = old.paper("part", 5, Some(whole), &[]).await;
    let first = old.paper("first", 4, Some(part), &[]).await;
    let (_folder, store) = old.opened().await;
    for id in [whole, part, first] {
        assert_eq!(by_id(&store, id).await.id, Some(whole));
    }
    let live: Vec<_> = store
        .changes_since(0, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|change| (change.id, change.paper.is_some()))
        .collect();
    assert_eq!(live, [(whole, true), (first, false), (part, false)]);
    assert_eq!(store.counts().await.unwrap().papers, 1);
}

#[tokio::test]
async fn a_title_that_was_given_up_still_leads_to_the_paper() {
    let old = old().await;
    let id = old.paper("arxiv:1706.03762", 1, None, &[arxiv("1706.03762", 2, "Attention")]).await;
    let former = likeness_key(&arxiv("1706.03762", 1, "Transformers, a draft")).unwrap();
    old.likeness(&former, id).await;
    let (_folder, store) = old.opened().await;
    assert_eq!(store.upsert(&[scholar(7, "Transformers, a draft")]).await.unwrap(), counts(0, 1, 0));
    assert_eq!(by_id(&store, id).await.ids.corpus_id, Some(CorpusId(7)));
    assert_eq!(store.counts().await.unwrap().papers, 1);
}

/// A version of before marked a paper as part of itself when a record had two of its identifiers.
#[tokio::test]
async fn a_paper_that_was_lost_as_part_of_itself_comes_back_and_the_index_learns_of_it() {
    let old = old().await;
    let records = [arxiv("1706.03762", 1, "Attention")];
    let lost = old.paper("lost", 6, Some(PaperId::derive("lost")), &records).await;
    let part = old.paper("part", 2, Some(lost), &[]).await;
    let bert = old.paper("bert", 7, None, &[arxiv("1810.04805", 1, "BERT")]).await;
    let (_folder, store) = old.opened().await;
    assert_eq!(by_id(&store, lost).await.title, "Attention");
    assert_eq!(by_id(&store, part).await.id, Some(lost));
    let news = store.changes_since(7, 10).await.unwrap();
    let back = Paper { id: Some(lost), ..paper::merge(&records).unwrap() };
    assert_eq!(news, [crate::store::Change { id: lost, revision: 8, text_revision: 8, paper: Some(back) }]);
    assert_eq!(by_id(&store, bert).await.title, "BERT");
    assert_eq!(store.upsert(&records).await.unwrap(), counts(0, 0, 1));
    assert_eq!(store.counts().await.unwrap().papers, 2);
}

#[tokio::test]
async fn more_papers_than_are_carried_at_once_all_arrive_and_only_once() {
    let old = old().await;
    for number in 1..=(BATCH + 2) {
        let title = format!("Paper {number}");
        old.paper(&title, number, None, &[line(&number.to_string(), &title)]).await;
    }
    let (folder, store) = old.opened().await;
    assert_eq!(store.counts().await.unwrap().papers, 1_002);
    store.close().await;
    let again = Store::open(&Old::file(&folder)).await.unwrap();
    assert_eq!((again.counts().await.unwrap().papers, again.revision().await.unwrap()), (1_002, 1_002));
}
