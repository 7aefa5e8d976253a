use std::future::Future;

use bytes::Bytes;

/// The bytes of a request as they arrive.
///
/// # Contract
///
/// `Ok(None)` means the body ended as its sender declared. Every other end is an error: what came
/// before it is not a file.
pub trait Body: Send {
    /// The next piece.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, BodyError>> + Send;
}

/// How a body can fail to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// No byte came for too long.
    #[error("client sent data too slowly")]
    Stalled,
    /// The connection broke, or the coding is not what it claims to be.
    #[error("fewer bytes arrived than declared")]
    Incomplete,
}
