//! What a request looks like to each kind of server.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use gatepass_sign::{Action, ObjectPath, Policy, Secret, sign_url};
use md5::{Digest as _, Md5};
use rusty_s3::actions::CreateMultipartUpload;
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use url::Url;

/// Far enough that no run outlives it.
const EXPIRY: u64 = 4_102_444_800;
const HOUR: Duration = Duration::from_hours(1);
const TUS: &str = "Tus-Resumable: 1.0.0\r\n";

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// `PUT` and `GET` without a signature
    Plain,
    /// Signed with the key `GATEPASS_API_KEY`
    Gatepass,
    /// nginx's `secure_link_md5 "$secure_link_expires$uri SECRET"`, with `BENCH_SECRET`
    SecureLink,
    /// Presigned with `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`: bucket `bench`, region `garage`
    S3,
    /// tus 1.0 at `/files`
    Tus,
}

enum Signer {
    None,
    Gatepass(Secret),
    SecureLink(String),
    S3(Box<Bucket>, Credentials),
}

/// A server, and how it is spoken to.
pub(crate) struct Target {
    pub(crate) server: SocketAddr,
    pub(crate) dialect: Dialect,
    signer: Signer,
}

impl Target {
    pub(crate) fn new(server: SocketAddr, dialect: Dialect) -> anyhow::Result<Self> {
        let signer = match dialect {
            Dialect::Plain | Dialect::Tus => Signer::None,
            Dialect::Gatepass => Signer::Gatepass(Secret::new(variable("GATEPASS_API_KEY")?)),
            Dialect::SecureLink => Signer::SecureLink(variable("BENCH_SECRET")?),
            Dialect::S3 => {
                let endpoint = Url::parse(&format!("http://{server}"))?;
                let bucket = Bucket::new(endpoint, UrlStyle::Path, "bench", "garage")?;
                let id = variable("AWS_ACCESS_KEY_ID")?;
                let credentials = Credentials::new(id, variable("AWS_SECRET_ACCESS_KEY")?);
                Signer::S3(Box::new(bucket), credentials)
            }
        };
        Ok(Self { server, dialect, signer })
    }

    /// The upload of a whole file.
    pub(crate) fn put(&self, name: &str, length: u64) -> anyhow::Result<String> {
        if self.dialect == Dialect::Tus {
            let body = "Content-Type: application/offset+octet-stream\r\n";
            return Ok(self.tus_create(length, length, body));
        }
        Ok(self.head("PUT", &self.url(Action::Put, name)?, length, ""))
    }

    /// The upload of bytes `first` to before `end` of `total`.
    pub(crate) fn range(
        &self,
        name: &str,
        first: u64,
        end: u64,
        total: u64,
    ) -> anyhow::Result<String> {
        let range = format!("Content-Range: bytes {first}-{}/{total}\r\n", end - 1);
        Ok(self.head("PUT", &self.url(Action::Put, name)?, end - first, &range))
    }

    /// The download of a file, or of `length` bytes of it from `first`.
    pub(crate) fn get(&self, name: &str, range: Option<(u64, u64)>) -> anyhow::Result<String> {
        let range =
            range.map(|(first, length)| format!("Range: bytes={first}-{}\r\n", first + length - 1));
        let url = self.url(Action::Get, name)?;
        Ok(format!(
            "GET {url} HTTP/1.1\r\nHost: {}\r\n{}\r\n",
            self.server,
            range.unwrap_or_default()
        ))
    }

    /// A new upload of `length` bytes, of which `sent` come with it.
    pub(crate) fn tus_create(&self, length: u64, sent: u64, more: &str) -> String {
        let headers =
            format!("{TUS}Upload-Length: {length}\r\nUpload-Metadata: filename YQ==\r\n{more}");
        self.head("POST", "/files", sent, &headers)
    }

    pub(crate) fn tus_join(&self, locations: &[String]) -> String {
        let headers = format!(
            "{TUS}Upload-Concat: final;{}\r\nUpload-Metadata: filename YQ==\r\n",
            locations.join(" ")
        );
        self.head("POST", "/files", 0, &headers)
    }

    pub(crate) fn tus_patch(&self, location: &str, offset: u64, length: u64) -> String {
        let without_scheme = location.split_once("//").map_or(location, |(_, rest)| rest);
        let path = without_scheme.find('/').map_or("/", |at| &without_scheme[at..]);
        let headers = format!(
            "{TUS}Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n"
        );
        self.head("PATCH", path, length, &headers)
    }

    pub(crate) fn s3_begin(&self, name: &str) -> anyhow::Result<String> {
        let (bucket, credentials) = self.s3()?;
        let url = bucket.create_multipart_upload(Some(credentials), name).sign(HOUR);
        Ok(self.head("POST", &path_and_query(&url), 0, ""))
    }

    /// The id of a multipart upload, from the answer to its beginning.
    pub(crate) fn s3_upload_id(body: &[u8]) -> anyhow::Result<String> {
        let answer = CreateMultipartUpload::parse_response(std::str::from_utf8(body)?)?;
        Ok(answer.upload_id().to_owned())
    }

    pub(crate) fn s3_part(
        &self,
        name: &str,
        part: u16,
        upload: &str,
        length: u64,
    ) -> anyhow::Result<String> {
        let (bucket, credentials) = self.s3()?;
        let url = bucket.upload_part(Some(credentials), name, part, upload).sign(HOUR);
        Ok(self.head("PUT", &path_and_query(&url), length, ""))
    }

    /// Head and body of what completes a multipart upload.
    pub(crate) fn s3_complete(
        &self,
        name: &str,
        upload: &str,
        tags: &[String],
    ) -> anyhow::Result<(String, String)> {
        let (bucket, credentials) = self.s3()?;
        let tags = tags.iter().map(String::as_str);
        let action = bucket.complete_multipart_upload(Some(credentials), name, upload, tags);
        let url = action.sign(HOUR);
        let body = action.body();
        Ok((self.head("POST", &path_and_query(&url), body.len() as u64, ""), body))
    }

    fn s3(&self) -> anyhow::Result<(&Bucket, &Credentials)> {
        match &self.signer {
            Signer::S3(bucket, credentials) => Ok((bucket, credentials)),
            _ => anyhow::bail!("not S3"),
        }
    }

    fn url(&self, action: Action, name: &str) -> anyhow::Result<String> {
        Ok(match &self.signer {
            Signer::None => format!("/{name}"),
            Signer::Gatepass(key) => {
                let path = ObjectPath::from_decoded(name)?;
                sign_url(key, "", &path, &Policy::new(action, EXPIRY))
            }
            Signer::SecureLink(secret) => {
                let digest = Md5::digest(format!("{EXPIRY}/{name} {secret}"));
                format!("/{name}?md5={}&expires={EXPIRY}", URL_SAFE_NO_PAD.encode(digest))
            }
            Signer::S3(bucket, credentials) => {
                let url = match action {
                    Action::Get => bucket.get_object(Some(credentials), name).sign(HOUR),
                    _ => bucket.put_object(Some(credentials), name).sign(HOUR),
                };
                path_and_query(&url)
            }
        })
    }

    fn head(&self, method: &str, url: &str, length: u64, more: &str) -> String {
        format!(
            "{method} {url} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n{more}\r\n",
            self.server
        )
    }
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}

fn path_and_query(url: &Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}
