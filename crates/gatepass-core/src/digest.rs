//! Checksums over content, computed on the way to the store.

use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};

/// CRC-64/NVME of two stretches of bytes, one behind the other, from theirs.
///
/// ```
/// use gatepass_core::digest::combine_crc64;
///
/// // "1234" and "56789"
/// let whole = combine_crc64(0x29f5_dbe7_e2ff_71d4, 0xf87d_c887_176c_e667, 5);
/// assert_eq!(whole, 0xae8b_1486_0a79_9888);
/// ```
///
/// A file of many parts takes as many of these, so it has to be quick: microseconds, where the
/// library's own takes a tenth of a millisecond.
pub fn combine_crc64(first: u64, second: u64, second_length: u64) -> u64 {
    multiply(power_of_x8(second_length), first) ^ second
}

/// The polynomial of CRC-64/NVME without its highest term; the highest bit is the lowest power.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

/// The product of two polynomials, modulo that of the CRC.
fn multiply(a: u64, mut b: u64) -> u64 {
    let mut product = 0;
    let mut bit: u64 = 1 << 63;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        bit >>= 1;
        b = (b >> 1) ^ if b & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    product
}

/// What `bytes` zero bytes multiply a CRC with: x^(8 * bytes).
fn power_of_x8(mut bytes: u64) -> u64 {
    let (mut power, mut square) = (1 << 63, 1 << (63 - 8));
    while bytes > 0 {
        if bytes & 1 == 1 {
            power = multiply(square, power);
        }
        square = multiply(square, square);
        bytes >>= 1;
    }
    power
}

/// Digests that content must have; `None` is not checked and not computed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedDigests {
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512.
    pub sha512: Option<[u8; 64]>,
    /// MD5. It protects against accidents only.
    pub md5: Option<[u8; 16]>,
}

/// Digests that content has. CRC-64/NVME is always there; the rest where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// CRC-64/NVME.
    pub crc64: u64,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512.
    pub sha512: Option<[u8; 64]>,
    /// MD5.
    pub md5: Option<[u8; 16]>,
}

impl Digests {
    /// Whether everything expected was computed and is equal.
    pub fn satisfy(&self, expected: &ExpectedDigests) -> bool {
        fn holds<const N: usize>(expected: Option<[u8; N]>, found: Option<[u8; N]>) -> bool {
            expected.is_none() || expected == found
        }
        holds(expected.sha256, self.sha256)
            && holds(expected.sha512, self.sha512)
            && holds(expected.md5, self.md5)
    }
}

/// Computes the digests of bytes that pass by in order.
///
/// ```
/// use gatepass_core::{ContentHasher, ExpectedDigests};
///
/// let mut hasher = ContentHasher::new(&ExpectedDigests::default());
/// hasher.update(b"123456789");
/// assert_eq!(hasher.finish().crc64, 0xae8b_1486_0a79_9888);
/// ```
pub struct ContentHasher {
    crc64: Crc,
    /// In a box: most uploads ask for none, and each keeps its hasher for as long as it takes.
    asked: Option<Box<Asked>>,
}

/// What somebody asked for.
struct Asked {
    sha256: Option<Sha256>,
    sha512: Option<Sha512>,
    md5: Option<Md5>,
}

impl ContentHasher {
    /// Computes CRC-64/NVME and the digests that are expected. SHA-256 costs about as much as all
    /// the rest of an upload, so it runs only where somebody asks.
    pub fn new(expected: &ExpectedDigests) -> Self {
        let is_asked = *expected != ExpectedDigests::default();
        let asked = is_asked.then(|| Asked {
            sha256: expected.sha256.map(|_| Sha256::new()),
            sha512: expected.sha512.map(|_| Sha512::new()),
            md5: expected.md5.map(|_| Md5::new()),
        });
        Self { crc64: Crc::new(CrcAlgorithm::Crc64Nvme), asked: asked.map(Box::new) }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.crc64.update(bytes);
        if let Some(asked) = &mut self.asked {
            asked.update(bytes);
        }
    }

    /// The digests of everything that passed by.
    pub fn finish(self) -> Digests {
        let crc64 = self.crc64.finalize();
        match self.asked {
            Some(asked) => asked.finish(crc64),
            None => Digests { crc64, sha256: None, sha512: None, md5: None },
        }
    }
}

impl Asked {
    fn update(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.sha256 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha512 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.md5 {
            hash.update(bytes);
        }
    }

    fn finish(self, crc64: u64) -> Digests {
        Digests {
            crc64,
            sha256: self.sha256.map(|hash| hash.finalize().into()),
            sha512: self.sha512.map(|hash| hash.finalize().into()),
            md5: self.md5.map(|hash| hash.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combining_is_what_the_library_does() {
        let lengths = [0, 1, 5, 4_096, (16 << 20) - 1, 16 << 20, 8 << 30, 5 << 40];
        for (index, length) in lengths.into_iter().enumerate() {
            let [first, second] = [3, 7]
                .map(|factor: u64| (index as u64 + factor).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let theirs = crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, first, second, length);
            assert_eq!(combine_crc64(first, second, length), theirs, "{length} bytes");
        }
    }

    #[test]
    fn pieces_do_not_matter() {
        let expected =
            ExpectedDigests { sha256: Some([0; 32]), sha512: Some([0; 64]), md5: Some([0; 16]) };
        let mut whole = ContentHasher::new(&expected);
        whole.update(b"hello world");
        let mut pieces = ContentHasher::new(&expected);
        pieces.update(b"hello");
        pieces.update(b"");
        pieces.update(b" world");
        assert_eq!(whole.finish(), pieces.finish());
    }

    #[test]
    fn a_digest_that_was_not_computed_never_satisfies() {
        let found = ContentHasher::new(&ExpectedDigests::default()).finish();
        assert!(found.satisfy(&ExpectedDigests::default()));
        assert!(!found.satisfy(&ExpectedDigests { md5: Some([0; 16]), ..Default::default() }));
    }
}
