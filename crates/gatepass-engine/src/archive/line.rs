//! One line of a backup: a record as JSON, and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepass_core::project::{Domain, KeyState, Project, SealedKey};
use gatepass_core::upload::{Finished, Origin};
use gatepass_core::{
    AccessRules, BlobId, ByteRange, File, FileRecord, KeyId, LegacyUrls, Memo, ObjectPath, Part,
    PartMap, Policy, ProjectId, Record, RetiredBlob, Timestamp, Upload, UploadId, UploadStatus,
};
use serde::{Deserialize, Serialize};

use super::{End, Header};

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "nearly all lines are files")]
pub(crate) enum Line {
    Gatepass(Header),
    Project(ProjectLine),
    Domain(DomainLine),
    Key(KeyLine),
    File(FileLine),
    Upload(Box<UploadLine>),
    Retired(RetiredLine),
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectLine {
    id: String,
    org: String,
    name: String,
    catch_all: bool,
    legacy_urls: String,
    max_expiry_seconds: Option<u64>,
    file_bytes_max: Option<u64>,
    access_rules: AccessRules,
    created: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DomainLine {
    host: String,
    project: String,
    public_url: String,
    created: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyLine {
    id: String,
    project: String,
    name: String,
    scopes: String,
    prefix: String,
    state: String,
    verify_until: Option<Timestamp>,
    created: Timestamp,
    last_used: Option<Timestamp>,
    master_id: String,
    nonce: String,
    ciphertext: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileLine {
    file: File,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadLine {
    id: String,
    project: String,
    path: String,
    origin: String,
    key: String,
    policy: Option<String>,
    declared_type: Option<String>,
    blob: String,
    memo: String,
    total: Option<u64>,
    status: String,
    /// First byte, position after the last one, CRC-64/NVME, memo.
    parts: Vec<(u64, u64, u64, String)>,
    created: Timestamp,
    updated: Timestamp,
    expires: Timestamp,
    finished: Option<Finished>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetiredLine {
    blob: String,
    at: Timestamp,
}

impl Line {
    /// Of a record.
    pub(crate) fn of(record: &Record) -> Self {
        match record {
            Record::Project(project) => Self::Project(project_line(project)),
            Record::Domain(domain) => Self::Domain(domain_line(domain)),
            Record::Key(key) => Self::Key(key_line(key)),
            Record::File(FileRecord { file, bytes }) => {
                let bytes = bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
                Self::File(FileLine { file: file.clone(), bytes })
            }
            Record::Upload(upload) => Self::Upload(Box::new(upload_line(upload))),
            Record::Retired(RetiredBlob { blob, at }) => {
                Self::Retired(RetiredLine { blob: blob.to_string(), at: *at })
            }
        }
    }

    /// With its line end.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Texts and numbers: nothing that JSON cannot say.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    pub(crate) fn into_record(self) -> Result<Record, String> {
        Ok(match self {
            Self::Project(line) => Record::Project(line.into_project()?),
            Self::Domain(line) => Record::Domain(line.into_domain()),
            Self::Key(line) => Record::Key(line.into_key()?),
            Self::File(line) => Record::File(line.into_file()?),
            Self::Upload(line) => Record::Upload(Box::new(line.into_upload()?)),
            Self::Retired(line) => {
                Record::Retired(RetiredBlob { blob: blob(&line.blob)?, at: line.at })
            }
            Self::Gatepass(_) | Self::End(_) => return Err("no record".to_owned()),
        })
    }
}

fn project_line(project: &Project) -> ProjectLine {
    ProjectLine {
        id: project.id.to_string(),
        org: project.org.clone(),
        name: project.name.clone(),
        catch_all: project.catch_all,
        legacy_urls: project.legacy_urls.as_str().to_owned(),
        max_expiry_seconds: project.max_expiry_seconds,
        file_bytes_max: project.file_bytes_max,
        access_rules: project.access_rules.clone(),
        created: project.created,
    }
}

fn domain_line(domain: &Domain) -> DomainLine {
    DomainLine {
        host: domain.host.clone(),
        project: domain.project.to_string(),
        public_url: domain.public_url.clone(),
        created: domain.created,
    }
}

fn key_line(key: &SealedKey) -> KeyLine {
    KeyLine {
        id: key.id.to_string(),
        project: key.project.to_string(),
        name: key.name.clone(),
        scopes: key.scopes.to_string(),
        prefix: key.prefix.clone(),
        state: key.state.as_str().to_owned(),
        verify_until: key.verify_until,
        created: key.created,
        last_used: key.last_used,
        master_id: key.master_id.clone(),
        nonce: STANDARD.encode(&key.nonce),
        ciphertext: STANDARD.encode(&key.ciphertext),
    }
}

fn upload_line(upload: &Upload) -> UploadLine {
    let part = |part: &Part| {
        let memo = part.memo.as_str().to_owned();
        (part.range.start(), part.range.end(), part.crc64, memo)
    };
    UploadLine {
        id: upload.id.as_str().to_owned(),
        project: upload.project.to_string(),
        path: upload.path.as_str().to_owned(),
        origin: gatepass_sign::hex(upload.origin.as_bytes()),
        key: upload.key.to_string(),
        policy: upload.policy.as_ref().map(Policy::to_query),
        declared_type: upload.declared_type.clone(),
        blob: upload.blob.to_string(),
        memo: upload.memo.to_string(),
        total: upload.total,
        status: upload.status.as_str().to_owned(),
        parts: upload.parts.parts().iter().map(part).collect(),
        created: upload.created,
        updated: upload.updated,
        expires: upload.expires,
        finished: upload.finished.clone(),
    }
}

impl ProjectLine {
    fn into_project(self) -> Result<Project, String> {
        let known = [LegacyUrls::Put, LegacyUrls::Both, LegacyUrls::Off];
        let legacy_urls = known.into_iter().find(|known| known.as_str() == self.legacy_urls);
        Ok(Project {
            id: ProjectId::new(self.id),
            org: self.org,
            name: self.name,
            catch_all: self.catch_all,
            legacy_urls: legacy_urls.ok_or("legacy_urls is not known")?,
            max_expiry_seconds: self.max_expiry_seconds,
            file_bytes_max: self.file_bytes_max,
            access_rules: self.access_rules,
            created: self.created,
        })
    }
}

impl DomainLine {
    fn into_domain(self) -> Domain {
        Domain {
            host: self.host,
            project: ProjectId::new(self.project),
            public_url: self.public_url,
            created: self.created,
        }
    }
}

impl KeyLine {
    fn into_key(self) -> Result<SealedKey, String> {
        let known = [KeyState::Active, KeyState::Paused, KeyState::Revoked];
        let state = known.into_iter().find(|known| known.as_str() == self.state);
        let bytes = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
        Ok(SealedKey {
            id: KeyId::new(self.id),
            project: ProjectId::new(self.project),
            name: self.name,
            scopes: self.scopes.parse().map_err(|_| "scopes are not known")?,
            prefix: self.prefix,
            state: state.ok_or("the state of a key is not known")?,
            verify_until: self.verify_until,
            created: self.created,
            last_used: self.last_used,
            master_id: self.master_id,
            nonce: bytes(&self.nonce)?,
            ciphertext: bytes(&self.ciphertext)?,
        })
    }
}

impl FileLine {
    fn into_file(self) -> Result<FileRecord, String> {
        let bytes = self.bytes.map(|text| STANDARD.decode(text)).transpose();
        let bytes = bytes.map_err(|error| error.to_string())?.map(bytes::Bytes::from);
        // Serde takes any text for these.
        blob(self.file.blob.as_str())?;
        path(self.file.path.as_str())?;
        if self.file.inline != bytes.is_some() {
            return Err("bytes are there or not against what the file says".to_owned());
        }
        Ok(FileRecord { file: self.file, bytes })
    }
}

impl UploadLine {
    fn into_upload(self) -> Result<Upload, String> {
        let policy = self.policy.as_deref().map(Policy::parse_query).transpose();
        let mut parts = PartMap::default();
        for (start, end, crc64, memo) in self.parts {
            let range = ByteRange::new(start, end).ok_or("a part ends before it begins")?;
            let part = Part { range, crc64, memo: Memo::new(memo) };
            parts.insert(part).map_err(|error| error.to_string())?;
        }
        let origin = gatepass_sign::parse_sha256(&self.origin).ok_or("the origin is no hash")?;
        Ok(Upload {
            id: UploadId::parse(&self.id).ok_or("no id of an upload")?,
            project: ProjectId::new(self.project),
            path: path(&self.path)?,
            origin: Origin::from_bytes(origin),
            key: KeyId::new(self.key),
            policy: policy.map_err(|error| error.to_string())?,
            declared_type: self.declared_type,
            blob: blob(&self.blob)?,
            memo: Memo::new(self.memo),
            total: self.total,
            status: UploadStatus::parse(&self.status).ok_or("no status of an upload")?,
            parts,
            created: self.created,
            updated: self.updated,
            expires: self.expires,
            finished: self.finished,
        })
    }
}

fn blob(text: &str) -> Result<BlobId, String> {
    BlobId::parse(text).ok_or_else(|| "no name of a blob".to_owned())
}

fn path(text: &str) -> Result<ObjectPath, String> {
    ObjectPath::from_decoded(text).map_err(|error| error.to_string())
}
