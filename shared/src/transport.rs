//! The transport port: one HTTP call to somebody else's service.

mod connections;
mod resolve;

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_types::error::display::DisplayErrorContext;
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::uri::Scheme;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;

pub use self::connections::{Authorities, Connections};
use self::resolve::{LeadsTo, is_public};

/// What is sent.
#[derive(Clone)]
pub struct Request {
    /// GET or POST, for all providers that we know.
    pub method: Method,
    /// The whole address, with its query already encoded.
    pub url: String,
    /// Headers besides those that the transport adds (`host`, `content-length`).
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// How long the call may take from the first byte out to the last byte in.
    pub timeout: Duration,
}

/// Queries, headers and bodies hold secrets and personal data, so they never show.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.url.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{} {address} ({} bytes)", self.method, self.body.len())
    }
}

/// What came back, whatever its status.
#[derive(Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, at most [`LARGEST_ANSWER`], or [`LARGEST_OF_AWS`] from there.
    pub body: Bytes,
}

/// Headers and bodies hold secrets and personal data, so they never show.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.len())
    }
}

/// The largest body that is read, in bytes: 1 MiB, a hundred times what any provider answers.
pub const LARGEST_ANSWER: usize = 1 << 20;

/// The largest body that AWS is believed, in bytes: 16 MB of items (DynamoDB, `BatchGetItem`), twice as long as text.
pub const LARGEST_OF_AWS: usize = 32 << 20;

/// Why there is no answer. The text holds nothing of the request's query, headers or body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No byte of the request left: repeating it is safe.
    #[error("the request was not sent: {0}")]
    NotSent(String),
    /// The request may have arrived and may have had its effect: repeating it may do it twice.
    #[error("it is unknown whether the request arrived: {0}")]
    Unknown(String),
}

/// Makes one HTTP call: no retries, no redirects, no cookies, no compression.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends the request and reads the whole answer.
    fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>>;
}

/// HTTP over [`Connections`], which are kept and reused; build it once.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    /// Made by the first call: most functions never make one, and the platform's authorities take their time to load.
    connections: Arc<OnceLock<Connections>>,
    reaches: Reaches,
}

/// Whom a transport reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaches {
    /// AWS, or whatever the one who deploys has named for it.
    Configured,
    /// Anybody by https, since secrets travel in queries and bodies; plain `http://` is for stand-ins on this machine.
    Anybody,
    /// Public addresses only, by https.
    Public,
}

impl Reaches {
    const fn largest(self) -> usize {
        match self {
            Self::Configured => LARGEST_OF_AWS,
            Self::Anybody | Self::Public => LARGEST_ANSWER,
        }
    }
}

impl HttpTransport {
    /// A transport without connections yet; the first call opens one.
    #[must_use]
    pub fn new() -> Self {
        Self { connections: Arc::default(), reaches: Reaches::Anybody }
    }

    /// A transport for addresses that are in somebody else's hands: it reaches public ones only, whatever their names
    /// lead to.
    #[must_use]
    pub fn public() -> Self {
        Self { connections: Arc::default(), reaches: Reaches::Public }
    }

    /// A transport by these connections to AWS, of which the deployment says whether addresses may be plain.
    #[must_use]
    pub fn over(connections: Connections) -> Self {
        Self { connections: Arc::new(connections.into()), reaches: Reaches::Configured }
    }

    fn connections(&self) -> Result<&Connections, TransportError> {
        if let Some(connections) = self.connections.get() {
            return Ok(connections);
        }
        let names = if self.reaches == Reaches::Public { LeadsTo::Public } else { LeadsTo::Anybody };
        let made = Connections::to(names, &Authorities::Platform);
        let made = made.map_err(|error| TransportError::NotSent(error.to_string()))?;
        Ok(self.connections.get_or_init(|| made))
    }

