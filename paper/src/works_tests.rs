use proptest::prelude::*;

use super::*;
use crate::{Author, CorpusId, merge};

fn record(source: SourceName, title: &str) -> Paper {
    let mut paper = Paper::new(title, source, jiff::Timestamp::UNIX_EPOCH);
    paper.year = Some(2015);
    paper.authors = vec![Author::named("Ada Lovelace")];
    paper
}

fn scholar(corpus: u64, title: &str) -> Paper {
    let mut paper = record(SourceName::SemanticScholar, title);
    paper.ids.corpus_id = Some(CorpusId(corpus));
    paper
}

fn line(number: &str, title: &str) -> Paper {
    let mut paper = record(SourceName::Import, title);
    paper.ids.local = Some(number.to_owned());
    paper
}

fn with(mut paper: Paper, id: &str) -> Paper {
    match id.split_once(':') {
        Some(("doi", doi)) => paper.ids.doi = Some(doi.parse().unwrap()),
        Some(("pmid", pmid)) => paper.ids.pmid = Some(pmid.parse().unwrap()),
        Some(("arxiv", arxiv)) => paper.ids.arxiv = Some(arxiv.parse().unwrap()),
        _ => panic!("{id}"),
    }
    paper
}

/// The partition, each paper as the places of its records.
fn partition(records: &[Paper], decisions: &[Decision]) -> Vec<Vec<usize>> {
    weighed(records, decisions, &|_| false).papers
}

fn weighed(records: &[Paper], decisions: &[Decision], crowded: &dyn Fn(&str) -> bool) -> Works {
    let names: Vec<RecordName> = records.iter().map(RecordName::of).collect();
    let links: Vec<_> = records.iter().map(|record| links(record, &[], &[])).collect();
    let known: Vec<Known<'_>> =
        names.iter().zip(records).zip(&links).map(|((name, record), links)| Known { name, record, links }).collect();
    works(&known, decisions, crowded)
}

#[test]
fn a_work_that_was_found_for_two_papers_does_not_make_them_one() {
    let kinds = |lent: &[&str]| {
        let lent: Vec<String> = lent.iter().map(|link| (*link).to_owned()).collect();
        let found = with(record(SourceName::Crossref, "Found"), "doi:10.1000/a");
        links(&found, &[], &lent)
            .into_iter()
            .filter(|(kind, _)| *kind == LinkKind::Id)
            .map(|(_, key)| key)
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&["arxiv:1706.00001", "s2:1"]), ["arxiv:1706.00001", "s2:1"]);
    assert_eq!(kinds(&["arxiv:1706.00001", "arxiv:1706.00002", "s2:1"]), ["s2:1"]);
}

#[test]
fn lines_without_an_id_that_share_a_doi_are_one_work_where_they_share_a_title() {
    let chapter = |title: &str, text: &str| {
        let mut paper = with(record(SourceName::Import, title), "doi:10.1000/book");
        paper.abstract_text = Some(text.to_owned());
        paper
    };
    let records = [chapter("Saliency", "We look."), chapter("Masking", "We hide."), chapter("Saliency.", "We looked.")];
    let names: BTreeSet<String> = records.iter().map(|record| RecordName::of(record).record).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(partition(&records, &[]), [vec![0, 2], vec![1]]);
    let published = with(scholar(1, "Masking"), "doi:10.1000/book");
    let known = [records[0].clone(), records[1].clone(), published];
    assert_eq!(partition(&known, &[]), [vec![0], vec![1, 2]]);
}

#[test]
fn an_id_of_one_work_joins_whatever_else_differs_and_is_the_reason() {
    let records = [
        with(with(record(SourceName::Arxiv, "One"), "arxiv:1706.00001"), "doi:10.1000/a"),
        with(with(scholar(1, "Another"), "arxiv:1706.00001"), "doi:10.1000/b"),
        scholar(2, "Third"),
    ];
    let works = weighed(&records, &[], &|_| false);
    assert_eq!(works.papers, [vec![0, 1], vec![2]]);
    assert_eq!((works.why(0, 1), works.why(1, 2)), (Some("arxiv:1706.00001"), None));
}

