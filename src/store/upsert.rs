use paper::{Paper, PaperId, identity_keys, likeness_key, merge, newer_of_same_record, record_key};
use serde::Serialize;
use sqlx::SqliteConnection;

use super::papers::read_paper;
use super::{Store, StoreError};

/// What taking in records did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UpsertCounts {
    /// Papers that were not there.
    pub added: u64,
    /// Papers of which something new was learnt.
    pub updated: u64,
    /// Papers of which nothing new was learnt.
    pub unchanged: u64,
}

impl std::ops::AddAssign for UpsertCounts {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
    }
}

impl Store {
    /// Takes in what one source says: each record joins the paper it belongs to, or becomes a new one.
    /// All of it is stored, or, on an error, none. Saying the same again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Full`] on a full disk; else when the database fails.
    pub async fn upsert(&self, records: &[Paper]) -> Result<UpsertCounts, StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let newest: Option<i64> =
            sqlx::query_scalar("SELECT MAX(revision) FROM papers").fetch_one(&mut *transaction).await?;
        let mut taking = TakingIn { connection: &mut transaction, revision: newest.unwrap_or(0) };
        let mut counts = UpsertCounts::default();
        for record in records {
            counts += taking.take_in(record).await?;
        }
        transaction.commit().await?;
        Ok(counts)
    }
}

/// One transaction's work.
pub(super) struct TakingIn<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    revision: i64,
}

