//! Bibliographies of papers: BibTeX, RIS and CSL-JSON, written by pure functions.
//!
//! What a record does not say is left out, never invented. All three formats agree on what kind of
//! publication a paper is ([`work`]), on how its authors' names divide ([`names`]) and on what the LaTeX
//! in its title means ([`latex`]).

mod bibtex;
mod csl;
mod keys;
mod latex;
mod names;
mod ris;
mod venues;
mod work;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod fixtures;

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use paper::Paper;

pub use csl::csl_item;

/// A file format for references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// BibTeX, for classic BibTeX and for biber.
    Bibtex,
    /// RIS, which Zotero, EndNote and Mendeley read.
    Ris,
    /// CSL-JSON, which citeproc, pandoc and Zotero read.
    CslJson,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Bibtex, Self::Ris, Self::CslJson];

    /// The name as users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bibtex => "bibtex",
            Self::Ris => "ris",
            Self::CslJson => "csl-json",
        }
    }

    /// The media type of an HTTP body in this format; the text is UTF-8.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Bibtex => "application/x-bibtex",
            Self::Ris => "application/x-research-info-systems",
            Self::CslJson => "application/vnd.citationstyles.csl+json",
        }
    }

    /// How a file's name ends, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Bibtex => "bib",
            Self::Ris => "ris",
            Self::CslJson => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that no citation format has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no citation format; choose bibtex, ris or csl-json")]
pub struct UnknownFormat {
    given: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let wanted = text.trim().to_ascii_lowercase().replace('_', "-");
        let found = Self::ALL.into_iter().find(|format| format.as_str() == wanted);
        found.ok_or_else(|| UnknownFormat { given: text.chars().take(40).collect() })
    }
}

/// The papers as one file of the given format, in the order given.
///
/// Citation keys are unique within the file and do not depend on the order. A paper of the library that is given
/// twice, by two of its ids for one, is written once.
#[must_use]
pub fn export(papers: &[&Paper], format: Format) -> String {
    let mut seen = HashSet::new();
    let papers: Vec<&Paper> =
        papers.iter().copied().filter(|paper| paper.id.is_none_or(|id| seen.insert(id))).collect();
    match format {
        Format::Bibtex => bibtex::write(&papers),
        Format::Ris => ris::write(&papers),
        Format::CslJson => csl::write(&papers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_go_by_their_public_names() {
        for (format, name, media_type, extension) in [
            (Format::Bibtex, "bibtex", "application/x-bibtex", "bib"),
            (Format::Ris, "ris", "application/x-research-info-systems", "ris"),
            (Format::CslJson, "csl-json", "application/vnd.citationstyles.csl+json", "json"),
        ] {
            assert_eq!(name.parse(), Ok(format));
            assert_eq!(
                (format.to_string().as_str(), format.media_type(), format.extension()),
                (name, media_type, extension)
            );
        }
        assert_eq!(" CSL_JSON".parse(), Ok(Format::CslJson));
    }

    #[test]
    fn an_unknown_format_is_told_what_there_is() {
        let error = "word".parse::<Format>().unwrap_err().to_string();
        assert_eq!(error, "`word` is no citation format; choose bibtex, ris or csl-json");
    }

    #[test]
    fn nothing_exports_to_an_empty_file() {
        assert_eq!(Format::ALL.map(|format| export(&[], format)), ["", "", "[]\n"]);
    }
}