#[test]
fn likeness_joins_while_it_says_one_thing() {
    let (a, b) = (with(scholar(1, "Introduction"), "doi:10.1000/a"), with(scholar(2, "Introduction"), "doi:10.1000/b"));
    let bare = record(SourceName::Import, "Introduction.");
    assert_eq!(partition(&[a.clone(), bare.clone()], &[]), [[0, 1]]);
    assert_eq!(partition(&[a, b, bare], &[]), [[0], [1], [2]]);
}

#[test]
fn likeness_asks_for_a_surname_and_not_for_a_crowd() {
    let (one, mut other) = (scholar(1, "Editorial"), record(SourceName::Import, "Editorial"));
    assert_eq!(partition(&[one.clone(), other.clone()], &[]), [[0, 1]]);
    let crowded = |key: &str| key == "like:editorial:2015";
    assert_eq!(weighed(&[one.clone(), other.clone()], &[], &crowded).papers, [[0], [1]]);
    other.authors = vec![Author::named("Alan Turing")];
    assert_eq!(partition(&[one, other], &[]), [[0], [1]]);
}

#[test]
fn a_title_that_was_given_up_still_leads_to_the_paper() {
    let records = [scholar(1, "Attention, revised"), record(SourceName::Import, "Attention")];
    let names: Vec<RecordName> = records.iter().map(RecordName::of).collect();
    let former = ["attention:2015".to_owned()];
    let known = [
        Known { name: &names[0], record: &records[0], links: &links(&records[0], &former, &[]) },
        Known { name: &names[1], record: &records[1], links: &links(&records[1], &[], &[]) },
    ];
    let works = works(&known, &[], &|_| false);
    assert_eq!((works.papers.clone(), works.why(0, 1)), (vec![vec![0, 1]], Some("like:attention:2015")));
}

#[test]
fn a_doi_joins_until_a_chapter_shows_that_it_is_the_books() {
    let doi = "doi:10.1007/978-3-031-19836-6";
    let (book, a) = (with(scholar(1, "ECCV 2022"), doi), with(line("a", "Saliency"), doi));
    let b = with(line("b", "Masking"), doi);
    let named = with(record(SourceName::Crossref, "Masking"), doi);
    assert_eq!(partition(&[book.clone(), a.clone()], &[]), [[0, 1]]);
    assert_eq!(partition(&[book, a, b, named], &[]), [vec![0], vec![1], vec![2, 3]]);
}

#[test]
fn a_number_joins_lines_of_one_title_unless_their_dois_differ() {
    let mut corrected = with(line("1", "Cats"), "doi:10.1000/a");
    corrected.year = None;
    assert_eq!(partition(&[line("1", "Cats"), line("1", "Stars"), corrected.clone()], &[]), [vec![0, 2], vec![1]]);
    let other = with(line("1", "Cats"), "doi:10.1000/b");
    assert_eq!(partition(&[corrected, other], &[]), [[0], [1]]);
}

fn sides(id: i64, records: &[Paper], sides: &[&[usize]]) -> Decision {
    let named = |side: &&[usize]| side.iter().map(|place| RecordName::of(&records[*place])).collect();
    Decision { id, sides: sides.iter().map(named).collect() }
}

#[test]
fn an_operators_word_outranks_the_sources_and_a_later_one_an_earlier() {
    let records =
        [with(scholar(1, "One"), "arxiv:1706.00001"), with(line("1", "Two"), "arxiv:1706.00001"), scholar(3, "Three")];
    let separate = sides(1, &records, &[&[0], &[1]]);
    let join = sides(2, &records, &[&[0, 1, 2]]);
    assert_eq!(partition(&records, std::slice::from_ref(&separate)), [[0], [1], [2]]);
    assert_eq!(partition(&records, &[separate.clone(), join.clone()]), [[0, 1, 2]]);
    assert_eq!(weighed(&records, &[separate, join.clone()], &|_| false).why(0, 2), Some("decision 2"));
    let later = sides(3, &records, &[&[0, 1], &[2]]);
    assert_eq!(partition(&records, &[join, later]), [vec![0, 1], vec![2]]);
}

#[test]
fn a_side_of_a_separation_stays_one_work() {
    let doi = "doi:10.1000/a";
    let records = [1, 2, 3].map(|n| with(line(&n.to_string(), "Same"), doi));
    assert_eq!(partition(&records, &[]), [[0, 1, 2]]);
    assert_eq!(partition(&records, &[sides(1, &records, &[&[1], &[0, 2]])]), [vec![0, 2], vec![1]]);
}

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(values))
}

