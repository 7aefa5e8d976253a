//! The one door: every request becomes a [`Grant`] here, or an error, before anything is looked
//! up for its path.
//!
//! The order of the checks is part of the contract:
//!
//! 1. the path and the query follow the grammar ([`crate::path`], [`crate::query`]);
//! 2. the signature is right, compared in constant time;
//! 3. only then: the policy's values, what the key may sign, the time, the method.

use std::fmt;

use crate::action::{bearer_operation_of, legacy_operation_of, operation_of};
use crate::query::{self, SignedQuery};
use crate::{
    AccessRules, Action, KeyId, KeyRing, LegacyUrls, Method, ObjectPath, Operation, Policy,
    ProjectId, Scope, Scopes, Secret, UploadId, VerifyError, VerifyingKey, Visibility,
};

/// Seconds that a URL still opens after its expiry, because clocks differ.
pub const EXPIRY_LEEWAY_SECONDS: u64 = 30;

/// What the door looks at: the request before anything was decoded.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method in effect.
    pub method: Method,
    /// The raw path of the request target, without its leading slash.
    pub path: &'a str,
    /// The raw query, without the question mark.
    pub query: Option<&'a str>,
    /// The token of an `Authorization: Bearer` header.
    pub bearer: Option<&'a str>,
    /// Whether the request may belong to an upload that has begun: a chunk, or a question about
    /// it. Such a request passes with a URL that has expired meanwhile; its grant says so.
    pub continues: bool,
}

impl fmt::Debug for Request<'_> {
    /// Neither the query nor the token: both hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A project's keys and rules: all that is needed to let a request in.
#[derive(Debug, Clone)]
pub struct Door {
    ring: KeyRing,
    rules: AccessRules,
    legacy_urls: LegacyUrls,
    max_expiry_seconds: Option<u64>,
}

/// Proof that a request may do one operation at one path. Only [`Door::authorise`]
/// makes it, and [`KeyGrant::ingest`] for what the server fetches itself.
#[derive(Debug, Clone)]
pub struct Grant {
    project: ProjectId,
    path: ObjectPath,
    operation: Operation,
    policy: Option<Policy>,
    proof: Proof,
    lapsed: bool,
}

/// What a [`Grant`] rests on.
#[derive(Clone)]
pub enum Proof {
    /// A signed URL.
    SignedUrl {
        /// The key that signed.
        key: KeyId,
        /// Its secret, by which the receipt is signed.
        secret: Secret,
        /// The decoded signature. It is a secret as long as the URL lives.
        signature: [u8; query::SIGNATURE_BYTES],
    },
    /// An API key sent with the request.
    ApiKey {
        /// The key.
        key: KeyId,
    },
    /// The id of an upload that has begun: good for going on with it, and for nothing else. That
    /// there is such an upload to this path is for the catalog to say.
    Upload(UploadId),
    /// The project's rules make the path public.
    Public,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedUrl { key, .. } => write!(f, "SignedUrl({key})"),
            Self::ApiKey { key } => write!(f, "ApiKey({key})"),
            Self::Upload(_) => f.write_str("Upload(***)"),
            Self::Public => f.write_str("Public"),
        }
    }
}

/// Proof that a request holds an API key of a project: what calls that name no path need. Only
/// [`Door::authorise_key`] makes it.
#[derive(Debug, Clone)]
pub struct KeyGrant {
    project: ProjectId,
    key: VerifyingKey,
}

impl Grant {
    /// The project.
    pub fn project(&self) -> &ProjectId {
        &self.project
    }

    /// The path, decoded.
    pub fn path(&self) -> &ObjectPath {
        &self.path
    }

    /// What may be done.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The limits that the signer set; `None` without a signed URL.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// Whether the time of the URL is over: the grant is for going on with what has begun, and
    /// begins nothing.
    pub fn lapsed(&self) -> bool {
        self.lapsed
    }

    /// What the grant rests on.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }
}

impl KeyGrant {
    /// The project.
    pub fn project(&self) -> &ProjectId {
        &self.project
    }

    /// The key's id.
    pub fn key(&self) -> &KeyId {
        &self.key.id
    }

