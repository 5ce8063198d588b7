//! The object storage port: files of members, uploaded and fetched by signed links, so that no file passes through a
//! function.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::aws::Signer;
use crate::domain::attachment::{FIRST_BYTES, Media};
use crate::table::Trouble;
use crate::transport::{Request, Transport};
use crate::values::Moment;

/// How the body of a failed copy says so.
const ERROR: &[u8] = b"<Error>";

/// How long a link counts.
pub const LINK_LIFE: Duration = Duration::from_mins(15);

/// A request that whoever has the link may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The whole address.
    pub url: String,
    /// From when on it does not count.
    pub expires_at: Moment,
}

/// How a file begins, and its size in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The size of the whole.
    pub bytes: u64,
    /// At most the first [`FIRST_BYTES`].
    pub first: Vec<u8>,
}

/// Keeps files under keys of letters, digits and slashes.
pub trait Objects: fmt::Debug + Send + Sync {
    /// A link to PUT a file of exactly this type and size once: sent as `content-type` and `content-length`, with
    /// `if-none-match: *`, so that what was checked can't be exchanged afterwards. No call.
    fn upload(&self, key: &str, media: Media, bytes: u32, now: Moment) -> Result<Link, Trouble>;

    /// A link to GET a file. No call.
    fn download(&self, key: &str, now: Moment) -> Result<Link, Trouble>;

    /// How a file begins; none when it is not there. One call to the storage.
    fn beginning<'a>(&'a self, key: &'a str, now: Moment) -> BoxFuture<'a, Result<Option<Beginning>, Trouble>>;

    /// Copies a file to another key, where the same may lie already; false when it is not there. One call to the
    /// storage.
    fn copy<'a>(&'a self, from: &'a str, to: &'a str, now: Moment) -> BoxFuture<'a, Result<bool, Trouble>>;

    /// Deletes a file; nothing happens when it is not there. One call to the storage.
    fn delete<'a>(&'a self, key: &'a str, now: Moment) -> BoxFuture<'a, Result<(), Trouble>>;
}

/// S3, by presigned URLs of Signature Version 4: no client of its own has to be carried.
#[derive(Debug)]
pub struct S3 {
    /// The bucket's address, as `https://BUCKET.s3.REGION.amazonaws.com`.
    pub url: String,
    /// Who signs.
    pub signer: Signer,
    /// Asks for beginnings.
    pub transport: Arc<dyn Transport>,
}

impl S3 {
    fn presign(
        &self,
        method: &Method,
        key: &str,
        headers: &[(&str, &str)],
        now: Moment,
        life: Duration,
    ) -> Result<Link, Trouble> {
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(life);
        // What S3 asks for, other than the rest of AWS.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = self.signer.params("s3", settings, now).map_err(defect)?;
        let url = format!("{}/{key}", self.url);
        let request =
            SignableRequest::new(method.as_str(), &url, headers.iter().copied(), SignableBody::UnsignedPayload);
        let (instructions, _) = sign(request.map_err(defect)?, &params).map_err(defect)?.into_parts();
        let mut signed = http::Request::builder().method(method).uri(&url).body(()).map_err(defect)?;
        instructions.apply_to_request_http1x(&mut signed);
        Ok(Link { url: signed.uri().to_string(), expires_at: now.plus(life) })
    }
}

impl Objects for S3 {
    fn upload(&self, key: &str, media: Media, bytes: u32, now: Moment) -> Result<Link, Trouble> {
        let length = bytes.to_string();
        let headers = [("content-type", media.as_str()), ("content-length", &length), ("if-none-match", "*")];
        self.presign(&Method::PUT, key, &headers, now, LINK_LIFE)
    }

    fn download(&self, key: &str, now: Moment) -> Result<Link, Trouble> {
        self.presign(&Method::GET, key, &[], now, LINK_LIFE)
    }

