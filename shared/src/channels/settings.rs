//! Which providers a brand has, and what they know it by.

use std::sync::Arc;

use aws_smithy_runtime_api::client::identity::Identity;
use serde::{Deserialize, Serialize};

use super::smtp::SmtpServer;
use super::{
    Account, AliyunMail, AliyunSms, Line, Secret, Sender, Senders, Ses, Smtp, SubscribeMessages, TencentSms, Webhook,
    WecomMessages,
};
use crate::aws::Signer;
use crate::domain::campaign::content::Link;
use crate::transport::{HttpTransport, Transport};
use crate::values::Invalid;
use crate::wechat::{WeChat, WeChatSettings};

/// The longest address of ours: a link of [`Link::OURS`] characters begins with it and ends with a token of 32.
const LONGEST_OWN: usize = Link::OURS - "/r/".len() - 32;

/// The providers of a brand, as the environment's `PROVIDERS` says in JSON. What is left out, the brand doesn't have;
/// secrets stand elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSettings {
    /// Where members reach us, as `https://m.example.cn`: links in messages begin with it.
    pub own_url: Option<String>,
    /// Which edition of the mini program a subscribe message opens: `formal` unless said otherwise.
    pub edition: Option<String>,
    /// Whether pushes of WeChat in plain mode are taken; for development only.
    pub plain_pushes: bool,
    /// WeCom.
    pub wecom: Option<Wecom>,
    /// Text messages by Aliyun.
    pub aliyun_sms: Option<Aliyun>,
    /// Text messages by Tencent Cloud.
    pub tencent_sms: Option<Tencent>,
    /// E-mail by SES.
    pub ses: Option<SesSettings>,
    /// E-mail by Aliyun.
    pub aliyun_mail: Option<Mail>,
    /// E-mail by SMTP.
    pub smtp: Option<SmtpServer>,
    /// The brand's webhook.
    pub webhook: Option<Hook>,
}

/// WeCom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wecom {
    /// Where, if not at WeCom itself.
    #[serde(default = "qyapi")]
    pub base_url: String,
    /// The company's id.
    pub company: String,
    /// The number of the app by which staff are written to, `agentid` in its console; nobody is when left out.
    #[serde(default)]
    pub app: Option<u32>,
}

/// Aliyun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliyun {
    /// Where, if not at Aliyun itself.
    #[serde(default = "dysmsapi")]
    pub base_url: String,
}

/// Tencent Cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tencent {
    /// Where, if not at Tencent Cloud itself.
    #[serde(default = "tencentcloudapi")]
    pub base_url: String,
    /// The app, as the console of text messages names it.
    pub app: String,
    /// The region.
    pub region: String,
}

/// SES.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SesSettings {
    /// Where, if not at the region's own address.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The region.
    pub region: String,
    /// The address that mail comes from.
    pub from: String,
    /// The configuration set by which SES reports what became of a mail.
    #[serde(default)]
    pub configuration_set: String,
}

/// Mail by Aliyun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Where, if not at Aliyun itself.
    #[serde(default = "dm")]
    pub base_url: String,
    /// The address that mail comes from.
    pub from: String,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Where: a public address, by https.
    pub url: String,
}

fn qyapi() -> String {
    "https://qyapi.weixin.qq.com".to_owned()
}
fn dysmsapi() -> String {
    "https://dysmsapi.aliyuncs.com".to_owned()
}
fn tencentcloudapi() -> String {
    "https://sms.tencentcloudapi.com".to_owned()
}
fn dm() -> String {
    "https://dm.aliyuncs.com".to_owned()
}

/// What providers know the brand by, and what it knows them by; each left out where there is no such provider.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSecrets {
    /// The secret of the company's app in WeCom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wecom: Option<String>,
    /// The account for text messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<Keys>,
    /// The account for mail, where it isn't the function's own role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<Keys>,
    /// By what calls of the webhook are signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// By what WeChat signs and encrypts its pushes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<PushSecret>,
    /// The last part of the path to which receipts are posted: whoever knows it is a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipts: Option<String>,
}

/// An account's id and secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The id.
    pub id: String,
    /// The secret.
    pub secret: String,
}

/// Token and key of WeChat's pushes, as the mini program's console has them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushSecret {
    /// The token.
    pub token: String,
    /// The `EncodingAESKey`.
    pub aes_key: String,
}

impl Keys {
    fn account(&self) -> Account {
        Account { key: self.id.clone(), secret: self.secret.clone() }
    }
}

/// What providers are built from.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// The mini program.
    pub wechat: Arc<WeChat>,
    /// The way out to providers.
    pub line: Line,
    /// The way out to an address that others have chosen; the local host's own tests may have another one.
    pub public: Arc<dyn Transport>,
    /// Who signs calls of AWS.
    pub identity: Identity,
}

impl Workshop {
    /// What the machine itself gives.
    #[must_use]
    pub fn new(wechat: Arc<WeChat>, line: Line, identity: Identity) -> Self {
        Self { wechat, line, public: Arc::new(HttpTransport::public()), identity }
    }
}

