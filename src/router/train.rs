//! Training: once for each embedding model.

use index::Embedder;
use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2};

use super::features::Features;
use super::{Labelled, Route, RouterError, Trained};

/// The strength of the penalty, as `alpha / 2 * |w|^2` beside the sum of the losses; the intercept is free.
const PENALTY: f64 = 1.0;
const MOST_ITERATIONS: u64 = 200;
const TOLERANCE: f64 = 1e-3;

pub(super) fn train(key: String, questions: &str, embedder: &dyn Embedder) -> Result<Trained, RouterError> {
    let mut labelled: Vec<Labelled> = Vec::new();
    for (line, text) in (1..).zip(questions.lines()) {
        labelled.push(serde_json::from_str(text).map_err(|source| RouterError::Questions { line, source })?);
    }
    let texts: Vec<&str> = labelled.iter().map(|question| question.text.as_str()).collect();
    let features = Features::learn(&texts, embedder.model().dimension);
    let mut rows = Array2::<f64>::zeros((texts.len(), features.width()));
    for (text, mut row) in texts.iter().zip(rows.rows_mut()) {
        let vector = embedder.embed_query(text)?;
        for (column, value) in features.of(text, &vector) {
            if let Some(cell) = row.get_mut(column) {
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
    let three = |values: &mut dyn Iterator<Item = f64>| {
        let mut next = || values.next().unwrap_or_default();
        [next(), next(), next()]
    };
    #[allow(clippy::cast_possible_truncation)]
    let weights =
        fitted.params().rows().into_iter().map(|row| three(&mut row.iter().copied()).map(|w| w as f32)).collect();
    let intercept = three(&mut fitted.intercept().iter().copied());
    Ok(Trained { key, features, weights, intercept })
}
