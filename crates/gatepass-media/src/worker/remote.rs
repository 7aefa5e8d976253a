//! The worker's side.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use gatepass_core::MediaFacts;

use super::{confine, wire};
use crate::find;
use crate::source::{Fetch, Source};

/// Answers questions until nobody asks any more. For a process of its own: it takes from itself
/// whatever it does not need, for good.
pub fn serve(input: impl Read, output: impl Write) -> io::Result<()> {
    // A panic is caught; nobody is to read what it prints.
    std::panic::set_hook(Box::new(|_| {}));
    confine::for_good()?;
    let link = RefCell::new(Link { input, output });
    loop {
        let question = link.borrow_mut().question()?;
        let Some((content_type, size)) = question else { return Ok(()) };
        confine::for_one_file()?;
        let mut source = Source::new(&link, size);
        let mut facts = find::headers(&content_type, &mut source);
        link.borrow_mut().tell(&facts)?;
        if find::pixels(&content_type, &mut source, &mut facts) {
            link.borrow_mut().tell(&facts)?;
        }
        link.borrow_mut().done()?;
    }
}

struct Link<I, O> {
    input: I,
    output: O,
}

impl<I: Read, O: Write> Link<I, O> {
    fn question(&mut self) -> io::Result<Option<(String, u64)>> {
        let mut size = [0; 8];
        match self.input.read_exact(&mut size) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        let content_type = self.framed(wire::TYPE_BYTES_MAX)?;
        let content_type = String::from_utf8(content_type).map_err(io::Error::other)?;
        Ok(Some((content_type, u64::from_be_bytes(size))))
    }

    fn framed(&mut self, longest: usize) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.input.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > longest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn tell(&mut self, facts: &MediaFacts) -> io::Result<()> {
        let facts = serde_json::to_vec(facts)?;
        self.send(&[&[wire::FACTS], wire::framed(&facts).as_slice()].concat())
    }

    fn done(&mut self) -> io::Result<()> {
        self.send(&[wire::DONE])
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.output.flush()
    }
}

impl<I: Read, O: Write> Fetch for &RefCell<Link<I, O>> {
    fn fetch(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut link = self.borrow_mut();
        let wanted = u32::try_from(length).map_err(io::Error::other)?;
        let wants =
            [&[wire::WANTS], offset.to_be_bytes().as_slice(), &wanted.to_be_bytes()].concat();
        link.send(&wants)?;
        link.framed(length)
    }
}
