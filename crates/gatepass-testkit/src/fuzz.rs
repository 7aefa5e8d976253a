//! A small fuzzer for parsers of untrusted bytes: it mutates samples and hands them over. What it
//! looks for are panics and broken promises; hangs show as a test that does not end.
//!
//! `GATEPASS_FUZZ` is the number of inputs for each parser, `GATEPASS_SEED` the seed.

use crate::builders::split_mix;

/// Inputs for each parser, unless the environment says more.
const INPUTS: u64 = 20_000;
/// Longest input in bytes.
const LENGTH_MAX: usize = 4_096;

/// Hands the samples over, as they are and then mutated. A failure names the input that causes it.
pub fn fuzz(samples: &[&[u8]], mut parser: impl FnMut(&[u8])) {
    let from_environment = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let inputs: u64 = from_environment("GATEPASS_FUZZ").unwrap_or(INPUTS);
    let mut state: u64 = from_environment("GATEPASS_SEED").unwrap_or(1);
    let mut hand_over = |input: &[u8]| {
        let shown = String::from_utf8_lossy(input).into_owned();
        let guard = Shown(shown);
        parser(input);
        std::mem::forget(guard);
    };
    for sample in samples {
        hand_over(sample);
        // Every beginning of it, and every byte of it turned.
        for at in 0..sample.len().min(256) {
            hand_over(&sample[..at]);
            let mut turned = sample.to_vec();
            turned[at] ^= 0x80;
            hand_over(&turned);
        }
    }
    for _ in 0..inputs {
        let input = mutated(samples, &mut state);
        hand_over(&input);
    }
}

/// Prints the input when a parser panics.
struct Shown(String);

impl Drop for Shown {
    fn drop(&mut self) {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "the input was {:?}", self.0);
    }
}

/// What parsers stumble over.
const PIECES: &[&[u8]] = &[
    b"",
    b"0",
    b"-1",
    b"+1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775807",
    b"9223372036854775808",
    b"%",
    b"%00",
    b"%2F",
    b"%2e",
    b"%zz",
    b"?",
    b"#",
    b"&",
    b"=",
    b";",
    b",",
    b":",
    b"\"",
    b"\\",
    b"*",
    b"/",
    b"//",
    b"/../",
    b" ",
    b"\t",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"{",
    b"[[[[",
    b"}",
    b"null",
    b"1e999",
    b"bytes",
    b"=:",
];

fn mutated(samples: &[&[u8]], state: &mut u64) -> Vec<u8> {
    let mut below = |bound: usize| {
        usize::try_from(split_mix(state) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    };
    let mut input = samples[below(samples.len())].to_vec();
    for _ in 0..=below(4) {
        let at = below(input.len() + 1);
        match below(6) {
            0 => {
                let piece = PIECES[below(PIECES.len())];
                input.splice(at..at, piece.iter().copied());
            }
            1 => drop(input.drain(at..(at + below(8)).min(input.len()).max(at))),
            2 if at < input.len() => input[at] = u8::try_from(below(256)).unwrap(),
            3 => {
                let other = samples[below(samples.len())];
                let from = below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            4 => {
                let end = (at + below(16)).min(input.len());
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            _ => input.truncate(at),
        }
    }
    input.truncate(LENGTH_MAX);
    input
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn inputs_differ_and_come_near_the_samples() {
        let mut seen = HashSet::new();
        super::fuzz(&[b"bytes 0-9/10"], |input| {
            seen.insert(input.to_vec());
        });
        assert!(seen.len() > 5_000, "{}", seen.len());
        assert!(seen.contains(&b"bytes 0-9/10"[..]));
        assert!(seen.iter().any(|input| input.starts_with(b"bytes 0-9/10") && input.len() > 12));
    }
}
