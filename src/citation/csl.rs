//! CSL-JSON items, valid against the schema of CSL 1.0.2 (`csl-data.json`).

use paper::{Paper, PublicationDate};
use serde_json::{Map, Value, json};

use super::keys;
use super::latex::plain;
use super::names::{self, Name};
use super::work::{Kind, Work};

/// The paper as one CSL-JSON item.
///
/// Its `id` is the library's, else the strongest identifier it has (`arxiv:…`, `doi:…`), else a citation
/// key. The title is plain Unicode with formulas as they were. `issued` has the parts that are known and
/// no others. A preprint is an `article` with its server as `publisher` and the arXiv id as `number`; a
/// published paper carries its arXiv id in `note`, where styles do not print it as an article number.
#[must_use]
pub fn csl_item(paper: &Paper) -> Value {
    Value::Object(item(paper, &keys::base_key(paper)))
}

/// The array, each item with the `citation-key` that it has in the other formats.
pub(super) fn write(papers: &[&Paper]) -> String {
    let items = papers.iter().zip(keys::keys(papers)).map(|(paper, key)| {
        let mut item = item(paper, &key);
        item.insert("citation-key".to_owned(), key.into());
        Value::Object(item)
    });
    format!("{:#}\n", Value::Array(items.collect()))
}

