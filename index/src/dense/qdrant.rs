use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use paper::PaperId;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, DeletePointsBuilder,
    Distance, FieldType, Filter, GetPointsBuilder, PointId, PointStruct, QueryPointsBuilder, Range,
    SearchParamsBuilder, UpsertPointsBuilder, VectorParamsBuilder, point_id::PointIdOptions,
};
use qdrant_client::{Payload, Qdrant, QdrantError};

use super::edge_filter::{PAPER, TAGS, YEAR};
use super::{VectorPoint, VectorStore};
use crate::error::REINDEX;
use crate::filter::{Conditions, Years};
use crate::{IndexError, PassageId};

/// Points a request may carry: some hundred kilobytes.
const BATCH: usize = 256;

/// A server that takes no connection for so long is down: searches go on by words.
const CONNECT: Duration = Duration::from_secs(5);

/// How to reach a Qdrant server.
#[derive(Clone, PartialEq, Eq)]
pub struct QdrantSettings {
    /// Address of its gRPC port, `http://localhost:6334`.
    pub url: String,
    /// The key, when it wants one; never printed.
    pub api_key: Option<String>,
    /// The collection, made when it is not there.
    pub collection: String,
    /// How long one call may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for QdrantSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.api_key.as_ref().map(|_| "…");
        let Self { url, collection, timeout, .. } = self;
        write!(
            f,
            "QdrantSettings {{ url: {url:?}, api_key: {key:?}, collection: {collection:?}, timeout: {timeout:?} }}"
        )
    }
}

/// Vectors in a collection of a Qdrant server or cluster, over gRPC.
///
/// A write returns when the server has applied it and has it in its log; the server builds its HNSW
/// graph by itself. Nothing is asked of the server before it is needed, so that a library opens while it is down.
pub struct QdrantStore {
    client: Qdrant,
    settings: QdrantSettings,
    dimension: usize,
    /// Set once the collection is known to be there and to fit.
    collection: OnceLock<()>,
}

impl QdrantStore {
    /// A store that reaches its server when it is first used; then it makes the collection with its payload
    /// indexes when that is not there, and every call fails with [`IndexError::ModelChanged`] when the collection
    /// has vectors of another dimension.
    ///
    /// # Errors
    /// [`IndexError::Server`] when the address is none.
    pub fn new(settings: QdrantSettings, dimension: usize) -> Result<Self, IndexError> {
        let client = client(&settings)?;
        Ok(Self { client, settings, dimension, collection: OnceLock::new() })
    }

    /// Deletes the collection, whatever is in it; to build it anew with another model.
    ///
    /// # Errors
    /// [`IndexError::Server`] or [`IndexError::Unauthorized`] when the server cannot be used.
    pub async fn destroy(settings: &QdrantSettings) -> Result<(), IndexError> {
        let client = client(settings)?;
        client.delete_collection(&settings.collection).await.map_err(|error| failed(settings, &error))?;
        Ok(())
    }

    /// The client, once the collection is there.
    async fn client(&self) -> Result<&Qdrant, IndexError> {
        // Calls that come together each look for themselves: none waits while another waits for the server.
        if self.collection.get().is_none() {
            if self.call(self.client.collection_exists(&self.settings.collection)).await? {
                self.check_dimension().await?;
                // Whoever made it may not have come so far. An index that is there stays as it is.
                self.create_field_indexes().await?;
            } else {
                self.create().await?;
            }
            let _ = self.collection.set(());
        }
        Ok(&self.client)
    }

    async fn create(&self) -> Result<(), IndexError> {
        let name = &self.settings.collection;
        let vectors = VectorParamsBuilder::new(self.dimension as u64, Distance::Cosine);
        self.call(self.client.create_collection(CreateCollectionBuilder::new(name).vectors_config(vectors))).await?;
        self.create_field_indexes().await
    }

