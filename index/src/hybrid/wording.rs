//! How far texts have the words of a question, or words that mean the same.

use super::HybridIndex;
use crate::lexical::Snapshot;
use crate::{IndexError, Pieces};

/// What a word counts that no passage has, when it is one that the model has as a whole: how something was put, and not what it is
/// about. Words that the model has only in parts are names and terms, and count in full: that no passage has one says a lot.
const UNSEEN_AND_ORDINARY: f32 = 0.3;

/// The words of a question as an index knows them, and how far some texts have them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wording {
    /// The question's different words, stop words left out, as they are typed, each with how much it tells: its inverse document
    /// frequency in this index, as in BM25, less for an ordinary word that no passage has.
    pub words: Vec<(String, f32)>,
    /// For each text how near its word pieces come to those of the question, 0 to 1: the mean cosine of the nearest, by the same
    /// weights (see [`Pieces::closeness`]); none without a model that has vectors of its pieces.
    pub closeness: Option<Vec<f32>>,
}

impl HybridIndex {
    /// How far texts have the words of a question.
    ///
    /// # Errors
    /// When the index cannot be read or the model fails.
    pub async fn wording(&self, question: &str, texts: Vec<String>) -> Result<Wording, IndexError> {
        let (question, embedder) = (question.to_owned(), self.embedder());
        self.read(move |snapshot: &Snapshot| {
            let pieces = embedder.as_deref().and_then(|embedder| embedder.pieces());
            let closeness = match (&embedder, pieces) {
                (Some(embedder), Some(pieces)) => {
                    let query = embedder.read_query(&question)?.pieces;
                    let documents: Vec<Vec<u32>> = texts.iter().map(|text| pieces.of(text)).collect();
                    let mut weights = Vec::with_capacity(query.len());
                    for (of, is_whole) in query.iter().zip(pieces.are_whole(&query)) {
                        weights.push(weight(snapshot.piece_weight(of.piece)?, is_whole, snapshot));
                    }
                    let closeness = pieces.closeness(&query, &weights, &documents).into_iter();
                    Some(closeness.map(|near| near.clamp(0.0, 1.0)).collect())
                }
                _ => None,
            };
            let is_ordinary = |word: &str| pieces.is_some_and(|pieces: &Pieces| pieces.has_whole(word));
            let words = snapshot.word_weights(&question)?.into_iter();
            let words = words.map(|(typed, frequency)| {
                let told = weight(frequency, is_ordinary(&typed), snapshot);
                (typed, told)
            });
            Ok(Wording { words: words.collect(), closeness })
        })
        .await
    }
}

fn weight(inverse_frequency: f32, is_ordinary: bool, snapshot: &Snapshot) -> f32 {
    let is_unseen = inverse_frequency >= snapshot.weight_of_unseen();
    if is_unseen && is_ordinary { UNSEEN_AND_ORDINARY * inverse_frequency } else { inverse_frequency }
}

#[cfg(test)]
mod tests {
    use paper::{Paper, PaperId, SourceName};

    use crate::{HybridIndex, IndexSettings, IndexedPaper};

    #[tokio::test]
    async fn a_rare_word_tells_more_than_a_frequent_one_and_an_unseen_one_most() {
        let folder = tempfile::tempdir().unwrap();
        let index = HybridIndex::open(IndexSettings { dir: folder.path().to_owned() }, None, None).unwrap();
        let papers = (1..=8_u64).map(|number| {
            let title = if number == 1 { "Retrieval of zebras" } else { "Retrieval" };
            let id = PaperId::derive(&number.to_string());
            let mut paper = Paper::new(title, SourceName::Import, jiff::Timestamp::UNIX_EPOCH);
            paper.id = Some(id);
            IndexedPaper { id, revision: number, paper: Some(paper), text_revision: number }
        });
        index.write(papers.collect(), 8).await.unwrap();
        let wording =
            index.wording("What is the retrieval of a zebra or okapi?", vec!["zebras".to_owned()]).await.unwrap();
        let words: Vec<&str> = wording.words.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!((words, wording.closeness), (vec!["retrieval", "zebra", "okapi"], None));
        let [frequent, rare, unseen] = [0, 1, 2].map(|at: usize| wording.words[at].1);
        assert!(frequent < rare && rare < unseen, "{:?}", wording.words);
    }
}
