use std::path::{Path, PathBuf};
use std::process::Command;

use gatepass_sign::{
    ObjectPath, Policy, Receipt, ReceiptClaims, ReceiptError, Secret, sign_url, signature_of,
    string_to_sign,
};
use serde_json::Value;

use crate::case::{Case, Outcome};
use crate::policy::policy;

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors")
}

fn cases(kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(directory().join("signing.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    assert!(all["cases"].as_array().unwrap().len() >= 80);
    let cases = all["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == kind);
    cases.cloned().collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[test]
fn signing_gives_the_same_bytes() {
    let cases = cases("sign");
    assert!(cases.len() >= 20);
    for case in cases {
        let id = text(&case, "id");
        let key = Secret::new(text(&case, "key"));
        let path = ObjectPath::from_decoded(text(&case, "path")).unwrap();
        let policy = policy(&case["policy"]).unwrap();
        policy.check().unwrap();
        assert_eq!(policy.to_query(), text(&case, "query"), "{id}");
        assert_eq!(string_to_sign(&path, &policy), text(&case, "string_to_sign"), "{id}");
        assert_eq!(signature_of(&key, &path, &policy), text(&case, "signature"), "{id}");
        let url = sign_url(&key, text(&case, "public_url"), &path, &policy);
        assert_eq!(url, text(&case, "url"), "{id}");
    }
}

#[test]
fn signing_refuses_the_same() {
    let cases = cases("sign-refuse");
    assert!(cases.len() >= 90);
    for case in cases {
        let path = ObjectPath::from_decoded(text(&case, "path"));
        let found = match (path, policy(&case["policy"]).as_ref().map(Policy::check)) {
            (Err(_), _) => "path_invalid",
            // No value of the type: what is refused without a check.
            (Ok(_), None | Some(Err(_))) => "policy_malformed",
            (Ok(_), Some(Ok(()))) => "signed",
        };
        assert_eq!(found, text(&case["expect"], "refuse"), "{}", text(&case, "id"));
    }
}

#[test]
fn verifying_gives_the_same_outcome() {
    let cases = cases("verify");
    assert!(cases.len() >= 80);
    for value in cases {
        let expected: Outcome = serde_json::from_value(value["expect"].clone()).unwrap();
        let case: Case = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(case.judge(), expected, "{}", text(&value, "id"));
    }
}

#[test]
fn receipts_are_the_same() {
    for case in cases("receipt-issue") {
        let claims: ReceiptClaims = serde_json::from_value(case["claims"].clone()).unwrap();
        let receipt = Receipt::issue(&Secret::new(text(&case, "key")), &claims);
        assert_eq!(receipt.token(), text(&case, "token"), "{}", text(&case, "id"));
    }
    for case in cases("receipt") {
        let key = Secret::new(text(&case, "key"));
        let now = case["now"].as_u64().unwrap();
        let found = match Receipt::verify(&key, text(&case, "token"), now) {
            Ok(claims) => serde_json::json!({ "accept": claims }),
            Err(ReceiptError::Expired) => serde_json::json!({ "refuse": "expired" }),
            Err(ReceiptError::SignatureInvalid) => {
                serde_json::json!({ "refuse": "signature_invalid" })
            }
            Err(_) => serde_json::json!({ "refuse": "malformed" }),
        };
        assert_eq!(found, case["expect"], "{}", text(&case, "id"));
    }
}

#[test]
fn the_file_is_what_the_generator_makes() {
    let generator = directory().join("generate.py");
    let status = Command::new("python3").arg(generator).arg("--check").status().unwrap();
    assert!(status.success());
}
