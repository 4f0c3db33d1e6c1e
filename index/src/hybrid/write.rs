use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use paper::PaperId;

use super::{DenseArm, HybridIndex, blocking};
use crate::dense::VectorPoint;
use crate::error::SETUP;
use crate::filter::Facets;
use crate::lexical::{Change, Document};
use crate::passage::embedded_text;
use crate::{IndexError, IndexedPaper, PassageId, WriteReport, split};

impl HybridIndex {
    /// Writes a batch and makes it durable: old passages of its papers are replaced on both arms,
    /// those of deleted papers taken out. When it returns, the watermark is `watermark`, unless it
    /// was higher before.
    ///
    /// The dense arm is written and flushed first, and the lexical arm's commit carries the watermark.
    /// So whatever fails in between, the watermark stays where it was, nothing of the batch is found,
    /// and the same batch written again sets everything right.
    ///
    /// # Errors
    /// [`IndexError::Disk`], [`IndexError::Server`], [`IndexError::Busy`] when another process writes,
    /// and [`IndexError::ModelNotLoaded`] when the index has vectors and there is no model.
    pub async fn write(&self, batch: Vec<IndexedPaper>, watermark: u64) -> Result<WriteReport, IndexError> {
        let _writing = self.shared.writing.lock().await;
        let watermark = watermark.max(self.watermark());
        if batch.is_empty() && watermark == self.watermark() {
            return Ok(WriteReport::default());
        }
        self.check_model()?;
        let change = blocking(move || Ok(change_of(batch))).await?;
        let passages = change.documents.iter().map(|document| document.passages.len()).sum();
        let mut report = WriteReport { papers: change.papers.len(), passages, embedding: Duration::ZERO };
        let change = Arc::new(change);
        if let Some(arm) = &self.shared.dense {
            report.embedding = write_vectors(arm, &change).await?;
        }
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.lexical.write(&change, watermark)).await?;
        self.shared.watermark.store(watermark, Ordering::Release);
        Ok(report)
    }

    /// Makes searching as fast as it gets; worth calling after a bulk load. Searches go on meanwhile,
    /// writes wait.
    ///
    /// # Errors
    /// [`IndexError::Disk`] and what else a write may meet.
    pub async fn optimize(&self) -> Result<(), IndexError> {
        let _writing = self.shared.writing.lock().await;
        if let Some(arm) = &self.shared.dense {
            arm.vectors.optimize().await?;
        }
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.lexical.merge()).await
    }

    /// Makes sure that the index follows this library, which is at this revision: one that follows another, or
    /// is ahead, is cleared, to be built anew. Says whether it was.
    ///
    /// A library that was put back from a copy, or taken away, would else hide behind the watermark of the old one.
    ///
    /// # Errors
    /// As [`HybridIndex::clear`].
    pub async fn follow(&self, library: &str, revision: u64) -> Result<bool, IndexError> {
        let known = self.shared.layout.library()?;
        let another = known.as_deref().is_some_and(|known| known != library);
        let strayed = another || self.watermark() > revision;
        if strayed {
            // First, so that clearing is begun again when it fails or is cut off, whatever the revision is then.
            self.shared.layout.give_to("")?;
            self.clear().await?;
        }
        if known.as_deref() != Some(library) {
            self.shared.layout.give_to(library)?;
        }
        Ok(strayed)
    }

    /// Takes out everything, and sets the watermark to 0.
    ///
    /// # Errors
    /// [`IndexError::Disk`] and what else a write may meet.
    pub async fn clear(&self) -> Result<(), IndexError> {
        let _writing = self.shared.writing.lock().await;
        self.check_model()?;
        let shared = Arc::clone(&self.shared);
        // The words first: vectors that nobody knows do no harm, words without vectors do.
        blocking(move || shared.lexical.clear()).await?;
        self.shared.watermark.store(0, Ordering::Release);
        if let Some(arm) = &self.shared.dense {
            arm.vectors.clear().await?;
            arm.vectors.flush().await?;
        }
        Ok(())
    }

    /// An index with vectors must not get words without.
    fn check_model(&self) -> Result<(), IndexError> {
        match (&self.shared.model, &self.shared.dense) {
            (Some(model), None) => Err(IndexError::ModelNotLoaded {
                path: self.shared.layout.dir().to_owned(),
                indexed_with: model.clone(),
                remedy: SETUP,
            }),
            _ => Ok(()),
        }
    }
}

/// Cuts the papers into passages; of a paper that occurs twice the later record counts.
fn change_of(batch: Vec<IndexedPaper>) -> Change {
    let mut newest: HashMap<PaperId, IndexedPaper> = HashMap::new();
    let mut papers = Vec::new();
    for indexed in batch {
        papers.push(indexed.id);
        newest.insert(indexed.id, indexed);
    }
    papers.sort_unstable();
    papers.dedup();
    let documents = papers.iter().filter_map(|id| {
        let IndexedPaper { id, revision, paper } = newest.remove(id)?;
        let paper = paper?;
        Some(Document { revision, facets: Facets::of(&paper), passages: split(id, &paper), paper })
    });
    let documents = documents.collect();
    Change { papers, documents }
}

async fn write_vectors(arm: &DenseArm, change: &Arc<Change>) -> Result<Duration, IndexError> {
    let (embedder, passages) = (Arc::clone(&arm.embedder), Arc::clone(change));
    let (points, embedding) = blocking(move || {
        let each = || {
            passages
                .documents
                .iter()
                .flat_map(|document| document.passages.iter().map(move |passage| (document, passage)))
        };
        let texts: Vec<String> = each().map(|(document, passage)| embedded_text(&document.paper, passage)).collect();
        let begun = Instant::now();
        let vectors = embedder.embed_passages(&texts)?;
        let embedding = begun.elapsed();
        let points = each().zip(vectors).map(|((document, passage), vector)| VectorPoint {
            passage: passage.id,
            paper: passage.paper,
            vector,
            facets: document.facets.clone(),
        });
        Ok((points.collect::<Vec<_>>(), embedding))
    })
    .await?;
    let kept: Vec<PassageId> = points.iter().map(|point| point.passage).collect();
    arm.vectors.upsert(points).await?;
    arm.vectors.delete_papers(&change.papers, &kept).await?;
    arm.vectors.flush().await?;
    Ok(embedding)
}
