use super::tests::{at, store};
use super::{CallTokens, Ending, NewCall, RunNotes, Settled, Store, When, month_of};

fn notes(events: &[(u64, &str)], steps: &[(&str, &str)]) -> RunNotes {
    RunNotes {
        events: events.iter().map(|(number, kind)| (*number, (*kind).to_owned(), "{}".to_owned())).collect(),
        steps: steps.iter().map(|(step, outcome)| ((*step).to_owned(), (*outcome).to_owned())).collect(),
        spans: vec![],
    }
}

fn call<'a>(run: &'a str, most: Option<f64>) -> NewCall<'a> {
    NewCall { run, step: "draft", provider: "deepseek", model: "m", at: at(3), reserved_usd: most }
}

fn took(cost: Option<f64>) -> Settled {
    let tokens = Some(CallTokens { prompt: 100, cache_hit: 40, completion: 10, reasoning: 4 });
    Settled { outcome: "answered".to_owned(), tokens, cost_usd: cost, baseline_usd: Some(0.5) }
}

async fn reserved(store: &Store, run: &str, most: Option<f64>, cap: Option<f64>) -> Option<i64> {
    store.reserve_call(&call(run, most), cap, &RunNotes::default()).await.unwrap()
}

#[tokio::test]
async fn a_run_is_read_back_as_far_as_it_went_and_then_with_its_answer() {
    let (_folder, store) = store().await;
    assert_eq!(store.run("x").await.unwrap(), None);
    store.begin_answer("x", "{\"q\":1}", None, When::Alone, at(1)).await.unwrap();
    store.note_answer("x", &notes(&[(1, "run"), (2, "route")], &[("route", "1"), ("plan", "2")])).await.unwrap();
    let open = store.run("x").await.unwrap().unwrap();
    assert_eq!((open.request.as_str(), open.background, &open.ended_at), ("{\"q\":1}", true, &None));
    assert_eq!(open.steps, [("route".to_owned(), "1".to_owned()), ("plan".to_owned(), "2".to_owned())]);
    assert_eq!(store.open_answers().await.unwrap(), [("x".to_owned(), None)]);

    let ending = Ending { answer: "{\"a\":1}", cache_key: Some("k") };
    store.end_answer("x", &notes(&[(3, "answer")], &[]), ending, at(5)).await.unwrap();
    assert_eq!(store.answer("x").await.unwrap().unwrap().get(), "{\"a\":1}");
    assert_eq!(store.cached_answer("k").await.unwrap().unwrap().get(), "{\"a\":1}");
    assert!(store.answer("y").await.unwrap().is_none() && store.cached_answer("other").await.unwrap().is_none());
    let later = store.answer_events("x", 1).await.unwrap();
    let expected = [(2, "route".to_owned(), "{}".to_owned()), (3, "answer".to_owned(), "{}".to_owned())];
    assert_eq!(later, expected);
    assert_eq!(store.run("x").await.unwrap().unwrap().ended_at, Some(at(5).to_string()));
    assert_eq!(store.open_answers().await.unwrap(), []);
}

#[tokio::test]
async fn a_failed_run_opened_again_has_neither_its_document_nor_its_last_word() {
    let (_folder, store) = store().await;
    store.begin_answer("x", "{}", None, When::Followed, at(1)).await.unwrap();
    let failed = Ending { answer: "{\"status\":\"failed\"}", cache_key: None };
    store.end_answer("x", &notes(&[(1, "run"), (2, "error")], &[("plan", "1")]), failed, at(2)).await.unwrap();
    store.reopen_answer("x").await.unwrap();
    assert!(store.answer("x").await.unwrap().is_none());
    assert_eq!(store.answer_events("x", 0).await.unwrap(), [(1, "run".to_owned(), "{}".to_owned())]);
    let open = store.run("x").await.unwrap().unwrap();
    assert_eq!((open.ended_at, open.steps), (None, vec![("plan".to_owned(), "1".to_owned())]));
    let answered = Ending { answer: "{\"status\":\"answered\"}", cache_key: None };
    store.end_answer("x", &notes(&[(3, "answer")], &[]), answered, at(3)).await.unwrap();
    store.reopen_answer("x").await.unwrap();
    assert!(store.answer("x").await.unwrap().is_some(), "an answer that came meanwhile stays");
    assert!(store.run("x").await.unwrap().unwrap().ended_at.is_some());
}

