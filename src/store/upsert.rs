use std::collections::{HashMap, HashSet};

use index::Difference;
use paper::{Decision, Known, Paper, PaperId, RecordName, Works, identity_keys, merge, works};
use serde::Serialize;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::entry::{Entry, Kept, link, read_id};
use super::pool::{MOST_BOUND, Pool, Stub, listed};
use super::write::{self, PaperRow};
use super::{Store, StoreError, decisions};

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
    /// Takes in what sources say: each record joins the paper it belongs to, or becomes a new one, and what it shows
    /// of other papers is put right. Which papers there are does not depend on order, repetition or batches.
    /// All of it is stored, or, on an error, none. Saying the same again changes nothing. Some thousand records at
    /// once are the quickest.
    ///
    /// # Errors
    /// [`StoreError::Full`] on a full disk; else when the database fails.
    pub async fn upsert(&self, records: &[Paper]) -> Result<UpsertCounts, StoreError> {
        self.take_in(records.iter().map(|record| (record, None)).collect()).await
    }

    /// The same, for records that were looked up for papers: each with the link of its paper ([`paper::links`]) when it
    /// has none itself, by which it stays with the paper, also when it is read another way.
    ///
    /// # Errors
    /// As [`Store::upsert`].
    pub async fn upsert_found(&self, found: &[(Paper, Option<String>)]) -> Result<UpsertCounts, StoreError> {
        self.take_in(found.iter().map(|(record, link)| (record, link.clone())).collect()).await
    }

    async fn take_in(&self, records: Vec<(&Paper, Option<String>)>) -> Result<UpsertCounts, StoreError> {
        let told = tell(&records)?;
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        let mut batch = Batch::new(&mut transaction).await?;
        let news = batch.take_in(told).await?;
        let outcomes = if news.iter().any(Option::is_some) { batch.settle().await? } else { Vec::new() };
        batch.write_sightings().await?;
        transaction.commit().await?;
        Ok(counts(&news, &outcomes))
    }
}

/// A record as it is to be kept, under its name, with the link that it is lent.
type Told = (RecordName, Kept, Option<String>);

/// Records that are worth a thread of their own.
const WORTH_A_THREAD: usize = 100;

/// What the store keeps of each record: found out on all cores, and before the store is anybody's.
fn tell(records: &[(&Paper, Option<String>)]) -> Result<Vec<Told>, StoreError> {
    let one = |(record, link): &(&Paper, Option<String>)| {
        let name = RecordName::of(record);
        let kept = Kept::new(record, &name)?;
        Ok((name, kept, link.clone()))
    };
    let all = |records: &[(&Paper, Option<String>)]| records.iter().map(one).collect::<Result<Vec<Told>, StoreError>>();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut shares = records.chunks(records.len().div_ceil(cores).max(WORTH_A_THREAD));
    let first = shares.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = shares.map(|share| scope.spawn(move || all(share))).collect();
        let mut told = all(first)?;
        for other in others {
            told.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(told)
    })
}

/// What a batch did to the paper of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Untouched,
    Updated,
    /// A new paper, with its number in the batch.
    Added(usize),
}

/// The first record of a new paper adds it.
fn counts(news: &[Option<usize>], outcomes: &[Outcome]) -> UpsertCounts {
    let mut counts = UpsertCounts::default();
    let mut added = HashSet::new();
    for place in news {
        match place.and_then(|place| outcomes.get(place)) {
            Some(Outcome::Added(paper)) if added.insert(*paper) => counts.added += 1,
            Some(Outcome::Added(_) | Outcome::Updated) => counts.updated += 1,
            Some(Outcome::Untouched) | None => counts.unchanged += 1,
        }
    }
    counts
}

/// One transaction's work.
pub(super) struct Batch<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    pub(super) pool: Pool,
    revision: i64,
    next_no: i64,
    /// Records that say the same, and when they said it again.
    sightings: HashMap<i64, i64>,
}

