//! A name server that changes its mind: the answers to A queries come from a list, one after the
//! other, and may not be kept.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<usize>>,
}

impl NameServer {
    /// Answers the first question for an address with the first list, and so on; the last one
    /// stays. No addresses: no such name. `None`: no answer at all.
    pub(crate) fn start(answers: Vec<Option<Vec<Ipv4Addr>>>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            let _ = socket.set_read_timeout(Some(Duration::from_mins(2)));
            let mut buffer = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let query = &buffer[..length];
                let mut asked = count.lock().unwrap();
                let answer = answers[(*asked).min(answers.len() - 1)].clone();
                let is_a = is_a(query);
                *asked += usize::from(is_a);
                drop(asked);
                let Some(addresses) = answer else { continue };
                let missing = addresses.is_empty();
                let addresses = if is_a { addresses } else { Vec::new() };
                let _ = socket.send_to(&reply(query, &addresses, missing), from);
            }
        });
        Self { address, asked }
    }

    /// How often somebody asked for an IPv4 address.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

/// The end of the one question: behind the header of 12 bytes a name, a type and a class.
fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += usize::from(query[at]) + 1;
    }
    at + 5
}

fn is_a(query: &[u8]) -> bool {
    let end = question_end(query);
    query[end - 4..end - 2] == [0, 1]
}

/// RFC 1035, section 4: header, the question again, the answers.
fn reply(query: &[u8], addresses: &[Ipv4Addr], missing: bool) -> Vec<u8> {
    let count = u8::try_from(addresses.len()).unwrap();
    let code = if missing { 0x83 } else { 0x80 };
    let mut reply = vec![query[0], query[1], 0x85, code, 0, 1, 0, count, 0, 0, 0, 0];
    reply.extend_from_slice(&query[12..question_end(query)]);
    for address in addresses {
        // The name of the question, type A, class IN, TTL 0, four bytes.
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend_from_slice(&address.octets());
    }
    reply
}
