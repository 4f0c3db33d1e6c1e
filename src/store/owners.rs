//! Which papers a record belongs to. Whoever joins wrongly loses a paper, and whoever does not join only shows
//! one twice: where it is doubtful, papers stay apart.

use paper::{
    Paper, PaperId, identity_keys, ids_conflict, likeness_key, same_publication, same_title, same_work, share_a_surname,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::StoreError;
use super::papers::read_paper;
use super::upsert::{TakingIn, says_the_same};

/// A paper, and its place in the order of arrival.
type Placed = (i64, Paper);

impl TakingIn<'_> {
    /// The papers that the record belongs to, the oldest first: the one that has it already; else those that
    /// share an identifier, those that have an earlier state of it, and those that are the same work by title,
    /// year and author.
    pub(super) async fn owners(&mut self, record_key: &str, record: &Paper) -> Result<Vec<PaperId>, StoreError> {
        let states = self.states(record_key, record).await?;
        if let Some((owner, _)) = states.iter().find(|(_, state)| says_the_same(state, record)) {
            return Ok(owner.1.id.into_iter().collect());
        }
        let (mut owners, shared) = self.with_identifiers(record_key, record).await?;
        let earlier = without(earlier_states(states, record), &owners);
        let publications = same_publications(without(without(shared, &owners), &earlier), record);
        let conflict = any_between(&earlier, &publications);
        add(&mut owners, earlier);
        add(&mut owners, if conflict { Vec::new() } else { publications });
        let alike = without(self.alike(record).await?, &owners);
        let disputed = any_between(&alike, &owners) || is_disputed(&alike, record);
        add(&mut owners, if disputed { Vec::new() } else { alike });
        owners.sort_by_key(|(place, _)| *place);
        Ok(owners.into_iter().filter_map(|(_, owner)| owner.id).collect())
    }

    /// The papers with a record of the same source and key, and that record.
    async fn states(&mut self, record_key: &str, record: &Paper) -> Result<Vec<(Placed, Paper)>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.rowid, p.paper, r.record FROM records r JOIN papers p ON p.id = r.paper_id \
             WHERE p.merged_into IS NULL AND r.source = ? AND r.record_key = ?",
        )
        .bind(record.source().map(|source| source.as_str()).unwrap_or_default())
        .bind(record_key)
        .fetch_all(&mut *self.connection)
        .await?;
        rows.iter().map(|row| Ok((placed(row)?, read_paper(row.get(2))?))).collect()
    }

    /// The papers that share an identifier which only one work has; and those that share one which several
    /// works may have.
    async fn with_identifiers(
        &mut self,
        record_key: &str,
        record: &Paper,
    ) -> Result<(Vec<Placed>, Vec<Placed>), StoreError> {
        // Every line has its number with its title among its keys; those of older libraries have the number alone. A few
        // of them are enough: a file may give all its lines one number.
        const MOST_OF_A_NUMBER: i64 = 200;
        let (numbers, mut keys): (Vec<String>, Vec<String>) =
            identity_keys(record).into_iter().partition(|key| key.starts_with("local:"));
        keys.push(record_key.to_owned());
        let mut found = self.papers_of(&keys, i64::MAX).await?;
        found.extend(self.papers_of(&numbers, MOST_OF_A_NUMBER).await?);
        let (mut strong, mut shared) = (Vec::new(), Vec::new());
        for (owner, key) in found {
            match key.split(':').next() {
                Some("doi" | "pmid") => shared.push(owner),
                Some("local") if !same_title(&owner.1, record) => {}
                Some("local") => shared.push(owner),
                // Found once by each of its identifiers.
                _ => add(&mut strong, vec![owner]),
            }
        }
        Ok((strong, shared))
    }

    /// The oldest papers that have one of these keys, with the key; no more than `most`.
    async fn papers_of(&mut self, keys: &[String], most: i64) -> Result<Vec<(Placed, String)>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT p.rowid, p.paper, i.identity_key FROM identities i JOIN papers p ON p.id = i.paper_id \
             WHERE p.merged_into IS NULL AND i.identity_key IN (",
        );
        let mut listed = query.separated(", ");
        for key in keys {
            listed.push_bind(key.clone());
        }
        query.push(") ORDER BY p.rowid LIMIT ").push_bind(most);
        let rows = query.build().fetch_all(&mut *self.connection).await?;
        rows.iter().map(|row| Ok((placed(row)?, row.get(2)))).collect()
    }

    /// The papers that ever had this title and year, and have an author of this surname.
    async fn alike(&mut self, record: &Paper) -> Result<Vec<Placed>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.rowid, p.paper FROM likenesses l JOIN papers p ON p.id = l.paper_id \
             WHERE l.likeness = ? AND p.merged_into IS NULL ORDER BY p.rowid",
        )
        .bind(likeness_key(record))
        .fetch_all(&mut *self.connection)
        .await?;
        let mut found = rows.iter().map(placed).collect::<Result<Vec<_>, _>>()?;
        found.retain(|(_, paper)| share_a_surname(paper, record));
        Ok(found)
    }
}