    fn beginning<'a>(&'a self, key: &'a str, now: Moment) -> BoxFuture<'a, Result<Option<Beginning>, Trouble>> {
        Box::pin(async move {
            let mut headers = HeaderMap::new();
            let range = HeaderValue::from_str(&format!("bytes=0-{}", FIRST_BYTES - 1)).map_err(defect)?;
            headers.insert(header::RANGE, range);
            let url = self.download(key, now)?.url;
            let timeout = Duration::from_secs(3);
            let request = Request { method: Method::GET, url, headers, body: Bytes::new(), timeout };
            let answer = self.transport.call(request).await.map_err(|e| Trouble::Unavailable(e.to_string()))?;
            match answer.status {
                StatusCode::PARTIAL_CONTENT => {
                    let range = answer.headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
                    let bytes = range.and_then(|range| range.rsplit_once('/')?.1.parse().ok());
                    let bytes = bytes.ok_or_else(|| Trouble::Defect("a part of a file tells no size".into()))?;
                    Ok(Some(Beginning { bytes, first: answer.body.to_vec() }))
                }
                // A role that may not list a bucket is told 403 for what is not there.
                StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::RANGE_NOT_SATISFIABLE => Ok(None),
                status => Err(Trouble::Unavailable(format!("the object storage answered {status}"))),
            }
        })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str, now: Moment) -> BoxFuture<'a, Result<bool, Trouble>> {
        Box::pin(async move {
            let host = self.url.split("://").nth(1).unwrap_or_default();
            let source = format!("/{}/{from}", host.split(".s3.").next().unwrap_or_default());
            let url = self.presign(&Method::PUT, to, &[("x-amz-copy-source", &source)], now, LINK_LIFE)?.url;
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-copy-source", HeaderValue::from_str(&source).map_err(defect)?);
            let timeout = Duration::from_secs(5);
            let request = Request { method: Method::PUT, url, headers, body: Bytes::new(), timeout };
            let answer = self.transport.call(request).await.map_err(|e| Trouble::Unavailable(e.to_string()))?;
            // A copy that fails after it was begun is answered with 200 and says so in the body.
            let failed = answer.body.windows(ERROR.len()).any(|part| part == ERROR);
            match answer.status {
                StatusCode::OK if !failed => Ok(true),
                StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(false),
                status => Err(Trouble::Unavailable(format!("the object storage answered a copy with {status}"))),
            }
        })
    }

    fn delete<'a>(&'a self, key: &'a str, now: Moment) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let url = self.presign(&Method::DELETE, key, &[], now, LINK_LIFE)?.url;
            let timeout = Duration::from_secs(3);
            let (headers, body) = (HeaderMap::new(), Bytes::new());
            let request = Request { method: Method::DELETE, url, headers, body, timeout };
            let answer = self.transport.call(request).await.map_err(|e| Trouble::Unavailable(e.to_string()))?;
            match answer.status {
                StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
                status => Err(Trouble::Unavailable(format!("the object storage answered a deletion with {status}"))),
            }
        })
    }
}

