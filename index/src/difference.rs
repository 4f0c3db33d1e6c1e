use paper::Paper;

use crate::filter::Facets;

/// In what of that which the index has of a paper two states of it differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// In nothing.
    Nothing,
    /// In what it is filtered, sorted or counted by; its vectors still hold.
    Facets,
    /// In title or abstract.
    Text,
}

impl Difference {
    /// Compares two states of one paper.
    #[must_use]
    pub fn between(before: &Paper, after: &Paper) -> Self {
        if (&before.title, &before.abstract_text) != (&after.title, &after.abstract_text) {
            Self::Text
        } else if columns(before) != columns(after) || Facets::of(before) != Facets::of(after) {
            Self::Facets
        } else {
            Self::Nothing
        }
    }
}

/// What hits are sorted by and shown in counts as it is written.
fn columns(paper: &Paper) -> impl PartialEq {
    let authors: Vec<&str> = paper.authors.iter().map(|author| author.name.as_str()).collect();
    (paper.published, paper.citation_count, &paper.venue, &paper.categories, &paper.primary_category, authors)
}

#[cfg(test)]
mod tests {
    use paper::{Author, SourceName};

    use super::*;

    #[test]
    fn only_title_and_abstract_are_text_and_only_what_is_filtered_by_are_facets() {
        let paper = Paper::new("Attention", SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH);
        let after = |change: fn(&mut Paper)| {
            let mut after = paper.clone();
            change(&mut after);
            Difference::between(&paper, &after)
        };
        assert_eq!(after(|_| {}), Difference::Nothing);
        assert_eq!(after(|paper| paper.citation_count = Some(7)), Difference::Facets);
        assert_eq!(after(|paper| paper.published = "2017-06-12".parse().ok()), Difference::Facets);
        assert_eq!(after(|paper| paper.url = Some("https://arxiv.org/abs/1706.03762".into())), Difference::Nothing);
        assert_eq!(after(|paper| paper.withdrawn = true), Difference::Nothing, "it is read from the library");
        assert_eq!(after(|paper| paper.venue = Some("NeurIPS".into())), Difference::Facets);
        assert_eq!(after(|paper| paper.authors = vec![Author::named("Ashish Vaswani")]), Difference::Facets);
        assert_eq!(after(|paper| paper.year = Some(2017)), Difference::Facets);
        assert_eq!(after(|paper| paper.title = "Attention!".into()), Difference::Text);
        assert_eq!(after(|paper| paper.abstract_text = Some("We attend.".into())), Difference::Text);
    }
}
