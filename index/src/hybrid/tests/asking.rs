//! What a searcher can ask for besides words.

use paper::Author;

use super::*;
use crate::{FacetCount, Sort};

/// Papers that differ in what can be asked for.
fn catalogue() -> Vec<IndexedPaper> {
    let entry = |n: usize, title: &str, text: &str, author: &str, date: &str, cited: u64, category: &str| {
        let mut entry = indexed(n, title, text);
        let paper = entry.paper.as_mut().unwrap();
        paper.authors = vec![Author::named(author), Author::named("Yoshua Bengio")];
        paper.published = date.parse().ok();
        paper.year = paper.published.map(paper::PublicationDate::year);
        paper.citation_count = (cited > 0).then_some(cited);
        paper.categories = vec![category.to_owned()];
        paper.venue = Some(if n < 2 { "NeurIPS" } else { "ICML" }.to_owned());
        entry
    };
    vec![
        entry(
            0,
            "Attention in vision",
            "Networks attend to parts of an image.",
            "Kelvin Xu",
            "2015-02-10",
            90,
            "cs.CV",
        ),
        entry(
            1,
            "Attention for text",
            "Neural translation attends to words.",
            "Kyunghyun Cho",
            "2014-09-01",
            300,
            "cs.CL",
        ),
        entry(2, "Graph networks", "A survey of networks on graphs.", "Zonghan Wu", "2019-01-03", 0, "cs.LG"),
        entry(3, "Networks of words", "Graphs of words and their attention.", "Ann Sinha", "2019-12", 7, "cs.CL"),
    ]
}

async fn catalogued(dir: &Path) -> HybridIndex {
    let index = open(dir);
    index.write(catalogue(), 4).await.unwrap();
    index
}

async fn found(index: &HybridIndex, text: &str, mode: Mode) -> Vec<usize> {
    let mut found = numbers(&index.search(query(text, mode)).await.unwrap());
    found.sort_unstable();
    found
}

#[tokio::test]
async fn operators_hold_in_every_mode() {
    let dir = tempfile::tempdir().unwrap();
    let index = catalogued(dir.path()).await;
    for mode in Mode::ALL {
        for (text, expected) in [
            ("networks words -survey", vec![0, 1, 3]),
            ("networks words \"words and their attention\"", vec![3]),
            ("title:attention networks words", vec![0, 1]),
            ("title:\"for text\" attention", vec![1]),
            ("attention networks -title:attention", vec![2, 3]),
            ("attention networks author:cho", vec![1]),
            ("attention networks author:\"Y. Bengio\" -author:cho", vec![0, 2, 3]),
            ("attention networks year:2015..2018", vec![0]),
            ("attention networks -year:2019", vec![0, 1]),
            ("attention networks cat:cs.CL -venue:neurips", vec![3]),
            ("attention networks source:import", vec![]),
        ] {
            assert_eq!(found(&index, text, mode).await, expected, "{mode} {text}");
        }
    }
}

#[tokio::test]
async fn words_that_many_passages_have_are_demanded_of_the_dense_arm_too() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let text = |n: usize| if n.is_multiple_of(2) { "Even numbers count." } else { "Odd numbers count." };
    index.write((0..5_000).map(|n| indexed(n, "Numbers", text(n))).collect(), 1).await.unwrap();
    let search = SearchQuery { limit: 100, ..query("numbers \"even numbers\"", Mode::Dense) };
    let results = index.search(search).await.unwrap();
    assert_eq!(results.hits.len(), 100);
    assert!(results.hits.iter().all(|hit| hit.passage.text.starts_with("Even")));
}

#[tokio::test]
async fn a_title_typed_whole_finds_its_paper_first() {
    let dir = tempfile::tempdir().unwrap();
    let index = catalogued(dir.path()).await;
    for mode in Mode::ALL {
        let results = index.search(query("networks of Words!", mode)).await.unwrap();
        let exact: Vec<bool> = results.hits.iter().map(|hit| hit.exact).collect();
        assert_eq!((numbers(&results)[0], exact[0], exact[1..].contains(&true)), (3, true, false), "{mode}");
        assert!(results.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }
    let filter = crate::Filter { year_to: Some(2018), ..crate::Filter::default() };
    let results = index.search(SearchQuery { filter, ..query("Networks of words", Mode::Hybrid) }).await.unwrap();
    assert!(results.hits.iter().all(|hit| hit.paper != id(3)), "a filter holds for it too");
}

#[tokio::test]
async fn of_many_words_that_occur_nowhere_the_first_are_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    // One letter of `attention` is wrong, and each time another.
    let slips = ["attentiom", "attentiox", "attentior", "attentioz", "attentios", "attentiow", "attentioq"];
    let found = index.search(query(&slips.join(" "), Mode::Lexical)).await.unwrap();
    assert_eq!(found.notice.unwrap().matches("was searched instead").count(), 5);
}

