//! Lines of the design that can be read off the sources.

use std::path::{Path, PathBuf};

use crate::support::root;

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// The modules of the root package by layer: a module may use those of lower layers and of its own.
const LAYERS: [(&str, u8); 15] = [
    ("clock", 0),
    ("config", 0),
    ("telemetry", 1),
    ("store", 1),
    ("llm", 1),
    ("citation", 1),
    ("library", 2),
    ("agent", 3),
    ("app", 4),
    ("jobs", 5),
    ("eval", 5),
    ("experiment", 5),
    ("api", 5),
    ("cli", 6),
    ("main", 7),
];

fn layer(module: &str) -> u8 {
    LAYERS.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("no layer for {module}")).1
}

#[test]
fn no_arrow_runs_back() {
    let src = root().join("src");
    let mut arrows = 0;
    for (path, text) in sources(&src) {
        let within = path.strip_prefix(&src).unwrap().to_string_lossy().replace(".rs", "");
        let module = within.split('/').next().unwrap();
        if module == "lib" {
            continue;
        }
        for used in text.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if used.is_empty() {
                continue;
            }
            arrows += 1;
            assert!(layer(&used) <= layer(module), "{} uses {used}", path.display());
        }
    }
    assert!(arrows > 50, "only {arrows} arrows were seen: does this test still read the sources?");
}

#[test]
fn member_crates_use_only_what_lies_below_them() {
    for (member, allowed) in [
        ("paper", &[][..]),
        ("ingest", &["paper"][..]),
        ("index", &["paper"][..]),
        ("router", &["index"][..]),
        ("stats", &[][..]),
    ] {
        let manifest = std::fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        for other in ["paper", "ingest", "index", "router", "stats", "lectern"] {
            let used = manifest
                .lines()
                .any(|line| line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} =")));
            assert!(!used || allowed.contains(&other), "{member} depends on {other}");
        }
    }
}

#[test]
fn sql_stands_in_the_store_only() {
    for (path, text) in sources(&root().join("src")) {
        let in_store = path.starts_with(root().join("src/store"));
        assert!(in_store || !text.contains("sqlx::"), "{}", path.display());
    }
}

#[test]
fn two_places_ask_others_one_sends_traces_and_one_asks_the_own_server() {
    let allowed = |path: &Path| {
        let inside = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let alone = ["src/cli/remote.rs", "src/telemetry/export.rs"].contains(&inside.as_str());
        alone || inside.starts_with("src/llm") || inside.starts_with("ingest/src")
    };
    for folder in ["src", "ingest/src", "index/src", "router/src", "stats/src", "paper/src"] {
        for (path, text) in sources(&root().join(folder)) {
            let goes_out = text.contains("reqwest::Client") || text.contains("reqwest::blocking");
            assert!(allowed(&path) || !goes_out, "{}", path.display());
        }
    }
}

#[test]
fn nothing_is_left_for_later_in_the_sources() {
    let marks = ["todo!(", "unimplemented!(", "TODO", "FIXME", "#[ignore"];
    let this_file = root().join("tests/it/architecture.rs");
    for folder in ["src", "ingest", "index", "router", "stats", "paper", "tests"] {
        for (path, text) in sources(&root().join(folder)) {
            for mark in marks {
                assert!(path == this_file || !text.contains(mark), "{mark} in {}", path.display());
            }
        }
    }
}

#[test]
fn files_stay_short_enough_to_be_read() {
    for folder in ["src", "ingest/src", "index/src", "router/src", "stats/src", "paper/src", "tests"] {
        for (path, text) in sources(&root().join(folder)) {
            assert!(text.lines().count() <= 400, "{} has {} lines", path.display(), text.lines().count());
        }
    }
}

/// An image is built of what `.dockerignore` lets in; a member that is left out there is missed by nobody before it is built.
#[test]
fn the_image_is_built_of_every_member_of_the_workspace_and_what_it_names() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let let_in: Vec<String> =
        read(".dockerignore").lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect();
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() >= 5, "{members:?}");
    for needed in members.into_iter().chain(["src", "samples", "benches", "scripts", "Cargo.toml", "Cargo.lock"]) {
        assert!(let_in.iter().any(|entry| entry == needed), "{needed} is not let in");
    }
}
