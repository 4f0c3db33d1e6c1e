//! Which models are asked for which step, as the configuration says.

use std::sync::Arc;
use std::time::Duration;

use crate::agent::desk::{Models, Seat};
use crate::config::{Config, Policy, Provider, ProviderName, optional_secret};
use crate::llm::{self, Breaker, BreakerSettings, ChatModel, LlmError, OPENAI_URL, ProviderSettings};

/// The models of the configuration.
///
/// # Errors
/// When a provider that is to be asked cannot be, as it is set up.
pub(super) fn models(config: &Config) -> Result<Models, LlmError> {
    let llm = &config.settings.llm;
    let mut set_up: Vec<ProviderName> = Vec::new();
    for name in &llm.order {
        if is_set_up(config, *name) && !set_up.contains(name) {
            set_up.push(*name);
        }
    }
    let asked = match llm.policy {
        Policy::Quote => Vec::new(),
        Policy::Deepseek => vec![ProviderName::Deepseek],
        Policy::Openai => vec![ProviderName::Openai],
        Policy::Single => set_up.into_iter().take(1).collect(),
        Policy::Auto | Policy::Fallback | Policy::Hybrid => set_up,
    };
    let mut models = Models::default();
    for name in asked {
        let provider = section(config, name);
        let breaker = Arc::new(Breaker::new(BreakerSettings {
            failures: llm.breaker_failures,
            first_pause: Duration::from_secs(llm.breaker_pause_s),
            ..BreakerSettings::default()
        }));
        let cheap = seat(config, name, &provider.model, &breaker)?;
        let strong = match llm.policy {
            Policy::Hybrid => seat(config, name, &provider.strong_model, &breaker)?,
            _ => cheap.clone(),
        };
        models.cheap.push(cheap);
        models.strong.push(strong);
    }
    Ok(models)
}

/// One model for every step, named `PROVIDER:MODEL`.
///
/// # Errors
/// When there is no such provider, or it cannot be asked as it is set up.
pub(super) fn named(config: &Config, name: &str) -> Result<Models, String> {
    let (provider, model) = name.split_once(':').unwrap_or((name, ""));
    let provider = match provider.trim() {
        "deepseek" => ProviderName::Deepseek,
        "openai" => ProviderName::Openai,
        _ => return Err("it must be deepseek:NAME or openai:NAME".to_owned()),
    };
    let model = Some(model.trim()).filter(|model| !model.is_empty());
    let model = model.unwrap_or(&section(config, provider).model);
    let seat = seat(config, provider, model, &Arc::new(Breaker::default())).map_err(|fault| fault.to_string())?;
    Ok(Models { cheap: vec![seat.clone()], strong: vec![seat] })
}

fn section(config: &Config, name: ProviderName) -> &Provider {
    match name {
        ProviderName::Deepseek => &config.settings.llm.deepseek,
        ProviderName::Openai => &config.settings.llm.openai,
    }
}

/// Whether somebody has made a provider ready to be asked: with a key, or, where a server needs none, with its address.
fn is_set_up(config: &Config, name: ProviderName) -> bool {
    let provider = section(config, name);
    let own = name == ProviderName::Openai && provider.base_url.trim_end_matches('/') != OPENAI_URL;
    own || optional_secret(&provider.api_key).is_some()
}

fn seat(config: &Config, name: ProviderName, model: &str, breaker: &Arc<Breaker>) -> Result<Seat, LlmError> {
    let llm = &config.settings.llm;
    let provider = section(config, name);
    let key = optional_secret(&provider.api_key);
    let mut settings = ProviderSettings::new(provider.base_url.clone(), key, model.to_owned());
    settings.idle_timeout = Duration::from_secs(llm.idle_timeout_s);
    settings.max_retries = llm.max_retries;
    let model: Arc<dyn ChatModel> = match name {
        ProviderName::Deepseek => llm::deepseek(settings)?,
        ProviderName::Openai => llm::openai_compatible(settings)?,
    };
    Ok(Seat { model, breaker: Arc::clone(breaker) })
}
