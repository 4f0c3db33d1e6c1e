//! What a line says in a form that is not read, so that the user can be told.

use paper::Paper;
use serde_json::Value;

use super::Object;

/// The fields of a line that say something of which nothing, or of a list not all, came into the paper.
pub(super) fn fields(object: &Object, paper: &Paper) -> Vec<String> {
    let ids = &paper.ids;
    let read: [(&[&str], bool); 14] = [
        (&["abstract", "text"], paper.abstract_text.is_some()),
        (&["authors"], items(object.get("authors")) <= paper.authors.len()),
        (&["published", "created"], paper.published.is_some()),
        (&["updated"], paper.updated.is_some()),
        (&["year"], super::year(object).is_some()),
        (&["venue"], paper.venue.is_some()),
        (&["categories"], items(object.get("categories")).min(1) <= paper.categories.len()),
        (&["primary_category"], paper.primary_category.is_some()),
        (&["url"], paper.url.is_some()),
        (&["pdf_url"], paper.pdf_url.is_some()),
        (&["citation_count"], paper.citation_count.is_some()),
        (&["doi"], ids.doi.is_some() && super::text(object, &["doi"]).is_some()),
        (&["arxiv_id"], ids.arxiv.is_some()),
        (&["id", "_id"], ids.local.is_some()),
    ];
    let unread = read.into_iter().filter(|(_, read)| !read).flat_map(|(names, _)| names);
    unread.filter(|name| object.get(**name).is_some_and(says)).map(|name| (*name).to_owned()).collect()
}

/// The fields of a paper that this program had printed which are not in its form any more: those that were taken out.
pub(super) fn taken_out(before: &Object, after: &Object) -> Vec<String> {
    before.keys().filter(|name| !after.contains_key(*name)).cloned().collect()
}

fn says(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => list.iter().any(says),
        _ => true,
    }
}

/// How many items a list has that say something; one for what is no list.
fn items(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Array(list)) => list.iter().filter(|item| says(item)).count(),
        Some(value) => usize::from(says(value)),
        None => 0,
    }
}
