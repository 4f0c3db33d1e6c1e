//! What every [`VectorStore`] must do; each implementation runs it.

use std::collections::BTreeSet;

use paper::{Author, Paper, PaperId, SourceName};

use super::{VectorPoint, VectorStore};
use crate::filter::{Conditions, Facets};
use crate::syntax::Typed;
use crate::{Filter, IndexError, PassageId};

/// The dimension that the suite needs.
pub(crate) const DIMENSION: usize = 8;
/// How near what is kept is to what was given: a store may keep 16 bits of each number.
const KEPT: f32 = 5e-4;

/// Runs the whole suite on an empty store, and leaves it empty.
pub(crate) async fn run(store: &dyn VectorStore) {
    an_empty_store_answers(store).await;
    the_nearest_come_first(store).await;
    scores_and_vectors_by_id(store).await;
    an_upsert_replaces(store).await;
    deleting_a_paper_keeps_what_is_to_be_kept(store).await;
    filters_mean_what_they_mean_elsewhere(store).await;
    a_vector_of_another_length_is_refused(store).await;
    everything_survives_being_optimized(store).await;
    clearing_takes_out_everything(store).await;
}

pub(crate) fn paper_id(number: usize) -> PaperId {
    PaperId::derive(&format!("suite:{number}"))
}

/// A vector between the axes 0 and 1: the larger `tilt`, 0 to 1, the further from axis 0.
fn tilted(tilt: f32) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    (vector[0], vector[1]) = (1.0 - tilt, tilt);
    vector
}

fn point(number: usize, ordinal: u32, tilt: f32) -> VectorPoint {
    let paper = paper_id(number);
    VectorPoint { passage: PassageId::derive(paper, ordinal), paper, vector: tilted(tilt), facets: Facets::default() }
}

async fn nearest(store: &dyn VectorStore, conditions: &Conditions, k: usize) -> Vec<PassageId> {
    let found = store.search(&tilted(0.0), conditions, k).await.unwrap();
    found.into_iter().map(|(passage, _)| passage).collect()
}

async fn an_empty_store_answers(store: &dyn VectorStore) {
    assert_eq!(store.count().await.unwrap(), 0);
    assert_eq!(nearest(store, &Conditions::default(), 5).await, []);
    assert_eq!(store.vectors(&[PassageId::derive(paper_id(1), 0)]).await.unwrap(), []);
    assert_eq!(store.score(&tilted(0.0), &[PassageId::derive(paper_id(1), 0)]).await.unwrap(), []);
    store.delete_papers(&[paper_id(1)], &[]).await.unwrap();
    store.upsert(Vec::new()).await.unwrap();
    store.flush().await.unwrap();
}

async fn the_nearest_come_first(store: &dyn VectorStore) {
    let points = [point(1, 0, 0.1), point(2, 0, 0.4), point(3, 0, 0.9), point(3, 1, 0.0)];
    store.upsert(points.to_vec()).await.unwrap();
    store.flush().await.unwrap();
    let order = [points[3].passage, points[0].passage, points[1].passage];
    assert_eq!(nearest(store, &Conditions::default(), 3).await, order);
    assert_eq!(nearest(store, &Conditions::default(), 0).await, []);
    let best = store.search(&tilted(0.0), &Conditions::default(), 1).await.unwrap();
    assert!((best[0].1 - 1.0).abs() < KEPT, "the cosine with itself is 1: {best:?}");
    assert_eq!(store.count().await.unwrap(), 4);
}

async fn scores_and_vectors_by_id(store: &dyn VectorStore) {
    let [a, b, unknown] = [(2, 0), (3, 0), (9, 0)].map(|(paper, ordinal)| PassageId::derive(paper_id(paper), ordinal));
    let all = store.search(&tilted(0.0), &Conditions::default(), 10).await.unwrap();
    for (passage, score) in store.score(&tilted(0.0), &[a, b, unknown]).await.unwrap() {
        let (_, searched) = all.iter().find(|(id, _)| *id == passage).unwrap();
        assert!((score - searched).abs() < KEPT, "{score} {searched}");
    }
    let vectors = store.vectors(&[b, unknown]).await.unwrap();
    let length = (0.9_f32 * 0.9 + 0.1 * 0.1).sqrt();
    let [(id, vector)] = vectors.as_slice() else { panic!("{vectors:?}") };
    assert_eq!(*id, b);
    for (stored, given) in vector.iter().zip(tilted(0.9)) {
        assert!((stored - given / length).abs() < KEPT, "{vector:?}");
    }
}

async fn an_upsert_replaces(store: &dyn VectorStore) {
    store.upsert(vec![point(2, 0, 0.05)]).await.unwrap();
    assert_eq!(store.count().await.unwrap(), 4);
    let order = [(3, 1), (2, 0), (1, 0)].map(|(paper, ordinal)| PassageId::derive(paper_id(paper), ordinal));
    assert_eq!(nearest(store, &Conditions::default(), 3).await, order);
}

async fn deleting_a_paper_keeps_what_is_to_be_kept(store: &dyn VectorStore) {
    let kept = PassageId::derive(paper_id(3), 0);
    store.delete_papers(&[paper_id(3), paper_id(1), paper_id(77)], &[kept]).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(nearest(store, &Conditions::default(), 10).await, [PassageId::derive(paper_id(2), 0), kept]);
    store.clear().await.unwrap();
}