#[tokio::test]
async fn a_slip_of_the_pen_is_told_and_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let index = catalogued(dir.path()).await;
    for typo in ["translatoin", "transaltion", "translationn", "tranlation"] {
        let results = index.search(query(typo, Mode::Lexical)).await.unwrap();
        assert_eq!(numbers(&results), [1], "{typo}");
        assert_eq!(results.notice, Some(format!("`{typo}` occurs in no paper; `translation` was searched instead.")));
    }
    let question = SearchQuery { mode: Mode::Lexical, ..SearchQuery::question("translatoin") };
    assert_eq!(numbers(&index.search(question).await.unwrap()), [] as [usize; 0], "a question is taken as it stands");
    let long = "translatoin of the words of one tongue to those of another";
    let results = index.search(query(long, Mode::Lexical)).await.unwrap();
    assert!(!results.notice.unwrap_or_default().contains("searched instead"), "so is a text of many words");
    for name in ["gra", "zebrafish", "graph2", "brca1"] {
        let results = index.search(query(name, Mode::Lexical)).await.unwrap();
        let reason = format!("No paper has `{name}`; a hybrid search finds by meaning too.");
        assert_eq!((numbers(&results), results.notice), (vec![], Some(reason)));
    }
}

#[tokio::test]
async fn papers_are_listed_by_date_and_by_citations() {
    let dir = tempfile::tempdir().unwrap();
    let index = catalogued(dir.path()).await;
    for mode in Mode::ALL {
        for (text, sort, expected) in [
            ("attention", Sort::Date, vec![3, 0, 1]),
            ("attention", Sort::Citations, vec![1, 0, 3]),
            ("networks attention", Sort::Date, vec![3, 0]),
            ("author:bengio", Sort::Relevance, vec![3, 2, 0, 1]),
            ("author:bengio year:2019", Sort::Citations, vec![3, 2]),
            ("-survey", Sort::Date, vec![3, 0, 1]),
        ] {
            let search = SearchQuery { sort, ..query(text, mode) };
            let results = index.search(search.clone()).await.unwrap();
            assert_eq!((numbers(&results), results.total), (expected.clone(), expected.len()), "{text} by {sort}");
            let pages = pages(&index, SearchQuery { limit: 1, ..search }).await;
            assert_eq!(pages, results.hits);
        }
    }
    let filter = crate::Filter { categories: vec!["cs.CL".to_owned()], ..crate::Filter::default() };
    let listed = index.search(SearchQuery { filter, ..query("", Mode::Hybrid) }).await.unwrap();
    assert_eq!(numbers(&listed), [3, 1], "a filter alone lists");
    let empty = index.search(query(" ", Mode::Hybrid)).await.unwrap();
    assert_eq!((empty.hits.len(), empty.notice.as_deref()), (0, Some("The query is empty.")));
}

#[tokio::test]
async fn what_is_found_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let index = catalogued(dir.path()).await;
    let counts = |pairs: &[(&str, usize)]| -> Vec<FacetCount> {
        pairs.iter().map(|(value, count)| FacetCount { value: (*value).to_owned(), count: *count }).collect()
    };
    for sort in Sort::ALL {
        let search = SearchQuery { sort, facets: true, limit: 1, ..query("attention", Mode::Lexical) };
        let facets = index.search(search).await.unwrap().facets.unwrap();
        assert_eq!(facets.year, counts(&[("2019", 1), ("2015", 1), ("2014", 1)]), "{sort}");
        assert_eq!(facets.venue, counts(&[("NeurIPS", 2), ("ICML", 1)]));
        assert_eq!(facets.category, counts(&[("cs.CL", 2), ("cs.CV", 1)]));
        let authors = [("Yoshua Bengio", 3), ("Ann Sinha", 1), ("Kelvin Xu", 1), ("Kyunghyun Cho", 1)];
        assert_eq!(facets.author, counts(&authors));
    }
    assert_eq!(index.search(query("attention", Mode::Lexical)).await.unwrap().facets, None);
}

