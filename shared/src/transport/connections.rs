//! Connections to other services: HTTP/1.1, with TLS by rustls and ring, kept and reused. The client that the SDK would
//! bring also speaks HTTP/2, which no service asks for that is called here, and a tenth of a function would be that.

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::Service;

use super::resolve::{LeadsTo, Resolver};

/// How long a connection may take to come about, TLS included.
const OPENS_WITHIN: Duration = Duration::from_millis(1_500);

/// Whose signature a service's certificate needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// That of an authority that the platform trusts: about 145, whose reading takes its time.
    Platform,
    /// That of one in this text, in the form of PEM.
    These(String),
}

impl Authorities {
    fn read(&self) -> Result<RootCertStore, Box<dyn Error + Send + Sync>> {
        let mut store = RootCertStore::empty();
        match self {
            Self::Platform => {
                // One that can't be read is one that nobody is trusted by.
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Self::These(text) => {
                for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
                    store.add(certificate?)?;
                }
            }
        }
        Ok(store)
    }
}

/// A pool of connections. Clones are the same pool.
#[derive(Clone, Debug)]
pub struct Connections {
    client: Client<Opening, Full<Bytes>>,
    resolver: Resolver,
}

impl Connections {
    /// A pool without connections yet, to wherever names may lead.
    pub(super) fn to(names: LeadsTo, authorities: &Authorities) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities.read()?)
            .with_no_client_auth();
        let resolver = Resolver::new(names);
        let mut tcp = Tcp::new_with_resolver(resolver.clone());
        tcp.enforce_http(false); // https is for the layer above
        tcp.set_nodelay(true);
        let opening = Opening(HttpsConnector::from((tcp, tls)));
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(opening);
        Ok(Self { client, resolver })
    }

    /// A pool without connections yet, to any address.
    ///
    /// # Errors
    ///
    /// The authorities can't be read.
    pub fn new(authorities: &Authorities) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::to(LeadsTo::Anybody, authorities)
    }

    /// Says whether names are looked up on a thread of their own, as they are at first, or whether this one waits for the
    /// answer. Nothing else can run on it then; but while a function starts nothing else has to, and a second thread
    /// costs it a twentieth of its processor time.
    pub fn look_up_aside(&self, aside: bool) {
        self.resolver.set_aside(aside);
    }

    /// Makes one request, whose address has to be absolute, by a connection that is there or a new one.
    pub(super) fn request(&self, request: http::Request<Full<Bytes>>) -> ResponseFuture {
        self.client.request(request)
    }
}

/// Opens connections, and gives up on one that takes too long.
#[derive(Clone, Debug)]
struct Opening(HttpsConnector<Tcp<Resolver>>);

impl Service<Uri> for Opening {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let opening = self.0.call(address);
        Box::pin(async move {
            let opened = tokio::time::timeout(OPENS_WITHIN, opening).await;
            opened.unwrap_or_else(|_| Err(format!("no connection within {} ms", OPENS_WITHIN.as_millis()).into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMAZON: &str = include_str!("../manners/amazon-roots.pem");

    #[test]
    fn whoever_is_named_is_trusted_and_nobody_else() {
        let read = |text: String| Authorities::These(text).read().map(|store| store.len());
        assert_eq!(read(AMAZON.to_owned()).unwrap(), 5);
        assert!(read(AMAZON.replacen("MII", "???", 1)).is_err(), "no PEM");
        assert!(read(AMAZON.replacen("MII", "AAA", 1)).is_err(), "no certificate");
    }
}
