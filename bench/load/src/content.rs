//! Bytes of uploads.

/// What is stamped: no longer block is ever equal to another one.
const BLOCK: usize = 64 << 10;
const BLOCKS: usize = 8;

/// Random bytes, of which no two blocks that were sent are equal: a server that stores equal blocks
/// once, or compresses, gains nothing.
pub(crate) struct Content {
    bytes: Vec<u8>,
    stamp: u128,
}

impl Content {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut bytes = vec![0; BLOCK * BLOCKS];
        getrandom::fill(&mut bytes)?;
        let mut stamp = [0; 16];
        getrandom::fill(&mut stamp)?;
        Ok(Self { bytes, stamp: u128::from_le_bytes(stamp) })
    }

    /// The next bytes to send: `left`, or as many as go into one write.
    pub(crate) fn next(&mut self, left: u64) -> &[u8] {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.bytes.len());
        for block in self.bytes[..length].chunks_mut(BLOCK) {
            self.stamp = self.stamp.wrapping_add(1);
            let stamp = self.stamp.to_le_bytes();
            let count = block.len().min(stamp.len());
            block[..count].copy_from_slice(&stamp[..count]);
        }
        &self.bytes[..length]
    }
}
