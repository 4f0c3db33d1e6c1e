use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::{Paper, PaperRef, surname};

/// The keys by which records of one work find each other, strongest first: arXiv id without version,
/// DOI, Semantic Scholar id, corpus id, PubMed id, the user's own id. A DOI that arXiv gave out counts
/// as the arXiv id.
#[must_use]
pub fn identity_keys(paper: &Paper) -> Vec<String> {
    let ids = &paper.ids;
    let references = [
        ids.arxiv.clone().map(PaperRef::Arxiv),
        ids.doi.clone().map(PaperRef::Doi),
        ids.semantic_scholar.clone().map(PaperRef::SemanticScholar),
        ids.corpus_id.map(PaperRef::Corpus),
        ids.pmid.clone().map(PaperRef::Pmid),
        ids.local.clone().map(PaperRef::Local),
    ];
    let mut keys: Vec<String> = references.into_iter().flatten().filter_map(|r| r.identity_key()).collect();
    let mut seen = std::collections::HashSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    keys
}

/// The title with only its letters and digits left, lower case, no accents, no LaTeX commands: equal
/// for two spellings of one title.
#[must_use]
pub fn title_key(title: &str) -> String {
    let mut kept = String::with_capacity(title.len());
    let mut characters = title.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\\' {
            // `\emph{x}` and `\"o` say how to set a letter, not which: the command's name is dropped.
            while characters.next_if(char::is_ascii_alphabetic).is_some() {}
        } else {
            kept.push(c);
        }
    }
    fold(&kept)
}

/// Lower case letters and digits only, accents taken off (NFKD).
pub(crate) fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_combining_mark(*c))
        .map(|c| match c {
            'ł' | 'Ł' => 'l',
            'ø' | 'Ø' => 'o',
            other => other,
        })
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether two records without a common identifier tell of one work: the same normalised title, the
/// same year, a shared surname, and no identifier of one kind in which they differ.
#[must_use]
pub fn same_work(a: &Paper, b: &Paper) -> bool {
    let title = title_key(&a.title);
    !title.is_empty()
        && title == title_key(&b.title)
        && a.year.is_some()
        && a.year == b.year
        && share_a_surname(a, b)
        && !ids_conflict(a, b)
}

fn share_a_surname(a: &Paper, b: &Paper) -> bool {
    let known: std::collections::HashSet<String> = a.authors.iter().map(|author| surname(&author.name)).collect();
    b.authors.iter().map(|author| surname(&author.name)).any(|name| !name.is_empty() && known.contains(&name))
}

fn ids_conflict(a: &Paper, b: &Paper) -> bool {
    fn differ<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    // arXiv's own DOI beside a publisher's is the ordinary case of a preprint, not a conflict.
    let published = |paper: &Paper| paper.ids.doi.clone().filter(|doi| doi.arxiv().is_none());
    differ(published(a).as_ref(), published(b).as_ref())
        || differ(a.ids.arxiv.as_ref(), b.ids.arxiv.as_ref())
        || differ(a.ids.semantic_scholar.as_ref(), b.ids.semantic_scholar.as_ref())
        || differ(a.ids.corpus_id.as_ref(), b.ids.corpus_id.as_ref())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Author, SourceName};

    fn paper(title: &str, year: i16, author: &str) -> Paper {
        let mut paper = Paper::new(title, SourceName::Import, jiff::Timestamp::UNIX_EPOCH);
        paper.year = Some(year);
        paper.authors = vec![Author::named(author)];
        paper
    }

    #[test]
    fn titles_match_across_spelling_and_latex() {
        assert_eq!(title_key("Schr\\\"odinger's  {\\it Cat}: a Théorème"), "schrodingerscatatheoreme");
        assert_eq!(title_key("Schrödinger's Cat, a THEOREME"), "schrodingerscatatheoreme");
    }

    #[test]
    fn the_same_title_year_and_surname_is_one_work() {
        let a = paper("Deep Residual Learning", 2015, "Kaiming He");
        assert!(same_work(&a, &paper("Deep residual learning.", 2015, "He, Kaiming")));
        assert!(!same_work(&a, &paper("Deep residual learning", 2016, "Kaiming He")));
        assert!(!same_work(&a, &paper("Deep residual learning", 2015, "Xiangyu Zhang")));
        assert!(!same_work(&a, &paper("Deep residual", 2015, "Kaiming He")));
    }

    #[test]
    fn two_different_identifiers_keep_works_apart() {
        let (mut a, mut b) = (paper("Introduction", 2015, "A. B"), paper("Introduction", 2015, "A. B"));
        a.ids.doi = Some("10.1000/a".parse().unwrap());
        assert!(same_work(&a, &b));
        b.ids.doi = Some("10.1000/b".parse().unwrap());
        assert!(!same_work(&a, &b));
        b.ids.doi = Some("10.48550/arXiv.1512.03385".parse().unwrap());
        assert!(same_work(&a, &b), "a preprint's DOI is no conflict");
    }

    #[test]
    fn keys_name_every_identifier_once() {
        let mut paper = paper("T", 2015, "A");
        paper.ids.arxiv = Some("1512.03385".parse().unwrap());
        paper.ids.doi = Some("10.48550/arXiv.1512.03385".parse().unwrap());
        paper.ids.corpus_id = Some(crate::CorpusId(7));
        assert_eq!(identity_keys(&paper), ["arxiv:1512.03385", "corpus:7"]);
    }
}
