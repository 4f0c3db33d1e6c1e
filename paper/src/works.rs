//! Which records tell of one work: a function of the set of records and of the operator's decisions, never of the
//! order in which they came. The evidence is weighed from strong to weak; whoever joins wrongly loses a paper, and
//! whoever does not join only shows one twice, so what is doubtful stays apart.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clusters::{Sets, Summary, any_pair};
use crate::identity::own_title;
use crate::{Paper, ParseError, SourceName, identity_keys, likeness_key, record_key, string_serde};

/// A record's name: who told, and under which key ([`record_key`]); written `arxiv/arxiv:1706.03762`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    /// Who told.
    pub source: SourceName,
    /// The key of the record within its source.
    pub record: String,
}

impl RecordName {
    /// The name of a record; one without a source counts as imported.
    #[must_use]
    pub fn of(record: &Paper) -> Self {
        Self { source: record.source().unwrap_or(SourceName::Import), record: record_key(record) }
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.record)
    }
}

impl FromStr for RecordName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let named = text.split_once('/').filter(|(_, record)| !record.is_empty());
        let fault = || ParseError::new(text, "a record's name, its source and its key: arxiv/arxiv:1706.03762");
        let (source, record) = named.ok_or_else(fault)?;
        Ok(Self { source: source.parse().map_err(|_| fault())?, record: record.to_owned() })
    }
}
string_serde!(RecordName);

/// A record as it stands.
#[derive(Debug, Clone, Copy)]
pub struct Known<'r> {
    /// Its name.
    pub name: &'r RecordName,
    /// Its newest state.
    pub record: &'r Paper,
    /// Its [`links`].
    pub links: &'r [(LinkKind, String)],
}

/// What an operator has decided: the records of each side are one work, and those of two sides are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Its number; of two that contradict each other, the higher one holds.
    pub id: i64,
    /// One side for papers that were joined, several for one that was separated.
    pub sides: Vec<Vec<RecordName>>,
}

/// What a link is worth, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// An arXiv id, a Semantic Scholar id or a corpus id: one work has it.
    Id,
    /// A DOI: the chapters of a book share it.
    Doi,
    /// A PubMed id.
    Pmid,
    /// An id of the user's own, with the title: every file numbers its lines for itself.
    Number,
    /// Title and year; counts together with a surname.
    Likeness,
}

/// The keys by which a record meets others of its work; `former` has the [`likeness_key`]s of its earlier states, since
/// a title that was given up still leads to the paper, and `lent` the links of the papers that it was looked up for. A
/// lent one does not count once the record has an identifier of that kind itself, nor where several of a kind are lent: a
/// work that was found for two papers does not make them one.
#[must_use]
pub fn links(record: &Paper, former: &[String], lent: &[String]) -> Vec<(LinkKind, String)> {
    let mut keys = identity_keys(record);
    let kind = |key: &str| key.split(':').next().unwrap_or_default().to_owned();
    let is_alone = |link: &&String| lent.iter().filter(|other| kind(other) == kind(link)).count() == 1;
    let is_new = |link: &&String| keys.iter().all(|key| kind(key) != kind(link));
    let lent: Vec<&String> = lent.iter().filter(is_alone).filter(is_new).collect();
    for key in keys.iter_mut().filter(|key| key.starts_with("local:")) {
        *key = format!("{key}:{}", own_title(record));
    }
    let linked = |key: String| match key.split(':').next() {
        Some("doi") => (LinkKind::Doi, key),
        Some("pmid") => (LinkKind::Pmid, key),
        Some("local") => (LinkKind::Number, key),
        _ => (LinkKind::Id, key),
    };
    let mut links: Vec<_> = keys.iter().chain(lent).cloned().map(linked).collect();
    let likenesses: BTreeSet<String> = former.iter().cloned().chain(likeness_key(record)).collect();
    links.extend(likenesses.into_iter().map(|likeness| (LinkKind::Likeness, format!("like:{likeness}"))));
    links
}

/// The records, told apart by work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Works {
    /// The places of each work's records in the list that was given, ascending.
    pub papers: Vec<Vec<usize>>,
    /// What joined them, in the order of strength.
    joins: Vec<(usize, usize, String)>,
}

impl Works {
    /// The key or the decision that made one work of two records; none when they are not one.
    #[must_use]
    pub fn why(&self, one: usize, other: usize) -> Option<&str> {
        let most = self.joins.iter().flat_map(|(a, b, _)| [*a, *b]).chain([one, other]).max()?;
        let mut sets = Sets::new(most + 1);
        self.joins.iter().find_map(|(a, b, why)| {
            sets.unite(*a, *b);
            (sets.root(one) == sets.root(other)).then_some(why.as_str())
        })
    }
}

