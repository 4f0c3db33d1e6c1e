//! What an operator decides about which records are one paper, and what each paper was made of.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use paper::{Decision, Paper, PaperId, RecordName, provenance};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::entry::{Entry, read_id, read_name, read_seen};
use super::pool::{MOST_BOUND, listed};
use super::upsert::Batch;
use super::{Store, StoreError};

/// A decision, as it is told and as history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Its number; of two that contradict each other, the higher one holds.
    pub id: i64,
    /// One side for papers that were joined, several for one that was separated.
    pub sides: Vec<Vec<RecordName>>,
    /// When it was made.
    pub decided_at: Timestamp,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_at: Option<Timestamp>,
    /// The papers that its records are of now.
    pub papers: Vec<PaperId>,
}

/// What a paper was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The paper.
    pub paper: PaperId,
    /// Its records, in the order in which they came.
    pub records: Vec<Told>,
    /// For each field that the paper has, which records tell its value ([`paper::provenance`]).
    pub fields: BTreeMap<String, Vec<RecordName>>,
}

/// A record of a paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Its name.
    pub name: RecordName,
    /// When the source was last heard to tell it.
    pub seen: Timestamp,
    /// What made it part of the paper that the first record began: a key that they, or others between them, share,
    /// or `decision 1`; none for the first.
    pub joined_by: Option<String>,
    /// What it says.
    pub says: Paper,
}

impl Store {
    /// Makes one paper of several, whatever their identifiers say.
    ///
    /// # Errors
    /// [`StoreError::Undecidable`] when they are one already; else when the database fails.
    pub async fn join(&self, papers: &[PaperId], now: Timestamp) -> Result<Decided, StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        let mut side = Vec::new();
        let mut distinct = papers.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() < 2 {
            return Err(StoreError::Undecidable { why: "these are one paper already".to_owned() });
        }
        for paper in distinct {
            side.extend(names_of(&mut transaction, paper).await?);
        }
        let id = decide(&mut transaction, &[side], now).await?;
        settle(&mut transaction, id).await?;
        let decided = read(&mut transaction, id).await?;
        transaction.commit().await?;
        decided.ok_or(StoreError::NoDecision { id })
    }

    /// Makes these records of a paper another paper.
    ///
    /// # Errors
    /// [`StoreError::Undecidable`] when they are not records of the paper, or all of them; else when the database fails.
    pub async fn separate(
        &self,
        paper: PaperId,
        records: &[RecordName],
        now: Timestamp,
    ) -> Result<Decided, StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        let all = names_of(&mut transaction, paper).await?;
        if let Some(stranger) = records.iter().find(|record| !all.contains(record)) {
            let known: Vec<String> = all.iter().map(|name| format!("`{name}`")).collect();
            let why = format!("`{stranger}` is no record of {paper}; its records are {}", known.join(", "));
            return Err(StoreError::Undecidable { why });
        }
        let (one, other): (Vec<_>, Vec<_>) = all.into_iter().partition(|name| records.contains(name));
        if one.is_empty() || other.is_empty() {
            let why = format!("name some of the records of {paper}, not all of them; the others stay");
            return Err(StoreError::Undecidable { why });
        }
        let id = decide(&mut transaction, &[one, other], now).await?;
        settle(&mut transaction, id).await?;
        let decided = read(&mut transaction, id).await?;
        transaction.commit().await?;
        decided.ok_or(StoreError::NoDecision { id })
    }

    /// Takes a decision back: its records are one paper, or several, as what they say and the other decisions make them.
    ///
    /// # Errors
    /// [`StoreError::NoDecision`] when there is none of that number, or it was taken back; else when the database fails.
    pub async fn undo(&self, id: i64, now: Timestamp) -> Result<Decided, StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        let undone = sqlx::query("UPDATE decisions SET undone_at = ? WHERE id = ? AND undone_at IS NULL")
            .bind(now.as_microsecond())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        if undone.rows_affected() == 0 {
            return Err(StoreError::NoDecision { id });
        }
        settle(&mut transaction, id).await?;
        let decided = read(&mut transaction, id).await?;
        transaction.commit().await?;
        decided.ok_or(StoreError::NoDecision { id })
    }

    /// The decisions before one, the newest first, at most `limit`; those that were taken back too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn decisions(&self, before: Option<i64>, limit: usize) -> Result<Vec<Decided>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM decisions WHERE id < ? ORDER BY id DESC LIMIT ?")
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        let mut connection = self.pool.acquire().await?;
        let mut decisions = Vec::with_capacity(ids.len());
        for id in ids {
            decisions.extend(read(&mut connection, id).await?);
        }
        Ok(decisions)
    }

    /// What a paper was made of; none when it is not there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn provenance(&self, paper: PaperId) -> Result<Option<Provenance>, StoreError> {
        // One state of the library throughout, and nothing of it is written.
        let mut transaction = self.pool.begin().await?;
        let nos: Vec<i64> = sqlx::query_scalar("SELECT no FROM records WHERE paper_id = ? ORDER BY no")
            .bind(paper.to_string())
            .fetch_all(&mut *transaction)
            .await?;
        let mut batch = Batch::new(&mut transaction).await?;
        batch.pool.load(batch.connection, &nos).await?;
        batch.pool.close(batch.connection).await?;
        let works = batch.works();
        let mut own: Vec<_> = batch.pool.entries.iter().enumerate().take(nos.len()).collect();
        own.sort_by_key(|(_, entry)| entry.no);
        let first = own.first().map_or(0, |(place, _)| *place);
        let told = |(place, entry): &(usize, &Entry)| Told {
            name: entry.name.clone(),
            seen: read_seen(entry.seen()),
            joined_by: works.why(first, *place).filter(|_| *place != first).map(str::to_owned),
            says: entry.record.clone(),
        };
        let records: Vec<Told> = own.iter().map(told).collect();
        let says: Vec<Paper> = records.iter().map(|told| told.says.clone()).collect();
        let name = |place: usize| records.get(place).map(|told| told.name.clone());
        let named = |places: Vec<usize>| places.into_iter().filter_map(name).collect();
        let fields = provenance(&says).into_iter().map(|(field, places)| (field, named(places))).collect();
        Ok(Some(Provenance { paper, records, fields }).filter(|provenance| !provenance.records.is_empty()))
    }
}

