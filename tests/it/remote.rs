//! Commands while a server has the library: they ask it, and print and end as without one.

use std::fs::File;
use std::io::Write;

use serde_json::{Value, json};

use crate::support::{Home, Ran, sample};
use crate::sync::{feed, serve};

/// What a command printed, without times, sizes on disk and ids of answers.
fn without_times(ran: &Ran) -> (i32, String) {
    let changing = |line: &&str| {
        [
            "\"took_ms\"",
            "\"seen\"",
            "\"id\": \"",
            "seconds\"",
            "_bytes\"",
            "\"bytes_on_disk\"",
            " ms, ",
            " MiB in ",
            "of it embedding",
        ]
        .iter()
        .any(|mark| line.contains(mark))
    };
    let mut lines: Vec<&str> = ran.stdout.lines().filter(|line| !changing(line)).collect();
    if let Some(timings) = lines.iter().position(|line| line.contains("\"timings_ms\"")) {
        let end = timings + lines[timings..].iter().position(|line| line.contains('}')).unwrap();
        lines.drain(timings..=end);
    }
    (ran.code, lines.join("\n"))
}

#[test]
fn every_command_prints_and_ends_through_a_running_server_as_it_does_without_one() {
    let home = Home::with_samples();
    let lines = home.path().join("papers.jsonl");
    std::fs::write(&lines, "{\"title\": \"One\", \"id\": \"1\"}\nnot json\n").unwrap();
    let (lines, feed) = (lines.to_str().unwrap(), sample("arxiv.xml"));
    home.run(&["import", lines]).exited(3);
    let unanswerable = "How many moons does the planet Jupiter have?";
    let bleu = "Which BLEU score did the large model reach on WMT 2014 English-German?";
    let commands: [&[&str]; 20] = [
        &["--json", "search", "attention without recurrence for translation", "-k", "3"],
        &["search", "reciprocal rank fusion", "-k", "4"],
        &[
            "search",
            "retrieval",
            "--mode",
            "lexical",
            "--author",
            "Lewis",
            "--year-from",
            "2019",
            "--category",
            "cs.CL",
        ],
        &["--json", "search", "retrieval", "--source", "semantic-scholar", "--venue", "NeurIPS"],
        &["search", "  "],
        &["search", "x", "--year-from", "2020", "--year-to", "2010"],
        &["--json", "ask", bleu],
        &["ask", bleu],
        &["ask", unanswerable],
        &["ask", bleu, "--mode", "chat"],
        &["cite", "1706.03762", "arXiv:1810.04805"],
        &["--json", "cite", "1706.03762", "--format", "ris"],
        &["cite", "local:1", "--format", "csl-json"],
        &["cite", "arXiv:0704.0001"],
        &["--json", "stats"],
        &["stats"],
        &["--json", "sync", "arxiv", "--from-file", &feed, "--max", "50"],
        &["sync", "arxiv", "--from-file", &feed],
        &["--json", "import", lines],
        &["import", &feed],
    ];
    let run = || commands.map(|command| without_times(&home.run(command)));
    let alone = run();
    let server = home.serve();
    let served = run();
    for ((command, alone), served) in commands.iter().zip(&alone).zip(&served) {
        assert_eq!(alone, served, "{command:?}");
    }
    let codes = alone.map(|(code, _)| code);
    assert_eq!(codes, [0, 0, 0, 0, 2, 2, 0, 0, 4, 2, 0, 0, 0, 1, 0, 0, 0, 0, 3, 1]);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_sync_and_an_import_through_the_server_add_what_they_add_without_one() {
    let (alone, served) = (Home::new(), Home::new());
    let lines = alone.path().join("papers.jsonl.gz");
    let mut encoder = flate2::write::GzEncoder::new(File::create(&lines).unwrap(), flate2::Compression::fast());
    encoder
        .write_all(b"{\"title\": \"One\", \"doi\": \"10.1000/one\"}\n{\"year\": 1}\n{\"title\": \"Two\"}\n")
        .unwrap();
    encoder.finish().unwrap();
    let server = served.serve();
    let feeds = (sample("arxiv.xml"), sample("semantic-scholar.json"));
    let commands: [&[&str]; 4] = [
        &["--json", "sync", "arxiv", "--from-file", &feeds.0, "--max", "40"],
        &["--json", "sync", "semantic-scholar", "--from-file", &feeds.1],
        &["--json", "import", lines.to_str().unwrap(), "--max", "1"],
        &["--json", "import", lines.to_str().unwrap()],
    ];
    for command in commands {
        let (alone, served) = (alone.run(command), served.run(command));
        assert_eq!(without_times(&alone), without_times(&served), "{command:?}");
        assert!(alone.json()["embeddings"].as_u64() > Some(0), "{command:?}");
        let told = |ran: &Ran| ran.stderr.contains("stopped at 40 papers; the source has more");
        assert_eq!(told(&alone), told(&served), "{}", served.stderr);
    }
    drop(server);
    let papers = |home: &Home| home.run(&["--json", "stats"]).exited(0).json()["library"].clone();
    assert_eq!(papers(&alone), papers(&served), "sources and abstracts too");
}

#[test]
fn what_a_saved_harvest_takes_back_is_taken_back_through_the_server_too() {
    let header =
        |id: &str, status: &str| format!("<header{status}><identifier>oai:arXiv.org:{id}</identifier></header>");
    let paper = |id: &str| {
        let header = header(id, "");
        format!("<record>{header}<metadata><arXiv><id>{id}</id><title>Paper {id}</title></arXiv></metadata></record>")
    };
    let gone = |id: &str| format!("<record>{}</record>", header(id, " status='deleted'"));
    let answer = |records: &str| format!("<OAI-PMH><ListRecords>{records}</ListRecords></OAI-PMH>");
    let run = |home: &Home| {
        let file = home.path().join("harvest.xml");
        let sync = |more: &[&str], records: String| {
            std::fs::write(&file, answer(&records)).unwrap();
            home.run(&[&["--json", "sync", "arxiv", "--from-file", file.to_str().unwrap()], more].concat())
        };
        sync(&[], paper("2104.00001") + &paper("2104.00002")).exited(0);
        let looked = sync(&["--dry-run"], gone("2104.00001") + &paper("2104.00003")).exited(0).json();
        assert_eq!(looked["deleted"], json!(["arxiv:2104.00001"]));
        let plain = home.run(&["sync", "arxiv", "--dry-run", "--from-file", file.to_str().unwrap()]).exited(0).stdout;
        assert!(plain.starts_with("1 paper, 0 rejected, 1 deleted\n"), "{plain}");
        let taken = sync(&[], gone("2104.00001") + &paper("2104.00003"));
        assert_eq!((&taken.json()["added"], &taken.json()["deleted"]), (&json!(1), &json!(1)));
        let left = home.run(&["--json", "stats"]).exited(0).json()["library"]["papers"].clone();
        (without_times(&taken), left)
    };
    let home = || Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let (alone, served) = (home(), home());
    let server = served.serve();
    assert_eq!(run(&alone), run(&served));
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_live_sync_goes_through_the_server_with_plain_lines_and_a_second_one_costs_nothing() {
    let answer = || (200, feed(2, 0, &["2104.12255v1", "2104.12256v3"]));
    let (address, asked, _runtime) = serve(vec![answer(), answer(), answer(), (403, "forbidden".to_owned())]);
    let home = Home::new().set("LECTERN__SOURCES__ARXIV__BASE_URL", address);
    let sync = |more: &[&str]| home.run(&[&["sync", "arxiv", "--ids", "2104.12255,2104.12256"], more].concat());
    let server = home.serve();
    let first = sync(&["--json"]).exited(0);
    let counts = |ran: &Ran| ["added", "unchanged", "embeddings", "index_writes"].map(|name| ran.json()[name].clone());
    assert_eq!(counts(&first), [2, 0, 2, 2].map(Value::from));
    let last = first.stderr.lines().last().unwrap();
    for stage in ["reading 2 of 2", "storing 2 of 2", "indexing 2 of 2"] {
        assert!(last.contains(stage), "{stage} in {last}");
    }
    assert!(!first.stderr.contains(|c: char| c.is_control() && c != '\n'), "{:?}", first.stderr);

    let second = sync(&["--json", "--quiet"]).exited(0);
    assert_eq!((counts(&second), second.stderr.as_str()), ([0, 2, 0, 0].map(Value::from), ""));
    let third = sync(&[]).exited(0);
    let told: Vec<&str> = third.stdout.lines().collect();
    assert!(told[0].starts_with("0 added, 0 updated, 2 unchanged, 0 rejected in "), "{told:?}");
    assert_eq!(told[1], "0 papers written to the index, 0 passages embedded");
    let refused = sync(&["--json"]).exited(1);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("403"), "{refused:?}");
    assert_eq!(asked.lock().unwrap().len(), 4);
    assert_eq!(server.get("/v1/papers/2104.12256").json()["title"], "Paper 2104.12256v3");
}

#[test]
fn a_home_that_no_server_has_is_not_asked_for_elsewhere() {
    let (home, other) = (Home::new(), Home::new());
    let server = other.serve();
    let mut lock = File::create(home.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let refused = |note: String| {
        let ran = home.run(&["--json", "stats"]).exited(1);
        assert!(ran.stderr.contains(&format!("is in use by another lectern{note}")), "{}", ran.stderr);
    };
    refused("; stop it first".to_owned());
    let address = server.url("").trim_start_matches("http://").to_owned();
    // An old note: at that address there is the server of another library by now.
    writeln!(lock, "7 {address} an-instance-of-old").unwrap();
    refused(format!(" (process 7, which serves it at http://{address}); stop it first"));
    drop(lock);
    assert_eq!(home.run(&["--json", "stats"]).exited(0).json()["library"]["papers"], json!(0));
}
