//! The passages that an answer may cite, numbered from 1, and their sentences.

use std::sync::Arc;

use index::{Embedder, HybridIndex, IndexError, QueryReading, SearchHit, Wording};
use paper::Paper;

use super::injection::is_order;
use super::memory::Memory;
use super::sentence::{sentences, slice};
use super::words::{content_stems, negated_stems};
use crate::telemetry::{conventions, trace};

/// One sentence of a passage.
#[derive(Debug, Clone)]
pub struct Sentence {
    /// Where it begins in the section's stored text, in Unicode characters.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// The text, exactly as it is stored.
    pub text: String,
    /// Its vector; none without a model.
    pub vector: Option<Vec<f32>>,
    /// The stems of its content words.
    pub stems: std::collections::BTreeSet<String>,
    /// The stems that it says no to.
    pub negated: std::collections::BTreeSet<String>,
    /// Whether it speaks to whoever answers; then nothing rests on it.
    pub is_order: bool,
}

/// A passage that an answer may cite.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The number it is cited by, from 1.
    pub n: usize,
    /// How it was found.
    pub hit: SearchHit,
    /// The paper it is of, as the store has it.
    pub paper: Paper,
    /// Its sentences, in order.
    pub sentences: Vec<Sentence>,
    /// How relevant it is to what was asked, 0 to 1; 0 before that is known.
    pub relevance: f32,
}

impl Evidence {
    /// The stored text of the section that the passage is taken from.
    #[must_use]
    pub fn section_text(&self) -> &str {
        self.hit.passage.section.text_of(&self.paper)
    }

    /// What a reader must be warned of; none where the paper stands.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        warning(&self.paper)
    }
}

/// What a reader of a paper must be warned of.
#[must_use]
pub fn warning(paper: &Paper) -> Option<&'static str> {
    match (paper.retracted, paper.withdrawn) {
        (true, _) => Some("retracted"),
        (false, true) => Some("withdrawn"),
        (false, false) => None,
    }
}

/// Turns texts into vectors where there is a model, off the async threads.
#[derive(Clone, Default)]
pub struct Vectors {
    embedder: Option<Arc<dyn Embedder>>,
    memory: Memory,
    /// Kept as long as its model is used.
    index: Option<HybridIndex>,
}

impl Vectors {
    /// With a model, or without.
    #[must_use]
    pub fn new(embedder: Option<Arc<dyn Embedder>>) -> Self {
        Self { embedder, memory: Memory::default(), index: None }
    }

    /// With the model that belongs to an index, and what is remembered of it.
    #[must_use]
    pub fn of_index(index: HybridIndex, memory: &Memory) -> Self {
        Self { embedder: index.embedder(), memory: memory.clone(), index: Some(index) }
    }

    /// The vectors of texts, in their order; nothing without a model.
    ///
    /// # Errors
    /// When the model fails.
    pub async fn of(&self, texts: Vec<String>) -> Result<Option<Vec<Vec<f32>>>, IndexError> {
        let Some(model) = self.model() else { return Ok(None) };
        let mut vectors: Vec<Option<Vec<f32>>> = Vec::with_capacity(texts.len());
        vectors.extend(self.memory.recall(&model, &texts).iter().map(|known| known.as_ref().map(|v| v.to_vec())));
        let unknown = texts.into_iter().zip(&vectors).filter(|(_, known)| known.is_none()).map(|(text, _)| text);
        let unknown: Vec<String> = unknown.collect();
        if !unknown.is_empty() {
            let (embedded, unknown) =
                match self.run(move |embedder| Ok((embedder.embed_passages(&unknown)?, unknown))).await? {
                    Some(embedded) => embedded,
                    None => return Ok(None),
                };
            self.memory.remember(&model, &unknown, &embedded);
            vectors.iter_mut().filter(|known| known.is_none()).zip(embedded).for_each(|(known, v)| *known = Some(v));
        }
        Ok(Some(vectors.into_iter().map(Option::unwrap_or_default).collect()))
    }

    /// The vector of one text that is, or speaks like, a passage; nothing without a model.
    ///
    /// # Errors
    /// When the model fails.
    pub async fn of_one(&self, text: &str) -> Result<Option<Vec<f32>>, IndexError> {
        Ok(self.of(vec![text.to_owned()]).await?.and_then(|mut vectors| vectors.pop()))
    }

    /// The vector of a question, which some models embed in another way than what answers it; nothing without a
    /// model.
    ///
    /// # Errors
    /// When the model fails.
    pub async fn of_query(&self, text: &str) -> Result<Option<Vec<f32>>, IndexError> {
        let text = text.to_owned();
        self.run(move |embedder| embedder.embed_query(&text)).await
    }

    /// What the model makes of a question; nothing without a model.
    ///
    /// # Errors
    /// When the model fails.
    pub async fn reading_of(&self, text: &str) -> Result<Option<QueryReading>, IndexError> {
        let text = text.to_owned();
        self.run(move |embedder| embedder.read_query(&text)).await
    }

    /// How far texts have the words of a question; nothing is known of that without an index.
    ///
    /// # Errors
    /// When the index cannot be read or the model fails.
    pub async fn wording(&self, question: &str, texts: Vec<String>) -> Result<Wording, IndexError> {
        match &self.index {
            Some(index) => index.wording(question, texts).await,
            None => Ok(Wording::default()),
        }
    }

