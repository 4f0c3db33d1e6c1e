//! Every recorded answer of DeepSeek's chat API, played back to the client and read a second time without it.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    KEY, Kind, all, call, question, quick,
    reader::read_in_pieces,
    server::{Reply, Server},
    who,
};
use crate::llm::{
    ChatEvent, ChatReply, FinishReason, LlmError, ProviderKind, ProviderSettings, ToolCall, Usage, available_models,
    reader::Reader, rejection::Refusal, reply::Collector,
};

/// A line of the manifest.
#[derive(Debug, Deserialize)]
struct Recording {
    file: String,
    url: String,
    status: u16,
}

impl Recording {
    fn body(&self, shared: &Path) -> Vec<u8> {
        std::fs::read(shared.join("api").join(&self.file)).unwrap()
    }

    fn is_chat(&self) -> bool {
        self.file.starts_with("deepseek/") && self.url.ends_with("/chat/completions")
    }
}

/// The folder of recordings: `LECTERN_SHARED`, or `shared` beside the checkout.
#[allow(clippy::disallowed_methods)]
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("LECTERN_SHARED").map_or_else(beside, PathBuf::from);
    let found = folder.join("api/manifest.jsonl").is_file();
    if !found {
        eprintln!("SKIPPED: there are no recordings at {}; set LECTERN_SHARED", folder.display());
    }
    found.then_some(folder)
}

fn recordings(shared: &Path) -> Vec<Recording> {
    let manifest = std::fs::read_to_string(shared.join("api/manifest.jsonl")).unwrap();
    let all = manifest.lines().map(|line| serde_json::from_str::<Recording>(line).unwrap());
    all.filter(|recording| recording.file.starts_with("deepseek/")).collect()
}

/// What a recording says, read the plain way: line by line, field by field.
fn expected(body: &[u8]) -> ChatReply {
    let text = std::str::from_utf8(body).unwrap();
    let answers: Vec<Value> = if text.trim_start().starts_with('{') {
        vec![serde_json::from_str(text).unwrap()]
    } else {
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
    };
    let joined = |field: &str| -> String {
        let said = |answer: &Value| {
            let choice = &answer["choices"][0];
            let part = choice.get("message").or(choice.get("delta")).unwrap();
            part[field].as_str().unwrap_or_default().to_owned()
        };
        answers.iter().map(said).collect()
    };
    let finish = answers.iter().find_map(|answer| answer["choices"][0]["finish_reason"].as_str()).unwrap();
    let usage = &answers.iter().rfind(|answer| answer["usage"].is_object()).unwrap()["usage"];
    let model = answers.last().unwrap()["model"].as_str().unwrap();
    let prompt = usage["prompt_tokens"].as_u64().unwrap();
    let hit = usage["prompt_cache_hit_tokens"].as_u64().unwrap();
    assert_eq!(hit + usage["prompt_cache_miss_tokens"].as_u64().unwrap(), prompt);
    let mut tool_calls = expected_calls(&answers);
    if finish == "length" {
        tool_calls.retain(|call| serde_json::from_str::<Value>(&call.arguments).is_ok());
    }
    ChatReply {
        text: joined("content"),
        reasoning: joined("reasoning_content"),
        tool_calls,
        finish: match finish {
            "stop" => FinishReason::Stop,
            "length" => FinishReason::Length,
            "tool_calls" => FinishReason::ToolCalls,
            other => panic!("{other}"),
        },
        usage: Some(Usage {
            prompt_tokens: prompt,
            cache_hit_tokens: hit,
            completion_tokens: usage["completion_tokens"].as_u64().unwrap(),
            reasoning_tokens: usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0),
        }),
        model: model.to_owned(),
    }
}

