use std::sync::Arc;

use gatepass_engine::ProjectAccess;
use serde::{Serialize, Serializer};
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
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Links {
    #[serde(rename = "self")]
    pub(crate) self_: Option<String>,
    pub(crate) parent: Option<String>,
}

/// The `meta` of an answer.
#[derive(Serialize)]
pub(super) struct Meta<'a> {
    request_id: &'a str,
    org_id: Option<&'a str>,
    project_id: Option<&'a str>,
    version: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'a str>,
}

impl Context {
    pub(super) fn meta(&self, kind: &'static str) -> Meta<'_> {
        let project = self.access.as_deref().map(|access| &access.project);
        Meta {
            request_id: &self.request_id,
            org_id: project.map(|project| project.org.as_str()),
            project_id: project.map(|project| project.id.as_str()),
            version: self.version.as_str(),
            kind,
            receipt: None,
        }
    }
}

/// One object in the envelope of the request's version; one version has none.
pub(crate) fn object_json<'a, T: Serialize>(
    context: &'a Context,
    object: T,
    links: &'a Links,
) -> ObjectJson<'a, T> {
    ObjectJson { context, object, links, receipt: None }
}

/// What [`object_json`] returns: written straight to the answer.
pub(crate) struct ObjectJson<'a, T> {
    context: &'a Context,
    object: T,
    links: &'a Links,
    receipt: Option<&'a str>,
}

impl<'a, T> ObjectJson<'a, T> {
    /// The receipt goes into the envelope; the version without one leaves it out.
    pub(crate) fn with_receipt(self, receipt: Option<&'a str>) -> Self {
        Self { receipt, ..self }
    }
}

impl<T: Serialize> Serialize for ObjectJson<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.context.version == Version::V2025_08_20 {
            return self.object.serialize(serializer);
        }
        let meta = Meta { receipt: self.receipt, ..self.context.meta("object") };
        let error = (self.context.version == Version::V2025_07_01).then_some(());
        Envelope { meta, data: &self.object, links: self.links, error }.serialize(serializer)
    }
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    meta: Meta<'a>,
    data: &'a T,
    links: &'a Links,
    /// Null, where the version has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<()>,
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
        "links": Links::default(),
    })
}
