use super::*;

fn settings(url: &str, key: Option<&str>) -> QdrantSettings {
    QdrantSettings {
        url: url.to_owned(),
        api_key: key.map(str::to_owned),
        collection: format!("lectern-test-{}", std::process::id()),
        timeout: Duration::from_secs(10),
    }
}

#[test]
fn the_key_is_not_printed() {
    let printed = format!("{:?}", settings("http://localhost:6334", Some("sesame")));
    assert!(printed.contains("api_key: Some(\"…\")") && !printed.contains("sesame"), "{printed}");
}

#[test]
fn conditions_become_nested_filters_of_keyword_lists() {
    let conditions = Conditions {
        years: vec![Years { from: Some(2019), to: None }],
        groups: vec![vec![vec!["v:a b".into(), "v:b c".into()], vec!["v:x".into()]]],
        other_years: vec![Years { from: None, to: Some(2020) }],
        without: vec![vec!["c:cs".into()]],
    };
    let tag = |tag: &str| Condition::matches(TAGS, vec![tag.to_owned()]);
    let either = Filter::should([Filter::must([tag("v:a b"), tag("v:b c")]).into(), Filter::must([tag("v:x")]).into()]);
    let years = Condition::range(YEAR, Range { gte: Some(2019.0), ..Range::default() });
    let other = Condition::range(YEAR, Range { lte: Some(2020.0), ..Range::default() });
    let must_not = vec![other, Filter::must([tag("c:cs")]).into()];
    assert_eq!(filter(&conditions), Some(Filter { must_not, ..Filter::must([years, either.into()]) }));
    assert_eq!(filter(&Conditions::default()), None);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_what_to_do() {
    // Port 1 is reserved and answers on no machine.
    let error = QdrantStore::new(settings("http://127.0.0.1:1", None), 8).unwrap().count().await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the Qdrant server at http://127.0.0.1:1 does not answer"), "{text}");
    assert!(text.contains("qdrant.url"), "{text}");
    assert!(error.is_transient());
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "the address of a server to test with comes from outside")]
async fn a_server_keeps_the_contract() {
    let Ok(url) = std::env::var("QDRANT_URL") else {
        eprintln!("SKIPPED: QDRANT_URL is not set: the Qdrant server's part of the vector store suite");
        return;
    };
    let settings = settings(&url, std::env::var("QDRANT_API_KEY").ok().as_deref());
    let store = QdrantStore::new(settings.clone(), super::super::suite::DIMENSION).unwrap();
    super::super::suite::run(&store).await;
    let wrong = QdrantStore::new(settings.clone(), 7).unwrap().count().await.unwrap_err();
    assert!(matches!(wrong, IndexError::ModelChanged { .. }), "{wrong}");
    QdrantStore::destroy(&settings).await.unwrap();
}