    /// What the key may do.
    pub fn scopes(&self) -> Scopes {
        self.key.scopes
    }

    /// Paths the key is confined to; empty for all.
    pub fn prefix(&self) -> &str {
        &self.key.prefix
    }

    /// Requires a scope.
    pub fn require(&self, scope: Scope) -> Result<(), VerifyError> {
        if self.key.scopes.allow(scope) { Ok(()) } else { Err(VerifyError::ScopeInsufficient) }
    }

    /// Signs a URL, which cannot exceed what the key itself may do.
    pub fn sign(
        &self,
        public_url: &str,
        path: &ObjectPath,
        policy: &Policy,
    ) -> Result<String, VerifyError> {
        self.check_signable(path, policy)?;
        Ok(crate::sign_url(&self.key.secret, public_url, path, policy))
    }

    /// The signature alone, under the same conditions as [`Self::sign`].
    pub fn signature(&self, path: &ObjectPath, policy: &Policy) -> Result<String, VerifyError> {
        self.check_signable(path, policy)?;
        Ok(crate::signature_of(&self.key.secret, path, policy))
    }

    /// Lets the key's holder have the server fetch a file to a path.
    pub fn ingest(&self, path: &ObjectPath) -> Result<Grant, VerifyError> {
        self.require(Scope::Ingest)?;
        if !path.is_within(&self.key.prefix) {
            return Err(VerifyError::ScopeInsufficient);
        }
        Ok(Grant {
            project: self.project.clone(),
            path: path.clone(),
            operation: Operation::Upload,
            policy: None,
            proof: Proof::ApiKey { key: self.key.id.clone() },
            lapsed: false,
        })
    }

    fn check_signable(&self, path: &ObjectPath, policy: &Policy) -> Result<(), VerifyError> {
        policy.check()?;
        let action = policy.action.unwrap_or(Action::Put);
        if self.key.allows(action, path) { Ok(()) } else { Err(VerifyError::ScopeInsufficient) }
    }
}

impl Door {
    /// A door with a project's keys, all paths public, and the default for old URLs.
    pub fn new(ring: KeyRing) -> Self {
        Self {
            ring,
            rules: AccessRules::default(),
            legacy_urls: LegacyUrls::default(),
            max_expiry_seconds: None,
        }
    }

    /// With the project's access rules.
    #[must_use]
    pub fn with_rules(mut self, rules: AccessRules) -> Self {
        self.rules = rules;
        self
    }

    /// With what URLs without a `method` may do.
    #[must_use]
    pub fn with_legacy_urls(mut self, legacy_urls: LegacyUrls) -> Self {
        self.legacy_urls = legacy_urls;
        self
    }

    /// With a limit on how far in the future an expiry may lie.
    #[must_use]
    pub fn with_max_expiry(mut self, seconds: Option<u64>) -> Self {
        self.max_expiry_seconds = seconds;
        self
    }

    /// The keys.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Whether anybody may read the file at this path.
    pub fn visibility(&self, path: &ObjectPath) -> Visibility {
        self.rules.visibility(path)
    }

    /// Lets a request for a path in, or says why not. `now` is in Unix seconds.
    ///
    /// A signature in the query decides alone: an API key sent beside it is not looked at, so
    /// that one credential can never make up for a fault of the other.
    pub fn authorise(&self, request: &Request<'_>, now: u64) -> Result<Grant, VerifyError> {
        let path = ObjectPath::from_encoded(request.path)?;
        self.authorise_at(request, &path, path.clone(), now)
    }

    /// Lets a request in that names a file by its id in place of the path: what is asked for is
    /// what was signed, and `path`, where the file is, decides on everything else.
    pub fn authorise_by_id(
        &self,
        request: &Request<'_>,
        path: ObjectPath,
        now: u64,
    ) -> Result<Grant, VerifyError> {
        let asked = ObjectPath::from_encoded(request.path)?;
        self.authorise_at(request, &asked, path, now)
    }

