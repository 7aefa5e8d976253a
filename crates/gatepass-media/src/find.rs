//! Finds the facts of one file: first what its headers say, then what its pixels show.

use std::panic::{AssertUnwindSafe, catch_unwind};

use gatepass_core::MediaFacts;

use crate::source::Source;
use crate::{format, pixels};

/// What the headers say.
pub(crate) fn headers(content_type: &str, source: &mut Source<'_>) -> MediaFacts {
    let mut facts = MediaFacts::default();
    contained(|| format::read(content_type, source, &mut facts));
    facts.bitrate = facts.duration_millis.and_then(|millis| {
        let bits = u128::from(source.size()) * 8 * 1_000;
        u64::try_from(bits.checked_div(millis.into())?).ok()
    });
    facts
}

/// Adds what the pixels show; says whether there is anything.
pub(crate) fn pixels(content_type: &str, source: &mut Source<'_>, facts: &mut MediaFacts) -> bool {
    let mut shows = false;
    contained(|| shows = pixels::read(content_type, source, facts).is_some());
    shows
}

/// Nobody promises that hostile bytes cannot make a library panic. It costs the facts, nothing else.
fn contained(parse: impl FnOnce()) {
    let _panicked = catch_unwind(AssertUnwindSafe(parse));
}

#[cfg(test)]
mod tests;