    async fn create_field_indexes(&self) -> Result<(), IndexError> {
        let name = &self.settings.collection;
        for (field, kind) in [(PAPER, FieldType::Keyword), (TAGS, FieldType::Keyword), (YEAR, FieldType::Integer)] {
            let index = CreateFieldIndexCollectionBuilder::new(name, field, kind).wait(true);
            self.call(self.client.create_field_index(index)).await?;
        }
        Ok(())
    }

    async fn check_dimension(&self) -> Result<(), IndexError> {
        let info = self.call(self.client.collection_info(&self.settings.collection)).await?;
        let params = info.result.and_then(|info| info.config).and_then(|config| config.params);
        let vectors = params.and_then(|params| params.vectors_config).and_then(|vectors| vectors.config);
        let size = match vectors {
            Some(Config::Params(params)) => params.size,
            _ => 0,
        };
        if size == self.dimension as u64 {
            return Ok(());
        }
        Err(IndexError::ModelChanged {
            path: format!("{} (collection {})", self.settings.url, self.settings.collection).into(),
            indexed_with: format!("vectors of {size} numbers"),
            configured: format!("a model with {}", self.dimension),
            remedy: REINDEX,
        })
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, QdrantError>>) -> Result<T, IndexError> {
        call.await.map_err(|error| failed(&self.settings, &error))
    }

    async fn query(
        &self,
        vector: &[f32],
        filter: Option<Filter>,
        k: usize,
        exact: bool,
    ) -> Result<Vec<(PassageId, f32)>, IndexError> {
        let mut query = QueryPointsBuilder::new(&self.settings.collection)
            .query(vector.to_vec())
            .limit(k as u64)
            .params(SearchParamsBuilder::default().exact(exact));
        if let Some(filter) = filter {
            query = query.filter(filter);
        }
        let found = self.call(self.client().await?.query(query)).await?;
        Ok(found.result.into_iter().filter_map(|point| Some((passage(point.id)?, point.score))).collect())
    }
}

#[async_trait]
impl VectorStore for QdrantStore {
    fn is_remote(&self) -> bool {
        true
    }

    async fn upsert(&self, points: Vec<VectorPoint>) -> Result<(), IndexError> {
        super::check_dimension(&points, self.dimension)?;
        if points.is_empty() {
            return Ok(());
        }
        let points: Vec<PointStruct> = points.into_iter().map(point).collect();
        let upsert = UpsertPointsBuilder::new(&self.settings.collection, points).wait(true);
        self.call(self.client().await?.upsert_points_chunked(upsert, BATCH)).await?;
        Ok(())
    }

    async fn delete_papers(&self, papers: &[PaperId], keep: &[PassageId]) -> Result<(), IndexError> {
        if papers.is_empty() {
            return Ok(());
        }
        let papers: Vec<String> = papers.iter().map(ToString::to_string).collect();
        let mut filter = Filter::must([Condition::matches(PAPER, papers)]);
        if !keep.is_empty() {
            filter.must_not = vec![Condition::has_id(keep.iter().map(point_id))];
        }
        let delete = DeletePointsBuilder::new(&self.settings.collection).points(filter).wait(true);
        self.call(self.client().await?.delete_points(delete)).await?;
        Ok(())
    }

    async fn search(
        &self,
        vector: &[f32],
        conditions: &Conditions,
        k: usize,
    ) -> Result<Vec<(PassageId, f32)>, IndexError> {
        if k == 0 {
            return Ok(Vec::new());
        }
        self.query(vector, filter(conditions), k, false).await
    }

    async fn score(&self, vector: &[f32], passages: &[PassageId]) -> Result<Vec<(PassageId, f32)>, IndexError> {
        if passages.is_empty() {
            return Ok(Vec::new());
        }
        let only = Filter::must([Condition::has_id(passages.iter().map(point_id))]);
        self.query(vector, Some(only), passages.len(), true).await
    }