#[tokio::test]
async fn nothing_is_found_for_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let index = catalogued(dir.path()).await;
    for (text, mode, reason) in [
        (
            "zebrafish quagga",
            Mode::Lexical,
            "No paper has `zebrafish`, `quagga`; a hybrid search finds by meaning too.",
        ),
        ("attention \"words attend\"", Mode::Hybrid, "No paper has \"words attend\" word for word."),
        ("attention author:hinton", Mode::Hybrid, "No paper has an author `hinton`."),
        ("attention year:1990..1999", Mode::Dense, "No paper has a year from 1990 to 1999."),
        ("attention author:cho year:2019", Mode::Hybrid, "No paper has all of this: an author `cho`, the year 2019."),
        ("the of", Mode::Lexical, "The query has only words that nearly every text has."),
        (
            "zebrafish author:cho",
            Mode::Lexical,
            "No paper with an author `cho` has `zebrafish`; a hybrid search finds by meaning too.",
        ),
    ] {
        let results = index.search(query(text, mode)).await.unwrap();
        assert_eq!((results.hits.len(), results.notice.as_deref()), (0, Some(reason)), "{text}");
    }
    let filter = crate::Filter { venues: vec!["Nature".into(), "Science".into()], ..crate::Filter::default() };
    let results = index.search(SearchQuery { filter, ..query("attention", Mode::Hybrid) }).await.unwrap();
    assert_eq!(results.notice.as_deref(), Some("No paper has the venue `Nature` or `Science`."));
    let empty = open(tempfile::tempdir().unwrap().path());
    let results = empty.search(query("attention", Mode::Hybrid)).await.unwrap();
    assert_eq!(results.notice.as_deref(), Some("Nothing is indexed yet."));
}

#[tokio::test]
async fn pages_fit_together_while_the_index_grows() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let horses = |range: std::ops::Range<usize>| -> Vec<IndexedPaper> {
        range
            .map(|n| indexed(n, "Horses", &format!("Horse {} and {} unicorns.", n % 7, "many ".repeat(n % 5))))
            .collect()
    };
    for mode in Mode::ALL {
        index.clear().await.unwrap();
        index.write(horses(0..60), 1).await.unwrap();
        let first: Vec<PaperId> = (0..60).map(id).collect();
        let mut search = SearchQuery { limit: 7, ..query("unicorns", mode) };
        let (mut seen, mut revision) = (Vec::new(), 60);
        loop {
            let page = index.search(search.clone()).await.unwrap();
            seen.extend(page.hits.iter().map(|hit| hit.paper));
            let Some(next) = page.next else { break };
            search.after = Some(next);
            if revision < 90 {
                index.write(horses(revision..revision + 5), u64::try_from(revision).unwrap()).await.unwrap();
                revision += 5;
            }
        }
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "{mode}: none is shown twice");
        assert!(first.iter().all(|paper| seen.contains(paper)), "{mode}: none is left out");
    }
}

#[tokio::test]
async fn no_more_than_a_thousand_papers_are_shown_by_relevance() {
    let dir = tempfile::tempdir().unwrap();
    let index = open_words(dir.path());
    index.write((0..1_200).map(|n| indexed(n, "Same", "Same words.")).collect(), 1).await.unwrap();
    let hits = pages(&index, SearchQuery { limit: 99, ..query("words", Mode::Lexical) }).await;
    assert_eq!(hits.len(), 1_000);
    let listed = pages(&index, SearchQuery { sort: Sort::Date, limit: 99, ..query("words", Mode::Lexical) }).await;
    assert_eq!(listed.len(), 1_200);
}

/// Forty papers that fit the query the less the longer they are.
fn ever_longer() -> Vec<IndexedPaper> {
    let text = |n: usize| "Filler. ".repeat(2 * n + 1);
    (0..40).map(|n| indexed(n, &format!("Message brokers {n}"), &text(n))).collect()
}

#[tokio::test]
async fn the_twenty_best_of_a_hybrid_search_come_in_the_order_of_the_reranker() {
    let (dir, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(reranker) = crate::embed::longest_first(models.path()) else {
        eprintln!("SKIPPED: the runtime library is not installed (`make setup`)");
        return;
    };
    let plain = open(dir.path());
    plain.write(ever_longer(), 1).await.unwrap();
    let reranked = plain.clone().reranked_by(Some(reranker));
    let asked = |limit| SearchQuery { limit, ..query("message brokers", Mode::Hybrid) };
    let (before, after) = (plain.search(asked(40)).await.unwrap(), reranked.search(asked(40)).await.unwrap());
    let (was, is) = (numbers(&before), numbers(&after));
    let mut best = was[..20].to_vec();
    best.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!((&is[..20], &is[20..]), (&best[..], &was[20..]), "the longest of the best first, the rest as it was");
    let scores = |results: &SearchResults| results.hits.iter().map(|hit| hit.score).collect::<Vec<_>>();
    assert_eq!(scores(&after), scores(&before), "each takes the score of its place");
    assert_eq!(numbers(&SearchResults { hits: pages(&reranked, asked(7)).await, ..SearchResults::default() }), is);
    for mode in [Mode::Lexical, Mode::Dense] {
        let ask = || query("message brokers", mode);
        assert_eq!(numbers(&reranked.search(ask()).await.unwrap()), numbers(&plain.search(ask()).await.unwrap()));
    }
}
