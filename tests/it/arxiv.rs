//! arXiv through the command line, against a local server: what changes is taken in, and what is taken back is told.

use crate::support::{Home, Ran};
use crate::sync::serve;

/// A home without an embedding model, whose arXiv is this server.
fn home(address: &str) -> Home {
    Home::new()
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", format!("{address}/api/query"))
        .set("LECTERN__SOURCES__ARXIV__OAI_URL", format!("{address}/oai"))
        .set("LECTERN__SOURCES__ARXIV__FEED_URL", format!("{address}/atom"))
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models")
}

fn entry(id: &str, title: &str, summary: &str, updated: &str, comment: &str) -> String {
    format!(
        "<entry><id>http://arxiv.org/abs/{id}</id><title>{title}</title><summary>{summary}</summary>\
         <published>2021-04-25T00:00:00Z</published><updated>{updated}T00:00:00Z</updated>\
         <author><name>Ada Lovelace</name></author><arxiv:comment>{comment}</arxiv:comment></entry>"
    )
}

fn feed(entries: &[String]) -> (u16, String) {
    let (total, entries) = (entries.len(), entries.concat());
    let body = format!(
        "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:arxiv='http://arxiv.org/schemas/atom'>\
         <totalResults>{total}</totalResults>{entries}</feed>"
    );
    (200, body)
}

fn counts(ran: &Ran) -> [u64; 4] {
    let told = ran.json();
    ["added", "updated", "unchanged", "rejected"].map(|count| told[count].as_u64().unwrap())
}

fn found(home: &Home, query: &str) -> serde_json::Value {
    home.run(&["--json", "search", query, "--mode", "lexical"]).exited(0).json()["hits"][0]["paper"].clone()
}

