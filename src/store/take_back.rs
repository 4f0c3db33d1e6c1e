//! Records that their source has deleted.

use jiff::Timestamp;
use paper::SourceName;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::entry::{Entry, Kept, link, read_seen};
use super::pool::{MOST_BOUND, Pool, listed};
use super::upsert::Batch;
use super::{Store, StoreError, write};

impl Store {
    /// Takes note that a source has deleted the records of these identifiers ([`paper::identity_keys`]); gives how many
    /// the library had and did not know to be deleted. A paper that arXiv deletes is marked as withdrawn, until arXiv
    /// tells of it again. The record of another source goes, unless nobody else tells of the paper.
    ///
    /// # Errors
    /// [`StoreError::Full`] on a full disk; else when the database fails.
    pub async fn take_back(&self, source: SourceName, keys: &[String], now: Timestamp) -> Result<u64, StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        let nos = named(&mut transaction, source, keys).await?;
        let mut batch = Batch::new(&mut transaction).await?;
        batch.pool.load(batch.connection, &nos).await?;
        let taken = match source {
            SourceName::Arxiv => batch.withdraw(now)?,
            _ => batch.drop_told_by_others(source).await?,
        };
        if taken > 0 {
            batch.settle().await?;
        }
        transaction.commit().await?;
        Ok(taken)
    }
}

async fn named(connection: &mut SqliteConnection, source: SourceName, keys: &[String]) -> Result<Vec<i64>, StoreError> {
    let mut nos = Vec::new();
    for chunk in keys.chunks(MOST_BOUND) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT DISTINCT r.no FROM record_links l JOIN records r ON r.no = l.no WHERE r.source = ",
        );
        query.push_bind(source.as_str()).push(" AND l.link IN (");
        listed(&mut query, chunk.iter().map(|key| link(key)));
        nos.extend(query.build().fetch_all(&mut *connection).await?.iter().map(|row| row.get::<i64, _>(0)));
    }
    Ok(nos)
}