    fn authorise_at(
        &self,
        request: &Request<'_>,
        asked: &ObjectPath,
        path: ObjectPath,
        now: u64,
    ) -> Result<Grant, VerifyError> {
        if query::is_signed(request.query) {
            return self.authorise_signed(request, asked, path, now);
        }
        if let Some(upload) = query::upload_id(request.query) {
            return self.authorise_upload(request.method, path, upload);
        }
        match request.bearer {
            Some(token) => self.authorise_bearer(request.method, path, token),
            None => self.authorise_public(request.method, path),
        }
    }

    /// Lets in a call that names no path, by its API key.
    pub fn authorise_key(&self, bearer: Option<&str>) -> Result<KeyGrant, VerifyError> {
        let token = bearer.ok_or(VerifyError::CredentialsMissing)?;
        let key = self.ring.find_bearer(token).ok_or(VerifyError::BearerInvalid)?;
        Ok(KeyGrant { project: self.ring.project().clone(), key: key.clone() })
    }

    fn authorise_signed(
        &self,
        request: &Request<'_>,
        asked: &ObjectPath,
        path: ObjectPath,
        now: u64,
    ) -> Result<Grant, VerifyError> {
        let raw_query = request.query.unwrap_or_default();
        let signed = query::parse(raw_query).map_err(|_| VerifyError::SignatureInvalid)?;
        let key = self.find_signer(request.path, asked, &signed, now)?;
        let policy = Policy::from_pairs(signed.expiry, &signed.pairs)?;
        let permitted = match policy.action {
            Some(action) => {
                operation_of(request.method, action).map(|operation| (action, operation))
            }
            None => legacy_operation_of(request.method, self.legacy_urls),
        };
        let lapsed = match self.check_expiry(policy.expiry, now) {
            Err(VerifyError::Expired { .. }) if may_continue(request, permitted) => true,
            checked => checked.map(|()| false)?,
        };
        let (action, operation) = permitted.ok_or(VerifyError::MethodNotPermitted)?;
        if !key.allows(action, &path) {
            return Err(VerifyError::ScopeInsufficient);
        }
        let proof = Proof::SignedUrl {
            key: key.id.clone(),
            secret: key.secret.clone(),
            signature: signed.signature,
        };
        Ok(Grant { lapsed, ..self.grant(path, operation, Some(policy), proof) })
    }

    /// Browsers send `%20` where a signer signed a blank: both spellings count.
    fn find_signer(
        &self,
        raw_path: &str,
        path: &ObjectPath,
        query: &SignedQuery<'_>,
        now: u64,
    ) -> Result<&VerifyingKey, VerifyError> {
        let both = [raw_path, path.as_str()];
        let spellings = if raw_path == path.as_str() { &both[..1] } else { &both[..] };
        let key_id = query.pairs.iter().find(|(name, _)| *name == "kid").map(|(_, id)| *id);
        self.ring
            .find_signer(spellings, query.signed, &query.signature, key_id, now)
            .ok_or(VerifyError::SignatureInvalid)
    }

    fn check_expiry(&self, expiry: u64, now: u64) -> Result<(), VerifyError> {
        if now > expiry.saturating_add(EXPIRY_LEEWAY_SECONDS) {
            return Err(VerifyError::Expired { expiry });
        }
        match self.max_expiry_seconds {
            Some(max_seconds) if expiry > now.saturating_add(max_seconds) => {
                Err(VerifyError::ExpiryTooFar { max_seconds })
            }
            _ => Ok(()),
        }
    }

    /// Who holds the id of an upload may go on with it.
    fn authorise_upload(
        &self,
        method: Method,
        path: ObjectPath,
        upload: UploadId,
    ) -> Result<Grant, VerifyError> {
        let operation = match method {
            // The state is all that can be read of an upload.
            Method::Get => Operation::UploadStatus,
            method => operation_of(method, Action::Put).ok_or(VerifyError::MethodNotPermitted)?,
        };
        Ok(self.grant(path, operation, None, Proof::Upload(upload)))
    }

    fn authorise_bearer(
        &self,
        method: Method,
        path: ObjectPath,
        token: &str,
    ) -> Result<Grant, VerifyError> {
        let key = self.ring.find_bearer(token).ok_or(VerifyError::BearerInvalid)?;
        let (action, operation) = bearer_operation_of(method);
        if !key.allows(action, &path) {
            return Err(VerifyError::ScopeInsufficient);
        }
        let proof = Proof::ApiKey { key: key.id.clone() };
        Ok(self.grant(path, operation, None, proof))
    }