    async fn vectors(&self, passages: &[PassageId]) -> Result<Vec<(PassageId, Vec<f32>)>, IndexError> {
        let ids: Vec<PointId> = passages.iter().map(point_id).collect();
        let get = GetPointsBuilder::new(&self.settings.collection, ids).with_vectors(true).with_payload(false);
        let found = self.call(self.client().await?.get_points(get)).await?;
        let vector = |point: qdrant_client::qdrant::RetrievedPoint| {
            let vector = point.vectors?.get_vector()?;
            match vector {
                qdrant_client::qdrant::vector_output::Vector::Dense(dense) => Some((passage(point.id)?, dense.data)),
                _ => None,
            }
        };
        Ok(found.result.into_iter().filter_map(vector).collect())
    }

    async fn count(&self) -> Result<usize, IndexError> {
        let count = CountPointsBuilder::new(&self.settings.collection).exact(true);
        let counted = self.call(self.client().await?.count(count)).await?.result;
        Ok(counted.map_or(0, |result| usize::try_from(result.count).unwrap_or(usize::MAX)))
    }

    /// Every write has waited for the server already.
    async fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    /// The server does so by itself.
    async fn optimize(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn clear(&self) -> Result<(), IndexError> {
        self.call(self.client().await?.delete_collection(&self.settings.collection)).await?;
        self.create().await
    }
}

fn client(settings: &QdrantSettings) -> Result<Qdrant, IndexError> {
    let mut builder = Qdrant::from_url(&settings.url)
        .timeout(settings.timeout)
        .connect_timeout(settings.timeout.min(CONNECT))
        .skip_compatibility_check();
    if let Some(key) = &settings.api_key {
        builder = builder.api_key(key.as_str());
    }
    builder.build().map_err(|error| failed(settings, &error))
}

/// Says what helps. The status's own text names neither key nor header.
fn failed(settings: &QdrantSettings, error: &QdrantError) -> IndexError {
    let url = settings.url.clone();
    match error {
        QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => {
            let reason = format!("{} {}", status.code(), status.message()).trim().to_owned();
            // Codes 7 and 16 of gRPC: permission denied, unauthenticated.
            match i32::from(status.code()) {
                7 | 16 => IndexError::Unauthorized { url, reason },
                _ => IndexError::Server { url, reason },
            }
        }
        other => IndexError::Server { url, reason: other.to_string() },
    }
}

fn point(point: VectorPoint) -> PointStruct {
    let mut payload = Payload::new();
    payload.insert(PAPER, point.paper.to_string());
    payload.insert(TAGS, point.facets.tags);
    if let Some(year) = point.facets.year {
        payload.insert(YEAR, i64::from(year));
    }
    PointStruct::new(point_id(&point.passage), point.vector, payload)
}

fn point_id(passage: &PassageId) -> PointId {
    passage.to_string().into()
}

fn passage(id: Option<PointId>) -> Option<PassageId> {
    match id?.point_id_options? {
        PointIdOptions::Uuid(text) => text.parse().ok(),
        PointIdOptions::Num(_) => None,
    }
}

fn filter(conditions: &Conditions) -> Option<Filter> {
    if conditions.is_empty() {
        return None;
    }
    let groups = conditions.groups.iter().map(|group| Filter::should(group.iter().map(|tags| all_of(tags))).into());
    let must = conditions.years.iter().map(within).chain(groups).collect();
    let without = conditions.without.iter().map(|tags| all_of(tags));
    let must_not = conditions.other_years.iter().map(within).chain(without).collect();
    Some(Filter { must, must_not, ..Filter::default() })
}

fn within(years: &Years) -> Condition {
    let (gte, lte) = (years.from.map(f64::from), years.to.map(f64::from));
    Condition::range(YEAR, Range { gte, lte, gt: None, lt: None })
}

/// Each tag is asked for as a list of one: a lone string with a space in it would be taken for a
/// full-text match.
fn all_of(tags: &[String]) -> Condition {
    Filter::must(tags.iter().map(|tag| Condition::matches(TAGS, vec![tag.clone()]))).into()
}

#[cfg(test)]
#[path = "qdrant_tests.rs"]
mod tests;
