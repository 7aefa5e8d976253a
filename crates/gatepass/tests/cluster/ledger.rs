//! Uploads to paths of their own, and what was acknowledged of each: to be there at the end, once.

use std::collections::BTreeMap;
use std::time::Duration;

use gatepass_sign::Action;

use crate::client::{Client, Reply, sign};
use crate::random::Random;
use crate::support::noise;

/// An upload that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: String,
    seed: u64,
    length: usize,
    /// Of the File.
    pub(crate) id: String,
}

impl Entry {
    /// What a read returned is what was uploaded.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), String> {
        if body == noise(self.seed, self.length) {
            return Ok(());
        }
        Err(format!("{}: {} bytes that are not those uploaded", self.path, body.len()))
    }
}

/// How an upload goes up.
#[derive(Debug, Clone, Copy)]
enum Form {
    Whole(usize),
    /// In chunks of so many bytes.
    Chunks(usize, usize),
}

fn form(random: &mut Random) -> Form {
    let some = usize::try_from(random.below(60_000)).unwrap();
    match random.below(20) {
        0..8 => Form::Whole(some),
        8..13 => Form::Whole(256 << 10),
        // More than one part of the object store.
        13 => Form::Whole((9 << 20) + some),
        // What fills its parts goes straight through, what does not is put together later.
        14 => Form::Chunks((11 << 20) + some, 5 << 20),
        15 => Form::Chunks((6 << 20) + some, 700_001),
        _ => Form::Chunks(100_000 + some, 30_000),
    }
}

/// What is tried, until it is acknowledged or there is no time left.
pub(crate) struct Uploading<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) random: &'a mut Random,
    pub(crate) is_over: &'a dyn Fn() -> bool,
    /// How often a request had to be repeated.
    pub(crate) repeats: u64,
}

type Outcome<T> = Result<Option<T>, String>;

impl Uploading<'_> {
    /// Uploads something to a path; `None` if it was not acknowledged in time.
    pub(crate) fn upload(&mut self, path: &str) -> Outcome<Entry> {
        let seed = self.random.next();
        let form = form(self.random);
        let (Form::Whole(length) | Form::Chunks(length, _)) = form;
        let content = noise(seed, length);
        let url = sign(Action::Put, path, seed | 1);
        let id = match form {
            Form::Whole(_) => self.whole(&url, &content)?,
            Form::Chunks(_, chunk) => self.chunks(&url, &content, chunk)?,
        };
        Ok(id.map(|id| Entry { path: path.to_owned(), seed, length, id }))
    }

    fn whole(&mut self, url: &str, content: &[u8]) -> Outcome<String> {
        let reply = self.persist(url, "", content, &[200, 201])?;
        Ok(reply.map(|reply| id(&reply)))
    }

    /// All chunks, in some order, some of them twice; every File that is answered is the same.
    fn chunks(&mut self, url: &str, content: &[u8], size: usize) -> Outcome<String> {
        let count = content.len().div_ceil(size);
        let mut numbers: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            numbers.swap(at, usize::try_from(self.random.below(at as u64 + 1)).unwrap());
        }
        if self.random.chance(30) {
            numbers.push(numbers[0]);
        }
        let mut file: Option<String> = None;
        for number in numbers {
            let (first, past) = (number * size, content.len().min((number + 1) * size));
            let range = format!("Content-Range: bytes {first}-{}/{}\r\n", past - 1, content.len());
            let statuses = [200, 201, 202];
            let Some(reply) = self.persist(url, &range, &content[first..past], &statuses)? else {
                return Ok(None);
            };
            if reply.status == 202 {
                if let Some(file) = file {
                    return Err(format!("{url}: {file} was a file, and is an upload again"));
                }
                continue;
            }
            let id = id(&reply);
            if file.as_ref().is_some_and(|file| *file != id) {
                return Err(format!("{url}: two Files, {file:?} and {id}"));
            }
            file = Some(id);
        }
        match file {
            Some(id) => Ok(Some(id)),
            None => Err(format!("{url}: every chunk was taken, and it is no file")),
        }
    }

    /// Sends the same again until it is answered with one of these.
    fn persist(&mut self, url: &str, headers: &str, body: &[u8], wanted: &[u16]) -> Outcome<Reply> {
        loop {
            match self.client.send("PUT", url, headers, body) {
                Some(reply) if wanted.contains(&reply.status) => return Ok(Some(reply)),
                Some(Reply { status: 503, .. }) | None => {}
                Some(Reply { status, body }) => {
                    let text = String::from_utf8_lossy(&body).into_owned();
                    return Err(format!("{url} {headers}: {status} {text}"));
                }
            }
            if (self.is_over)() {
                return Ok(None);
            }
            self.repeats += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn id(reply: &Reply) -> String {
    reply.object()["id"].as_str().unwrap_or_default().to_owned()
}

/// Holds what was acknowledged against the catalog's table, a line `PATH ID` for each file.
pub(crate) fn check_table(entries: &[Entry], table: &str) -> Result<(), String> {
    let mut ids = BTreeMap::new();
    for (path, id) in table.lines().filter_map(|line| line.split_once(' ')) {
        if ids.insert(path, id).is_some() {
            return Err(format!("{path} is there twice"));
        }
    }
    for entry in entries {
        match ids.get(entry.path.as_str()) {
            None => return Err(format!("{}: acknowledged, and lost", entry.path)),
            Some(id) if *id != entry.id => {
                return Err(format!("{}: was {}, and is {id}", entry.path, entry.id));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
