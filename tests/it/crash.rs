//! What is left when the process, the disk or the database fails at the worst moment.

use std::collections::HashSet;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::routing::any;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::Home;

const PAPERS: usize = 2_000;
const PAGE: usize = 20;
const KILLS: usize = 200;
/// From the start of the process: before it has read its settings, and after some pages and batches.
const LATEST_KILL_MS: u64 = 1_600;
/// The same moments in every run.
const SEED: u64 = 20_261_122;

/// The pages that were asked for, in order.
type Asked = Arc<Mutex<Vec<usize>>>;

/// Semantic Scholar's bulk search, with small pages.
async fn page(State(asked): State<Asked>, RawQuery(query): RawQuery) -> String {
    let url = reqwest::Url::parse(&format!("http://localhost/?{}", query.unwrap_or_default())).unwrap();
    let token = url.query_pairs().find(|(name, _)| name == "token").map(|(_, token)| token.parse().unwrap());
    let at: usize = token.unwrap_or(0);
    asked.lock().unwrap().push(at);
    let first = at * PAGE;
    let paper = |n: usize| {
        serde_json::json!({"paperId": format!("{n:040x}"), "corpusId": n, "title": format!("Note {n}"),
            "year": 2000 + n % 20, "abstract": format!("This note is number {n} of many.")})
    };
    let papers: Vec<_> = (first..first + PAGE).map(|n| paper(n + 1)).collect();
    let next = (first + PAGE < PAPERS).then(|| (at + 1).to_string());
    serde_json::json!({"total": PAPERS, "token": next, "data": papers}).to_string()
}

fn provider() -> (String, Asked, tokio::runtime::Runtime) {
    let asked = Asked::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(any(page)).with_state(asked.clone());
    runtime.spawn(async move { axum::serve(listener, router).await });
    (address, asked, runtime)
}

const SYNC: [&str; 8] = ["--json", "sync", "semantic-scholar", "--query", "note", "--bulk", "--max", "5000"];

#[test]
fn a_sync_that_is_killed_two_hundred_times_loses_nothing_and_doubles_nothing() {
    let (address, asked, _runtime) = provider();
    let home = Home::new().set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", address);
    let mut moments = StdRng::seed_from_u64(SEED);
    let (mut kills, mut finished) = (0, 0);
    let mut syncs: Vec<usize> = Vec::new();
    while kills < KILLS {
        let mut sync = home.command(&SYNC).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(moments.random_range(0..LATEST_KILL_MS)));
        match sync.try_wait().unwrap() {
            None => {
                sync.kill().unwrap();
                sync.wait().unwrap();
                kills += 1;
            }
            Some(status) => {
                assert!(status.success(), "{status}");
                finished += 1;
                syncs.push(std::mem::take(&mut *asked.lock().unwrap()).len());
            }
        }
    }
    home.run(&SYNC).exited(0);
    syncs.push(asked.lock().unwrap().len());
    let requests: usize = syncs.iter().sum();
    let needed = (finished + 1) * PAPERS / PAGE;
    eprintln!(
        "{kills} kills, {} whole syncs of {PAPERS} papers, {requests} pages asked, {needed} needed",
        finished + 1
    );
    assert!(requests <= needed + kills, "{requests} pages were asked, {needed} needed, {kills} kills");
    each_paper_is_there_once(&home);
}

fn each_paper_is_there_once(home: &Home) {
    let stats = home.run(&["--json", "stats"]).exited(0).json();
    let papers = stats["library"]["papers"].as_u64().unwrap();
    let (index, all) = (&stats["index"], PAPERS as u64);
    assert_eq!((papers, index["papers"].as_u64().unwrap()), (all, all), "{stats}");
    assert_eq!((index["passages"].as_u64().unwrap(), index["vectors"].as_u64().unwrap()), (all, all), "{stats}");
    assert_eq!(index["watermark"], stats["library"]["revision"], "{stats}");
    let ids: Vec<String> = (1..=PAPERS).map(|n| format!("CorpusId:{n}")).collect();
    let mut cite = vec!["cite", "--format", "csl-json"];
    cite.extend(ids.iter().map(String::as_str));
    let cited = home.run(&cite).exited(0).json();
    let titles: HashSet<&str> = cited.as_array().unwrap().iter().map(|work| work["title"].as_str().unwrap()).collect();
    assert_eq!(
        titles,
        (1..=PAPERS).map(|n| format!("Note {n}")).collect::<Vec<_>>().iter().map(String::as_str).collect()
    );
    for mode in ["lexical", "dense"] {
        for n in [1, 777, PAPERS] {
            let found =
                home.run(&["--json", "search", &format!("Note {n}"), "--mode", mode, "-k", "100"]).exited(0).json();
            let hits = found["hits"].as_array().unwrap();
            let with_title = hits.iter().filter(|hit| hit["paper"]["title"] == format!("Note {n}")).count();
            assert_eq!(with_title, 1, "{mode} {n}");
        }
    }
}

