//! Each client of a provider against its stand-in: what it asks for, how it signs, and what it makes of every answer.

use std::sync::Arc;

use aws_sdk_dynamodb::config::Credentials;
use futures_util::future::join_all;
use huitou::aws::Signer;
use huitou::channels::settings::Keys;
use huitou::channels::smtp::{Encryption, SmtpServer};
use huitou::channels::{
    Account, Address, AliyunMail, AliyunSms, Busy, Known, Line, Message, Outcome, Scope, Secret, Sender, Sent, Ses,
    Smtp, SubscribeMessages, TencentSms, Webhook, WecomMessages,
};
use huitou::domain::campaign::content::{Content, Values};
use huitou::domain::traits::Channel;
use huitou::entropy::SystemEntropy;
use huitou::transport::{HttpTransport, Transport};
use huitou::values::{CampaignId, SendId};
use huitou::wechat::{WeChat, WeChatSettings};
use serde_json::{Value, json};

use super::*;
use crate::clock::DevClock;
use crate::stop::StopSource;

/// The stand-ins, and a client for each of them.
struct Scene {
    standins: StandIns,
    _stop: StopSource,
}

impl Scene {
    async fn set() -> Self {
        let stop = StopSource::new();
        let standins = StandIns::start(stop.listen()).await.unwrap();
        Self { standins, _stop: stop }
    }

    fn sender(&self, provider: &str) -> Box<dyn Sender> {
        self.sender_with(provider, signatures::SECRET)
    }

    /// A client whose account has this secret.
    fn sender_with(&self, provider: &str, secret: &str) -> Box<dyn Sender> {
        let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new());
        let line = Line {
            transport: Arc::clone(&transport),
            clock: Arc::new(DevClock::new()),
            entropy: Arc::new(SystemEntropy),
        };
        let account = Account { key: "stand-in".to_owned(), secret: secret.to_owned() };
        let base_url = format!("http://{}/{provider}", self.standins.address);
        let settings = |base_url: String, secret: &str| WeChatSettings {
            base_url,
            app_id: WECHAT_APP_ID.to_owned(),
            secret: secret.to_owned(),
        };
        match provider {
            "wechat" => {
                let wechat = WeChat::new(settings(self.standins.wechat_url(), WECHAT_SECRET), transport);
                Box::new(SubscribeMessages { wechat: Arc::new(wechat), line, edition: "developer".to_owned() })
            }
            "wecom" => {
                let wecom = Arc::new(WeChat::wecom(settings(base_url, secret), transport));
                Box::new(WecomMessages { wecom, app: None, line })
            }
            "aliyun" => Box::new(AliyunSms { base_url, account, line }),
            // Text messages and mail are two products behind one gateway.
            "aliyun_mail" => {
                let base_url = format!("http://{}/aliyun", self.standins.address);
                Box::new(AliyunMail { base_url, account, from: "dev@example.cn".to_owned(), line })
            }
            "smtp" => {
                let server = SmtpServer {
                    host: self.standins.smtp.ip().to_string(),
                    port: Some(self.standins.smtp.port()),
                    encryption: Encryption::None,
                    from: "回头客 <dev@example.cn>".to_owned(),
                };
                Box::new(Smtp::new(server, account, line.clock).unwrap())
            }
            "tencent" => {
                let (app, region) = ("1400000000".to_owned(), "ap-guangzhou".to_owned());
                Box::new(TencentSms { base_url, account, app, region, line })
            }
            "ses" => {
                let identity = Credentials::new("stand-in", secret, None, None, "test").into();
                let signer = Signer { identity, region: "local".to_owned() };
                let from = "dev@example.com".to_owned();
                Box::new(Ses { base_url, signer, from, configuration_set: String::new(), line })
            }
            _ => Box::new(Webhook { url: base_url, secret: Secret(secret.to_owned()), line }),
        }
    }

    async fn sends(&self, provider: &str, to: &str) -> Outcome {
        let sender = self.sender(provider);
        sender.send(&message(sender.channel(), to)).await
    }

    fn last(&self) -> super::Sent {
        self.standins.outbox.newest(None, 1).remove(0)
    }
}

