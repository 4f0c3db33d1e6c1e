//! Points and conditions in Edge's terms. The payload of a point is what the Qdrant server gets too:
//! `paper`, `tags` and `year`.

use paper::PaperId;
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::external::serde_json::json;
use qdrant_edge::{Condition, FieldCondition, Filter, HasIdCondition, Match, PointId, PointStruct, Range};

use super::VectorPoint;
use crate::filter::{Conditions, Years};
use crate::{IndexError, PassageId};

/// The payload field of the paper's id.
pub(super) const PAPER: &str = "paper";
/// The payload field of the tags of [`crate::filter::Facets`].
pub(super) const TAGS: &str = "tags";
/// The payload field of the year.
pub(super) const YEAR: &str = "year";

pub(super) fn point(point: VectorPoint) -> PointStruct {
    let mut payload = json!({ PAPER: point.paper.to_string(), TAGS: point.facets.tags });
    if let (Some(year), Some(fields)) = (point.facets.year, payload.as_object_mut()) {
        fields.insert(YEAR.to_owned(), json!(year));
    }
    PointStruct::new(PointId::Uuid(point.passage.as_uuid()), point.vector, payload)
}

/// All points of `papers` but those of `keep`.
pub(super) fn papers_but(papers: &[PaperId], keep: &[PassageId]) -> Result<Filter, IndexError> {
    let ids: Vec<String> = papers.iter().map(ToString::to_string).collect();
    let must = vec![matching(PAPER, ids.into())?];
    let must_not = (!keep.is_empty()).then(|| vec![has_id(keep)]);
    Ok(Filter { should: None, min_should: None, must: Some(must), must_not })
}

/// The points of these passages.
pub(super) fn only(passages: &[PassageId]) -> Filter {
    all(vec![has_id(passages)])
}

/// The points for which the conditions hold; none for all.
pub(super) fn filter(conditions: &Conditions) -> Result<Option<Filter>, IndexError> {
    if conditions.is_empty() {
        return Ok(None);
    }
    let mut must = conditions.years.iter().map(within).collect::<Result<Vec<_>, _>>()?;
    for group in &conditions.groups {
        must.push(any_of(group)?);
    }
    let mut must_not = conditions.other_years.iter().map(within).collect::<Result<Vec<_>, _>>()?;
    for tags in &conditions.without {
        must_not.push(all_of(tags)?);
    }
    let some = |conditions: Vec<Condition>| (!conditions.is_empty()).then_some(conditions);
    Ok(Some(Filter { should: None, min_should: None, must: some(must), must_not: some(must_not) }))
}

fn within(years: &Years) -> Result<Condition, IndexError> {
    let bound = |year: Option<i16>| year.map(|year| OrderedFloat(f64::from(year)));
    let range = Range { gte: bound(years.from), lte: bound(years.to), gt: None, lt: None };
    Ok(Condition::Field(FieldCondition::new_range(key(YEAR)?, range)))
}

fn any_of(group: &[Vec<String>]) -> Result<Condition, IndexError> {
    let single: Option<Vec<String>> =
        group.iter().map(|tags| <[String; 1]>::try_from(tags.clone()).ok().map(|[tag]| tag)).collect();
    if let Some(tags) = single {
        return matching(TAGS, tags.into());
    }
    let should = group.iter().map(|tags| all_of(tags)).collect::<Result<Vec<_>, _>>()?;
    Ok(Condition::Filter(Filter { should: Some(should), min_should: None, must: None, must_not: None }))
}

fn all_of(tags: &[String]) -> Result<Condition, IndexError> {
    let each: Result<Vec<_>, _> = tags.iter().map(|tag| matching(TAGS, tag.clone().into())).collect();
    each.map(|must| Condition::Filter(all(must)))
}

fn all(must: Vec<Condition>) -> Filter {
    Filter { should: None, min_should: None, must: Some(must), must_not: None }
}

fn has_id(passages: &[PassageId]) -> Condition {
    let ids = passages.iter().map(|passage| PointId::Uuid(passage.as_uuid()));
    Condition::HasId(ids.collect::<HasIdCondition>())
}

fn matching(field: &str, wanted: Match) -> Result<Condition, IndexError> {
    Ok(Condition::Field(FieldCondition::new_match(key(field)?, wanted)))
}

fn key(field: &str) -> Result<qdrant_edge::JsonPath, IndexError> {
    field.parse().map_err(|()| IndexError::internal(format!("`{field}` is no field name")))
}
