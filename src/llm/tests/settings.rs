//! Settings that can and cannot be used.

use secrecy::SecretString;

use super::KEY;
use crate::llm::{
    LlmError, ProviderSettings,
    openai::NAMES,
    settings::{Checked, below},
};

fn checked(base: &str, key: &str, model: &str) -> Result<Checked, LlmError> {
    Checked::new(&ProviderSettings::new(base, Some(SecretString::from(key)), model), &NAMES)
}

fn blamed(base: &str, key: &str, model: &str) -> String {
    match checked(base, key, model).err() {
        Some(LlmError::Misconfigured { setting, .. }) => setting,
        other => panic!("{other:?}"),
    }
}

#[test]
fn addresses_that_are_none_are_refused_by_name() {
    for base in ["", "api.openai.com/v1", "ftp://host/", "http://", "file:///etc", "nonsense"] {
        assert_eq!(blamed(base, KEY, "m"), "llm.openai.base_url", "{base}");
    }
}

#[test]
fn a_model_must_be_named() {
    assert_eq!(blamed("http://localhost", KEY, " "), "llm.openai.model");
}

#[test]
fn keys_that_cannot_be_sent_are_refused_without_being_shown() {
    for key in ["sk-ab cd", "sk-ab\ncd", "sk-äb"] {
        assert_eq!(blamed("http://localhost", key, "m"), "llm.openai.api_key (or OPENAI_API_KEY)");
        let error = checked("http://localhost", key, "m").err().unwrap();
        assert!(!format!("{error:?}").contains("sk-"));
    }
}

#[test]
fn the_line_end_of_a_key_file_is_no_part_of_the_key() {
    use secrecy::ExposeSecret;
    let key = checked("http://localhost", "  sk-1\r\n", "m").unwrap().who.key.unwrap();
    assert_eq!(key.expose_secret(), "sk-1");
}

#[test]
fn settings_do_not_show_their_key() {
    let shown = format!("{:?}", ProviderSettings::new("http://localhost", Some(SecretString::from(KEY)), "m"));
    assert!(shown.contains("localhost") && !shown.contains(KEY), "{shown}");
}

#[test]
fn the_address_in_errors_has_no_user_path_or_query() {
    let checked = checked("https://user:secret@host.example:8443/v1?key=1", KEY, "m").unwrap();
    assert_eq!(checked.who.address, "https://host.example:8443");
    assert_eq!(below(&checked.base, &["models"]).path(), "/v1/models");
    assert!(!checked.own);
}

/// DeepSeek lets a request wait for up to 10 minutes and ends a connection after 30.
#[test]
fn the_usual_times_end_before_the_providers_own() {
    let usual = ProviderSettings::new("http://localhost", None, "m");
    assert!(usual.first_word_timeout < std::time::Duration::from_secs(10 * 60));
    assert!(usual.deadline < std::time::Duration::from_secs(30 * 60));
}

#[test]
fn a_time_without_end_is_allowed() {
    let forever = std::time::Duration::MAX;
    let settings = ProviderSettings {
        deadline: forever,
        idle_timeout: forever,
        ..ProviderSettings::new("http://localhost", None, "m")
    };
    let checked = Checked::new(&settings, &NAMES).unwrap();
    let transport = crate::llm::transport::Transport::new(&settings, checked.who, &checked.base).unwrap();
    assert!(transport.deadline() > tokio::time::Instant::now());
}