fn item(paper: &Paper, key: &str) -> Map<String, Value> {
    let work = Work::of(paper);
    let authors: Vec<Value> = names::of(paper).iter().map(author).collect();
    let arxiv = work.arxiv().map(|id| format!("arXiv:{id}"));
    let (number, note) = if work.kind == Kind::Preprint { (arxiv, None) } else { (None, arxiv) };
    let note: Vec<String> = work.journal_ref().map(plain).into_iter().chain(note).collect();
    let text = |value: Option<String>| value.filter(|value| !value.is_empty()).map(Value::from);
    let all = [
        ("id", Some(id(paper, key).into())),
        ("type", Some(kind(work.kind).into())),
        ("title", Some(plain(&paper.title).into())),
        ("author", (!authors.is_empty()).then(|| authors.into())),
        ("issued", work.date().map(issued)),
        ("container-title", text(work.container.map(plain))),
        ("publisher", text(work.server.map(str::to_owned))),
        ("number", text(number)),
        ("DOI", text(paper.ids.doi.as_ref().map(ToString::to_string))),
        ("URL", text(work.url())),
        ("PMID", text(paper.ids.pmid.as_ref().map(ToString::to_string))),
        ("PMCID", text(paper.ids.pmcid.clone())),
        ("abstract", text(paper.abstract_text.as_deref().map(plain))),
        ("status", text(work.warning().map(str::to_owned))),
        ("note", text(Some(note.join("; ")))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn id(paper: &Paper, key: &str) -> String {
    (paper.id.map(|id| id.to_string()))
        .or_else(|| paper::identity_keys(paper).into_iter().next())
        .unwrap_or_else(|| key.to_owned())
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Article => "article-journal",
        Kind::Conference => "paper-conference",
        Kind::Preprint => "article",
        Kind::Other => "document",
    }
}

fn author(name: &Name) -> Value {
    match name {
        Name::Literal(text) => json!({ "literal": text }),
        Name::Person(person) => {
            let parts = [
                ("family", &person.family),
                ("given", &person.given),
                ("non-dropping-particle", &person.particle),
                ("suffix", &person.suffix),
            ];
            let known = parts.into_iter().filter(|(_, part)| !part.is_empty());
            Value::Object(known.map(|(name, part)| (name.to_owned(), part.clone().into())).collect())
        }
    }
}

fn issued(date: PublicationDate) -> Value {
    let month_and_day = [date.month(), date.day()].into_iter().flatten().map(i16::from);
    let parts: Vec<i16> = std::iter::once(date.year()).chain(month_and_day).collect();
    json!({ "date-parts": [parts] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation::fixtures::{attention, higgs, named, paper, residual};

    #[test]
    fn a_preprint_is_an_article_on_its_server() {
        let expected = json!({
            "id": "arxiv:1706.03762",
            "type": "article",
            "title": "Attention Is All You Need",
            "author": [{"family": "Vaswani", "given": "Ashish"}, {"family": "Kaiser", "given": "Łukasz"}],
            "issued": {"date-parts": [[2017, 6, 12]]},
            "publisher": "arXiv",
            "number": "arXiv:1706.03762v7",
            "URL": "https://arxiv.org/abs/1706.03762v7",
            "abstract": "The dominant models are convolutional.",
        });
        assert_eq!(csl_item(&attention()), expected);
    }

    #[test]
    fn a_conference_paper_keeps_its_particle_and_arxiv_id() {
        let expected = json!({
            "id": "arxiv:1512.03385",
            "type": "paper-conference",
            "title": "Deep Residual Learning for Image Recognition",
            "author": [
                {"family": "He", "given": "Kaiming"},
                {"family": "Maaten", "given": "Laurens", "non-dropping-particle": "van der"},
            ],
            "issued": {"date-parts": [[2016]]},
            "container-title": "Computer Vision and Pattern Recognition",
            "DOI": "10.1109/cvpr.2016.90",
            "URL": "https://doi.org/10.1109/cvpr.2016.90",
            "note": "arXiv:1512.03385",
        });
        assert_eq!(csl_item(&residual()), expected);
    }

    #[test]
    fn a_journal_paper_tells_of_its_retraction() {
        let expected = json!({
            "id": "doi:10.1016/j.physletb.2012.08.021",
            "type": "article-journal",
            "title": "Observation of a $H\\to\\gamma\\gamma$ signal & the Higgs boson",
            "author": [{"literal": "CMS Collaboration"}, {"family": "Oliveira", "given": "Osvaldo N.", "suffix": "Jr."}],
            "issued": {"date-parts": [[2012, 9]]},
            "container-title": "Physics Letters B",
            "DOI": "10.1016/j.physletb.2012.08.021",
            "URL": "https://doi.org/10.1016/j.physletb.2012.08.021",
            "PMID": "123",
            "status": "retracted",
            "note": "Phys.Lett. B716 (2012) 30-61",
        });
        assert_eq!(csl_item(&higgs()), expected);
    }

    #[test]
    fn latex_is_read_to_unicode_and_formulas_stay() {
        let item = csl_item(&paper(
            json!({"title": "K\\\"ahler \\emph{forms} on $P^n$", "abstract": "A\nB", "ids": {"pmcid": "PMC1"}}),
        ));
        let expected = json!({
            "id": "anonndkahler",
            "type": "document",
            "title": "Kähler forms on $P^n$",
            "PMCID": "PMC1",
            "abstract": "A B",
        });
        assert_eq!(item, expected);
    }

    #[test]
    fn names_have_the_parts_that_are_known() {
        let authors = csl_item(&named(&["Plato", ":", "王小明", "Gomez Jr., Aidan"]))["author"].clone();
        let expected = json!([
            {"family": "Plato"},
            {"literal": "王小明"},
            {"family": "Gomez", "given": "Aidan", "suffix": "Jr."},
        ]);
        assert_eq!(authors, expected);
    }

    #[test]
    fn the_library_id_goes_before_all_others() {
        let id = paper::PaperId::derive("x").to_string();
        let known = json!({"id": id, "ids": {"arxiv": "1706.03762"}});
        assert_eq!(csl_item(&paper(known))["id"], id);
    }

    #[test]
    fn a_preprint_with_arxivs_own_doi_keeps_it() {
        let item = csl_item(&paper(json!({"ids": {"doi": "10.48550/arXiv.1706.03762"}})));
        assert_eq!((&item["DOI"], &item["number"]), (&json!("10.48550/arXiv.1706.03762"), &json!("arXiv:1706.03762")));
        assert_eq!((&item["type"], &item["publisher"]), (&json!("article"), &json!("arXiv")));
    }

    #[test]
    fn a_record_of_a_title_alone_is_a_document() {
        let paper = paper(json!({"title": "Notes"}));
        assert_eq!(csl_item(&paper), json!({"id": "anonndnotes", "type": "document", "title": "Notes"}));
    }

    #[test]
    fn a_file_is_an_array_with_unique_keys() {
        let (one, two) = (paper(json!({"title": "Notes"})), paper(json!({"title": "Notes on"})));
        let items: Value = serde_json::from_str(&write(&[&two, &one])).unwrap();
        assert_eq!(items[0]["id"], "anonndnotesa");
        assert_eq!(items[1]["citation-key"], "anonndnotes");
    }
}
