use std::fmt;
use std::str::FromStr;

use crate::{ParseError, string_serde};

const EXPECTED: &str = "an arXiv id, such as 2104.12255, 2104.12255v2 or hep-th/9901001";

/// An arXiv identifier with its version where one was given.
///
/// New style (`YYMM.NNNN` to 1412, `YYMM.NNNNN` since 1501) and old style (`archive/YYMMNNN`; a
/// subject class, as in `math.GT/0309136`, is dropped, as arXiv does). Reads bare ids, `arXiv:`
/// prefixes, abstract and PDF addresses and arXiv's own DOIs (`10.48550/arXiv.…`). The form is that
/// of <https://info.arxiv.org/help/arxiv_identifier.html>.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArxivId {
    base: String,
    version: Option<u16>,
}

impl ArxivId {
    /// The identifier without its version: `2104.12255`, `hep-th/9901001`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The version, from 1, where the text named one.
    #[must_use]
    pub fn version(&self) -> Option<u16> {
        self.version
    }

    /// The same paper, no version named.
    #[must_use]
    pub fn without_version(&self) -> Self {
        Self { base: self.base.clone(), version: None }
    }

    /// The abstract page; arXiv asks that it is linked to rather than the PDF.
    #[must_use]
    pub fn abs_url(&self) -> String {
        format!("https://arxiv.org/abs/{self}")
    }
}

impl fmt::Display for ArxivId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        self.version.map_or(Ok(()), |version| write!(f, "v{version}"))
    }
}

impl FromStr for ArxivId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text.trim()).ok_or_else(|| ParseError::new(text, EXPECTED))
    }
}

fn parse(text: &str) -> Option<ArxivId> {
    let bare = strip_wrapping(text);
    let (base, version) = split_version(bare)?;
    let base = match base.split_once('/') {
        Some((archive, number)) => old_style(archive, number)?,
        None => new_style(base)?,
    };
    Some(ArxivId { base, version })
}

/// Takes off whatever people put around an id: a scheme and host, a path, `arXiv:`, `.pdf`.
fn strip_wrapping(text: &str) -> &str {
    let mut rest = text;
    for prefix in [
        "https://",
        "http://",
        "www.",
        "export.",
        "arxiv.org/",
        "doi.org/",
        "dx.doi.org/",
        "abs/",
        "pdf/",
        "html/",
        "10.48550/",
        "oai:arXiv.org:",
        "arxiv:",
        "arxiv.",
    ] {
        rest = strip_prefix_ignoring_case(rest, prefix).unwrap_or(rest).trim_start();
    }
    rest = rest.split(['?', '#']).next().unwrap_or(rest);
    rest.strip_suffix(".pdf").unwrap_or(rest)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

fn split_version(text: &str) -> Option<(&str, Option<u16>)> {
    let Some((base, digits)) = text.rsplit_once('v') else {
        return Some((text, None));
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        // A `v` inside the archive's name (`solv-int/9901001`) is no version mark.
        return Some((text, None));
    }
    let version: u16 = digits.parse().ok()?;
    (version > 0).then_some((base, Some(version)))
}

fn new_style(base: &str) -> Option<String> {
    let (yymm, number) = base.split_once('.')?;
    let after_2014 = yymm >= "1501";
    let length = if after_2014 { 5 } else { 4 };
    let fits = yymm >= "0704" && month_of(yymm)? && number.len() == length && all_digits(number);
    fits.then(|| base.to_owned())
}

fn old_style(archive: &str, number: &str) -> Option<String> {
    let archive = archive.split('.').next()?;
    let named = archive.len() >= 2 && archive.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let fits = named && number.len() == 7 && all_digits(number) && month_of(number.get(..4)?)?;
    fits.then(|| format!("{archive}/{number}"))
}

/// Whether the last two of the four digits `YYMM` are a month.
fn month_of(yymm: &str) -> Option<bool> {
    if yymm.len() != 4 || !all_digits(yymm) {
        return None;
    }
    let month: u8 = yymm.get(2..)?.parse().ok()?;
    Some((1..=12).contains(&month))
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

string_serde!(ArxivId);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::ArxivId;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<(String, Option<u16>)> {
        text.parse::<ArxivId>().ok().map(|id| (id.base().to_owned(), id.version()))
    }

    #[test]
    fn reads_every_form_people_write() {
        for (text, base, version) in [
            ("2104.12255", "2104.12255", None),
            ("2104.12255v2", "2104.12255", Some(2)),
            ("arXiv:0704.0001v1", "0704.0001", Some(1)),
            ("arxiv: 1412.8323", "1412.8323", None),
            ("http://arxiv.org/abs/hep-th/9901001v1", "hep-th/9901001", Some(1)),
            ("https://arxiv.org/pdf/1706.03762v7.pdf", "1706.03762", Some(7)),
            ("https://export.arxiv.org/abs/1706.03762?context=cs", "1706.03762", None),
            ("10.48550/arXiv.2312.07559", "2312.07559", None),
            ("https://doi.org/10.48550/ARXIV.2312.07559", "2312.07559", None),
            ("math.GT/0309136", "math/0309136", None),
            ("solv-int/9901001", "solv-int/9901001", None),
            ("oai:arXiv.org:quant-ph/0201082", "quant-ph/0201082", None),
        ] {
            assert_eq!(read(text), Some((base.to_owned(), version)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_id() {
        for text in [
            "",
            "abc",
            "0000.0000",
            "2113.12255",
            "2104.1225",
            "1412.83231",
            "2104.12255v0",
            "2104.12255v99999",
            "hep-th/99010",
            "hep-th/9913001",
            "10.1038/nature14539",
            "2104.12255v2v3",
            "é104.12255",
            "H/9901001",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(yy in 15u8..99, month in 1u8..=12, number in 0u32..100_000, version in 1u16..50) {
            let text = format!("{yy:02}{month:02}.{number:05}v{version}");
            let id: ArxivId = text.parse().unwrap();
            prop_assert_eq!(id.to_string(), text);
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<ArxivId>();
        }
    }
}
