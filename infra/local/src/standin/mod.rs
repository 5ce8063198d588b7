//! Stand-ins for the providers that no test machine can reach, on a loopback listener of their own.
//!
//! They follow the providers' documented answers and send nothing anywhere: what they were asked to send is in the
//! [`Outbox`].

mod outbox;
mod tokens;
mod wechat;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use outbox::{Outbox, Sent};

use crate::stop::Stop;

/// The app id that the stand-in WeChat knows.
pub const WECHAT_APP_ID: &str = "wx0000000000000000";
/// The secret that goes with [`WECHAT_APP_ID`]; it opens nothing but the stand-in.
pub const WECHAT_SECRET: &str = "stand-in-secret";

/// The stand-ins, listening.
#[derive(Debug)]
pub struct StandIns {
    /// Where they listen.
    pub address: SocketAddr,
    /// What they were asked to send.
    pub outbox: Outbox,
    task: JoinHandle<()>,
}

impl StandIns {
    /// Listens on a free loopback port until it is time to end.
    pub async fn start(stop: Stop) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let outbox = Outbox::default();
        let router = wechat::router(Arc::new(wechat::WeChat::new(outbox.clone())));
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(stop.asked());
            if let Err(error) = serving.await {
                tracing::error!(%error, "the stand-ins ended");
            }
        });
        Ok(Self { address, outbox, task })
    }

    /// What stands for `https://api.weixin.qq.com`.
    #[must_use]
    pub fn wechat_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends them without waiting for calls that hang on purpose.
    pub fn end(self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
