//! What answers cost, who is asked when the first provider fails, and what budgets do.

use serde_json::{Value, json};

use crate::provider::{QUESTION, TRUE};
use crate::scripted::{Asks, home_of, model, number_of, shared, steps};
use crate::support::{Home, Server};

const ATTENTION: &str = "Attention Is All You Need";
const ASKED: fn() -> Value = || json!({"question": QUESTION, "mode": "chat", "cache": false});

fn ask(server: &Server, body: &Value) -> Value {
    server.post("/v1/answers", body).json()
}

/// The home with a second provider behind the first one.
fn with_second(home: Home, second: &crate::provider_server::Provider) -> Home {
    home.set("LECTERN__LLM__OPENAI__BASE_URL", second.address.clone()).set("LECTERN__LLM__OPENAI__MODEL", "gpt-5-mini")
}

#[test]
fn when_a_provider_is_down_or_out_of_balance_the_next_one_answers_and_the_answer_says_so() {
    for (status, refusal, told) in [
        (503, "{\"error\": {\"message\": \"busy\"}}", "The model's provider was overloaded"),
        (
            402,
            "{\"error\": {\"message\": \"Insufficient Balance\"}}",
            "The balance at the model's provider was used up",
        ),
        (401, "{\"error\": {\"message\": \"no\"}}", "The model's provider refused this server's key"),
        (500, "{\"error\": {\"message\": \"no\"}}", "The model's provider failed"),
    ] {
        let down = model(move |_, _| (status, refusal.to_owned()));
        let up = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))));
        let home = with_second(home_of(&down), &up);
        let server = home.serve();
        let answer = ask(&server, &ASKED());
        assert_eq!((&answer["text"], &answer["model"]), (&format!("{TRUE}. [1]").into(), &"gpt-5-mini".into()));
        assert_eq!(answer["notice"], format!("{told}; gpt-5-mini wrote this answer."));
        let rows = server.get(&format!("/v1/runs/{}/trace", answer["id"].as_str().unwrap())).json()["calls"].clone();
        let made: Vec<(&str, bool)> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|call| (call["provider"].as_str().unwrap(), call["outcome"] == "answered"))
            .collect();
        assert_eq!(made, [("deepseek", false), ("openai", true)]);
    }
}

#[test]
fn a_draft_that_breaks_off_before_anything_held_is_taken_up_by_the_next_provider() {
    let breaking =
        crate::provider_server::Provider::new(|_| (200, crate::provider::broken_off(&["The Transf"]).into_bytes()));
    let up = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))));
    let home = with_second(home_of(&breaking), &up);
    let server = home.serve();
    let answer = ask(&server, &ASKED());
    assert_eq!((&answer["text"], &answer["model"]), (&format!("{TRUE}. [1]").into(), &"gpt-5-mini".into()));
    assert_eq!(answer["notice"], "The model broke off; gpt-5-mini wrote this answer.");
}

#[test]
fn a_provider_that_fails_again_and_again_is_left_alone_and_tried_again_later() {
    let works = shared(false);
    let switch = works.clone();
    let provider = model(move |_, asked| match *switch.lock().unwrap() {
        true => (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))),
        false => (503, "{}".to_owned()),
    });
    let home = home_of(&provider).set("LECTERN__LLM__BREAKER_FAILURES", "2").set("LECTERN__LLM__BREAKER_PAUSE_S", "1");
    let server = home.serve();
    let notices: Vec<Value> = (0..3).map(|_| ask(&server, &ASKED())["notice"].clone()).collect();
    assert_eq!(notices[1], "The model's provider was overloaded, so the answer is quoted.");
    let alone = "The model's provider was overloaded too often and is left alone for now, so the answer is quoted.";
    assert_eq!(notices[2], alone);
    assert_eq!(steps(&provider).len(), 2, "the third question did not reach it");
    *works.lock().unwrap() = true;
    let answer = crate::support::eventually(|| Some(ask(&server, &ASKED())).filter(|answer| answer["route"] == "chat"));
    assert_eq!(answer["notice"], Value::Null);
}

