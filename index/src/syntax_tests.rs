use proptest::prelude::*;

use super::*;

fn asks(typed: &str) -> Vec<(bool, Asks)> {
    Typed::parse(typed).clauses.into_iter().map(|clause| (clause.negated, clause.asks)).collect()
}

fn year(typed: &str) -> Option<(Option<i16>, Option<i16>)> {
    match asks(typed).as_slice() {
        [(false, Asks::Years(years))] => Some((years.from, years.to)),
        [] => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn operators_phrases_and_words_are_told_apart() {
    let typed = Typed::parse(
        "sparse \"graph networks\" -survey author:\"Geoffrey Hinton\" ti:attention year:2019..2023 -cat:cs.CV \
         venue:NeurIPS, source:arxiv -\"deep learning\" molecules",
    );
    let clause = |negated, asks| Clause { negated, asks };
    let expected = Typed {
        words: "sparse graph networks attention , molecules".to_owned(),
        phrases: vec!["graph networks".to_owned()],
        clauses: vec![
            clause(true, Asks::Text("survey".to_owned())),
            clause(false, Asks::Author("Geoffrey Hinton".to_owned())),
            clause(false, Asks::Title("attention".to_owned())),
            clause(false, Asks::Years(Years { from: Some(2019), to: Some(2023) })),
            clause(true, Asks::Category("cs.CV".to_owned())),
            clause(false, Asks::Venue("NeurIPS".to_owned())),
            clause(false, Asks::Source(SourceName::Arxiv)),
            clause(true, Asks::Text("deep learning".to_owned())),
        ],
        notes: vec![],
    };
    assert_eq!(typed, expected);
}

#[test]
fn what_only_looks_like_syntax_is_words() {
    for text in [
        "state-of-the-art methods",
        "title: a study",
        "the 5\" disk and the 3\" disk",
        "a \"quote that is not closed",
        "values from -5 to -1",
        "graphs - a survey",
        "re:zero doi:10.1/x",
        "\"...\" and more",
        "author:\"\" -",
    ] {
        let typed = Typed::parse(text);
        assert_eq!((typed.phrases.len(), typed.clauses.len(), typed.notes.len()), (0, 0, 0), "{text}: {typed:?}");
        assert!(!typed.words.is_empty());
    }
}

#[test]
fn years_are_read_in_each_of_their_forms() {
    for (typed, expected) in [
        ("year:2019", (Some(2019), Some(2019))),
        ("year:2019..2023", (Some(2019), Some(2023))),
        ("year:2019-2023", (Some(2019), Some(2023))),
        ("year:2023..2019", (Some(2019), Some(2023))),
        ("year:2019..", (Some(2019), None)),
        ("year:..2019", (None, Some(2019))),
        ("year:>2019", (Some(2020), None)),
        ("year:>=2019", (Some(2019), None)),
        ("year:<2019", (None, Some(2018))),
        ("YEAR:<=2019", (None, Some(2019))),
    ] {
        assert_eq!(year(typed), Some(expected), "{typed}");
    }
    for odd in ["year:20x9", "year:20190", "year:>", "year:2019..x", "year:a..b"] {
        let typed = Typed::parse(odd);
        assert_eq!((typed.words.as_str(), typed.clauses.len()), (odd, 0));
        let note =
            format!("`{odd}` was searched as words, since a year is written as 2019, 2019..2023, 2019.. or >=2019.");
        assert!(typed.notes == [note] || odd == "year:>", "{typed:?}");
    }
    let unknown = Typed::parse("source:pubmed");
    assert!(unknown.notes[0].starts_with("`source:pubmed` was searched as words, since `pubmed` is not a source"));
}

#[test]
fn of_very_many_operators_the_first_are_heeded_and_a_note_says_so() {
    let typed = Typed::parse(&"-cat:cs.CL ".repeat(40));
    assert_eq!((typed.clauses.len(), typed.words.as_str()), (32, ""));
    assert_eq!(typed.notes, ["Only the first 32 operators and phrases were heeded."]);
    let typed = Typed::parse(&"\"deep nets\" abs:x ".repeat(20));
    assert_eq!((typed.phrases.len(), typed.clauses.len(), typed.notes.len()), (16, 16, 1));
    assert_eq!(typed.words.split(' ').count(), 60, "their words are searched all the same");
    assert_eq!(Typed::parse(&"year:soon ".repeat(100)).notes.len(), 32);
}

#[test]
fn quotes_in_prose_are_no_orders() {
    let question = "Articles about text formatting systems, including \"what you see is what you get\" ones";
    assert_eq!(Typed::parse(question).phrases.len(), 1);
    let longer = format!("{question}, with examples of their use");
    let typed = Typed::parse(&longer);
    assert_eq!(typed.phrases, [""; 0]);
    assert!(typed.words.contains("systems, including what you see is what you get ones, with"), "{}", typed.words);
}

#[test]
fn in_a_question_nothing_is_syntax() {
    let text = "Does  \"dropout\" help -really- in year:2019?";
    let expected = Typed { words: "Does \"dropout\" help -really- in year:2019?".to_owned(), ..Typed::default() };
    assert_eq!(Typed::plain(text), expected);
}

proptest! {
    #[test]
    fn no_text_is_an_error_and_what_is_no_operator_keeps_its_letters(text in "(\\PC|[-\" :.a-z]|author:|year:|-title:){0,60}") {
        let typed = Typed::parse(&text);
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        prop_assert!(!typed.clauses.is_empty() || letters(&typed.words) == letters(&text), "{typed:?}");
        prop_assert!(typed.phrases.iter().all(|phrase| !letters(phrase).is_empty()));
    }

    #[test]
    fn words_without_marks_stay_as_they_are(words in prop::collection::vec("[a-zA-Zé]{1,9}", 1..12)) {
        let text = words.join(" ");
        prop_assert_eq!(Typed::parse(&text), Typed::plain(&text));
    }
}
