use std::collections::HashMap;

use paper::{Paper, PaperId, PaperRef, SourceName};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{Store, StoreError};

/// One paper as it stands at a revision; no paper means that it has become part of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which paper.
    pub id: PaperId,
    /// Grows with every change of the store.
    pub revision: u64,
    /// The paper, or none when its place is to be cleared.
    pub paper: Option<Paper>,
}

/// How much there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCounts {
    /// Papers.
    pub papers: u64,
    /// Papers that have an abstract.
    pub with_abstract: u64,
    /// Papers by source; a paper that two sources told of counts for both.
    pub by_source: std::collections::BTreeMap<String, u64>,
    /// The newest revision.
    pub revision: u64,
}

impl Store {
    /// The paper that a person named; an id of a paper that became part of another leads to that.
    ///
    /// # Errors
    /// [`StoreError::Ambiguous`] when several papers have the identifier; else when the database fails.
    pub async fn paper(&self, reference: &PaperRef) -> Result<Option<Paper>, StoreError> {
        let mut named = match (reference, reference.identity_key()) {
            (_, Some(key)) => self.papers_of_key(&key).await?,
            (PaperRef::Library(id), None) => self.papers(&[self.whole(*id).await?]).await?.into_values().collect(),
            (_, None) => Vec::new(),
        };
        if named.len() > 1 {
            let key = reference.identity_key().unwrap_or_default();
            let papers = named.into_iter().filter_map(|paper| paper.id.map(|id| (id, paper.title))).collect();
            return Err(StoreError::Ambiguous { key, papers });
        }
        Ok(named.pop())
    }

    /// The papers that have an identifier, the oldest first.
    async fn papers_of_key(&self, key: &str) -> Result<Vec<Paper>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT p.paper FROM identities i JOIN papers p ON p.id = i.paper_id \
             WHERE i.identity_key = ? AND p.merged_into IS NULL ORDER BY p.rowid",
        )
        .bind(key)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| read_paper(row)).collect()
    }

    /// The paper that `id` has become part of, or `id` itself.
    async fn whole(&self, id: PaperId) -> Result<PaperId, StoreError> {
        let mut id = id;
        // A chain is as long as the number of merges; each step goes to an older paper, so it ends.
        loop {
            let next: Option<Option<String>> = sqlx::query_scalar("SELECT merged_into FROM papers WHERE id = ?")
                .bind(id.to_string())
                .fetch_optional(&self.pool)
                .await?;
            match next.flatten().and_then(|next| next.parse().ok()) {
                Some(next) => id = next,
                None => return Ok(id),
            }
        }
    }

    /// Several papers by the library's ids; what is not there is left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn papers(&self, ids: &[PaperId]) -> Result<HashMap<PaperId, Paper>, StoreError> {
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(500) {
            let mut query =
                QueryBuilder::<Sqlite>::new("SELECT paper FROM papers WHERE merged_into IS NULL AND id IN (");
            let mut listed = query.separated(", ");
            for id in chunk {
                listed.push_bind(id.to_string());
            }
            query.push(")");
            for row in query.build().fetch_all(&self.pool).await? {
                let paper = read_paper(row.get(0))?;
                found.extend(paper.id.map(|id| (id, paper)));
            }
        }
        Ok(found)
    }

    /// The changes after `revision`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes_since(&self, revision: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, revision, paper, merged_into FROM papers WHERE revision > ? ORDER BY revision LIMIT ?",
        )
        .bind(i64::try_from(revision).unwrap_or(i64::MAX))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let paper = read_paper(row.get(2))?;
                let merged: Option<String> = row.get(3);
                let id: String = row.get(0);
                let id = id.parse().map_err(|_| StoreError::Database(sqlx::Error::RowNotFound))?;
                let revision = u64::try_from(row.get::<i64, _>(1)).unwrap_or_default();
                Ok(Change { id, revision, paper: merged.is_none().then_some(paper) })
            })
            .collect()
    }

    /// The newest revision; 0 in an empty store.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revision(&self) -> Result<u64, StoreError> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(revision) FROM papers").fetch_one(&self.pool).await?;
        Ok(newest.and_then(|n| u64::try_from(n).ok()).unwrap_or_default())
    }

    /// What each source said of a paper, in the order of trust.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn records(&self, id: PaperId) -> Result<Vec<Paper>, StoreError> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT record FROM records WHERE paper_id = ? ORDER BY source, record_key")
                .bind(id.to_string())
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|row| read_paper(row)).collect()
    }

    /// How much there is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counts(&self) -> Result<StoreCounts, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN paper LIKE '%\"abstract\":null%' THEN 0 ELSE 1 END), 0) \
             FROM papers WHERE merged_into IS NULL",
        )
        .fetch_one(&self.pool)
        .await?;
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        let mut by_source: std::collections::BTreeMap<String, u64> =
            SourceName::ALL.iter().map(|source| (source.to_string(), 0)).collect();
        let sources = sqlx::query("SELECT source, COUNT(DISTINCT paper_id) FROM records GROUP BY source")
            .fetch_all(&self.pool)
            .await?;
        by_source.extend(sources.iter().map(|row| (row.get::<String, _>(0), count(row.get(1)))));
        Ok(StoreCounts {
            papers: count(row.get(0)),
            with_abstract: count(row.get(1)),
            by_source,
            revision: self.revision().await?,
        })
    }
}

pub(super) fn read_paper(json: &str) -> Result<Paper, StoreError> {
    serde_json::from_str(json).map_err(|source| StoreError::Unreadable { what: "paper", source })
}
