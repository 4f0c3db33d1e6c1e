//! The vectors of sentences that were embedded lately: one question often leads to the passages of the one before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Vectors in each of two generations, together some 27 MB with 384 numbers a vector.
const GENERATION: usize = 8_192;

/// Remembers vectors by their text; what was not asked for in a while is forgotten. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Generations>>);

#[derive(Debug, Default)]
struct Generations {
    /// Of which model the vectors are.
    model: String,
    young: HashMap<String, Arc<[f32]>>,
    old: HashMap<String, Arc<[f32]>>,
}

impl Memory {
    /// The vectors of texts with a model, as far as they are remembered.
    #[must_use]
    pub fn recall(&self, model: &str, texts: &[String]) -> Vec<Option<Arc<[f32]>>> {
        let mut generations = self.lock();
        if generations.model != model {
            return vec![None; texts.len()];
        }
        texts.iter().map(|text| generations.recall(text)).collect()
    }

    /// Remembers the vectors of texts.
    pub fn remember(&self, model: &str, texts: &[String], vectors: &[Vec<f32>]) {
        let mut generations = self.lock();
        if generations.model != model {
            *generations = Generations { model: model.to_owned(), ..Generations::default() };
        }
        for (text, vector) in texts.iter().zip(vectors) {
            generations.put(text.clone(), Arc::from(vector.as_slice()));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn recall(&mut self, text: &str) -> Option<Arc<[f32]>> {
        if let Some(vector) = self.young.get(text) {
            return Some(Arc::clone(vector));
        }
        let (text, vector) = self.old.remove_entry(text)?;
        self.put(text, Arc::clone(&vector));
        Some(vector)
    }

    fn put(&mut self, text: String, vector: Arc<[f32]>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(text, vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_remembered_for_their_model_and_forgotten_when_they_are_not_asked_for() {
        let memory = Memory::default();
        let texts = |range: std::ops::Range<usize>| range.map(|n| n.to_string()).collect::<Vec<_>>();
        let vectors = |range: std::ops::Range<usize>| range.map(|n| vec![n as f32]).collect::<Vec<_>>();
        memory.remember("m", &texts(0..2), &vectors(0..2));
        assert_eq!(memory.recall("m", &texts(1..3)), [Some(Arc::from([1.0].as_slice())), None]);
        assert_eq!(memory.recall("other", &texts(0..1)), [None]);
        for from in [10, 20_000] {
            memory.remember("m", &texts(from..from + GENERATION), &vectors(from..from + GENERATION));
            assert!(memory.recall("m", &texts(1..2))[0].is_some(), "it is asked for and stays");
        }
        assert_eq!(memory.recall("m", &texts(0..1)), [None]);
    }
}
