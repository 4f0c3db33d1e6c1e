//! Which paper cites which, as the lists of references and citations tell it.

use paper::{Cites, Paper, PaperRef, identity_keys};

use super::S2Request;

impl S2Request {
    /// Who cites whom, when `papers` are the references or the citations that were asked for. Nothing is known of a paper
    /// that was asked about by an id that no record of a library has, such as one of the ACL Anthology.
    pub(super) fn links(&self, papers: &[Paper]) -> Vec<Cites> {
        let (id, asked_cites) = match self {
            Self::References { id } => (id, true),
            Self::Citations { id } => (id, false),
            _ => return Vec::new(),
        };
        let asked = match id.parse::<PaperRef>() {
            Ok(PaperRef::Local(_)) | Err(_) => None,
            Ok(reference) => reference.identity_key(),
        };
        let Some(asked) = asked else { return Vec::new() };
        let link = |other: String| match asked_cites {
            true => Cites { citing: asked.clone(), cited: other },
            false => Cites { citing: other, cited: asked.clone() },
        };
        papers.iter().filter_map(own_key).map(link).collect()
    }
}

/// The key of the source itself where there is one: it is never that of two papers, as a DOI may be.
fn own_key(paper: &Paper) -> Option<String> {
    let keys = identity_keys(paper);
    keys.iter().find(|key| key.starts_with("s2:")).or(keys.first()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "204e3073870fae3d05bcbc2f6a8e263d9b72e776";

    fn papers() -> Vec<Paper> {
        let papers = serde_json::json!([
            {"title": "A", "ids": {"doi": "10.1000/a", "semantic_scholar": ID}},
            {"title": "B", "ids": {}},
            {"title": "C", "ids": {"doi": "10.1000/c"}}
        ]);
        serde_json::from_value(papers).unwrap()
    }

    fn pairs(request: &S2Request) -> Vec<(String, String)> {
        request.links(&papers()).into_iter().map(|link| (link.citing, link.cited)).collect()
    }

    #[test]
    fn references_are_cited_by_the_paper_asked_about_and_citations_cite_it() {
        let asked = "arxiv:1706.03762".to_owned();
        let others = [format!("s2:{ID}"), "doi:10.1000/c".to_owned()];
        let cited = others.clone().map(|other| (asked.clone(), other));
        assert_eq!(pairs(&S2Request::References { id: "ARXIV:1706.03762v5".into() }), cited);
        let citing = others.map(|other| (other, asked.clone()));
        assert_eq!(pairs(&S2Request::Citations { id: "10.48550/arXiv.1706.03762".into() }), citing);
    }

    #[test]
    fn a_paper_asked_about_by_an_id_that_no_record_has_is_linked_with_nothing() {
        assert_eq!(pairs(&S2Request::References { id: "ACL:W12-3903".into() }), []);
        assert_eq!(pairs(&S2Request::Search { query: "10.1000/a".into() }), []);
    }
}
