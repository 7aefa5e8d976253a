//! A blob store on any service that speaks S3.
//!
//! What it writes, below a prefix of a bucket:
//!
//! | key | what |
//! |---|---|
//! | `blobs/NAME` | a blob, whole |
//! | `parts/NAME/START-ATTEMPT` | bytes of a blob in parts that fill no cell of its grid |
//!
//! A blob of at most [`WHOLE_BYTES_MAX`] is one PUT, a larger one a multipart upload. A blob in
//! parts is one multipart upload on a grid ([`grid`]) that is fixed when it begins: what fills a
//! cell goes straight through as its part, the rest is kept beside until the blob is assembled.
//! The upload's id and the numbers and entity tags of its parts are memos in the catalog, so that any
//! process can go on. Each attempt at a cell has a number of its own, so that one that comes late, or
//! was broken off, harms no other; a part that was lost does not match its tag, and the service
//! refuses.
//!
//! What it promises: what was acknowledged was acknowledged by the service. Every try of an object
//! carries a token in its metadata; if the answer to the last step is lost, the object is asked for,
//! and is ours if token and size are.
//!
//! What it needs: read after write, for objects and for uploads in progress. Conditional writes
//! are not relied on: names are random, and used once.

mod api;
mod assemble;
mod backoff;
mod breaker;
mod buffer;
mod client;
pub mod grid;
mod key;
mod list;
mod location;
mod memo;
mod part;
mod read;
mod store;
mod whole;

pub use location::{LocationError, S3Credentials, S3Location};
pub use store::{OpenError, S3Options, S3Store};
pub use whole::WHOLE_BYTES_MAX;
