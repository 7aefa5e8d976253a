//! Random and hostile URLs, judged by this crate and by `vectors/verifier.py`.
//!
//! `GATEPASS_CASES` sets how many (100,000), `GATEPASS_SEED` replays a run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use gatepass_sign::LegacyUrls;
use hmac::{Hmac, KeyInit as _, Mac as _};

use crate::case::{Case, Key, Outcome};
use crate::vectors::directory;

const NOW: u64 = 1_700_000_000;
const SECRETS: [&str; 3] = [
    "gp_test_key_do_not_use_000000000000",
    "ittybit_test_key",
    "gp_other_key_do_not_use_11111111111",
];
const PATHS: &[&str] = &[
    "a.png",
    "folder/image.png",
    "private/a.png",
    "a b.png",
    "a%20b.png",
    "\u{e9}.png",
    "e\u{301}.png",
    "%c3%a9.png",
    "100%.png",
    "a+b&c=d.png",
    "写真.png",
    "x/../y",
    "%2e%2e/y",
    "a//b",
    "a%2Fb",
    "a%5cb",
    "a\\b",
    "a%00b",
    "a%zz",
    "a%",
    "a%2520b",
    "%ff",
    "",
    "/a",
    "a/",
    ".well-known/x",
    "secret.pdf%3Fexpiry=9",
    "a%23b",
    "deep/er/and/deeper.bin",
];
const EXPIRIES: &[&str] = &[
    "4102444800",
    "4102444800",
    "4102444800",
    "1700000000",
    "1699999970",
    "1699999969",
    "1700000600",
    "1700000601",
    "1",
    "0",
    "-1",
    "+1",
    "1e12",
    "01",
    "170000000000",
    "",
    " 1",
    "1.5",
    "１７",
    "99999999999",
];
const EXTRAS: &[&str] = &[
    "max_size=10",
    "max_size=10MB",
    "size=0",
    "size=007",
    "type=image/*",
    "type=*/*",
    "type=",
    "sha256=00",
    "overwrite=false",
    "overwrite=no",
    "ref=x",
    "ref=a+b",
    "ref=%zz",
    "ref=%c3%a9",
    "ref=?",
    "meta.a=1",
    "meta.a=%00",
    "meta.=1",
    "meta.a b=1",
    "download=",
    "download=r%22.pdf",
    "kid=key_0",
    "kid=key_1",
    "kid=key_9",
    "x=1",
    "expiry=9999999999",
    "Method=put",
    "method=get",
    "max_size=9007199254740991",
    "max_size=9007199254740992",
    "ref",
    "",
    "signature=x",
    "ref=a;b",
    "type=image/png,image/PNG",
];
const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];

/// `SplitMix64`: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

