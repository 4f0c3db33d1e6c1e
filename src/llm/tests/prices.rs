//! Prices, by the table of the providers' pages of November 2026.

use jiff::Timestamp;

use crate::llm::{Limits, Prices, PricesError, Usage};

/// A million tokens of each kind.
const MILLIONS: Usage =
    Usage { prompt_tokens: 2_000_000, cache_hit_tokens: 1_000_000, completion_tokens: 1_000_000, reasoning_tokens: 7 };

fn prices() -> Prices {
    Prices::bundled().unwrap()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn close(cost: Option<f64>, expected: f64) {
    let cost = cost.unwrap();
    assert!((cost - expected).abs() < 1e-12, "{cost} is not {expected}");
}

/// A Wednesday.
const OFF_PEAK: &str = "2026-11-18T12:00:00Z";
const PEAK: &str = "2026-11-18T02:00:00Z";

#[test]
fn every_price_of_the_table_holds() {
    let table = [
        ("deepseek-chat", OFF_PEAK, [0.028, 0.28, 0.42]),
        ("deepseek-chat", PEAK, [0.028, 0.28, 0.42]),
        ("deepseek-reasoner", OFF_PEAK, [0.028, 0.28, 0.42]),
        ("deepseek-flash", OFF_PEAK, [0.003, 0.15, 0.60]),
        ("deepseek-flash", PEAK, [0.006, 0.30, 1.20]),
        ("deepseek-v4-pro", OFF_PEAK, [0.022, 0.66, 1.98]),
        ("deepseek-v4-pro", PEAK, [0.044, 1.32, 3.96]),
        ("gpt-5", PEAK, [0.125, 1.25, 10.0]),
        ("gpt-5-mini", OFF_PEAK, [0.025, 0.25, 2.0]),
    ];
    let hit = Usage { prompt_tokens: 1_000_000, cache_hit_tokens: 1_000_000, ..Usage::default() };
    let miss = Usage { prompt_tokens: 1_000_000, ..Usage::default() };
    let output = Usage { completion_tokens: 1_000_000, ..Usage::default() };
    for (model, time, [of_hit, of_miss, of_output]) in table {
        close(prices().cost_usd(model, &hit, at(time)), of_hit);
        close(prices().cost_usd(model, &miss, at(time)), of_miss);
        close(prices().cost_usd(model, &output, at(time)), of_output);
        close(prices().cost_usd(model, &MILLIONS, at(time)), of_hit + of_miss + of_output);
    }
}

#[test]
fn a_small_call_costs_its_share() {
    let usage = Usage { prompt_tokens: 900, cache_hit_tokens: 896, completion_tokens: 12, reasoning_tokens: 10 };
    let expected = (896.0 * 0.003 + 4.0 * 0.15 + 12.0 * 0.60) / 1e6;
    close(prices().cost_usd("deepseek-flash", &usage, at(OFF_PEAK)), expected);
    close(prices().cost_usd("deepseek-flash", &Usage::default(), at(OFF_PEAK)), 0.0);
    assert!((prices().baseline_cost_usd(&usage) - (896.0 * 0.125 + 4.0 * 1.25 + 12.0 * 10.0) / 1e6).abs() < 1e-12);
    assert_eq!(prices().baseline_model(), "gpt-5");
}

#[test]
fn peak_hours_are_half_open_in_utc_on_weekdays() {
    let output = Usage { completion_tokens: 1_000_000, ..Usage::default() };
    let cost = |time: &str| prices().cost_usd("deepseek-flash", &output, at(time)).unwrap();
    let peak = ["01:00:00", "03:59:59", "06:00:00", "09:59:59"];
    let quiet = ["00:59:59", "04:00:00", "05:59:59", "10:00:00", "23:00:00"];
    // Monday to Friday, then Saturday and Sunday.
    for day in ["2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"] {
        assert!(peak.iter().all(|time| cost(&format!("{day}T{time}Z")) == 1.2), "{day}");
        assert!(quiet.iter().all(|time| cost(&format!("{day}T{time}Z")) == 0.6), "{day}");
    }
    for day in ["2026-11-21", "2026-11-22"] {
        assert!(peak.iter().chain(&quiet).all(|time| cost(&format!("{day}T{time}Z")) == 0.6), "{day}");
    }
    // Early on Saturday in China it is still Friday in UTC.
    assert_eq!(cost("2026-11-21T09:30:00+08:00"), 0.6);
    assert_eq!(cost("2026-11-20T09:30:00+08:00"), 1.2);
}

#[test]
fn a_holiday_is_counted_at_the_higher_price() {
    let output = Usage { completion_tokens: 1_000_000, ..Usage::default() };
    close(prices().cost_usd("deepseek-flash", &output, at("2026-10-01T02:00:00Z")), 1.2);
}

#[test]
fn unknown_models_have_no_price() {
    for model in ["", "gpt-5-nano", "deepseek", "deepseek-flash-2", "Deepseek-Flash", "llama3"] {
        assert_eq!(prices().cost_usd(model, &MILLIONS, at(PEAK)), None, "{model}");
    }
}

#[test]
fn other_names_of_a_model_have_its_price_and_limits() {
    let flash = prices().cost_usd("deepseek-flash", &MILLIONS, at(PEAK));
    assert_eq!(prices().cost_usd("deepseek-v4-flash", &MILLIONS, at(PEAK)), flash);
    assert_eq!(prices().limits("deepseek-v4-flash"), Some(Limits { context: 1_000_000, max_output: 384_000 }));
    assert_eq!(prices().limits("deepseek-chat"), Some(Limits { context: 128_000, max_output: 8_000 }));
    assert_eq!(prices().limits("deepseek-reasoner"), Some(Limits { context: 128_000, max_output: 64_000 }));
    assert_eq!((prices().limits("gpt-5"), prices().limits("llama3")), (None, None));
}

#[test]
fn the_table_has_a_date_and_retired_names_a_successor() {
    assert_eq!(prices().as_of(), "2026-11");
    for (name, thinking) in [("deepseek-chat", false), ("deepseek-reasoner", true)] {
        let prices = prices();
        let successor = prices.successor(name).unwrap();
        assert_eq!((successor.model.as_str(), successor.thinking), ("deepseek-flash", thinking));
        assert_eq!(successor.since.to_string(), "2026-07-24");
    }
    assert_eq!(prices().successor("deepseek-flash"), None);
}

#[test]
fn texts_are_estimated_by_script() {
    assert_eq!(prices().estimated_tokens(""), 0);
    assert_eq!(prices().estimated_tokens(&"a".repeat(1000)), 300);
    assert_eq!(prices().estimated_tokens(&"漢".repeat(1000)), 600);
    assert_eq!(prices().estimated_tokens("é"), 1);
}

#[test]
fn hits_beyond_the_prompt_do_not_make_a_cost_negative() {
    let odd = Usage { prompt_tokens: 1, cache_hit_tokens: 5, ..Usage::default() };
    assert_eq!(odd.cache_miss_tokens(), 0);
    close(prices().cost_usd("gpt-5", &odd, at(PEAK)), 5.0 * 0.125 / 1e6);
}

#[test]
fn tables_that_are_not_consistent_are_refused() {
    let head = "as_of = \"2026-11\"\nbaseline = \"m\"\ntokens_per_character = { english = 0.3, chinese = 0.6 }\n";
    let price = "hit = 1, miss = 2, output = 3";
    let model = format!("[models.m]\nprice = {{ {price} }}\n");
    assert!(Prices::parse(&format!("{head}{model}")).is_ok());
    let unknown = |rest: &str| match Prices::parse(&format!("{head}{rest}")) {
        Err(PricesError::Unknown(name)) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(unknown(&model.replace("models.m", "models.n")), "m");
    assert_eq!(unknown(&format!("{model}peak = {{ hours = \"noon\", {price} }}\n")), "noon");
    let retired = "[retired.old]\nuse = \"new\"\nthinking = false\nsince = \"2026-01-01\"\n";
    assert_eq!(unknown(&format!("{model}{retired}")), "new");
    for wrong in
        ["", "as_of = 3", &format!("{head}{model}cost = 3\n"), &format!("{head}[models.m]\nprice = {{ hit = 1 }}\n")]
    {
        assert!(matches!(Prices::parse(wrong), Err(PricesError::Unreadable(_))), "{wrong}");
    }
}

#[test]
fn peak_hours_are_told_and_work_that_can_wait_is_told_until_when() {
    let next = |from: &str| prices().next_off_peak("deepseek-flash", at(from));
    let peak = |time: &str| prices().is_peak("deepseek-flash", at(time));
    // A Monday.
    for (from, until) in [
        ("2026-11-16T01:00:00Z", "2026-11-16T04:00:00Z"),
        ("2026-11-16T03:59:59.5Z", "2026-11-16T04:00:00Z"),
        ("2026-11-16T06:30:00Z", "2026-11-16T10:00:00Z"),
        ("2026-11-20T09:59:59Z", "2026-11-20T10:00:00Z"),
    ] {
        assert_eq!((peak(from), next(from)), (Some(true), Some(at(until))), "{from}");
    }
    for now in ["2026-11-16T00:59:59Z", "2026-11-16T04:00:00Z", "2026-11-16T05:59:59Z", "2026-11-21T02:00:00Z"] {
        assert_eq!((peak(now), next(now)), (Some(false), Some(at(now))), "{now}");
    }
}

#[test]
fn what_costs_the_same_at_all_times_has_no_peak_and_what_is_not_known_none_that_is_known() {
    for model in ["gpt-5", "deepseek-chat"] {
        assert_eq!(prices().is_peak(model, at(PEAK)), Some(false));
        assert_eq!(prices().next_off_peak(model, at(PEAK)), Some(at(PEAK)));
    }
    assert_eq!(prices().is_peak("llama3", at(PEAK)), None);
    assert_eq!(prices().next_off_peak("llama3", at(PEAK)), None);
}

#[test]
fn hours_that_touch_are_one_peak_and_one_without_end_has_no_end() {
    let table = |hours: &str| {
        let price = "hit = 1, miss = 2, output = 3";
        Prices::parse(&format!(
            "as_of = \"2026-11\"\nbaseline = \"m\"\ntokens_per_character = {{ english = 0.3, chinese = 0.6 }}\n\
             [peak_hours.x]\nhours = {hours}\n\
             [models.m]\nprice = {{ {price} }}\npeak = {{ hours = \"x\", {price} }}\n"
        ))
        .unwrap()
    };
    let two = table("[[1, 4], [4, 6], [22, 24]]");
    assert_eq!(two.next_off_peak("m", at("2026-11-16T02:00:00Z")), Some(at("2026-11-16T06:00:00Z")));
    assert_eq!(two.next_off_peak("m", at("2026-11-16T22:00:00Z")), Some(at("2026-11-17T00:00:00Z")));
    // Only the weekend is cheap.
    let days = table("[[0, 24]]");
    assert_eq!(days.next_off_peak("m", at("2026-11-16T00:00:00Z")), Some(at("2026-11-21T00:00:00Z")));
    assert_eq!(days.next_off_peak("m", Timestamp::MAX), None);
}

#[test]
fn names_of_one_model_are_known_as_such() {
    let prices = prices();
    assert!(prices.is_one_model("deepseek-flash", "deepseek-v4-flash"));
    assert!(!prices.is_one_model("deepseek-flash", "deepseek-v4-pro"));
    assert!(!prices.is_one_model("llama3", "llama3"), "the table does not know it");
}

#[test]
fn an_operators_own_prices_take_the_place_of_those_of_the_list() {
    let own = r#"
        [models.mine]
        price = { hit = 0.0, miss = 0.0, output = 0.0 }
        [models.deepseek-v4-flash]
        price = { hit = 1.0, miss = 1.0, output = 1.0 }
    "#;
    let prices = Prices::bundled().unwrap().with_own(own).unwrap();
    let usage = Usage { prompt_tokens: 1_000_000, completion_tokens: 0, ..Usage::default() };
    let cost = |model: &str| prices.cost_usd(model, &usage, "2026-11-28T00:00:00Z".parse().unwrap());
    assert_eq!([cost("mine"), cost("deepseek-v4-flash"), cost("nobody's")], [Some(0.0), Some(1.0), None]);
    assert_eq!(cost("deepseek-flash"), Some(0.15), "the name that was shared is the new one's alone");
    for (wrong, told) in [
        ("baseline = \"nobody\"", "nobody"),
        ("[models.x]\nprice = 3", "price"),
        (
            "[models.x]\nprice = { hit = 0.0, miss = 0.0, output = 0.0 }\npeak = { hours = \"x\", hit = 0.0, miss = 0.0, output = 0.0 }",
            "`x`",
        ),
        ("surprise = 1", "surprise"),
    ] {
        let refused = Prices::bundled().unwrap().with_own(wrong).unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
}