impl<'c> Batch<'c> {
    pub(super) async fn new(connection: &'c mut SqliteConnection) -> Result<Self, StoreError> {
        let row = sqlx::query("SELECT (SELECT MAX(revision) FROM papers), (SELECT MAX(no) FROM records)")
            .fetch_one(&mut *connection)
            .await?;
        let (revision, no): (Option<i64>, Option<i64>) = (row.get(0), row.get(1));
        let decided = decisions::any(connection).await?;
        Ok(Self {
            connection,
            pool: Pool::new(decided),
            revision: revision.unwrap_or(0),
            next_no: no.unwrap_or(0) + 1,
            sightings: HashMap::new(),
        })
    }

    /// For each record where it is in the pool, when it tells something new.
    async fn take_in(&mut self, told: Vec<Told>) -> Result<Vec<Option<usize>>, StoreError> {
        let names: Vec<RecordName> = told.iter().map(|(name, ..)| name.clone()).collect();
        let stubs = Pool::stubs(self.connection, &names).await?;
        let differs = |(name, kept, link): &Told| {
            let is_new = |stub: &&Stub| stub.digest != kept.digest || link.iter().any(|link| !stub.lent.contains(link));
            stubs.get(name).filter(is_new).map(|stub| stub.no)
        };
        let changed: Vec<i64> = told.iter().filter_map(differs).collect();
        self.pool.load(self.connection, &changed).await?;
        let mut news = Vec::with_capacity(told.len());
        for (name, kept, link) in told {
            let place = self.pool.places.get(&name).copied();
            news.push(match (place, stubs.get(&name)) {
                (Some(place), _) => {
                    let entry = self.pool.entries.get_mut(place);
                    entry.is_some_and(|entry| entry.take_in(kept, link)).then_some(place)
                }
                (None, Some(stub)) => {
                    let seen = kept.record.sources.first().map_or(0, |sighting| sighting.seen.as_microsecond());
                    if seen > stub.seen {
                        let latest = self.sightings.entry(stub.no).or_insert(seen);
                        *latest = seen.max(*latest);
                    }
                    None
                }
                (None, None) => {
                    self.next_no += 1;
                    let mut entry = Entry::new(self.next_no - 1, name, kept);
                    entry.lend(link);
                    Some(self.pool.add(entry))
                }
            });
        }
        Ok(news)
    }

    /// Judges anew which records make which papers, as far as the changed ones reach, and writes what that changes.
    pub(super) async fn settle(&mut self) -> Result<Vec<Outcome>, StoreError> {
        self.pool.close(self.connection).await?;
        let works = self.works();
        let mut stood: Stood = HashMap::new();
        for (place, entry) in self.pool.entries.iter().enumerate() {
            if let Some(paper) = entry.paper {
                stood.entry(paper).or_default().push(place);
            }
        }
        let mut affected: Vec<Vec<usize>> =
            works.papers.into_iter().filter(|places| self.is_affected(places, &stood)).collect();
        affected.sort_by_key(|places| self.oldest(places).map(|place| self.no(place)));
        self.name(&affected).await?;
        let mut changes = Changes { revision: self.revision, ..Changes::default() };
        let mut outcomes = vec![Outcome::Untouched; self.pool.entries.len()];
        for (number, places) in affected.iter().enumerate() {
            let outcome = self.settle_work(places, number, &stood, &mut changes);
            for place in places {
                if let Some(slot) = outcomes.get_mut(*place) {
                    *slot = outcome;
                }
            }
        }
        self.write(affected, changes).await?;
        Ok(outcomes)
    }

    pub(super) fn works(&self) -> Works {
        let entries = &self.pool.entries;
        let known: Vec<Known<'_>> = entries
            .iter()
            .map(|entry| Known { name: &entry.name, record: &entry.record, links: &entry.keys })
            .collect();
        let decisions: Vec<Decision> = self.pool.decisions.values().cloned().collect();
        works(&known, &decisions, &|key| self.pool.is_crowded(link(key)))
    }

