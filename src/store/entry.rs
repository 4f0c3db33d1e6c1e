//! One stored record, in memory.

use std::collections::BTreeSet;

use paper::{LinkKind, Paper, PaperId, RecordName, Sighting, identity_keys, likeness_key, links, newer_of_same_record};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::StoreError;
use super::papers::read_paper;

/// Likenesses of earlier states that are kept of a record: each new state asks for the digests of all of them.
const MOST_FORMER: usize = 100;

/// A record with its place in the store.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its number in the order of arrival.
    pub no: i64,
    pub name: RecordName,
    /// Its newest state.
    pub record: Paper,
    /// The likenesses of earlier states.
    pub former: Vec<String>,
    /// The links of the papers that it was looked up for.
    pub lent: Vec<String>,
    /// By which it meets others ([`paper::links`]), and the digests of those.
    pub keys: Vec<(LinkKind, String)>,
    pub links: Vec<(LinkKind, i64)>,
    pub digest: i64,
    /// The text of a state that the store does not have.
    pub text: Option<String>,
    /// The paper it was of before this batch; none for a new record.
    pub paper: Option<PaperId>,
    /// The paper that it made when there was none for it.
    pub first: Option<PaperId>,
    /// The state that the store has, where another has taken its place.
    pub earlier: Option<Paper>,
    /// The links that the store has, for a record that has changed.
    pub stored_links: Option<Vec<(LinkKind, i64)>>,
    /// Whether the store does not have it as it is here.
    pub changed: bool,
}

impl Entry {
    /// A record that is not in the store.
    pub fn new(no: i64, name: RecordName, kept: Kept) -> Self {
        Self {
            no,
            name,
            record: kept.record,
            former: Vec::new(),
            lent: Vec::new(),
            keys: kept.keys,
            links: kept.links,
            digest: kept.digest,
            text: Some(kept.text),
            paper: None,
            first: None,
            earlier: None,
            stored_links: None,
            changed: true,
        }
    }

    /// Of `no, source, record_key, paper_id, first_id, digest, seen, former, record, lent`.
    pub fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let source = read_name(row.get(1))?;
        let mut record = read_paper(row.get(8))?;
        record.sources = vec![Sighting { name: source, seen: read_seen(row.get(6)) }];
        let first: Option<String> = row.get(4);
        let mut entry = Self {
            no: row.get(0),
            name: RecordName { source, record: row.get(2) },
            record,
            former: read_list(row.get(7))?,
            lent: read_list(row.get(9))?,
            keys: Vec::new(),
            links: Vec::new(),
            digest: row.get(5),
            text: None,
            paper: Some(read_id(row.get(3))?),
            first: first.as_deref().map(read_id).transpose()?,
            earlier: None,
            stored_links: None,
            changed: false,
        };
        entry.link();
        Ok(entry)
    }

    /// Tells anew what it meets others by.
    pub fn link(&mut self) {
        self.keys = links(&self.record, &self.former, &self.lent);
        self.links = digests(&self.keys);
    }

    /// Takes in another state of the record; whether that tells something new.
    pub fn take_in(&mut self, kept: Kept, lent: Option<String>) -> bool {
        let Kept { record, digest, text, .. } = kept;
        let is_lent = self.lend(lent);
        if self.digest == digest {
            for (known, seen) in self.record.sources.iter_mut().zip(&record.sources) {
                self.changed |= known.seen < seen.seen;
                known.seen = known.seen.max(seen.seen);
            }
            return is_lent;
        }
        self.keep_links();
        let is_newer = std::ptr::eq(newer_of_same_record(&self.record, &record), &raw const record);
        let older = if is_newer { std::mem::replace(&mut self.record, record) } else { record };
        let likeness = likeness_key(&older).filter(|key| !self.former.contains(key));
        let likeness = likeness.filter(|key| Some(key) != likeness_key(&self.record).as_ref());
        let tells = is_newer || likeness.is_some();
        self.former.extend(likeness);
        // The first of all that ever were, so that the order of arrival does not tell which are kept.
        self.former.sort();
        self.former.truncate(MOST_FORMER);
        if is_newer {
            (self.digest, self.text) = (digest, Some(text));
            self.earlier.get_or_insert(older);
        }
        if tells {
            self.link();
        }
        self.changed |= tells;
        tells || is_lent
    }

    /// Takes in the link of a paper that it was looked up for; whether that is a new one.
    pub fn lend(&mut self, link: Option<String>) -> bool {
        let Some(link) = link.filter(|link| !self.lent.contains(link)) else { return false };
        self.keep_links();
        self.lent.push(link);
        self.lent.sort();
        self.link();
        self.changed = true;
        true
    }

    fn keep_links(&mut self) {
        if self.paper.is_some() && self.stored_links.is_none() {
            self.stored_links = Some(self.links.clone());
        }
    }

    /// What the store had of it; none for a new record.
    pub fn before(&self) -> Option<&Paper> {
        self.paper.map(|_| self.earlier.as_ref().unwrap_or(&self.record))
    }

    /// All that it is found by: the links, and its identifiers as a person names them.
    pub fn stored_under(&self) -> BTreeSet<i64> {
        // Only a number of the user's own has a link that is not its identifier.
        let named = self.record.ids.local.is_some().then(|| identity_keys(&self.record));
        let named = named.iter().flatten().map(|key| link(key));
        self.links.iter().map(|(_, link)| *link).chain(named).collect()
    }

    /// Microseconds since 1970.
    pub fn seen(&self) -> i64 {
        self.record.sources.first().map_or(0, |sighting| sighting.seen.as_microsecond())
    }
}

