//! What errors say, and what they keep to themselves.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{KEY, who};
use crate::llm::{
    LlmError, Usage,
    rejection::{Refusal, retry_after},
    who::scrub,
};

fn refused(status: u16, body: &str) -> LlmError {
    Refusal { status, retry_after: None, body: body.as_bytes().to_vec() }.into_error(&who(KEY))
}

#[test]
fn the_message_of_an_error_is_found_in_every_known_shape() {
    let bodies = [
        "{\"error\": {\"message\": \"no such thing\", \"type\": \"x\", \"code\": 400}}",
        "{\"error\": \"no such thing\"}",
        "{\"message\": \"no such thing\", \"object\": \"error\", \"type\": \"BadRequestError\", \"code\": 400}",
        "{\"detail\": \"no such thing\"}",
        "no such thing",
        "\n no such\nthing \n",
    ];
    for body in bodies {
        let message = "no such thing (status 400)".to_owned();
        assert_eq!(refused(400, body), LlmError::BadRequest { provider: "deepseek".to_owned(), message }, "{body}");
    }
}

#[test]
fn bodies_without_a_message_are_quoted_as_they_are() {
    let message_of = |error: LlmError| match error {
        LlmError::BadRequest { message, .. } => message,
        other => panic!("{other}"),
    };
    assert_eq!(message_of(refused(400, "")), "status 400 without a word (status 400)");
    assert_eq!(message_of(refused(400, "{\"detail\": [1]}")), "{\"detail\": [1]} (status 400)");
    assert_eq!(message_of(refused(400, "<p>x")), "an HTML page (status 400)");
    let page = "<html><title> Bad Request </title></html>";
    assert_eq!(message_of(refused(400, page)), "an HTML page, \"Bad Request\" (status 400)");
    assert_eq!(message_of(refused(400, &"€".repeat(999))).chars().count(), 301);
}

#[test]
fn each_status_has_its_remedy() {
    let table = [
        (301, "misconfigured"),
        (400, "bad_request"),
        (401, "unauthorized"),
        (402, "out_of_credit"),
        (403, "unauthorized"),
        (404, "bad_request"),
        (408, "transient"),
        (409, "transient"),
        (413, "context_too_long"),
        (418, "bad_request"),
        (422, "bad_request"),
        (425, "transient"),
        (429, "rate_limited"),
        (500, "transient"),
        (502, "transient"),
        (503, "overloaded"),
        (504, "transient"),
        (529, "overloaded"),
    ];
    for (status, kind) in table {
        assert_eq!(refused(status, "").kind(), kind, "{status}");
    }
}

#[test]
fn each_way_to_speak_of_a_full_context_is_understood() {
    let ways = [
        "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens",
        "Requested tokens (2100) exceed context window of 2048",
        "the request exceeds the available context size, try increasing it",
        "The prompt is too long: 9000, model maximum 8192",
    ];
    for way in ways {
        assert_eq!(
            refused(400, &format!("{{\"error\": {{\"message\": \"{way}\"}}}}")).kind(),
            "context_too_long",
            "{way}"
        );
    }
    assert_eq!(refused(500, "lost the context window").kind(), "transient");
}

#[test]
fn keys_and_their_remains_are_taken_out() {
    let cases = [
        (format!("key {KEY} is wrong"), "key [key] is wrong"),
        (format!("'{KEY}'"), "'[key]'"),
        ("provided: sk-01234*****ghij. You can".to_owned(), "provided: [key] You can"),
        ("Your api key: ****ghij is invalid".to_owned(), "Your api key: [key] is invalid"),
        ("ends in ghij, sorry".to_owned(), "ends in [key] sorry"),
        ("begins with 456789".to_owned(), "begins with [key]"),
        ("another sk-proj-1 too".to_owned(), "another [key] too"),
        ("nothing to hide, with 5 * 3 = 15".to_owned(), "nothing to hide, with 5 * 3 = 15"),
    ];
    for (said, shown) in cases {
        assert_eq!(scrub(&said, KEY), shown);
    }
    assert_eq!(scrub("no key at all", ""), "no key at all");
}

proptest::proptest! {
    #[test]
    fn no_key_of_any_kind_survives(key in "[ -~]{8,40}", before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
        let key = key.trim();
        proptest::prop_assume!(key.len() >= 8 && !"[key]".contains(key));
        let shown = scrub(&format!("{before}{key}{after}"), key);
        proptest::prop_assert!(!shown.contains(key), "{}", shown);
    }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

#[test]
fn a_pause_is_read_in_every_form() {
    let at = "Sun, 06 Nov 1994 08:49:37 GMT";
    let later = "Sun, 06 Nov 1994 08:51:07 GMT";
    assert_eq!(retry_after(&headers(&[("retry-after", "20")])), Some(Duration::from_secs(20)));
    assert_eq!(retry_after(&headers(&[("retry-after", " 0.5 ")])), Some(Duration::from_millis(500)));
    assert_eq!(
        retry_after(&headers(&[("retry-after-ms", "250"), ("retry-after", "9")])),
        Some(Duration::from_millis(250))
    );
    assert_eq!(retry_after(&headers(&[("retry-after", later), ("date", at)])), Some(Duration::from_secs(90)));
    assert_eq!(retry_after(&headers(&[("retry-after", at), ("date", later)])), Some(Duration::ZERO));
    for odd in ["", "soon", "-3", "1e999", "NaN"] {
        assert_eq!(retry_after(&headers(&[("retry-after", odd)])), None, "{odd}");
    }
    assert_eq!(retry_after(&headers(&[("retry-after", later)])), None);
    assert_eq!(retry_after(&headers(&[])), None);
}

#[test]
fn errors_say_what_to_do() {
    let provider = || "deepseek".to_owned();
    let message = || "why".to_owned();
    let pause = Some(Duration::from_millis(1500));
    let cases = [
        (
            LlmError::RateLimited { provider: provider(), retry_after: pause, message: message() },
            "deepseek has had too many requests from this account and asks for a pause of 1.5 s: why",
        ),
        (
            LlmError::Stalled { provider: provider(), silent_for: Duration::from_secs(120) },
            "deepseek has sent nothing for 120 s and was given up",
        ),
        (
            LlmError::Unauthorized {
                provider: provider(),
                setting: "llm.deepseek.api_key".to_owned(),
                message: message(),
            },
            "deepseek does not accept the key; set llm.deepseek.api_key to a valid one: why",
        ),
        (
            LlmError::Unreachable { provider: provider(), address: "http://a:1".to_owned(), message: message() },
            "deepseek cannot be reached at http://a:1: why",
        ),
    ];
    for (error, said) in cases {
        assert_eq!(error.to_string(), said);
    }
}

#[test]
fn only_an_unusable_answer_has_a_price() {
    let usage = Usage { prompt_tokens: 3, cache_hit_tokens: 2, completion_tokens: 1, reasoning_tokens: 1 };
    let unusable = |usage| LlmError::Unusable { provider: String::new(), message: String::new(), usage };
    let doubled = Usage { prompt_tokens: 6, cache_hit_tokens: 4, completion_tokens: 2, reasoning_tokens: 2 };
    assert_eq!(unusable(Some(usage)).with_wasted(usage).usage(), Some(doubled));
    assert_eq!(unusable(None).with_wasted(usage).usage(), None);
    assert_eq!(refused(500, "").with_wasted(usage).usage(), None);
}
