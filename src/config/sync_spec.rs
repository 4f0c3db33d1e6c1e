use jiff::civil::Date;
use paper::SourceName;
use serde::{Deserialize, Serialize};

/// What to sync: one request to one source, as the command line, a job of `lectern.toml` and the REST API all say it.
///
/// Which fields go with which source is told by [`SyncSpec::check`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SyncSpec {
    /// Where from.
    pub source: SourceName,
    /// A query in the source's own language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// arXiv: a category, such as `cs.CL`; together with `query` both hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Papers by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The first day: of submission for a query, of modification for a harvest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// The last day, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// arXiv: a whole set by OAI-PMH, such as `cs` or `cs:cs:CL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harvest: Option<String>,
    /// arXiv: the day's announcements in a category, such as `cs.CL`, or several joined by `+`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<String>,
    /// Semantic Scholar: everything that matches a boolean `query`, the newest first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bulk: bool,
    /// Semantic Scholar: the papers that this one cites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references_of: Option<String>,
    /// Semantic Scholar: the papers that cite this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citations_of: Option<String>,
    /// Semantic Scholar: papers recommended to readers of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommended_for: Vec<String>,
    /// Semantic Scholar: a folder or address with the update and delete files of a data set's release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Semantic Scholar and Crossref: what they know of the papers that the library has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub enrich: bool,
    /// The most papers to take in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<usize>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl SyncSpec {
    /// A request to `source` that asks for nothing yet.
    #[must_use]
    pub fn of(source: SourceName) -> Self {
        Self {
            source,
            query: None,
            category: None,
            ids: Vec::new(),
            from: None,
            until: None,
            harvest: None,
            daily: None,
            bulk: false,
            references_of: None,
            citations_of: None,
            recommended_for: Vec::new(),
            diff: None,
            enrich: false,
            max: None,
        }
    }

    /// The most papers to take in: of a search the first thousand, where nothing else is said.
    #[must_use]
    pub fn most(&self) -> usize {
        const OF_A_SEARCH: usize = 1_000;
        let is_whole = self.enrich || self.diff.is_some() || self.harvest.is_some();
        self.max.unwrap_or(if is_whole { usize::MAX } else { OF_A_SEARCH })
    }

    /// The fields that are set, with the sources that take them.
    fn given(&self) -> Vec<(&'static str, &'static [SourceName])> {
        use SourceName::{Arxiv, Crossref, SemanticScholar};
        let fields: [(bool, &'static str, &'static [SourceName]); 13] = [
            (self.query.is_some(), "query", &[Arxiv, SemanticScholar]),
            (self.category.is_some(), "category", &[Arxiv]),
            (!self.ids.is_empty(), "ids", &[Arxiv, SemanticScholar, Crossref]),
            (self.from.is_some(), "from", &[Arxiv]),
            (self.until.is_some(), "until", &[Arxiv]),
            (self.harvest.is_some(), "harvest", &[Arxiv]),
            (self.daily.is_some(), "daily", &[Arxiv]),
            (self.bulk, "bulk", &[SemanticScholar]),
            (self.references_of.is_some(), "references-of", &[SemanticScholar]),
            (self.citations_of.is_some(), "citations-of", &[SemanticScholar]),
            (!self.recommended_for.is_empty(), "recommended-for", &[SemanticScholar]),
            (self.diff.is_some(), "diff", &[SemanticScholar]),
            (self.enrich, "enrich", &[SemanticScholar, Crossref]),
        ];
        fields.into_iter().filter(|(given, ..)| *given).map(|(_, name, sources)| (name, sources)).collect()
    }

    /// Whether it says what to ask for, and nothing that does not go together.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn check(&self) -> Result<(), String> {
        const TOGETHER: [&str; 6] = ["query", "category", "ids", "from", "until", "bulk"];
        let given = self.given();
        if let Some((name, _)) = given.iter().find(|(_, sources)| !sources.contains(&self.source)) {
            return Err(format!("{} takes no `{name}`", self.source));
        }
        let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
        let asked = |name: &&&str| !matches!(**name, "from" | "until" | "bulk");
        let alone: Vec<&&str> = names.iter().filter(|name| !TOGETHER.contains(name)).collect();
        match (names.iter().find(asked), alone.as_slice()) {
            (None, _) => Err(format!("say what to ask of {}: {}", self.source, choices(self.source))),
            (_, [one]) if names.iter().any(|name| name != *one && !(**one == "harvest" && is_date(name))) => {
                Err(format!("`{one}` goes with no other choice"))
            }
            (_, [one, other, ..]) => Err(format!("`{one}` and `{other}` do not go together")),
            _ if self.bulk && self.query.is_none() => Err("`bulk` needs a `query`".to_owned()),
            _ if self.source != SourceName::Arxiv && self.query.is_some() && !self.ids.is_empty() => {
                Err("`query` and `ids` do not go together".to_owned())
            }
            _ if self.max == Some(0) => Err("`max` must be 1 or more".to_owned()),
            _ if self.from.zip(self.until).is_some_and(|(from, until)| from > until) => {
                Err("`from` is after `until`".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn is_date(name: &str) -> bool {
    matches!(name, "from" | "until")
}

fn choices(source: SourceName) -> &'static str {
    match source {
        SourceName::Arxiv => "query, category, ids, harvest or daily",
        SourceName::SemanticScholar => "query, ids, references-of, citations-of, recommended-for, diff or enrich",
        SourceName::Crossref => "ids or enrich",
        SourceName::Import => "nothing: files are imported by `lectern import`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(fields: &str) -> Result<(), String> {
        toml::from_str::<SyncSpec>(fields).map_err(|fault| fault.message().to_owned())?.check()
    }

    #[test]
    fn what_a_source_takes_is_taken() {
        for fields in [
            "source = 'arxiv'\nquery = 'ti:x'\ncategory = 'cs.CL'\nfrom = '2024-01-01'\nuntil = '2024-02-01'",
            "source = 'arxiv'\nids = ['2104.12255v2']\nmax = 5",
            "source = 'arxiv'\nharvest = 'cs:cs:CL'\nfrom = '2024-01-01'",
            "source = 'arxiv'\ndaily = 'cs.CL+cs.IR'",
            "source = 'semantic-scholar'\nquery = 'a | b'\nbulk = true",
            "source = 'semantic-scholar'\nreferences-of = 'CorpusId:7'",
            "source = 'semantic-scholar'\nrecommended-for = ['CorpusId:7', 'CorpusId:8']",
            "source = 'semantic-scholar'\nenrich = true",
            "source = 'crossref'\nenrich = true",
        ] {
            assert_eq!(spec(fields), Ok(()), "{fields}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for (fields, told) in [
            ("source = 'arxiv'", "say what to ask of arxiv: query, category, ids, harvest or daily"),
            (
                "source = 'arxiv'\nfrom = '2024-01-01'",
                "say what to ask of arxiv: query, category, ids, harvest or daily",
            ),
            ("source = 'arxiv'\nenrich = true", "arxiv takes no `enrich`"),
            ("source = 'crossref'\nquery = 'x'", "crossref takes no `query`"),
            ("source = 'arxiv'\nharvest = 'cs'\nquery = 'x'", "`harvest` goes with no other choice"),
            ("source = 'arxiv'\ndaily = 'cs'\nfrom = '2024-01-01'", "`daily` goes with no other choice"),
            ("source = 'arxiv'\ndaily = 'cs'\nharvest = 'cs'", "`harvest` and `daily` do not go together"),
            ("source = 'semantic-scholar'\nids = ['7']\nbulk = true", "`bulk` needs a `query`"),
            ("source = 'semantic-scholar'\nids = ['7']\nquery = 'x'", "`query` and `ids` do not go together"),
            ("source = 'arxiv'\nquery = 'x'\nmax = 0", "`max` must be 1 or more"),
            ("source = 'arxiv'\nquery = 'x'\nfrom = '2024-02-01'\nuntil = '2024-01-01'", "`from` is after `until`"),
        ] {
            assert_eq!(spec(fields), Err(told.to_owned()), "{fields}");
        }
        assert!(spec("source = 'arxiv'\nquerry = 'x'").unwrap_err().contains("unknown field `querry`"));
    }
}
