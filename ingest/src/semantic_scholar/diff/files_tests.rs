use super::*;

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, retry_after: None, location: None, body: body.as_bytes().to_vec() }
}

fn folder(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    folder
}

fn listed(names: &[&str]) -> Result<Vec<(String, Dataset, Kind)>, String> {
    let folder = folder(names);
    let files = in_folder(folder.path()).map_err(|fault| fault.to_string())?;
    Ok(files.into_iter().map(|file| (file.name, file.dataset, file.kind)).collect())
}

#[test]
fn files_are_told_apart_by_their_paths_and_read_release_by_release() {
    use Dataset::{Abstracts, Papers};
    let step = "2024-10-08-to-2024-10-15";
    let later = "2024-10-15-to-2024-10-22";
    let names = [
        format!("updates/{later}/papers/1.gz"),
        format!("deletes/{step}/papers/1.gz"),
        format!("updates/{step}/abstracts/1.gz"),
        format!("updates/{step}/papers/2.gz"),
        format!("updates/{step}/papers/1.gz"),
        ".hidden/x".to_owned(),
    ];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let expected = [
        (4, Papers, Kind::Update),
        (3, Papers, Kind::Update),
        (1, Papers, Kind::Delete),
        (2, Abstracts, Kind::Update),
        (0, Papers, Kind::Update),
    ];
    assert_eq!(listed(&names).unwrap(), expected.map(|(n, dataset, kind)| (names[n].to_owned(), dataset, kind)));
    let plain = listed(&["papers-delete.jsonl", "papers-update.jsonl"]).unwrap();
    assert_eq!(plain[0], ("papers-update.jsonl".to_owned(), Papers, Kind::Update));
}

#[test]
fn what_cannot_be_told_apart_is_refused_by_name() {
    for (name, told) in [
        ("papers.gz", "refused: cannot tell whether papers.gz holds updates or deletions: put `update` or `delete`"),
        ("updates/deletes.gz", "refused: cannot tell whether updates/deletes.gz holds updates or deletions"),
        ("updates/citations/1.gz", "refused: updates/citations/1.gz is of the data set `citations`"),
    ] {
        let error = listed(&[name]).unwrap_err();
        assert!(error.starts_with(told), "{error}");
    }
    assert!(listed(&[]).unwrap_err().ends_with("holds no update or delete files"));
    let missing = in_folder(Path::new("/nonexistent/diff")).unwrap_err().to_string();
    assert!(missing.starts_with("refused: cannot read the folder /nonexistent/diff of a difference: "), "{missing}");
}

#[cfg(unix)]
#[test]
fn links_and_what_else_is_no_plain_file_are_refused_by_name() {
    let (folder, elsewhere) = (folder(&["updates/papers/1.gz"]), folder(&["secret-update.jsonl"]));
    let at = folder.path().join("updates/papers/2.gz");
    let refused = || in_folder(folder.path()).unwrap_err().to_string();
    let told = format!("refused: {} is no plain file: put the file itself there", at.display());
    for target in [elsewhere.path().join("secret-update.jsonl"), elsewhere.path().to_owned(), folder.path().to_owned()]
    {
        std::os::unix::fs::symlink(target, &at).unwrap();
        assert_eq!(refused(), told);
        std::fs::remove_file(&at).unwrap();
    }
    let socket = std::os::unix::net::UnixListener::bind(&at).unwrap();
    assert_eq!(refused(), told);
    drop(socket);
}

#[test]
fn a_list_names_the_files_of_each_step_in_its_order() {
    let list = r#"{"dataset": "abstracts", "start_release": "a", "end_release": "c", "diffs": [
        {"from_release": "a", "to_release": "b", "update_files": ["https://h/u/1.gz?sig=x", "https://h/u/2.gz"], "delete_files": ["https://h/d/1.gz"]},
        {"from_release": "b", "to_release": "c", "update_files": ["https://h/u/3.gz"]}]}"#;
    let files = of_list(&answer(200, list)).unwrap();
    let names: Vec<(&str, Kind)> = files.iter().map(|file| (file.name.as_str(), file.kind)).collect();
    let update = Kind::Update;
    assert_eq!(names, [("/u/1.gz", update), ("/u/2.gz", update), ("/d/1.gz", Kind::Delete), ("/u/3.gz", update)]);
    assert!(files.iter().all(|file| file.dataset == Dataset::Abstracts));
    assert_eq!(files[0].place, Place::Address("https://h/u/1.gz?sig=x".parse().unwrap()));
}

#[test]
fn a_list_that_is_none_is_told() {
    for (status, body, told) in [
        (
            403,
            r#"{"message": "Forbidden"}"#,
            "refused (HTTP 403): Semantic Scholar says: Forbidden (is the key right?)",
        ),
        (404, r#"{"error": "Release not found"}"#, "refused (HTTP 404): Semantic Scholar says: Release not found"),
        (200, r#"{"dataset": "citations", "diffs": []}"#, "refused: this is the data set `citations`"),
        (200, "[]", "not readable as an answer of semantic-scholar: no list of the differences"),
    ] {
        let error = of_list(&answer(status, body)).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}
