//! `POST /signatures`: a signed URL for an app that holds an API key.

use std::collections::BTreeMap;

use gatepass_core::{Action, Policy};
use gatepass_engine::signatures::{self, Signature, SignatureRequest};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{self, Answer, Links, object_json};
use crate::api::Caller;
use crate::problem::{ErrorCode, Problem};
use crate::service::{App, Incoming};
use crate::wire::json;

/// The body. A member that we do not know is an error: it may be a limit that its sender relies
/// on.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SignatureRequest")]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    filename: String,
    folder: Option<String>,
    /// In the future, in Unix seconds; an hour from now if not given.
    expiry: Option<u64>,
    #[schemars(with = "Option<String>", extend("enum" = ["get", "put", "delete", null]))]
    method: Option<Action>,
    max_size: Option<u64>,
    size: Option<u64>,
    #[serde(rename = "type")]
    types: Option<Types>,
    sha256: Option<String>,
    overwrite: Option<bool>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    download: Option<String>,
}

/// One type, a comma list, or an array.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Types {
    List(String),
    Array(Vec<String>),
}

/// What the key may sign, the engine checks: it depends on the body.
pub(crate) async fn respond(
    app: &App,
    caller: &Caller,
    incoming: Incoming,
) -> Result<Answer, Problem> {
    let context = incoming.context.clone();
    let request = request(json::read(incoming).await?)?;
    let made = signatures::create(&app.engine, caller.access(), caller.key(), request)?;
    let links = Links { self_: Some("/signatures".to_owned()), parent: None };
    Ok(answer::json(StatusCode::OK, &object_json(&context, view(&made), &links)))
}

/// A signed URL and what it is made of.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Signature")]
pub(crate) struct SignatureObject<'a> {
    domain: &'a str,
    filename: &'a str,
    folder: Option<&'a str>,
    /// Unix seconds.
    expiry: u64,
    #[schemars(with = "String", extend("enum" = ["get", "put", "delete"]))]
    method: Action,
    signature: &'a str,
    url: &'a str,
}

fn view(made: &Signature) -> Value {
    json!(SignatureObject {
        domain: &made.domain,
        filename: &made.name.filename,
        folder: made.name.folder.as_deref(),
        expiry: made.expiry,
        method: made.action,
        signature: made.signature.expose(),
        url: made.url.expose(),
    })
}

fn request(body: Body) -> Result<SignatureRequest, Problem> {
    let types = match body.types {
        None => Vec::new(),
        Some(Types::List(list)) => list.split(',').map(|t| t.trim().to_owned()).collect(),
        Some(Types::Array(types)) => types,
    };
    let sha256 = body.sha256.as_deref().map(sha256).transpose()?;
    Ok(SignatureRequest {
        filename: body.filename,
        folder: body.folder,
        expiry: body.expiry,
        action: body.method,
        policy: Policy {
            max_size: body.max_size,
            size: body.size,
            types,
            sha256,
            overwrite: body.overwrite.unwrap_or(true),
            reference: body.reference,
            metadata: body.metadata,
            download: body.download,
            ..Policy::default()
        },
    })
}

fn sha256(text: &str) -> Result<[u8; 32], Problem> {
    gatepass_sign::parse_sha256(text).ok_or_else(|| {
        Problem::new(ErrorCode::BodyInvalid)
            .field("sha256")
            .detail("sha256 must be 64 hexadecimal digits")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Body, Problem> {
        json::parse(bytes)
    }

    #[test]
    fn hostile_bodies_never_panic() {
        let samples: &[&[u8]] = &[
            br#"{"filename":"a","folder":"b","expiry":4102444800,"method":"put","max_size":10}"#,
            br#"{"filename":"a","type":["image/png"],"metadata":{"k":"v"},"sha256":"ab"}"#,
        ];
        gatepass_testkit::fuzz::fuzz(samples, |input| {
            let _ = parse(input).and_then(request);
        });
    }

    #[test]
    fn bodies_are_strict() {
        for bad in [
            r#"{"filename":"a","expiry":-1}"#,
            r#"{"filename":"a","expiry":1e400}"#,
            r#"{"filename":"a","expiry":1.5}"#,
            r#"{"filename":"a","expiry":"1"}"#,
            r#"{"filename":"a","maxsize":1}"#,
            r#"{"filename":"a","method":"post"}"#,
            r#"{"folder":"a"}"#,
            "[]",
            "{",
            "",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(br#"{"filename":"a","type":["image/png"],"metadata":{"k":"v"}}"#).is_ok());
    }
}
