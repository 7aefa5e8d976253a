//! JSON bodies of management calls: bounded, and strict about their members.

use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::{ErrorCode, Problem};
use crate::service::Incoming;
use crate::transport::RequestBody;

/// Largest body, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting. Our bodies need two levels.
const NESTING_MAX: usize = 32;

/// Reads the body of a call as a value. A member that the type does not know is an error where
/// the type says so: it may be a limit that its sender relies on.
pub(crate) async fn read<T: DeserializeOwned>(incoming: Incoming) -> Result<T, Problem> {
    require_json(&incoming.head.headers)?;
    parse(&collect(incoming.body).await?)
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = declared.map(|text| text.split(';').next().unwrap_or(text).trim());
    let ours = ["application/json", "application/merge-patch+json"];
    match media_type {
        Some(text) if ours.iter().any(|name| text.eq_ignore_ascii_case(name)) => Ok(()),
        _ => Err(ErrorCode::ContentTypeUnsupported.into()),
    }
}

async fn collect(mut body: RequestBody) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = gatepass_engine::receive::Body::next(&mut body).await? {
        if bytes.len() + piece.len() > BODY_BYTES_MAX {
            return Err(Problem::new(ErrorCode::TooLarge).member("max_bytes", BODY_BYTES_MAX));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Names the member that is wrong.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if nesting(bytes) > NESTING_MAX {
        return Err(Problem::new(ErrorCode::BodyMalformed).detail("the JSON nests too deeply"));
    }
    // A struct would take its members from an array, in their order, without their names.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::new(ErrorCode::BodyInvalid).detail("the body must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        refusal(&field, error.inner())
    })?;
    json.end().map_err(|error| refusal("", &error))?;
    Ok(value)
}

fn refusal(field: &str, error: &serde_json::Error) -> Problem {
    if error.classify() != Category::Data {
        return Problem::new(ErrorCode::BodyMalformed).detail(error.to_string());
    }
    let problem = Problem::new(ErrorCode::BodyInvalid);
    if matches!(field, "" | "." | "?") {
        return problem.detail(error.to_string());
    }
    problem.field(field).detail(format!("{field}: {error}"))
}

/// Deepest run of open brackets, strings aside.
fn nesting(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match (in_string, byte) {
            _ if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only parsed")]
        count: Option<u32>,
    }

    #[test]
    fn nesting_is_measured_outside_of_strings() {
        assert_eq!(nesting(br#"{"a":[{"b":"[[[["}]}"#), 3);
        assert_eq!(nesting(br#""\"[[""#), 0);
        assert_eq!(nesting("[".repeat(10_000).as_bytes()), 10_000);
    }

    #[test]
    fn the_member_that_is_wrong_is_named() {
        for (body, code, field) in [
            (r#"{"count":-1}"#, ErrorCode::BodyInvalid, Some("count")),
            (r#"{"count":"1"}"#, ErrorCode::BodyInvalid, Some("count")),
            (r#"{"count":4294967296}"#, ErrorCode::BodyInvalid, Some("count")),
            (r#"{"counts":1}"#, ErrorCode::BodyInvalid, Some("counts")),
            (r#"{"count":1,"count":2}"#, ErrorCode::BodyInvalid, None),
            ("[]", ErrorCode::BodyInvalid, None),
            (" [1]", ErrorCode::BodyInvalid, None),
            ("{} {}", ErrorCode::BodyMalformed, None),
            (r#"{"count":1e400}"#, ErrorCode::BodyMalformed, None),
            ("{", ErrorCode::BodyMalformed, None),
            ("", ErrorCode::BodyMalformed, None),
        ] {
            let problem = parse::<Sample>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.code, code, "{body}");
            let named = problem.members.get("field").and_then(|field| field.as_str());
            assert_eq!(named, field, "{body}: {:?}", problem.detail);
        }
        assert!(parse::<Sample>(br#"{"count":1}"#).is_ok());
    }
}
