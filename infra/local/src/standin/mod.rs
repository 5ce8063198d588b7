//! Stand-ins for the providers that no test machine can reach, on a loopback listener of their own.
//!
//! They follow the providers' documented answers and send nothing anywhere: what they were asked to send is in the
//! [`Outbox`].

mod outbox;
pub mod play;
mod providers;
mod recipients;
mod signatures;
mod smtp;
mod tokens;
mod wechat;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use huitou::channels::settings::{
    Aliyun, Hook, Keys, ProviderSecrets, ProviderSettings, PushSecret, SesSettings, Wecom,
};
use huitou::entropy::{self, Entropy};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use outbox::{Outbox, Sent};
pub use recipients::{Mode, Modes};

use crate::stop::Stop;

/// The app id that the stand-in WeChat knows.
pub const WECHAT_APP_ID: &str = "wx0000000000000000";
/// The secret that goes with [`WECHAT_APP_ID`]; it opens nothing but the stand-in.
pub const WECHAT_SECRET: &str = "stand-in-secret";

/// What the stand-ins know the brand by, and it them; drawn, because receipts come by a path that nobody guesses.
pub(crate) fn secrets(entropy: &dyn Entropy) -> ProviderSecrets {
    let random = || URL_SAFE_NO_PAD.encode(entropy::bytes::<16>(entropy));
    let keys = || Keys { id: "stand-in".to_owned(), secret: signatures::SECRET.to_owned() };
    ProviderSecrets {
        wecom: Some("stand-in".to_owned()),
        sms: Some(keys()),
        mail: Some(keys()),
        webhook: Some(signatures::SECRET.to_owned()),
        push: Some(PushSecret { token: PUSH_TOKEN.to_owned(), aes_key: PUSH_KEY.to_owned() }),
        receipts: Some(random()),
    }
}

/// The providers that are stood in for, as the outbox names them.
pub const PROVIDERS: [&str; 8] = ["wechat", "wecom", "aliyun", "tencent", "ses", "aliyun_mail", "smtp", "webhook"];

/// The token by which the stand-in WeChat signs its pushes.
pub const PUSH_TOKEN: &str = "standin";
/// The key with which it encrypts them.
pub const PUSH_KEY: &str = "c3RhbmQtaW4gc3RhbmQtaW4gc3RhbmQtaW4gc3RhbmE";

/// The stand-ins, listening.
#[derive(Debug)]
pub struct StandIns {
    /// Where they listen.
    pub address: SocketAddr,
    /// Where the one for mail by SMTP listens.
    pub smtp: SocketAddr,
    /// What they were asked to send.
    pub outbox: Outbox,
    /// How they treat everybody.
    pub modes: Modes,
    tasks: [JoinHandle<()>; 2],
}

impl StandIns {
    /// Listens on a free loopback port until it is time to end.
    pub async fn start(stop: Stop) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mail = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let smtp = mail.local_addr()?;
        let (outbox, modes) = (Outbox::default(), Modes::default());
        let providers = providers::Providers { outbox: outbox.clone(), modes: modes.clone() };
        let mail = tokio::spawn(smtp::serve(mail, providers.clone(), stop.clone()));
        let router = wechat::router(Arc::new(wechat::WeChat::new(outbox.clone(), modes.clone())))
            .merge(providers::router(providers));
        let http = tokio::spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(stop.asked());
            if let Err(error) = serving.await {
                tracing::error!(%error, "the stand-ins ended");
            }
        });
        Ok(Self { address, smtp, outbox, modes, tasks: [http, mail] })
    }

    /// What stands for `https://api.weixin.qq.com`.
    #[must_use]
    pub fn wechat_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The settings of a brand that has a provider on every channel, all of them here.
    #[must_use]
    pub fn providers(&self, own_url: &str) -> ProviderSettings {
        let at = |provider: &str| format!("http://{}/{provider}", self.address);
        ProviderSettings {
            own_url: Some(own_url.to_owned()),
            edition: Some("developer".to_owned()),
            plain_pushes: true,
            wecom: Some(Wecom { base_url: at("wecom"), company: WECHAT_APP_ID.to_owned(), app: Some(1_000_002) }),
            aliyun_sms: Some(Aliyun { base_url: at("aliyun") }),
            tencent_sms: None,
            ses: Some(SesSettings {
                base_url: Some(at("ses")),
                region: "local".to_owned(),
                from: "dev@example.com".to_owned(),
                configuration_set: "receipts".to_owned(),
            }),
            aliyun_mail: None,
            smtp: None,
            webhook: Some(Hook { url: at("webhook") }),
        }
    }

    /// Ends them without waiting for calls that hang on purpose.
    pub fn end(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod contracts;
#[cfg(test)]
mod tests;
