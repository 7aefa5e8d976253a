//! One operation for each route: the matches are exhaustive, so a new route needs its operation.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schema::{Schemas, named};
use crate::answer::{FileObject, Health, Message, UploadObject, Version};
use crate::api::{Call, KeyedCall, OpenCall, Route};
use crate::problem::ErrorCode;
use crate::routes::{files, ingest, rules, signatures};

/// What no type says of a call.
struct Operation {
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answer: Body,
    /// Answers with another status that are no errors.
    others: Vec<(u16, Value)>,
    errors: Vec<ErrorCode>,
}

/// The body of a successful answer.
enum Body {
    Json(Value),
    Text(&'static str),
}

/// Errors of every call.
const ANYWHERE: &[ErrorCode] = &[
    ErrorCode::VersionUnknown,
    ErrorCode::HeaderInvalid,
    ErrorCode::RouteNotFound,
    ErrorCode::Internal,
];
/// Errors of calls that need an API key.
const KEYED: &[ErrorCode] = &[
    ErrorCode::CredentialsMissing,
    ErrorCode::CredentialsInvalid,
    ErrorCode::ScopeInsufficient,
    ErrorCode::CatalogUnavailable,
];
/// Errors of calls that take JSON.
const WITH_BODY: &[ErrorCode] = &[
    ErrorCode::BodyMalformed,
    ErrorCode::BodyInvalid,
    ErrorCode::BodyIncomplete,
    ErrorCode::ContentTypeUnsupported,
    ErrorCode::LengthRequired,
    ErrorCode::TooLarge,
    ErrorCode::ClientTimeout,
];

pub(super) fn of(route: &Route, schemas: &mut Schemas) -> Value {
    match route.call {
        Call::Open(call) => {
            let operation = open(call, schemas);
            let mut value = describe(route, &operation, schemas.version(), ANYWHERE);
            value["security"] = json!([]);
            value
        }
        Call::Keyed(scope, call) => {
            let operation = keyed(call, schemas);
            let common = [ANYWHERE, KEYED].concat();
            let mut value = describe(route, &operation, schemas.version(), &common);
            value["security"] = json!([{ "apiKey": [] }]);
            if let Some(scope) = scope {
                value["description"] = format!("Needs the scope `{}`.", scope.as_str()).into();
            }
            value
        }
    }
}

fn open(call: OpenCall, schemas: &mut Schemas) -> Operation {
    let ready =
        vec![ErrorCode::CatalogUnavailable, ErrorCode::StorageUnavailable, ErrorCode::StorageFull];
    match call {
        OpenCall::Console => text("console", "The page to try an upload by hand", "text/html"),
        OpenCall::OpenApi => {
            let any = Body::Json(json!({ "type": "object" }));
            plain("openapi", "This document", any)
        }
        OpenCall::Docs => text("docs", "This document as a page", "text/html"),
        OpenCall::Metrics => text("metrics", "Metrics in Prometheus' form", "text/plain"),
        OpenCall::Livez => {
            plain("livez", "Whether the process answers", Body::Json(schemas.plain::<Health>()))
        }
        OpenCall::Readyz => {
            let health = Body::Json(schemas.plain::<Health>());
            let operation = plain("readyz", "Whether uploads can be taken", health);
            Operation { errors: ready, ..operation }
        }
    }
}

fn keyed(call: KeyedCall, schemas: &mut Schemas) -> Operation {
    match call {
        KeyedCall::CreateSignature => Operation {
            body: Some(schemas.request::<signatures::Body>()),
            errors: vec![ErrorCode::PathInvalid, ErrorCode::ExpiryTooFar],
            ..object::<signatures::SignatureObject>("createSignature", "Make a signed URL", schemas)
        },
        KeyedCall::ListRules => {
            list::<rules::RuleObject>("listRules", "List access rules", schemas)
        }
        KeyedCall::PutRule => Operation {
            body: Some(schemas.request::<rules::Body>()),
            ..object::<rules::RuleObject>("putRule", "Set an access rule", schemas)
        },
        KeyedCall::DeleteRule => Operation {
            parameters: vec![query("prefix", &json!({ "type": "string" }), true)],
            errors: vec![ErrorCode::RuleNotFound, ErrorCode::ParameterInvalid],
            ..object::<Message>("deleteRule", "Remove an access rule", schemas)
        },
        KeyedCall::ListFiles => {
            let text = json!({ "type": "string" });
            let mut operation = list::<FileObject<'_>>(
                "listFiles",
                "List files: all newest first, those in a folder or with a prefix by path",
                schemas,
            );
            let filters = ["folder", "prefix"].map(|name| query(name, &text, false));
            operation.parameters.extend(filters);
            operation
        }
        KeyedCall::FindFile => Operation {
            errors: vec![ErrorCode::FileNotFound],
            ..object::<FileObject<'_>>("findFile", "Show a file", schemas)
        },
        KeyedCall::ChangeFile => Operation {
            body: Some(schemas.request::<files::Body>()),
            errors: vec![
                ErrorCode::FileNotFound,
                ErrorCode::FileExists,
                ErrorCode::PathInvalid,
                ErrorCode::PreconditionFailed,
                ErrorCode::StorageFull,
            ],
            ..object::<FileObject<'_>>("changeFile", "Rename a file or describe it", schemas)
        },
        KeyedCall::DeleteFile => Operation {
            errors: vec![
                ErrorCode::FileNotFound,
                ErrorCode::PreconditionFailed,
                ErrorCode::StorageFull,
            ],
            ..object::<Message>("deleteFile", "Delete a file", schemas)
        },
        KeyedCall::IngestFile => ingest_file(schemas),
        KeyedCall::ListUploads => list::<UploadObject<'_>>(
            "listUploads",
            "List unfinished uploads, newest first",
            schemas,
        ),
        KeyedCall::FindUpload => Operation {
            errors: vec![ErrorCode::UploadNotFound],
            ..object::<UploadObject<'_>>("findUpload", "Show an upload", schemas)
        },
        KeyedCall::DeleteUpload => Operation {
            errors: vec![
                ErrorCode::UploadNotFound,
                ErrorCode::UploadComplete,
                ErrorCode::UploadExpired,
                ErrorCode::UploadInterrupted,
            ],
            ..object::<Message>("deleteUpload", "Give an unfinished upload up", schemas)
        },
    }
}

