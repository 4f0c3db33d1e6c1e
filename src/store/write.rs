//! What a batch has changed, in a few statements of many rows.

use std::collections::BTreeMap;

use paper::{Paper, PaperId, identity_keys};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::StoreError;
use super::entry::Entry;
use super::pool::{MOST_BOUND, listed};

/// A row of `papers`.
pub(super) struct PaperRow {
    pub id: PaperId,
    pub revision: i64,
    pub merged_into: Option<PaperId>,
    /// Whether its title or abstract is another one than before.
    pub new_text: bool,
}

/// Rows of one statement: eleven columns each stay below what SQLite binds.
const ROWS: usize = 2_000;

/// Writes records and, for `papers`, of which paper they now are.
pub(super) async fn records(connection: &mut SqliteConnection, entries: &[&Entry]) -> Result<(), StoreError> {
    for chunk in entries.chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO records (no, source, record_key, paper_id, first_id, digest, seen, has_abstract, id_kinds, \
             former, lent) ",
        );
        query.push_values(chunk, |mut row, entry| {
            row.push_bind(entry.no)
                .push_bind(entry.name.source.as_str())
                .push_bind(entry.name.record.clone())
                .push_bind(entry.paper.map(|id| id.to_string()).unwrap_or_default())
                .push_bind(entry.first.map(|id| id.to_string()))
                .push_bind(entry.digest)
                .push_bind(entry.seen())
                .push_bind(i64::from(entry.record.abstract_text.is_some()))
                .push_bind(id_kinds(&entry.record))
                .push_bind(listed_in_json(&entry.former))
                .push_bind(listed_in_json(&entry.lent));
        });
        query.push(
            " ON CONFLICT (no) DO UPDATE SET paper_id = excluded.paper_id, first_id = excluded.first_id, \
             digest = excluded.digest, seen = excluded.seen, has_abstract = excluded.has_abstract, \
             id_kinds = excluded.id_kinds, former = excluded.former, lent = excluded.lent",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

fn id_kinds(record: &Paper) -> String {
    let keys = identity_keys(record);
    keys.iter().filter_map(|key| key.split_once(':')).fold(" ".to_owned(), |kinds, (kind, _)| kinds + kind + " ")
}

fn listed_in_json(links: &[String]) -> String {
    serde_json::Value::from(links.to_vec()).to_string()
}

/// Writes the states that the store does not have.
pub(super) async fn texts(connection: &mut SqliteConnection, entries: &[&Entry]) -> Result<(), StoreError> {
    let new: Vec<(i64, &str)> = entries.iter().filter_map(|entry| Some((entry.no, entry.text.as_deref()?))).collect();
    for chunk in new.chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO record_texts (no, record) ");
        query.push_values(chunk, |mut row, (no, text)| {
            row.push_bind(*no).push_bind(*text);
        });
        query.push(" ON CONFLICT (no) DO UPDATE SET record = excluded.record");
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Writes under which links the records are found, and removes those that hold no more.
pub(super) async fn links(connection: &mut SqliteConnection, entries: &[&Entry]) -> Result<(), StoreError> {
    let mut rows: Vec<(i64, i64)> = Vec::with_capacity(entries.len() * 3);
    for entry in entries {
        let now = entry.stored_under();
        if let Some(earlier) = &entry.earlier {
            let mut before = Entry { record: earlier.clone(), ..(*entry).clone() };
            before.link();
            let before = before.stored_under();
            let gone: Vec<i64> = before.difference(&now).copied().collect();
            remove_links(connection, entry.no, &gone).await?;
        }
        rows.extend(now.into_iter().map(|link| (link, entry.no)));
    }
    rows.sort_unstable();
    for chunk in rows.chunks(MOST_BOUND / 2) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO record_links (link, no) ");
        query.push_values(chunk, |mut row, (link, no)| {
            row.push_bind(*link).push_bind(*no);
        });
        query.push(" ON CONFLICT DO NOTHING");
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes a record with all that it is found by.
pub(super) async fn remove(connection: &mut SqliteConnection, entry: &Entry) -> Result<(), StoreError> {
    let links: Vec<i64> = entry.stored_under().into_iter().collect();
    remove_links(connection, entry.no, &links).await?;
    for statement in ["DELETE FROM record_texts WHERE no = ?", "DELETE FROM records WHERE no = ?"] {
        sqlx::query(statement).bind(entry.no).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn remove_links(connection: &mut SqliteConnection, no: i64, links: &[i64]) -> Result<(), StoreError> {
    if links.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM record_links WHERE no = ");
    query.push_bind(no).push(" AND link IN (");
    listed(&mut query, links.iter().copied());
    query.build().execute(&mut *connection).await?;
    Ok(())
}

/// Writes papers at their new revisions.
pub(super) async fn papers(connection: &mut SqliteConnection, rows: &[PaperRow]) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO papers (id, revision, merged_into, text_revision) ");
        query.push_values(chunk, |mut row, paper| {
            row.push_bind(paper.id.to_string())
                .push_bind(paper.revision)
                .push_bind(paper.merged_into.map(|id| id.to_string()))
                .push_bind(Some(paper.revision).filter(|_| paper.new_text));
        });
        query.push(
            " ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, merged_into = excluded.merged_into, \
             text_revision = COALESCE(excluded.text_revision, papers.text_revision)",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Where the ids of papers that were joined before lead now; nothing that the index would have to learn.
pub(super) async fn leads(connection: &mut SqliteConnection, leads: &[(PaperId, PaperId)]) -> Result<(), StoreError> {
    for (part, whole) in leads {
        sqlx::query("UPDATE papers SET merged_into = ? WHERE id = ?")
            .bind(whole.to_string())
            .bind(part.to_string())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Writes when records were last seen: one statement for all that were read at one time.
pub(super) async fn sightings(connection: &mut SqliteConnection, seen: &[(i64, i64)]) -> Result<(), StoreError> {
    let mut by_time: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (no, at) in seen {
        by_time.entry(*at).or_default().push(*no);
    }
    for (at, nos) in by_time {
        for chunk in nos.chunks(MOST_BOUND) {
            let mut query = QueryBuilder::<Sqlite>::new("UPDATE records SET seen = ");
            query.push_bind(at).push(" WHERE no IN (");
            listed(&mut query, chunk.iter().copied());
            query.build().execute(&mut *connection).await?;
        }
    }
    Ok(())
}
