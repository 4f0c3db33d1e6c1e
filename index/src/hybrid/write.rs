use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use paper::PaperId;

use super::{DenseArm, HybridIndex};
use crate::dense::VectorPoint;
use crate::error::SETUP;
use crate::filter::Facets;
use crate::lexical::{Change, Document};
use crate::passage::embedded_text;
use crate::threads::{blocking, in_background, on_one_thread};
use crate::{Embedder, IndexError, IndexedPaper, PassageId, Pieces, WriteReport, split};

/// Texts that are embedded before it is looked whether anybody still waits for them: a second's work or two.
const AT_ONCE: usize = 32;

/// A batch that is cut into passages and embedded, and not written yet.
pub struct Prepared {
    change: Arc<Change>,
    points: Vec<VectorPoint>,
    report: WriteReport,
}

impl HybridIndex {
    /// How many papers to write at once. A batch is what a crash repeats, so it is small where each paper is embedded;
    /// without vectors thousands take no longer.
    #[must_use]
    pub fn batch(&self) -> usize {
        if self.shared.dense.is_some() { 256 } else { 10_000 }
    }

    /// Writes a batch and makes it durable: [`HybridIndex::prepare`] and [`HybridIndex::commit`].
    ///
    /// # Errors
    /// As those two.
    pub async fn write(&self, batch: Vec<IndexedPaper>, watermark: u64) -> Result<WriteReport, IndexError> {
        self.commit(self.prepare(batch).await?, watermark).await
    }

    /// Cuts a batch into passages and embeds those whose text the index does not have. Takes nearly all the time of a
    /// write, and may go on while another batch is committed.
    ///
    /// # Errors
    /// [`IndexError::Embedding`], and [`IndexError::ModelNotLoaded`] when the index has vectors and there is no model.
    pub async fn prepare(&self, batch: Vec<IndexedPaper>) -> Result<Prepared, IndexError> {
        self.check_model()?;
        let embedder = self.shared.dense.as_ref().map(|arm| Arc::clone(&arm.embedder));
        let change = in_background(move || Ok(change_of(batch, embedder.as_ref().and_then(|known| known.pieces()))));
        let change = Arc::new(change.await?);
        let passages = change.documents.iter().map(|document| document.passages.len()).sum();
        let papers = change.papers.len();
        let deleted = papers.saturating_sub(change.documents.len());
        let mut report = WriteReport { papers, deleted, passages, ..WriteReport::default() };
        let points = match &self.shared.dense {
            Some(arm) => {
                let (vectors, same) = (Arc::clone(&arm.vectors), self.with_the_same_text(&change)?);
                let known = on_one_thread(async move || vectors.vectors(&same).await);
                let known = self.to_its_end(known).await?;
                points_of(arm, &change, known, &mut report).await?
            }
            None => Vec::new(),
        };
        Ok(Prepared { change, points, report })
    }

    /// Makes a prepared batch durable: old passages of its papers are replaced on both arms, those of deleted papers
    /// taken out. When it returns, the watermark is `watermark`, unless it was higher before. Batches are to be
    /// committed in the order of their revisions.
    ///
    /// The dense arm is written and flushed first, and the lexical arm's commit carries the watermark.
    /// So whatever fails in between, the watermark stays where it was, nothing of the batch is found,
    /// and the same batch written again sets everything right.
    ///
    /// # Errors
    /// [`IndexError::Disk`], [`IndexError::Server`] and [`IndexError::Busy`] when another process writes.
    pub async fn commit(&self, prepared: Prepared, watermark: u64) -> Result<WriteReport, IndexError> {
        let writing = self.writing().await;
        let watermark = watermark.max(self.watermark());
        let Prepared { change, points, report } = prepared;
        if change.papers.is_empty() && watermark == self.watermark() {
            return Ok(report);
        }
        let shared = Arc::clone(&self.shared);
        self.to_its_end(async move {
            let _writing = writing;
            if let Some(arm) = &shared.dense {
                arm.write(points, &change).await?;
            }
            let lexical = Arc::clone(&shared);
            in_background(move || lexical.lexical.write(&change, watermark)).await?;
            shared.watermark.store(watermark, Ordering::Release);
            Ok(report)
        })
        .await
    }

    /// Makes searching as fast as it gets; worth calling after a bulk load. Searches go on meanwhile,
    /// writes wait.
    ///
    /// # Errors
    /// [`IndexError::Disk`] and what else a write may meet.
    pub async fn optimize(&self) -> Result<(), IndexError> {
        let (writing, shared) = (self.writing().await, Arc::clone(&self.shared));
        self.to_its_end(async move {
            let _writing = writing;
            if let Some(arm) = &shared.dense {
                arm.vectors.optimize().await?;
            }
            in_background(move || shared.lexical.merge()).await
        })
        .await
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
        let writing = self.writing().await;
        self.check_model()?;
        let shared = Arc::clone(&self.shared);
        self.to_its_end(async move {
            let _writing = writing;
            // The words first: vectors that nobody knows do no harm, words without vectors do.
            let lexical = Arc::clone(&shared);
            blocking(move || lexical.lexical.clear()).await?;
            shared.watermark.store(0, Ordering::Release);
            if let Some(arm) = &shared.dense {
                arm.vectors.clear().await?;
                arm.vectors.flush().await?;
            }
            Ok(())
        })
        .await
    }

