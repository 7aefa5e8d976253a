//! Whether the bytes of a request may be taken under its grant.
//!
//! [`admit`] decides on what is declared, before anything is read. The [`Admission`] it returns
//! then watches what really comes: its size while it streams, its type once enough is there, its
//! digests at the end.

use crate::{Digests, ExpectedDigests, Policy};

/// What a request says of its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadFacts {
    /// `Content-Length`, if it has one.
    pub declared_size: Option<u64>,
    /// `Content-Type`, as it stands.
    pub declared_type: Option<String>,
    /// Digests that the request's headers name.
    pub digests: ExpectedDigests,
}

/// The rules that remain to be checked while bytes come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    size_max: u64,
    size_exact: Option<u64>,
    types: Vec<String>,
    digests: ExpectedDigests,
}

/// Why bytes are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// More bytes than allowed.
    #[error("content is larger than allowed")]
    TooLarge {
        /// Most bytes that would be taken.
        max_bytes: u64,
    },
    /// Not the number of bytes that was signed.
    #[error("content has not the signed size")]
    WrongSize {
        /// The bytes that were signed for.
        bytes: u64,
    },
    /// A type that was not signed for.
    #[error("content type is not one that the URL permits")]
    TypeNotAllowed,
    /// Not the digest that was signed or sent.
    #[error("content does not match its digest")]
    DigestMismatch,
    /// The URL and the headers demand different SHA-256 digests.
    #[error("the digest in the headers is not the signed one")]
    DigestConflict,
}

/// Decides on what the request declares. `file_bytes_max` is the server's own bound.
pub fn admit(
    policy: Option<&Policy>,
    facts: &UploadFacts,
    file_bytes_max: u64,
) -> Result<Admission, AdmissionError> {
    let size_exact = policy.and_then(|policy| policy.size);
    let signed_max = policy.and_then(|policy| policy.max_size);
    let size_max = [signed_max, size_exact].into_iter().flatten().fold(file_bytes_max, u64::min);
    let admission = Admission {
        size_max,
        size_exact,
        types: policy.map(|policy| policy.types.clone()).unwrap_or_default(),
        digests: merge_digests(policy, &facts.digests)?,
    };
    if let Some(declared) = facts.declared_size {
        admission.check_received(declared)?;
        admission.check_final_size(declared)?;
    }
    Ok(admission)
}

fn merge_digests(
    policy: Option<&Policy>,
    sent: &ExpectedDigests,
) -> Result<ExpectedDigests, AdmissionError> {
    let signed = policy.and_then(|policy| policy.sha256);
    if let (Some(signed), Some(sent)) = (signed, sent.sha256)
        && signed != sent
    {
        return Err(AdmissionError::DigestConflict);
    }
    Ok(ExpectedDigests { sha256: signed.or(sent.sha256), ..sent.clone() })
}

impl Admission {
    /// The digests to compute on the way.
    pub fn digests(&self) -> &ExpectedDigests {
        &self.digests
    }

    /// Whether the signer restricts the content's type.
    pub fn restricts_type(&self) -> bool {
        !self.types.is_empty()
    }

    /// Checks the number of bytes so far.
    pub fn check_received(&self, bytes: u64) -> Result<(), AdmissionError> {
        if bytes > self.size_max {
            return Err(AdmissionError::TooLarge { max_bytes: self.size_max });
        }
        Ok(())
    }

    /// Checks the number of bytes at the end.
    pub fn check_final_size(&self, bytes: u64) -> Result<(), AdmissionError> {
        match self.size_exact {
            Some(exact) if exact != bytes => Err(AdmissionError::WrongSize { bytes: exact }),
            _ => Ok(()),
        }
    }

    /// Checks the type that was found in the bytes.
    pub fn check_type(&self, content_type: &str) -> Result<(), AdmissionError> {
        let allowed = self.types.is_empty()
            || self.types.iter().any(|pattern| type_matches(pattern, content_type));
        if allowed { Ok(()) } else { Err(AdmissionError::TypeNotAllowed) }
    }

    /// Checks the digests of the whole content.
    pub fn check_digests(&self, found: &Digests) -> Result<(), AdmissionError> {
        if found.satisfy(&self.digests) { Ok(()) } else { Err(AdmissionError::DigestMismatch) }
    }
}

fn type_matches(pattern: &str, content_type: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(main) => content_type.split_once('/').is_some_and(|(found, _)| found == main),
        None => pattern == content_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;

    fn policy(edit: impl FnOnce(&mut Policy)) -> Policy {
        let mut policy = Policy::new(Action::Put, 1);
        edit(&mut policy);
        policy
    }

    fn declared(size: u64) -> UploadFacts {
        UploadFacts { declared_size: Some(size), ..UploadFacts::default() }
    }

    #[test]
    fn a_declared_size_is_judged_before_reading() {
        let max = policy(|p| p.max_size = Some(10));
        assert!(admit(Some(&max), &declared(10), 100).is_ok());
        assert_eq!(
            admit(Some(&max), &declared(11), 100),
            Err(AdmissionError::TooLarge { max_bytes: 10 })
        );
        let exact = policy(|p| p.size = Some(10));
        assert_eq!(
            admit(Some(&exact), &declared(9), 100),
            Err(AdmissionError::WrongSize { bytes: 10 })
        );
        assert_eq!(
            admit(None, &declared(101), 100),
            Err(AdmissionError::TooLarge { max_bytes: 100 })
        );
    }

    #[test]
    fn the_servers_bound_holds_whatever_is_signed() {
        let generous = policy(|p| p.max_size = Some(1_000));
        let admission = admit(Some(&generous), &UploadFacts::default(), 100).unwrap();
        assert!(admission.check_received(100).is_ok());
        assert!(admission.check_received(101).is_err());
    }

    #[test]
    fn types_match_exactly_or_by_main_type() {
        let images = policy(|p| p.types = vec!["image/*".into(), "application/pdf".into()]);
        let admission = admit(Some(&images), &UploadFacts::default(), 100).unwrap();
        for (found, allowed) in [
            ("image/png", true),
            ("application/pdf", true),
            ("imagex/png", false),
            ("application/pdfx", false),
            ("video/mp4", false),
        ] {
            assert_eq!(admission.check_type(found).is_ok(), allowed, "{found}");
        }
    }

    #[test]
    fn two_demands_on_one_digest_must_agree() {
        let signed = policy(|p| p.sha256 = Some([1; 32]));
        let facts = |digest| UploadFacts {
            digests: ExpectedDigests { sha256: Some([digest; 32]), ..Default::default() },
            ..UploadFacts::default()
        };
        assert!(admit(Some(&signed), &facts(1), 100).is_ok());
        assert_eq!(admit(Some(&signed), &facts(2), 100), Err(AdmissionError::DigestConflict));
    }
}