    /// Whether the work has a changed record, or not the records that its paper has had.
    fn is_affected(&self, places: &[usize], stood: &Stood) -> bool {
        let mut papers = places.iter().filter_map(|place| self.pool.entries.get(*place)).map(|entry| entry.paper);
        let Some(Some(paper)) = papers.next() else { return true };
        let before = stood.get(&paper).map_or(0, Vec::len);
        let changed = |place: &usize| self.pool.entries.get(*place).is_some_and(|entry| entry.changed);
        papers.any(|other| other != Some(paper)) || before != places.len() || places.iter().any(changed)
    }

    fn no(&self, place: usize) -> i64 {
        self.pool.entries.get(place).map_or(i64::MAX, |entry| entry.no)
    }

    /// The record whose first paper gives the work its id: the oldest that made one, else the oldest.
    fn oldest(&self, places: &[usize]) -> Option<usize> {
        let made_one = |place: &usize| self.pool.entries.get(*place).is_some_and(|entry| entry.first.is_some());
        let holder = places.iter().copied().filter(made_one).min_by_key(|place| self.no(*place));
        holder.or_else(|| places.iter().copied().min_by_key(|place| self.no(*place)))
    }

    /// Gives an id to each work of which no record has made a paper yet: the one that follows from its strongest key;
    /// from a weaker one when another paper has it already.
    async fn name(&mut self, affected: &[Vec<usize>]) -> Result<(), StoreError> {
        let mut unnamed: Vec<(usize, Vec<String>)> = Vec::new();
        for place in affected.iter().filter_map(|places| self.oldest(places)) {
            let Some(entry) = self.pool.entries.get(place).filter(|entry| entry.first.is_none()) else { continue };
            let mut keys = identity_keys(&entry.record);
            let numbered = format!("{}#{}", keys.join(" "), entry.no);
            keys.extend([entry.name.record.clone(), numbered]);
            unnamed.push((place, keys));
        }
        let derived = |keys: &[String]| keys.iter().map(|key| PaperId::derive(key)).collect::<Vec<_>>();
        let strongest = unnamed.iter().filter_map(|(_, keys)| keys.first());
        let strongest: Vec<PaperId> = strongest.map(|key| PaperId::derive(key)).collect();
        let mut taken = self.taken(&strongest).await?;
        for ((place, keys), strongest) in unnamed.into_iter().zip(strongest) {
            let mut id = Some(strongest);
            if taken.contains(&strongest) {
                let weaker = derived(keys.get(1..).unwrap_or_default());
                taken.extend(self.taken(&weaker).await?);
                id = weaker.iter().copied().find(|id| !taken.contains(id)).or(weaker.last().copied());
            }
            taken.extend(id);
            if let Some(entry) = self.pool.entries.get_mut(place) {
                entry.first = id;
                entry.changed = true;
            }
        }
        Ok(())
    }

    async fn taken(&mut self, ids: &[PaperId]) -> Result<HashSet<PaperId>, StoreError> {
        let mut taken = HashSet::new();
        for chunk in ids.chunks(MOST_BOUND) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT id FROM papers WHERE id IN (");
            listed(&mut query, chunk.iter().map(ToString::to_string));
            for row in query.build().fetch_all(&mut *self.connection).await? {
                taken.insert(read_id(row.get(0))?);
            }
        }
        Ok(taken)
    }