#[test]
fn policies_say_who_is_asked_for_what() {
    let provider = model(|asks, asked| match asks {
        Asks::Plan => (200, "{}".to_owned()),
        _ => (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))),
    });
    let asked_models = |policy: &str| -> Vec<String> {
        let before = provider.asked().len();
        let home = home_of(&provider).set("LECTERN__LLM__POLICY", policy);
        ask(&home.serve(), &json!({"question": QUESTION, "mode": "reason"}));
        let models = provider.asked().split_off(before);
        models.iter().map(|asked| crate::scripted::body(asked)["model"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(asked_models("single"), ["deepseek-flash", "deepseek-flash"]);
    assert_eq!(asked_models("hybrid"), ["deepseek-flash", "deepseek-v4-pro"]);
    assert_eq!(asked_models("deepseek"), ["deepseek-flash", "deepseek-flash"]);
    assert!(asked_models("quote").is_empty());
    let home = home_of(&provider).set("LECTERN__LLM__POLICY", "everybody");
    assert!(home.run(&["config", "check"]).exited(2).stderr.contains("everybody"));
}

#[test]
fn every_call_is_in_the_ledger_and_usage_sums_it_up() {
    let provider = model(|asks, asked| match asks {
        Asks::Plan => (200, "{}".to_owned()),
        Asks::Repair => (200, "{\"sentences\": [null]}".to_owned()),
        _ => (200, format!("{TRUE} [{}]. It is popular.", number_of(asked, ATTENTION))),
    });
    let home = home_of(&provider);
    let server = home.serve();
    let answer = ask(&server, &json!({"question": QUESTION, "mode": "reason"}));
    let trace = server.get(&format!("/v1/runs/{}/trace", answer["id"].as_str().unwrap())).json();
    let calls = trace["calls"].as_array().unwrap();
    let steps: Vec<&str> = calls.iter().map(|call| call["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["plan", "draft", "repair"]);
    for call in calls {
        let (reserved, cost) = (call["reserved_usd"].as_f64().unwrap(), call["cost_usd"].as_f64().unwrap());
        assert!(cost > 0.0 && reserved > 0.0, "{call}");
        assert_eq!(call["tokens"], json!({"prompt": 1000, "cache_hit": 400, "completion": 100, "reasoning": 0}));
    }
    let cost: f64 = calls.iter().map(|call| call["cost_usd"].as_f64().unwrap()).sum();
    let usage = &answer["usage"];
    assert!((usage["cost_usd"].as_f64().unwrap() - cost).abs() < 1e-12);
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&3000.into(), &300.into()));
    let told = server.get("/v1/usage").json();
    assert_eq!((&told["total"]["calls"], &told["rows"].as_array().unwrap().len()), (&3.into(), &3));
    assert!((told["month_usd"].as_f64().unwrap() - cost).abs() < 1e-12);
    // On GPT-5 the same tokens cost 400 * 0.125 + 600 * 1.25 + 100 * 10 dollars a million, three times.
    assert!((told["total"]["baseline_cost_usd"].as_f64().unwrap() - 0.0054).abs() < 1e-9);
    assert_eq!(server.get("/v1/stats").json()["usage"], told);
    drop(server);
    let shown = home.run(&["stats"]).exited(0).stdout;
    assert!(shown.contains("for 3 calls, $0.0054 for the same tokens on gpt-5"), "{shown}");
}

#[test]
fn a_budget_shortens_what_may_be_written_before_it_forbids_it() {
    let provider = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))));
    let home = home_of(&provider).set("LECTERN__AGENT__EVIDENCE_TOKENS", "200");
    let server = home.serve();
    let longest = |budget: Value| {
        let answer = ask(&server, &json!({"question": QUESTION, "mode": "chat", "cache": false, "budget_usd": budget}));
        let asked = provider.asked();
        (answer, crate::scripted::body(asked.last().unwrap())["max_tokens"].as_u64().unwrap())
    };
    assert_eq!(longest(Value::Null).1, 2000);
    // At $1.20 a million at most, 2000 tokens out cost $0.0024.
    let (answer, tokens) = longest(json!(0.001));
    assert!((200..2000).contains(&tokens) && answer["route"] == "chat", "{tokens}");
    let (answer, same) = longest(json!(0.000_05));
    assert_eq!((&answer["route"], same), (&"quote".into(), tokens), "nothing was asked");
    assert!(answer["notice"].as_str().unwrap().contains("over the budget of $0.00005"), "{answer}");
}

#[test]
fn a_months_cap_ends_what_costs_and_quoting_goes_on() {
    let provider = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))));
    // Each answer may cost some 0.003 dollars at most, and costs 0.0003 at most.
    let home = home_of(&provider).set("LECTERN__LLM__MONTHLY_USD", "0.0042");
    let server = home.serve();
    let answers: Vec<Value> = (0..20).map(|_| ask(&server, &ASKED())).collect();
    let written = answers.iter().filter(|answer| answer["route"] == "chat").count();
    assert!((1..20).contains(&written), "{written}");
    assert_eq!(steps(&provider).len(), written);
    let last = answers.last().unwrap();
    let notice = "The month's budget for models (llm.monthly_usd) does not allow it; this answer is quoted.";
    assert_eq!((&last["notice"], &last["status"]), (&notice.into(), &"answered".into()));
    let usage = server.get("/v1/usage").json();
    assert!(usage["month_usd"].as_f64().unwrap() <= 0.0042 && usage["monthly_usd"] == 0.0042, "{usage}");
}

#[test]
fn a_model_of_a_server_of_ones_own_costs_what_its_operator_says() {
    let provider = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))));
    let home = Home::with_samples()
        .set("LECTERN__LLM__OPENAI__BASE_URL", provider.address.clone())
        .set("LECTERN__LLM__OPENAI__MODEL", "mine")
        .set("LECTERN__AGENT__CACHE", "false");
    assert_eq!(ask(&home.serve(), &ASKED())["usage"]["cost_usd"], Value::Null);
    let priced = home.set("LECTERN__LLM__PRICES", "prices.toml");
    let refused = priced.run(&["search", "attention"]).exited(2);
    assert!(refused.stderr.contains("prices.toml (llm.prices)"), "{}", refused.stderr);
    std::fs::write(
        priced.path().join("prices.toml"),
        "[models.mine]\nprice = { hit = 0.0, miss = 1.0, output = 10.0 }\n",
    )
    .unwrap();
    let body = json!({"question": QUESTION, "mode": "chat", "budget_usd": 1.0});
    let usage = ask(&priced.serve(), &body)["usage"].clone();
    let (cost, prompt) = (usage["cost_usd"].as_f64().unwrap(), usage["prompt_tokens"].as_u64().unwrap());
    assert!(cost > 0.0 && cost < prompt as f64 * 1e-6 + 0.01, "{usage}");
}
