use std::collections::HashMap;

use paper::{Paper, PaperId, PaperRef, Sighting, SourceName, merge};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::entry::{link, read_id, read_name, read_seen};
use super::pool::listed;
use super::{Store, StoreError};

/// One paper as it stands at a revision; no paper means that it has become part of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which paper.
    pub id: PaperId,
    /// Grows with every change of the store.
    pub revision: u64,
    /// The revision at which its title or abstract last changed.
    pub text_revision: u64,
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
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT r.paper_id FROM record_links l JOIN records r ON r.no = l.no WHERE l.link = ? \
             GROUP BY r.paper_id ORDER BY MIN(r.no)",
        )
        .bind(link(key))
        .fetch_all(&self.pool)
        .await?;
        let ids = ids.iter().map(|id| read_id(id)).collect::<Result<Vec<_>, _>>()?;
        let mut found = self.papers(&ids).await?;
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    /// The paper that `id` has become part of, or `id` itself.
    async fn whole(&self, id: PaperId) -> Result<PaperId, StoreError> {
        let mut id = id;
        // Each step goes to the paper of an older record, so it ends.
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
        let mut records: HashMap<PaperId, Vec<Paper>> = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(500) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "SELECT r.paper_id, r.source, r.seen, t.record FROM records r JOIN record_texts t ON t.no = r.no \
                 WHERE r.paper_id IN (",
            );
            listed(&mut query, chunk.iter().map(ToString::to_string));
            for row in query.build().fetch_all(&self.pool).await? {
                records.entry(read_id(row.get(0))?).or_default().push(read_record(&row)?);
            }
        }
        let whole = |(id, records): (PaperId, Vec<Paper>)| Some((id, Paper { id: Some(id), ..merge(&records)? }));
        Ok(records.into_iter().filter_map(whole).collect())
    }

    /// The changes after `revision`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes_since(&self, revision: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, revision, merged_into, text_revision FROM papers WHERE revision > ? \
                 ORDER BY revision LIMIT ?",
        )
        .bind(i64::try_from(revision).unwrap_or(i64::MAX))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let mut live = Vec::with_capacity(rows.len());
        for row in rows.iter().filter(|row| row.get::<Option<String>, _>(2).is_none()) {
            live.push(read_id(row.get(0))?);
        }
        let mut papers = self.papers(&live).await?;
        let number = |row: &SqliteRow, column: usize| {
            let number: Option<i64> = row.get(column);
            number.and_then(|number| u64::try_from(number).ok())
        };
        let change = |row: &SqliteRow| {
            let (id, revision) = (read_id(row.get(0))?, number(row, 1).unwrap_or_default());
            let text_revision = number(row, 3).unwrap_or(revision);
            Ok(Change { id, revision, text_revision, paper: papers.remove(&id) })
        };
        rows.iter().map(change).collect()
    }

    /// How many papers changed after `revision`; those that have become part of another are none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_changes(&self, revision: u64) -> Result<u64, StoreError> {
        let since = i64::try_from(revision).unwrap_or(i64::MAX);
        let query = sqlx::query_scalar("SELECT COUNT(*) FROM papers WHERE revision > ? AND merged_into IS NULL");
        let changed: i64 = query.bind(since).fetch_one(&self.pool).await?;
        Ok(u64::try_from(changed).unwrap_or_default())
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
        let rows = sqlx::query(
            "SELECT r.paper_id, r.source, r.seen, t.record FROM records r JOIN record_texts t ON t.no = r.no \
             WHERE r.paper_id = ? ORDER BY r.source, r.record_key",
        )
        .bind(id.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read_record).collect()
    }

    /// How much there is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counts(&self) -> Result<StoreCounts, StoreError> {
        let papers: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM papers WHERE merged_into IS NULL").fetch_one(&self.pool).await?;
        let with_abstract: i64 =
            sqlx::query_scalar("SELECT COUNT(DISTINCT paper_id) FROM records WHERE has_abstract = 1")
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
            papers: count(papers),
            with_abstract: count(with_abstract),
            by_source,
            revision: self.revision().await?,
        })
    }
}

/// Of `paper_id, source, seen, record`.
pub(super) fn read_record(row: &SqliteRow) -> Result<Paper, StoreError> {
    let sighting = Sighting { name: read_name(row.get(1))?, seen: read_seen(row.get(2)) };
    Ok(Paper { sources: vec![sighting], ..read_paper(row.get(3))? })
}

pub(super) fn read_paper(json: &str) -> Result<Paper, StoreError> {
    serde_json::from_str(json).map_err(|source| StoreError::Unreadable { what: "paper", source })
}
