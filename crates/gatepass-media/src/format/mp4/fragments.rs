//! Movie fragments: how many samples of a track there are, and how long they last.

use super::super::bmff::Atom;
use crate::source::Source;

/// What the fragments of a track come to.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sum {
    pub(super) samples: u64,
    pub(super) ticks: u64,
    /// Where the last of them ends.
    pub(super) end: u64,
}

/// Goes through all fragments; `None` if that takes more than may be read.
pub(super) fn of(source: &mut Source<'_>, track: u32, default_ticks: Option<u32>) -> Option<Sum> {
    let mut sum = Sum::default();
    let mut atoms = Atom::file(source).children();
    while let Some(moof) = atoms.next(source) {
        if &moof.kind != b"moof" {
            continue;
        }
        let mut children = moof.children();
        while let Some(traf) = children.next(source) {
            if &traf.kind == b"traf" {
                add(source, traf, track, default_ticks, &mut sum)?;
            }
        }
    }
    // Not read to its end: the bound on bytes ended it.
    let last = source.size().checked_sub(1)?;
    source.array::<1>(last).map(|_| sum)
}

fn add(
    source: &mut Source<'_>,
    traf: Atom,
    track: u32,
    default_ticks: Option<u32>,
    sum: &mut Sum,
) -> Option<()> {
    let tfhd = traf.child(source, *b"tfhd")?;
    if source.u32(tfhd.start + 4)? != track {
        return Some(());
    }
    let flags = source.u32(tfhd.start)?;
    let mut at = tfhd.start + 8;
    at += if flags & 0x01 == 0 { 0 } else { 8 };
    at += if flags & 0x02 == 0 { 0 } else { 4 };
    let each = if flags & 0x08 == 0 { default_ticks } else { Some(source.u32(at)?) };
    let begin = match traf.child(source, *b"tfdt") {
        Some(tfdt) if source.array(tfdt.start)? == [1] => source.u64(tfdt.start + 4)?,
        Some(tfdt) => source.u32(tfdt.start + 4)?.into(),
        None => sum.end,
    };
    sum.end = begin;
    let mut children = traf.children();
    while let Some(trun) = children.next(source) {
        if &trun.kind == b"trun" {
            let (samples, ticks) = run(source, trun, each.unwrap_or(0))?;
            sum.samples = sum.samples.saturating_add(samples);
            sum.ticks = sum.ticks.saturating_add(ticks);
            sum.end = sum.end.saturating_add(ticks);
        }
    }
    Some(())
}

fn run(source: &mut Source<'_>, trun: Atom, each: u32) -> Option<(u64, u64)> {
    let flags = source.u32(trun.start)?;
    let samples = u64::from(source.u32(trun.start + 4)?);
    if flags & 0x100 == 0 {
        return Some((samples, samples.saturating_mul(each.into())));
    }
    let head = 8 + u64::from(flags & 0x01 != 0) * 4 + u64::from(flags & 0x04 != 0) * 4;
    let entry = u64::from((flags & 0xf00).count_ones()) * 4;
    let table = trun.skip(head);
    // No more than fit into the box.
    let samples = samples.min(table.length() / entry.max(4));
    let mut ticks: u64 = 0;
    for index in 0..samples {
        ticks = ticks.saturating_add(source.u32(table.start + index * entry)?.into());
    }
    Some((samples, ticks))
}
