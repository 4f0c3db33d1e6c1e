//! Training: once for each embedding model.

use index::Embedder;
use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2};

use super::features::Features;
use super::neighbours::Neighbours;
use super::{Labelled, Route, RouterError, Trained, asking};

/// The strength of the penalty, as `alpha / 2 * |w|^2` beside the sum of the losses; the intercept is free.
const PENALTY: f32 = 1.0;
/// More of them change no decision in a hundred.
const MOST_ITERATIONS: u64 = 50;
const TOLERANCE: f32 = 1e-2;

pub(super) fn train(key: String, questions: &str, embedder: &dyn Embedder) -> Result<Trained, RouterError> {
    let mut labelled: Vec<Labelled> = Vec::new();
    for (line, text) in (1..).zip(questions.lines()) {
        labelled.push(serde_json::from_str(text).map_err(|source| RouterError::Questions { line, source })?);
    }
    let texts: Vec<&str> = labelled.iter().map(|question| question.text.as_str()).collect();
    let features = Features::learn(&texts, embedder.model().dimension);
    let mut rows = Array2::<f32>::zeros((texts.len(), features.width()));
    let mut neighbours = Neighbours::new(embedder.model().dimension);
    for (Labelled { text, route }, mut row) in labelled.iter().zip(rows.rows_mut()) {
        let vector = asking(&embedder.read_query(text)?);
        neighbours.add(&vector, *route);
        for (column, value) in features.of(text, &vector) {
            if let Some(cell) = row.get_mut(column) {
                #[allow(clippy::cast_possible_truncation)]
                let value = value as f32;
                *cell = value;
            }
        }
    }
    let routes: Array1<usize> = labelled.iter().map(|question| question.route as usize).collect();
    let fitted = MultiLogisticRegression::default()
        .alpha(PENALTY)
        .max_iterations(MOST_ITERATIONS)
        .gradient_tolerance(TOLERANCE)
        .fit(&Dataset::new(rows, routes))
        .map_err(|fault| RouterError::Training(fault.to_string()))?;
    if fitted.classes().len() != Route::ALL.len() {
        return Err(RouterError::Training("the questions do not have every route".to_owned()));
    }
    let three = |values: &mut dyn Iterator<Item = f32>| {
        let mut next = || values.next().unwrap_or_default();
        [next(), next(), next()]
    };
    let weights = fitted.params().rows().into_iter().map(|row| three(&mut row.iter().copied())).collect();
    let intercept = three(&mut fitted.intercept().iter().copied()).map(f64::from);
    Ok(Trained { key, features, weights, intercept, neighbours })
}
