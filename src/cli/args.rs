//! The command line as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::api::wire::{Filters, OneOrMany};

/// A self-hosted research assistant: a library of papers, hybrid search, and answers with verified citations.
#[derive(Debug, Parser)]
#[command(name = "lectern", version, propagate_version = true, max_term_width = 110)]
pub struct Arguments {
    /// The home folder: library, index, lectern.toml [default: $LECTERN_HOME, else the platform's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// A configuration file, in place of lectern.toml in the home folder
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON document on standard output, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not show how far a command is
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the REST API until SIGTERM or Ctrl-C
    Serve {
        /// Where to listen [default: server.addr, 127.0.0.1:8080]
        #[arg(long)]
        addr: Option<String>,
    },
    /// Take in papers from a source, live or from a file
    Sync {
        /// Which source
        #[command(subcommand)]
        source: SyncSource,
    },
    /// Take in a file of JSON lines, plain or gzip: title, abstract, authors, year, venue, doi, arxiv_id, url, id
    ///
    /// A line replaces the one of the same id, title and identifiers that was read before, so importing a file again
    /// changes nothing. A line whose title was corrected replaces it where it has an arxiv_id, is another record of the paper
    /// where it has a doi, and else another paper; a line whose doi or arxiv_id was corrected always is.
    Import {
        /// The file
        file: PathBuf,
        /// Stop after this many papers
        #[arg(long, value_parser = at_least_one)]
        max: Option<usize>,
    },
    /// Search the library
    Search {
        /// What to look for: words, "phrases", -words to leave out, author:, title:, year:2019..2023, venue:, cat:, source:;
        /// the title, DOI or arXiv id of a paper finds that paper; one that begins with a hyphen comes last, after `--`
        query: String,
        /// hybrid, lexical or dense
        #[arg(long, default_value = "hybrid")]
        mode: index::Mode,
        /// What hits are ordered by: relevance, date (the newest first) or citations
        #[arg(long, default_value = "relevance")]
        sort: index::Sort,
        /// Count years, venues, categories and authors of what is found
        #[arg(long)]
        facets: bool,
        /// Go on where a page ended: its `next`
        #[arg(long)]
        cursor: Option<String>,
        /// How many hits, 1 to 100
        #[arg(short = 'k', long = "limit", default_value_t = 10, value_parser = one_to_hundred)]
        limit: usize,
        /// Which papers
        #[command(flatten)]
        filters: FilterArgs,
    },
    /// Ask a question and get a cited answer
    Ask {
        /// The question
        question: String,
        /// How
        #[command(flatten)]
        how: super::ask::AskArgs,
        /// Which papers
        #[command(flatten)]
        filters: FilterArgs,
    },
    /// Print a bibliography
    Cite {
        /// Papers, by ids of any kind: the library's own, DOI, arXiv, Semantic Scholar, CorpusId:…, PMID:…
        #[arg(required = true)]
        ids: Vec<String>,
        /// bibtex, ris or csl-json
        #[arg(long, default_value = "bibtex")]
        format: crate::citation::Format,
    },
    /// Measure how good it is
    Eval {
        /// What to measure
        #[command(subcommand)]
        what: super::evaluate::Eval,
    },
    /// What is tried out on answers
    Experiments {
        /// What to do
        #[command(subcommand)]
        what: super::experiments::ExperimentsCommand,
    },
    /// What readers think of answers
    Feedback {
        /// What to do
        #[command(subcommand)]
        what: super::experiments::FeedbackCommand,
    },
    /// Measure how fast the library is searched, over HTTP: in a server that runs, else in one of its own
    Bench {
        /// Queries, one a line [default: three to eight words in a row of the library's titles]
        #[arg(long, value_name = "FILE")]
        queries: Option<PathBuf>,
        /// Clients that ask all at once
        #[arg(long, default_value_t = 16, value_parser = at_least_one)]
        clients: usize,
        /// For how many seconds they ask
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
        seconds: u64,
    },
    /// Scheduled work: what is synced by itself, and what became of it
    Jobs {
        /// What to do
        #[command(subcommand)]
        what: JobsCommand,
    },
    /// What papers were made of, and which are one
    Papers {
        /// What to do
        #[command(subcommand)]
        what: PapersCommand,
    },
    /// Build a new index from the library beside the old one, then search it; no network is needed
    ///
    /// Interrupted, it goes on where it was when it is run again. A server that runs builds it in the background.
    Reindex {
        /// The embedding model to use from now on [default: embedding.model, else that of an interrupted run, else the
        /// one that the index has]
        #[arg(long)]
        model: Option<String>,
    },
    /// How much there is
    Stats,
    /// Check model, runtime library, disk, keys and reachability, and say what to do about each failure
    Doctor,
    /// The configuration
    Config {
        /// What to do with it
        #[command(subcommand)]
        what: ConfigCommand,
    },
}

