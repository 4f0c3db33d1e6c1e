use std::collections::HashMap;

use jiff::Timestamp;
use paper::{Paper, PaperId, SourceName};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::entry::{link, read_id};
use super::papers::read_record;
use super::pool::listed;
use super::{Store, StoreError};

/// Which papers a source is to be asked about.
#[derive(Debug, Clone, Copy)]
pub struct DueRequest<'r> {
    /// The source.
    pub source: SourceName,
    /// Those that it was not asked about since then, or never.
    pub before: Timestamp,
    /// Those that have an identifier of one of these kinds (`doi`, `arxiv`, …); empty for all papers.
    pub kinds: &'r [&'r str],
}

impl Store {
    /// The papers that a source is to be asked about: never asked about first, then the oldest check, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due(&self, request: DueRequest<'_>, limit: usize) -> Result<Vec<Paper>, StoreError> {
        let mut query = due_query("SELECT p.id", request);
        query.push(" ORDER BY COALESCE(c.checked_at, -1), p.id LIMIT ");
        query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows: Vec<String> = query.build_query_scalar().fetch_all(&self.pool).await?;
        let ids = rows.iter().map(|id| read_id(id)).collect::<Result<Vec<_>, _>>()?;
        let mut papers = self.papers(&ids).await?;
        Ok(ids.iter().filter_map(|id| papers.remove(id)).collect())
    }

    /// How many papers a source is to be asked about.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_due(&self, request: DueRequest<'_>) -> Result<u64, StoreError> {
        let count: i64 = due_query("SELECT COUNT(*)", request).build_query_scalar().fetch_one(&self.pool).await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// What a source has said of the papers that have these identifiers, as [`paper::identity_keys`] writes them: an
    /// entry for each that the library knows, empty where only other sources told of the paper.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn records_by_key(
        &self,
        source: SourceName,
        keys: &[String],
    ) -> Result<HashMap<String, Vec<Paper>>, StoreError> {
        let mut found: HashMap<String, Vec<Paper>> = HashMap::new();
        for chunk in keys.chunks(500) {
            let by_link: HashMap<i64, &String> = chunk.iter().map(|key| (link(key), key)).collect();
            for row in self.told_under(source, by_link.keys().copied()).await? {
                let Some(key) = by_link.get(&row.get(4)) else { continue };
                let records = found.entry((*key).clone()).or_default();
                if row.get::<Option<String>, _>(0).is_some() {
                    records.push(read_record(&row)?);
                }
            }
        }
        Ok(found)
    }

    /// The records of a source of each paper that has one of the links, as [`read_record`] reads them and the link; one
    /// row without a record for a paper of which the source has said nothing.
    async fn told_under(
        &self,
        source: SourceName,
        links: impl Iterator<Item = i64>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT s.paper_id, s.source, s.seen, t.record, f.link \
             FROM (SELECT DISTINCT l.link, r.paper_id FROM record_links l JOIN records r ON r.no = l.no WHERE l.link IN (",
        );
        listed(&mut query, links);
        query.push(") f LEFT JOIN records s ON s.paper_id = f.paper_id AND s.source = ").push_bind(source.as_str());
        query.push(" LEFT JOIN record_texts t ON t.no = s.no ORDER BY f.link, s.record_key");
        Ok(query.build().fetch_all(&self.pool).await?)
    }

    /// Remembers that a source was asked about these papers; to be called after its answers are stored.
    ///
    /// # Errors
    /// When the database fails; then nothing is remembered.
    pub async fn mark_checked(&self, source: SourceName, ids: &[PaperId], at: Timestamp) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        for id in ids {
            sqlx::query(
                "INSERT INTO checks (source, paper_id, checked_at) VALUES (?, ?, ?) \
                 ON CONFLICT (source, paper_id) DO UPDATE SET checked_at = excluded.checked_at",
            )
            .bind(source.as_str())
            .bind(id.to_string())
            .bind(at.as_second())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn due_query(select: &'static str, request: DueRequest<'_>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(select);
    query.push(" FROM papers p LEFT JOIN checks c ON c.paper_id = p.id AND c.source = ");
    query.push_bind(request.source.as_str());
    query.push(" WHERE p.merged_into IS NULL AND (c.checked_at IS NULL OR c.checked_at < ");
    query.push_bind(request.before.as_second()).push(")");
    if !request.kinds.is_empty() {
        query.push(" AND EXISTS (SELECT 1 FROM records r WHERE r.paper_id = p.id AND (");
        let mut kinds = query.separated(" OR ");
        for kind in request.kinds {
            kinds.push("r.id_kinds LIKE ");
            kinds.push_bind_unseparated(format!("% {kind} %"));
        }
        query.push("))");
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn paper(title: &str, doi: Option<&str>) -> Paper {
        let mut paper = Paper::new(title, SourceName::Import, at(0));
        paper.ids.doi = doi.map(|doi| doi.parse().unwrap());
        paper.ids.local = Some(title.to_owned());
        paper
    }

    async fn store(folder: &tempfile::TempDir) -> Store {
        let store = Store::open(&folder.path().join("library.db")).await.unwrap();
        let papers = [paper("a", Some("10.1000/a")), paper("b", Some("10.1000/b")), paper("c", None)];
        store.upsert(&papers).await.unwrap();
        store
    }

    fn request(before: i64, kinds: &[&'static str]) -> DueRequest<'static> {
        let kinds = if kinds.is_empty() { &[][..] } else { &["doi", "arxiv"][..] };
        DueRequest { source: SourceName::Crossref, before: at(before), kinds }
    }

    fn titles(papers: &[Paper]) -> Vec<&str> {
        let mut titles: Vec<&str> = papers.iter().map(|paper| paper.title.as_str()).collect();
        titles.sort_unstable();
        titles
    }

    fn ids(papers: &[Paper]) -> Vec<PaperId> {
        papers.iter().filter_map(|paper| paper.id).collect()
    }

    #[tokio::test]
    async fn papers_are_due_once_a_period_and_for_each_source_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let all = store.due(request(100, &[]), 10).await.unwrap();
        assert_eq!(titles(&all), ["a", "b", "c"]);
        store.mark_checked(SourceName::Crossref, &ids(&all), at(200)).await.unwrap();
        assert_eq!(store.due(request(200, &[]), 10).await.unwrap(), []);
        assert_eq!(store.count_due(request(200, &[])).await.unwrap(), 0);
        assert_eq!(store.count_due(request(201, &[])).await.unwrap(), 3);
        let other = DueRequest { source: SourceName::SemanticScholar, ..request(200, &[]) };
        assert_eq!(store.count_due(other).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn what_was_never_asked_about_comes_first_then_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let all = store.due(request(100, &[]), 10).await.unwrap();
        let id_of = |title: &str| ids(&all.iter().filter(|p| p.title == title).cloned().collect::<Vec<_>>());
        store.mark_checked(SourceName::Crossref, &id_of("a"), at(50)).await.unwrap();
        store.mark_checked(SourceName::Crossref, &id_of("b"), at(90)).await.unwrap();
        store.mark_checked(SourceName::Crossref, &id_of("b"), at(40)).await.unwrap();
        let due = store.due(request(100, &[]), 10).await.unwrap();
        let order: Vec<&str> = due.iter().map(|paper| paper.title.as_str()).collect();
        assert_eq!(order, ["c", "b", "a"]);
        assert_eq!(titles(&store.due(request(100, &[]), 1).await.unwrap()), ["c"]);
    }

    #[tokio::test]
    async fn only_papers_with_an_identifier_that_the_source_knows_are_due() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        assert_eq!(titles(&store.due(request(100, &["doi"]), 10).await.unwrap()), ["a", "b"]);
        assert_eq!(store.count_due(request(100, &["doi"])).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn the_records_of_a_source_are_found_by_any_identifier_of_their_papers() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let mut told = Paper::new("a", SourceName::Crossref, at(0));
        told.ids.doi = Some("10.1000/A".parse().unwrap());
        store.upsert(&[told.clone()]).await.unwrap();
        let keys = ["local:a", "doi:10.1000/a", "doi:10.1000/b", "doi:10.1000/nowhere"].map(String::from);
        let found = store.records_by_key(SourceName::Crossref, &keys).await.unwrap();
        let of = |records: &[Paper]| records.to_vec();
        let expected = HashMap::from([
            ("local:a".to_owned(), of(&[told.clone()])),
            ("doi:10.1000/a".to_owned(), of(&[told])),
            ("doi:10.1000/b".to_owned(), Vec::new()),
        ]);
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_paper_that_became_part_of_another_is_not_due() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let mut both = paper("a", Some("10.1000/a"));
        both.ids.arxiv = Some("2104.12255".parse().unwrap());
        let mut other = paper("a", None);
        other.ids.arxiv = both.ids.arxiv.clone();
        other.ids.local = None;
        store.upsert(&[other]).await.unwrap();
        let before = store.count_due(request(100, &[])).await.unwrap();
        store.upsert(&[both]).await.unwrap();
        assert_eq!((before, store.count_due(request(100, &[])).await.unwrap()), (4, 3));
    }
}