#[test]
fn a_new_version_replaces_the_text_and_a_withdrawal_is_marked_and_cited_only_with_the_warning() {
    let day = "2021-04-25";
    let first = [
        entry("2104.00001v1", "Zebrafish retina", "The zebrafish retina regrows from glia.", day, "5 pages"),
        entry("2104.00002v1", "Axolotl limbs", "The axolotl limb regrows from blastema cells.", day, ""),
        entry("2104.00003v1", "Newt lenses", "The newt lens regrows from pigment cells.", day, ""),
    ];
    let changed = [
        entry("2104.00001v2", "Zebrafish eyes", "The zebrafish eye regrows within weeks.", "2026-11-01", "6 pages"),
        entry(
            "2104.00002v2",
            "Axolotl limbs",
            "The axolotl limb regrows from blastema cells.",
            "2026-11-01",
            "Withdrawn by the author",
        ),
        entry("2104.00003v2", "Newt lenses", "This paper has been withdrawn due to an error.", "2026-11-01", ""),
    ];
    let (address, asked, _runtime) = serve(vec![feed(&first), feed(&changed)]);
    let home = home(&address);
    let sync = || home.run(&["--json", "sync", "arxiv", "--query", "all:regrows", "--until", "2026-11-20"]).exited(0);
    assert_eq!(counts(&sync()), [3, 0, 0, 0]);
    let before = found(&home, "zebrafish retina");
    let ask = |code| home.run(&["--json", "ask", "From which cells does the axolotl limb regrow?"]).exited(code).json();
    let cited = found(&home, "axolotl limb")["id"].clone();
    assert_eq!(ask(0)["citations"][0]["paper_id"], cited);

    assert_eq!(counts(&sync()), [0, 3, 0, 0]);
    let after = found(&home, "zebrafish eye");
    let told = |paper: &serde_json::Value| {
        ["title", "abstract"].map(|field| paper[field].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(told(&after), ["Zebrafish eyes", "The zebrafish eye regrows within weeks."]);
    assert_eq!((&after["id"], &after["ids"]["arxiv_version"]), (&before["id"], &2.into()));
    assert_eq!(
        (&found(&home, "axolotl")["withdrawn"], &found(&home, "newt")["withdrawn"]),
        (&true.into(), &true.into())
    );
    let warned = ask(0);
    for citation in warned["citations"].as_array().unwrap() {
        assert_eq!(citation["warning"], "withdrawn", "{warned}");
    }
    assert!(warned["text"].as_str().unwrap().contains("(Warning: [1] has been withdrawn.)"), "{warned}");
    let asked = asked.lock().unwrap();
    let orders: Vec<_> = asked.iter().map(|query| query["sortBy"].as_str()).collect();
    assert_eq!(orders, ["submittedDate", "lastUpdatedDate"]);
    for query in asked.iter() {
        assert_eq!(query["search_query"], "all:regrows AND submittedDate:[199101010000 TO 202611202359]");
    }
}

fn record(number: usize) -> String {
    format!(
        "<record><header><identifier>oai:arXiv.org:2101.{number:05}</identifier></header><metadata><arXiv>\
         <id>2101.{number:05}</id><created>2021-01-01</created><title>Paper {number}</title></arXiv></metadata></record>"
    )
}

fn list(records: &[String], token: &str) -> (u16, String) {
    let (records, token) = (records.concat(), format!("<resumptionToken>{token}</resumptionToken>"));
    (200, format!("<OAI-PMH><ListRecords>{records}{token}</ListRecords></OAI-PMH>"))
}

/// A record of the OAI-PMH answer, and the header that arXiv leaves of one that it has deleted.
#[test]
fn what_an_answer_in_a_file_says_to_be_deleted_is_withdrawn_and_cited_only_with_the_warning() {
    let home = Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let sync = |records: String| {
        let file = home.path().join("answer.xml");
        let answer = format!("<OAI-PMH><ListRecords>{records}</ListRecords></OAI-PMH>");
        std::fs::write(&file, answer).unwrap();
        home.run(&["--json", "sync", "arxiv", "--from-file", file.to_str().unwrap()]).exited(0).json()
    };
    let header =
        |id: &str, status: &str| format!("<header{status}><identifier>oai:arXiv.org:{id}</identifier></header>");
    let record = |id: &str, title: &str, text: &str| {
        let header = header(id, "");
        format!(
            "<record>{header}<metadata><arXiv><id>{id}</id><created>2021-04-25</created><title>{title}</title>\
             <abstract>{text}</abstract></arXiv></metadata></record>"
        )
    };
    let axolotl = || record("2104.00002", "Axolotl limbs", "The axolotl limb regrows from blastema cells.");
    let newt = record("2104.00003", "Newt lenses", "The newt lens regrows from pigment cells.");
    assert_eq!(sync(axolotl() + &newt)["added"], 2);
    let ask = |code| home.run(&["--json", "ask", "From which cells does the axolotl limb regrow?"]).exited(code).json();
    let cited = found(&home, "axolotl limb")["id"].clone();
    assert_eq!(ask(0)["citations"][0]["paper_id"], cited);

    let gone = format!("<record>{}</record>", header("2104.00002", " status='deleted'"));
    let told = sync(gone.clone());
    assert_eq!((&told["deleted"], &told["added"], &told["updated"]), (&1.into(), &0.into(), &0.into()));
    assert_eq!(sync(gone)["deleted"], 0, "known already");
    let withdrawn = ["axolotl limb", "newt lens"].map(|query| found(&home, query)["withdrawn"] == true);
    assert_eq!(withdrawn, [true, false]);
    let warned = ask(0);
    assert_eq!(
        (&warned["citations"][0]["paper_id"], &warned["citations"][0]["warning"]),
        (&cited, &"withdrawn".into())
    );
    assert!(warned["text"].as_str().unwrap().contains("(Warning: [1] has been withdrawn.)"), "{warned}");

    assert_eq!(sync(axolotl())["updated"], 1, "arXiv tells of it again");
    let again = ask(0)["citations"][0].clone();
    assert_eq!((&again["paper_id"], &again["warning"]), (&cited, &serde_json::Value::Null));
}

#[test]
fn a_harvest_that_stops_at_its_most_goes_on_from_there() {
    let (address, asked, _runtime) = serve(vec![list(&[record(1)], "T1"), list(&[record(2)], "")]);
    let home = home(&address);
    let range = ["--from", "2021-01-01", "--until", "2021-01-20", "--max", "1"];
    let sync = || home.run(&[&["--json", "sync", "arxiv", "--harvest", "cs:cs:CL"][..], &range[..]].concat()).exited(0);
    assert_eq!(counts(&sync()), [1, 0, 0, 0]);
    assert_eq!(counts(&sync()), [1, 0, 0, 0]);
    let asked = asked.lock().unwrap();
    assert_eq!((asked[0]["set"].as_str(), asked[0]["from"].as_str()), ("cs:cs:CL", "2021-01-01"));
    assert_eq!(asked[1].get("resumptionToken").map(String::as_str), Some("T1"));
}

#[test]
fn deleted_records_of_a_file_are_no_rejects() {
    let home = home("http://127.0.0.1:9");
    let deleted = "<record><header status='deleted'><identifier>oai:arXiv.org:0704.0001</identifier></header></record>";
    let file = home.path().join("answer.xml");
    std::fs::write(&file, list(&[record(1), deleted.to_owned()], "").1).unwrap();
    let ran = home.run(&["--json", "sync", "arxiv", "--from-file", file.to_str().unwrap()]).exited(0);
    assert_eq!(counts(&ran), [1, 0, 0, 0]);
}

#[test]
fn the_days_announcements_are_taken_in() {
    let day = "<entry><id>oai:arXiv.org:2311.00001v1</id><title>Glow worms</title><summary>arXiv:2311.00001v1 Announce \
               Type: new\nAbstract: They glow.</summary><arxiv:announce_type>new</arxiv:announce_type>\
               <dc:creator>Ada Lovelace</dc:creator></entry>";
    let (address, _, _runtime) = serve(vec![feed(&[day.to_owned()]), feed(&[])]);
    let home = home(&address);
    let sync = || home.run(&["--json", "sync", "arxiv", "--daily", "cs.CL+q-bio.NC"]).exited(0);
    assert_eq!(counts(&sync()), [1, 0, 0, 0]);
    assert_eq!(counts(&sync()), [0, 0, 0, 0]);
    let paper = found(&home, "glow worms");
    assert_eq!((&paper["abstract"], &paper["year"]), (&"They glow.".into(), &2023.into()));
}

#[test]
fn choices_that_do_not_go_together_are_told_before_anything_is_asked() {
    let home = home("http://127.0.0.1:9");
    for (choices, told) in [
        (vec!["--harvest", "cs", "--query", "x"], "`harvest` goes with no other choice"),
        (vec!["--from", "2024-01-01"], "say what to ask of arxiv"),
        (vec!["--query", "x", "--from", "yesterday"], "yesterday"),
        (vec!["--daily", "cs.CL", "--until", "2024-01-01"], "`daily` goes with no other choice"),
    ] {
        let ran = home.run(&[&["sync", "arxiv"][..], &choices].concat()).exited(2);
        assert!(ran.stderr.contains(told), "{choices:?}: {}", ran.stderr);
    }
}
