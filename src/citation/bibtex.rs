//! BibTeX entries: `@article`, `@inproceedings`, and `@misc` for what is on arXiv only or nowhere.
//!
//! Entries are kept small: no abstract. Text is ASCII as far as LaTeX has commands for it, so that
//! classic BibTeX and biber read the same file ([`super::latex`]). Fields are those of BibTeX's `btxdoc`
//! and, for arXiv, of <https://info.arxiv.org/help/hypertex/bibstyles>.

use paper::{Paper, PublicationDate};

use super::keys;
use super::latex::{bibtex_text, bibtex_title};
use super::names::{self, Name, Person};
use super::work::{Kind, Work};

/// The file: one entry a paper, a blank line between two.
pub(super) fn write(papers: &[&Paper]) -> String {
    let keys = keys::keys(papers);
    let entries: Vec<String> = papers.iter().zip(&keys).map(|(paper, key)| entry(paper, key)).collect();
    entries.join("\n")
}

fn entry(paper: &Paper, key: &str) -> String {
    let work = Work::of(paper);
    let kind = match work.kind {
        Kind::Article => "article",
        Kind::Conference => "inproceedings",
        Kind::Preprint | Kind::Other => "misc",
    };
    let fields: Vec<String> = fields(&work).into_iter().map(|(name, value)| format!("  {name} = {value}")).collect();
    format!("@{kind}{{{key},\n{}\n}}\n", fields.join(",\n"))
}

/// The fields that have a value, each with its delimiters.
fn fields(work: &Work) -> Vec<(&'static str, String)> {
    let date = work.date();
    let arxiv = work.arxiv();
    let class = work.paper.primary_category.clone().filter(|_| arxiv.is_some());
    let where_published = if work.kind == Kind::Conference { "booktitle" } else { "journal" };
    let all = [
        ("title", Some(bibtex_title(&work.paper.title))),
        ("author", authors(work.paper)),
        (where_published, work.container.map(bibtex_text)),
        ("howpublished", work.server.filter(|_| arxiv.is_none()).map(bibtex_text)),
        ("year", date.map(|date| date.year().to_string())),
        ("month", date.and_then(month)),
        ("eprint", arxiv.clone()),
        ("archivePrefix", arxiv.map(|_| "arXiv".to_owned())),
        ("primaryClass", class.as_deref().map(bibtex_text)),
        ("doi", work.publisher_doi().map(|doi| verbatim(doi.as_str()))),
        ("url", work.url().as_deref().map(verbatim)),
        ("note", note(work)),
    ];
    let written = all.into_iter().filter_map(|(name, value)| value.filter(|v| !v.is_empty()).map(|v| (name, v)));
    // A month is a macro that the style spells out; everything else is a text.
    written.map(|(name, value)| (name, if name == "month" { value } else { format!("{{{value}}}") })).collect()
}

fn month(date: PublicationDate) -> Option<String> {
    const MACROS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let index = usize::try_from(date.month()?).ok()?.checked_sub(1)?;
    MACROS.get(index).map(|name| (*name).to_owned())
}

fn authors(paper: &Paper) -> Option<String> {
    let names: Vec<String> = names::of(paper).iter().map(author).collect();
    (!names.is_empty()).then(|| names.join(" and "))
}

