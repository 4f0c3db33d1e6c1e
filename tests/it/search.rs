//! What searchers expect: operators, titles and identifiers, orders, counts, pages, and reasons.

use serde_json::{Value, json};

use crate::support::{Home, Server};

/// Papers by title, author, year and category; the text of each says its number.
const SHELF: [(&str, &str, i64, &str); 6] = [
    ("Deep residual learning for image recognition", "Kaiming He", 2015, "cs.CV"),
    ("Attention is all you need", "Ashish Vaswani", 2017, "cs.CL"),
    ("Language models are few-shot learners", "Tom Brown", 2020, "cs.CL"),
    ("A survey of deep learning on graphs", "Ziwei Zhang", 2018, "cs.LG"),
    ("Masked autoencoders are scalable vision learners", "Kaiming He", 2021, "cs.CV"),
    ("Adam: a method for stochastic optimization", "Diederik Kingma", 2014, "cs.LG"),
];

fn line((title, author, year, category): (&str, &str, i64, &str), number: usize) -> Value {
    json!({"title": title, "authors": [author], "year": year, "venue": "A Venue", "categories": [category],
        "arxiv_id": format!("1512.{:05}", number), "doi": format!("10.1000/shelf.{number}"),
        "abstract": format!("Learning number {number} of deep networks.")})
}

fn import(home: &Home, name: &str, lines: &[Value]) {
    let file = home.path().join(name);
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(&file, text.join("\n")).unwrap();
    home.run(&["import", file.to_str().unwrap()]).exited(0);
}

/// By words alone, where the order of what is found does not depend on a model.
fn shelved() -> Home {
    let home = Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    import(&home, "shelf.jsonl", &SHELF.iter().enumerate().map(|(n, paper)| line(*paper, n)).collect::<Vec<_>>());
    home
}

fn titles(found: &Value) -> Vec<&str> {
    found["hits"].as_array().unwrap().iter().map(|hit| hit["paper"]["title"].as_str().unwrap()).collect()
}

fn places(found: &Value) -> Vec<usize> {
    titles(found).into_iter().map(|title| SHELF.iter().position(|paper| paper.0 == title).unwrap()).collect()
}

