//! What a library had before papers were read as what their records make together.

use std::collections::HashMap;

use paper::{PaperId, RecordName, likeness_key};
use sqlx::{Row, SqliteConnection};

use super::entry::{Entry, Kept, read_id};
use super::papers::read_paper;
use super::pool::Pool;
use super::{Store, StoreError, write};

/// Papers carried over at once.
const BATCH: i64 = 1_000;

impl Store {
    /// Carries the records of an older library over, in one transaction: its papers keep their ids, their revisions
    /// and their records. Nothing is judged anew; that is done when a source tells of them the next time.
    pub(super) async fn carry_over(&self) -> Result<(), StoreError> {
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM old_papers").fetch_one(&self.pool).await?;
        if left == 0 {
            return Ok(());
        }
        tracing::info!(papers = left, "carrying the library over to a newer form");
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        bring_back(&mut transaction).await?;
        sqlx::query(
            "INSERT INTO papers (id, revision, merged_into, text_revision) \
             SELECT id, revision, merged_into, revision FROM old_papers",
        )
        .execute(&mut *transaction)
        .await?;
        let (mut reached, mut no) = (-1, 0);
        while let Some(revision) = carry_batch(&mut transaction, reached, &mut no).await? {
            reached = revision;
        }
        for table in ["DELETE FROM old_papers", "DELETE FROM old_records", "DELETE FROM old_likenesses"] {
            sqlx::query(table).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Papers that an older version took for part of themselves are papers again. They get new revisions: the index has
/// dropped them.
async fn bring_back(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let lost: Vec<String> = sqlx::query_scalar("SELECT id FROM old_papers WHERE merged_into = id ORDER BY revision")
        .fetch_all(&mut *connection)
        .await?;
    for id in lost {
        sqlx::query(
            "UPDATE old_papers SET merged_into = NULL, revision = (SELECT MAX(revision) FROM old_papers) + 1 \
             WHERE id = ?",
        )
        .bind(id)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// The papers after a revision, which is the nearest to the order of their arrival that is kept; the last of them.
async fn carry_batch(connection: &mut SqliteConnection, after: i64, no: &mut i64) -> Result<Option<i64>, StoreError> {
    let papers = sqlx::query(
        "SELECT id, revision FROM old_papers WHERE revision > ? AND merged_into IS NULL ORDER BY revision LIMIT ?",
    )
    .bind(after)
    .bind(BATCH)
    .fetch_all(&mut *connection)
    .await?;
    let mut entries: Vec<Entry> = Vec::new();
    for paper in &papers {
        let id: String = paper.get(0);
        entries.extend(records_of(connection, &id, no).await?);
    }
    tell_apart(connection, &mut entries).await?;
    let entries: Vec<&Entry> = entries.iter().collect();
    write::records(connection, &entries).await?;
    write::texts(connection, &entries).await?;
    write::links(connection, &entries).await?;
    Ok(papers.last().map(|paper| paper.get(1)))
}

/// The first record stands for the paper's id, and for the likenesses that none of the records has now.
async fn records_of(connection: &mut SqliteConnection, id: &str, no: &mut i64) -> Result<Vec<Entry>, StoreError> {
    let paper: PaperId = read_id(id)?;
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT record FROM old_records WHERE paper_id = ? ORDER BY source, record_key")
            .bind(id)
            .fetch_all(&mut *connection)
            .await?;
    let mut former: Vec<String> =
        sqlx::query_scalar("SELECT likeness FROM old_likenesses WHERE paper_id = ? ORDER BY likeness")
            .bind(id)
            .fetch_all(&mut *connection)
            .await?;
    let mut entries: Vec<Entry> = Vec::with_capacity(rows.len());
    for row in &rows {
        let record = read_paper(row)?;
        let name = RecordName::of(&record);
        let kept = Kept::new(&record, &name)?;
        former.retain(|likeness| Some(likeness) != likeness_key(&record).as_ref());
        *no += 1;
        entries.push(Entry { paper: Some(paper), ..Entry::new(*no, name, kept) });
    }
    if let Some(first) = entries.first_mut() {
        first.first = Some(paper);
        first.former = former;
        first.link();
    }
    Ok(entries)
}

/// Two papers may each have had a record of one name: the later keeps it under a name of its own.
async fn tell_apart(connection: &mut SqliteConnection, entries: &mut [Entry]) -> Result<(), StoreError> {
    let names: Vec<RecordName> = entries.iter().map(|entry| entry.name.clone()).collect();
    let stored = Pool::stubs(connection, &names).await?;
    let mut seen: HashMap<RecordName, i64> = stored.into_iter().map(|(name, stub)| (name, stub.no)).collect();
    for entry in entries {
        if seen.insert(entry.name.clone(), entry.no).is_some() {
            entry.name.record = format!("{} #{}", entry.name.record, entry.no);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "carry_over_tests.rs"]
mod tests;