fn message(channel: Channel, to: &str) -> Message {
    let content: Content = serde_json::from_value(json!({
        "subscribe": {"template": "t1", "page": "pages/a", "data": {"thing1": "{name}您好"}},
        "wecom": {"text": "{name}您好"},
        "sms": {"sign": "回头客", "template": "SMS_1", "text": "{name}，您有{points}积分，拒收请回复R"},
        "email": {"subject": "您好", "text": "{unsubscribe}"},
        "webhook": {"topic": "wake-up", "fields": {"name": "{name}"}},
    }))
    .unwrap();
    let values = Values {
        name: Some("小明 & Co".to_owned()),
        unsubscribe: Some("https://m.example.cn/u/1".to_owned()),
        ..Values::default()
    };
    Message {
        send: SendId::of("test", &[to]),
        campaign: CampaignId::of("test", &["campaign"]),
        channel,
        to: Address::new(to.to_owned()),
        content: content.render(channel, &values).unwrap(),
    }
}

/// Somebody to whom a provider sends, and somebody of whom it says one of its other answers.
fn recipient(provider: &str, word: &str) -> String {
    let number = recipients::ending(word).unwrap_or("8000");
    match provider {
        "aliyun" | "tencent" => format!("861380013{number}"),
        "ses" | "aliyun_mail" | "smtp" => format!("{word}@example.com"),
        _ => format!("{word}-1"),
    }
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(_) => "accepted".to_owned(),
        Outcome::Retry { busy: Busy::Provider, .. } => "provider".to_owned(),
        Outcome::Retry { busy: Busy::Recipient, .. } => "enough".to_owned(),
        Outcome::Permanent { reason } => format!("{:?}", reason.of).to_lowercase(),
        Outcome::Refused { scope: Scope::Template } => "template".to_owned(),
        Outcome::Refused { scope: Scope::Channel(_) } => "channel".to_owned(),
        Outcome::Unknown => "unknown".to_owned(),
    }
}

/// What each client makes of every answer of its provider.
const CLASSES: [(&str, [&str; 7]); 8] = [
    // Provider, and what comes of: anybody, gone, refuses, limited, busy, content, account.
    ("wechat", ["accepted", "recipient", "template", "provider", "provider", "content", "account"]),
    ("wecom", ["accepted", "recipient", "recipient", "enough", "provider", "content", "account"]),
    // Aliyun takes messages to its own list and tells of it by a receipt.
    ("aliyun", ["accepted", "recipient", "accepted", "enough", "provider", "content", "account"]),
    ("tencent", ["accepted", "recipient", "channel", "enough", "provider", "content", "account"]),
    ("ses", ["accepted", "recipient", "recipient", "provider", "provider", "content", "account"]),
    ("aliyun_mail", ["accepted", "recipient", "recipient", "provider", "provider", "content", "account"]),
    ("smtp", ["accepted", "recipient", "recipient", "enough", "provider", "content", "account"]),
    ("webhook", ["accepted", "account", "account", "provider", "provider", "content", "account"]),
];

#[tokio::test]
async fn every_client_tells_every_answer_of_its_provider_apart() {
    let scene = Scene::set().await;
    for (provider, classes) in CLASSES {
        let words = ["anybody", "gone", "refuses", "limited", "busy", "content", "account"];
        for (recipient_word, class) in words.into_iter().zip(classes) {
            let outcome = scene.sends(provider, &recipient(provider, recipient_word)).await;
            assert_eq!(word(&outcome), class, "{provider} {recipient_word}: {outcome:?}");
        }
    }
}

/// A webhook's receiver takes an id once, so silence may be answered by sending again; nobody else's may.
#[tokio::test]
async fn what_nobody_heard_of_is_unknown_and_the_message_may_have_gone() {
    let scene = Scene::set().await;
    let outcomes = join_all(CLASSES.iter().map(|(provider, _)| async {
        let provider = *provider;
        (provider, scene.sends(provider, &recipient(provider, "hangs")).await)
    }));
    for (provider, outcome) in outcomes.await {
        let wanted = if provider == "webhook" { "provider" } else { "unknown" };
        assert_eq!(word(&outcome), wanted, "{provider}");
    }
    // All but the webhook's have it.
    assert_eq!(scene.standins.outbox.total(), 7);
}

#[tokio::test]
async fn a_request_signed_with_another_secret_is_refused_and_goes_nowhere() {
    let scene = Scene::set().await;
    for provider in ["aliyun", "aliyun_mail", "tencent", "ses", "smtp", "webhook"] {
        let sender = scene.sender_with(provider, "another secret");
        let outcome = sender.send(&message(sender.channel(), &recipient(provider, "anybody"))).await;
        assert_eq!(word(&outcome), "account", "{provider}: {outcome:?}");
    }
    assert_eq!(scene.standins.outbox.total(), 0);
}