/// Tells which records are one work. `crowded` names the links, beside those of [`LinkKind::Id`], that too many
/// records share to say anything: the title "Editorial".
#[must_use]
pub fn works(records: &[Known<'_>], decisions: &[Decision], crowded: &dyn Fn(&str) -> bool) -> Works {
    let mut weighing = Weighing {
        records,
        sets: Sets::new(records.len()),
        members: (0..records.len()).map(|place| vec![place]).collect(),
        apart: HashSet::new(),
        joins: Vec::new(),
    };
    weighing.decide(decisions);
    let groups = groups(records, crowded);
    for ((_, key), places) in groups.iter().filter(|((kind, _), _)| *kind == LinkKind::Id) {
        weighing.join_allowed(places, key);
    }
    for kind in [LinkKind::Doi, LinkKind::Pmid, LinkKind::Number, LinkKind::Likeness] {
        weighing.join_by(kind, groups.iter().filter(|((of, _), _)| *of == kind));
    }
    let mut papers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for place in 0..records.len() {
        papers.entry(weighing.sets.root(place)).or_default().push(place);
    }
    Works { papers: papers.into_values().collect(), joins: weighing.joins }
}

type Link<'r> = (LinkKind, &'r str);

/// The links that several records have, with the records in the order of their names.
fn groups<'r>(records: &[Known<'r>], crowded: &dyn Fn(&str) -> bool) -> BTreeMap<Link<'r>, Vec<usize>> {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_key(|place| records.get(*place).map(|known| known.name));
    let mut all: HashMap<Link<'r>, Vec<usize>> = HashMap::with_capacity(records.len() * 3);
    for place in order {
        let Some(known) = records.get(place) else { continue };
        for (kind, key) in known.links {
            all.entry((*kind, key)).or_default().push(place);
        }
    }
    all.retain(|(kind, key), places| places.len() > 1 && (*kind == LinkKind::Id || !crowded(key)));
    all.into_iter().collect()
}

struct Weighing<'r> {
    records: &'r [Known<'r>],
    sets: Sets,
    /// The records of each cluster, at its root.
    members: Vec<Vec<usize>>,
    /// Pairs of records that an operator told apart.
    apart: HashSet<(usize, usize)>,
    joins: Vec<(usize, usize, String)>,
}

