//! Pure parts of a request, by themselves: their time, and for callgrind their instructions.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use gatepass_core::byte_range::resolve;
use gatepass_core::{ByteRange, ContentHasher, ExpectedDigests, Memo, Part, PartMap};
use gatepass_http::parse_range;
use gatepass_sign::{
    Action, Door, KeyRing, Method, ObjectPath, Policy, ProjectId, Receipt, ReceiptClaims, Request,
    Secret, VerifyingKey, sign_url,
};
use serde_json::{Value, json};

const NOW: u64 = 1_765_432_000;
const MIB: u64 = 1 << 20;

#[derive(Args, Clone)]
pub(crate) struct Micro {
    #[arg(value_enum)]
    subject: Subject,
    /// How often
    #[arg(long, default_value_t = 100_000)]
    times: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// A signed URL becomes a grant
    Signature,
    /// The same, of a URL that says size, types, reference and metadata
    Policy,
    /// A receipt is issued
    Receipt,
    /// A chunk is planned and recorded, in an upload of up to 128 of them
    PartMap,
    /// A `Range` header is read and held against a file
    Range,
    /// The checksum of 16 KiB
    Checksum,
}

/// Does it again and again; reports nanoseconds for each time.
pub(crate) fn run(micro: &Micro) -> anyhow::Result<Value> {
    let mut work = work(micro.subject)?;
    let begun = Instant::now();
    for number in 0..micro.times {
        work(number)?;
    }
    let taken = begun.elapsed();
    Ok(json!({
        "times": micro.times,
        "seconds": taken.as_secs_f64(),
        "nanoseconds": taken.as_secs_f64() * 1e9 / f64::from(u32::try_from(micro.times)?),
    }))
}

type Work = Box<dyn FnMut(u64) -> anyhow::Result<()>>;

fn work(subject: Subject) -> anyhow::Result<Work> {
    Ok(match subject {
        Subject::Signature => signature(&Policy::new(Action::Put, NOW + 60))?,
        Subject::Policy => {
            let mut policy = Policy::new(Action::Put, NOW + 60);
            policy.max_size = Some(10 * MIB);
            policy.types = vec!["image/*".into(), "video/mp4".into()];
            policy.reference = Some("order 4711".into());
            policy.metadata.insert("album".into(), "summer".into());
            signature(&policy)?
        }
        Subject::Receipt => receipt(),
        Subject::PartMap => part_map(),
        Subject::Range => range(),
        Subject::Checksum => checksum(),
    })
}

fn signature(policy: &Policy) -> anyhow::Result<Work> {
    let key = Secret::new("gp_bench_key_of_no_value_000000000000000000");
    let ring = KeyRing::new(ProjectId::new("proj_bench"))
        .with_key(VerifyingKey::unrestricted("key_bench", key.clone()));
    let door = Door::new(ring);
    let path = ObjectPath::from_decoded("users/4711/photo.jpg")?;
    let url = sign_url(&key, "", &path, policy);
    let (path, query) = url.trim_start_matches('/').split_once('?').context("no query")?;
    let (path, query) = (path.to_owned(), query.to_owned());
    Ok(Box::new(move |_| {
        let (path, query) = (path.as_str(), Some(query.as_str()));
        let request = Request { method: Method::Put, path, query, bearer: None, continues: false };
        black_box(door.authorise(black_box(&request), NOW)?);
        Ok(())
    }))
}

fn receipt() -> Work {
    let key = Secret::new("gp_bench_key_of_no_value_000000000000000000");
    let claims = ReceiptClaims {
        sub: "file_01JB3V6K9QZ8".into(),
        path: "users/4711/photo.jpg".into(),
        size: 16 << 10,
        content_type: "image/jpeg".into(),
        etag: "3f2a9c0b7d1e4f68".into(),
        iat: NOW,
        exp: NOW + 3_600,
    };
    Box::new(move |_| {
        black_box(Receipt::issue(&key, black_box(&claims)));
        Ok(())
    })
}

fn part_map() -> Work {
    let mut map = PartMap::default();
    let total = 128 * 16 * MIB;
    Box::new(move |number| {
        if number % 128 == 0 {
            map = PartMap::default();
        }
        // In no order: 45 has no factor in common with 128.
        let start = number * 45 % 128 * 16 * MIB;
        let range = ByteRange::new(start, start + 16 * MIB).context("a range")?;
        black_box(map.plan(range));
        map.insert(Part { range, crc64: number, memo: Memo::default() })?;
        black_box(map.is_complete(Some(total)));
        Ok(())
    })
}

fn range() -> Work {
    Box::new(|number| {
        let header = if number % 2 == 0 { "bytes=1048576-2097151" } else { "bytes=-65536" };
        let spec = parse_range(black_box(header)).context("a range")?;
        black_box(resolve(spec, 64 * MIB));
        Ok(())
    })
}

fn checksum() -> Work {
    let bytes = vec![0x5a; 16 << 10];
    Box::new(move |_| {
        let mut hasher = ContentHasher::new(&ExpectedDigests::default());
        hasher.update(black_box(&bytes));
        black_box(hasher.finish());
        Ok(())
    })
}