    async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let timeout = request.timeout;
        let mut request = prepare(request, self.reaches)?;
        let connection = capture_connection(&mut request);
        // As long as no connection was handed to the request, nothing of it can have left.
        let failed = |why: String| match *connection.connection_metadata() {
            None => TransportError::NotSent(why),
            Some(_) => TransportError::Unknown(why),
        };
        let connections = self.connections()?;
        let exchange = async {
            let answer = connections.request(request).await.map_err(|e| failed(DisplayErrorContext(&e).to_string()))?;
            // It may be one machine of many that fails: the next request asks another.
            if answer.status().is_server_error() {
                connection.connection_metadata().as_ref().inspect(|connection| connection.poison());
            }
            read(answer, self.reaches.largest()).await.map_err(&failed)
        };
        let timed = tokio::time::timeout(timeout, exchange).await;
        timed.unwrap_or_else(|_| Err(failed(format!("no answer within {} ms", timeout.as_millis()))))
    }
}

impl Default for HttpTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for HttpTransport {
    fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(self.exchange(request))
    }
}

fn prepare(request: Request, reaches: Reaches) -> Result<http::Request<Full<Bytes>>, TransportError> {
    let refused = |why: &str| TransportError::NotSent(why.to_owned());
    let uri: Uri = request.url.parse().map_err(|_| refused("the address is no URL"))?;
    match reaches {
        Reaches::Anybody if !may_be_called(&uri) => {
            return Err(refused("the address is neither https nor on this machine"));
        }
        Reaches::Public if !is_public_https(&uri) => {
            return Err(refused("the address is neither https nor public"));
        }
        Reaches::Configured | Reaches::Anybody | Reaches::Public => {}
    }
    let mut prepared = http::Request::new(Full::new(request.body));
    *prepared.method_mut() = request.method;
    *prepared.uri_mut() = uri;
    *prepared.headers_mut() = request.headers;
    Ok(prepared)
}

/// A value with everything percent-encoded but the unreserved characters (RFC 3986, 2.3).
#[must_use]
pub fn percent_encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// What a percent-encoded text stands for; none when it is cut short or has digits that are none.
#[must_use]
pub fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    Some(bytes)
}

fn may_be_called(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    let here = host == "localhost" || address.is_ok_and(|a| a.is_loopback());
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => !host.is_empty(),
        Some(scheme) if *scheme == Scheme::HTTP => here,
        _ => false,
    }
}

/// Names are judged when they are resolved; an address that is written out never is.
fn is_public_https(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    uri.scheme() == Some(&Scheme::HTTPS) && !host.is_empty() && address.map_or(true, is_public)
}

