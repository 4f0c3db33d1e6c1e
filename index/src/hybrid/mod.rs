mod nothing;
mod rank;
mod rerank;
mod search;
mod wording;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use paper::PaperId;
pub use search::{MOST_SHOWN, Searching};
pub use wording::Wording;
pub use write::Prepared;

use crate::layout::Layout;
use crate::lexical::{LexicalIndex, Snapshot};
use crate::threads::blocking;
use crate::{Embedder, IndexError, IndexStats, Passage, PassageId, Reranker, VectorStore, dense};

/// Where an index is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSettings {
    /// Its folder, made when it is not there.
    pub dir: PathBuf,
}

impl IndexSettings {
    /// Where in it an embedded vector store belongs, so that [`HybridIndex::destroy`] finds it.
    #[must_use]
    pub fn dense_dir(&self) -> PathBuf {
        Layout::new(&self.dir).dense()
    }

    /// Whether what is in the folder, if anything, can be opened by this version. To be asked before the vector store is
    /// opened.
    ///
    /// # Errors
    /// [`IndexError::ModelChanged`] for an index of another format, [`IndexError::Corrupt`] for one that does not say.
    pub fn check_format(&self) -> Result<(), IndexError> {
        Layout::new(&self.dir).check_format()
    }
}

/// Papers made searchable: the only door to the index.
///
/// One task writes ([`HybridIndex::write`]), any number search meanwhile and see whole batches or
/// nothing of them. A clone is another handle to the same index.
#[derive(Clone)]
pub struct HybridIndex {
    shared: Arc<Shared>,
    reranker: Option<Arc<Reranker>>,
}

struct Shared {
    layout: Layout,
    /// The model that the index is built with.
    model: Option<String>,
    lexical: LexicalIndex,
    dense: Option<DenseArm>,
    /// Why there is no dense arm.
    without_dense: &'static str,
    watermark: AtomicU64,
    writing: Arc<tokio::sync::Mutex<()>>,
    /// The model that was given, which makes no vectors in an index of words alone.
    embedder: Option<Arc<dyn Embedder>>,
    /// Room for searches.
    searching: Arc<tokio::sync::Semaphore>,
    /// The last to go: then the arms are closed.
    in_use: tokio::sync::watch::Sender<()>,
}

/// Vectors, and what makes them.
#[derive(Clone)]
struct DenseArm {
    vectors: Arc<dyn VectorStore>,
    embedder: Arc<dyn Embedder>,
}

impl HybridIndex {
    /// Opens the index, and makes it when the folder is empty. Blocks for some milliseconds.
    ///
    /// Without a vector store or a model its words can be searched all the same; see
    /// [`crate::SearchResults::notice`].
    ///
    /// # Errors
    /// [`IndexError::Corrupt`], [`IndexError::ModelChanged`] and [`IndexError::Disk`].
    pub fn open(
        settings: IndexSettings,
        vectors: Option<Arc<dyn VectorStore>>,
        embedder: Option<Arc<dyn Embedder>>,
    ) -> Result<Self, IndexError> {
        let (no_model, in_use) = (embedder.is_none(), tokio::sync::watch::Sender::new(()));
        let given = embedder.clone();
        let mut dense = vectors.zip(embedder).map(|(vectors, embedder)| DenseArm { vectors, embedder });
        let layout = Layout::new(&settings.dir);
        let known = dense.as_ref().map(|arm| arm.embedder.model());
        let unwritten = || {
            LexicalIndex::open(&layout.lexical()).and_then(|lexical| lexical.watermark()).is_ok_and(|mark| mark == 0)
        };
        let model = layout.claim(known, unwritten)?;
        let without_dense = match (&model, &dense) {
            _ if no_model => "No embedding model is loaded, so only words were searched; `make setup` installs one.",
            (None, Some(_)) => {
                "The index was made without a model, so only words were searched; `lectern reindex` adds the vectors."
            }
            _ => "No vector store is open, so only words were searched.",
        };
        dense = dense.filter(|_| model.is_some());
        let lexical = LexicalIndex::open(&layout.lexical())?;
        let watermark = AtomicU64::new(lexical.watermark()?);
        let writing = Arc::default();
        let is_remote = dense.as_ref().is_some_and(|arm| arm.vectors.is_remote());
        let searching = Arc::new(tokio::sync::Semaphore::new(places(is_remote)));
        let shared = Shared {
            searching,
            layout,
            model,
            lexical,
            dense,
            without_dense,
            watermark,
            writing,
            embedder: given,
            in_use,
        };
        Ok(Self { shared: Arc::new(shared), reranker: None })
    }

