use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::{Paper, PaperRef, SourceName, surname};

/// One paper cites another, each named by one of its [`identity_keys`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cites {
    /// Whose list of references it is.
    pub citing: String,
    /// Who stands in it.
    pub cited: String,
}

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

/// The key of one source's record of a paper, under which a later record of the same source replaces
/// it: arXiv's id, by OAI-PMH one of its own, since what that tells has no version and lacks what the query API tells,
/// and the other way round; Semantic Scholar's id or corpus id; of a file of the user's own its id or DOI, with the title and
/// the line's other ids, for lines share numbers and the chapters of a book its DOI; else the strongest of the others; else, for a record without any identifier, a digest of its text.
#[must_use]
pub fn record_key(paper: &Paper) -> String {
    let keys = identity_keys(paper);
    let own = match paper.source() {
        Some(SourceName::Arxiv) => "arxiv:",
        Some(SourceName::SemanticScholar) => "s2:",
        Some(SourceName::Crossref) => "doi:",
        Some(SourceName::Import) | None => "local:",
    };
    let of_kind = |kind: &str| keys.iter().find(|key| key.starts_with(kind));
    // A corpus id is Semantic Scholar's too; a DOI may be that of a whole book.
    let second = of_kind("corpus:").filter(|_| own == "s2:");
    let native = of_kind(own).or(second).or_else(|| keys.first());
    if let (Some(SourceName::Arxiv), None, Some(id)) = (paper.source(), paper.ids.arxiv_version, &paper.ids.arxiv) {
        return format!("oai:{}", id.base());
    }
    // Every file numbers its lines for itself: the title, and the identifiers that only a work or a book has, tell
    // line 1 of one file from line 1 of another.
    let is_shared = |key: &str| ["local:", "doi:", "pmid:"].iter().any(|kind| key.starts_with(kind));
    let told_apart = |key: &String| match own == "local:" && is_shared(key) {
        true => {
            let others = keys.iter().filter(|other| *other != key);
            // One work has these, so a line that has one may correct its title.
            let is_sure =
                others.clone().any(|other| ["arxiv:", "s2:", "corpus:"].iter().any(|of| other.starts_with(of)));
            let title = if is_sure { String::new() } else { own_title(paper) };
            format!("{key}:{title}{}", others.map(|other| format!(" {other}")).collect::<String>())
        }
        false => key.clone(),
    };
    native.map(told_apart).unwrap_or_else(|| {
        let authors: Vec<&str> = paper.authors.iter().map(|author| author.name.as_str()).collect();
        let text = format!("{:?}", (&paper.title, paper.year, authors, &paper.abstract_text));
        format!("text:{}", uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()))
    })
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

/// The [`title_key`], or the title as it stands where it has no letters or digits outside formulas.
pub(crate) fn own_title(paper: &Paper) -> String {
    Some(title_key(&paper.title)).filter(|key| !key.is_empty()).unwrap_or_else(|| paper.title.clone())
}

/// Lower case letters and digits only, accents taken off (NFKD).
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| char::from(b.to_ascii_lowercase())).collect();
    }
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

/// The key under which records of one work meet when they share no identifier: normalised title and year;
/// none when either is unknown.
#[must_use]
pub fn likeness_key(paper: &Paper) -> Option<String> {
    let title = title_key(&paper.title);
    paper.year.filter(|_| !title.is_empty()).map(|year| format!("{title}:{year}"))
}

/// Whether two records have an author's surname in common.
#[must_use]
pub fn share_a_surname(a: &Paper, b: &Paper) -> bool {
    let known: std::collections::HashSet<String> = a.authors.iter().map(|author| surname(&author.name)).collect();
    b.authors.iter().map(|author| surname(&author.name)).any(|name| !name.is_empty() && known.contains(&name))
}