/// Where papers come from.
#[derive(Debug, Subcommand)]
pub enum SyncSource {
    /// arXiv: its query API, a harvest, the daily announcements, or a saved answer of any of them
    Arxiv {
        /// A query in arXiv's syntax, such as ti:attention AND cat:cs.CL
        #[arg(long)]
        query: Option<String>,
        /// A category, such as cs.CL; together with --query both hold
        #[arg(long)]
        category: Option<String>,
        /// What comes first of a query or a category: submitted (the newest), updated or relevance
        #[arg(long, hide_possible_values = true)]
        sort: Option<crate::config::Sort>,
        /// Ids, separated by commas, with or without versions; together with --query or --category, those of them
        /// that fit
        #[arg(long, value_delimiter = ',')]
        ids: Vec<String>,
        /// A whole set by OAI-PMH, the oldest first, such as cs or cs:cs:CL
        #[arg(long, value_name = "SET")]
        harvest: Option<String>,
        /// What was announced last in a category, such as cs.CL, or in several joined by +
        #[arg(long, value_name = "CATEGORIES")]
        daily: Option<String>,
        /// The first day, as 2024-01-31: of submission, or of modification for a harvest
        #[arg(long, value_name = "DATE")]
        from: Option<jiff::civil::Date>,
        /// The last day, likewise
        #[arg(long, value_name = "DATE")]
        until: Option<jiff::civil::Date>,
        /// Where from and how much
        #[command(flatten)]
        common: SyncArgs,
    },
    /// Semantic Scholar: its search, its batch look-up, or a saved answer of either
    SemanticScholar {
        /// A query in plain words; the most relevant papers come first, 1,000 at most
        #[arg(long)]
        query: Option<String>,
        /// Read everything that matches, the newest first, by the bulk search, whose query is boolean
        #[arg(long, requires = "query")]
        bulk: bool,
        /// What comes first of a bulk search: published (the newest) or cited (the most cited)
        #[arg(long, requires = "bulk", hide_possible_values = true)]
        sort: Option<crate::config::Sort>,
        /// Ids, separated by commas: 40 digits, CorpusId:…, DOI:…, ARXIV:…, PMID:…
        #[arg(long, value_delimiter = ',', conflicts_with = "query")]
        ids: Vec<String>,
        /// The papers that this one cites
        #[arg(long, value_name = "ID")]
        references_of: Option<String>,
        /// The papers that cite this one, the newest first; 9,999 at most
        #[arg(long, value_name = "ID")]
        citations_of: Option<String>,
        /// Papers recommended to readers of these, 500 at most
        #[arg(long, value_name = "IDS", value_delimiter = ',')]
        recommended_for: Vec<String>,
        /// What it knows of the library's own papers: citation counts, venues, DOIs. Each is asked about once in
        /// sources.semantic_scholar.recheck_days, 500 in a request
        #[arg(long)]
        enrich: bool,
        /// The update and delete files of the data sets `papers` and `abstracts`, for the papers that the library has: a
        /// folder in which `update` or `delete` stands in each file's name or folder, or the address of a list,
        /// …/datasets/v1/diffs/FROM/to/TO/papers, which needs a key
        #[arg(long, value_name = "FOLDER|URL")]
        diff: Option<String>,
        /// Where from and how much
        #[command(flatten)]
        common: SyncArgs,
    },
    /// Crossref: retractions, and DOIs that no other source gave
    Crossref {
        /// DOIs, separated by commas
        #[arg(long, value_delimiter = ',')]
        ids: Vec<String>,
        /// What it knows of the library's own papers: those with a DOI are looked up by it, the others by title and
        /// author, a request each. Each is asked about once in sources.crossref.recheck_days
        #[arg(long)]
        enrich: bool,
        /// Where from and how much
        #[command(flatten)]
        common: SyncArgs,
    },
}

