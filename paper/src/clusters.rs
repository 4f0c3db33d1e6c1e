//! Clusters of records while it is weighed which of them are one work.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::own_title;
use crate::{Paper, SourceName, identity_keys, surname};

/// Disjoint sets of places.
pub(crate) struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    pub(crate) fn new(count: usize) -> Self {
        Self { parent: (0..count).collect() }
    }

    pub(crate) fn root(&mut self, place: usize) -> usize {
        let mut at = place;
        while let Some(parent) = self.parent.get(at).copied().filter(|parent| *parent != at) {
            at = parent;
        }
        if let Some(parent) = self.parent.get_mut(place) {
            *parent = at;
        }
        at
    }

    pub(crate) fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(parent) = self.parent.get_mut(a.max(b)) {
            *parent = a.min(b);
        }
    }

    /// The sets of these places, each with its members among them.
    pub(crate) fn among(&mut self, places: &[usize]) -> Vec<Vec<usize>> {
        let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in places {
            sets.entry(self.root(*place)).or_default().push(*place);
        }
        sets.into_values().collect()
    }
}

/// What the records of one cluster say together, as far as joining asks for it.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) ids: BTreeMap<String, BTreeSet<String>>,
    pub(crate) titles: BTreeSet<String>,
    pub(crate) surnames: BTreeSet<String>,
    /// The titles of lines of the user's own.
    lines: BTreeSet<String>,
}

impl Summary {
    pub(crate) fn add(&mut self, record: &Paper) {
        for key in identity_keys(record) {
            let kind = key.split(':').next().unwrap_or_default().to_owned();
            self.ids.entry(kind).or_default().insert(key);
        }
        self.titles.insert(own_title(record));
        if record.source().is_none_or(|source| source == SourceName::Import) {
            self.lines.insert(own_title(record));
        }
        self.surnames.extend(record.authors.iter().map(|author| surname(&author.name)).filter(|name| !name.is_empty()));
    }

    pub(crate) fn differ_in(&self, other: &Self, kind: &str) -> bool {
        matches!((self.ids.get(kind), other.ids.get(kind)), (Some(a), Some(b)) if a.is_disjoint(b))
    }

    /// Whether some identifier that a work has once differs; ids of the user's own are none.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        self.ids.keys().any(|kind| kind != "local" && self.differ_in(other, kind))
    }

    /// Whether a shared DOI or PubMed id is not enough: another identifier differs, or the user's own with the title, or
    /// lines of the user's own have it under titles of their own, the chapters of a book.
    pub(crate) fn told_apart(&self, other: &Self) -> bool {
        let lines = !self.lines.is_empty() && !other.lines.is_empty() && self.lines.is_disjoint(&other.lines);
        let may_differ = lines && !self.share(other, "local");
        self.conflicts(other)
            || ((self.differ_in(other, "local") || may_differ) && self.titles.is_disjoint(&other.titles))
    }

    fn share(&self, other: &Self, kind: &str) -> bool {
        matches!((self.ids.get(kind), other.ids.get(kind)), (Some(a), Some(b)) if !a.is_disjoint(b))
    }
}

/// Whether some two of them are apart.
pub(crate) fn any_pair(summaries: &[Summary], apart: impl Fn(&Summary, &Summary) -> bool) -> bool {
    summaries.iter().enumerate().any(|(number, one)| summaries.iter().skip(number + 1).any(|other| apart(one, other)))
}
