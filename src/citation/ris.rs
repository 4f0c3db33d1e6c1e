//! RIS records, as Zotero, EndNote and Mendeley read them: `TY` first, `ER` last, CRLF.
//!
//! Journals go under both `T2` and `JF`, since readers differ in which they take; the arXiv id is the
//! accession number (`AN`). Format: the RIS specification of 2011.

use paper::{Paper, PublicationDate};

use super::keys;
use super::latex::plain;
use super::names::{self, Name};
use super::work::{Kind, Work};

/// The file, without blank lines.
pub(super) fn write(papers: &[&Paper]) -> String {
    let keys = keys::keys(papers);
    papers.iter().zip(&keys).flat_map(|(paper, key)| lines(paper, key)).map(|line| format!("{line}\r\n")).collect()
}

fn lines(paper: &Paper, key: &str) -> Vec<String> {
    let work = Work::of(paper);
    let kind = match work.kind {
        Kind::Article => "JOUR",
        Kind::Conference => "CONF",
        Kind::Preprint | Kind::Other => "GEN",
    };
    let container = work.container.map(plain);
    let mut tags = vec![("TY", Some(kind.to_owned())), ("ID", Some(key.to_owned())), ("TI", Some(plain(&paper.title)))];
    tags.extend(names::of(paper).iter().map(|name| ("AU", Some(author(name)))));
    tags.extend([
        ("PY", work.date().map(|date| date.year().to_string())),
        ("DA", work.date().map(date)),
        ("T2", container.clone()),
        ("JF", container.filter(|_| work.kind == Kind::Article)),
        ("PB", work.server.map(str::to_owned)),
        ("AN", work.arxiv().map(|id| format!("arXiv:{id}"))),
        ("DO", paper.ids.doi.as_ref().map(ToString::to_string)),
        ("UR", work.url().as_deref().map(one_word)),
        ("AB", paper.abstract_text.as_deref().map(plain)),
        ("N1", work.warning().map(|word| format!("This paper was {word}."))),
        ("N1", work.journal_ref().map(plain)),
    ]);
    let written =
        tags.into_iter().filter_map(|(tag, value)| value.filter(|v| !v.is_empty()).map(|v| format!("{tag}  - {v}")));
    written.chain(std::iter::once("ER  - ".to_owned())).collect()
}

/// `Last, First, Suffix`
fn author(name: &Name) -> String {
    match name {
        Name::Literal(text) => text.clone(),
        Name::Person(person) => {
            let parts = [person.last(), person.given.clone(), person.suffix.clone()];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
        }
    }
}

/// `YYYY/MM/DD/`, with nothing between the slashes for what is not known.
fn date(date: PublicationDate) -> String {
    let part = |value: Option<i8>| value.map(|value| format!("{value:02}")).unwrap_or_default();
    format!("{:04}/{}/{}/", date.year(), part(date.month()), part(date.day()))
}

fn one_word(url: &str) -> String {
    url.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("%20")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation::fixtures::{attention, higgs, named, paper, residual};
    use serde_json::json;

    #[test]
    fn a_preprint_is_generic_with_its_accession_number() {
        let expected = [
            "TY  - GEN",
            "ID  - vaswani2017attention",
            "TI  - Attention Is All You Need",
            "AU  - Vaswani, Ashish",
            "AU  - Kaiser, Łukasz",
            "PY  - 2017",
            "DA  - 2017/06/12/",
            "PB  - arXiv",
            "AN  - arXiv:1706.03762v7",
            "UR  - https://arxiv.org/abs/1706.03762v7",
            "AB  - The dominant models are convolutional.",
            "ER  - ",
            "",
        ];
        assert_eq!(write(&[&attention()]), expected.join("\r\n"));
    }

    #[test]
    fn journals_and_proceedings_name_where_they_appeared() {
        let text = write(&[&higgs(), &residual()]);
        let expected = [
            "TY  - JOUR",
            "ID  - cms2012observation",
            "TI  - Observation of a $H\\to\\gamma\\gamma$ signal & the Higgs boson",
            "AU  - CMS Collaboration",
            "AU  - Oliveira, Osvaldo N., Jr.",
            "PY  - 2012",
            "DA  - 2012/09//",
            "T2  - Physics Letters B",
            "JF  - Physics Letters B",
            "DO  - 10.1016/j.physletb.2012.08.021",
            "UR  - https://doi.org/10.1016/j.physletb.2012.08.021",
            "N1  - This paper was retracted.",
            "N1  - Phys.Lett. B716 (2012) 30-61",
            "ER  - ",
            "TY  - CONF",
            "ID  - he2016deep",
            "TI  - Deep Residual Learning for Image Recognition",
            "AU  - He, Kaiming",
            "AU  - van der Maaten, Laurens",
            "PY  - 2016",
            "DA  - 2016///",
            "T2  - Computer Vision and Pattern Recognition",
            "AN  - arXiv:1512.03385",
            "DO  - 10.1109/cvpr.2016.90",
            "UR  - https://doi.org/10.1109/cvpr.2016.90",
            "ER  - ",
            "",
        ];
        assert_eq!(text, expected.join("\r\n"));
    }

    #[test]
    fn a_date_leaves_blank_what_is_unknown() {
        let written = ["2020", "2020-03", "2020-03-04"].map(|text| date(text.parse().unwrap()));
        assert_eq!(written, ["2020///", "2020/03//", "2020/03/04/"]);
    }

    #[test]
    fn names_keep_particle_suffix_and_literals() {
        let names = ["Laurens van der Maaten", "Aidan Gomez Jr.", "The LIGO Collaboration", "Plato", "李明"];
        let written: Vec<String> = names::of(&named(&names)).iter().map(author).collect();
        assert_eq!(
            written,
            ["van der Maaten, Laurens", "Gomez, Aidan, Jr.", "The LIGO Collaboration", "Plato", "李明"]
        );
    }

    #[test]
    fn a_record_of_a_title_alone_has_four_lines() {
        assert_eq!(
            write(&[&paper(json!({"title": "Notes"}))]),
            "TY  - GEN\r\nID  - anonndnotes\r\nTI  - Notes\r\nER  - \r\n"
        );
    }

    #[test]
    fn a_withdrawn_paper_says_so() {
        let text = write(&[&paper(json!({"title": "Notes", "withdrawn": true}))]);
        assert!(text.contains("\r\nN1  - This paper was withdrawn.\r\nER  - \r\n"), "{text}");
    }

    #[test]
    fn no_value_can_begin_a_line_of_its_own() {
        let odd = paper(
            json!({"title": "A\r\nER  - \u{2028}b", "abstract": "x\nTY  - JOUR\u{85}", "url": "http://a.org/x\ny"}),
        );
        let text = write(&[&odd]);
        assert_eq!(
            text.lines().filter(|line| line.starts_with("ER  - ") || line.starts_with("TY  - ")).count(),
            2,
            "{text}"
        );
        assert!(text.contains("UR  - http://a.org/x%20y\r\n"), "{text}");
    }
}
