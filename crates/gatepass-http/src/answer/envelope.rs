use std::sync::Arc;

use gatepass_engine::ProjectAccess;
use serde_json::{Value, json};

use super::Version;
use crate::problem::Problem;

/// What an answer tells about its request.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) version: Version,
    pub(crate) request_id: Arc<str>,
    /// Whose project it is for, once that is known.
    pub(crate) access: Option<Arc<ProjectAccess>>,
}

/// The `links` of an object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    pub(crate) self_: Option<String>,
    pub(crate) parent: Option<String>,
}

impl Links {
    fn json(&self) -> Value {
        json!({ "self": self.self_, "parent": self.parent })
    }
}

impl Context {
    pub(super) fn meta(&self, kind: &str) -> Value {
        let project = self.access.as_deref().map(|access| &access.project);
        json!({
            "request_id": &*self.request_id,
            "org_id": project.map(|project| &project.org),
            "project_id": project.map(|project| project.id.as_str()),
            "version": self.version.as_str(),
            "type": kind,
        })
    }
}

/// One object. `meta` members go into the envelope; the version without one leaves them out.
pub(crate) fn object_json(
    context: &Context,
    object: Value,
    links: &Links,
    extra_meta: &[(&str, Value)],
) -> Value {
    if context.version == Version::V2025_08_20 {
        return object;
    }
    let mut meta = context.meta("object");
    for (name, value) in extra_meta {
        meta[*name] = value.clone();
    }
    let mut answer = json!({ "meta": meta, "data": object, "links": links.json() });
    if context.version == Version::V2025_07_01 {
        answer["error"] = Value::Null;
    }
    answer
}

/// An error.
pub(crate) fn error_json(context: &Context, problem: &Problem) -> Value {
    let kind = problem.code.kind();
    let message = problem.detail.as_deref().unwrap_or(problem.code.message());
    let mut error = problem.members.clone();
    error.insert("kind".to_owned(), kind.into());
    error.insert("message".to_owned(), message.into());
    if let Some(hint) = problem.code.hint() {
        error.insert("hint".to_owned(), hint.into());
    }
    if context.version == Version::V2025_08_20 {
        return json!({ "kind": kind, "message": message, "error": error });
    }
    json!({
        "meta": context.meta("error"),
        "data": null,
        "error": error,
        "links": Links::default().json(),
    })
}
