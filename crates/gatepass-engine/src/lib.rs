//! The use cases of Gatepass. Each is a function that takes the engine and a proof that the
//! request may do it, and reads as a list of steps; what is decided in between is decided by
//! `gatepass-core`, what is stored goes through its ports.
//!
//! | use case | function |
//! |---|---|
//! | take a whole file | [`receive::whole()`] |
//! | take a range of one | [`receive::part()`] |
//! | take what follows | [`receive::append()`] |
//! | ask how far an upload is, give it up | [`uploads`] |
//! | fetch a file from a URL | [`ingest`] |
//! | read a file | [`serve::open`] |
//! | delete a file | [`remove::remove`] |
//! | who may read what | [`rules`] |
//! | list files, find, rename, describe and delete them by id | [`files`] |
//! | make a signed URL for an app | [`signatures::create`] |
//! | projects, domains, keys | [`admin::Admin`] |
//! | clean up behind crashes and replacements | [`sweep::run`] |
//! | hold the catalog against the store | [`fsck`] |
//! | write a catalog down, and read it again | [`archive`] |
//! | bring a catalog and its blobs into others | [`transfer`] |

pub mod admin;
pub mod archive;
mod background;
mod directory;
mod engine;
pub mod files;
pub mod fsck;
pub mod ingest;
pub mod measured;
mod random;
pub mod receive;
pub mod remove;
pub mod rules;
pub mod serve;
pub mod signatures;
pub mod sweep;
pub mod transfer;
pub mod uploads;
pub mod vault;

pub use directory::{Directory, DirectoryError, ProjectAccess};
pub use engine::{Engine, NotReady, Ports, StartError};
pub use vault::{MasterKeys, VaultError};