    fn settle_work(&mut self, places: &[usize], number: usize, stood: &Stood, changes: &mut Changes) -> Outcome {
        let holder = self.oldest(places).and_then(|place| self.pool.entries.get(place));
        let Some(id) = holder.and_then(|entry| entry.first) else { return Outcome::Untouched };
        let members: Vec<&Entry> = places.iter().filter_map(|place| self.pool.entries.get(*place)).collect();
        let is_new = members.iter().all(|entry| entry.paper.is_none());
        match self.news(id, stood.get(&id), &members) {
            News::Nothing if members.iter().all(|entry| entry.paper == Some(id)) => return Outcome::Untouched,
            News::Nothing | News::Other(Difference::Nothing) => {}
            News::Other(difference) => changes.paper(id, None, difference == Difference::Text),
            News::Paper => changes.paper(id, None, true),
        }
        for part in members.iter().filter_map(|entry| entry.first).filter(|first| *first != id) {
            if stood.contains_key(&part) {
                changes.paper(part, Some(id), false);
            } else {
                changes.leads.push((part, id));
            }
        }
        changes.ids.extend(places.iter().map(|place| (*place, id)));
        if is_new { Outcome::Added(number) } else { Outcome::Updated }
    }

    /// What its records make of the paper now that they did not before.
    fn news(&self, id: PaperId, stood: Option<&Vec<usize>>, members: &[&Entry]) -> News {
        let of_paper = stood.into_iter().flatten().filter_map(|place| self.pool.entries.get(*place));
        let dropped = self.pool.dropped.iter().filter(|entry| entry.paper == Some(id));
        let before: Vec<Paper> = of_paper.chain(dropped).filter_map(Entry::before).cloned().collect();
        if before.is_empty() {
            return News::Paper;
        }
        let now: Vec<Paper> = members.iter().map(|entry| entry.record.clone()).collect();
        match (merge(&before).map(timeless), merge(&now).map(timeless)) {
            (Some(before), Some(now)) if before == now => News::Nothing,
            (Some(before), Some(now)) => News::Other(Difference::between(&before, &now)),
            _ => News::Paper,
        }
    }

    async fn write(&mut self, affected: Vec<Vec<usize>>, changes: Changes) -> Result<(), StoreError> {
        for (place, id) in changes.ids {
            if let Some(entry) = self.pool.entries.get_mut(place) {
                entry.changed |= entry.paper != Some(id);
                if entry.paper.is_none() {
                    entry.earlier = None;
                }
                entry.paper = Some(id);
            }
        }
        let places = affected.into_iter().flatten();
        let written: Vec<&Entry> =
            places.filter_map(|place| self.pool.entries.get(place)).filter(|entry| entry.changed).collect();
        write::papers(self.connection, &changes.papers).await?;
        write::leads(self.connection, &changes.leads).await?;
        write::records(self.connection, &written).await?;
        write::texts(self.connection, &written).await?;
        write::links(self.connection, &written).await
    }

    async fn write_sightings(&mut self) -> Result<(), StoreError> {
        let unsettled = self.pool.entries.iter().filter(|entry| entry.changed).map(|entry| (entry.no, entry.seen()));
        let mut seen: Vec<(i64, i64)> = self.sightings.iter().map(|(no, at)| (*no, *at)).chain(unsettled).collect();
        seen.sort_unstable();
        write::sightings(self.connection, &seen).await
    }
}

/// What a batch tells of a paper.
enum News {
    Nothing,
    /// Something else than before.
    Other(Difference),
    /// That it is there.
    Paper,
}

/// The papers before the judgement, each with where its records are in the pool.
type Stood = HashMap<PaperId, Vec<usize>>;

/// What the judgement changed.
#[derive(Default)]
struct Changes {
    /// The newest revision.
    revision: i64,
    papers: Vec<PaperRow>,
    leads: Vec<(PaperId, PaperId)>,
    /// Of which paper each record now is.
    ids: Vec<(usize, PaperId)>,
}

impl Changes {
    fn paper(&mut self, id: PaperId, merged_into: Option<PaperId>, new_text: bool) {
        self.revision += 1;
        self.papers.push(PaperRow { id, revision: self.revision, merged_into, new_text });
    }
}

/// The paper without when it was seen, which is nothing new.
fn timeless(mut paper: Paper) -> Paper {
    for sighting in &mut paper.sources {
        sighting.seen = jiff::Timestamp::UNIX_EPOCH;
    }
    paper
}

#[cfg(test)]
#[path = "upsert_tests.rs"]
mod tests;
