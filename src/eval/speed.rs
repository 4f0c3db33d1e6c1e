//! How fast a library is searched: what is asked, and what the times come to.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::Serialize;

use super::percentile;

/// What was measured of a library that is served.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeedReport {
    /// Papers that can be found.
    pub papers: usize,
    /// The embedding model; none when words alone are searched.
    pub model: Option<String>,
    /// Different queries there were to ask.
    pub queries: usize,
    /// Milliseconds from the start of a server to its first hit; none where one was running.
    pub start_ms: Option<f64>,
    /// A query embedded in this process, with nothing else; none without a model.
    pub embedding: Option<Times>,
    /// A search over HTTP, one at a time, its query's embedding included.
    pub search: Times,
    /// The median of `search` over that of `embedding`.
    pub times_the_embedding: Option<f64>,
    /// Many clients at once.
    pub load: Load,
    /// The server's memory; none where the system does not tell.
    pub memory: Option<Memory>,
}

/// Times of single calls, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Times {
    /// How many calls.
    pub count: usize,
    /// Half of them took at most this.
    pub p50_ms: f64,
    /// 99 of 100 took at most this.
    pub p99_ms: f64,
}

/// Clients that ask one query after the other, all at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Load {
    /// How many of them.
    pub clients: usize,
    /// For how long, in seconds.
    pub seconds: f64,
    /// Searches that were answered, a second.
    pub per_second: f64,
    /// Searches that were not answered.
    pub errors: usize,
    /// Those that were.
    pub times: Times,
}

/// Memory of a process that is in the machine's, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Its own.
    pub anonymous: u64,
    /// Parts of files, which the system takes back when it needs the room.
    pub files: u64,
    /// The most that both were at one time.
    pub peak: u64,
}

impl Times {
    /// Of calls that took so many milliseconds each.
    #[must_use]
    pub fn of(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_by(f64::total_cmp);
        let at = |percent| (percentile(&milliseconds, percent) * 1e3).round() / 1e3;
        Self { count: milliseconds.len(), p50_ms: at(50.0), p99_ms: at(99.0) }
    }
}

impl Memory {
    /// Reads a process's `status` (proc_pid_status(5)); none when it says nothing of memory.
    #[must_use]
    pub fn read(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib * 1024)
        };
        Some(Self { anonymous: bytes("RssAnon")?, files: bytes("RssFile")?, peak: bytes("VmHWM")? })
    }
}

/// Queries such as readers type, made of titles: all their runs of 3 to 8 words, each once, in an order that is always
/// the same for the same titles.
#[must_use]
pub fn queries_of(titles: &[String]) -> Vec<String> {
    const WORDS: std::ops::RangeInclusive<usize> = 3..=8;
    let mut queries = BTreeSet::new();
    for title in titles {
        let words = title.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        // Whatever the syntax of queries could read as more than a word is left out.
        let words: Vec<&str> = words.filter(|word| !word.is_empty() && !word.contains([':', '"'])).collect();
        for length in WORDS {
            queries.extend(words.windows(length).map(|run| run.join(" ")));
        }
    }
    let mut queries: Vec<String> = queries.into_iter().collect();
    queries.shuffle(&mut StdRng::seed_from_u64(20_240_613));
    queries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_runs_of_a_titles_words() {
        let titles = ["Attention: Is All (You) Need".to_owned(), "BERT: x:y \"Deep\"".to_owned()];
        let mut queries = queries_of(&titles);
        queries.sort_unstable();
        let expected = [
            "All You Need",
            "Attention Is All",
            "Attention Is All You",
            "Attention Is All You Need",
            "Is All You",
            "Is All You Need",
        ];
        assert_eq!(queries, expected, "the second title has two words that are only words");
        assert_eq!(queries_of(&titles), queries_of(&[&titles[..], &titles[..]].concat()), "each once, in one order");
        assert_eq!(queries_of(&[]), [] as [String; 0]);
    }

    #[test]
    fn times_are_those_of_the_calls() {
        let times = Times::of((1..=200).rev().map(f64::from).collect());
        assert_eq!(times, Times { count: 200, p50_ms: 100.0, p99_ms: 198.0 });
        assert_eq!(Times::of(Vec::new()), Times::default());
    }

    #[test]
    fn memory_is_read_from_a_processs_status() {
        let status = "Name:\tlectern\nVmHWM:\t  300 kB\nVmRSS:\t  250 kB\nRssAnon:\t  200 kB\nRssFile:\t   50 kB\n";
        assert_eq!(Memory::read(status), Some(Memory { anonymous: 204_800, files: 51_200, peak: 307_200 }));
        assert_eq!(Memory::read("Name:\tlectern\nVmHWM:\t  many kB\n"), None);
    }
}