/// What all sources take.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Read a saved answer instead of the network
    #[arg(long, value_name = "FILE", conflicts_with = "ids")]
    pub from_file: Option<PathBuf>,
    /// Stop after this many papers [default: 1000; all of what --ids, --daily, --harvest, --enrich or --diff ask for, where a
    /// source has them]; the next sync of the same request reads what came or changed since, or goes on there
    #[arg(long, value_parser = at_least_one)]
    pub max: Option<usize>,
    /// Fetch and read, but store nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Which papers.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Published in this year or later
    #[arg(long)]
    pub year_from: Option<i16>,
    /// Published in this year or earlier
    #[arg(long)]
    pub year_to: Option<i16>,
    /// By this author (surname or full name); more than once for any of several
    #[arg(long)]
    pub author: Vec<String>,
    /// At this venue
    #[arg(long)]
    pub venue: Vec<String>,
    /// In this category: cs.CL, or cs for all of it
    #[arg(long)]
    pub category: Vec<String>,
    /// Told of by this source: arxiv, semantic-scholar, crossref or import
    #[arg(long)]
    pub source: Vec<String>,
}

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// Every job, when it runs next, and how it last ended
    List,
    /// Run one now, and wait for it
    Run {
        /// Its name
        name: String,
    },
    /// What ran, the newest first
    History {
        /// Of this job only
        name: Option<String>,
    },
    /// Let one wait until it is resumed
    Pause {
        /// Its name
        name: String,
    },
    /// Let one run by its schedule again
    Resume {
        /// Its name
        name: String,
    },
    /// The jobs that failed again and again, and are not tried any more
    Dead,
    /// Try one of those again, and wait for it
    Retry {
        /// The id of the dead letter
        id: String,
    },
}

/// What to do with papers.
#[derive(Debug, Subcommand)]
pub enum PapersCommand {
    /// The records that a paper was made of, what joined them, and which of them tells which field
    Records {
        /// The paper, by an id of any kind
        id: String,
    },
    /// Make one paper of several
    Join {
        /// The papers, by ids of any kind
        #[arg(required = true, num_args = 2..)]
        ids: Vec<String>,
    },
    /// Make some of a paper's records another paper
    Separate {
        /// The paper, by an id of any kind
        id: String,
        /// The records, as `papers records` names them
        #[arg(required = true)]
        records: Vec<paper::RecordName>,
    },
    /// The decisions, the newest first, also those that were taken back
    Decisions {
        /// Those that were made before this one
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
        before: Option<i64>,
    },
    /// Take a decision back
    Undo {
        /// Its number
        decision: i64,
    },
}

/// What to do with the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Print every effective value and where it came from
    Show,
    /// Check it, and say what is wrong
    Check,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    in_range(text, 1, usize::MAX, "a whole number from 1")
}

fn one_to_hundred(text: &str) -> Result<usize, String> {
    in_range(text, 1, crate::api::wire::MOST_HITS, "a whole number from 1 to 100")
}

fn in_range(text: &str, least: usize, most: usize, expected: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (least..=most).contains(n)).ok_or_else(|| format!("expected {expected}"))
}

impl FilterArgs {
    /// The filter that the index takes.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn into_filter(self) -> Result<index::Filter, String> {
        self.into_filters().into_filter()
    }

    /// The filters as a request says them.
    #[must_use]
    pub fn into_filters(self) -> Filters {
        Filters {
            year_from: self.year_from,
            year_to: self.year_to,
            author: OneOrMany::Many(self.author),
            venue: OneOrMany::Many(self.venue),
            category: OneOrMany::Many(self.category),
            source: OneOrMany::Many(self.source),
        }
    }
}