    /// Waits until nobody else writes.
    async fn writing(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.shared.writing).lock_owned().await
    }

    /// The passages of papers that the index has as they were when their text last changed, or later. Asked of what is
    /// indexed, not of the watermark: a paper whose text changed while the index was behind is passed over at that
    /// revision when it has changed again since.
    fn with_the_same_text(&self, change: &Change) -> Result<Vec<PassageId>, IndexError> {
        let snapshot = self.shared.lexical.snapshot();
        let mut same = Vec::new();
        for document in &change.documents {
            let Some(first) = document.passages.first() else { continue };
            if snapshot.revision_of(first.paper)?.is_some_and(|indexed| indexed >= document.text_revision) {
                same.extend(document.passages.iter().map(|passage| passage.id));
            }
        }
        Ok(same)
    }

    /// Does what does not end when nobody waits for it any more, since threads go on with what they have begun: it is done
    /// to its end, with the lock that it has taken, and the index is not released before.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, IndexError>> + Send + 'static,
    ) -> Result<T, IndexError> {
        let index = self.clone();
        let done = tokio::spawn(async move {
            let done = work.await;
            drop(index);
            done
        });
        done.await.unwrap_or_else(|error| Err(IndexError::internal(error)))
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

impl DenseArm {
    /// Puts the points in the place of all that the papers of a change had, durably.
    async fn write(&self, points: Vec<VectorPoint>, change: &Change) -> Result<(), IndexError> {
        let kept: Vec<PassageId> = points.iter().map(|point| point.passage).collect();
        self.vectors.upsert(points).await?;
        self.vectors.delete_papers(&change.papers, &kept).await?;
        self.vectors.flush().await
    }
}

/// Cuts the papers into passages; of a paper that occurs twice the later record counts.
fn change_of(batch: Vec<IndexedPaper>, words: Option<&Pieces>) -> Change {
    let mut newest: HashMap<PaperId, IndexedPaper> = HashMap::new();
    let mut papers = Vec::new();
    for indexed in batch {
        papers.push(indexed.id);
        newest.insert(indexed.id, indexed);
    }
    papers.sort_unstable();
    papers.dedup();
    let documents = papers.iter().filter_map(|id| {
        let IndexedPaper { id, revision, paper, text_revision } = newest.remove(id)?;
        let paper = paper?;
        let (facets, passages) = (Facets::of(&paper), split(id, &paper));
        let of = |words: &Pieces| passages.iter().map(|passage| words.of(&embedded_text(&paper, passage))).collect();
        let pieces = words.map(of).unwrap_or_default();
        Some(Document { revision, facets, passages, pieces, paper, text_revision })
    });
    let documents = documents.collect();
    Change { papers, documents }
}

/// The points of all passages: with the vectors that the arm has where the text is the same, else embedded.
async fn points_of(
    arm: &DenseArm,
    change: &Arc<Change>,
    known: Vec<(PassageId, Vec<f32>)>,
    report: &mut WriteReport,
) -> Result<Vec<VectorPoint>, IndexError> {
    let (embedder, passages) = (Arc::clone(&arm.embedder), Arc::clone(change));
    let waiting = Waiting::default();
    let given_up = Arc::clone(&waiting.given_up);
    let (points, embedded, embedding) = in_background(move || embed(&*embedder, &passages, known, &given_up)).await?;
    (report.embedded, report.embedding) = (embedded, embedding);
    Ok(points)
}

/// Somebody who waits for a batch. A server that stops does not: what it has begun is done again at the next start.
#[derive(Default)]
struct Waiting {
    given_up: Arc<AtomicBool>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// The points, how many of them were embedded, and how long that took.
fn embed(
    embedder: &dyn Embedder,
    change: &Change,
    known: Vec<(PassageId, Vec<f32>)>,
    given_up: &AtomicBool,
) -> Result<(Vec<VectorPoint>, usize, Duration), IndexError> {
    let mut vectors: HashMap<PassageId, Vec<f32>> = known.into_iter().collect();
    let each = || change.documents.iter().flat_map(|d| d.passages.iter().map(move |passage| (d, passage)));
    let new: Vec<_> = each().filter(|(_, passage)| !vectors.contains_key(&passage.id)).collect();
    let texts: Vec<String> = new.iter().map(|(d, passage)| embedded_text(&d.paper, passage)).collect();
    let begun = Instant::now();
    let mut made = Vec::with_capacity(texts.len());
    for texts in texts.chunks(AT_ONCE) {
        if given_up.load(Ordering::Relaxed) {
            return Err(IndexError::internal("nobody waits for the batch any more"));
        }
        made.extend(embedder.embed_passages(texts)?);
    }
    let embedding = begun.elapsed();
    vectors.extend(new.iter().map(|(_, passage)| passage.id).zip(made));
    let points = each().filter_map(|(document, passage)| {
        let vector = vectors.remove(&passage.id)?;
        Some(VectorPoint { passage: passage.id, paper: passage.paper, vector, facets: document.facets.clone() })
    });
    Ok((points.collect(), texts.len(), embedding))
}
