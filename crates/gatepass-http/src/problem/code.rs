//! The one table of error kinds: `docs/errors.md` is made from it.

use std::fmt::Write as _;

use http::StatusCode;

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail again.
    No,
    /// The same request may succeed.
    Yes,
    /// It may succeed after the seconds that `Retry-After` names.
    After(u32),
}

macro_rules! error_codes {
    ($($name:ident = $kind:literal, $status:literal, $message:literal, $retry:expr, $doc:literal;)*) => {
        /// A kind of error. Kinds are stable: programs may rely on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $doc] $name,)*
        }

        impl ErrorCode {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind's name on the wire.
            pub fn kind(self) -> &'static str {
                match self { $(Self::$name => $kind,)* }
            }

            /// The text that is sent where nothing more precise is known.
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }

            /// What happened and what to do about it, for the documentation.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => $doc,)* }
            }

            /// Whether trying again can help.
            pub fn retry(self) -> Retry {
                match self { $(Self::$name => $retry,)* }
            }

            fn status_number(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

error_codes! {
    SignatureMalformed = "signature_malformed", 400, "signature parameters are malformed", Retry::No,
        "The signature is right, but a signed parameter has a value that makes no sense. `field` names it. Mend the signer.";
    SignatureInvalid = "signature_invalid", 403, "signature does not match", Retry::No,
        "The signature, or the form of the query, is wrong, or the key is unknown or revoked. `gatepass check URL` tells which.";
    UrlExpired = "url_expired", 403, "signed URL has expired", Retry::No,
        "The signature is right; its time is over. Sign a new URL.";
    ExpiryTooFar = "expiry_too_far", 403, "signed URL expires too far in the future", Retry::No,
        "The project bounds how far in the future an expiry may lie (`max_seconds`). Sign a shorter one.";
    PolicyViolation = "policy_violation", 403, "request exceeds what the URL permits", Retry::No,
        "The URL is valid, but not for this request: `field` names the rule (method, size, type).";
    TooLarge = "too_large", 413, "content is larger than allowed", Retry::No,
        "More bytes than the URL, the project or the server allows. `max_bytes` tells how many.";
    CredentialsMissing = "credentials_missing", 401, "a signed URL or an API key is required", Retry::No,
        "Send the request to a signed URL, or with `Authorization: Bearer` and an API key.";
    CredentialsInvalid = "credentials_invalid", 401, "API key not accepted", Retry::No,
        "The API key is unknown, paused, revoked or rotated.";
    ScopeInsufficient = "scope_insufficient", 403, "API key lacks permission", Retry::No,
        "The key's scopes or its path prefix do not cover this.";
    HostUnknown = "host_unknown", 421, "this host is not served here", Retry::No,
        "No project has this domain. Add it with `gatepass domains add`.";
    HostInvalid = "host_invalid", 400, "exactly one Host header is required", Retry::No,
        "The request has no Host, several, or one that contradicts its target.";
    VersionUnknown = "version_unknown", 400, "unknown API version", Retry::No,
        "`Accept-Version` takes 2025-07-01, 2025-01-01, 2025-08-20 or latest.";
    PathInvalid = "path_invalid", 400, "path is malformed", Retry::No,
        "The path breaks the grammar; the message tells how.";
    HeaderInvalid = "header_invalid", 400, "a header is malformed", Retry::No,
        "`field` names the header.";
    ContentRangeInvalid = "content_range_invalid", 400, "Content-Range is malformed", Retry::No,
        "`Content-Range` does not parse, or the body has another length than its range; the message tells which.";
    BodyMalformed = "body_malformed", 400, "the body is not JSON", Retry::No,
        "The JSON does not parse, or nests deeper than 32 levels.";
    BodyInvalid = "body_invalid", 422, "JSON body does not match the schema", Retry::No,
        "A member is unknown, missing, of the wrong type or out of range; the message tells which.";
    ParameterInvalid = "parameter_invalid", 400, "a query parameter is malformed", Retry::No,
        "`field` names the parameter; the message tells what it takes.";
    LengthRequired = "length_required", 411, "content length is required", Retry::No,
        "Send Content-Length, or use the chunked coding.";
    ContentTypeUnsupported = "content_type_unsupported", 415, "content type is not accepted here", Retry::No,
        "This call takes `Content-Type: application/json`.";
    RouteNotFound = "route_not_found", 404, "no such route", Retry::No,
        "The API has nothing at this path.";
    MethodNotAllowed = "method_not_allowed", 405, "method is not allowed here", Retry::No,
        "`Allow` lists the methods.";
    RuleNotFound = "rule_not_found", 404, "no such access rule", Retry::No,
        "The project has no access rule with this very prefix.";
    UploadNotFound = "upload_not_found", 404, "no such upload", Retry::No,
        "There is no unfinished upload to this URL, or it was given up. Start again.";
    UploadExpired = "upload_expired", 410, "upload has expired", Retry::No,
        "Nobody went on with the upload in time. Start again.";
    UploadComplete = "upload_complete", 409, "upload is already complete", Retry::No,
        "The URL's file is complete, and these bytes differ from it. Sign a new URL to replace it.";
    LengthInconsistent = "length_inconsistent", 409, "upload length contradicts an earlier request", Retry::No,
        "An earlier chunk named another total, or bytes lie beyond this one.";
    PartConflict = "part_conflict", 409, "range was already received with other bytes", Retry::No,
        "Bytes at this place are stored already, and these differ. Nothing was changed.";
    PartSizeInvalid = "part_size_invalid", 400, "chunks are too small", Retry::No,
        "An upload has at most 10,000 parts. Give it up and send larger chunks.";
    TooManyUploads = "too_many_uploads", 503, "the project has too many unfinished uploads", Retry::After(60),
        "Finish or give up some of them; `gatepass uploads ls` shows them.";
    UploadInterrupted = "upload_interrupted", 503, "a newer request for the same bytes took over", Retry::After(1),
        "Two requests sent the same bytes at once: the newer one goes on. Ask for the state before trying again.";
    BodyIncomplete = "body_incomplete", 400, "fewer bytes arrived than declared", Retry::Yes,
        "The connection broke, or the chunked coding is damaged. Nothing of this request was stored.";
    DigestMismatch = "digest_mismatch", 400, "content does not match its digest", Retry::Yes,
        "The bytes have not the digest that was signed or sent. Nothing was stored.";
    FileExists = "file_exists", 409, "a file already exists at this path", Retry::No,
        "The URL may only create, or a file was to be renamed to where another one is.";
    FileNotFound = "file_not_found", 404, "no such file", Retry::No,
        "There is no file at this path.";
    RangeUnsatisfiable = "range_unsatisfiable", 416, "range is outside the file", Retry::No,
        "`Content-Range` tells the file's length.";
    PreconditionFailed = "precondition_failed", 412, "precondition does not hold", Retry::No,
        "`If-Match`, `If-None-Match` or `If-Unmodified-Since` does not hold for what is at the path.";
    SourceUnreachable = "source_unreachable", 422, "the source could not be reached", Retry::Yes,
        "Nothing was fetched from the URL: its host is unknown, is not permitted, refuses, or does not answer. Which of them, only the server's log tells.";
    SourceFailed = "source_failed", 422, "the source did not send a file", Retry::Yes,
        "The source answered, but not with a whole file; the message tells why (`status` is what it answered with). Nothing was stored.";
    ClientTimeout = "client_timeout", 408, "client sent data too slowly", Retry::Yes,
        "No byte came for longer than the stall timeout. Nothing was stored.";
    StorageFull = "storage_full", 507, "storage is full", Retry::After(60),
        "There is no room for the file. Nothing was stored; what is stored stays readable.";
    StorageUnavailable = "storage_unavailable", 503, "temporarily unavailable", Retry::After(2),
        "The blob store does not answer.";
    CatalogUnavailable = "catalog_unavailable", 503, "temporarily unavailable", Retry::After(2),
        "The catalog does not answer.";
    BlobCorrupt = "blob_corrupt", 500, "internal error", Retry::No,
        "The stored bytes are damaged or missing. Tell the operator the request id.";
    Internal = "internal", 500, "internal error", Retry::No,
        "A fault of the server. Tell the operator the request id.";
}

impl ErrorCode {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_number()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What to look at, sent as `hint` where the message alone leaves most people helpless. It is
    /// the same whatever the reason, so it tells nothing of keys.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::SignatureInvalid => Some(
                "sign path?query exactly as it is sent (no host, no leading slash, all before \
                 &signature=), with HMAC-SHA256 keyed by the whole API key, as base64url without \
                 padding; the key has to be active, and of this domain's project; \
                 `gatepass check URL` shows the string that has to be signed",
            ),
            Self::MethodNotAllowed => Some(
                "a file is uploaded by PUT, as the body of the request; the management API, with \
                 POST /signatures, has an address of its own (--api-listen, port 8081 by default)",
            ),
            Self::ContentTypeUnsupported => Some("send Content-Type: application/json"),
            _ => None,
        }
    }
}

/// The table as a Markdown page.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Every error has a stable `kind`. This page is made from the table in\n\
         `crates/gatepass-http/src/problem/code.rs` by `cargo xtask docs`.\n\n\
         | kind | status | message | retry | meaning |\n|---|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let retry = match code.retry() {
            Retry::No => "no".to_owned(),
            Retry::Yes => "yes".to_owned(),
            Retry::After(seconds) => format!("after {seconds} s"),
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {retry} | {} |",
            code.kind(),
            code.status().as_u16(),
            code.message(),
            code.explanation()
        );
    }
    page
}
