//! Answers the cases of `vectors/signing.json` on its standard input, as `sdk/test` asks every
//! signer to: a URL, claims, or `!` and a code, one a line.

mod policy;

use std::io::{Read as _, Write as _};

use gatepass_sign::{ObjectPath, Receipt, ReceiptClaims, ReceiptError, Secret, sign_url};
use serde_json::Value;

fn main() -> std::io::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let cases: Vec<Value> = serde_json::from_str(&text)?;
    let mut out = std::io::stdout().lock();
    for case in &cases {
        let answer = if case["kind"] == "receipt" { receipt(case) } else { url(case) };
        writeln!(out, "{}", answer.unwrap_or_else(|code| format!("!{code}")))?;
    }
    Ok(())
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_default()
}

fn url(case: &Value) -> Result<String, &'static str> {
    let path = ObjectPath::from_decoded(text(case, "path")).map_err(|_| "path_invalid")?;
    let policy = policy::policy(&case["policy"]).ok_or("policy_malformed")?;
    policy.check().map_err(|_| "policy_malformed")?;
    Ok(sign_url(&Secret::new(text(case, "key")), text(case, "public_url"), &path, &policy))
}

fn receipt(case: &Value) -> Result<String, &'static str> {
    let now = case["now"].as_u64().unwrap_or_default();
    let claims = Receipt::verify(&Secret::new(text(case, "key")), text(case, "token"), now);
    claims.map(|claims| line(&claims)).map_err(|error| match error {
        ReceiptError::Expired => "expired",
        ReceiptError::SignatureInvalid => "signature_invalid",
        _ => "malformed",
    })
}

fn line(claims: &ReceiptClaims) -> String {
    let ReceiptClaims { sub, path, size, content_type, etag, iat, exp } = claims;
    format!("{sub}\t{path}\t{size}\t{content_type}\t{etag}\t{iat}\t{exp}")
}
