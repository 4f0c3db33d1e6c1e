//! OpenAI's chat format as it is sent and received, with DeepSeek's additions.
//!
//! What is received is read leniently: servers leave out what they do not know, and add what we do not.

mod answer;
mod request;

pub(crate) use answer::{
    Answer, Arguments, CallPart, Choice, Code, ErrorBody, ErrorObject, ModelList, Parts, WireUsage,
};
pub(crate) use request::{Request, Turn, Typed};
