//! The one table of the management API. Requests find their route in it, credentials are checked
//! as it says, and documents and tests are made from it.

use gatepass_core::Scope;
use http::Method;

use super::Exposure;

/// One route: what a method does at a path.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method. `HEAD` is `GET` without a body.
    pub method: Method,
    /// The path; `{id}` stands for one segment that is not empty.
    pub path: &'static str,
    /// What is called.
    pub call: Call,
}

/// What is called, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Anybody may.
    Open(OpenCall),
    /// An API key may. The scope is one that it must have; without one, what the key may do
    /// there depends on what is asked for, and the call itself looks.
    Keyed(Option<Scope>, KeyedCall),
}

/// Calls that need no credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenCall {
    /// The page to try an upload by hand.
    Console,
    /// The OpenAPI document.
    OpenApi,
    /// The document as a page.
    Docs,
    /// The process answers.
    Livez,
    /// Uploads can be taken.
    Readyz,
    /// Metrics; not where the public can reach them.
    Metrics,
}

/// Calls that need an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyedCall {
    /// Makes a signed URL.
    CreateSignature,
    /// One page of access rules.
    ListRules,
    /// Sets an access rule.
    PutRule,
    /// Removes an access rule.
    DeleteRule,
    /// One page of files.
    ListFiles,
    /// One file.
    FindFile,
    /// Renames a file or describes it anew.
    ChangeFile,
    /// Deletes a file.
    DeleteFile,
    /// Fetches a file from a URL.
    IngestFile,
    /// One page of unfinished uploads.
    ListUploads,
    /// One upload.
    FindUpload,
    /// Gives an upload up.
    DeleteUpload,
}

/// Every route. A path with another method is 405, another path 404.
pub const ROUTES: &[Route] = &[
    open(Method::GET, "/", OpenCall::Console),
    open(Method::GET, "/openapi.json", OpenCall::OpenApi),
    open(Method::GET, "/docs", OpenCall::Docs),
    open(Method::GET, "/livez", OpenCall::Livez),
    open(Method::GET, "/readyz", OpenCall::Readyz),
    open(Method::GET, "/metrics", OpenCall::Metrics),
    keyed(Method::POST, "/signatures", None, KeyedCall::CreateSignature),
    keyed(Method::GET, "/rules", Some(Scope::Admin), KeyedCall::ListRules),
    keyed(Method::PUT, "/rules", Some(Scope::Admin), KeyedCall::PutRule),
    keyed(Method::DELETE, "/rules", Some(Scope::Admin), KeyedCall::DeleteRule),
    keyed(Method::GET, "/files", Some(Scope::FilesRead), KeyedCall::ListFiles),
    keyed(Method::GET, "/files/{id}", Some(Scope::FilesRead), KeyedCall::FindFile),
    keyed(Method::PATCH, "/files/{id}", Some(Scope::FilesWrite), KeyedCall::ChangeFile),
    keyed(Method::DELETE, "/files/{id}", Some(Scope::FilesDelete), KeyedCall::DeleteFile),
    keyed(Method::POST, "/files", Some(Scope::Ingest), KeyedCall::IngestFile),
    keyed(Method::GET, "/uploads", Some(Scope::FilesRead), KeyedCall::ListUploads),
    keyed(Method::GET, "/uploads/{id}", Some(Scope::FilesRead), KeyedCall::FindUpload),
    keyed(Method::DELETE, "/uploads/{id}", Some(Scope::FilesWrite), KeyedCall::DeleteUpload),
];

const fn open(method: Method, path: &'static str, call: OpenCall) -> Route {
    Route { method, path, call: Call::Open(call) }
}

const fn keyed(method: Method, path: &'static str, scope: Option<Scope>, call: KeyedCall) -> Route {
    Route { method, path, call: Call::Keyed(scope, call) }
}

impl Route {
    /// The segment of a request's path that stands where the route has `{id}`; empty where it has
    /// none. `None` if the path is another one.
    pub(super) fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        let Some((before, after)) = self.path.split_once("{id}") else {
            return (self.path == path).then_some("");
        };
        let id = path.strip_prefix(before)?.strip_suffix(after)?;
        (!id.is_empty() && !id.contains('/')).then_some(id)
    }

    pub(super) fn is_visible(&self, exposure: Exposure) -> bool {
        exposure == Exposure::Private || self.call != Call::Open(OpenCall::Metrics)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn one_segment_stands_for_the_id() {
        let route = keyed(Method::GET, "/uploads/{id}", None, KeyedCall::FindUpload);
        assert_eq!(route.matches("/uploads/upl_1"), Some("upl_1"));
        for other in ["/uploads", "/uploads/", "/uploads/a/b", "/files/a", "//uploads/a"] {
            assert_eq!(route.matches(other), None, "{other}");
        }
        let below = Route { path: "/a/{id}/b", ..route };
        assert_eq!(below.matches("/a/x/b"), Some("x"));
        for other in ["/a/x", "/a//b", "/a/x/y/b", "/a/b"] {
            assert_eq!(below.matches(other), None, "{other}");
        }
    }

    #[test]
    fn no_route_hides_another() {
        let mut seen = HashSet::new();
        for route in ROUTES {
            assert!(seen.insert((&route.method, route.path)), "{route:?}");
        }
    }
}
