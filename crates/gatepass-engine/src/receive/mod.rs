//! Taking files in.
//!
//! | how the bytes come | entry |
//! |---|---|
//! | the whole file in one body | [`whole()`] |
//! | a range of it, in any order, beside others | [`part()`] |
//! | what follows what is there | [`append()`] |
//!
//! The last two go on with an [`Upload`]: its state is in the catalog, and any of its requests may
//! be the one that completes it ([`finish`]). What lives in the process is only who writes where
//! at this moment ([`attempts`]).

mod append;
pub(crate) mod attempts;
mod body;
pub(crate) mod buffer;
mod content;
mod error;
mod finish;
pub(crate) mod finishing;
mod join;
mod keeping;
mod part;
mod segment;
mod sink;
mod whole;

pub(crate) use append::append_to;
pub use append::{Append, append};
pub use body::{Body, BodyError};
pub use error::ReceiveError;
pub(crate) use finish::{Wishes, finish_if_complete, finish_if_complete_as};
pub(crate) use join::{begin_as, find};
pub use part::{Chunk, part};
pub(crate) use part::{end, record};
pub use whole::whole;

use gatepass_core::{File, Grant, ProjectId, Upload};
use gatepass_sign::{Proof, Receipt, ReceiptClaims, Secret};

use crate::engine::Engine;

/// What an upload became.
#[derive(Debug, Clone)]
pub struct Received {
    /// The file.
    pub file: File,
    /// Whether its path is new.
    pub created: bool,
    /// The receipt, after a signed upload.
    pub receipt: Option<Receipt>,
}

/// Where an upload stands after a request.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Bytes are missing.
    Receiving(Box<Upload>),
    /// It is a file.
    Finished(Box<Received>),
}

/// Most bytes of a file of a project, whatever its URL says.
pub(crate) fn file_bytes_max(engine: &Engine, project: &ProjectId) -> u64 {
    let of_project = engine.directory().project(project).and_then(|a| a.project.file_bytes_max);
    engine.limits.file_bytes_max.min(of_project.unwrap_or(u64::MAX))
}

/// The secret that signed the grant's URL.
fn signer(grant: &Grant) -> Option<&Secret> {
    match grant.proof() {
        Proof::SignedUrl { secret, .. } => Some(secret),
        _ => None,
    }
}

fn issue_receipt(engine: &Engine, secret: &Secret, file: &File) -> Receipt {
    let issued = engine.now();
    let claims = ReceiptClaims {
        sub: file.id.as_str().to_owned(),
        path: file.path.as_str().to_owned(),
        size: file.size,
        content_type: file.media.content_type.clone(),
        etag: file.etag().as_str().to_owned(),
        iat: issued.unix_seconds(),
        exp: issued.plus(engine.limits.receipt_lifetime).unix_seconds(),
    };
    Receipt::issue(secret, &claims)
}