/// A key as it is stored: the first 64 bits of its digest. Of a hundred million keys, n²/2⁶⁵ tells, some two meet in one of
/// 3,700 libraries; records are joined by the keys themselves, so a needless look is all that follows.
pub(super) fn link(key: &str) -> i64 {
    let digest = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, key.as_bytes());
    i64::from_be_bytes(digest.as_u64_pair().0.to_be_bytes())
}

fn digests(keys: &[(LinkKind, String)]) -> Vec<(LinkKind, i64)> {
    keys.iter().map(|(kind, key)| (*kind, link(key))).collect()
}

/// A record as it is kept: as one source told it.
pub(super) struct Kept {
    pub record: Paper,
    /// Of the text.
    pub digest: i64,
    /// Without when it was seen, so that it changes only with what is said.
    pub text: String,
    /// By which it meets others when it is new, and the digests of those.
    keys: Vec<(LinkKind, String)>,
    links: Vec<(LinkKind, i64)>,
}

impl Kept {
    pub fn new(record: &Paper, name: &RecordName) -> Result<Self, StoreError> {
        let seen = record.sources.iter().map(|sighting| sighting.seen.as_microsecond()).max().unwrap_or_default();
        let mut record = record.clone();
        record.id = None;
        record.sources.clear();
        let unreadable = |source| StoreError::Unreadable { what: "paper", source };
        let text = serde_json::to_string(&record).map_err(unreadable)?;
        record.sources = vec![Sighting { name: name.source, seen: read_seen(seen) }];
        let keys = links(&record, &[], &[]);
        Ok(Self { links: digests(&keys), keys, digest: link(&text), record, text })
    }
}

/// A JSON list of texts.
pub(super) fn read_list(text: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Unreadable { what: "list of links", source })
}

pub(super) fn read_seen(microseconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(microseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

pub(super) fn read_id(text: &str) -> Result<PaperId, StoreError> {
    text.parse().map_err(|fault| StoreError::Database(sqlx::Error::Decode(Box::new(fault))))
}

pub(super) fn read_name(text: &str) -> Result<paper::SourceName, StoreError> {
    text.parse().map_err(|fault| StoreError::Database(sqlx::Error::Decode(Box::new(fault))))
}
