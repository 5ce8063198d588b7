//! Signatures of requests as Aliyun (ACS3-HMAC-SHA256) and Tencent Cloud (TC3-HMAC-SHA256) want them: the same request
//! in canonical form, under a chain of HMACs.

use jiff::Timestamp;

use crate::digest::{hex, hmac, sha256};
use crate::values::Moment;

/// A request to the root of a host, as it is signed.
pub(super) struct Canonical<'a> {
    /// The query, encoded.
    pub query: &'a str,
    /// Headers in small letters, in the order of their names.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

impl Canonical<'_> {
    fn hash(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let headers = headers.concat();
        let body = hex(&sha256(&[self.body]));
        let whole = format!("POST\n/\n{}\n{headers}\n{}\n{body}", self.query, self.signed());
        hex(&sha256(&[whole.as_bytes()]))
    }

    fn signed(&self) -> String {
        self.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
    }

    /// Aliyun's `Authorization`.
    pub(super) fn acs3(&self, key: &str, secret: &str) -> String {
        let signature = chain(secret.as_bytes(), &[&format!("ACS3-HMAC-SHA256\n{}", self.hash())]);
        format!("ACS3-HMAC-SHA256 Credential={key},SignedHeaders={},Signature={}", self.signed(), hex(&signature))
    }

    /// Tencent Cloud's `Authorization`.
    pub(super) fn tc3(&self, key: &str, secret: &str, service: &str, now: Moment) -> String {
        let date = utc(now, "%Y-%m-%d");
        let scope = format!("{date}/{service}/tc3_request");
        let signed = format!("TC3-HMAC-SHA256\n{}\n{scope}\n{}", now.seconds(), self.hash());
        let signature = chain(format!("TC3{secret}").as_bytes(), &[&date, service, "tc3_request", &signed]);
        let (headers, signature) = (self.signed(), hex(&signature));
        format!("TC3-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={headers}, Signature={signature}")
    }
}

/// Each step signed with what the step before came to.
fn chain(key: &[u8], steps: &[&str]) -> [u8; 32] {
    let (first, rest) = steps.split_first().unwrap_or((&"", &[]));
    rest.iter().fold(hmac(key, &[first.as_bytes()]), |key, step| hmac(&key, &[step.as_bytes()]))
}

/// A time in UTC.
pub(super) fn utc(moment: Moment, format: &str) -> String {
    let timestamp = Timestamp::from_second(moment.seconds()).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment::from_millis(seconds * 1000).unwrap()
    }

    /// The worked example of Aliyun's page "V3 request structure and signature".
    #[test]
    fn the_published_example_of_aliyun_comes_out() {
        let now = at(1_698_315_752);
        assert_eq!(utc(now, "%Y-%m-%dT%H:%M:%SZ"), "2023-10-26T10:22:32Z");
        let empty = hex(&sha256(&[b""]));
        let canonical = Canonical {
            query: "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai",
            headers: &[
                ("host", "ecs.cn-shanghai.aliyuncs.com"),
                ("x-acs-action", "RunInstances"),
                ("x-acs-content-sha256", &empty),
                ("x-acs-date", "2023-10-26T10:22:32Z"),
                ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
                ("x-acs-version", "2014-05-26"),
            ],
            body: b"",
        };
        assert_eq!(canonical.hash(), "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259");
        assert_eq!(
            canonical.acs3("YourAccessKeyId", "YourAccessKeySecret"),
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
             x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
    }

    /// The worked example of Tencent Cloud's page "Signature method v3".
    #[test]
    fn the_published_example_of_tencent_comes_out() {
        let body = br#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        assert_eq!(hex(&sha256(&[body])), "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064");
        let canonical = Canonical {
            query: "",
            headers: &[
                ("content-type", "application/json; charset=utf-8"),
                ("host", "cvm.tencentcloudapi.com"),
                ("x-tc-action", "describeinstances"),
            ],
            body,
        };
        let authorization = canonical.tc3("AKID", &"*".repeat(32), "cvm", at(1_551_113_065));
        assert_eq!(
            authorization,
            "TC3-HMAC-SHA256 Credential=AKID/2019-02-25/cvm/tc3_request, \
             SignedHeaders=content-type;host;x-tc-action, \
             Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
        );
    }
}
