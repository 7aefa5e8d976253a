use std::fmt;

use serde::{Deserialize, Serialize};

/// What a signed URL allows: its `method` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read the file: `GET` and `HEAD`.
    Get,
    /// Upload to the path, ask for the state of the upload, abort it.
    Put,
    /// Delete the file.
    Delete,
}

impl Action {
    /// The parameter's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }

    /// Reads the parameter's value: lower case only.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "get" => Some(Self::Get),
            "put" => Some(Self::Put),
            "delete" => Some(Self::Delete),
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a URL without a `method` parameter allows: a setting of the project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LegacyUrls {
    /// Uploads only.
    #[default]
    Put,
    /// Uploads and reads.
    Both,
    /// Nothing: such URLs are refused.
    Off,
}

impl LegacyUrls {
    /// The setting's value in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Both => "both",
            Self::Off => "off",
        }
    }
}

/// The HTTP method in effect, after any override was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the methods of HTTP need no words")]
pub enum Method {
    Get,
    Head,
    Put,
    Post,
    Patch,
    Delete,
}

/// What a request that passed the door is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Read the file at the path.
    Read,
    /// Send bytes to the path.
    Upload,
    /// Ask how far an upload to the path is.
    UploadStatus,
    /// Give up an unfinished upload to the path.
    UploadAbort,
    /// Delete the file at the path.
    Remove,
}

/// The one table of what a signed action allows each method to do; `None` is refused.
pub(crate) fn operation_of(method: Method, action: Action) -> Option<Operation> {
    match (action, method) {
        (Action::Get, Method::Get | Method::Head) => Some(Operation::Read),
        (Action::Put, Method::Put | Method::Post | Method::Patch) => Some(Operation::Upload),
        (Action::Put, Method::Head) => Some(Operation::UploadStatus),
        (Action::Put, Method::Delete) => Some(Operation::UploadAbort),
        (Action::Delete, Method::Delete) => Some(Operation::Remove),
        _ => None,
    }
}

/// The same for a URL that names no action.
pub(crate) fn legacy_operation_of(
    method: Method,
    legacy: LegacyUrls,
) -> Option<(Action, Operation)> {
    let read = matches!(method, Method::Get | Method::Head);
    let action = match legacy {
        LegacyUrls::Off => return None,
        LegacyUrls::Both if read => Action::Get,
        LegacyUrls::Put | LegacyUrls::Both => Action::Put,
    };
    operation_of(method, action).map(|operation| (action, operation))
}

/// What a method means when an API key stands in for a signed URL.
pub(crate) fn bearer_operation_of(method: Method) -> (Action, Operation) {
    match method {
        Method::Get | Method::Head => (Action::Get, Operation::Read),
        Method::Put | Method::Post | Method::Patch => (Action::Put, Operation::Upload),
        Method::Delete => (Action::Delete, Operation::Remove),
    }
}
