//! A `verify` case of the vectors, judged by the crate.

use gatepass_sign::{
    AccessRule, AccessRules, Door, KeyId, KeyRing, LegacyUrls, Method, Operation, ProjectId,
    Request, Secret, VerifyError, VerifyingKey, Visibility,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) scopes: String,
    pub(crate) prefix: String,
    pub(crate) verify_until: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) keys: Vec<Key>,
    pub(crate) legacy_urls: LegacyUrls,
    pub(crate) max_expiry: Option<u64>,
    pub(crate) private: Vec<String>,
    pub(crate) now: u64,
    pub(crate) method: String,
    pub(crate) raw_path: String,
    pub(crate) raw_query: Option<String>,
    pub(crate) bearer: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Accept { path: String, operation: String },
    Refuse(String),
}

impl Case {
    pub(crate) fn judge(&self) -> Outcome {
        let request = Request {
            method: method(&self.method),
            path: &self.raw_path,
            query: self.raw_query.as_deref(),
            bearer: self.bearer.as_deref(),
            continues: false,
        };
        match self.door().authorise(&request, self.now) {
            Ok(grant) => Outcome::Accept {
                path: grant.path().as_str().to_owned(),
                operation: operation(grant.operation()).to_owned(),
            },
            Err(error) => Outcome::Refuse(kind(&error).to_owned()),
        }
    }

    fn door(&self) -> Door {
        let private = |prefix: &String| AccessRule {
            prefix: prefix.clone(),
            visibility: Visibility::Private,
        };
        let ring = self.keys.iter().fold(KeyRing::new(ProjectId::new("p")), |ring, key| {
            ring.with_key(VerifyingKey {
                id: KeyId::new(&key.id),
                secret: Secret::new(&*key.secret),
                scopes: key.scopes.parse().unwrap(),
                prefix: key.prefix.clone(),
                verify_until: key.verify_until,
            })
        });
        Door::new(ring)
            .with_rules(AccessRules::new(self.private.iter().map(private).collect()))
            .with_legacy_urls(self.legacy_urls)
            .with_max_expiry(self.max_expiry)
    }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "PUT" => Method::Put,
        "POST" => Method::Post,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        other => panic!("unknown method {other}"),
    }
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Upload => "upload",
        Operation::UploadStatus => "upload_status",
        Operation::UploadAbort => "upload_abort",
        Operation::Remove => "remove",
    }
}

fn kind(error: &VerifyError) -> &'static str {
    use gatepass_sign::VerifyErrorKind as Kind;
    match error.kind() {
        Kind::PathInvalid => "path_invalid",
        Kind::SignatureInvalid => "signature_invalid",
        Kind::PolicyMalformed => "policy_malformed",
        Kind::Expired => "expired",
        Kind::ExpiryTooFar => "expiry_too_far",
        Kind::MethodNotPermitted => "method_not_permitted",
        Kind::ScopeInsufficient => "scope_insufficient",
        Kind::CredentialsMissing => "credentials_missing",
        Kind::BearerInvalid => "bearer_invalid",
    }
}
