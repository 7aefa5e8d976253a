//! Dimensions of images that nothing else is read of, by a library.

use gatepass_core::MediaFacts;

use super::{Found, Size};
use crate::source::Source;

/// Bytes of the start of the file that are looked at.
const HEAD_BYTES: usize = 256 << 10;

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let size = imagesize::blob_size(&source.up_to(0, HEAD_BYTES)).ok()?;
    Size::new(u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?).store(facts);
    Some(())
}
