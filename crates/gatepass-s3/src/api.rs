//! The calls of S3 that the store uses.

use bytes::Bytes;
use gatepass_core::port::Link;
use gatepass_core::{ByteRange, Timestamp};
use instant_xml::{FromXml, ToXml};
use reqwest::header::{CONTENT_LENGTH, ETAG};
use reqwest::{Method, Response, StatusCode};
use rusty_s3::actions::{CreateMultipartUpload, ListObjectsV2, ListParts};
use rusty_s3::{Bucket, Credentials, S3Action};
use url::Url;

use crate::client::{Answer, Call, CallError, Client, SIGNED_FOR};
use crate::location::S3Location;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// The metadata that holds our token.
const TOKEN: &str = "x-amz-meta-gatepass";
/// Entries of a page.
const PAGE: usize = 1_000;

/// Calls to one bucket.
pub(crate) struct Api {
    client: Client,
    bucket: Bucket,
    /// The same, as clients reach it.
    public: Bucket,
    credentials: Credentials,
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) token: Option<String>,
}

/// An entry of a list of objects.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
}

/// An entry of a list of multipart uploads in progress.
#[derive(Debug, Clone)]
pub(crate) struct Multipart {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) begun: Timestamp,
}

/// A part that was written: its number, from 0 on, and its entity tag.
pub(crate) type Written = (u64, String);

#[derive(ToXml)]
#[xml(rename = "CompleteMultipartUpload")]
struct Completion<'a> {
    parts: Vec<CompletedPart<'a>>,
}

#[derive(ToXml)]
#[xml(rename = "Part")]
struct CompletedPart<'a> {
    #[xml(rename = "ETag")]
    etag: &'a str,
    #[xml(rename = "PartNumber")]
    number: u64,
}

#[derive(FromXml)]
#[xml(rename = "ListMultipartUploadsResult", ns(NAMESPACE))]
struct MultipartPage {
    uploads: Vec<MultipartEntry>,
}

#[derive(FromXml)]
#[xml(rename = "Upload", ns(NAMESPACE))]
struct MultipartEntry {
    #[xml(rename = "Key")]
    key: String,
    #[xml(rename = "UploadId")]
    id: String,
    #[xml(rename = "Initiated")]
    begun: Option<String>,
}

impl Api {
    pub(crate) fn new(client: Client, at: S3Location, credentials: Credentials) -> Self {
        Self { client, bucket: at.bucket, public: at.public, credentials }
    }

    /// A URL by which anybody gets an object for a while. Everything that it says is signed.
    pub(crate) fn link(&self, key: &str, link: &Link) -> String {
        let mut action = self.public.get_object(Some(&self.credentials), key);
        let query = action.query_mut();
        query.insert("response-cache-control", link.cache_control.clone());
        query.insert("response-content-disposition", link.disposition.clone());
        query.insert("response-content-type", link.content_type.clone());
        action.sign(link.valid).into()
    }

    async fn send(
        &self,
        method: Method,
        sign: &(dyn Fn() -> Url + Send + Sync),
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Result<Answer, CallError> {
        self.client.send(Call { method, sign, headers, body }).await
    }

    /// Writes an object.
    pub(crate) async fn put(&self, key: &str, token: &str, bytes: Bytes) -> Result<(), CallError> {
        let sign = || {
            let mut action = self.bucket.put_object(Some(&self.credentials), key);
            action.headers_mut().insert(TOKEN, token);
            action.sign(SIGNED_FOR)
        };
        self.send(Method::PUT, &sign, vec![(TOKEN, token.to_owned())], bytes).await.map(drop)
    }

    /// What is known of an object; `None` if there is none.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Head>, CallError> {
        let sign = || self.bucket.head_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        let answer = match self.send(Method::HEAD, &sign, Vec::new(), Bytes::new()).await {
            Err(error) if error.is_not_found() => return Ok(None),
            answer => answer?,
        };
        let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let size = text(CONTENT_LENGTH.as_str()).and_then(|size| size.parse().ok());
        let Some(size) = size else { return Err(unreadable("an object's size")) };
        Ok(Some(Head { size, token: text(TOKEN).map(str::to_owned) }))
    }

    /// Opens a range, which is not empty, of an object.
    pub(crate) async fn get(&self, key: &str, range: ByteRange) -> Result<Response, CallError> {
        let sign = || self.bucket.get_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        let last = range.end().saturating_sub(1);
        self.client.open(&sign, &format!("bytes={}-{last}", range.start())).await
    }