/// A record that shares much with others.
fn any_record() -> impl Strategy<Value = Paper> {
    let source = prop::sample::select(SourceName::ALL.to_vec());
    let title = prop::sample::select(vec!["Introduction", "Outlook", "Attention"]);
    let author = prop::sample::select(vec!["Ada Lovelace", "Alan Turing"]);
    let ids = (
        one_of(&["arxiv:1706.00001", "arxiv:1706.00002"]),
        one_of(&["doi:10.1000/a", "doi:10.1000/b", "doi:10.1000/c"]),
        one_of(&["pmid:12", "pmid:13"]),
        one_of(&["1", "2"]),
        prop::option::of(1u64..4),
    );
    (source, title, author, ids, any::<bool>()).prop_map(
        |(source, title, author, (arxiv, doi, pmid, local, corpus), strong)| {
            let mut paper = record(source, title);
            paper.authors = vec![Author::named(author)];
            for id in [arxiv.filter(|_| strong), doi, pmid].into_iter().flatten() {
                paper = with(paper, id);
            }
            paper.ids.local = local.filter(|_| source == SourceName::Import).map(str::to_owned);
            paper.ids.corpus_id = corpus.filter(|_| strong).map(CorpusId);
            paper
        },
    )
}

/// The records with a name of their own each, and the order they are given in.
fn any_order() -> impl Strategy<Value = (Vec<Paper>, Vec<usize>, Vec<Vec<usize>>)> {
    let records = prop::collection::vec(any_record(), 1..9).prop_map(|mut records| {
        let mut seen = HashSet::new();
        records.retain(|record| seen.insert(RecordName::of(record)));
        records
    });
    records.prop_flat_map(|records| {
        let order: Vec<usize> = (0..records.len()).collect();
        let decided = prop::collection::vec(prop::collection::vec(0..records.len(), 1..3), 0..3);
        (Just(records), Just(order).prop_shuffle(), decided)
    })
}

fn merged(records: &[Paper], decisions: &[Decision]) -> BTreeSet<String> {
    let of = |places: &Vec<usize>| places.iter().map(|place| records[*place].clone()).collect::<Vec<_>>();
    partition(records, decisions).iter().map(|places| format!("{:?}", merge(&of(places)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_papers_do_not_depend_on_the_order_of_the_records((records, order, decided) in any_order()) {
        let parts: Vec<&[usize]> = decided.iter().map(Vec::as_slice).collect();
        let decisions = [sides(1, &records, &parts)];
        let shuffled: Vec<Paper> = order.iter().map(|place| records[*place].clone()).collect();
        prop_assert_eq!(merged(&shuffled, &decisions), merged(&records, &decisions));
        prop_assert_eq!(merged(&shuffled, &[]), merged(&records, &[]));
    }

    #[test]
    fn weak_evidence_makes_no_paper_of_two_dois_or_pubmed_ids((records, _, _) in any_order()) {
        let weak: Vec<Paper> = records
            .into_iter()
            .filter(|record| record.ids.arxiv.is_none() && record.ids.corpus_id.is_none())
            .collect();
        for places in partition(&weak, &[]) {
            let told = |id: fn(&Paper) -> Option<String>| places.iter().filter_map(|place| id(&weak[*place])).collect::<BTreeSet<_>>();
            prop_assert!(told(|paper| paper.ids.doi.as_ref().map(ToString::to_string)).len() <= 1);
            prop_assert!(told(|paper| paper.ids.pmid.as_ref().map(ToString::to_string)).len() <= 1);
        }
    }

    /// What the store relies on: a record without a link to others changes nothing for them.
    #[test]
    fn components_can_be_weighed_alone((records, _, _) in any_order()) {
        let mut with_stranger = records.clone();
        let mut stranger = record(SourceName::Arxiv, "Elsewhere");
        stranger.ids.arxiv = Some("2001.00001".parse().unwrap());
        with_stranger.insert(0, stranger);
        let shifted: Vec<Vec<usize>> =
            partition(&with_stranger, &[]).into_iter().skip(1).map(|part| part.iter().map(|place| place - 1).collect()).collect();
        prop_assert_eq!(shifted, partition(&records, &[]));
    }
}
