//! What a call costs: the table in `prices.toml`, and the sums over it.

use std::collections::BTreeMap;

use jiff::{
    Timestamp,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::Deserialize;

use super::Usage;

const BUNDLED: &str = include_str!("prices.toml");
const HOURS_OF_A_WEEK: usize = 7 * 24;

/// The table of prices cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// It is not TOML of the right shape.
    #[error("the table of prices cannot be read: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// It speaks of a model or of peak hours that it does not have.
    #[error("the table of prices names `{0}`, which it does not have")]
    Unknown(String),
}

/// What models cost and hold: data with a date.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    as_of: String,
    baseline: String,
    tokens_per_character: TokensPerCharacter,
    #[serde(default)]
    peak_hours: BTreeMap<String, PeakHours>,
    models: BTreeMap<String, Model>,
    #[serde(default)]
    retired: BTreeMap<String, Successor>,
}

/// What an operator says of prices.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    baseline: Option<String>,
    #[serde(default)]
    peak_hours: BTreeMap<String, PeakHours>,
    #[serde(default)]
    models: BTreeMap<String, Model>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensPerCharacter {
    english: f64,
    chinese: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeakHours {
    hours: Vec<(i8, i8)>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    /// Other names that are served and billed as this one.
    #[serde(default)]
    also: Vec<String>,
    context: Option<u32>,
    max_output: Option<u32>,
    price: Price,
    peak: Option<Peak>,
}

/// US dollars for a million tokens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    hit: f64,
    miss: f64,
    output: f64,
}

#[derive(Debug, Clone, Deserialize)]
struct Peak {
    hours: String,
    #[serde(flatten)]
    price: Price,
}

/// What became of a retired name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Successor {
    /// The name to send in its place.
    #[serde(rename = "use")]
    pub model: String,
    /// Whether the old name meant thinking.
    pub thinking: bool,
    /// The day on which the provider stopped answering to it.
    pub since: Date,
}

/// How much a model takes and gives, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Input and output together.
    pub context: u32,
    /// Output, with thoughts.
    pub max_output: u32,
}

impl Prices {
    /// The table that comes with this version.
    ///
    /// # Errors
    /// Never with the table as it is; a test holds it to that.
    pub fn bundled() -> Result<Self, PricesError> {
        Self::parse(BUNDLED)
    }

    /// A table in the format of `prices.toml`.
    ///
    /// # Errors
    /// When it cannot be read or is not consistent.
    pub fn parse(text: &str) -> Result<Self, PricesError> {
        toml::from_str::<Self>(text)?.consistent()
    }

    fn consistent(self) -> Result<Self, PricesError> {
        let prices = self;
        let successors = prices.retired.values().map(|successor| &successor.model);
        let unknown_model = successors.chain([&prices.baseline]).find(|name| !prices.models.contains_key(*name));
        let mut peaks = prices.models.values().filter_map(|model| model.peak.as_ref()).map(|peak| &peak.hours);
        let unknown_hours = peaks.find(|hours| !prices.peak_hours.contains_key(*hours));
        match unknown_model.or(unknown_hours) {
            Some(name) => Err(PricesError::Unknown(name.clone())),
            None => Ok(prices),
        }
    }

    /// This table with what an operator's own says: tables of models and of peak hours in the same format, which take the place of
    /// those of the same name here, and the baseline where it names one.
    ///
    /// # Errors
    /// When it cannot be read, or the two together are not consistent.
    pub fn with_own(self, text: &str) -> Result<Self, PricesError> {
        let own: Own = toml::from_str(text)?;
        let mut prices = self;
        prices.baseline = own.baseline.unwrap_or(prices.baseline);
        prices.peak_hours.extend(own.peak_hours);
        // A name that was another one's too is now this one's alone.
        for name in own.models.keys().chain(own.models.values().flat_map(|model| &model.also)) {
            prices.models.values_mut().for_each(|model| model.also.retain(|other| other != name));
        }
        prices.models.extend(own.models);
        prices.consistent()
    }

