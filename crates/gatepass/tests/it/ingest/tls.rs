//! Sources that speak TLS, with certificates of an authority that is made here and named to the
//! server in the usual way, by `SSL_CERT_FILE`.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::dns::NameServer;
use super::source::{Source, Wire, file, redirect};
use super::{allowing, expect_file, expect_kind, ingest, text};
use crate::support::Server;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, as a file has it.
    pem: String,
}

/// The years between which a certificate is valid.
type Years = std::ops::Range<i32>;

const NOW: Years = 2020..2120;

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A source that proves to be `name`, as this authority says.
    fn source(
        &self,
        name: &str,
        valid: Years,
        manner: impl Fn(&str, &mut dyn Wire) + Send + Sync + 'static,
    ) -> Source {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(valid.start, 1, 1);
        params.not_after = date_time_ymd(valid.end, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        Source::accepting("127.0.0.1:0", manner, move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(Box::new(StreamOwned::new(connection, stream)))
        })
    }
}

/// A server that trusts this authority and no other, and may fetch from these sources.
fn trusting(authority: &Authority, sources: &[&Source], names: &NameServer) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let certificates = directory.path().join("authorities.pem");
    std::fs::write(&certificates, &authority.pem).unwrap();
    let addresses: Vec<_> = sources.iter().map(|source| source.address.to_string()).collect();
    let server = allowing(&addresses)
        .flag("--ingest-name-server", &names.address.to_string())
        .variable("SSL_CERT_FILE", certificates.to_str().unwrap())
        .run();
    // They are read when they are first needed, and kept from then on.
    let first = sources[0];
    expect_file(&ingest(&server, &format!("https://{}/first.txt", first.address)));
    drop(directory);
    server
}

fn url(host: &str, source: &Source, path: &str) -> String {
    format!("https://{host}:{}/{path}", source.address.port())
}

fn hello(_: &str, wire: &mut dyn Wire) {
    let _ = wire.write_all(&file("text/plain", b"hello"));
}

#[test]
fn sources_have_to_prove_who_they_are() {
    let [authority, stranger] = ["known", "stranger"].map(Authority::new);
    let names = NameServer::start(vec![Some(vec![Ipv4Addr::LOCALHOST])]);
    let by_address = authority.source("127.0.0.1", NOW, hello);
    let by_name = authority.source("files.example", NOW, hello);
    let expired = authority.source("files.example", 2020..2021, hello);
    let early = authority.source("files.example", 2110..2120, hello);
    let unknown = stranger.source("files.example", NOW, hello);
    let sources = [&by_address, &by_name, &expired, &early, &unknown];
    let server = trusting(&authority, &sources, &names);

    let fetched = expect_file(&ingest(&server, &url("files.example", &by_name, "named.txt")));
    assert_eq!(fetched["filesize"], 5);
    assert_eq!(server.send("GET", "/named.txt", b"").body, b"hello");

    for (host, source, reason) in [
        ("files.example", &expired, "has expired"),
        ("files.example", &early, "is not valid yet"),
        ("files.example", &unknown, "comes from an authority that this server does not trust"),
        ("other.example", &by_name, "is for another host"),
        ("127.0.0.1", &by_name, "is for another host"),
        ("files.example", &by_address, "is for another host"),
    ] {
        let refused = ingest(&server, &url(host, source, "refused.txt"));
        expect_kind(&refused, 422, "source_failed");
        let message = format!("the source's certificate {reason}");
        assert!(text(&refused).contains(&message), "{host}: {}", text(&refused));
    }
    for source in [&expired, &early, &unknown] {
        assert!(source.requests().is_empty(), "nothing was asked of a source that proves nothing");
    }
    assert_eq!(server.send("GET", "/refused.txt", b"").status, 404);
}

#[test]
fn what_lies_below_tls_is_looked_at_as_without_it() {
    let authority = Authority::new("known");
    let names = NameServer::start(vec![Some(vec![Ipv4Addr::LOCALHOST])]);
    let plain = Source::saying(file("text/plain", b"plain"));
    let plain_url = plain.url("/plain.txt");
    let source = authority.source("127.0.0.1", NOW, move |request, wire| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let answer = match path {
            "/down.txt" => redirect(&plain_url),
            "/on.txt" => redirect("/first.txt"),
            // It ends without a farewell, in the middle.
            "/short.txt" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec(),
            _ => file("text/plain", b"hello"),
        };
        let _ = wire.write_all(&answer);
    });
    let server = trusting(&authority, &[&source, &plain], &names);
    expect_file(&ingest(&server, &url("127.0.0.1", &source, "on.txt")));
    for (path, reason) in [
        ("down.txt", "redirects to a URL that is not permitted"),
        ("short.txt", "fewer bytes than it declared"),
    ] {
        let refused = ingest(&server, &url("127.0.0.1", &source, path));
        expect_kind(&refused, 422, "source_failed");
        assert!(text(&refused).contains(reason), "{}", text(&refused));
    }
    // No TLS is spoken there at all.
    let refused = ingest(&server, &url("127.0.0.1", &plain, "plain.txt"));
    expect_kind(&refused, 422, "source_unreachable");
    assert!(plain.requests().is_empty());
}
