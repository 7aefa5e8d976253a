//! Content types and media facts from bytes.
//!
//! Types are found by pure functions over the start of a file. Facts need more of the file, and
//! libraries that nobody proved: they run in processes of their own ([`MediaProbe`] starts them,
//! [`worker::serve`] is what runs there), which can neither crash nor stall the server.

mod believed;
mod find;
mod format;
mod markup;
mod pixels;
mod probe;
mod refine;
mod sniff;
mod source;
pub mod worker;

pub use probe::MediaProbe;
pub use refine::content_type;
pub use sniff::sniff;