/// Whether any decision holds.
pub(super) async fn any(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let held: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM decisions WHERE undone_at IS NULL")
        .fetch_one(&mut *connection)
        .await?;
    Ok(held > 0)
}

/// The decisions that hold and name one of these records.
pub(super) async fn about(
    connection: &mut SqliteConnection,
    names: &[&RecordName],
) -> Result<Vec<Decision>, StoreError> {
    let mut decisions = Vec::new();
    for source in paper::SourceName::ALL {
        let keys: Vec<&str> =
            names.iter().filter(|name| name.source == source).map(|name| name.record.as_str()).collect();
        for chunk in keys.chunks(MOST_BOUND) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "SELECT DISTINCT d.id FROM decisions d JOIN decided_records r ON r.decision = d.id \
                 WHERE d.undone_at IS NULL AND r.source = ",
            );
            query.push_bind(source.as_str()).push(" AND r.record_key IN (");
            listed(&mut query, chunk.iter().map(|key| (*key).to_owned()));
            for row in query.build().fetch_all(&mut *connection).await? {
                let id = row.get(0);
                decisions.push(Decision { id, sides: sides(connection, id).await? });
            }
        }
    }
    Ok(decisions)
}

async fn names_of(connection: &mut SqliteConnection, paper: PaperId) -> Result<Vec<RecordName>, StoreError> {
    let rows = sqlx::query("SELECT source, record_key FROM records WHERE paper_id = ? ORDER BY no")
        .bind(paper.to_string())
        .fetch_all(&mut *connection)
        .await?;
    if rows.is_empty() {
        return Err(StoreError::Undecidable { why: format!("there is no paper {paper}") });
    }
    rows.iter().map(|row| Ok(RecordName { source: read_name(row.get(0))?, record: row.get(1) })).collect()
}

async fn sides(connection: &mut SqliteConnection, id: i64) -> Result<Vec<Vec<RecordName>>, StoreError> {
    let rows = sqlx::query(
        "SELECT side, source, record_key FROM decided_records WHERE decision = ? ORDER BY side, source, record_key",
    )
    .bind(id)
    .fetch_all(&mut *connection)
    .await?;
    let mut sides: BTreeMap<i64, Vec<RecordName>> = BTreeMap::new();
    for row in rows {
        let name = RecordName { source: read_name(row.get(1))?, record: row.get(2) };
        sides.entry(row.get(0)).or_default().push(name);
    }
    Ok(sides.into_values().collect())
}

/// Writes a decision; its number.
async fn decide(
    connection: &mut SqliteConnection,
    sides: &[Vec<RecordName>],
    now: Timestamp,
) -> Result<i64, StoreError> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(id) FROM decisions").fetch_one(&mut *connection).await?;
    let id = newest.unwrap_or(0) + 1;
    sqlx::query("INSERT INTO decisions (id, decided_at) VALUES (?, ?)")
        .bind(id)
        .bind(now.as_microsecond())
        .execute(&mut *connection)
        .await?;
    for (number, side) in (0_i64..).zip(sides) {
        for name in side {
            sqlx::query("INSERT INTO decided_records (decision, side, source, record_key) VALUES (?, ?, ?, ?)")
                .bind(id)
                .bind(number)
                .bind(name.source.as_str())
                .bind(&name.record)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(id)
}

/// Judges the records of a decision anew, and all that they are linked with.
async fn settle(connection: &mut SqliteConnection, id: i64) -> Result<(), StoreError> {
    let names: Vec<RecordName> = sides(connection, id).await?.concat();
    let nos: Vec<i64> = super::pool::Pool::stubs(connection, &names).await?.values().map(|stub| stub.no).collect();
    let mut batch = Batch::new(connection).await?;
    batch.pool.load(batch.connection, &nos).await?;
    batch.settle().await?;
    Ok(())
}

async fn read(connection: &mut SqliteConnection, id: i64) -> Result<Option<Decided>, StoreError> {
    let row = sqlx::query("SELECT decided_at, undone_at FROM decisions WHERE id = ?")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let sides = sides(connection, id).await?;
    let rows = sqlx::query(
        "SELECT MIN(r.no), r.paper_id FROM decided_records d \
         JOIN records r ON r.source = d.source AND r.record_key = d.record_key WHERE d.decision = ? \
         GROUP BY r.paper_id ORDER BY MIN(r.no)",
    )
    .bind(id)
    .fetch_all(&mut *connection)
    .await?;
    let papers = rows.iter().map(|row| read_id(row.get(1))).collect::<Result<_, _>>()?;
    let undone: Option<i64> = row.get(1);
    Ok(Some(Decided { id, sides, decided_at: read_seen(row.get(0)), undone_at: undone.map(read_seen), papers }))
}

/// The decisions by number: what several records lead to counts once.
pub(super) type Held = HashMap<i64, Decision>;

#[cfg(test)]
#[path = "decisions_tests.rs"]
mod tests;
