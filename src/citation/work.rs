//! What kind of publication a record describes, decided once for all formats.

use paper::{Doi, Paper, PublicationDate};

use super::venues::{is_proceedings, preprint_server};

/// The kinds that the formats tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// In a journal.
    Article,
    /// In the proceedings of a conference or workshop.
    Conference,
    /// On a preprint server only.
    Preprint,
    /// Nothing is known of where it appeared.
    Other,
}

/// A paper seen as a reference.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) paper: &'a Paper,
    pub(super) kind: Kind,
    /// The journal or the proceedings.
    pub(super) container: Option<&'a str>,
    /// The preprint server, when the paper is nowhere else.
    pub(super) server: Option<&'static str>,
}

impl<'a> Work<'a> {
    pub(super) fn of(paper: &'a Paper) -> Self {
        let given = || [paper.venue.as_deref(), paper.journal_ref.as_deref()].into_iter().flatten().map(str::trim);
        let container = given().find(|text| !text.is_empty() && preprint_server(text).is_none());
        let named_server = given().find_map(preprint_server);
        let on_arxiv = arxiv_id(paper).map(|_| "arXiv");
        // A DOI from bioRxiv says no more than that it is there; one beside an arXiv id is a publisher's.
        let elsewhere = named_server.filter(|name| *name != "arXiv");
        let kind = match container {
            Some(text) if is_proceedings(text) => Kind::Conference,
            Some(_) => Kind::Article,
            None if elsewhere.is_none() && publisher_doi(paper).is_some() => Kind::Article,
            None if elsewhere.or(on_arxiv).or(named_server).is_some() => Kind::Preprint,
            None => Kind::Other,
        };
        let server = elsewhere.or(on_arxiv).or(named_server).filter(|_| kind == Kind::Preprint);
        Self { paper, kind, container, server }
    }

    /// The arXiv id with its version where that is known: `1706.03762v7`.
    pub(super) fn arxiv(&self) -> Option<String> {
        arxiv_id(self.paper)
    }

    /// The DOI that a publisher gave; arXiv's own says the same as the arXiv id.
    pub(super) fn publisher_doi(&self) -> Option<&'a Doi> {
        publisher_doi(self.paper)
    }

    /// Where a reader goes: the publisher's DOI, else the page the source names, else arXiv.
    pub(super) fn url(&self) -> Option<String> {
        let given = self.paper.url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        (self.publisher_doi().map(Doi::url))
            .or_else(|| given.map(str::to_owned))
            .or_else(|| self.arxiv().map(|id| format!("https://arxiv.org/abs/{id}")))
            .or_else(|| self.paper.ids.doi.as_ref().map(Doi::url))
    }

    /// The date as finely as it is known; the year alone where the two disagree.
    pub(super) fn date(&self) -> Option<PublicationDate> {
        let year = self.paper.year;
        let full = self.paper.published.filter(|date| year.is_none_or(|year| year == date.year()));
        full.or_else(|| PublicationDate::from_year(year?.into()).ok())
    }

    /// What a reader must be told before citing it.
    pub(super) fn warning(&self) -> Option<&'static str> {
        if self.paper.retracted { Some("retracted") } else { self.paper.withdrawn.then_some("withdrawn") }
    }

    /// The authors' own words on where it appeared, where the container says it differently: they carry
    /// volume and pages.
    pub(super) fn journal_ref(&self) -> Option<&'a str> {
        let words = self.paper.journal_ref.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
        (self.container.is_some() && self.container != Some(words) && preprint_server(words).is_none()).then_some(words)
    }
}

fn arxiv_id(paper: &Paper) -> Option<String> {
    let known = paper.ids.arxiv.clone().or_else(|| paper.ids.doi.as_ref()?.arxiv())?;
    let version = paper.ids.arxiv_version.or(known.version());
    Some(version.map_or_else(|| known.base().to_owned(), |version| format!("{}v{version}", known.base())))
}