/// Whether two records have different identifiers of one kind, and so cannot be one work.
#[must_use]
pub fn ids_conflict(a: &Paper, b: &Paper) -> bool {
    fn differ<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    // arXiv's own DOI beside a publisher's is the ordinary case of a preprint, not a conflict.
    let published = |paper: &Paper| paper.ids.doi.clone().filter(|doi| doi.arxiv().is_none());
    differ(published(a).as_ref(), published(b).as_ref())
        || differ(a.ids.arxiv.as_ref(), b.ids.arxiv.as_ref())
        || differ(a.ids.semantic_scholar.as_ref(), b.ids.semantic_scholar.as_ref())
        || differ(a.ids.corpus_id.as_ref(), b.ids.corpus_id.as_ref())
        || differ(a.ids.pmid.as_ref(), b.ids.pmid.as_ref())
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
        let joins = |b: &Paper| likeness_key(&a) == likeness_key(b) && share_a_surname(&a, b);
        assert!(joins(&paper("Deep residual learning.", 2015, "He, Kaiming")));
        assert!(!joins(&paper("Deep residual learning", 2016, "Kaiming He")));
        assert!(!joins(&paper("Deep residual learning", 2015, "Xiangyu Zhang")));
        assert!(!joins(&paper("Deep residual", 2015, "Kaiming He")));
        assert_eq!(likeness_key(&Paper::new("Undated", SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH)), None);
    }

    #[test]
    fn two_different_identifiers_keep_works_apart() {
        let (mut a, mut b) = (paper("Introduction", 2015, "A. B"), paper("Introduction", 2015, "A. B"));
        a.ids.doi = Some("10.1000/a".parse().unwrap());
        assert!(!ids_conflict(&a, &b));
        b.ids.doi = Some("10.1000/b".parse().unwrap());
        assert!(ids_conflict(&a, &b));
        b.ids.doi = Some("10.48550/arXiv.1512.03385".parse().unwrap());
        assert!(!ids_conflict(&a, &b), "a preprint's DOI is no conflict");
        (a.ids.pmid, b.ids.pmid) = (Some("12".parse().unwrap()), Some("13".parse().unwrap()));
        assert!(ids_conflict(&a, &b));
    }

    #[test]
    fn a_record_is_keyed_by_its_own_source_first_and_by_its_text_last() {
        let mut scholar = Paper::new("T", SourceName::SemanticScholar, jiff::Timestamp::UNIX_EPOCH);
        let by_text = record_key(&scholar);
        assert!(by_text.starts_with("text:"), "{by_text}");
        assert_ne!(by_text, record_key(&paper("T", 2015, "A")));
        scholar.ids.arxiv = Some("1512.03385".parse().unwrap());
        assert_eq!(record_key(&scholar), "arxiv:1512.03385");
        scholar.ids.corpus_id = Some(crate::CorpusId(7));
        assert_eq!(record_key(&scholar), "corpus:7");
        scholar.ids.semantic_scholar = Some("204e3073870fae3d05bcbc2f6a8e263d9b72e776".parse().unwrap());
        assert_eq!(record_key(&scholar), "s2:204e3073870fae3d05bcbc2f6a8e263d9b72e776");
    }

    #[test]
    fn what_arxiv_tells_without_a_version_is_a_record_of_its_own() {
        let mut told = Paper::new("T", SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH);
        told.ids.arxiv = Some("1512.03385".parse().unwrap());
        assert_eq!(record_key(&told), "oai:1512.03385");
        told.ids.arxiv_version = Some(1);
        assert_eq!(record_key(&told), "arxiv:1512.03385");
    }

    #[test]
    fn an_id_of_the_users_own_is_a_record_of_its_own_with_each_title() {
        let numbered = |title: &str| {
            let mut paper = paper(title, 2015, "A");
            paper.ids.local = Some("1".into());
            paper
        };
        assert_eq!(record_key(&numbered("Deep Learning")), "local:1:deeplearning");
        assert_eq!(record_key(&numbered("Deep learning.")), "local:1:deeplearning");
        assert_eq!(record_key(&numbered("$\\alpha$")), "local:1:$\\alpha$");
        assert_ne!(record_key(&numbered("$\\alpha$")), record_key(&numbered("$\\beta$")));
        assert_eq!(identity_keys(&numbered("Deep Learning")), ["local:1"], "it is found by the number alone");
        let mut with_doi = numbered("Deep Learning");
        with_doi.ids.doi = Some("10.1000/A".parse().unwrap());
        assert_eq!(record_key(&with_doi), "local:1:deeplearning doi:10.1000/a");
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
