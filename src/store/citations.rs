use std::collections::BTreeSet;

use paper::{Cites, Paper, PaperId, identity_keys};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::entry::{link, read_id};
use super::pool::listed;
use super::{Store, StoreError};

/// Which papers are meant, of those linked with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// Those that it cites.
    References,
    /// Those that cite it.
    Citations,
}

/// Papers of the library that are linked with one, and how it goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkedPapers {
    /// The one that the library learned of first comes first.
    pub papers: Vec<Paper>,
    /// How many there are in all.
    pub total: u64,
    /// What the next page comes after; none on the last.
    pub next: Option<u64>,
}

/// Links written in one statement.
const AT_ONCE: usize = 400;

impl Store {
    /// Remembers who cites whom.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_links(&self, links: &[Cites]) -> Result<(), StoreError> {
        if links.is_empty() {
            return Ok(());
        }
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin().await?;
        let mut added = 0;
        for chunk in links.chunks(AT_ONCE) {
            let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO citations (citing, cited) ");
            query.push_values(chunk, |mut row, told| {
                row.push_bind(link(&told.citing)).push_bind(link(&told.cited));
            });
            let written = query.push(" ON CONFLICT DO NOTHING").build().execute(&mut *transaction).await?;
            added += written.rows_affected();
        }
        if added > 0 {
            sqlx::query("UPDATE citation_revision SET revision = revision + 1").execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Grows whenever links are added.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn link_revision(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT revision FROM citation_revision").fetch_one(&self.pool).await?)
    }

    /// The papers of the library that a paper cites or that cite it, as far as a source has told: at most `limit` after the
    /// place that a page before gave.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn linked(
        &self,
        id: PaperId,
        linked: Linked,
        after: u64,
        limit: usize,
    ) -> Result<LinkedPapers, StoreError> {
        // Its records may have identifiers that the paper which is made of them does not show.
        let keys: BTreeSet<String> = self.records(id).await?.iter().flat_map(identity_keys).collect();
        let (own, other) = match linked {
            Linked::References => ("citing", "cited"),
            Linked::Citations => ("cited", "citing"),
        };
        let mut query = QueryBuilder::<Sqlite>::new("SELECT r.paper_id, MIN(r.no) AS first FROM citations c ");
        query.push(format!(
            "JOIN record_links l ON l.link = c.{other} JOIN records r ON r.no = l.no WHERE c.{own} IN ("
        ));
        listed(&mut query, keys.iter().map(|key| link(key)));
        query.push(" AND r.paper_id <> ").push_bind(id.to_string());
        query.push(" GROUP BY r.paper_id ORDER BY first");
        let rows = query.build().fetch_all(&self.pool).await?;
        let total = rows.len() as u64;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let mut page = Vec::new();
        for row in rows.iter().filter(|row| row.get::<i64, _>(1) > after).take(limit.saturating_add(1)) {
            page.push((read_id(row.get(0))?, row.get::<i64, _>(1)));
        }
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).and_then(|(_, no)| u64::try_from(*no).ok());
        let ids: Vec<PaperId> = page.into_iter().map(|(id, _)| id).collect();
        let mut found = self.papers(&ids).await?;
        Ok(LinkedPapers { papers: ids.iter().filter_map(|id| found.remove(id)).collect(), total, next })
    }
}

#[cfg(test)]
mod tests {
    use paper::SourceName;

    use super::super::tests::{at, store};
    use super::*;

    fn record(title: &str, ids: serde_json::Value) -> Paper {
        let mut paper = Paper::new(title, SourceName::SemanticScholar, at(1));
        paper.ids = serde_json::from_value(ids).unwrap();
        paper
    }

    fn cites(citing: &str, cited: &str) -> Cites {
        Cites { citing: citing.to_owned(), cited: cited.to_owned() }
    }

    async fn id_of(store: &Store, reference: &str) -> PaperId {
        store.paper(&reference.parse().unwrap()).await.unwrap().unwrap().id.unwrap()
    }

    async fn titles(store: &Store, reference: &str, linked: Linked) -> Vec<String> {
        let found = store.linked(id_of(store, reference).await, linked, 0, 10).await.unwrap();
        assert_eq!((found.total, found.next), (found.papers.len() as u64, None));
        found.papers.into_iter().map(|paper| paper.title).collect()
    }

    #[tokio::test]
    async fn a_link_waits_for_its_paper_and_holds_when_the_paper_gets_other_identifiers() {
        let (_home, store) = store().await;
        store.upsert(&[record("On maps", serde_json::json!({"doi": "10.1000/maps"}))]).await.unwrap();
        let links = [cites("doi:10.1000/maps", "corpus:7"), cites("doi:10.1000/maps", "doi:10.1000/maps")];
        store.add_links(&links).await.unwrap();
        store.add_links(&links).await.unwrap();
        assert_eq!(store.link_revision().await.unwrap(), 1, "what is known is nothing new");
        assert_eq!(titles(&store, "10.1000/maps", Linked::References).await, Vec::<String>::new());
        store.upsert(&[record("On roads", serde_json::json!({"corpus_id": 7, "arxiv": "2104.12255"}))]).await.unwrap();
        assert_eq!(titles(&store, "10.1000/maps", Linked::References).await, ["On roads"]);
        assert_eq!(titles(&store, "arXiv:2104.12255", Linked::Citations).await, ["On maps"]);
        assert_eq!(titles(&store, "arXiv:2104.12255", Linked::References).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn the_pages_of_a_list_are_the_whole_list_once() {
        let (_home, store) = store().await;
        let mut papers = vec![record("The first", serde_json::json!({"corpus_id": 1}))];
        papers.extend((2..=8).map(|n| record(&format!("Number {n}"), serde_json::json!({"corpus_id": n}))));
        store.upsert(&papers).await.unwrap();
        let links: Vec<Cites> = (2..=8).rev().map(|n| cites("corpus:1", &format!("corpus:{n}"))).collect();
        store.add_links(&links).await.unwrap();
        let (id, mut after, mut pages) = (id_of(&store, "CorpusId:1").await, Some(0), Vec::new());
        while let Some(place) = after {
            let page = store.linked(id, Linked::References, place, 3).await.unwrap();
            assert_eq!(page.total, 7);
            pages.push(page.papers.into_iter().map(|paper| paper.ids.corpus_id.unwrap().0).collect::<Vec<_>>());
            after = page.next;
        }
        assert_eq!(pages, [vec![2, 3, 4], vec![5, 6, 7], vec![8]]);
    }
}
