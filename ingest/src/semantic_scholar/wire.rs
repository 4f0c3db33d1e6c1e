//! What Semantic Scholar sends, exactly as sent: every field may be absent or null, unknown ones are ignored.
//! The shapes are those of <https://api.semanticscholar.org/api-docs/graph>.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, Visitor};
use serde_json::value::RawValue;

/// A record of a paper. A citation or a reference has it inside, with what is known of the link around it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Paper {
    pub(super) paper_id: Option<String>,
    pub(super) corpus_id: Option<ExternalId>,
    pub(super) external_ids: Option<ExternalIds>,
    pub(super) url: Option<String>,
    pub(super) title: Option<String>,
    #[serde(rename = "abstract")]
    pub(super) abstract_text: Option<String>,
    pub(super) venue: Option<String>,
    pub(super) year: Option<i64>,
    pub(super) citation_count: Option<u64>,
    pub(super) open_access_pdf: Option<OpenAccessPdf>,
    pub(super) fields_of_study: Option<Vec<Option<String>>>,
    pub(super) s2_fields_of_study: Option<Vec<FieldOfStudy>>,
    pub(super) publication_date: Option<String>,
    pub(super) journal: Option<Journal>,
    pub(super) authors: Option<Vec<Author>>,
    pub(super) citing_paper: Inner,
    pub(super) cited_paper: Inner,
}

/// The paper in a link.
#[derive(Debug, Default)]
pub(super) enum Inner {
    /// The record is no such link.
    #[default]
    None,
    /// The link leads to nothing that is known.
    Unknown,
    Paper(Box<Paper>),
}

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Unknown, Self::Paper))
    }
}

/// Identifiers of other places.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExternalIds {
    #[serde(rename = "ArXiv")]
    pub(super) arxiv: Option<ExternalId>,
    #[serde(rename = "DOI")]
    pub(super) doi: Option<ExternalId>,
    #[serde(rename = "CorpusId")]
    pub(super) corpus_id: Option<ExternalId>,
    #[serde(rename = "PubMed")]
    pub(super) pubmed: Option<ExternalId>,
    #[serde(rename = "PubMedCentral")]
    pub(super) pubmed_central: Option<ExternalId>,
    #[serde(rename = "DBLP")]
    pub(super) dblp: Option<ExternalId>,
    #[serde(rename = "ACL")]
    pub(super) acl: Option<ExternalId>,
    #[serde(rename = "MAG")]
    pub(super) mag: Option<ExternalId>,
}

/// An identifier of another place: a text, or a number in the case of the corpus id; what is neither tells nothing.
#[derive(Debug)]
pub(super) enum ExternalId {
    Number(u64),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for ExternalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneId)
    }
}

struct OneId;

impl<'de> Visitor<'de> for OneId {
    type Value = ExternalId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<ExternalId, E> {
        Ok(ExternalId::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ExternalId, E> {
        Ok(ExternalId::Text(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<ExternalId, E> {
        Ok(ExternalId::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<ExternalId, E> {
        Ok(ExternalId::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<ExternalId, E> {
        Ok(ExternalId::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<ExternalId, E> {
        Ok(ExternalId::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<ExternalId, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ExternalId::Other)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<ExternalId, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(ExternalId::Other)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OpenAccessPdf {
    pub(super) url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FieldOfStudy {
    pub(super) category: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Journal {
    pub(super) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Author {
    pub(super) author_id: Option<String>,
    pub(super) name: Option<String>,
}

/// One record: none for an unknown id.
///
/// # Errors
/// In words, what is not in its form.
pub(super) fn paper(record: &RawValue) -> Result<Option<Paper>, String> {
    let read: Option<Paper> = serde_json::from_str(record.get()).map_err(|error| {
        // Where in the record it is would tell a user nothing.
        let told = error.to_string();
        format!("not in the form of a paper: {}", told.rsplit_once(" at line ").map_or(told.as_str(), |(what, _)| what))
    })?;
    Ok(read.and_then(|mut link| {
        let inner = [std::mem::take(&mut link.citing_paper), std::mem::take(&mut link.cited_paper)];
        match inner {
            [Inner::Paper(paper), _] | [Inner::None, Inner::Paper(paper)] => Some(*paper),
            [Inner::Unknown, _] | [_, Inner::Unknown] => None,
            [Inner::None, Inner::None] => Some(link),
        }
    }))
}

/// The paper id of a record that could not be read otherwise.
pub(super) fn name_of(record: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        citing_paper: Option<Box<Named>>,
        cited_paper: Option<Box<Named>>,
        paper_id: Option<String>,
    }
    let named: Named = serde_json::from_str(record.get()).ok()?;
    named.citing_paper.or(named.cited_paper).map_or(named.paper_id, |inner| inner.paper_id)
}