/// The papers with an earlier state of the record. Where the paper has another DOI than the record, that was no
/// earlier state of it, but a record of another file that numbers its lines alike.
fn earlier_states(states: Vec<(Placed, Paper)>, record: &Paper) -> Vec<Placed> {
    let owners: Vec<Placed> =
        states.into_iter().map(|(owner, _)| owner).filter(|(_, paper)| !ids_conflict(paper, record)).collect();
    if any_apart(&owners, ids_conflict) { Vec::new() } else { owners }
}

/// Those of the papers under a shared DOI, PubMed id or id of the user's own that are the record's work. Where
/// some of them are told apart (the chapters of a book), the titles decide.
fn same_publications(mut shared: Vec<Placed>, record: &Paper) -> Vec<Placed> {
    let told_apart = any_apart(&shared, |a, b| !same_publication(a, b));
    if told_apart || shared.iter().any(|(_, paper)| !same_publication(paper, record)) {
        shared.retain(|(_, paper)| same_publication(paper, record) && same_title(paper, record));
    }
    if any_apart(&shared, ids_conflict) { Vec::new() } else { shared }
}

/// Whether likeness cannot tell where the record belongs: two of the papers that are alike differ in an
/// identifier from each other, or one of them from the record.
fn is_disputed(alike: &[Placed], record: &Paper) -> bool {
    any_apart(alike, ids_conflict) || alike.iter().any(|(_, paper)| !same_work(paper, record))
}

fn any_between(some: &[Placed], others: &[Placed]) -> bool {
    some.iter().any(|(_, a)| others.iter().any(|(_, b)| ids_conflict(a, b)))
}

fn any_apart(papers: &[Placed], apart: impl Fn(&Paper, &Paper) -> bool) -> bool {
    papers.iter().enumerate().any(|(place, (_, a))| papers.iter().skip(place + 1).any(|(_, b)| apart(a, b)))
}

fn add(owners: &mut Vec<Placed>, more: Vec<Placed>) {
    for (place, paper) in more {
        if owners.iter().all(|(_, owner)| owner.id != paper.id) {
            owners.push((place, paper));
        }
    }
}

/// The papers once each, without the owners.
fn without(papers: Vec<Placed>, owners: &[Placed]) -> Vec<Placed> {
    let mut rest = Vec::new();
    add(&mut rest, papers);
    rest.retain(|(_, paper)| owners.iter().all(|(_, owner)| owner.id != paper.id));
    rest
}

fn placed(row: &SqliteRow) -> Result<Placed, StoreError> {
    Ok((row.get(0), read_paper(row.get(1))?))
}

#[cfg(test)]
#[path = "owners_tests.rs"]
mod tests;