impl Weighing<'_> {
    /// The newest decision first; what an older one says against it does not count.
    fn decide(&mut self, decisions: &[Decision]) {
        if decisions.is_empty() {
            return;
        }
        let records = self.records;
        let places: HashMap<&RecordName, usize> =
            records.iter().enumerate().map(|(place, known)| (known.name, place)).collect();
        let mut newest: Vec<&Decision> = decisions.iter().collect();
        newest.sort_by_key(|decision| std::cmp::Reverse(decision.id));
        for decision in newest {
            let mut sides: Vec<Vec<usize>> = Vec::new();
            for side in &decision.sides {
                let mut side: Vec<usize> = side.iter().filter_map(|name| places.get(name).copied()).collect();
                side.sort_by_key(|place| records.get(*place).map(|known| known.name));
                self.join_allowed(&side, &format!("decision {}", decision.id));
                sides.push(side);
            }
            self.tell_apart(&sides);
        }
    }

    fn tell_apart(&mut self, sides: &[Vec<usize>]) {
        for (number, side) in sides.iter().enumerate() {
            for other in sides.iter().skip(number + 1).flatten() {
                for one in side {
                    if self.sets.root(*one) != self.sets.root(*other) {
                        self.apart.insert((*one.min(other), *one.max(other)));
                    }
                }
            }
        }
    }

    /// Joins each place with the first one before it that no decision tells it apart from.
    fn join_allowed(&mut self, places: &[usize], why: &str) {
        for (number, place) in places.iter().enumerate() {
            let partner = places.iter().take(number).copied().find(|other| !self.decided_apart(*place, *other));
            if let Some(other) = partner {
                self.join(other, *place, why);
            }
        }
    }

    fn join(&mut self, one: usize, other: usize, why: &str) {
        let (a, b) = (self.sets.root(one), self.sets.root(other));
        if a == b {
            return;
        }
        self.sets.unite(a, b);
        let moved = self.members.get_mut(a.max(b)).map(std::mem::take).unwrap_or_default();
        if let Some(members) = self.members.get_mut(a.min(b)) {
            members.extend(moved);
        }
        self.joins.push((one, other, why.to_owned()));
    }

    fn decided_apart(&mut self, one: usize, other: usize) -> bool {
        if self.apart.is_empty() {
            return false;
        }
        let (one, other) = (self.sets.root(one), self.sets.root(other));
        let sets = &mut self.sets;
        one != other
            && self.apart.iter().any(|(a, b)| {
                let (a, b) = (sets.root(*a), sets.root(*b));
                (a, b) == (one, other) || (b, a) == (one, other)
            })
    }

    /// All links of one kind are judged on the clusters as the kinds before left them; where the clusters that
    /// they would join conflict, none of them joins anything, so that no link is favoured.
    fn join_by<'g>(&mut self, kind: LinkKind, groups: impl Iterator<Item = (&'g Link<'g>, &'g Vec<usize>)>) {
        let mut proposals: Vec<(Vec<usize>, &str)> = Vec::new();
        for ((_, key), places) in groups {
            // The first member speaks for its cluster.
            let clusters: Vec<usize> = self.sets.among(places).iter().filter_map(|set| set.first().copied()).collect();
            if clusters.len() > 1 {
                proposals.extend(self.propose(kind, clusters).into_iter().map(|joined| (joined, *key)));
            }
        }
        let mut together = Sets::new(self.records.len());
        let mut meant: Vec<usize> = Vec::new();
        for (joined, _) in &proposals {
            let roots: Vec<usize> = joined.iter().map(|place| self.sets.root(*place)).collect();
            roots.windows(2).for_each(|pair| {
                if let [a, b] = pair {
                    together.unite(*a, *b)
                }
            });
            meant.extend(roots);
        }
        meant.sort_unstable();
        meant.dedup();
        let sets = together.among(&meant);
        let refused: HashSet<usize> = sets.into_iter().filter(|set| self.disputed(set)).flatten().collect();
        // The clusters as they were: joining moves the roots.
        let agreed: Vec<_> = proposals
            .into_iter()
            .filter(|(joined, _)| joined.iter().all(|place| !refused.contains(&self.sets.root(*place))))
            .collect();
        for (joined, key) in agreed {
            self.join_allowed(&joined, key);
        }
    }

    /// Which of the clusters that share a link are to be joined by it.
    fn propose(&mut self, kind: LinkKind, clusters: Vec<usize>) -> Vec<Vec<usize>> {
        match kind {
            LinkKind::Likeness => self.by_surname(&clusters),
            LinkKind::Number => vec![clusters],
            _ => self.same_publications(clusters),
        }
        .into_iter()
        .filter(|joined| joined.len() > 1 && !self.disputed(joined))
        .collect()
    }

    /// Under one DOI: all of them; the ones of one title where some are told apart, the chapters of a book.
    fn same_publications(&mut self, clusters: Vec<usize>) -> Vec<Vec<usize>> {
        let summaries = self.summaries(&clusters);
        if !any_pair(&summaries, Summary::told_apart) && !self.any_decided_apart(&clusters) {
            return vec![clusters];
        }
        let mut by_title: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (cluster, summary) in clusters.iter().zip(&summaries) {
            for title in &summary.titles {
                by_title.entry(title).or_default().push(*cluster);
            }
        }
        by_title.into_values().collect()
    }

    /// The clusters that have a surname in common, be it over others.
    fn by_surname(&mut self, clusters: &[usize]) -> Vec<Vec<usize>> {
        let summaries = self.summaries(clusters);
        let mut sets = Sets::new(clusters.len());
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (number, summary) in summaries.iter().enumerate() {
            for name in &summary.surnames {
                sets.unite(*first.entry(name).or_insert(number), number);
            }
        }
        let numbers: Vec<usize> = (0..clusters.len()).collect();
        let named = |set: Vec<usize>| set.iter().filter_map(|number| clusters.get(*number).copied()).collect();
        sets.among(&numbers).into_iter().map(named).collect()
    }

    fn disputed(&mut self, clusters: &[usize]) -> bool {
        any_pair(&self.summaries(clusters), Summary::conflicts) || self.any_decided_apart(clusters)
    }

    fn any_decided_apart(&mut self, clusters: &[usize]) -> bool {
        !self.apart.is_empty()
            && clusters
                .iter()
                .enumerate()
                .any(|(number, one)| clusters.iter().skip(number + 1).any(|other| self.decided_apart(*one, *other)))
    }

    fn summaries(&mut self, clusters: &[usize]) -> Vec<Summary> {
        let mut summaries = Vec::with_capacity(clusters.len());
        for place in clusters {
            let root = self.sets.root(*place);
            let mut summary = Summary::default();
            for known in self.members.get(root).into_iter().flatten().filter_map(|member| self.records.get(*member)) {
                summary.add(known.record);
            }
            summaries.push(summary);
        }
        summaries
    }
}

#[cfg(test)]
#[path = "works_tests.rs"]
mod tests;
