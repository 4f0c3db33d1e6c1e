use async_trait::async_trait;
use index::{HybridIndex, IndexSettings};
use ingest::{Cursor, IngestError};
use paper::{Paper, SourceName};
use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::library::IntakeReport;
use crate::library::progress::Progress;
use crate::store::Store;

/// What a scripted source does at a place; `""` is the beginning.
type Answer = Box<dyn Fn(&str) -> Result<Page, IngestError> + Send + Sync>;

struct Scripted {
    answer: Answer,
    asked: Mutex<Vec<String>>,
    /// Looked at when a page is asked for: what the library has kept by then.
    kept: Mutex<Vec<(Option<String>, u64)>>,
    library: Library,
    /// Where pages are waited for, when it is set.
    gate: Option<tokio::sync::Semaphore>,
    newest_first: bool,
    repeats: bool,
    /// The page at a place comes when the index has all that was stored before.
    after_the_index: bool,
}

impl Scripted {
    fn new(library: &Library, answer: impl Fn(&str) -> Result<Page, IngestError> + Send + Sync + 'static) -> Self {
        let (asked, kept) = (Mutex::default(), Mutex::default());
        Self {
            answer: Box::new(answer),
            asked,
            kept,
            library: library.clone(),
            gate: None,
            newest_first: true,
            repeats: true,
            after_the_index: false,
        }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

#[async_trait]
impl Source for Scripted {
    fn name(&self) -> SourceName {
        SourceName::Arxiv
    }

    fn key(&self) -> String {
        "arxiv: all".to_owned()
    }

    fn newest_first(&self) -> bool {
        self.newest_first
    }

    fn repeats(&self) -> bool {
        self.repeats
    }

    async fn page(&self, cursor: Option<&Cursor>, _seen: jiff::Timestamp) -> Result<Page, IngestError> {
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        let place = cursor.map(ToString::to_string).unwrap_or_default();
        let kept =
            (self.library.store.cursor("arxiv: all").await.unwrap(), self.library.store.revision().await.unwrap());
        while self.after_the_index && self.library.index().watermark() < kept.1 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        self.kept.lock().unwrap().push(kept);
        self.asked.lock().unwrap().push(place.clone());
        (self.answer)(&place)
    }
}

fn page(titles: &[&str], next: Option<&str>) -> Page {
    let paper = |title: &&str| {
        let mut paper = Paper::new(*title, SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH);
        paper.ids.arxiv = Some(format!("2104.{title:0>5}").parse().unwrap());
        paper
    };
    Page { papers: titles.iter().map(paper).collect(), next: next.map(|next| next.parse().unwrap()), ..Page::default() }
}

fn refused(status: u16) -> IngestError {
    IngestError::Refused { status: Some(status), message: "no".to_owned() }
}

async fn library(folder: &std::path::Path) -> Library {
    let store = Store::open(&folder.join("library.db")).await.unwrap();
    let index = HybridIndex::open(IndexSettings { dir: folder.join("index") }, None, None).unwrap();
    Library::new(store, index, Clock::system())
}

async fn run(library: &Library, source: &Scripted) -> Result<SyncReport, LibraryError> {
    library.sync(SyncRequest::new(source, 1_000), &Course::new(&|_| {})).await
}

#[tokio::test]
async fn a_place_that_is_refused_is_kept_until_another_page_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path()).await;
    library.store.save_cursor("arxiv: all", "T1", library.clock.now()).await.unwrap();
    let gone = Scripted::new(&library, |_| Err(refused(400)));
    assert!(matches!(run(&library, &gone).await, Err(LibraryError::Ingest(_))));
    assert_eq!(gone.asked(), ["T1", ""]);
    assert_eq!(library.store.cursor("arxiv: all").await.unwrap().as_deref(), Some("T1"), "what may pass costs nothing");

    let expired = Scripted::new(&library, |place| match place {
        "" => Ok(page(&["1"], None)),
        _ => Err(refused(400)),
    });
    let report = run(&library, &expired).await.unwrap();
    assert_eq!((report.began_anew.as_deref(), report.resumed), (Some("refused (HTTP 400): no"), false));
    assert_eq!((report.counts.added, library.store.cursor("arxiv: all").await.unwrap()), (1, None));
}

#[tokio::test]
async fn a_page_is_asked_for_when_the_one_before_and_its_place_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path()).await;
    let source = Scripted::new(&library, |place| {
        Ok(match place {
            "" => page(&["1", "2"], Some("b")),
            "b" => page(&["3"], Some("c")),
            _ => page(&["4"], None),
        })
    });
    let report = run(&library, &source).await.unwrap();
    assert_eq!((report.counts.added, report.stopped), (4, false));
    let kept = source.kept.lock().unwrap().clone();
    assert_eq!(kept, [(None, 0), (Some("b".to_owned()), 2), (Some("c".to_owned()), 3)]);
}

