//! Fetching from URLs that strangers choose, without becoming their way into the network.
//!
//! 1. [`Guard`] decides purely which addresses and ports may be connected to;
//! 2. `resolve` turns a URL's host into addresses, once, and lets the guard take out what is not
//!    permitted: names and addresses in any spelling go the same way;
//! 3. `connect` connects to one of these very addresses, and does TLS;
//! 4. `exchange` sends one request and reads one answer, distrusting all of it;
//! 5. [`Fetcher`] follows redirects, each of which begins at 1 again.
//!
//! There is no proxy, no pool and no cookie that could carry one request's powers to another.
//!
//! What it cannot know: that a public address leads back into the network, by a router of its
//! own. Where that is so, a firewall for outgoing connections is the second wall.

mod connect;
mod exchange;
mod fetcher;
mod guard;
mod resolve;

pub use fetcher::{FetchLimits, Fetcher};
pub use guard::{AllowedNetwork, AllowedNetworkError, Guard, is_public};