#[tokio::test]
async fn requests_have_the_documented_shape() {
    let scene = Scene::set().await;
    let shapes: [(&str, &[(&str, Value)]); 8] = [
        (
            "wechat",
            &[
                ("/touser", json!("anybody-1")),
                ("/template_id", json!("t1")),
                ("/page", json!("pages/a")),
                ("/miniprogram_state", json!("developer")),
                ("/lang", json!("zh_CN")),
                ("/data/thing1/value", json!("小明 & Co您好")),
            ],
        ),
        (
            "wecom",
            &[
                ("/chat_type", json!("single")),
                ("/external_userid", json!(["anybody-1"])),
                ("/text/content", json!("小明 & Co您好")),
            ],
        ),
        (
            "aliyun",
            &[
                ("/PhoneNumbers", json!("8613800138000")),
                ("/SignName", json!("回头客")),
                ("/TemplateCode", json!("SMS_1")),
                ("/TemplateParam", json!(r#"{"name":"小明 & Co","points":"0"}"#)),
            ],
        ),
        (
            "tencent",
            &[
                ("/PhoneNumberSet", json!(["+8613800138000"])),
                ("/SmsSdkAppId", json!("1400000000")),
                ("/SignName", json!("回头客")),
                ("/TemplateId", json!("SMS_1")),
                ("/TemplateParamSet", json!(["小明 & Co", "0"])),
            ],
        ),
        (
            "ses",
            &[
                ("/FromEmailAddress", json!("dev@example.com")),
                ("/Destination/ToAddresses", json!(["anybody@example.com"])),
                ("/Content/Simple/Subject/Data", json!("您好")),
                ("/Content/Simple/Headers/0/Name", json!("List-Unsubscribe")),
                ("/Content/Simple/Headers/1/Value", json!("List-Unsubscribe=One-Click")),
            ],
        ),
        (
            "aliyun_mail",
            &[
                ("/AccountName", json!("dev@example.cn")),
                ("/ToAddress", json!("anybody@example.com")),
                ("/Subject", json!("您好")),
                ("/TextBody", json!("https://m.example.cn/u/1")),
            ],
        ),
        ("smtp", &[("/from", json!("dev@example.cn")), ("/to", json!("anybody@example.com"))]),
        (
            "webhook",
            &[("/topic", json!("wake-up")), ("/member_id", json!("anybody-1")), ("/fields/name", json!("小明 & Co"))],
        ),
    ];
    for (provider, fields) in shapes {
        let _ = scene.sends(provider, &recipient(provider, "anybody")).await;
        let sent = scene.last();
        assert_eq!(sent.provider, provider);
        for (pointer, wanted) in fields {
            assert_eq!(sent.request.pointer(pointer), Some(wanted), "{provider} {pointer}: {}", sent.request);
        }
    }
}

#[tokio::test]
async fn records_tell_of_what_a_provider_has_and_know_nothing_of_the_rest() {
    let scene = Scene::set().await;
    for provider in ["aliyun", "tencent", "wecom"] {
        let sender = scene.sender(provider);
        let to = recipient(provider, "anybody");
        let sent = message(sender.channel(), &to);
        let Outcome::Accepted(id) = sender.send(&sent).await else { panic!("{provider} took nothing") };
        let now = huitou::values::Moment::from(std::time::SystemTime::now());
        let asked = Sent { send: sent.send, channel: sent.channel, to: sent.to.clone(), at: now, id: Some(id) };
        if provider == "wecom" {
            assert_eq!(sender.look_up(&asked).await, Known::NotYet, "staff have not confirmed it");
            assert!(scene.standins.outbox.confirm(scene.last().number));
        }
        assert_eq!(sender.look_up(&asked).await, Known::Delivered, "{provider}");
        let other = Sent { send: SendId::of("test", &["other"]), id: None, ..asked };
        assert!(matches!(sender.look_up(&other).await, Known::NotYet | Known::Never), "{provider}");
    }
}

#[test]
fn the_secrets_of_the_host_are_those_of_the_stand_ins() {
    let secrets = secrets(&SystemEntropy);
    let is_ours = |keys: &Option<Keys>| keys.as_ref().is_some_and(|keys| keys.secret == signatures::SECRET);
    assert!(is_ours(&secrets.sms) && is_ours(&secrets.mail));
    assert_eq!(secrets.webhook.as_deref(), Some(signatures::SECRET));
}
