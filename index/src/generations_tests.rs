use proptest::prelude::*;

use super::*;

const EDGE: &str = "edge";

fn reopened(dir: &Path) -> Roster {
    Generations::open(dir).unwrap().roster
}

/// Lays down what an index leaves in its folder.
fn lay_down(folder: &Path) {
    std::fs::create_dir_all(folder.join("lexical")).unwrap();
    std::fs::create_dir_all(folder.join("dense")).unwrap();
    std::fs::write(folder.join("index.json"), r#"{"schema_version":1,"model":"old","dimension":2}"#).unwrap();
}

#[test]
fn a_new_generation_takes_the_place_of_the_old_one_at_the_switch_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path()).unwrap();
    assert_eq!((generations.searched().unwrap(), generations.folder(1)), (1, dir.path().join("1")));
    assert_eq!(generations.begin("b", EDGE).unwrap(), 2);
    let building = Building { number: 2, model: "b".to_owned(), vectors: EDGE.to_owned() };
    let expected = Roster { searched: Some(1), building: Some(building), dropped: BTreeSet::new() };
    assert_eq!(reopened(dir.path()), expected);
    generations.switch().unwrap();
    assert_eq!(reopened(dir.path()), Roster { searched: Some(2), building: None, dropped: [1].into() });
    generations.forget(1).unwrap();
    assert_eq!(reopened(dir.path()), Roster { searched: Some(2), ..Roster::default() });
    generations.switch().unwrap();
    assert_eq!(generations.searched().unwrap(), 2, "there was none to switch to");
}

#[test]
fn the_same_model_in_the_same_place_goes_on_and_any_other_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path()).unwrap();
    generations.searched().unwrap();
    let begin = |model: &str, vectors: &str| {
        let mut generations = Generations::open(dir.path()).unwrap();
        (generations.begin(model, vectors).unwrap(), generations.dropped())
    };
    assert_eq!(begin("b", EDGE), (2, vec![]));
    assert_eq!(begin("b", EDGE), (2, vec![]));
    assert_eq!(begin("c", EDGE), (3, vec![2]));
    assert_eq!(begin("c", "qdrant"), (4, vec![2, 3]));
    let mut generations = Generations::open(dir.path()).unwrap();
    generations.abandon().unwrap();
    assert_eq!((generations.building(), generations.dropped()), (None, vec![2, 3, 4]));
    assert_eq!(generations.searched().unwrap(), 1);
}

#[test]
fn an_index_of_an_earlier_version_is_searched_until_the_switch_and_then_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    lay_down(dir.path());
    std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    assert_eq!(Generations::model_searched(dir.path()).unwrap(), Some("old".to_owned()));
    let mut generations = Generations::open(dir.path()).unwrap();
    assert_eq!((generations.searched().unwrap(), generations.folder(0)), (0, dir.path().to_owned()));
    assert_eq!(generations.begin("b", EDGE).unwrap(), 1);
    lay_down(&generations.folder(1));
    assert_eq!(reopened(dir.path()).searched, Some(0));
    generations.switch().unwrap();
    Generations::delete(&generations.folder(0), 0).unwrap();
    generations.forget(0).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["1", "current.json", "notes.txt"]);
    assert!(dir.path().join("1/index.json").exists());
}

#[test]
fn what_a_crash_has_left_is_found_and_deleted_and_files_of_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path()).unwrap();
    generations.searched().unwrap();
    for left in ["5", "7"] {
        lay_down(&dir.path().join(left));
    }
    std::fs::write(dir.path().join("7/notes.txt"), "mine").unwrap();
    std::fs::create_dir(dir.path().join("backup")).unwrap();
    let mut generations = Generations::open(dir.path()).unwrap();
    assert_eq!(generations.dropped(), [5, 7]);
    assert_eq!(generations.begin("b", EDGE).unwrap(), 8, "no number is used twice");
    for number in [5, 7, 7] {
        Generations::delete(&generations.folder(number), number).unwrap();
    }
    assert!(!dir.path().join("5").exists() && dir.path().join("7/notes.txt").exists());
    assert!(!dir.path().join("7/index.json").exists() && dir.path().join("backup").exists());
}

#[test]
fn without_a_readable_list_nothing_is_searched_until_a_new_generation_is_whole() {
    for damage in [None, Some("{\"searched\":")] {
        let dir = tempfile::tempdir().unwrap();
        lay_down(&dir.path().join("3"));
        if let Some(text) = damage {
            std::fs::write(dir.path().join(CURRENT), text).unwrap();
        }
        let error = Generations::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(CURRENT) && error.contains("run `lectern reindex`"), "{error}");
        let mut generations = Generations::open_to_rebuild(dir.path()).unwrap();
        assert_eq!((generations.begin("b", EDGE).unwrap(), generations.dropped()), (4, vec![3]));
        let mut interrupted = Generations::open(dir.path()).unwrap();
        let error = interrupted.searched().unwrap_err().to_string();
        assert!(error.contains("was not built to its end; run `lectern reindex`"), "{error}");
        generations.switch().unwrap();
        assert_eq!(Generations::open(dir.path()).unwrap().searched().unwrap(), 4);
    }
}

#[test]
fn a_list_that_cannot_be_written_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path()).unwrap();
    generations.searched().unwrap();
    generations.begin("b", EDGE).unwrap();
    let before = generations.roster.clone();
    // A folder in the place of the draft.
    std::fs::create_dir(dir.path().join("current.json.new")).unwrap();
    assert!(matches!(generations.switch(), Err(IndexError::Disk { .. })));
    assert_eq!((&generations.roster, reopened(dir.path())), (&before, before.clone()));
}

#[test]
fn room_is_asked_for_as_much_as_the_old_one_takes_beyond_what_the_new_one_has() {
    let of = |old, dense, new| needed(old, dense, new) - MARGIN;
    assert_eq!([of(0, 0, 0), of(500, 0, 0), of(500, 0, 200), of(500, 0, 900)], [0, 500, 300, 0]);
    assert_eq!([of(500, 100, 0), of(500, 100, 500)], [700, 200], "and twice its vectors for the graph");
    assert_eq!(needed(u64::MAX, u64::MAX, 0), u64::MAX);
}

proptest! {
    #[test]
    fn whatever_is_done_one_is_searched_and_none_is_lost_or_used_twice(steps in prop::collection::vec(0_u8..6, 0..40)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut begun, mut removed) = (vec![1], Vec::new());
        let mut generations = Generations::open(dir.path()).unwrap();
        generations.searched().unwrap();
        for step in steps {
            match step {
                0 | 1 => {
                    let before = generations.building().cloned();
                    let number = generations.begin(["a", "b"][usize::from(step)], EDGE).unwrap();
                    if before.as_ref().map(|building| building.number) != Some(number) {
                        begun.push(number);
                    }
                }
                2 => generations.switch().unwrap(),
                3 => generations.abandon().unwrap(),
                4 => for number in generations.dropped().into_iter().take(1) {
                    generations.forget(number).unwrap();
                    removed.push(number);
                    // Only what is gone may have its number used again.
                    begun.retain(|other| *other != number);
                },
                _ => generations = Generations::open(dir.path()).unwrap(),
            }
            let mut listed = generations.dropped();
            listed.push(generations.searched().unwrap());
            listed.extend(generations.building().map(|building| building.number));
            listed.sort_unstable();
            let mut expected = begun.clone();
            expected.sort_unstable();
            prop_assert_eq!(listed, expected);
            prop_assert_eq!(&reopened(dir.path()), &generations.roster);
        }
    }
}