fn mac(key: &str, text: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

fn case(random: &mut Random) -> Case {
    if random.one_in(3) {
        return tame_case(random);
    }
    let keys = keys(random);
    let (raw_path, raw_query) = url(random, &keys);
    let bearer = random.one_in(12).then(|| random.pick(&SECRETS).to_owned());
    Case {
        legacy_urls: [LegacyUrls::Put, LegacyUrls::Both, LegacyUrls::Off][random.below(3)],
        max_expiry: random.one_in(6).then_some(600),
        private: vec!["private/".to_owned()],
        now: NOW,
        method: random.pick(&METHODS).to_owned(),
        raw_path,
        raw_query: (!random.one_in(25)).then_some(raw_query),
        bearer,
        keys,
    }
}

/// A URL as an honest signer makes it, used as it is meant.
fn tame_case(random: &mut Random) -> Case {
    let path = PATHS[random.below(8)];
    let (action, method) =
        [("put", "PUT"), ("put", "HEAD"), ("get", "GET"), ("delete", "DELETE")][random.below(4)];
    let extra = random.pick(&["", "&max_size=10", "&type=image/*", "&ref=%c3%a9", "&meta.a=1"]);
    let signed = format!("expiry=4102444800&method={action}{extra}");
    let spelling = if random.one_in(2) { path.replace("%20", " ") } else { path.to_owned() };
    let signature = mac(SECRETS[0], &format!("{spelling}?{signed}"));
    Case {
        keys: vec![Key {
            id: "key_0".to_owned(),
            secret: SECRETS[0].to_owned(),
            scopes: "admin".to_owned(),
            prefix: String::new(),
            verify_until: None,
        }],
        legacy_urls: LegacyUrls::Put,
        max_expiry: None,
        private: vec!["private/".to_owned()],
        now: NOW,
        method: method.to_owned(),
        raw_path: path.to_owned(),
        raw_query: Some(format!("{signed}&signature={signature}")),
        bearer: None,
    }
}

fn keys(random: &mut Random) -> Vec<Key> {
    let count = 1 + random.below(2);
    let key = |(index, secret): (usize, &&str), random: &mut Random| Key {
        id: format!("key_{index}"),
        secret: (*secret).to_owned(),
        scopes: random
            .pick(&["admin", "admin", "admin", "sign:put", "sign:get files:delete"])
            .to_owned(),
        prefix: random.pick(&["", "", "", "", "folder", "private/"]).to_owned(),
        verify_until: [None, None, None, Some(NOW), Some(NOW + 1)][random.below(5)],
    };
    SECRETS.iter().enumerate().take(count).map(|entry| key(entry, random)).collect()
}

/// A URL that is signed, mostly rightly, and then perhaps damaged.
fn url(random: &mut Random, keys: &[Key]) -> (String, String) {
    let path = if random.one_in(2) { PATHS[random.below(6)] } else { random.pick(PATHS) };
    let mut pairs = Vec::new();
    if random.one_in(3) {
        pairs.push(format!("expiry={}", random.pick(EXPIRIES)));
    } else {
        pairs.push("expiry=4102444800".to_owned());
    }
    if !random.one_in(5) {
        pairs.push(format!("method={}", random.pick(&["put", "put", "get", "delete", "PUT", ""])));
    }
    while random.one_in(3) {
        pairs.push(random.pick(EXTRAS).to_owned());
    }
    if random.one_in(4) {
        let (one, other) = (random.below(pairs.len()), random.below(pairs.len()));
        pairs.swap(one, other);
    }
    let signed = pairs.join("&");
    let secret = if random.one_in(8) { SECRETS[2] } else { &keys[random.below(keys.len())].secret };
    let spelling = if random.one_in(3) { path.replace("%20", " ") } else { path.to_owned() };
    let mut signature = mac(secret, &format!("{spelling}?{signed}"));
    if random.one_in(8) {
        signature = damage(random, &signature);
    }
    let mut query = format!("{signed}&signature={signature}");
    if random.one_in(10) {
        let tail = random.pick(&[
            "&x=1",
            "&resumableChunkNumber=3",
            "&expiry=9",
            "&",
            "&signature=a",
            "&meta.a=1",
            "?",
            "&y",
        ]);
        query.push_str(tail);
    }
    let mut sent = path.to_owned();
    if random.one_in(12) {
        sent = damage(random, &sent);
    }
    if random.one_in(12) {
        query = damage(random, &query);
    }
    (sent, query)
}

fn damage(random: &mut Random, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = random.below(characters.len() + 1);
    match random.below(6) {
        0 => characters.insert(
            at,
            random
                .pick(&["%", "=", "&", "?", "#", "/", ".", "+", "\u{e9}", "\0"])
                .chars()
                .next()
                .unwrap(),
        ),
        1 if at < characters.len() => drop(characters.remove(at)),
        2 if at < characters.len() => characters[at] = characters[at].to_ascii_uppercase(),
        3 => characters.extend(['=']),
        4 => characters.extend("%3D".chars()),
        5 if at < characters.len() => {
            let mut escaped = String::new();
            let mut buffer = [0; 4];
            for byte in characters[at].encode_utf8(&mut buffer).bytes() {
                let _ = write!(escaped, "%{byte:02X}");
            }
            characters.splice(at..=at, escaped.chars());
        }
        _ => {}
    }
    characters.into_iter().collect()
}

#[test]
fn two_verifiers_never_disagree() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let seed = number("GATEPASS_SEED").unwrap_or_else(|| u64::try_from(clock()).unwrap());
    let count = number("GATEPASS_CASES").unwrap_or(100_000);
    eprintln!("seed {seed}: replay with GATEPASS_SEED={seed}");
    let mut random = Random(seed);
    let cases: Vec<Case> = (0..count).map(|_| case(&mut random)).collect();

    let mut verifier = Command::new("python3")
        .arg(directory().join("verifier.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = verifier.stdin.take().unwrap();
    let lines: Vec<String> =
        cases.iter().map(|case| serde_json::to_string(case).unwrap()).collect();
    let feeder = std::thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").unwrap();
        }
    });
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut answers = BufReader::new(verifier.stdout.take().unwrap()).lines();
    for case in &cases {
        let theirs: Outcome = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        let ours = case.judge();
        assert_eq!(ours, theirs, "seed {seed}: {}", serde_json::to_string(case).unwrap());
        let name = match ours {
            Outcome::Accept { .. } => "accept".to_owned(),
            Outcome::Refuse(kind) => kind,
        };
        *outcomes.entry(name).or_default() += 1;
    }
    feeder.join().unwrap();
    assert!(verifier.wait().unwrap().success());
    eprintln!("{count} URLs, 0 disagreements: {outcomes:?}");
    // A run that only ever refuses would prove little.
    assert!(outcomes["accept"] * 5 > count, "{outcomes:?}");
    assert_eq!(outcomes.len(), 10, "every outcome occurs: {outcomes:?}");
}
