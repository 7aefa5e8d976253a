//! `POST /files`: a file that the server fetches from a URL.

use std::collections::BTreeMap;

use gatepass_engine::ingest::{self, IngestRequest};
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::put::file_answer;
use super::upload::receiving_answer;
use crate::answer::Answer;
use crate::api::Caller;
use crate::problem::Problem;
use crate::service::{App, Incoming};
use crate::wire::{condition, json};

/// RFC 7240.
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const RESPOND_ASYNC: &str = "respond-async";

/// The body. A member that we do not know is an error: its sender relies on it.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Ingest")]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    url: String,
    folder: Option<String>,
    filename: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    label: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// Answers with the File once it is stored: 201 where the path is new, 200 where it was replaced.
/// Who prefers not to wait gets 202 with the Upload as soon as the content begins.
pub(crate) async fn respond(
    app: &App,
    caller: &Caller,
    incoming: Incoming,
) -> Result<Answer, Problem> {
    let context = incoming.context.clone();
    let conditions = condition::conditions(&incoming.head.headers)?;
    let respond_async = prefers_async(&incoming.head.headers);
    let request = request(json::read(incoming).await?);
    let begun = ingest::begin(&app.engine, caller.key(), request, conditions).await?;
    if respond_async {
        let mut answer = receiving_answer(&context, caller.access(), begun.upload());
        let applied = HeaderValue::from_static(RESPOND_ASYNC);
        answer.headers_mut().insert(PREFERENCE_APPLIED, applied);
        return Ok(answer);
    }
    Ok(file_answer(&context, caller.access(), &begun.finish().await?))
}

fn request(body: Body) -> IngestRequest {
    IngestRequest {
        url: body.url,
        filename: body.filename,
        folder: body.folder,
        reference: body.reference,
        label: body.label,
        metadata: body.metadata,
    }
}

/// A preference that is not understood is none.
fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim() == RESPOND_ASYNC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_strict() {
        let parse = |text: &str| json::parse::<Body>(text.as_bytes());
        assert!(parse(r#"{"url":"http://h/a"}"#).is_ok());
        assert!(
            parse(r#"{"url":"u","folder":"f","filename":"n","ref":"r","label":"l","metadata":{"k":"v"}}"#)
                .is_ok()
        );
        for bad in [
            "{}",
            r#"{"url":1}"#,
            r#"{"url":null}"#,
            r#"{"url":"u","media_id":"med_1"}"#,
            r#"{"url":"u","metadata":{"k":1}}"#,
            r#"{"url":"u","metadata":[]}"#,
            r#"{"url":"u","url":"v"}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_preference_is_one_of_a_list() {
        let prefers = |value: &'static str| {
            prefers_async(&[(PREFER, HeaderValue::from_static(value))].into_iter().collect())
        };
        assert!(prefers("respond-async") && prefers("wait=10, respond-async"));
        assert!(!prefers("return=minimal") && !prefers("respond-asynchronously"));
        assert!(!prefers_async(&HeaderMap::new()));
    }
}
