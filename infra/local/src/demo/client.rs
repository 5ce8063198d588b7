//! A small HTTP/1.1 client that keeps its connection, for the importer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const ATTEMPTS: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// One connection, opened when it is needed and again when it broke.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    token: Option<String>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection to a host, with a bearer token for every request.
    #[must_use]
    pub fn new(address: SocketAddr, token: Option<String>) -> Self {
        Self { address, token, sender: None }
    }

    /// Sends one request once; answers status and body.
    pub async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, Bytes), String> {
        let request = self.request(method, path, body)?;
        let result = self.exchange(request).await;
        if result.is_err() {
            self.sender = None;
        }
        result
    }

    /// Sends a request that may be repeated until it is answered by something else than "slow down" or "try again".
    pub async fn send_patiently(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, Bytes), String> {
        let mut pause = FIRST_PAUSE;
        let mut trouble = String::new();
        for _ in 0..ATTEMPTS {
            match self.send(method, path, body).await {
                Ok((status @ (429 | 502..=504), _)) => trouble = format!("status {status}"),
                Ok(answer) => return Ok(answer),
                Err(error) => trouble = error,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(format!("{method} {path} failed {ATTEMPTS} times, the last time with {trouble}"))
    }

    /// Sends a request once that can be repeated under this idempotency key.
    pub async fn send_keyed(
        &mut self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Result<(u16, Bytes), String> {
        let mut request = self.request(method, path, body)?;
        let key = HeaderValue::from_str(key).map_err(|e| e.to_string())?;
        request.headers_mut().insert("idempotency-key", key);
        self.exchange(request).await
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(|e| e.to_string())?;
        if let Some(token) = &self.token {
            let value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|e| e.to_string())?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<(u16, Bytes), String> {
        let mut sender = match self.sender.take().filter(|s| !s.is_closed()) {
            Some(sender) => sender,
            None => connect(self.address).await?,
        };
        sender.ready().await.map_err(|e| e.to_string())?;
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
        self.sender = Some(sender);
        Ok((status, body))
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of the importer ended");
        }
    });
    Ok(sender)
}