    /// The same index, the best hits of whose hybrid searches are put in the order of a reranker.
    #[must_use]
    pub fn reranked_by(mut self, reranker: Option<Arc<Reranker>>) -> Self {
        self.reranker = reranker;
        self
    }

    /// What the best hits are put in order by.
    #[must_use]
    pub fn reranker(&self) -> Option<Arc<Reranker>> {
        self.reranker.clone()
    }

    /// Deletes the index in `dir` with an embedded vector store in it, to build it anew. Whatever else
    /// lies in the folder stays; a Qdrant server's collection has [`crate::QdrantStore::destroy`].
    ///
    /// # Errors
    /// [`IndexError::Busy`] when a process has it open, [`IndexError::Disk`] when it cannot be deleted.
    pub fn destroy(dir: &Path) -> Result<(), IndexError> {
        let layout = Layout::new(dir);
        if layout.dense().exists() {
            dense::check_unused(&layout.dense())?;
        }
        layout.destroy()
    }

    /// The embedding model that the index is built with; none for one of words alone.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.shared.model.as_deref()
    }

    /// The embedding model that the index was opened with. Its queries are embedded by it and no other; whoever holds it
    /// for anything else should hold the index too.
    #[must_use]
    pub fn embedder(&self) -> Option<Arc<dyn Embedder>> {
        self.shared.embedder.clone()
    }

    /// Gives up this handle and waits until nobody has another, a search under way for one; then the index is closed.
    pub async fn released(self) {
        let mut in_use = self.shared.in_use.subscribe();
        drop(self);
        while in_use.changed().await.is_ok() {}
    }

    /// The store's revision up to which everything is written and durable; 0 in a new index.
    #[must_use]
    pub fn watermark(&self) -> u64 {
        self.shared.watermark.load(Ordering::Acquire)
    }

    /// A passage by its id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn passage(&self, id: PassageId) -> Result<Option<Passage>, IndexError> {
        let read = move |snapshot: &Snapshot| {
            let found = snapshot.locate(&[id])?.into_iter().next();
            found.map(|candidate| snapshot.passage_at(candidate.address)).transpose()
        };
        self.read(read).await
    }

    /// The passages of a paper, in order; none when the index does not have it.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn passages_of(&self, paper: PaperId) -> Result<Vec<Passage>, IndexError> {
        self.read(move |snapshot| snapshot.passages_of(paper)).await
    }

    /// What the index holds.
    ///
    /// # Errors
    /// When one of the arms cannot be read.
    pub async fn stats(&self) -> Result<IndexStats, IndexError> {
        let layout = self.shared.layout.clone();
        let read = move |snapshot: &Snapshot| Ok((snapshot.papers()?, snapshot.passages(), layout.size()));
        let (papers, passages, bytes_on_disk) = self.read(read).await?;
        let vectors = match &self.shared.dense {
            Some(arm) => Some(arm.vectors.count().await?),
            None => None,
        };
        let (model, watermark) = (self.shared.model.clone(), self.watermark());
        Ok(IndexStats { papers, passages, vectors, bytes_on_disk, model, watermark })
    }

    /// Whether both arms hold the same passages, as far as their numbers tell.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] when they do not: somebody emptied the vector store, or put an old one
    /// back.
    pub async fn check(&self) -> Result<(), IndexError> {
        let stats = self.stats().await?;
        match stats.vectors {
            Some(vectors) if vectors != stats.passages => {
                let reason = format!("{} passages have {vectors} vectors", stats.passages);
                Err(IndexError::corrupt(self.shared.layout.dir(), reason))
            }
            _ => Ok(()),
        }
    }

    /// A place for a search, to be kept until its end, also when nobody waits for it any more.
    async fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, IndexError> {
        Arc::clone(&self.shared.searching).acquire_owned().await.map_err(IndexError::internal)
    }

    /// Reads the lexical arm on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Snapshot) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        let snapshot = self.shared.lexical.snapshot();
        blocking(move || work(&snapshot)).await
    }
}

/// One search a processor: more at once take longer each, and fewer are done. Those that wait for a server leave it to
/// others meanwhile; each takes two threads, of which the runtime has some hundreds.
fn places(is_remote: bool) -> usize {
    const THAT_WAIT: usize = 64;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if is_remote { cores.max(THAT_WAIT) } else { cores }
}

#[cfg(test)]
mod tests;