    fn authorise_public(&self, method: Method, path: ObjectPath) -> Result<Grant, VerifyError> {
        let readable = self.rules.visibility(&path) == Visibility::Public;
        if readable && matches!(method, Method::Get | Method::Head) {
            return Ok(self.grant(path, Operation::Read, None, Proof::Public));
        }
        Err(VerifyError::CredentialsMissing)
    }

    fn grant(
        &self,
        path: ObjectPath,
        operation: Operation,
        policy: Option<Policy>,
        proof: Proof,
    ) -> Grant {
        let project = self.ring.project().clone();
        Grant { project, path, operation, policy, proof, lapsed: false }
    }
}

/// Expiry gates the start: what goes on with an upload may come later.
fn may_continue(request: &Request<'_>, permitted: Option<(Action, Operation)>) -> bool {
    let Some((_, operation)) = permitted else { return false };
    request.continues
        && matches!(operation, Operation::Upload | Operation::UploadStatus | Operation::UploadAbort)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_765_432_100;
    const UPLOAD: &str = "upload=upl_0123456789abcdefghjkmnpqrs";

    fn door() -> Door {
        let key = VerifyingKey::unrestricted("key_1", Secret::new("ittybit_test_key"));
        Door::new(KeyRing::new(ProjectId::new("proj")).with_key(key))
    }

    fn query(policy: &Policy) -> String {
        let path = ObjectPath::from_decoded("a.bin").unwrap();
        let url = crate::sign_url(&Secret::new("ittybit_test_key"), "http://h", &path, policy);
        url.split_once('?').unwrap().1.to_owned()
    }

    fn ask(method: Method, query: &str, continues: bool) -> Result<Grant, VerifyError> {
        let request =
            Request { method, path: "a.bin", query: Some(query), bearer: None, continues };
        door().authorise(&request, NOW)
    }

    #[test]
    fn an_expired_url_goes_on_with_uploads_and_does_nothing_else() {
        let expired = query(&Policy::new(Action::Put, NOW - 31));
        for method in [Method::Put, Method::Post, Method::Patch, Method::Head, Method::Delete] {
            assert!(ask(method, &expired, true).unwrap().lapsed(), "{method:?}");
            let refused = ask(method, &expired, false);
            assert!(matches!(refused, Err(VerifyError::Expired { .. })), "{method:?}");
        }
        for action in [Action::Get, Action::Delete] {
            let expired = query(&Policy::new(action, NOW - 31));
            for method in [Method::Get, Method::Head, Method::Delete, Method::Put] {
                let refused = ask(method, &expired, true);
                assert!(matches!(refused, Err(VerifyError::Expired { .. })), "{method:?}");
            }
        }
        let fresh = query(&Policy::new(Action::Put, NOW));
        assert!(!ask(Method::Put, &fresh, true).unwrap().lapsed());
    }

    #[test]
    fn the_id_of_an_upload_is_good_for_that_upload_only() {
        for (method, operation) in [
            (Method::Put, Operation::Upload),
            (Method::Patch, Operation::Upload),
            (Method::Get, Operation::UploadStatus),
            (Method::Head, Operation::UploadStatus),
            (Method::Delete, Operation::UploadAbort),
        ] {
            let grant = ask(method, UPLOAD, false).unwrap();
            assert_eq!(grant.operation(), operation);
            assert!(matches!(grant.proof(), Proof::Upload(_)));
        }
        for other in ["upload=upl_short", "x=1&upload=upl_0123456789abcdefghjkmnpqrs", "upload="] {
            assert_eq!(ask(Method::Put, other, true).unwrap_err(), VerifyError::CredentialsMissing);
        }
        assert!(ask(Method::Put, &format!("{UPLOAD}&partNumber=1"), false).is_ok());
    }

    #[test]
    fn the_id_of_an_upload_does_not_make_up_for_a_bad_signature() {
        let both = format!("{UPLOAD}&expiry=1&signature=AAAA");
        assert_eq!(ask(Method::Put, &both, true).unwrap_err(), VerifyError::SignatureInvalid);
    }
}