fn ask(server: &Server, pairs: &[(&str, &str)]) -> Value {
    let address = reqwest::Url::parse_with_params(&server.url("/v1/search"), pairs).unwrap();
    let reply = server.send(|client| client.get(address));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[test]
fn operators_narrow_a_search_by_command_and_over_rest() {
    let home = shelved();
    let command = |query: &str| home.run(&["--json", "search", query]).exited(0).json();
    let queries = [
        ("author:he", vec![4, 0]),
        ("author:\"Kaiming He\" year:2015..2016", vec![0]),
        ("learning -survey -author:he cat:cs.LG", vec![5]),
        ("title:learners", vec![4, 2]),
        ("deep \"residual learning\"", vec![0]),
        ("year:>=2020", vec![4, 2]),
    ];
    for (query, expected) in &queries {
        let mut found = places(&command(query));
        found.sort_unstable();
        let mut expected = expected.clone();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    let server = home.serve();
    for (query, _) in &queries {
        assert_eq!(titles(&ask(&server, &[("q", query)])), titles(&command(query)), "{query}");
    }
    assert_eq!(places(&ask(&server, &[("author", "He"), ("sort", "date")])), [4, 0], "filters alone list");
}

#[test]
fn an_identifier_or_a_title_goes_straight_to_its_paper() {
    let home = shelved();
    let server = home.serve();
    for name in [
        "1512.00001",
        "arXiv:1512.00001v3",
        "https://arxiv.org/abs/1512.00001",
        "10.1000/shelf.1",
        "https://doi.org/10.1000/SHELF.1",
    ] {
        let found = ask(&server, &[("q", name)]);
        assert_eq!(
            (places(&found), &found["total"], &found["hits"][0]["exact"]),
            (vec![1], &json!(1), &json!(true)),
            "{name}"
        );
        assert_eq!(found["hits"][0]["passage"]["text"], "Learning number 1 of deep networks.");
    }
    let titled = ask(&server, &[("q", "  adam: A METHOD for stochastic optimization.")]);
    assert_eq!((places(&titled)[0], &titled["hits"][0]["exact"]), (5, &json!(true)));
    let unknown = ask(&server, &[("q", "2104.12255")]);
    let notice = "No paper of the library is arxiv:2104.12255; `lectern sync arxiv --ids 2104.12255` fetches it.";
    assert!(unknown["notice"].as_str().unwrap().starts_with(notice), "{unknown}");
}

#[test]
fn hits_come_by_date_or_citations_and_are_counted() {
    let home = shelved();
    let found = home.run(&["--json", "search", "learning", "--sort", "date", "--facets"]).exited(0).json();
    assert_eq!((places(&found), &found["total"]), (vec![4, 2, 3, 1, 0, 5], &json!(6)));
    assert_eq!(found["facets"]["author"][0], json!({"value": "Kaiming He", "count": 2}));
    let years: Vec<&str> =
        found["facets"]["year"].as_array().unwrap().iter().map(|year| year["value"].as_str().unwrap()).collect();
    assert_eq!(years, ["2021", "2020", "2018", "2017", "2015", "2014"]);
    assert_eq!(found["facets"]["category"].as_array().unwrap().len(), 3);
    let shown = home.run(&["search", "learning", "--facets", "-k", "2"]).exited(0).stdout;
    assert!(shown.contains("  author: Kaiming He (2), ") && shown.contains("\n2 of "), "{shown}");
    let next = shown.lines().last().unwrap().strip_prefix("more: the same with --cursor ").unwrap();
    let page = home.run(&["--json", "search", "learning", "-k", "2", "--cursor", next]).exited(0).json();
    assert_eq!(page["hits"].as_array().unwrap().len(), 2);
}

#[test]
fn pages_fit_together_while_papers_come_in() {
    let home = shelved();
    let more = |from: usize| -> Vec<Value> {
        (from..from + 20).map(|n| line((&format!("Learning of a kind {n}"), "Ann Sinha", 2022, "cs.AI"), n)).collect()
    };
    import(&home, "first.jsonl", &more(100));
    let server = home.serve();
    for sort in ["relevance", "date"] {
        let whole = ask(&server, &[("q", "learning"), ("sort", sort), ("limit", "100")]);
        let before: Vec<String> = titles(&whole).into_iter().map(str::to_owned).collect();
        let mut seen: Vec<String> = Vec::new();
        let mut cursor = None::<String>;
        for round in 0.. {
            let mut pairs = vec![("q", "learning"), ("sort", sort), ("limit", "7")];
            pairs.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = ask(&server, &pairs);
            seen.extend(titles(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next"].as_str() else { break };
            cursor = Some(next.to_owned());
            let from = 200 + 100 * round + if sort == "date" { 50 } else { 0 };
            import(&home, "more.jsonl", &more(from).into_iter().take(3).collect::<Vec<_>>());
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{sort}: none is shown twice");
        assert!(before.iter().all(|title| seen.contains(title)), "{sort}: none is left out");
    }
}

#[test]
fn nothing_found_is_explained_and_a_slip_is_mended() {
    let home = shelved();
    let notice = |query: &str| home.run(&["--json", "search", query]).exited(0).json()["notice"].clone();
    let words_only = "No embedding model is loaded, so only words were searched; `make setup` installs one.";
    for (query, reason) in [
        ("learning author:hinton", "No paper has an author `hinton`."),
        ("author:he year:2014", "No paper has all of this: an author `he`, the year 2014."),
        ("zebrafish", "No paper has `zebrafish`; a hybrid search finds by meaning too."),
        ("learnign author:vaswani", "`learnign` occurs in no paper; `learning` was searched instead."),
    ] {
        let notice = notice(query);
        let told = notice.as_str().unwrap();
        assert!(told.replace(words_only, "").trim() == reason, "{query}: {told}");
    }
    let shown = home.run(&["search", "author:hinton"]).exited(0).stdout;
    assert!(shown.starts_with("Note: No paper has an author `hinton`.\n"), "{shown}");
}