/// Two pages of three papers each.
fn two_pages(place: &str) -> Result<Page, IngestError> {
    Ok(match place {
        "" => page(&["1", "2", "3"], Some("b")),
        "b" => page(&["4", "5", "6"], None),
        other => panic!("asked for `{other}`"),
    })
}

/// How many papers each of the syncs added until one came to the end.
async fn added_by(library: &Library, source: &Scripted, max: usize) -> Vec<u64> {
    let mut added = Vec::new();
    loop {
        let report = library.sync(SyncRequest::new(source, max), &Course::new(&|_| {})).await.unwrap();
        added.push(report.counts.added);
        if !report.stopped_at_max || added.len() > 9 {
            return added;
        }
    }
}

#[tokio::test]
async fn a_source_that_gives_the_oldest_first_is_read_to_its_end_by_as_many_syncs_as_it_takes() {
    for (max, repeats, expected) in
        [(2, true, vec![2, 2, 2]), (1, true, vec![1; 6]), (4, true, vec![4, 2]), (2, false, vec![3, 3])]
    {
        let folder = tempfile::tempdir().unwrap();
        let library = library(folder.path()).await;
        let mut source = Scripted::new(&library, two_pages);
        (source.newest_first, source.repeats) = (false, repeats);
        assert_eq!(added_by(&library, &source, max).await, expected, "at most {max}");
    }
}

#[tokio::test]
async fn of_a_source_that_gives_the_newest_first_the_rest_is_declined_and_what_changes_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path()).await;
    let source = Scripted::new(&library, |place| {
        let owed = |titles: &[&str], next| Page { owed: true, ..page(titles, next) };
        Ok(match place {
            "" => Page { later: Some("since=1".parse().unwrap()), ..page(&["1", "2", "3"], Some("b")) },
            "since=1" => owed(&["11", "12", "13"], Some("since=1;2")),
            "since=1;2" => Page { later: Some("since=2".parse().unwrap()), ..owed(&["14"], None) },
            "since=2" => Page { later: Some("since=2".parse().unwrap()), ..owed(&[], None) },
            other => panic!("asked for `{other}`"),
        })
    });
    assert_eq!(run_at_most(&library, &source, 2).await, (2, true));
    assert_eq!(run_at_most(&library, &source, 2).await, (2, true));
    assert_eq!(run_at_most(&library, &source, 2).await, (2, false));
    assert_eq!(run_at_most(&library, &source, 2).await, (0, false));
    assert_eq!(source.asked(), ["", "since=1", "since=1", "since=1;2", "since=2"]);
    assert_eq!(run_at_most(&library, &source, 3).await, (1, true), "more are wanted than before");
    assert_eq!(run_at_most(&library, &source, 3).await, (0, false));
    assert_eq!(source.asked(), ["", "since=2"], "what is owed is read all the same");
}

#[tokio::test]
async fn who_reads_further_back_still_reads_what_is_owed() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path()).await;
    let source = Scripted::new(&library, |place| {
        Ok(match place {
            "" => Page { later: Some("since=9".parse().unwrap()), ..page(&["1", "2", "3"], Some("b")) },
            "since=9" => {
                Page { owed: true, later: Some("since=10".parse().unwrap()), ..page(&["11", "12", "13"], None) }
            }
            other => panic!("asked for `{other}`"),
        })
    });
    assert_eq!(run_at_most(&library, &source, 2).await, (2, true));
    assert_eq!(run_at_most(&library, &source, 2).await, (2, true), "one of what is owed is left");
    assert_eq!(run_at_most(&library, &source, 3).await, (1, true), "the third of the newest");
    assert_eq!(run_at_most(&library, &source, 3).await, (1, false), "and what was left");
    assert_eq!(source.asked(), ["", "since=9", "", "since=9"]);
}

#[tokio::test]
async fn a_walk_that_cannot_say_where_the_next_begins_has_not_ended() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path()).await;
    let source = Scripted::new(&library, |place| {
        Ok(match place {
            "" => page(&["1"], Some("b")),
            _ => Page { later: Some("since=9".parse().unwrap()), ..page(&["2"], None) },
        })
    });
    let break_later = "CREATE TRIGGER full BEFORE INSERT ON cursors WHEN NEW.request LIKE '%#later' \
                       BEGIN SELECT RAISE(ABORT, 'no'); END";
    library.store.alter(break_later).await;
    run(&library, &source).await.unwrap_err();
    library.store.alter("DROP TRIGGER full").await;
    assert!(run(&library, &source).await.unwrap().resumed);
    assert_eq!(source.asked(), ["", "b", "b"]);
}

async fn run_at_most(library: &Library, source: &Scripted, max: usize) -> (u64, bool) {
    let report = library.sync(SyncRequest::new(source, max), &Course::new(&|_| {})).await.unwrap();
    (report.counts.added, report.stopped_at_max)
}