/// DeepSeek numbers the calls and gives each piece its number.
fn expected_calls(answers: &[Value]) -> Vec<ToolCall> {
    let mut calls: Vec<ToolCall> = Vec::new();
    for answer in answers {
        let choice = &answer["choices"][0];
        let said = choice.get("message").or(choice.get("delta")).unwrap();
        for piece in said["tool_calls"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let n = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
            if n == calls.len() {
                calls.push(call(&text(&piece["id"]), &text(&piece["function"]["name"]), ""));
            }
            calls[n].arguments += &text(&piece["function"]["arguments"]);
        }
    }
    calls
}

#[tokio::test]
async fn recorded_answers_are_read_as_they_are() {
    let Some(shared) = shared() else { return };
    let answers: Vec<_> =
        recordings(&shared).into_iter().filter(|recording| recording.is_chat() && recording.status == 200).collect();
    let bodies: Vec<_> = answers.iter().map(|answer| answer.body(&shared)).collect();
    let replies = answers.iter().zip(&bodies).map(|(answer, body)| {
        if answer.file.ends_with(".sse") { Reply::sse(body.clone()) } else { Reply::json(body.clone()) }
    });
    let server = Server::playing(replies.clone().chain(replies)).await;
    let model = Kind::DeepSeek.at(&server.address);
    for (answer, body) in answers.iter().zip(&bodies) {
        assert_eq!(model.complete(&question()).await.unwrap(), expected(body), "{}", answer.file);
    }
    for (answer, body) in answers.iter().zip(&bodies) {
        let mut collector = Collector::default();
        for event in all(&*model, &question()).await {
            collector.add(event.unwrap());
        }
        let expected = expected(body);
        assert_eq!(collector.into_reply(expected.model.clone()), Some(expected), "{}", answer.file);
    }
    assert!(answers.len() > 180, "only {} answers were found", answers.len());
}

/// Pieces of one byte are a cut at every place.
#[test]
fn recorded_answers_are_the_same_however_they_are_split() {
    let Some(shared) = shared() else { return };
    for answer in recordings(&shared).iter().filter(|recording| recording.is_chat() && recording.status == 200) {
        let body = answer.body(&shared);
        let whole = read_in_pieces(&body, false, &[usize::MAX]);
        assert_eq!(whole.1, None, "{}", answer.file);
        assert_eq!(read_in_pieces(&body, false, &[1]), whole, "{}", answer.file);
        assert_eq!(read_in_pieces(&body, false, &[3, 1000, 17]), whole, "{}", answer.file);
    }
}

/// Whatever is missing from the end of a recorded stream, it is either whole or known not to be. It is tried what would
/// be if it ended there: at each byte towards its end, where the reason to stop stands, and at every 97th before.
#[test]
fn recorded_streams_that_are_cut_are_never_taken_for_whole() {
    let Some(shared) = shared() else { return };
    let all = recordings(&shared);
    let streams = all.iter().filter(|recording| recording.is_chat() && recording.file.ends_with(".sse"));
    let mut cuts = 0;
    for stream in streams {
        let body = stream.body(&shared);
        let text = String::from_utf8_lossy(&body);
        let reason_at = text.find("\"finish_reason\":\"").unwrap();
        let (mut reader, mut out) = (Reader::new(who(KEY), false), VecDeque::new());
        for (cut, byte) in body.iter().enumerate() {
            if reader.is_done() {
                break;
            }
            if cut % 97 == 0 || cut + 1000 > body.len() {
                match reader.clone().finish(&mut VecDeque::new()) {
                    Ok(()) => assert!(cut > reason_at, "{} cut at {cut}", stream.file),
                    Err(LlmError::Incomplete { .. }) => {}
                    Err(other) => panic!("{} cut at {cut}: {other}", stream.file),
                }
                cuts += 1;
            }
            reader.push(&[*byte], &mut out).unwrap();
        }
        assert!(reader.is_done(), "{}", stream.file);
    }
    assert!(cuts > 80_000, "only {cuts} cuts were made");
}

