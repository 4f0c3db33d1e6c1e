use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NOW: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

fn read(text: &str) -> Result<Suite, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.json");
    std::fs::write(&file, text).unwrap();
    std::fs::write(folder.path().join("papers.jsonl"), "{\"title\": \"One\"}\n").unwrap();
    Suite::read(&file, NOW).map_err(|fault| fault.to_string())
}

fn own(questions: &str) -> Result<Suite, String> {
    read(&format!("{{\"name\": \"mine\", \"library\": [\"papers.jsonl\"], \"questions\": [{questions}]}}"))
}

#[test]
fn the_shipped_suite_has_25_questions_of_which_the_library_cannot_answer_at_least_6() {
    let suite = Suite::shipped().unwrap();
    let of = |kind| suite.questions.iter().filter(|question| question.kind == Some(kind)).count();
    assert_eq!(suite.questions.len(), 25);
    assert!(of(Kind::Unanswerable) >= 6 && of(Kind::Contradiction) == 1);
    assert!(of(Kind::Fact) + of(Kind::Comparison) + of(Kind::Synthesis) == 24 - of(Kind::Unanswerable));
    assert!(matches!(&suite.library, SuiteLibrary::Files(files) if files.len() == 2));
}

#[test]
fn a_suite_of_the_projects_own_form_is_read_with_its_files() {
    let suite = own(
        "{\"id\": \"a\", \"kind\": \"fact\", \"question\": \"What?\", \"mode\": \"quote\", \"answered_by\": [\"arxiv:1706.03762\"], \
         \"points\": [[\"28.4\", \"best score\"]], \"reference\": \"A score.\"}, \
         {\"id\": \"b\", \"question\": \"Who?\", \"answered_by\": []}",
    )
    .unwrap();
    assert_eq!(
        suite.questions[0],
        SuiteQuestion {
            id: "a".into(),
            kind: Some(Kind::Fact),
            text: "What?".into(),
            mode: Some(AskMode::Quote),
            answered_by: vec!["arxiv:1706.03762".into()],
            points: vec![Point::Any(vec!["28.4".into(), "best score".into()]), Point::Reference("A score.".into())],
        }
    );
    assert_eq!((suite.name.as_str(), suite.questions[1].answered_by.len()), ("mine", 0));
    let files = vec![("papers.jsonl".to_owned(), b"{\"title\": \"One\"}\n".to_vec())];
    assert_eq!(suite.library, SuiteLibrary::Files(files));
    let home =
        read("{\"name\": \"x\", \"questions\": [{\"id\": \"a\", \"question\": \"What?\", \"answered_by\": []}]}");
    assert_eq!(home.unwrap().library, SuiteLibrary::Home);
}

#[test]
fn what_is_no_suite_is_refused_with_the_reason() {
    let question = "{\"id\": \"a\", \"question\": \"What?\", \"answered_by\": []}";
    for (text, told) in [
        (own(&format!("{question}, {question}")), "question `a` stands in it twice"),
        (own(&question.replace("What?", " ")), "question `a`: the question is empty"),
        (own(&question.replace("[]", "[\"not an id\"]")), "`not an id` is no id of a paper"),
        (own(&question.replace("[]", "[], \"points\": [[\"it is\"]]")), "the point `it is` has no word"),
        (own(&question.replace("[]", "[], \"kind\": \"fact\"")), "unanswerable when `answered_by` is empty"),
        (own(&question.replace("[]", "[], \"extra\": 1")), "unknown field `extra`"),
        (own(""), "it has no questions"),
        (read("{\"name\": \"x\", \"library\": [\"gone.jsonl\"], \"questions\": []}"), "cannot read"),
        (read("not json"), "expected"),
    ] {
        let fault = text.unwrap_err();
        assert!(fault.contains(told) && fault.contains("docs/EVALUATION.md"), "{fault}");
    }
}

#[test]
fn of_pubmedqa_the_contexts_become_the_library_and_the_conclusion_what_must_be_said() {
    let entry = |question: &str| {
        serde_json::json!({"QUESTION": question, "CONTEXTS": ["We asked.", "It helps."], "YEAR": "2004",
            "LONG_ANSWER": "It does help.", "final_decision": "yes"})
    };
    let text = serde_json::json!({"11": entry("Does it?"), "12": entry("Is it?"), "15": entry("Can it?")}).to_string();
    let suite = read(&text).unwrap();
    let SuiteLibrary::Papers(papers) = &suite.library else { panic!("{suite:?}") };
    let kinds: Vec<_> = suite.questions.iter().map(|question| (question.id.as_str(), question.kind)).collect();
    assert_eq!((kinds, papers.len()), (vec![("11", None), ("12", None), ("15", Some(Kind::Unanswerable))], 2));
    let (paper, question) = (&papers[0], &suite.questions[0]);
    assert_eq!(question.answered_by, ["pmid:11"]);
    assert_eq!(question.points, [Point::Reference("It does help.".into())]);
    assert_eq!((paper.abstract_text.as_deref(), paper.year), (Some("We asked. It helps."), Some(2004)));
    assert_eq!(paper.title, "PubMed 11", "its own title is the question");
}

