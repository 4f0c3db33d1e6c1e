//! Papers that the tests of all formats write.

use paper::Paper;
use serde_json::{Value, json};

/// A paper of the given fields; its title is `T` unless they say otherwise.
pub(super) fn paper(fields: Value) -> Paper {
    let mut all = json!({ "title": "T" });
    for (name, value) in fields.as_object().unwrap() {
        all[name] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

pub(super) fn named(authors: &[&str]) -> Paper {
    let authors: Vec<Value> = authors.iter().map(|name| json!({ "name": name })).collect();
    paper(json!({ "authors": authors }))
}

/// On arXiv only.
pub(super) fn attention() -> Paper {
    paper(json!({
        "title": "Attention Is All You Need",
        "abstract": "The dominant models\nare convolutional.",
        "authors": [{"name": "Ashish Vaswani"}, {"name": "{\\L}ukasz Kaiser"}],
        "year": 2017,
        "published": "2017-06-12",
        "primary_category": "cs.CL",
        "ids": {"arxiv": "1706.03762", "arxiv_version": 7},
    }))
}

/// At a conference, with a DOI and an arXiv id.
pub(super) fn residual() -> Paper {
    paper(json!({
        "title": "Deep Residual Learning for Image Recognition",
        "authors": [{"name": "Kaiming He"}, {"name": "Laurens van der Maaten"}],
        "year": 2016,
        "published": "2015-12-10",
        "venue": "Computer Vision and Pattern Recognition",
        "ids": {"arxiv": "1512.03385", "doi": "10.1109/cvpr.2016.90"},
    }))
}

/// In a journal, by a collaboration, retracted.
pub(super) fn higgs() -> Paper {
    paper(json!({
        "title": "Observation of a $H\\to\\gamma\\gamma$ signal & the Higgs boson",
        "authors": [{"name": "CMS Collaboration"}, {"name": "Osvaldo N. Oliveira, Jr."}],
        "published": "2012-09",
        "venue": "Physics Letters B",
        "journal_ref": "Phys.Lett. B716 (2012) 30-61",
        "ids": {"doi": "10.1016/j.physletb.2012.08.021", "pmid": "123"},
        "retracted": true,
    }))
}