/// `von Last, Jr, First`; braces around what BibTeX must not divide.
fn author(name: &Name) -> String {
    match name {
        Name::Literal(text) => format!("{{{}}}", bibtex_text(text)),
        Name::Person(Person { suffix, given, family, particle }) => {
            let last = [particle, family].map(|part| bibtex_text(part));
            let last = last.join(" ").trim().to_owned();
            let parts = [last, bibtex_text(suffix), bibtex_text(given)];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn note(work: &Work) -> Option<String> {
    let warning = work.warning().map(|word| match word {
        "retracted" => "Retracted",
        _ => "Withdrawn",
    });
    let parts: Vec<String> = [warning, work.journal_ref()].into_iter().flatten().map(bibtex_text).collect();
    (!parts.is_empty()).then(|| parts.join(". "))
}

/// An address or a DOI: styles set these letter by letter, so nothing may be escaped, and what would
/// break the entry is percent-encoded.
fn verbatim(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '{' => out.push_str("%7B"),
            '}' => out.push_str("%7D"),
            '\\' => out.push_str("%5C"),
            c if c.is_whitespace() || c.is_control() => out.push_str("%20"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation::fixtures::{attention, higgs, named, paper, residual};
    use serde_json::json;

    #[test]
    fn an_arxiv_paper_is_misc_with_eprint() {
        let expected = "\
@misc{vaswani2017attention,
  title = {Attention Is All You Need},
  author = {Vaswani, Ashish and Kaiser, {\\L}ukasz},
  year = {2017},
  month = jun,
  eprint = {1706.03762v7},
  archivePrefix = {arXiv},
  primaryClass = {cs.CL},
  url = {https://arxiv.org/abs/1706.03762v7}
}
";
        assert_eq!(write(&[&attention()]), expected);
    }

    #[test]
    fn a_conference_paper_keeps_doi_and_eprint() {
        let expected = "\
@inproceedings{he2016deep,
  title = {Deep Residual Learning for Image Recognition},
  author = {He, Kaiming and van der Maaten, Laurens},
  booktitle = {Computer Vision and Pattern Recognition},
  year = {2016},
  eprint = {1512.03385},
  archivePrefix = {arXiv},
  doi = {10.1109/cvpr.2016.90},
  url = {https://doi.org/10.1109/cvpr.2016.90}
}
";
        assert_eq!(write(&[&residual()]), expected);
    }

    #[test]
    fn a_journal_paper_is_an_article_and_tells_of_its_retraction() {
        let expected = "\
@article{cms2012observation,
  title = {Observation of a {$H\\to\\gamma\\gamma$} signal \\& the {Higgs} boson},
  author = {{CMS Collaboration} and Oliveira, Jr., Osvaldo N.},
  journal = {Physics Letters B},
  year = {2012},
  month = sep,
  doi = {10.1016/j.physletb.2012.08.021},
  url = {https://doi.org/10.1016/j.physletb.2012.08.021},
  note = {Retracted. Phys.Lett. B716 (2012) 30-61}
}
";
        assert_eq!(write(&[&higgs()]), expected);
    }

    #[test]
    fn a_record_of_a_title_alone_is_misc() {
        assert_eq!(write(&[&paper(json!({"title": "Notes"}))]), "@misc{anonndnotes,\n  title = {Notes}\n}\n");
    }

    #[test]
    fn an_old_arxiv_paper_keeps_its_archive_in_the_eprint() {
        let fields = json!({"title": "Strings", "ids": {"arxiv": "hep-th/9901001", "arxiv_version": 1},
            "primary_category": "hep-th", "year": 1999, "url": "http://arxiv.org/abs/hep-th/9901001v1", "venue": "arXiv.org"});
        let expected = "\
@misc{anon1999strings,
  title = {Strings},
  year = {1999},
  eprint = {hep-th/9901001v1},
  archivePrefix = {arXiv},
  primaryClass = {hep-th},
  url = {http://arxiv.org/abs/hep-th/9901001v1}
}
";
        assert_eq!(write(&[&paper(fields)]), expected);
    }

    #[test]
    fn a_preprint_elsewhere_names_its_server() {
        let fields = json!({"title": "Cells", "venue": "bioRxiv", "year": 2020, "ids": {"doi": "10.1101/2020.01.01"}});
        let expected = "\
@misc{anon2020cells,
  title = {Cells},
  howpublished = {bioRxiv},
  year = {2020},
  doi = {10.1101/2020.01.01},
  url = {https://doi.org/10.1101/2020.01.01}
}
";
        assert_eq!(write(&[&paper(fields)]), expected);
    }

    #[test]
    fn the_authors_own_reference_is_the_journal_where_no_venue_is_known() {
        let fields = json!({"title": "Quarks", "journal_ref": "Phys. Rev. D 85_2 (2012)", "withdrawn": true});
        let expected = "\
@article{anonndquarks,
  title = {Quarks},
  journal = {Phys. Rev. D 85\\_2 (2012)},
  note = {Withdrawn}
}
";
        assert_eq!(write(&[&paper(fields)]), expected);
    }

    #[test]
    fn all_of_five_hundred_authors_are_named() {
        let names: Vec<String> = (0..500).map(|n| format!("A. Name{n}")).collect();
        let written = authors(&named(&names.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
        assert_eq!(written.split(" and ").count(), 500);
        assert!(written.ends_with(" and Name499, A."));
    }

    #[test]
    fn each_month_has_its_macro_and_an_unknown_one_none() {
        let of = |text: &str| month(text.parse().unwrap());
        let months: Vec<String> = (1..=12).filter_map(|n| of(&format!("2020-{n:02}"))).collect();
        assert_eq!(months.join(" "), "jan feb mar apr may jun jul aug sep oct nov dec");
        assert_eq!(of("2020"), None);
    }

    #[test]
    fn entries_are_apart_by_a_blank_line() {
        let text = write(&[&attention(), &residual()]);
        assert!(text.contains("\n}\n\n@inproceedings{"), "{text}");
    }

    #[test]
    fn names_that_must_stay_whole_are_in_braces() {
        let names = |names: &[&str]| authors(&named(names)).unwrap();
        assert_eq!(names(&["Planck Collaboration"]), "{Planck Collaboration}");
        assert_eq!(names(&["C. Secchi and A. Macchelli", "王小明"]), "{C. Secchi and A. Macchelli} and {王小明}");
        assert_eq!(names(&["Plato", ":", "Léon Bottou"]), "Plato and Bottou, L{\\'e}on");
    }

    #[test]
    fn an_address_cannot_break_the_entry() {
        assert_eq!(verbatim("https://a.org/x_{1}%20\\ b"), "https://a.org/x_%7B1%7D%20%5C%20b");
    }
}
