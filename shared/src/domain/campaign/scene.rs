//! Scenes: the occasions on which brands write to members, each with a template that ships.
//!
//! A template says to whom, when, and in which words; what only the brand has (its window, its link, its approved
//! signature and template of text messages) is added when a draft is made of it. None of them is a subscribe message:
//! WeChat bans mini programs that advertise by those.

use serde::{Deserialize, Serialize};

use super::content::{Content, Email, Link, Prices, Sms, Text, Wecom};
use super::definition::{Audience, Definition, Purpose, Trigger, Variant, Window};
use crate::domain::traits::Channel;
use crate::values::{Code, Invalid, Name, Reason};

/// What a campaign is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scene {
    /// Welcome to a new member.
    Welcome,
    /// A festival.
    Festival,
    /// A new product.
    NewProduct,
    /// A members' day.
    MemberDay,
    /// A member's birthday.
    Birthday,
    /// Somebody who has not come for long.
    DormantWakeUp,
    /// Somebody who is about to stay away.
    ChurnRecall,
    /// Something was looked at and not bought.
    BrowseNotBought,
    /// Something was left in the cart.
    CartRecovery,
    /// Somebody has bought for the first time.
    FirstPurchase,
    /// Somebody has not bought again within a month of the first time.
    NoRepeat,
    /// A child's birthday, told to the guardian.
    ChildBirthday,
    /// What somebody asked or complained about is solved.
    TicketClosed,
    /// Something else.
    Other,
}

/// What a scene ships with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SceneTemplate {
    /// The scene.
    pub scene: Scene,
    /// Its name, in Chinese.
    pub name: Name,
    /// Its name in English.
    pub english: Name,
    /// What it is to bring about.
    pub goal: Reason,
    /// Why messages go out.
    pub purpose: Purpose,
    /// Who gets one.
    pub audience: Audience,
    /// The move that sets one off; at launch, to everybody, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// The channels, in the order in which they are tried.
    pub plan: Vec<Channel>,
    /// How many in a hundred are left out, to be compared with.
    pub holdout_percent: u32,
    /// For how many days after a message an order counts as its answer.
    pub attribution_days: u32,
    /// What a message from WeCom says.
    pub wecom: Text,
    /// What a text message says; one part with the longest name, so that each costs what one part costs.
    pub sms: Text,
    /// What an e-mail says.
    pub email: Email,
}

/// What a brand adds to a scene's template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SceneDraft {
    /// From when until when.
    pub window: Window,
    /// Its name, for staff; the scene's when left out.
    #[serde(default)]
    pub name: Option<Name>,
    /// Where the messages lead; they name the mini program when left out.
    #[serde(default)]
    pub link: Option<Link>,
    /// The coupon that they name.
    #[serde(default)]
    pub coupon: Option<Code>,
    /// What the provider of text messages has approved; without it no text messages are in the plan.
    #[serde(default)]
    pub sms: Option<ApprovedSms>,
}

/// A wording that the provider of text messages has approved: that of the scene's template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovedSms {
    /// The signature, without its brackets.
    pub sign: String,
    /// The provider's id of the template.
    pub template: String,
}

/// The templates that ship, one for each scene but [`Scene::Other`]. An error can't happen, a test reads them.
pub fn shipped() -> Result<Vec<SceneTemplate>, serde_json::Error> {
    serde_json::from_str(include_str!("scenes.json"))
}

impl SceneTemplate {
    /// A campaign after this template. It may still have flaws, as when the brand has deleted the scene's segment.
    pub fn drafted(self, with: SceneDraft) -> Result<Definition, Invalid> {
        let SceneDraft { window, name, link, coupon, sms } = with;
        let sms = sms.map(|approved| Sms { sign: approved.sign, template: approved.template, text: self.sms });
        let mut plan = self.plan;
        plan.retain(|channel| *channel != Channel::Sms || sms.is_some());
        let content = Content {
            link,
            sms,
            wecom: Some(Wecom { text: self.wecom }),
            email: Some(self.email),
            ..Content::default()
        };
        Ok(Definition {
            name: name.unwrap_or(self.name),
            scene: self.scene,
            purpose: self.purpose,
            audience: self.audience,
            plan,
            variants: vec![Variant { id: Code::parse("a")?, weight: 100, content }],
            holdout_percent: self.holdout_percent,
            window,
            per_minute: None,
            budget: None,
            prices: Prices::default(),
            coupon,
            trigger: self.trigger,
            attribution_days: self.attribution_days,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::campaign::content::{parts, units};
    use crate::domain::segmentation::Segmentation;
    use crate::values::Moment;

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    fn with(link: Option<&str>, coupon: Option<&str>) -> SceneDraft {
        let window = Window { from: at("2026-03-01T00:00:00+08:00"), until: at("2026-03-15T00:00:00+08:00") };
        SceneDraft {
            window,
            name: None,
            link: link.map(|link| Link::parse(link).unwrap()),
            coupon: coupon.map(|code| Code::parse(code).unwrap()),
            sms: Some(ApprovedSms { sign: "回头客".to_owned(), template: "SMS_154950909".to_owned() }),
        }
    }

    #[test]
    fn every_scene_but_the_last_has_one_template() {
        let mut scenes: Vec<Scene> = shipped().unwrap().into_iter().map(|template| template.scene).collect();
        scenes.sort_unstable();
        let wanted = [
            Scene::Welcome,
            Scene::Festival,
            Scene::NewProduct,
            Scene::MemberDay,
            Scene::Birthday,
            Scene::DormantWakeUp,
            Scene::ChurnRecall,
            Scene::BrowseNotBought,
            Scene::CartRecovery,
            Scene::FirstPurchase,
            Scene::NoRepeat,
            Scene::ChildBirthday,
            Scene::TicketClosed,
        ];
        assert_eq!(scenes, wanted);
    }

    #[test]
    fn every_template_keeps_to_the_limits_of_each_channel_whatever_a_brand_adds() {
        let segments = Segmentation::shipped().unwrap();
        for template in shipped().unwrap() {
            for (link, coupon) in [(None, None), (Some("https://m.example.cn/back"), Some("back10-2026-spring"))] {
                let drafted = template.clone().drafted(with(link, coupon)).unwrap();
                let flaws = drafted.flaws(&segments, at("2026-02-20T00:00:00+08:00"));
                assert_eq!(flaws, [], "{:?}", template.scene);
                assert_eq!(drafted.plan, [Channel::Wecom, Channel::Sms, Channel::Email]);
            }
            let without = SceneDraft { sms: None, ..with(None, None) };
            let drafted = template.clone().drafted(without).unwrap();
            assert_eq!(drafted.flaws(&segments, at("2026-02-20T00:00:00+08:00")), [], "{:?}", template.scene);
            assert_eq!(drafted.plan, [Channel::Wecom, Channel::Email]);
        }
    }

    #[test]
    fn a_text_message_of_a_scene_goes_out_in_one_part() {
        for template in shipped().unwrap() {
            let drafted = template.clone().drafted(with(None, None)).unwrap();
            let sms = drafted.variants[0].content.sms.as_ref().unwrap();
            let longest = sms.longest(None);
            assert_eq!(parts(units(&sms.sign, &longest)), 1, "{:?}: {longest}", template.scene);
        }
    }
}