async fn read(answer: http::Response<Incoming>, largest: usize) -> Result<Response, String> {
    let (head, mut body) = answer.into_parts();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| DisplayErrorContext(&e).to_string())?;
        let Ok(piece) = frame.into_data() else { continue };
        if whole.len() + piece.len() > largest {
            return Err(format!("the answer is larger than {largest} bytes"));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(Response { status: head.status, headers: head.headers, body: whole.freeze() })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    /// A server that takes one request, hands it to `answer`, and is gone.
    fn a_server(answer: impl FnOnce(TcpStream, String) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/path?secret=hush", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let mut length = 0;
            while !String::from_utf8_lossy(&request[..length]).contains("hello") {
                length += stream.read(&mut request[length..]).unwrap();
            }
            answer(stream, String::from_utf8_lossy(&request[..length]).into_owned());
        });
        url
    }

    fn post(url: &str) -> Request {
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, "application/json".parse().unwrap())]);
        let body = Bytes::from_static(b"hello");
        Request { method: Method::POST, url: url.to_owned(), headers, body, timeout: Duration::from_secs(5) }
    }

    async fn outcome(request: Request) -> Result<Response, TransportError> {
        HttpTransport::new().call(request).await
    }

    #[tokio::test]
    async fn a_request_goes_out_whole_and_the_answer_comes_back_whatever_its_status() {
        let url = a_server(|mut stream, request| {
            let body = request.replace('\r', "");
            let head = "HTTP/1.1 418 Odd\r\nx-kind: pot\r\nconnection: close";
            write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        });
        let answer = outcome(post(&url)).await.unwrap();
        assert_eq!(answer.status, 418);
        assert_eq!(answer.headers["x-kind"], "pot");
        let seen = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(seen.starts_with("POST /path?secret=hush HTTP/1.1\n"), "{seen}");
        assert!(seen.contains("content-type: application/json\n") && seen.ends_with("\n\nhello"), "{seen}");
    }

    #[tokio::test]
    async fn a_server_that_fails_is_not_asked_again_by_the_same_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hello", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            // Each connection could go on; all of them are kept open until the end.
            [503, 200].map(|status| {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                write!(stream, "HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n").unwrap();
                stream
            })
        });
        let transport = HttpTransport::new();
        assert_eq!(transport.call(post(&url)).await.unwrap().status, 503);
        assert_eq!(transport.call(post(&url)).await.unwrap().status, 200);
        drop(server.join().unwrap());
    }

    #[tokio::test]
    async fn a_refused_connection_is_safe_to_repeat() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = outcome(post(&format!("http://{closed}/?secret=hush"))).await.unwrap_err();
        assert!(matches!(&error, TransportError::NotSent(_)), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[tokio::test]
    async fn a_failed_handshake_is_safe_to_repeat() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"this is no TLS").unwrap();
        });
        let error = outcome(post(&url)).await.unwrap_err();
        assert!(matches!(&error, TransportError::NotSent(_)), "{error}");
    }

    #[tokio::test]
    async fn once_the_bytes_have_left_silence_and_a_cut_are_unknown() {
        let cut = a_server(|stream, _| drop(stream));
        let error = outcome(post(&cut)).await.unwrap_err();
        assert!(matches!(&error, TransportError::Unknown(_)), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");

        let (release, wait) = std::sync::mpsc::channel::<()>();
        let silent = a_server(move |stream, _| {
            let _ = wait.recv();
            drop(stream);
        });
        let request = Request { timeout: Duration::from_millis(200), ..post(&silent) };
        let error = outcome(request).await.unwrap_err();
        drop(release);
        assert_eq!(error, TransportError::Unknown("no answer within 200 ms".to_owned()));
    }

    #[tokio::test]
    async fn an_answer_larger_than_a_mebibyte_is_not_swallowed() {
        let url = a_server(|mut stream, _| {
            let length = LARGEST_ANSWER + 1;
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            let _ = stream.write_all(&vec![b'x'; length]);
        });
        let error = outcome(post(&url)).await.unwrap_err();
        assert_eq!(error, TransportError::Unknown("the answer is larger than 1048576 bytes".to_owned()));
    }

    #[tokio::test]
    async fn secrets_never_travel_in_the_clear() {
        for bad in ["http://api.weixin.qq.com/", "http://10.0.0.1/", "ftp://127.0.0.1/", "/path", "", "no url"] {
            let error = outcome(post(bad)).await.unwrap_err();
            assert!(matches!(&error, TransportError::NotSent(_)), "{bad}: {error}");
        }
        for good in ["https://api.weixin.qq.com/", "http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/"] {
            assert!(may_be_called(&good.parse().unwrap()), "{good}");
        }
    }

    #[tokio::test]
    async fn a_transport_for_public_addresses_reaches_nobody_at_home() {
        for bad in
            ["https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "http://example.com/", "https://"]
        {
            let error = HttpTransport::public().call(post(bad)).await.unwrap_err();
            assert!(matches!(&error, TransportError::NotSent(_)), "{bad}: {error}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = HttpTransport::public().call(post(&format!("https://localhost:{port}/"))).await.unwrap_err();
        assert!(matches!(&error, TransportError::NotSent(_)), "{error}");
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody has connected");
    }

    #[test]
    fn queries_and_bodies_never_show() {
        let request = post("https://api.example/cgi?secret=hush");
        assert_eq!(format!("{request:?}"), "POST https://api.example/cgi (5 bytes)");
        let answer = Response { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from_static(b"hush") };
        assert_eq!(format!("{answer:?}"), "200 OK (4 bytes)");
    }
}