    /// The month in which the prices were taken from the providers' pages, such as `2026-11`.
    #[must_use]
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// What a call cost, in US dollars, from the tokens that the provider counted; thoughts are billed as output.
    ///
    /// `model` is a name as it is sent or as a server reports it. `at` is the moment of the call, which decides over
    /// peak prices. Those hold on weekdays; on a Chinese public holiday the provider does not ask for them, and the
    /// cost given here is then too high, never too low.
    ///
    /// `None` when the model has no known price: say so, a guess would be worse.
    #[must_use]
    pub fn cost_usd(&self, model: &str, usage: &Usage, at: Timestamp) -> Option<f64> {
        let model = self.model(model)?;
        let peak = model.peak.as_ref().filter(|peak| self.is_within(&peak.hours, at)).map(|peak| peak.price);
        Some(peak.unwrap_or(model.price).of(usage))
    }

    /// Whether a call costs more at this moment than at others; never for a model that costs the same at all times.
    /// `None` when the model has no known price.
    #[must_use]
    pub fn is_peak(&self, model: &str, at: Timestamp) -> Option<bool> {
        let model = self.model(model)?;
        Some(model.peak.as_ref().is_some_and(|peak| self.is_within(&peak.hours, at)))
    }

    /// The first moment from `at` on that is not at peak hours: when work that can wait may begin at the low price.
    /// `None` when the model has no known price.
    #[must_use]
    pub fn next_off_peak(&self, model: &str, at: Timestamp) -> Option<Timestamp> {
        let Some(peak) = &self.model(model)?.peak else { return Some(at) };
        let mut start = at;
        // Hours that touch are one peak; no peak goes on over a weekend.
        for _ in 0..HOURS_OF_A_WEEK {
            if !self.is_within(&peak.hours, start) {
                return Some(start);
            }
            start = next_hour(start)?;
        }
        None
    }

    /// What the same tokens would have cost at the model that answers are compared with ([`Self::baseline_model`]), in
    /// US dollars, had its cache been hit as often.
    #[must_use]
    pub fn baseline_cost_usd(&self, usage: &Usage) -> f64 {
        self.models.get(&self.baseline).map_or(0.0, |model| model.price.of(usage))
    }

    /// The model that answers are compared with.
    #[must_use]
    pub fn baseline_model(&self) -> &str {
        &self.baseline
    }

    /// What a retired name means today; `None` for names that are not retired.
    #[must_use]
    pub fn successor(&self, name: &str) -> Option<&Successor> {
        self.retired.get(name)
    }

    /// Whether two names are of one model, by the table.
    #[must_use]
    pub fn is_one_model(&self, name: &str, other: &str) -> bool {
        matches!((self.model(name), self.model(other)), (Some(one), Some(other)) if std::ptr::eq(one, other))
    }

    /// How much a model takes and gives; `None` when that is not known.
    #[must_use]
    pub fn limits(&self, model: &str) -> Option<Limits> {
        let model = self.model(model)?;
        Some(Limits { context: model.context?, max_output: model.max_output? })
    }

    /// About how many tokens a text has, to plan ahead: a rough figure by the provider's rule of thumb, never one to
    /// state a cost by. Characters beyond the Latin, Greek and Cyrillic scripts count as Chinese ones.
    #[must_use]
    pub fn estimated_tokens(&self, text: &str) -> u64 {
        let rates = &self.tokens_per_character;
        let characters = text.chars().count();
        let alphabetic = text.chars().filter(|c| *c < '\u{590}').count();
        let tokens = alphabetic as f64 * rates.english + (characters - alphabetic) as f64 * rates.chinese;
        tokens.ceil() as u64
    }

    fn model(&self, name: &str) -> Option<&Model> {
        let by_other_name = || self.models.values().find(|model| model.also.iter().any(|other| other == name));
        self.models.get(name).or_else(by_other_name)
    }

    fn is_within(&self, hours: &str, at: Timestamp) -> bool {
        let utc = at.to_zoned(TimeZone::UTC);
        let weekend = matches!(utc.weekday(), Weekday::Saturday | Weekday::Sunday);
        let within = |&(from, until): &(i8, i8)| (from..until).contains(&utc.hour());
        !weekend && self.peak_hours.get(hours).is_some_and(|peak| peak.hours.iter().any(within))
    }
}

fn next_hour(at: Timestamp) -> Option<Timestamp> {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(3600) + 3600).ok()
}

impl Price {
    fn of(self, usage: &Usage) -> f64 {
        let million = |tokens: u64| tokens as f64 / 1e6;
        million(usage.cache_hit_tokens) * self.hit
            + million(usage.cache_miss_tokens()) * self.miss
            + million(usage.completion_tokens) * self.output
    }
}
