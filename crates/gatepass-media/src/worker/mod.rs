//! Processes of their own for parsers.
//!
//! A worker has a pipe in and a pipe out, and nothing else: no files, no sockets, no environment,
//! little memory, and of the system's calls only those that this takes. It is asked about one file at a time, asks for bytes of it, and tells what it
//! found. What goes wrong in it ends it alone: whoever asked starts another.
//!
//! | who | module |
//! |---|---|
//! | the server: starts workers, answers what they ask for, stops them | `pool` |
//! | the worker | [`serve`] |
//! | what goes through the pipes | `wire` |

#[cfg(all(
    target_os = "linux",
    target_endian = "little",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
mod calls;
mod confine;
mod pool;
mod remote;
mod wire;

pub(crate) use pool::Pool;
pub use remote::serve;