fn defect(error: impl fmt::Display) -> Trouble {
    Trouble::Defect(error.to_string())
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::Credentials;

    use super::*;
    use crate::transport::{Response, TransportError};

    /// A storage that answers every request the same.
    #[derive(Debug)]
    struct Always(StatusCode, &'static str, &'static [u8]);

    impl Transport for Always {
        fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
            assert_eq!(request.headers.get("range").unwrap(), "bytes=0-15");
            let mut headers = HeaderMap::new();
            headers.insert("content-range", HeaderValue::from_static(self.1));
            let response = Response { status: self.0, headers, body: Bytes::from_static(self.2) };
            Box::pin(async move { Ok(response) })
        }
    }

    /// A storage that is asked for a copy and answers like this.
    #[derive(Debug)]
    struct Copies(StatusCode, &'static [u8]);

    impl Transport for Copies {
        fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
            assert_eq!((request.method, request.body.len()), (Method::PUT, 0));
            assert_eq!(request.headers.get("x-amz-copy-source").unwrap(), "/examplebucket/uploads/m1/a1");
            assert!(request.url.starts_with("https://examplebucket.s3.amazonaws.com/m1/a1?"), "{}", request.url);
            assert!(request.url.contains("X-Amz-SignedHeaders=host%3Bx-amz-copy-source"), "{}", request.url);
            let response = Response { status: self.0, headers: HeaderMap::new(), body: Bytes::from_static(self.1) };
            Box::pin(async move { Ok(response) })
        }
    }

    #[tokio::test]
    async fn a_copy_that_fails_after_it_was_begun_is_told_from_one_that_is_done() {
        let copy = async |status, body| s3(Copies(status, body)).copy("uploads/m1/a1", "m1/a1", now()).await;
        assert_eq!(copy(StatusCode::OK, b"<CopyObjectResult/>").await, Ok(true));
        assert_eq!(copy(StatusCode::NOT_FOUND, b"<Error><Code>NoSuchKey</Code></Error>").await, Ok(false));
        let late = copy(StatusCode::OK, b"<Error><Code>InternalError</Code></Error>").await;
        assert!(matches!(late, Err(Trouble::Unavailable(_))), "{late:?}");
    }

    /// A storage that is asked to delete something and answers like this.
    #[derive(Debug)]
    struct Deletes(StatusCode);

    impl Transport for Deletes {
        fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
            assert_eq!(request.method, Method::DELETE);
            assert!(request.url.starts_with("https://examplebucket.s3.amazonaws.com/m1/a1?"), "{}", request.url);
            let response = Response { status: self.0, headers: HeaderMap::new(), body: Bytes::new() };
            Box::pin(async move { Ok(response) })
        }
    }

    #[tokio::test]
    async fn what_is_deleted_may_be_gone_already_but_must_not_stay() {
        let delete = async |status| s3(Deletes(status)).delete("m1/a1", now()).await;
        assert_eq!(delete(StatusCode::NO_CONTENT).await, Ok(()));
        assert_eq!(delete(StatusCode::NOT_FOUND).await, Ok(()));
        // Whoever may not delete is told so, and what was to be erased is not forgotten.
        assert!(matches!(delete(StatusCode::FORBIDDEN).await, Err(Trouble::Unavailable(_))));
    }

    fn s3(transport: impl Transport + 'static) -> S3 {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, None, None, "example");
        S3 {
            url: "https://examplebucket.s3.amazonaws.com".to_owned(),
            signer: Signer { identity: credentials.into(), region: "us-east-1".to_owned() },
            transport: Arc::new(transport),
        }
    }

    fn now() -> Moment {
        Moment::parse("2013-05-24T00:00:00Z").unwrap()
    }

    #[test]
    fn the_example_of_the_s3_documentation_comes_out() {
        // Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters".
        let s3 = s3(Always(StatusCode::OK, "", b""));
        let link = s3.presign(&Method::GET, "test.txt", &[], now(), Duration::from_hours(24)).unwrap();
        let signature = "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert!(link.url.contains(signature), "{}", link.url);
    }

    #[test]
    fn a_link_names_its_time_its_headers_and_its_signature() {
        let s3 = s3(Always(StatusCode::OK, "", b""));
        let link = s3.upload("m1/a1", Media::Png, 100, now()).unwrap();
        let (address, query) = link.url.split_once('?').unwrap();
        assert_eq!(address, "https://examplebucket.s3.amazonaws.com/m1/a1");
        for part in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request",
            "X-Amz-Date=20130524T000000Z",
            "X-Amz-Expires=900",
            "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost%3Bif-none-match",
        ] {
            assert!(query.contains(part), "{part} in {query}");
        }
        let other = s3.upload("m1/a1", Media::Png, 101, now()).unwrap();
        assert_ne!(link.url, other.url, "the size is signed along");
        assert_eq!(link.expires_at, now().plus(LINK_LIFE));
    }

    #[tokio::test]
    async fn the_beginning_of_a_file_tells_its_size_and_what_is_not_there_is_none() {
        let there = s3(Always(StatusCode::PARTIAL_CONTENT, "bytes 0-4/1234", b"%PDF-"));
        let beginning = there.beginning("m1/a1", now()).await.unwrap();
        assert_eq!(beginning, Some(Beginning { bytes: 1_234, first: b"%PDF-".to_vec() }));
        let gone = s3(Always(StatusCode::FORBIDDEN, "", b"<Error/>"));
        assert_eq!(gone.beginning("m1/a1", now()).await, Ok(None));
        let busy = s3(Always(StatusCode::SERVICE_UNAVAILABLE, "", b""));
        assert!(matches!(busy.beginning("m1/a1", now()).await, Err(Trouble::Unavailable(_))));
    }
}