#[test]
fn of_bioasq_the_snippets_of_a_document_are_put_together_and_exact_answers_must_be_said() {
    let snippet = |document: &str, section: &str, at: usize, text: &str| {
        serde_json::json!({"document": format!("http://www.ncbi.nlm.nih.gov/pubmed/{document}"), "text": text,
            "beginSection": section, "offsetInBeginSection": at})
    };
    let lines = [
        serde_json::json!({"id": "a", "body": "Which gene?", "type": "factoid", "exact_answer": [["GRN", "granulin"]],
            "snippets": [snippet("7", "abstract", 40, "It is GRN."), snippet("7", "title", 0, "Of genes")]}),
        serde_json::json!({"id": "b", "body": "Which two?", "type": "list", "exact_answer": [["alpha"], ["beta"]],
            "snippets": [snippet("7", "abstract", 0, "There are two."), snippet("8", "abstract", 0, "One.")]}),
        serde_json::json!({"id": "c", "body": "Is it?", "type": "yesno", "exact_answer": "yes", "ideal_answer": ["Yes, it is."],
            "snippets": [snippet("7", "abstract", 40, "It is")]}),
        serde_json::json!({"id": "d", "body": "Flat?", "type": "factoid", "exact_answer": ["x1", "x2"],
            "snippets": [snippet("9", "abstract", 40, "It is x1")]}),
        serde_json::json!({"id": "g", "body": "Held out?", "type": "summary", "ideal_answer": ["It is."],
            "snippets": [snippet("10", "abstract", 0, "It is held out.")]}),
        serde_json::json!({"id": "e", "body": "Without snippets?", "type": "summary", "snippets": []}),
    ];
    let text = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let suite = read(&text).unwrap();
    assert_eq!(
        suite,
        Suite { name: suite.name.clone(), ..read(&serde_json::json!({"questions": lines}).to_string()).unwrap() }
    );
    let SuiteLibrary::Papers(papers) = &suite.library else { panic!("{suite:?}") };
    let by = |id: &str| suite.questions.iter().find(|question| question.id == id).cloned();
    assert_eq!(by("e"), None);
    let any = |words: &[&str]| Point::Any(words.iter().map(|word| (*word).to_owned()).collect());
    let seven = papers.iter().find(|paper| paper.title == "Of genes").unwrap();
    assert_eq!(seven.abstract_text.as_deref(), Some("There are two. It is GRN."));
    for (id, points) in [
        ("a", vec![any(&["GRN", "granulin"])]),
        ("b", vec![any(&["alpha"]), any(&["beta"])]),
        ("c", vec![Point::Reference("Yes, it is.".into())]),
        ("d", vec![any(&["x1", "x2"])]),
    ] {
        assert_eq!(by(id).unwrap().points, points, "{id}");
    }
    // Held out, by its id, with what no other question needs taken out of the library.
    let held = by("g").unwrap();
    assert_eq!((held.kind, held.answered_by, held.points), (Some(Kind::Unanswerable), Vec::new(), Vec::new()));
    assert!(papers.iter().all(|paper| paper.title != "PubMed 10") && papers.len() == 3, "{papers:?}");
}

proptest! {
    #[test]
    fn what_is_held_out_is_in_no_library_and_nothing_else_is_missing(count in 1_usize..60, shared in 1_usize..10) {
        let id = |at: usize| format!("pmid:{}", at % shared.max(count / 2) + 1);
        let mut questions: Vec<SuiteQuestion> = (0..count)
            .map(|at| SuiteQuestion {
                id: format!("q{at}"), kind: None, text: "Why?".into(), mode: None,
                answered_by: BTreeSet::from([id(at), id(at * 7 + 1)]).into_iter().collect(), points: Vec::new(),
            })
            .collect();
        let all: BTreeSet<String> = questions.iter().flat_map(|question| question.answered_by.clone()).collect();
        let paper = |id: &String| pubmed_paper(id.trim_start_matches("pmid:"), None, "Text.".into(), NOW).unwrap();
        let mut papers: Vec<Paper> = all.iter().map(paper).collect();
        let before = questions.clone();
        hold_out(&mut questions, &mut papers);
        let left: BTreeSet<String> = papers.iter().map(|paper| format!("pmid:{}", paper.ids.pmid.as_ref().unwrap())).collect();
        for (before, after) in before.iter().zip(&questions) {
            let expected: Vec<String> = before.answered_by.iter().filter(|id| left.contains(*id)).cloned().collect();
            prop_assert_eq!(&after.answered_by, &expected);
            prop_assert_eq!(after.answered_by.is_empty(), after.kind == Some(Kind::Unanswerable));
        }
        let held: BTreeSet<&String> = before.iter().zip(&questions).filter(|(_, after)| after.answered_by.is_empty()).flat_map(|(b, _)| &b.answered_by).collect();
        prop_assert!(all.difference(&left).all(|id| held.contains(id)), "only what answers a held out question is left out");
    }
}
