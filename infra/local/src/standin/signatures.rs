//! Signatures as the providers check them: written after their documents and not after our clients, so that a client
//! that signs something else is refused here, too.
//!
//! Aliyun (ACS3), Tencent Cloud (TC3) and AWS (SigV4) sign the same canonical request; they differ in what stands before
//! its hash and in how the key is derived.

use std::fmt::Write as _;

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::providers::header;

/// The secret that goes with every account at a stand-in.
pub(super) const SECRET: &str = "stand-in";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    // HMAC takes a key of any length.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

/// What stands behind a name in an `Authorization`.
fn part<'a>(authorization: &'a str, name: &str) -> &'a str {
    let from = authorization.split_once(&format!("{name}=")).map_or("", |(_, rest)| rest);
    from.split(',').next().unwrap_or_default().trim()
}

/// The hash of the canonical request, by the headers that were signed.
fn canonical(headers: &HeaderMap, path: &str, body: &str, lower: bool) -> String {
    let authorization = header(headers, "authorization");
    let signed = part(&authorization, "SignedHeaders");
    let mut lines = String::new();
    for name in signed.split(';') {
        let value = header(headers, name);
        let value = if lower { value.to_lowercase() } else { value };
        let _ = writeln!(lines, "{name}:{}", value.trim());
    }
    let body = hex(&Sha256::digest(body));
    hex(&Sha256::digest(format!("POST\n{path}\n\n{lines}\n{signed}\n{body}")))
}

fn is_signed_with(headers: &HeaderMap, signature: &[u8]) -> bool {
    part(&header(headers, "authorization"), "Signature") == hex(signature)
}

/// Aliyun's `ACS3-HMAC-SHA256` (help.aliyun.com, "V3 request structure and signature").
pub(super) fn acs3(headers: &HeaderMap, body: &str) -> bool {
    let hash = canonical(headers, "/", body, false);
    let all = ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"];
    let authorization = header(headers, "authorization");
    let signed: Vec<&str> = part(&authorization, "SignedHeaders").split(';').collect();
    authorization.starts_with("ACS3-HMAC-SHA256 Credential=")
        && all.iter().all(|name| signed.contains(name))
        && header(headers, "x-acs-content-sha256") == hex(&Sha256::digest(body))
        && is_signed_with(headers, &hmac(SECRET.as_bytes(), &format!("ACS3-HMAC-SHA256\n{hash}")))
}

/// Tencent Cloud's `TC3-HMAC-SHA256` (cloud.tencent.com, "Signature method v3").
pub(super) fn tc3(headers: &HeaderMap, body: &str) -> bool {
    derived(headers, &canonical(headers, "/", body, true), "TC3", "tc3_request", &header(headers, "x-tc-timestamp"))
}

/// AWS's `AWS4-HMAC-SHA256` (docs.aws.amazon.com, "Signature Version 4").
pub(super) fn sigv4(headers: &HeaderMap, path: &str, body: &str) -> bool {
    let hash = canonical(headers, path, body, false);
    derived(headers, &hash, "AWS4", "aws4_request", &header(headers, "x-amz-date"))
}

/// A key derived step by step from the scope that the credential names.
fn derived(headers: &HeaderMap, hash: &str, family: &str, end: &str, time: &str) -> bool {
    let authorization = header(headers, "authorization");
    let credential = part(&authorization, "Credential");
    let Some((_, scope)) = credential.split_once('/') else { return false };
    let mut key = format!("{family}{SECRET}").into_bytes();
    for step in scope.split('/') {
        key = hmac(&key, step);
    }
    let known = authorization.starts_with(&format!("{family}-HMAC-SHA256 ")) && scope.ends_with(end);
    known && is_signed_with(headers, &hmac(&key, &format!("{family}-HMAC-SHA256\n{time}\n{scope}\n{hash}")))
}

/// A webhook's `v1=` hex of HMAC-SHA256 over the seconds, a dot and the body.
pub(super) fn webhook(headers: &HeaderMap, body: &str) -> bool {
    let signed = hmac(SECRET.as_bytes(), &format!("{}.{body}", header(headers, "x-timestamp")));
    header(headers, "x-signature") == format!("v1={}", hex(&signed))
}