/// 201 where the path is new, 200 where a file was replaced, 202 for who prefers not to wait.
fn ingest_file(schemas: &mut Schemas) -> Operation {
    let created = schemas.object::<FileObject<'_>>();
    let begun = schemas.object::<UploadObject<'_>>();
    let prefer = json!({
        "name": "Prefer", "in": "header", "required": false,
        "schema": { "type": "string", "enum": ["respond-async"] },
    });
    Operation {
        parameters: vec![prefer],
        body: Some(schemas.request::<ingest::Body>()),
        others: vec![(201, created), (202, begun)],
        errors: vec![
            ErrorCode::PathInvalid,
            ErrorCode::SourceUnreachable,
            ErrorCode::SourceFailed,
            ErrorCode::FileExists,
            ErrorCode::PreconditionFailed,
            ErrorCode::PolicyViolation,
            ErrorCode::TooManyUploads,
            ErrorCode::UploadNotFound,
            ErrorCode::UploadInterrupted,
            ErrorCode::StorageFull,
            ErrorCode::StorageUnavailable,
        ],
        ..object::<FileObject<'_>>("ingestFile", "Fetch a file from a URL", schemas)
    }
}

fn plain(id: &'static str, summary: &'static str, answer: Body) -> Operation {
    let (parameters, others, errors) = (Vec::new(), Vec::new(), Vec::new());
    Operation { id, summary, parameters, body: None, answer, others, errors }
}

fn text(id: &'static str, summary: &'static str, media_type: &'static str) -> Operation {
    plain(id, summary, Body::Text(media_type))
}

fn object<T: schemars::JsonSchema>(
    id: &'static str,
    summary: &'static str,
    schemas: &mut Schemas,
) -> Operation {
    plain(id, summary, Body::Json(schemas.object::<T>()))
}

fn list<T: schemars::JsonSchema>(
    id: &'static str,
    summary: &'static str,
    schemas: &mut Schemas,
) -> Operation {
    let number = |max: u32| json!({ "type": "integer", "minimum": 1, "maximum": max });
    Operation {
        parameters: vec![
            query("page", &number(u32::MAX), false),
            query("limit", &number(100), false),
        ],
        errors: vec![ErrorCode::ParameterInvalid],
        ..plain(id, summary, Body::Json(schemas.list::<T>()))
    }
}

pub(super) fn query(name: &str, schema: &Value, required: bool) -> Value {
    json!({ "name": name, "in": "query", "required": required, "schema": schema })
}

fn describe(route: &Route, operation: &Operation, version: Version, common: &[ErrorCode]) -> Value {
    let mut parameters = operation.parameters.clone();
    if route.path.contains("{id}") {
        let schema = json!({ "type": "string", "minLength": 1 });
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
    }
    parameters.push(accept_version(version));
    let with_body = if operation.body.is_some() { WITH_BODY } else { &[] };
    let errors = [common, with_body, &operation.errors].concat();
    let mut responses = responses_of(&errors, version);
    responses.insert("200".to_owned(), success(&operation.answer));
    for (status, schema) in &operation.others {
        responses.insert(status.to_string(), success(&Body::Json(schema.clone())));
    }
    let mut value = json!({
        "operationId": operation.id, "summary": operation.summary, "parameters": parameters,
        "responses": responses,
    });
    if let Some(schema) = &operation.body {
        let content = json!({ "application/json": { "schema": schema } });
        value["requestBody"] = json!({ "required": true, "content": content });
    }
    value
}

/// The default need not be said.
pub(super) fn accept_version(version: Version) -> Value {
    json!({
        "name": "Accept-Version", "in": "header", "required": version != Version::default(),
        "schema": { "type": "string", "enum": [version.as_str()] },
    })
}

fn success(body: &Body) -> Value {
    let content = match body {
        Body::Json(schema) => json!({ "application/json": { "schema": schema } }),
        Body::Text(media_type) => json!({ *media_type: { "schema": { "type": "string" } } }),
    };
    json!({ "description": "Done.", "content": content })
}

pub(super) fn responses_of(errors: &[ErrorCode], version: Version) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for code in errors {
        let line = format!("`{}`: {}", code.kind(), code.explanation());
        let lines = by_status.entry(code.status().as_u16()).or_default();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let response = |(status, lines): (u16, Vec<String>)| {
        let content = json!({ "application/json": { "schema": error_schema(status, version) } });
        (status.to_string(), json!({ "description": lines.join("\n\n"), "content": content }))
    };
    by_status.into_iter().map(response).collect()
}

/// Where the version that was asked for is unknown, the error has the default one's form.
fn error_schema(status: u16, version: Version) -> Value {
    if status == 400 && version != Version::default() {
        return json!({ "anyOf": [named("Error"), named("DefaultError")] });
    }
    named("Error")
}