impl ProviderSettings {
    /// Reads the settings; nothing is an empty object.
    pub fn read(json: &str) -> Result<Self, String> {
        // An object first: by position a list would be read, too.
        let object: serde_json::Result<serde_json::Map<_, _>> = serde_json::from_str(json);
        let settings = object.and_then(|object| serde_json::from_value(object.into()));
        let settings: Self = settings.map_err(|e| format!("PROVIDERS can't be read: {e}"))?;
        if settings.own_url.as_ref().is_some_and(|url| url.len() > LONGEST_OWN || url.ends_with('/')) {
            return Err(format!(
                "own_url in PROVIDERS must have at most {LONGEST_OWN} characters and no slash at its end"
            ));
        }
        if settings.aliyun_sms.is_some() && settings.tencent_sms.is_some() {
            return Err("PROVIDERS must name one provider of text messages: aliyun_sms or tencent_sms".to_owned());
        }
        let mail = [settings.ses.is_some(), settings.aliyun_mail.is_some(), settings.smtp.is_some()];
        if mail.into_iter().filter(|named| *named).count() > 1 {
            return Err("PROVIDERS must name one provider of mail: ses, aliyun_mail or smtp".to_owned());
        }
        if let Some(flaw) = settings.smtp.as_ref().and_then(SmtpServer::flaw) {
            return Err(format!("smtp in PROVIDERS can't be used: {flaw}"));
        }
        Ok(settings)
    }

    /// The providers; one that has settings and no secret is an error, so that nobody waits for it in vain.
    pub fn senders(&self, secrets: &ProviderSecrets, shop: &Workshop) -> Result<Senders, Invalid> {
        let line = || shop.line.clone();
        let sms = || secrets.sms.as_ref().map(Keys::account).ok_or(Invalid("a secret providers.sms"));
        let mail = || secrets.mail.as_ref().map(Keys::account).ok_or(Invalid("a secret providers.mail"));
        let edition = self.edition.clone().unwrap_or_else(|| "formal".to_owned());
        let wechat = Arc::clone(&shop.wechat);
        let mut senders: Vec<Arc<dyn Sender>> = vec![Arc::new(SubscribeMessages { wechat, line: line(), edition })];
        if let Some(Wecom { base_url, company, app }) = &self.wecom {
            let secret = secrets.wecom.clone().ok_or(Invalid("a secret providers.wecom"))?;
            let settings = WeChatSettings { base_url: base_url.clone(), app_id: company.clone(), secret };
            let wecom = Arc::new(WeChat::wecom(settings, Arc::clone(&shop.line.transport)));
            senders.push(Arc::new(WecomMessages { wecom, app: *app, line: line() }));
        }
        if let Some(Aliyun { base_url }) = &self.aliyun_sms {
            senders.push(Arc::new(AliyunSms { base_url: base_url.clone(), account: sms()?, line: line() }));
        }
        if let Some(Tencent { base_url, app, region }) = &self.tencent_sms {
            let (base_url, app, region) = (base_url.clone(), app.clone(), region.clone());
            senders.push(Arc::new(TencentSms { base_url, account: sms()?, app, region, line: line() }));
        }
        if let Some(ses) = &self.ses {
            let own = || format!("https://email.{}.amazonaws.com", ses.region);
            senders.push(Arc::new(Ses {
                base_url: ses.base_url.clone().unwrap_or_else(own),
                signer: Signer { identity: shop.identity.clone(), region: ses.region.clone() },
                from: ses.from.clone(),
                configuration_set: ses.configuration_set.clone(),
                line: line(),
            }));
        }
        if let Some(Mail { base_url, from }) = &self.aliyun_mail {
            let (base_url, from) = (base_url.clone(), from.clone());
            senders.push(Arc::new(AliyunMail { base_url, account: mail()?, from, line: line() }));
        }
        if let Some(server) = &self.smtp {
            let smtp = Smtp::new(server.clone(), mail()?, Arc::clone(&shop.line.clock));
            senders.push(Arc::new(smtp.ok_or(Invalid("settings of smtp that can be used"))?));
        }
        if let Some(Hook { url }) = &self.webhook {
            let secret = secrets.webhook.clone().map(Secret).ok_or(Invalid("a secret providers.webhook"))?;
            let line = Line { transport: Arc::clone(&shop.public), ..line() };
            senders.push(Arc::new(Webhook { url: url.clone(), secret, line }));
        }
        Ok(Senders::new(senders))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_one_provider_of_each_kind_and_no_long_address() {
        assert_eq!(ProviderSettings::read("{}"), Ok(ProviderSettings::default()));
        let long = format!(r#"{{"own_url":"https://{}"}}"#, "x".repeat(40));
        let both = r#"{"aliyun_sms":{},"tencent_sms":{"app":"1","region":"ap-guangzhou"}}"#;
        let mails = r#"{"aliyun_mail":{"from":"a@b.cn"},"smtp":{"host":"m.cn","from":"a@b.cn"}}"#;
        let open = r#"{"smtp":{"host":"m.cn","from":"a@b.cn","encryption":"none"}}"#;
        let nobody = r#"{"smtp":{"host":"m.cn","from":"somebody"}}"#;
        for bad in ["", "[]", r#"{"sms":{}}"#, &long, r#"{"own_url":"https://m.cn/"}"#, both, mails, open, nobody] {
            assert!(ProviderSettings::read(bad).is_err(), "{bad}");
        }
        let settings = ProviderSettings::read(r#"{"aliyun_sms":{},"own_url":"https://m.example.cn"}"#).unwrap();
        assert_eq!(settings.aliyun_sms.unwrap().base_url, "https://dysmsapi.aliyuncs.com");
        for good in [
            r#"{"smtp":{"host":"m.cn","from":"回头客 <a@b.cn>"}}"#,
            r#"{"smtp":{"host":"127.0.0.1","port":25,"from":"a@b.cn","encryption":"none"}}"#,
        ] {
            assert!(ProviderSettings::read(good).is_ok(), "{good}");
        }
    }
}