/// The calls that were recorded, as a whole: where a limit cut in, none that is not all there.
#[test]
fn recorded_tool_calls_come_out_whole() {
    let Some(shared) = shared() else { return };
    let mut seen = std::collections::BTreeMap::new();
    for answer in recordings(&shared).iter().filter(|recording| recording.is_chat() && recording.status == 200) {
        let (events, _) = read_in_pieces(&answer.body(&shared), false, &[usize::MAX]);
        let calls = events.iter().find_map(|event| match event {
            ChatEvent::ToolCalls(calls) => Some(calls.as_slice()),
            _ => None,
        });
        let calls = calls.unwrap_or_default();
        for call in calls {
            assert!(serde_json::from_str::<Value>(&call.arguments).unwrap().is_object(), "{}", answer.file);
            assert!(call.id.starts_with("call_") && !call.name.is_empty(), "{}", answer.file);
        }
        let Some(ChatEvent::Finish { reason, .. }) = events.last() else { panic!("{}", answer.file) };
        *seen.entry((answer.file.ends_with(".sse"), format!("{reason:?}"), calls.len())).or_insert(0) += 1;
    }
    let seen: Vec<_> = seen.iter().map(|((stream, reason, n), times)| (*stream, reason.as_str(), *n, *times)).collect();
    let expected = [
        (false, "Length", 0, 18),
        (false, "Length", 1, 1),
        (false, "Stop", 0, 47),
        (false, "ToolCalls", 1, 37),
        (false, "ToolCalls", 2, 6),
        (true, "Length", 0, 19),
        (true, "Length", 1, 1),
        (true, "Stop", 0, 34),
        (true, "ToolCalls", 1, 15),
        (true, "ToolCalls", 2, 6),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn recorded_errors_have_their_remedy() {
    let Some(shared) = shared() else { return };
    let mut seen = std::collections::BTreeMap::new();
    for error in recordings(&shared).into_iter().filter(|recording| recording.status != 200) {
        let refusal = Refusal { status: error.status, retry_after: None, body: error.body(&shared) };
        let said = refusal.into_error(&who(KEY));
        let expected = match error.status {
            400 | 422 => "bad_request",
            401 => "unauthorized",
            other => panic!("{other} is not known here"),
        };
        assert_eq!(said.kind(), expected, "{}: {said}", error.file);
        assert!(!said.to_string().contains("****"), "{said}");
        *seen.entry(error.status).or_insert(0) += 1;
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(400, 11), (401, 3), (422, 1)]);
}

/// Error bodies that users quoted in public.
#[test]
fn reported_errors_have_their_remedy() {
    #[derive(Deserialize)]
    struct Reported {
        service: String,
        status: u16,
        body: Option<String>,
    }
    let Some(shared) = shared() else { return };
    let lines = std::fs::read_to_string(shared.join("api/reported_errors.jsonl")).unwrap();
    let reported = lines.lines().map(|line| serde_json::from_str::<Reported>(line).unwrap());
    let kinds: Vec<_> = reported
        .filter(|reported| reported.service == "deepseek" && reported.status != 200)
        .map(|reported| {
            let body = reported.body.unwrap_or_default().into_bytes();
            Refusal { status: reported.status, retry_after: None, body }.into_error(&who(KEY)).kind()
        })
        .collect();
    assert_eq!(kinds, ["out_of_credit", "overloaded", "rate_limited"]);
}

#[tokio::test]
async fn the_recorded_list_of_models_is_read() {
    let Some(shared) = shared() else { return };
    let all = recordings(&shared);
    let replies = all.iter().filter(|recording| recording.url.ends_with("/models"));
    let mut replies: Vec<_> = replies.map(|list| (list.status, list.body(&shared))).collect();
    replies.sort();
    let server = Server::playing(replies.into_iter().map(|(status, body)| Reply::status(status, body))).await;
    let settings: ProviderSettings = quick(&server.address);
    let models = available_models(ProviderKind::DeepSeek, &settings).await.unwrap();
    assert_eq!(models, ["deepseek-v4-flash", "deepseek-v4-pro"]);
    let refused = available_models(ProviderKind::DeepSeek, &settings).await.unwrap_err();
    assert_eq!(refused.kind(), "unauthorized");
}