    /// Deletes an object; one that is not there counts as deleted.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), CallError> {
        let sign = || self.bucket.delete_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        absent_is_done(self.send(Method::DELETE, &sign, Vec::new(), Bytes::new()).await)
    }

    /// Begins a multipart upload and returns its id.
    pub(crate) async fn create(&self, key: &str, token: &str) -> Result<String, CallError> {
        let sign = || {
            let mut action = self.bucket.create_multipart_upload(Some(&self.credentials), key);
            action.headers_mut().insert(TOKEN, token);
            action.sign(SIGNED_FOR)
        };
        let headers = vec![(TOKEN, token.to_owned())];
        let answer = self.send(Method::POST, &sign, headers, Bytes::new()).await?;
        let parsed = CreateMultipartUpload::parse_response(text(&answer)?);
        Ok(parsed.map_err(unreadable)?.upload_id().to_owned())
    }

    /// Writes the part with this number, from 0 on, and returns its entity tag.
    pub(crate) async fn upload_part(
        &self,
        key: &str,
        id: &str,
        number: u64,
        bytes: Bytes,
    ) -> Result<String, CallError> {
        let number = u16::try_from(number.saturating_add(1)).map_err(unreadable)?;
        let sign =
            || self.bucket.upload_part(Some(&self.credentials), key, number, id).sign(SIGNED_FOR);
        let answer = self.send(Method::PUT, &sign, Vec::new(), bytes).await?;
        let etag = answer.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        Ok(etag.ok_or_else(|| unreadable("a part's entity tag"))?.to_owned())
    }

    /// Makes an object of these parts, in the order of their numbers. Others are forgotten.
    pub(crate) async fn complete(
        &self,
        key: &str,
        id: &str,
        parts: &[Written],
    ) -> Result<(), CallError> {
        let parts = parts.iter().map(|(number, etag)| CompletedPart { etag, number: number + 1 });
        let body = Completion { parts: parts.collect() };
        let body = instant_xml::to_string(&body).map_err(unreadable)?.into();
        // The signature does not cover the body.
        let sign = || {
            let (credentials, none) = (Some(&self.credentials), std::iter::empty());
            self.bucket.complete_multipart_upload(credentials, key, id, none).sign(SIGNED_FOR)
        };
        self.send(Method::POST, &sign, Vec::new(), body).await.map(drop)
    }

    /// Gives a multipart upload up; one that is not there counts as given up.
    pub(crate) async fn abort(&self, key: &str, id: &str) -> Result<(), CallError> {
        let sign = || {
            self.bucket.abort_multipart_upload(Some(&self.credentials), key, id).sign(SIGNED_FOR)
        };
        absent_is_done(self.send(Method::DELETE, &sign, Vec::new(), Bytes::new()).await)
    }

    /// A page of the objects whose keys begin with `prefix`, from after a key on, in their order.
    pub(crate) async fn list_objects(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<Object>, CallError> {
        let sign = || {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_prefix(prefix);
            action.with_max_keys(PAGE);
            if let Some(after) = after {
                action.with_start_after(after);
            }
            action.sign(SIGNED_FOR)
        };
        let answer = self.send(Method::GET, &sign, Vec::new(), Bytes::new()).await?;
        let page = ListObjectsV2::parse_response(text(&answer)?).map_err(unreadable)?;
        let objects = page.contents.into_iter().map(|object| {
            let modified = time(object.last_modified.as_deref())?;
            Ok(Object { key: object.key, size: object.size.unwrap_or(0), modified })
        });
        objects.collect()
    }

    /// A page of the multipart uploads in progress whose keys begin with `prefix`, from after a
    /// key on, in the order of their keys.
    pub(crate) async fn list_multiparts(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<Multipart>, CallError> {
        let sign = || {
            let mut action = self.bucket.get_object(Some(&self.credentials), "");
            let query = action.query_mut();
            query.insert("uploads", "");
            query.insert("prefix", prefix);
            query.insert("max-uploads", PAGE.to_string());
            if let Some(after) = after {
                query.insert("key-marker", after);
            }
            action.sign(SIGNED_FOR)
        };
        let answer = self.send(Method::GET, &sign, Vec::new(), Bytes::new()).await?;
        let page: MultipartPage = instant_xml::from_str(text(&answer)?).map_err(unreadable)?;
        let uploads = page.uploads.into_iter().map(|upload| {
            let begun = time(upload.begun.as_deref())?;
            Ok(Multipart { key: upload.key, id: upload.id, begun })
        });
        uploads.collect()
    }

    /// The parts of a multipart upload, and when it got the last one.
    pub(crate) async fn list_parts(
        &self,
        key: &str,
        id: &str,
    ) -> Result<(Vec<Written>, Option<Timestamp>), CallError> {
        let (mut parts, mut newest, mut after) = (Vec::new(), None, None);
        loop {
            let sign = || {
                let mut action = self.bucket.list_parts(Some(&self.credentials), key, id);
                if let Some(after) = after {
                    action.set_part_number_marker(after);
                }
                action.sign(SIGNED_FOR)
            };
            let answer = self.send(Method::GET, &sign, Vec::new(), Bytes::new()).await?;
            let page = ListParts::parse_response(text(&answer)?).map_err(unreadable)?;
            for part in page.parts {
                newest = newest.max(Some(time(Some(&part.last_modified))?));
                parts.push((u64::from(part.number).saturating_sub(1), part.etag));
            }
            match page.next_part_number_marker {
                Some(next) if after.is_none_or(|after| next > after) => after = Some(next),
                _ => return Ok((parts, newest)),
            }
        }
    }
}

fn absent_is_done(answer: Result<Answer, CallError>) -> Result<(), CallError> {
    match answer {
        Err(error) if error.is_not_found() && !error.is("NoSuchBucket") => Ok(()),
        answer => answer.map(drop),
    }
}

fn text(answer: &Answer) -> Result<&str, CallError> {
    str::from_utf8(&answer.body).map_err(unreadable)
}

fn time(text: Option<&str>) -> Result<Timestamp, CallError> {
    let time: jiff::Timestamp = text.unwrap_or_default().parse().map_err(unreadable)?;
    Ok(Timestamp::from_unix_millis(time.as_millisecond()))
}

/// An answer that makes no sense.
fn unreadable(what: impl std::fmt::Display) -> CallError {
    let code = format!("an answer that cannot be read: {what}");
    CallError::Refused { status: StatusCode::OK, code }
}