impl Batch<'_> {
    /// The withdrawal is a state of the record like any other: one that is told later takes its place.
    fn withdraw(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let mut taken = 0;
        for entry in self.pool.entries.iter_mut().filter(|entry| !entry.record.withdrawn) {
            let mut state = entry.record.clone();
            state.withdrawn = true;
            let seen = now.as_microsecond().max(entry.seen() + 1);
            state.sources.iter_mut().for_each(|sighting| sighting.seen = read_seen(seen));
            taken += u64::from(entry.take_in(Kept::new(&state, &entry.name)?, None));
        }
        Ok(taken)
    }

    async fn drop_told_by_others(&mut self, source: SourceName) -> Result<u64, StoreError> {
        let decided = self.pool.decided;
        let named = std::mem::replace(&mut self.pool, Pool::new(decided)).entries;
        // All go before any heir is looked for: one of them may be the oldest of what another leaves.
        let mut rest: Vec<i64> = Vec::new();
        for entry in named {
            let rows = sqlx::query("SELECT no, source FROM records WHERE paper_id = ? ORDER BY no")
                .bind(entry.paper.map(|id| id.to_string()))
                .fetch_all(&mut *self.connection)
                .await?;
            if !rows.iter().any(|row| row.get::<String, _>(1) != source.as_str()) {
                continue;
            }
            rest.extend(rows.iter().map(|row| row.get::<i64, _>(0)));
            write::remove(self.connection, &entry).await?;
            self.pool.dropped.push(entry);
        }
        rest.retain(|no| self.pool.dropped.iter().all(|entry| entry.no != *no));
        self.pool.load(self.connection, &rest).await?;
        for entry in self.pool.dropped.clone() {
            self.hand_over(&entry);
        }
        Ok(self.pool.dropped.len() as u64)
    }

    /// The oldest of the other records stands for the paper's id from now on.
    fn hand_over(&mut self, dropped: &Entry) {
        let rest = self.pool.entries.iter_mut().filter(|entry| entry.paper == dropped.paper && entry.no != dropped.no);
        if let Some(heir) = rest.min_by_key(|entry| (entry.first.is_none(), entry.no)) {
            heir.first = dropped.first.filter(|first| Some(*first) == dropped.paper).or(heir.first);
            heir.changed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use paper::{Author, Paper, SourceName};

    use crate::store::tests::{arxiv, at, counts, reference, scholar, store};

    #[tokio::test]
    async fn a_paper_that_arxiv_deletes_is_withdrawn_until_arxiv_tells_of_it_again() {
        let (_folder, store) = store().await;
        let paper = arxiv("1706.03762", 2, "Attention");
        store.upsert(std::slice::from_ref(&paper)).await.unwrap();
        let keys = ["arxiv:1706.03762".to_owned(), "arxiv:1706.00009".to_owned()];
        assert_eq!(store.take_back(SourceName::Arxiv, &keys, at(50)).await.unwrap(), 1);
        assert_eq!(store.take_back(SourceName::Arxiv, &keys, at(51)).await.unwrap(), 0, "known already");
        let withdrawn = || async { store.paper(&reference("arXiv:1706.03762")).await.unwrap().unwrap().withdrawn };
        assert!(withdrawn().await);
        assert_eq!(store.revision().await.unwrap(), 1, "the index has nothing of it");
        assert_eq!(store.upsert(&[paper.clone(), arxiv("1706.03762", 1, "Attention")]).await.unwrap(), counts(0, 0, 2));
        assert!(withdrawn().await, "an older state changes nothing");
        let mut again = paper;
        again.sources[0].seen = at(60);
        assert_eq!(store.upsert(&[again]).await.unwrap(), counts(0, 1, 0));
        assert!(!withdrawn().await);
    }

    #[tokio::test]
    async fn a_record_that_another_source_deletes_goes_where_others_tell_of_the_paper() {
        let (_folder, store) = store().await;
        let (mut joined, alone) = (scholar(7, "Attention"), scholar(8, "Alone"));
        joined.ids.arxiv = Some("1706.03762".parse().unwrap());
        store.upsert(&[joined, alone]).await.unwrap();
        store.upsert(&[arxiv("1706.03762", 1, "Attention")]).await.unwrap();
        let before = store.paper(&reference("arXiv:1706.03762")).await.unwrap().unwrap();
        let keys = ["corpus:7".to_owned(), "corpus:8".to_owned()];
        assert_eq!(store.take_back(SourceName::SemanticScholar, &keys, at(50)).await.unwrap(), 1);
        let after = store.paper(&reference("arXiv:1706.03762")).await.unwrap().unwrap();
        assert_eq!((after.id, after.venue.as_deref(), after.sources.len()), (before.id, None, 1));
        assert!(store.paper(&reference("CorpusId:7")).await.unwrap().is_none());
        assert_eq!(store.paper(&reference("CorpusId:8")).await.unwrap().unwrap().title, "Alone");
        let changed: Vec<_> = store.changes_since(3, 9).await.unwrap().into_iter().map(|change| change.id).collect();
        assert_eq!(changed, [after.id.unwrap()]);
    }

    #[tokio::test]
    async fn what_was_in_doubt_because_of_a_record_that_goes_is_judged_anew() {
        let (_folder, store) = store().await;
        let alike = |mut paper: Paper, title: &str| {
            paper.title = title.to_owned();
            paper.year = Some(2015);
            paper.authors = vec![Author::named("Ada Lovelace")];
            paper
        };
        let (mut goes, stays) = (alike(scholar(7, ""), "Introduction"), alike(scholar(8, ""), "Introduction"));
        goes.ids.arxiv = Some("1706.03762".parse().unwrap());
        let line = alike(Paper::new("", SourceName::Import, at(1)), "Introduction");
        store.upsert(&[goes, arxiv("1706.03762", 1, "Attention"), stays, line]).await.unwrap();
        assert_eq!(store.counts().await.unwrap().papers, 3, "the line may be of either");
        store.take_back(SourceName::SemanticScholar, &["corpus:7".to_owned()], at(50)).await.unwrap();
        assert_eq!(store.counts().await.unwrap().papers, 2);
        let joined = store.paper(&reference("CorpusId:8")).await.unwrap().unwrap();
        assert_eq!(store.records(joined.id.unwrap()).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn of_several_records_of_a_paper_that_go_at_once_none_comes_back() {
        let (_folder, store) = store().await;
        let joined = |corpus: u64| {
            let mut record = scholar(corpus, "Attention");
            record.ids.arxiv = Some("1706.03762".parse().unwrap());
            record
        };
        store.upsert(&[joined(7), joined(8), arxiv("1706.03762", 1, "Attention")]).await.unwrap();
        let before = store.paper(&reference("arXiv:1706.03762")).await.unwrap().unwrap();
        let keys = ["corpus:8".to_owned(), "corpus:7".to_owned()];
        assert_eq!(store.take_back(SourceName::SemanticScholar, &keys, at(50)).await.unwrap(), 2);
        let after = store.paper(&reference("arXiv:1706.03762")).await.unwrap().unwrap();
        assert_eq!((after.id, after.venue, after.sources.len()), (before.id, None, 1));
        assert!(store.paper(&reference("CorpusId:7")).await.unwrap().is_none());
        assert_eq!(store.upsert(&[joined(7)]).await.unwrap(), counts(0, 1, 0), "it is read again as a new record");
        assert_eq!(store.records(before.id.unwrap()).await.unwrap().len(), 2);
    }
}
