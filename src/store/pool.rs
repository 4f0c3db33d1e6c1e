//! The records that a batch touches, and all that they are linked with, in memory.

use std::collections::{HashMap, HashSet};

use paper::{LinkKind, PaperId, RecordName};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::StoreError;
use super::decisions::{self, Held};
use super::entry::{Entry, read_list};

/// A link, beside those that one work has, that more records share than this says nothing: one title "Editorial", a
/// number or a DOI on every line. It joins nothing, and what has it is not loaded for it.
const MOST_OF_A_LINK: i64 = 200;

/// Values bound in one statement; SQLite takes 32,766.
pub(super) const MOST_BOUND: usize = 20_000;

/// What the store has of a record that is not loaded.
#[derive(Debug, Clone)]
pub(super) struct Stub {
    pub no: i64,
    pub digest: i64,
    pub seen: i64,
    pub lent: Vec<String>,
}

#[derive(Default)]
pub(super) struct Pool {
    pub entries: Vec<Entry>,
    pub places: HashMap<RecordName, usize>,
    /// Records that this batch has removed from the store.
    pub dropped: Vec<Entry>,
    loaded: HashSet<i64>,
    /// How many records the store has under each link that was looked up.
    stored: HashMap<i64, i64>,
    /// By how many that changes.
    gained: HashMap<i64, i64>,
    /// Whether there are decisions to look for.
    pub decided: bool,
    /// Those about the records here.
    pub decisions: Held,
    links_followed: HashSet<i64>,
    papers_followed: HashSet<PaperId>,
}

impl Pool {
    /// An empty pool; `decided` says whether there are decisions to look for.
    pub fn new(decided: bool) -> Self {
        Self { decided, ..Self::default() }
    }

    pub fn add(&mut self, entry: Entry) -> usize {
        let place = self.entries.len();
        self.loaded.insert(entry.no);
        self.places.insert(entry.name.clone(), place);
        self.entries.push(entry);
        place
    }

    /// What the store has under these names.
    pub async fn stubs(
        connection: &mut SqliteConnection,
        names: &[RecordName],
    ) -> Result<HashMap<RecordName, Stub>, StoreError> {
        let mut stubs = HashMap::with_capacity(names.len());
        for source in paper::SourceName::ALL {
            let keys: Vec<&str> =
                names.iter().filter(|name| name.source == source).map(|name| name.record.as_str()).collect();
            for chunk in keys.chunks(MOST_BOUND) {
                let mut query = QueryBuilder::<Sqlite>::new(
                    "SELECT no, digest, seen, record_key, lent FROM records WHERE source = ",
                );
                query.push_bind(source.as_str()).push(" AND record_key IN (");
                listed(&mut query, chunk.iter().map(|key| (*key).to_owned()));
                for row in query.build().fetch_all(&mut *connection).await? {
                    let (no, digest, seen) = (row.get(0), row.get(1), row.get(2));
                    let stub = Stub { no, digest, seen, lent: read_list(row.get(4))? };
                    stubs.insert(RecordName { source, record: row.get(3) }, stub);
                }
            }
        }
        Ok(stubs)
    }