proptest! {
    #[test]
    fn a_place_comes_back_from_its_text(skip in 0_usize..9999, declined in prop::option::of(0_usize..9999), cursor in prop::option::of("[a-z]{1,9}=[a-z0-9;=|-]{0,20}")) {
        prop_assume!(!cursor.iter().any(|cursor| cursor.starts_with("skip=") || cursor.starts_with("most=")));
        let place = Place { skip, declined, cursor: cursor.map(|cursor| cursor.parse().unwrap()) };
        prop_assume!(place != Place::default());
        prop_assert_eq!(Place::read(&place.to_string()), Some(place));
    }
}

#[tokio::test]
async fn one_request_is_synced_once_at_a_time_and_again_when_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path()).await;
    let mut source = Scripted::new(&library, |_| Ok(page(&["1"], None)));
    source.gate = Some(tokio::sync::Semaphore::new(0));
    let (first, second) = tokio::join!(run(&library, &source), async {
        let second = run(&library, &source).await;
        source.gate.as_ref().unwrap().add_permits(2);
        second
    });
    let told = second.unwrap_err().to_string();
    assert_eq!(told, "`arxiv: all` is being synced already; wait until that sync has ended, then ask again if need be");
    assert_eq!((first.unwrap().counts.added, source.asked().len()), (1, 1));
    assert_eq!(run(&library, &source).await.unwrap().counts.unchanged, 1);
}

#[tokio::test]
async fn a_sync_that_is_asked_to_stop_ends_at_the_page_and_the_next_goes_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path()).await;
    let stop = CancellationToken::new();
    let during = stop.clone();
    let source = Scripted::new(&library, move |place| {
        during.cancel();
        Ok(match place {
            "" => page(&["1"], Some("b")),
            _ => page(&["2"], None),
        })
    });
    let request = SyncRequest { stop, ..SyncRequest::new(&source, 1_000) };
    let stopped = library.sync(request, &Course::new(&|_| {})).await.unwrap();
    assert_eq!((stopped.stopped, stopped.counts.added, source.asked()), (true, 1, vec![String::new()]));
    let resumed = run(&library, &source).await.unwrap();
    assert_eq!((resumed.resumed, resumed.stopped, resumed.counts.added), (true, false, 1));
    assert_eq!(source.asked(), ["b"]);
}

#[tokio::test]
async fn the_index_is_written_beside_and_a_second_sync_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path()).await;
    let mut source = Scripted::new(&library, |place| {
        Ok(match place {
            "" => page(&["1", "2"], Some("b")),
            _ => page(&["3"], None),
        })
    });
    // It would wait for ever if papers were indexed after the sync.
    source.after_the_index = true;
    let told = Mutex::new(Vec::new());
    let tell = |step: Progress| told.lock().unwrap().push((step.stage, step.done));
    let sync = async |tell: &(dyn Fn(Progress) + Send + Sync)| {
        let course = Course::new(tell);
        let taking = library.sync(SyncRequest::new(&source, 1_000), &course);
        IntakeReport { seconds: 0.0, ..library.take_in(taking, &course).await.unwrap() }
    };
    let first = tokio::time::timeout(std::time::Duration::from_secs(60), sync(&tell)).await.unwrap();
    assert_eq!(first, IntakeReport { added: 3, index_writes: 3, ..IntakeReport::default() });
    let steps = told.lock().unwrap().clone();
    let last = |stage| steps.iter().rfind(|(told, _)| *told == stage).unwrap().1;
    assert_eq!((last(Stage::Reading), last(Stage::Storing), last(Stage::Indexing)), (3, 3, 3));
    let second = sync(&|_| {}).await;
    assert_eq!(second, IntakeReport { unchanged: 3, ..IntakeReport::default() });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// However often it is stopped or fails, each page is stored, and none is asked for twice but one that failed.
    #[test]
    fn whatever_cuts_it_off_every_page_is_read_and_only_failed_ones_again(
        pages in 1_usize..6, cuts in prop::collection::vec(any::<bool>(), 0..8)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let library = library(folder.path()).await;
            let cuts = Mutex::new(cuts.into_iter());
            let source = Scripted::new(&library, move |place| {
                let number: usize = place.parse().unwrap_or(0);
                if cuts.lock().unwrap().next().unwrap_or(false) {
                    return Err(refused(403));
                }
                let next = (number + 1 < pages).then(|| (number + 1).to_string());
                Ok(page(&[&(number + 1).to_string()], next.as_deref()))
            });
            let mut failures = 0;
            while run(&library, &source).await.is_err() {
                failures += 1;
            }
            let asked = source.asked();
            assert_eq!(asked.len(), pages + failures);
            assert_eq!(library.store.counts().await.unwrap().papers as usize, pages);
        });
    }
}
