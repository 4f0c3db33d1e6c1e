use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::{ArxivId, ParseError, string_serde};

/// A DOI, kept as its source wrote it and compared without regard to case, as DOIs are.
///
/// Reads bare DOIs, `doi:` prefixes, resolver addresses and publishers' pages whose path ends in the
/// DOI. Form: `10.` + registrant + `/` + suffix (DOI Handbook, 2.2).
#[derive(Debug, Clone)]
pub struct Doi(String);

impl Doi {
    /// The DOI as written, without any resolver.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form to compare and to look up by.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// The resolver's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://doi.org/{}", self.0)
    }

    /// The arXiv id inside a DOI that arXiv itself gave out.
    #[must_use]
    pub fn arxiv(&self) -> Option<ArxivId> {
        self.key().strip_prefix("10.48550/arxiv.").and_then(|id| id.parse().ok())
    }
}

impl PartialEq for Doi {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Doi {}
impl Hash for Doi {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Doi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Doi {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text.trim()).ok_or_else(|| ParseError::new(text, "a DOI, such as 10.1038/nature14539"))
    }
}

fn parse(text: &str) -> Option<Doi> {
    let bare = if text.starts_with("10.") {
        text
    } else if text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("doi:")) {
        text.get(4..)?.trim_start()
    } else if text.contains("://") || text.contains("doi.org/") {
        let path = text.get(text.find("/10.")? + 1..)?;
        path.split(['?', '#']).next()?
    } else {
        return None;
    };
    let (prefix, suffix) = bare.split_once('/')?;
    let registrant = prefix.strip_prefix("10.")?;
    let registrant_fits = registrant.len() >= 3
        && registrant.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && registrant.starts_with(|c: char| c.is_ascii_digit());
    let suffix_fits = !suffix.is_empty() && !suffix.contains(|c: char| c.is_whitespace() || c.is_control());
    (registrant_fits && suffix_fits).then(|| Doi(bare.to_owned()))
}

string_serde!(Doi);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Doi;
    use proptest::prelude::*;

    #[test]
    fn reads_every_form_people_write() {
        for (text, doi) in [
            ("10.1038/nature14539", "10.1038/nature14539"),
            ("doi:10.1023/A:1007154515475", "10.1023/A:1007154515475"),
            ("DOI: 10.1145/3544585", "10.1145/3544585"),
            ("https://doi.org/10.1162/neco.1997.9.8.1735", "10.1162/neco.1997.9.8.1735"),
            ("http://dx.doi.org/10.1000/xyz?x=1", "10.1000/xyz"),
            ("https://link.springer.com/chapter/10.1007/978-3-031-19809-0_31", "10.1007/978-3-031-19809-0_31"),
            (
                "10.1002/(SICI)1097-4571(199009)41:6<391::AID-ASI1>3.0.CO;2-9",
                "10.1002/(SICI)1097-4571(199009)41:6<391::AID-ASI1>3.0.CO;2-9",
            ),
        ] {
            assert_eq!(text.parse::<Doi>().unwrap().as_str(), doi, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_doi() {
        for text in
            ["", "10.", "10.1038", "10.1038/", "11.1038/x", "10.10/x", "10.1038/a b", "nature14539", "https://x.org/"]
        {
            assert!(text.parse::<Doi>().is_err(), "{text}");
        }
    }

    #[test]
    fn compares_without_case_and_keeps_the_case() {
        let (upper, lower): (Doi, Doi) = ("10.1000/A".parse().unwrap(), "10.1000/a".parse().unwrap());
        assert_eq!(upper, lower);
        assert_eq!(upper.to_string(), "10.1000/A");
    }

    #[test]
    fn knows_arxivs_own() {
        let doi: Doi = "10.48550/arXiv.2312.07559".parse().unwrap();
        assert_eq!(doi.arxiv().unwrap().base(), "2312.07559");
        assert!("10.1038/nature14539".parse::<Doi>().unwrap().arxiv().is_none());
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(prefix in "10\\.[0-9]{4,6}", suffix in "[A-Za-z0-9._;()/:<>-]{1,30}") {
            let text = format!("{prefix}/{suffix}");
            prop_assert_eq!(text.parse::<Doi>().unwrap().to_string(), text);
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<Doi>();
        }
    }
}
