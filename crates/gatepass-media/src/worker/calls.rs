//! The system calls that a worker keeps. Any other ends it, on the spot: whatever a parser is led
//! to do, it opens nothing, connects to nothing, starts nothing and signals nobody.

use std::collections::BTreeMap;
use std::io;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// For good, and for the thread that calls it; a worker has no other and cannot start one.
pub(super) fn keep_only_what_is_needed() -> io::Result<()> {
    let program = program().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let (otherwise, kept) = (SeccompAction::KillProcess, SeccompAction::Allow);
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules()?, otherwise, kept, architecture)?.try_into()
}

/// A call without rules is kept whatever its arguments are.
fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let anonymous = flag(libc::MAP_ANONYMOUS);
    let mut rules = BTreeMap::from([
        // The two pipes.
        (libc::SYS_read, vec![rule(&[(0, Eq, 0)])?]),
        (libc::SYS_write, vec![rule(&[(0, Eq, 1)])?]),
        // Memory, but none of a file, and none that could be run.
        (libc::SYS_mmap, vec![rule(&[not_executable(2), (3, MaskedEq(anonymous), anonymous)])?]),
        (libc::SYS_mprotect, vec![rule(&[not_executable(2)])?]),
        // The processor time for the next file: of the process itself, and nothing else of it.
        (libc::SYS_prlimit64, vec![rule(&[(0, Eq, 0), (1, Eq, u64::from(libc::RLIMIT_CPU))])?]),
    ]);
    rules.extend(ALWAYS.iter().map(|call| (*call, Vec::new())));
    Ok(rules)
}

/// Memory that was given already, time, random numbers for hash tables, and ending.
const ALWAYS: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_futex,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

type Condition = (u8, SeccompCmpOp, u64);

fn not_executable(argument: u8) -> Condition {
    (argument, MaskedEq(flag(libc::PROT_EXEC)), 0)
}

fn flag(bits: libc::c_int) -> u64 {
    u64::from(bits.unsigned_abs())
}

fn rule(conditions: &[Condition]) -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions = conditions.iter().cloned();
    let conditions =
        conditions.map(|(argument, op, value)| SeccompCondition::new(argument, Dword, op, value));
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests;