/// A file of papers to import.
pub fn lines(papers: usize) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
    for n in 1..=papers {
        let text = format!("Note {n} tells of what was seen on day {n}. ").repeat(20);
        let line = serde_json::json!({"id": format!("n{n}"), "title": format!("Note {n}"), "abstract": text});
        std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()).unwrap();
    }
    file
}

/// Runs a script whose home folder is a disk of its own, of 400 MiB; none where no such disk can be had.
pub fn on_a_small_disk(home: &Home, script: &str) -> Option<Output> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-euc", script]);
        for (name, value) in home.command(&[]).get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.output()
    };
    let mount = "mount -t tmpfs -o size=400m none \"$LECTERN_HOME\"";
    if !unshare(mount).is_ok_and(|tried| tried.status.success()) {
        eprintln!("SKIPPED: a disk of its own size cannot be mounted here (unshare --map-root-user --mount)");
        return None;
    }
    let lectern = env!("CARGO_BIN_EXE_lectern");
    Some(unshare(&format!("{mount}; lectern() {{ '{lectern}' \"$@\"; }}; {script}")).unwrap())
}

#[test]
fn a_full_disk_is_told_and_when_there_is_room_everything_is_there_once() {
    const LINES: usize = 300;
    let home = Home::new().set("LECTERN__STORE__URL", "sqlite:database/library.db");
    let file = lines(LINES);
    let import = format!("lectern --json import '{}'", file.path().display());
    let script = format!(
        "mkdir \"$LECTERN_HOME/database\"; mount -t tmpfs -o size=600k none \"$LECTERN_HOME/database\"; \
         {import} && exit 7; mount -o remount,size=100m \"$LECTERN_HOME/database\"; \
         fallocate -l 300M \"$LECTERN_HOME/filler\"; {import} && exit 8; rm \"$LECTERN_HOME/filler\"; \
         {import}; lectern --json stats"
    );
    let Some(ran) = on_a_small_disk(&home, &script) else { return };
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{told}");
    let errors: Vec<&str> = told.lines().filter(|line| line.starts_with("error: ")).collect();
    let [database, vectors] = errors.as_slice() else { panic!("{told}") };
    assert!(database.starts_with("error: the disk is full: make room and run the same command again"), "{database}");
    assert!(vectors.contains("MiB are free, 256 MiB must be; free some disk space and try again"), "{vectors}");
    let documents = String::from_utf8(ran.stdout).unwrap();
    let documents: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&documents).into_iter().collect::<Result<_, _>>().unwrap();
    let [imported, stats] = documents.as_slice() else { panic!("{documents:?}") };
    assert_eq!((&imported["added"], &imported["rejected"]), (&LINES.into(), &0.into()), "{imported}");
    let index = &stats["index"];
    let counts = [&stats["library"]["papers"], &index["papers"], &index["passages"], &index["vectors"]];
    assert!(counts.iter().all(|count| **count == LINES), "{stats}");
}

#[test]
fn a_database_that_another_program_holds_is_waited_for_and_then_told() {
    let (home, file) = (Home::new(), lines(3));
    home.run(&["stats"]).exited(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = home.path().join("library.db");
    let holding = runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&database);
        let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        connection
    });
    let import = ["--json", "import", file.path().to_str().unwrap()];
    let held = home.run(&import).exited(1);
    assert!(held.stderr.contains("\nerror: the library database is locked by another program"), "{}", held.stderr);
    runtime.block_on(sqlx::Connection::close(holding)).unwrap();
    assert_eq!(home.run(&import).exited(0).json()["added"], 3);
}
