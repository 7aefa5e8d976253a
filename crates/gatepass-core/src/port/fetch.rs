use std::error::Error;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::source_url::SourceUrl;

/// Gets files from URLs that strangers chose.
///
/// # Contract
///
/// - Nothing is connected to but addresses that the adapter's guard permits, however the URL
///   spells them, and whatever a name resolves to or a redirect leads to.
/// - Every wait has a limit.
/// - Nothing is sent but the request: no credentials, no cookies.
#[async_trait]
pub trait Fetch: Send + Sync + 'static {
    /// Asks for the URL, follows redirects, and returns when the content begins.
    async fn open(&self, url: &SourceUrl) -> Result<Fetched, FetchError>;
}

/// Content on its way.
pub struct Fetched {
    /// Size in bytes, if the source says it before.
    pub declared_size: Option<u64>,
    /// The content type that the source claims.
    pub declared_type: Option<String>,
    /// The bytes.
    pub body: FetchedBody,
}

/// The bytes of a source, piece by piece. It ends where the source said that it would; every
/// other end is an error, and nothing follows one. The piece that completes a declared size comes
/// only after it is clear that no more follow.
pub type FetchedBody = Pin<Box<dyn Stream<Item = Result<Bytes, FetchError>> + Send>>;

/// Why nothing, or not everything, was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL names a port that nothing is fetched from.
    #[error("the URL's port is not one that this server fetches from")]
    PortRefused,
    /// The source was not connected to, or did not answer. Blocked, unknown, refused and timed
    /// out are one error, for the difference would map a network; the cause is for the log.
    #[error("the source could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// It does not prove who it is.
    #[error("the source's certificate {0}")]
    Untrusted(&'static str),
    /// It redirects too often.
    #[error("the source redirects more than 3 times")]
    TooManyRedirects,
    /// It redirects to where no redirect may lead: another scheme, another port, from https to
    /// http.
    #[error("the source redirects to a URL that is not permitted")]
    RedirectRefused,
    /// It answers with another status than 200.
    #[error("the source answered with status {0}")]
    Status(u16),
    /// It does not say where the content ends, or says it twice.
    #[error("the source must declare its length once: by Content-Length or the chunked coding")]
    Undelimited,
    /// It compresses the content although it was asked not to.
    #[error("the source sent compressed content although it was asked not to")]
    Encoded,
    /// More bytes came than it declared.
    #[error("the source sent more bytes than it declared")]
    Excess,
    /// Fewer bytes came than it declared, or the coding is damaged.
    #[error("the source sent fewer bytes than it declared")]
    Incomplete,
    /// It fell silent.
    #[error("the source sent nothing for too long")]
    Stalled,
    /// It takes longer than a fetch may take.
    #[error("the source took too long")]
    TooSlow,
}