#[tokio::test]
async fn what_a_run_notes_twice_stays_as_it_was_noted_first() {
    let (_folder, store) = store().await;
    store.begin_answer("x", "{}", None, When::Followed, at(1)).await.unwrap();
    store.note_answer("x", &notes(&[(1, "run")], &[("plan", "1")])).await.unwrap();
    store.note_answer("x", &notes(&[(1, "run"), (2, "search")], &[("plan", "2")])).await.unwrap();
    assert_eq!(store.answer_events("x", 0).await.unwrap().len(), 2);
    assert_eq!(store.run("x").await.unwrap().unwrap().steps, [("plan".to_owned(), "1".to_owned())]);
}

#[tokio::test]
async fn a_call_is_in_the_ledger_before_it_is_made_and_counts_at_most_until_it_is_settled() {
    let (_folder, store) = store().await;
    store.begin_answer("x", "{}", None, When::Followed, at(1)).await.unwrap();
    let first = reserved(&store, "x", Some(0.2), None).await.unwrap();
    let month = month_of(at(3));
    assert!((store.spent_in(&month).await.unwrap() - 0.2).abs() < 1e-12);
    let before = &store.calls_of("x").await.unwrap()[0];
    assert_eq!((before.outcome.as_str(), before.tokens, before.reserved_usd), ("reserved", None, Some(0.2)));
    store.settle_call("x", first, &took(Some(0.05)), &notes(&[(1, "run")], &[("draft", "1")])).await.unwrap();
    assert!((store.spent_in(&month).await.unwrap() - 0.05).abs() < 1e-12);
    let after = &store.calls_of("x").await.unwrap()[0];
    let tokens = CallTokens { prompt: 100, cache_hit: 40, completion: 10, reasoning: 4 };
    assert_eq!((after.outcome.as_str(), after.tokens, after.cost_usd), ("answered", Some(tokens), Some(0.05)));
    assert_eq!(store.run("x").await.unwrap().unwrap().steps.len(), 1, "its notes are kept with it");
}

#[tokio::test]
async fn a_months_cap_turns_away_what_may_go_over_it_and_what_has_no_price() {
    let (_folder, store) = store().await;
    let cap = Some(1.0);
    assert!(reserved(&store, "x", Some(0.6), cap).await.is_some());
    assert_eq!(reserved(&store, "x", Some(0.6), cap).await, None, "0.6 and 0.6 may come to more than 1");
    assert_eq!(reserved(&store, "x", None, cap).await, None);
    assert!(reserved(&store, "x", Some(0.4), cap).await.is_some());
    let next_month = NewCall { at: "2099-01-01T00:00:00Z".parse().unwrap(), ..call("x", Some(0.9)) };
    assert!(store.reserve_call(&next_month, cap, &RunNotes::default()).await.unwrap().is_some());
    assert_eq!(store.calls_of("x").await.unwrap().len(), 3);
}

#[tokio::test]
async fn usage_is_summed_by_month_provider_model_and_step() {
    let (_folder, store) = store().await;
    for cost in [Some(0.05), Some(0.15), None] {
        let no = reserved(&store, "x", Some(0.3), None).await.unwrap();
        let settled = if cost.is_some() {
            took(cost)
        } else {
            Settled { outcome: "stalled".to_owned(), tokens: None, cost_usd: None, baseline_usd: None }
        };
        store.settle_call("x", no, &settled, &RunNotes::default()).await.unwrap();
    }
    let rows = store.usage().await.unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (row.month.as_str(), row.provider.as_str(), row.step.as_str()),
        (&*month_of(at(3)), "deepseek", "draft")
    );
    assert_eq!((row.calls, row.failed, row.unknown), (3, 1, 1));
    assert_eq!((row.prompt_tokens, row.cache_hit_tokens, row.completion_tokens), (200, 80, 20));
    assert!((row.cost_usd - 0.2).abs() < 1e-12 && (row.baseline_cost_usd - 1.0).abs() < 1e-12);
    assert!((row.unknown_at_most_usd - 0.3).abs() < 1e-12);
}

#[tokio::test]
async fn a_run_that_waits_says_for_which_moment_and_one_that_is_followed_is_left_to_those_who_do() {
    let (_home, store) = store().await;
    store.begin_answer("followed", "{}", None, When::Followed, at(1)).await.unwrap();
    store.begin_answer("alone", "{}", None, When::Alone, at(2)).await.unwrap();
    store.begin_answer("later", "{}", None, When::NotBefore(at(9)), at(3)).await.unwrap();
    let open = store.open_answers().await.unwrap();
    assert_eq!(open, [("alone".to_owned(), None), ("later".to_owned(), Some(at(9)))]);
    let run = store.run("later").await.unwrap().unwrap();
    assert_eq!((run.background, run.not_before), (true, Some(at(9))));
}
