//! A catalog on PostgreSQL, which any number of nodes share.
//!
//! # How a change is made
//!
//! In two round trips. The first begins a transaction, takes the lock of what is to be changed
//! (a row, or for a path, where there may be no row yet, an advisory lock of its name) and reads
//! what is there. Then the pure functions of `gatepass-core` decide. The second writes and
//! commits. Locks, and not serializable transactions with retries: the changes that meet are those
//! of one path or one upload, they queue up in the order in which they came, and each is decided
//! once.
//!
//! A node that stops between the two trips holds nobody up for long: PostgreSQL ends a transaction
//! that is idle for one and a half seconds.
//!
//! # When an answer is lost
//!
//! The connection broke, or nothing came for two seconds; the commit may have been made, or may
//! still be on its way. The same change is tried again on another connection. It first has to get
//! the lock, which the lost transaction keeps until it has ended one way or the other; so what it
//! reads then is final. It looks for its own name there (the blob of a publication, the id of an
//! upload, the number of a removal, the parts of a record), and finds that it was made, or makes
//! it. It is never assumed. Whatever is not settled after five seconds is
//! [`CatalogError::Unavailable`](gatepass_core::port::CatalogError::Unavailable).
//!
//! # Two nodes at the same bytes of one upload
//!
//! Within a process requests for the same bytes take turns. Across nodes there are no turns, and
//! no fencing epoch: the record is the fence. Parts are recorded under the lock of the upload's
//! row, each with its checksum; the first record of a range stands, an equal one is no news, and a
//! different one is refused. A stalled request on another node has nothing that a newer one must
//! wait for, and wakes up to a refusal or to "no news". This rests on a store that keeps the bytes
//! of each attempt apart until one is recorded, as an object store does; on a directory that nodes
//! share, two attempts would write to one place, where no number in a catalog could stop the later
//! one.
//!
//! # Settings
//!
//! Each node asks for their version every two seconds, one look-up by primary key. A change reaches
//! all within that and two round trips, so nothing is gained by `LISTEN`. A node that cannot ask
//! cannot serve either: no request gets further than its signature without the catalog.

mod catalog;
mod counts;
mod error;
mod files;
mod listing;
mod migrate;
mod options;
mod rows;
mod session;
mod settings;
mod transfer;
mod turns;
mod uploads;

pub use catalog::PostgresCatalog;
pub use error::OpenError;
pub use options::Options;