impl TakingIn<'_> {
    async fn take_in(&mut self, record: &Paper) -> Result<UpsertCounts, StoreError> {
        let key = record_key(record);
        let mut keys = identity_keys(record);
        if keys.is_empty() || key.starts_with("local:") {
            keys.push(key.clone());
        }
        let owners = self.owners(&key, record).await?;
        let same_record = |known: &Paper| known.source() == record.source() && record_key(known) == key;
        let (earlier, mut records): (Vec<Paper>, Vec<Paper>) =
            self.records_of(&owners).await?.into_iter().partition(same_record);
        let before = earlier.iter().reduce(newer_of_same_record);
        let kept = before.map_or(record, |before| newer_of_same_record(before, record)).clone();
        records.push(kept.clone());
        let Some(mut merged) = merge(&records) else { return Ok(UpsertCounts::default()) };
        let known = match owners.first() {
            Some(id) => self.paper(*id).await?,
            None => None,
        };
        let id = match owners.first() {
            Some(id) => *id,
            None => self.new_id(&keys, &key).await?,
        };
        merged.id = Some(id);
        self.write_keys(&keys, id).await?;
        self.write_likeness(record, id).await?;
        let counts = self.write_merged(id, known.as_ref(), &merged, &owners).await?;
        if before != Some(&kept) || owners.len() > 1 {
            // Kept even where the merged paper does not show it: it is what the source said.
            self.write_record(&key, id, &kept).await?;
        }
        Ok(counts)
    }

    /// Writes the paper where something new was learnt, and makes all its other owners part of it.
    async fn write_merged(
        &mut self,
        id: PaperId,
        known: Option<&Paper>,
        merged: &Paper,
        owners: &[PaperId],
    ) -> Result<UpsertCounts, StoreError> {
        if let Some(known) = known.filter(|known| owners.len() == 1 && says_the_same(known, merged)) {
            if known != merged {
                self.write_sightings(id, merged).await?;
            }
            return Ok(UpsertCounts { unchanged: 1, ..UpsertCounts::default() });
        }
        self.write_paper(id, merged).await?;
        for part in owners.iter().skip(1) {
            self.merge_into(*part, id).await?;
        }
        let added = u64::from(known.is_none());
        Ok(UpsertCounts { added, updated: 1 - added, unchanged: 0 })
    }

    async fn records_of(&mut self, owners: &[PaperId]) -> Result<Vec<Paper>, StoreError> {
        let mut records = Vec::new();
        for id in owners {
            let rows: Vec<String> = sqlx::query_scalar("SELECT record FROM records WHERE paper_id = ?")
                .bind(id.to_string())
                .fetch_all(&mut *self.connection)
                .await?;
            for row in &rows {
                records.push(read_paper(row)?);
            }
        }
        Ok(records)
    }

    async fn paper(&mut self, id: PaperId) -> Result<Option<Paper>, StoreError> {
        let row: Option<String> = sqlx::query_scalar("SELECT paper FROM papers WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut *self.connection)
            .await?;
        row.as_deref().map(read_paper).transpose()
    }

    /// The id that follows from the strongest key; from a weaker one when another paper has it already.
    async fn new_id(&mut self, keys: &[String], record_key: &str) -> Result<PaperId, StoreError> {
        let numbered = format!("{}#{}", keys.join(" "), self.revision);
        for key in keys.iter().map(String::as_str).chain([record_key, &numbered]) {
            let id = PaperId::derive(key);
            if self.paper(id).await?.is_none() {
                return Ok(id);
            }
        }
        Ok(PaperId::derive(&numbered))
    }

    async fn write_record(&mut self, key: &str, id: PaperId, record: &Paper) -> Result<(), StoreError> {
        let source = record.source().map(|source| source.as_str()).unwrap_or_default();
        sqlx::query(
            "INSERT INTO records (source, record_key, paper_id, record) VALUES (?, ?, ?, ?) \
             ON CONFLICT (source, record_key, paper_id) DO UPDATE SET record = excluded.record",
        )
        .bind(source)
        .bind(key)
        .bind(id.to_string())
        .bind(to_json(record)?)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    async fn write_keys(&mut self, keys: &[String], id: PaperId) -> Result<(), StoreError> {
        for key in keys {
            sqlx::query("INSERT INTO identities (identity_key, paper_id) VALUES (?, ?) ON CONFLICT DO NOTHING")
                .bind(key)
                .bind(id.to_string())
                .execute(&mut *self.connection)
                .await?;
        }
        Ok(())
    }

    async fn write_likeness(&mut self, record: &Paper, id: PaperId) -> Result<(), StoreError> {
        let Some(likeness) = likeness_key(record) else { return Ok(()) };
        sqlx::query("INSERT INTO likenesses (likeness, paper_id) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(likeness)
            .bind(id.to_string())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn write_paper(&mut self, id: PaperId, paper: &Paper) -> Result<(), StoreError> {
        self.revision += 1;
        sqlx::query(
            "INSERT INTO papers (id, revision, paper) VALUES (?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, paper = excluded.paper",
        )
        .bind(id.to_string())
        .bind(self.revision)
        .bind(to_json(paper)?)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Writes when the paper was last seen. No new revision: the index holds nothing of it.
    async fn write_sightings(&mut self, id: PaperId, paper: &Paper) -> Result<(), StoreError> {
        sqlx::query("UPDATE papers SET paper = ? WHERE id = ?")
            .bind(to_json(paper)?)
            .bind(id.to_string())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// `part` turned out to be the same paper as `whole`: everything that points to it points there.
    async fn merge_into(&mut self, part: PaperId, whole: PaperId) -> Result<(), StoreError> {
        self.revision += 1;
        for statement in [
            "UPDATE OR REPLACE records SET paper_id = ? WHERE paper_id = ?",
            "UPDATE OR REPLACE identities SET paper_id = ? WHERE paper_id = ?",
            "UPDATE OR REPLACE likenesses SET paper_id = ? WHERE paper_id = ?",
            "UPDATE papers SET merged_into = ? WHERE id = ?",
        ] {
            sqlx::query(statement)
                .bind(whole.to_string())
                .bind(part.to_string())
                .execute(&mut *self.connection)
                .await?;
        }
        sqlx::query("UPDATE papers SET revision = ? WHERE id = ?")
            .bind(self.revision)
            .bind(part.to_string())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

/// Whether two states of a paper differ in nothing but when it was last seen.
pub(super) fn says_the_same(known: &Paper, merged: &Paper) -> bool {
    let timeless = |paper: &Paper| {
        let mut paper = paper.clone();
        for sighting in &mut paper.sources {
            sighting.seen = jiff::Timestamp::UNIX_EPOCH;
        }
        paper
    };
    timeless(known) == timeless(merged)
}

fn to_json(paper: &Paper) -> Result<String, StoreError> {
    serde_json::to_string(paper).map_err(|source| StoreError::Unreadable { what: "paper", source })
}