fn publisher_doi(paper: &Paper) -> Option<&Doi> {
    paper.ids.doi.as_ref().filter(|doi| doi.arxiv().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation::fixtures::paper;
    use serde_json::json;

    #[test]
    fn the_kind_follows_from_what_is_known() {
        let cases = [
            (json!({}), Kind::Other, None),
            (json!({"ids": {"arxiv": "1706.03762"}}), Kind::Preprint, Some("arXiv")),
            (json!({"ids": {"doi": "10.48550/arXiv.1706.03762"}}), Kind::Preprint, Some("arXiv")),
            (json!({"ids": {"arxiv": "1706.03762"}, "venue": "arXiv.org"}), Kind::Preprint, Some("arXiv")),
            (json!({"venue": "CoRR"}), Kind::Preprint, Some("arXiv")),
            (json!({"venue": "bioRxiv", "ids": {"doi": "10.1101/2020.01.01"}}), Kind::Preprint, Some("bioRxiv")),
            (json!({"ids": {"arxiv": "1706.03762", "doi": "10.1000/x"}}), Kind::Article, None),
            (json!({"venue": "arXiv.org", "ids": {"doi": "10.1000/x"}}), Kind::Article, None),
            (json!({"venue": "arXiv.org", "journal_ref": "Nature 5"}), Kind::Article, None),
            (json!({"venue": "ICLR"}), Kind::Conference, None),
        ];
        for (fields, kind, server) in cases {
            let paper = paper(fields.clone());
            let work = Work::of(&paper);
            assert_eq!((work.kind, work.server), (kind, server), "{fields}");
        }
    }

    #[test]
    fn the_link_is_the_best_there_is() {
        let url = |fields| Work::of(&paper(fields)).url();
        let ids = json!({"arxiv": "1706.03762", "arxiv_version": 5, "doi": "10.1000/x"});
        assert_eq!(url(json!({"url": "http://a.org", "ids": ids})), Some("https://doi.org/10.1000/x".into()));
        assert_eq!(url(json!({"url": "http://a.org", "ids": {"arxiv": "1706.03762"}})), Some("http://a.org".into()));
        let arxiv = json!({"arxiv": "1706.03762", "arxiv_version": 5});
        assert_eq!(url(json!({"ids": arxiv})), Some("https://arxiv.org/abs/1706.03762v5".into()));
        assert_eq!(url(json!({})), None);
    }

    #[test]
    fn the_container_is_the_first_that_is_no_preprint_server() {
        let paper = paper(json!({"venue": " arXiv.org ", "journal_ref": " Nature 5 "}));
        let work = Work::of(&paper);
        assert_eq!((work.container, work.journal_ref()), (Some("Nature 5"), None));
    }

    #[test]
    fn the_authors_reference_is_kept_beside_a_venue() {
        let of = |reference: &str| {
            Work::of(&paper(json!({"venue": "Nature", "journal_ref": reference}))).journal_ref().map(str::to_owned)
        };
        assert_eq!(of("Nature 5, 1-3"), Some("Nature 5, 1-3".into()));
        assert_eq!((of("Nature"), of("arXiv:1706.03762"), of(" ")), (None, None, None));
    }

    #[test]
    fn the_arxiv_id_has_the_version_that_is_known() {
        let of = |ids| Work::of(&paper(json!({ "ids": ids }))).arxiv();
        assert_eq!(of(json!({"arxiv": "math/0309136", "arxiv_version": 3})), Some("math/0309136v3".into()));
        assert_eq!(of(json!({"arxiv": "1706.03762"})), Some("1706.03762".into()));
        assert_eq!(of(json!({"doi": "10.48550/arXiv.1706.03762"})), Some("1706.03762".into()));
        assert_eq!(of(json!({"doi": "10.1000/x"})), None);
    }

    #[test]
    fn a_retraction_outweighs_a_withdrawal() {
        let of = |fields| Work::of(&paper(fields)).warning();
        assert_eq!(of(json!({"retracted": true, "withdrawn": true})), Some("retracted"));
        assert_eq!((of(json!({"withdrawn": true})), of(json!({}))), (Some("withdrawn"), None));
    }

    #[test]
    fn a_date_that_contradicts_the_year_is_not_used() {
        let date = |fields| Work::of(&paper(fields)).date().map(|date| date.to_string());
        assert_eq!(date(json!({"published": "2017-06-12", "year": 2017})), Some("2017-06-12".into()));
        assert_eq!(date(json!({"published": "2017-06-12"})), Some("2017-06-12".into()));
        assert_eq!(date(json!({"published": "2017-06-12", "year": 2018})), Some("2018".into()));
        assert_eq!(date(json!({})), None);
    }
}
