//! What an abstention says: what was looked for, and what came closest.

use crate::agent::answer::Closest;

/// The text of an answer of which nothing stands.
pub(super) fn abstention(looked_for: &[String], closest: &[Closest], drafted: bool) -> String {
    let mut text = String::from("The library does not answer this.");
    if drafted {
        text.push_str(" A draft was written, but no sentence of it held against its sources.");
    }
    let searches: Vec<String> = looked_for.iter().map(|query| format!("\u{201c}{query}\u{201d}")).collect();
    text.push_str(&format!(" Looked for: {}.", searches.join(", ")));
    if closest.is_empty() {
        text.push_str(" Nothing came close.");
    } else {
        let named = |c: &Closest| match c.year {
            Some(year) => format!("\u{201c}{}\u{201d} ({year})", c.title),
            None => format!("\u{201c}{}\u{201d}", c.title),
        };
        let titles: Vec<String> = closest.iter().map(named).collect();
        text.push_str(&format!(" Closest: {}.", titles.join("; ")));
    }
    text
}