    /// The name of the model.
    #[must_use]
    pub fn model(&self) -> Option<String> {
        self.embedder.as_ref().map(|embedder| embedder.model().name.clone())
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Embedder) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<Option<T>, IndexError> {
        let Some(embedder) = self.embedder.clone() else { return Ok(None) };
        let (model, dimensions) = (embedder.model().name.clone(), embedder.model().dimension);
        trace::within(&format!("embeddings {model}"), async {
            trace::note(conventions::OPERATION, "embeddings");
            trace::note(conventions::REQUEST_MODEL, model.as_str());
            trace::note(conventions::DIMENSIONS, dimensions);
            tokio::task::spawn_blocking(move || work(embedder.as_ref()).map(Some))
                .await
                .unwrap_or_else(|stopped| Err(IndexError::Embedding { reason: stopped.to_string() }))
                .inspect_err(|_| trace::fail("embedding"))
        })
        .await
    }
}

/// The dot product, which is the cosine for vectors of length 1.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Takes the passages of hits apart into sentences, numbered from `first` on.
///
/// A hit whose passage is not, character for character, what the store has (an index that is behind) is left out: it cannot
/// be cited.
#[must_use]
pub fn gather(found: Vec<(SearchHit, Paper)>, first: usize) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = Vec::with_capacity(found.len());
    for (hit, paper) in found {
        if !can_be_cited(&hit, &paper) {
            tracing::debug!(paper = %hit.paper, "left out of the evidence: changed since it was indexed");
            continue;
        }
        let sentences = split(&hit);
        evidence.push(Evidence { n: evidence.len() + first, hit, paper, sentences, relevance: 0.0 });
    }
    evidence
}

/// Whether the passage of a hit stands in its paper as it is.
#[must_use]
pub fn can_be_cited(hit: &SearchHit, paper: &Paper) -> bool {
    let stored = slice(hit.passage.section.text_of(paper), hit.passage.start, hit.passage.end);
    stored == hit.passage.text
}

/// Gives the sentences their vectors that have none yet.
///
/// # Errors
/// When the model fails.
pub async fn embed(evidence: &mut [Evidence], vectors: &Vectors) -> Result<(), IndexError> {
    let bare = |evidence: &Evidence| evidence.sentences.iter().any(|sentence| sentence.vector.is_none());
    let texts: Vec<String> = evidence
        .iter()
        .filter(|evidence| bare(evidence))
        .flat_map(|evidence| evidence.sentences.iter().map(|sentence| sentence.text.clone()))
        .collect();
    if texts.is_empty() {
        return Ok(());
    }
    if let Some(embedded) = vectors.of(texts).await? {
        let sentences = evidence.iter_mut().filter(|evidence| bare(evidence)).flat_map(|e| e.sentences.iter_mut());
        sentences.zip(embedded).for_each(|(sentence, vector)| sentence.vector = Some(vector));
    }
    Ok(())
}

fn split(hit: &SearchHit) -> Vec<Sentence> {
    let passage = &hit.passage;
    let ranges = sentences(&passage.text).into_iter();
    ranges
        .map(|(start, end)| {
            let text = slice(&passage.text, start, end);
            let stems = content_stems(&text);
            let (is_order, negated) = (is_order(&text), negated_stems(&text));
            Sentence {
                start: passage.start + start,
                end: passage.start + end,
                text,
                vector: None,
                stems,
                negated,
                is_order,
            }
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use index::{ArmScores, ModelInfo, Passage, PassageId, Section};
    use paper::{Author, PaperId, SourceName};

    use super::*;

    /// A passage that a search has found: a whole abstract.
    pub(crate) fn found(title: &str, text: &str) -> (SearchHit, Paper) {
        let id = PaperId::derive(title);
        let mut paper = Paper::new(title, SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH);
        paper.id = Some(id);
        paper.abstract_text = Some(text.to_owned());
        paper.authors = vec![Author::named("Ashish Vaswani")];
        paper.year = Some(2017);
        let passage = Passage {
            id: PassageId::derive(id, 0),
            paper: id,
            ordinal: 0,
            section: Section::Abstract,
            start: 0,
            end: text.chars().count(),
            text: text.to_owned(),
        };
        let (scores, highlights) = (ArmScores::default(), Vec::new());
        (SearchHit { paper: id, passage, score: 1.0, scores, exact: false, highlights }, paper)
    }

    /// Embeds passages and queries each in its own way, as models with a prefix do.
    struct TwoWays(ModelInfo);

    impl Embedder for TwoWays {
        fn model(&self) -> &ModelInfo {
            &self.0
        }

        fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, IndexError> {
            Ok(texts.iter().map(|_| vec![1.0, 0.0]).collect())
        }

        fn embed_query(&self, _text: &str) -> Result<Vec<f32>, IndexError> {
            Ok(vec![0.0, 1.0])
        }
    }

    #[tokio::test]
    async fn a_question_is_embedded_as_a_query_and_a_sentence_as_a_passage() {
        let model = ModelInfo { name: "two ways".into(), dimension: 2, max_tokens: 8 };
        let vectors = Vectors::new(Some(Arc::new(TwoWays(model))));
        assert_eq!(vectors.of_query("q").await.unwrap(), Some(vec![0.0, 1.0]));
        assert_eq!(vectors.of_one("s").await.unwrap(), Some(vec![1.0, 0.0]));
        assert_eq!(Vectors::default().of_query("q").await.unwrap(), None);
    }
}
