//! What the engine needs from the outside: traits that adapters implement.
//!
//! Methods have no default bodies, so that no adapter lacks one silently, and every adapter runs
//! the same conformance suite (`gatepass-testkit`).

mod blob_store;
mod catalog;
mod clock;
mod fetch;
mod probe;

pub use blob_store::{
    BlobError, BlobListing, BlobReader, BlobStore, CommittedBlob, Link, OpenBlob, OpenSlice,
    Outlook, PartedBlob, Piece, Staging,
};
pub use catalog::{
    Catalog, CatalogError, ChangeError, ChangeFile, EndUpload, FilePage, FinishError, FinishUpload,
    InlineBytes, JoinError, ListFiles, ListUploads, PublishError, RecordParts, RecordReader,
    RemoveError, RemoveFile, TakeTurn, UploadError, UploadPage,
};
pub use clock::Clock;
pub use fetch::{Fetch, FetchError, Fetched, FetchedBody};
pub use probe::{Content, Probe};
