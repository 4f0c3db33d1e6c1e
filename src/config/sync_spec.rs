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
    /// What comes first, for the most papers to take in are taken from there: by default what is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
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
            sort: None,
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

    /// The most papers to take in: of a search the first thousand, where nothing else is said; what was named one by one,
    /// or has an end that is near, as a whole.
    #[must_use]
    pub fn most(&self) -> usize {
        const OF_A_SEARCH: usize = 1_000;
        let is_named = !self.ids.is_empty() || self.daily.is_some();
        let is_whole = is_named || self.enrich || self.diff.is_some() || self.harvest.is_some();
        self.max.unwrap_or(if is_whole { usize::MAX } else { OF_A_SEARCH })
    }

    /// The fields that are set, with the sources that take them.
    fn given(&self) -> Vec<(&'static str, &'static [SourceName])> {
        use SourceName::{Arxiv, Crossref, SemanticScholar};
        let fields: [(bool, &'static str, &'static [SourceName]); 14] = [
            (self.query.is_some(), "query", &[Arxiv, SemanticScholar]),
            (self.category.is_some(), "category", &[Arxiv]),
            (self.sort.is_some(), "sort", &[Arxiv, SemanticScholar]),
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
        const TOGETHER: [&str; 7] = ["query", "category", "sort", "ids", "from", "until", "bulk"];
        let given = self.given();
        if let Some((name, _)) = given.iter().find(|(_, sources)| !sources.contains(&self.source)) {
            return Err(format!("{} takes no `{name}`", self.source));
        }
        let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
        let asked = |name: &&&str| !matches!(**name, "sort" | "from" | "until" | "bulk");
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
            _ if self.sort.is_some() && !self.ids.is_empty() => Err("`ids` goes with no `sort`".to_owned()),
            _ => self.check_values(),
        }
    }

    fn check_values(&self) -> Result<(), String> {
        match self.sort {
            Some(sort) if self.source == SourceName::SemanticScholar && !self.bulk => Err(format!(
                "`sort` needs `bulk`: a search by words has its own order, so `{}` cannot be had",
                sort.name()
            )),
            Some(sort) if !sort.of(self.source) => {
                let sorts: Vec<&str> = Sort::ALL.iter().filter(|sort| sort.of(self.source)).map(|s| s.name()).collect();
                Err(format!("{} sorts by {}, not by `{}`", self.source, sorts.join(" or "), sort.name()))
            }
            _ if self.max == Some(0) => Err("`max` must be 1 or more".to_owned()),
            _ if self.from.zip(self.until).is_some_and(|(from, until)| from > until) => {
                Err("`from` is after `until`".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// What comes first of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// arXiv: the papers that were submitted last.
    Submitted,
    /// arXiv: those whose last version came last.
    Updated,
    /// arXiv: those that fit best.
    Relevance,
    /// Semantic Scholar: the papers that were published last.
    Published,
    /// Semantic Scholar: those that are cited most.
    Cited,
}

impl Sort {
    const ALL: [Self; 5] = [Self::Submitted, Self::Updated, Self::Relevance, Self::Published, Self::Cited];

    /// Whether the source can sort so.
    fn of(self, source: SourceName) -> bool {
        match self {
            Self::Submitted | Self::Updated | Self::Relevance => source == SourceName::Arxiv,
            Self::Published | Self::Cited => source == SourceName::SemanticScholar,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Updated => "updated",
            Self::Relevance => "relevance",
            Self::Published => "published",
            Self::Cited => "cited",
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
            "source = 'arxiv'\nquery = 'x'\nsort = 'relevance'",
            "source = 'semantic-scholar'\nquery = 'a | b'\nbulk = true",
            "source = 'semantic-scholar'\nquery = 'a | b'\nbulk = true\nsort = 'cited'",
            "source = 'semantic-scholar'\nreferences-of = 'CorpusId:7'",
            "source = 'semantic-scholar'\nrecommended-for = ['CorpusId:7', 'CorpusId:8']",
            "source = 'semantic-scholar'\nenrich = true",
            "source = 'crossref'\nenrich = true",
        ] {
            assert_eq!(spec(fields), Ok(()), "{fields}");
        }
    }

    #[test]
    fn of_a_search_the_first_thousand_are_taken_and_what_is_named_as_a_whole() {
        let most = |fields: &str| toml::from_str::<SyncSpec>(fields).unwrap().most();
        for (fields, expected) in [
            ("source = 'arxiv'\nquery = 'x'", 1_000),
            ("source = 'arxiv'\nquery = 'x'\nmax = 7", 7),
            ("source = 'arxiv'\nids = ['1706.03762']", usize::MAX),
            ("source = 'arxiv'\nids = ['1706.03762']\nmax = 7", 7),
            ("source = 'arxiv'\ndaily = 'cs.CL'", usize::MAX),
            ("source = 'arxiv'\nharvest = 'cs'", usize::MAX),
        ] {
            assert_eq!(most(fields), expected, "{fields}");
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
            ("source = 'arxiv'\nsort = 'updated'", "say what to ask of arxiv: query, category, ids, harvest or daily"),
            ("source = 'arxiv'\nharvest = 'cs'\nsort = 'updated'", "`harvest` goes with no other choice"),
            ("source = 'arxiv'\nids = ['1706.03762']\nsort = 'updated'", "`ids` goes with no `sort`"),
            (
                "source = 'arxiv'\nquery = 'x'\nsort = 'cited'",
                "arxiv sorts by submitted or updated or relevance, not by `cited`",
            ),
            (
                "source = 'semantic-scholar'\nquery = 'x'\nbulk = true\nsort = 'updated'",
                "semantic-scholar sorts by published or cited, not by `updated`",
            ),
            (
                "source = 'semantic-scholar'\nquery = 'x'\nsort = 'cited'",
                "`sort` needs `bulk`: a search by words has its own order, so `cited` cannot be had",
            ),
            ("source = 'arxiv'\nquery = 'x'\nmax = 0", "`max` must be 1 or more"),
            ("source = 'arxiv'\nquery = 'x'\nfrom = '2024-02-01'\nuntil = '2024-01-01'", "`from` is after `until`"),
        ] {
            assert_eq!(spec(fields), Err(told.to_owned()), "{fields}");
        }
        assert!(spec("source = 'arxiv'\nquerry = 'x'").unwrap_err().contains("unknown field `querry`"));
    }
}
