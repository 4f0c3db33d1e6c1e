use super::{Embedder, ModelInfo};
use crate::IndexError;

/// A model for tests: every word has a place and a sign in the vector that follow from its letters
/// (feature hashing, Weinberger et al. 2009), so that texts that share words are close. Needs no
/// files and gives the same vectors everywhere; knows nothing of meaning.
#[derive(Debug, Clone)]
pub struct HashEmbedder {
    model: ModelInfo,
}

impl HashEmbedder {
    /// A model with vectors of `dimension` numbers.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        Self { model: ModelInfo { name: format!("hashing-{dimension}"), dimension, max_tokens: usize::MAX } }
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0_f32; self.model.dimension];
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        for word in words.map(str::to_lowercase) {
            let hash = fnv1a(word.as_bytes());
            let place = usize::try_from(hash >> 1).unwrap_or_default() % self.model.dimension.max(1);
            if let Some(value) = vector.get_mut(place) {
                *value += if hash & 1 == 0 { 1.0 } else { -1.0 };
            }
        }
        normalized(vector)
    }
}

impl Embedder for HashEmbedder {
    fn model(&self) -> &ModelInfo {
        &self.model
    }

    fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, IndexError> {
        Ok(texts.iter().map(|text| self.embed(text)).collect())
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, IndexError> {
        Ok(self.embed(text))
    }
}

/// Scaled to length 1; a zero vector becomes the first unit vector, since a cosine needs a direction.
fn normalized(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    } else if let Some(first) = vector.first_mut() {
        *first = 1.0;
    }
    vector
}

/// FNV-1a, 64 bits: small, and the same in every build, which the standard hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_words_are_closer_than_texts_that_do_not() {
        let model = HashEmbedder::new(64);
        let cosine = |a: &str, b: &str| model.embed(a).iter().zip(model.embed(b)).map(|(a, b)| a * b).sum::<f32>();
        assert!(cosine("protein folding", "folding of a protein") > 0.7);
        assert!(cosine("protein folding", "graph neural networks").abs() < 0.5);
    }

    #[test]
    fn it_behaves_as_an_embedder_must() {
        crate::embed::suite(&HashEmbedder::new(64));
    }
}
