//! What a worker takes from itself before it sees the first byte of a file.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Most memory, in bytes of address space: the program itself, a decoder with its picture, and
/// room to spare. What asks for more ends the process.
const MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Most time of a processor for one file. It ends what loops, should nobody be left to do so.
const CPU_TIME_MAX: Duration = Duration::from_secs(4);

/// No new files, sockets or core dumps, nothing to write, little memory.
pub(super) fn for_good() -> io::Result<()> {
    limit(Resource::As, MEMORY_BYTES_MAX)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, 0)?;
    // The first look at a clock asks the system where its clocks are.
    for_one_file()?;
    keep_only_needed_calls();
    Ok(())
}

/// A system that cannot filter calls leaves a worker its other bounds, which hold by themselves.
fn keep_only_needed_calls() {
    #[cfg(all(
        target_os = "linux",
        target_endian = "little",
        any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
    ))]
    let _ = super::calls::keep_only_what_is_needed();
}

fn limit(of: Resource, at_most: u64) -> io::Result<()> {
    Ok(setrlimit(of, Rlimit { current: Some(at_most), maximum: Some(at_most) })?)
}

/// The time for the next file begins.
pub(super) fn for_one_file() -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    let used = u64::try_from(used).unwrap_or(0);
    let maximum = getrlimit(Resource::Cpu).maximum;
    let current = Some(used + CPU_TIME_MAX.as_secs());
    Ok(setrlimit(Resource::Cpu, Rlimit { current, maximum })?)
}