    pub async fn load(&mut self, connection: &mut SqliteConnection, nos: &[i64]) -> Result<(), StoreError> {
        let fresh: Vec<i64> = nos.iter().copied().filter(|no| self.loaded.insert(*no)).collect();
        for chunk in fresh.chunks(MOST_BOUND) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "SELECT r.no, r.source, r.record_key, r.paper_id, r.first_id, r.digest, r.seen, r.former, t.record, \
                 r.lent \
                 FROM records r JOIN record_texts t ON t.no = r.no WHERE r.no IN (",
            );
            listed(&mut query, chunk.iter().copied());
            for row in query.build().fetch_all(&mut *connection).await? {
                self.add(Entry::read(&row)?);
            }
        }
        Ok(())
    }

    /// Loads whatever the changed records are linked with, over others too, until there is nothing more.
    pub async fn close(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        self.count_gains();
        let mut followed = 0;
        while followed < self.entries.len() {
            let (links, papers) = self.unfollowed(followed);
            let mut nos = self.decided_with(connection, followed).await?;
            followed = self.entries.len();
            let weak: Vec<i64> =
                links.iter().filter(|(kind, _)| *kind != LinkKind::Id).map(|(_, link)| *link).collect();
            self.count(connection, &weak).await?;
            let open: Vec<i64> =
                links.iter().filter(|(kind, link)| self.is_open(*kind, *link)).map(|(_, link)| *link).collect();
            for chunk in open.chunks(MOST_BOUND) {
                let mut query = QueryBuilder::<Sqlite>::new("SELECT no FROM record_links WHERE link IN (");
                listed(&mut query, chunk.iter().copied());
                nos.extend(query.build().fetch_all(&mut *connection).await?.iter().map(|row| row.get::<i64, _>(0)));
            }
            for chunk in papers.chunks(MOST_BOUND) {
                let mut query = QueryBuilder::<Sqlite>::new("SELECT no FROM records WHERE paper_id IN (");
                listed(&mut query, chunk.iter().map(ToString::to_string));
                nos.extend(query.build().fetch_all(&mut *connection).await?.iter().map(|row| row.get::<i64, _>(0)));
            }
            self.load(connection, &nos).await?;
        }
        Ok(())
    }

    /// Whether too many records share the link, with what this batch changes.
    pub fn is_crowded(&self, link: i64) -> bool {
        self.after(link) > MOST_OF_A_LINK
    }

    fn after(&self, link: i64) -> i64 {
        self.before(link) + self.gained.get(&link).copied().unwrap_or_default()
    }

    fn before(&self, link: i64) -> i64 {
        self.stored.get(&link).copied().unwrap_or_default()
    }

    /// A link is followed when it counted before or counts now: all that it joined must be judged anew at the change.
    fn is_open(&self, kind: LinkKind, link: i64) -> bool {
        kind == LinkKind::Id || (self.before(link) > 0 && self.before(link).min(self.after(link)) <= MOST_OF_A_LINK)
    }

    fn count_gains(&mut self) {
        for entry in self.entries.iter().filter(|entry| entry.changed) {
            let before = match (&entry.stored_links, entry.paper) {
                (Some(before), _) => before.as_slice(),
                (None, None) => &[],
                // Only when it was seen has changed.
                (None, Some(_)) => continue,
            };
            let now = &entry.links;
            for link in now.iter().filter(|link| !before.contains(link)) {
                *self.gained.entry(link.1).or_default() += 1;
            }
            for link in before.iter().filter(|link| !now.contains(link)) {
                *self.gained.entry(link.1).or_default() -= 1;
            }
        }
    }

    /// The records that decisions name together with the entries from this one on.
    async fn decided_with(&mut self, connection: &mut SqliteConnection, from: usize) -> Result<Vec<i64>, StoreError> {
        if !self.decided {
            return Ok(Vec::new());
        }
        let names: Vec<&RecordName> = self.entries.iter().skip(from).map(|entry| &entry.name).collect();
        let mut named: Vec<RecordName> = Vec::new();
        for decision in decisions::about(connection, &names).await? {
            named.extend(decision.sides.iter().flatten().cloned());
            self.decisions.insert(decision.id, decision);
        }
        Ok(Self::stubs(connection, &named).await?.values().map(|stub| stub.no).collect())
    }

    fn unfollowed(&mut self, from: usize) -> (Vec<(LinkKind, i64)>, Vec<PaperId>) {
        let (mut links, mut papers) = (Vec::new(), Vec::new());
        let dropped = self.dropped.iter().filter(|_| from == 0);
        for entry in self.entries.iter().skip(from).chain(dropped) {
            let all = entry.links.iter().copied().chain(entry.stored_links.iter().flatten().copied());
            links.extend(all.filter(|(_, link)| self.links_followed.insert(*link)));
            papers.extend(entry.paper.filter(|paper| self.papers_followed.insert(*paper)));
        }
        (links, papers)
    }

    async fn count(&mut self, connection: &mut SqliteConnection, links: &[i64]) -> Result<(), StoreError> {
        for chunk in links.chunks(MOST_BOUND) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT link, COUNT(*) FROM record_links WHERE link IN (");
            listed(&mut query, chunk.iter().copied());
            query.push(" GROUP BY link");
            let rows = query.build().fetch_all(&mut *connection).await?;
            self.stored.extend(rows.iter().map(|row| (row.get::<i64, _>(0), row.get::<i64, _>(1))));
        }
        Ok(())
    }
}

/// Writes `?, ?, …)` with these values.
pub(super) fn listed<T>(query: &mut QueryBuilder<Sqlite>, values: impl Iterator<Item = T>)
where
    T: 'static + Send + sqlx::Encode<'static, Sqlite> + sqlx::Type<Sqlite>,
{
    let mut list = query.separated(", ");
    for value in values {
        list.push_bind(value);
    }
    query.push(")");
}