/// Papers that differ in everything a filter can ask for.
pub(crate) fn shelf() -> Vec<Paper> {
    let seen = jiff_epoch();
    let paper = |year: Option<i16>, author: &str, venue: &str, categories: &[&str], source| {
        let mut paper = Paper::new("A title", source, seen);
        paper.year = year;
        paper.authors = vec![Author::named(author), Author::named("Ann Other")];
        paper.venue = (!venue.is_empty()).then(|| venue.to_owned());
        paper.categories = categories.iter().map(|category| (*category).to_owned()).collect();
        paper
    };
    use SourceName::{Arxiv, Import, SemanticScholar};
    vec![
        paper(
            Some(2019),
            "Léon Bottou",
            "Advances in Neural Information Processing Systems",
            &["cs.LG", "stat.ML"],
            Arxiv,
        ),
        paper(Some(2020), "Jan van der Berg", "Neural Networks", &["cs.CL"], SemanticScholar),
        paper(Some(2021), "Bottou, L.", "", &["math.OC"], Import),
        paper(None, "Kaiming He", "CVPR", &["cs"], Arxiv),
        paper(Some(1999), "Berg, Ann", "Journal of Machine Learning Research (JMLR)", &["Computer Science"], Arxiv),
    ]
}

fn jiff_epoch() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}

/// Filters of every kind, alone and together.
pub(crate) fn filters() -> Vec<Filter> {
    let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    let year = |from, to| Filter { year_from: from, year_to: to, ..Filter::default() };
    let author = |names: &[&str]| Filter { authors: texts(names), ..Filter::default() };
    let venue = |names: &[&str]| Filter { venues: texts(names), ..Filter::default() };
    let category = |names: &[&str]| Filter { categories: texts(names), ..Filter::default() };
    vec![
        Filter::default(),
        year(Some(2019), None),
        year(None, Some(2019)),
        year(Some(2020), Some(2020)),
        year(Some(3000), None),
        author(&["BOTTOU"]),
        author(&["leon bottou"]),
        author(&["L. Bottou"]),
        author(&["van der Berg"]),
        author(&["He", "Berg"]),
        author(&["nobody"]),
        author(&["!!!"]),
        author(&["  "]),
        venue(&["neural"]),
        venue(&["NEURAL NETWORKS", "cvpr"]),
        venue(&["Advances in Neural Information Processing Systems"]),
        venue(&["neural processing"]),
        category(&["cs"]),
        category(&["CS.cl", "math.OC"]),
        category(&["cs.*"]),
        category(&["computer science"]),
        Filter { sources: vec![SourceName::Import, SourceName::SemanticScholar], ..Filter::default() },
        Filter { authors: texts(&["Berg"]), ..year(Some(2000), None) },
        Filter { categories: texts(&["cs"]), sources: vec![SourceName::Arxiv], ..author(&["Bottou"]) },
    ]
}

/// Conditions of every kind: those of the filters, and what only operators ask for.
pub(crate) fn conditions() -> Vec<Conditions> {
    let typed = ["author:bottou year:..2020", "-author:berg", "-year:2019..2020", "cat:cs -cat:cs.LG", "-source:arxiv"];
    let typed = typed.map(|text| Conditions::default().and(&Typed::parse(text).clauses));
    filters().iter().map(Conditions::of).chain(typed).collect()
}

async fn filters_mean_what_they_mean_elsewhere(store: &dyn VectorStore) {
    let papers = shelf();
    let facets: Vec<Facets> = papers.iter().map(Facets::of).collect();
    let points =
        facets.iter().enumerate().map(|(n, facets)| VectorPoint { facets: facets.clone(), ..point(n, 0, 0.1) });
    store.upsert(points.collect()).await.unwrap();
    store.flush().await.unwrap();
    for conditions in conditions() {
        let found: BTreeSet<PassageId> = nearest(store, &conditions, 10).await.into_iter().collect();
        let expected = facets.iter().enumerate().filter(|(_, facets)| conditions.hold(facets));
        let expected: BTreeSet<PassageId> = expected.map(|(n, _)| PassageId::derive(paper_id(n), 0)).collect();
        assert_eq!(found, expected, "{conditions:?}");
    }
    store.clear().await.unwrap();
}

async fn a_vector_of_another_length_is_refused(store: &dyn VectorStore) {
    let odd = VectorPoint { vector: vec![1.0; DIMENSION + 1], ..point(2, 0, 0.0) };
    let error = store.upsert(vec![point(1, 0, 0.0), odd]).await.unwrap_err();
    assert!(matches!(error, IndexError::Embedding { .. }), "{error}");
    assert_eq!(store.count().await.unwrap(), 0, "nothing of the batch is written");
}

async fn everything_survives_being_optimized(store: &dyn VectorStore) {
    let points: Vec<VectorPoint> = (0..1500_u16).map(|n| point(n.into(), 0, f32::from(n) / 1500.0)).collect();
    store.upsert(points.clone()).await.unwrap();
    store.delete_papers(&(0..500).map(paper_id).collect::<Vec<_>>(), &[]).await.unwrap();
    store.optimize().await.unwrap();
    store.upsert(vec![point(1400, 0, 0.0)]).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(store.count().await.unwrap(), 1000);
    let order = [points[1400].passage, points[500].passage, points[501].passage];
    assert_eq!(nearest(store, &Conditions::default(), 3).await, order);
}

async fn clearing_takes_out_everything(store: &dyn VectorStore) {
    store.clear().await.unwrap();
    assert_eq!(store.count().await.unwrap(), 0);
    store.upsert(vec![point(1, 0, 0.5)]).await.unwrap();
    assert_eq!(nearest(store, &Conditions::default(), 3).await, [PassageId::derive(paper_id(1), 0)]);
    store.clear().await.unwrap();
    store.flush().await.unwrap();
}
