//! What an answer of any of arXiv's interfaces means before it is read.

use jiff::Timestamp;

use super::parse;
use crate::IngestError;
use crate::http::Answer;
use crate::text::{describe, excerpt};

/// Whether the answer is worth reading. `setting` names where the address comes from, for errors.
///
/// # Errors
/// [`IngestError::RateLimited`] for each of the three ways in which arXiv says "wait", [`IngestError::Transient`]
/// when it failed or sent nothing, else [`IngestError::Refused`] in its own words.
pub(super) fn check(answer: &Answer, seen: Timestamp, setting: &str) -> Result<(), IngestError> {
    match answer.status {
        200 if answer.body.trim_ascii().is_empty() => {
            Err(IngestError::Transient { what: "arXiv sent an empty answer; ask again later".to_owned() })
        }
        200 => Ok(()),
        406 | 429 | 503 => Err(IngestError::RateLimited { retry_after: answer.retry_after }),
        408 | 500..=599 => Err(IngestError::Transient { what: format!("arXiv failed with HTTP {}", answer.status) }),
        status => Err(refusal(answer, seen, setting).with_status(status)),
    }
}

/// arXiv says what is wrong in a feed of one entry or in its harvesting protocol; others on the way say it in their
/// own form.
fn refusal(answer: &Answer, seen: Timestamp, setting: &str) -> IngestError {
    if let Some(place) = &answer.location {
        return IngestError::refused(format!("sent on to {place}; if that is right, set {setting} to it"));
    }
    match parse(&answer.body, seen) {
        Err(refused @ IngestError::Refused { .. }) => refused,
        _ if describe(&answer.body) == "an HTML page" => {
            IngestError::refused(format!("by an HTML page; check {setting}"))
        }
        _ => {
            let said = excerpt(&String::from_utf8_lossy(&answer.body), 200);
            IngestError::refused(format!("arXiv says: {said}; check the query and {setting}"))
        }
    }
}
