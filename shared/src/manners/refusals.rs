//! Refusals: the one place where a rule's no gets its status, its code and its sentences.

use http::StatusCode;

use super::problem::Problem;
use crate::domain::refusal::Refusal;

impl From<Refusal> for Problem {
    #[expect(clippy::too_many_lines, reason = "one arm per refusal, all of them here")]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotEnoughPoints { wanted, available } => Self::rule(
                "not_enough_points",
                format!("{wanted} points were asked for, {available} can be spent."),
                "积分不足",
            ),
            Refusal::WrongCurrency { wanted } => {
                Self::rule("wrong_currency", format!("Amounts must be in {wanted}."), "币种不符")
            }
            Refusal::PaidInTheFuture { now } => {
                Self::rule("paid_in_the_future", format!("paid_at must not lie after now, {now}."), "支付时间有误")
            }
            Refusal::LinesExceedAmount { lines } => Self::rule(
                "lines_exceed_amount",
                format!("The lines add up to {lines} fen, more than the amount; send lines net of discounts."),
                "订单明细有误",
            ),
            Refusal::TooManyLines => {
                Self::rule("too_many_lines", "An order may have at most 100 lines.", "订单明细过多")
            }
            Refusal::RefundExceedsPaid { left } => Self::rule(
                "refund_exceeds_paid",
                format!("At most {left} fen of the order can still be given back."),
                "退款金额超过可退金额",
            ),
            Refusal::UnknownOrder => Self::new(
                StatusCode::NOT_FOUND,
                "unknown_order",
                "There is no order with this source and id; send the order first.",
                "订单不存在",
            ),
            Refusal::EntryOfSet => Self::rule(
                "entry_of_set",
                "The segment is an entry of a set; save the set without it instead, so that nobody falls through.",
                "该人群属于一组，请整组修改",
            ),
            Refusal::IdTaken => {
                Self::conflict("id_taken", "Something else has this id; choose another one.", "该编号已被使用")
            }
            Refusal::SegmentInUse { users } => {
                let users: Vec<&str> = users.iter().map(crate::values::Code::as_str).collect();
                let detail = format!("It is used by {}; change these first.", users.join(", "));
                Self::conflict("segment_in_use", detail, "该人群正在使用中")
            }
            Refusal::UnknownReward => {
                Self::rule("unknown_reward", "The programme has no reward with this code.", "兑换商品不存在")
            }
            Refusal::UnknownCause => {
                Self::rule("unknown_cause", "The programme has no cause with this code.", "捐赠项目不存在")
            }
            Refusal::UnknownHold | Refusal::UnknownReservation | Refusal::UnknownMerge => Self::not_found(),
            Refusal::HoldClosed => Self::conflict(
                "hold_closed",
                "The hold was captured or released before, or has timed out; open a new one.",
                "积分冻结已失效",
            ),
            Refusal::CaptureExceedsHold { held } => {
                Self::rule("capture_exceeds_hold", format!("The hold has {held} points."), "核销积分超过冻结积分")
            }
            Refusal::HoldTooLong { most } => {
                Self::rule("hold_too_long", format!("It may be reserved for 1 to {most} minutes."), "冻结时间过长")
            }
            Refusal::UnknownCoupon => {
                Self::rule("unknown_coupon", "The programme has no coupon with this code.", "优惠券不存在")
            }
            Refusal::CouponNotInForce { from, until } => Self::rule(
                "coupon_not_in_force",
                format!("The coupon can be used from {from} to {until}."),
                "优惠券不在有效期内",
            ),
            Refusal::CouponForOtherTiers => Self::rule(
                "coupon_for_other_tiers",
                "The coupon is for members of other tiers; its terms name them.",
                "您的会员等级暂不能使用该优惠券",
            ),
            Refusal::CouponBelowMinimum { at_least } => Self::rule(
                "coupon_below_minimum",
                format!("The coupon can be used on orders of at least {at_least} fen."),
                "订单金额未达到优惠券使用门槛",
            ),
            Refusal::CouponUsedUp { most } => Self::rule(
                "coupon_used_up",
                format!("The limit of this coupon for one member is {most}; roll back a reservation that is given up."),
                "优惠券使用次数已达上限",
            ),
            Refusal::CouponSoldOut => {
                Self::rule("coupon_sold_out", "There is none of this coupon left.", "优惠券已抢完")
            }
            Refusal::CouponClosed => Self::conflict(
                "coupon_closed",
                "The reservation was redeemed or rolled back before, or has lapsed; make a new one.",
                "优惠券锁定已失效",
            ),
            Refusal::LimitReached { again_on } => {
                let when = again_on
                    .map_or_else(|| "It can't be had again.".to_owned(), |day| format!("Try again from {day} on."));
                Self::rule("limit_reached", format!("The limit of this period is used up. {when}"), "已达上限")
            }
            Refusal::CheckedInAlready => Self::conflict(
                "checked_in_already",
                "The member has checked in today; come back tomorrow.",
                "今天已经打卡",
            ),
            Refusal::EmptyAdjustment => Self::rule(
                "empty_adjustment",
                "points must not be zero, and at most 1000000000 either way.",
                "调整积分有误",
            ),
            Refusal::TooManyPreviews { most, wait } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_previews",
                format!("An operator may preview {most} rules within a day; a manager may preview more."),
                "今日预览次数已达上限",
            )
            .retry_after(wait),
            Refusal::GroupTooSmall { least } => Self::rule(
                "group_too_small",
                format!("Operators see groups of at least {least} members; ask a manager."),
                "人群人数过少，无法查看",
            ),
            Refusal::SpanTooWide => Self::rule(
                "span_too_wide",
                "That is more than one report can read or hold; ask for less time, or for one staff member.",
                "时间范围过大",
            ),
            Refusal::SameMember => {
                Self::rule("same_member", "Both ids mean the same member; nothing to merge.", "同一会员")
            }
            Refusal::MergedAlready => Self::conflict(
                "merged_already",
                "One of the members was merged before; use the one who goes on.",
                "会员已合并",
            ),
            Refusal::OpenHolds => Self::conflict(
                "open_holds",
                "The member to be taken over has points held or a coupon reserved for a checkout; end that first.",
                "有冻结积分或已锁定的优惠券",
            ),
            Refusal::ConflictingIdentities => Self::conflict(
                "conflicting_identities",
                "Both members have an id of the same kind; they look like two people. Merge is refused.",
                "身份信息冲突",
            ),
            Refusal::MergeTheOtherWay => Self::conflict(
                "merge_other_way",
                "The other member has signed up and this one has not; merge the other way round.",
                "请交换合并方向",
            ),
            Refusal::TooManyIds => Self::rule(
                "too_many_ids",
                "The member to be taken over has more than 80 ids and segments together, and so many can't move at once.",
                "会员身份信息过多",
            ),
            Refusal::PhoneTaken => Self::conflict(
                "phone_taken",
                "Another member has this phone. Go on without phone_code, or let the service desk merge the two.",
                "该手机号已绑定其他会员，请联系客服",
            ),
            Refusal::BirthdayInTheFuture => {
                Self::rule("birthday_in_the_future", "A birthday must not lie after today.", "生日有误")
            }
            Refusal::PurposeNotOffered => Self::rule(
                "purpose_not_offered",
                "The privacy policy has no statement about this purpose; read GET /v1/me/consents.",
                "该授权事项暂未开放",
            ),
            Refusal::StatementMoved { current } => Self::conflict(
                "statement_moved",
                format!("The statement in force is version {current}; show that one and ask again."),
                "协议已更新，请重新阅读",
            ),
            Refusal::UnderFourteen => Self::rule(
                "under_fourteen",
                "Nobody under 14 is sent marketing or judged by what is known of them.",
                "未满十四周岁，不适用",
            ),
            Refusal::GuardianConsentRequired => Self::rule(
                "guardian_consent_required",
                "This is about somebody under 14: show the guardian the statement and send the version that they agree \
                 to, with POST /v1/me/children as consent, or with PUT /v1/me/consents/children or /minor.",
                "需要监护人同意",
            ),
            Refusal::GuardianNotVerified => Self::rule(
                "guardian_consent_required",
                "The consent counts once the guardian is known by a phone; bind one with POST /v1/me/phone, then ask again.",
                "请先绑定监护人手机号",
            ),
            Refusal::TooManyChildren { most } => {
                Self::rule("too_many_children", format!("A member may have at most {most} children."), "孩子数量过多")
            }
            Refusal::NoChild => Self::rule(
                "no_child",
                "A child's profile is for children under 14; from then on they sign up themselves.",
                "年满十四周岁，请本人注册",
            ),
            Refusal::ChildUnclear => Self::rule(
                "child_unclear",
                "Say which child: add one with POST /v1/me/children, or send the child that is there as child.",
                "请选择孩子",
            ),
            Refusal::ChildrenThere => Self::conflict(
                "children_there",
                "The member to be taken over has children's profiles, which stay with the guardian who agreed to them; \
                 the guardian has to delete them first.",
                "请先由监护人处理孩子档案",
            ),
            Refusal::TooManyTags { most } => {
                Self::rule("too_many_tags", format!("A member may have at most {most} tags; remove some."), "标签过多")
            }
            Refusal::RefundedSince => Self::conflict(
                "refunded_since",
                "An order that came along in the merge was refunded since; correct the balances by adjustments instead.",
                "合并后已有退款，无法撤销",
            ),
            Refusal::TransitionNotAllowed { from, to } => Self::conflict(
                "transition_not_allowed",
                format!("A ticket that is {from} can't become {to}."),
                "工单当前状态不允许此操作",
            ),
            Refusal::TicketClosed => Self::conflict("ticket_closed", "The ticket is closed.", "工单已关闭"),
            Refusal::ReopenWindowOver { until } => Self::conflict(
                "reopen_window_over",
                format!("The ticket could be reopened until {until}; open a new one."),
                "工单已关闭，请新建工单",
            ),
            Refusal::TicketMerged { into } => Self::conflict(
                "ticket_merged",
                format!("The ticket goes on as {into}; use that one."),
                "工单已合并，请在合并后的工单中继续",
            ),
            Refusal::SameTicket => {
                Self::rule("same_ticket", "Both ids mean the same ticket; nothing to merge.", "同一工单")
            }
            Refusal::TicketsOfTwoMembers => Self::conflict(
                "tickets_of_two_members",
                "The tickets are of two members; only one member's can be merged.",
                "工单不属于同一会员",
            ),
            Refusal::TakenAlready => Self::conflict(
                "taken_already",
                "Somebody works on the ticket, or there is nothing to do on it; take another one.",
                "工单已被领取",
            ),
            Refusal::TicketFull => Self::conflict(
                "ticket_full",
                "A ticket may have at most 80 messages, 80 notes and 400 records; open a new one.",
                "工单内容过多，请新建工单",
            ),
            Refusal::TooManyOpenTickets { most } => Self::rule(
                "too_many_open_tickets",
                format!("A member may have at most {most} open tickets; write in one of them, or close one."),
                "您未解决的工单过多，请在已有工单中继续",
            ),
            Refusal::TooManyAttempts { wait } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                "This was tried too often. Try again after Retry-After seconds.",
                "操作过于频繁，请稍后再试",
            )
            .retry_after(wait),
            Refusal::TooManyMessages { most, wait } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_messages",
                format!("A member may send at most {most} messages a day; try again after Retry-After seconds."),
                "今天的留言次数已达上限，请明天再试",
            )
            .retry_after(wait),
            Refusal::UnknownDepartment => {
                Self::rule("unknown_department", "The settings of the desk have no such department.", "部门不存在")
            }
            Refusal::UnknownReturnReason => Self::rule(
                "unknown_return_reason",
                "The settings of the desk have no return reason with this code.",
                "退货原因不存在",
            ),
            Refusal::NoPolicy => Self::rule(
                "no_policy",
                "The settings of the desk promise nothing for such a ticket; save them with a last policy for all.",
                "服务时限未设置",
            ),
            Refusal::TooManyAttachments { most } => Self::rule(
                "too_many_attachments",
                format!("A message may have at most {most} attachments."),
                "附件过多",
            ),
            Refusal::AttachmentTooLarge { most } => Self::rule(
                "attachment_too_large",
                format!("A file of this type may have 1 to {most} bytes."),
                "附件大小不符合要求",
            ),
            Refusal::AttachmentUnknown => Self::rule(
                "attachment_unknown",
                "An attachment must be named as POST /v1/me/attachments gave it to the same member.",
                "附件无效，请重新上传",
            ),
            Refusal::AttachmentMissing => Self::rule(
                "attachment_missing",
                "The file was not uploaded; PUT it to its link first.",
                "附件未上传成功，请重试",
            ),
            Refusal::AttachmentFalse => Self::rule(
                "attachment_false",
                "The file is not of the type and size that were announced.",
                "附件类型不符，请重新上传",
            ),
            Refusal::SearchUnknown => Self::rule(
                "search_unknown",
                "A search must be sent back as POST /v1/me/faq gave it to the same member.",
                "查询已失效，请重新提问",
            ),
            Refusal::SurveyUsed => {
                Self::conflict("survey_used", "This link counts once, and it was used.", "您已提交过评价")
            }
            Refusal::SurveyExpired => {
                Self::conflict("survey_expired", "The time for this survey is over.", "评价已过期")
            }
            Refusal::SurveyUnknown => {
                Self::new(StatusCode::NOT_FOUND, "survey_unknown", "There is no such survey.", "评价链接无效")
            }
            Refusal::WeekNotCounted => Self::new(
                StatusCode::NOT_FOUND,
                "week_not_counted",
                "That week was not counted. A week is counted on the Monday after it; leave on out for the newest one.",
                "该周期暂无统计",
            ),
            Refusal::CampaignStands { state } => Self::conflict(
                "campaign_state",
                format!("The campaign is {}; in this state that can't be done to it.", state.as_str()),
                "活动当前状态不允许此操作",
            ),
            Refusal::MemberErased => Self::new(
                StatusCode::GONE,
                "member_erased",
                "The member was erased. Whoever comes again is a new member.",
                "该账号已注销",
            ),
            Refusal::LegalHold => Self::new(
                StatusCode::LOCKED,
                "legal_hold",
                "A legal hold allows nothing but keeping this member's data; a manager can lift it.",
                "账号资料依法保全中，暂时无法操作",
            ),
            Refusal::MergedElsewhere => Self::conflict(
                "merged_elsewhere",
                "The member was merged into another one; name the one who goes on.",
                "会员已合并",
            ),
            Refusal::TooManyOpenRequests { most } => Self::rule(
                "too_many_open_requests",
                format!(
                    "{most} requests wait to be decided about; ask again when one of them is, see GET /v1/me/requests."
                ),
                "您有过多待处理的申请，请等待处理结果",
            ),
            Refusal::DecidedAlready => Self::conflict(
                "decided_already",
                "The request was decided about in another way; read it again.",
                "该申请已处理",
            ),
            Refusal::DecidedByErasing => Self::rule(
                "decided_by_erasing",
                "An erasure is done by POST /v1/members/{id}/erasure, or refused with a reason.",
                "请执行注销或填写拒绝理由",
            ),
            Refusal::ReceiptUnknown => {
                Self::rule("receipt_unknown", "The receipt was not given out here, or was changed.", "回执无效")
            }
            Refusal::Nothing => Self::rule("nothing_to_do", "There is nothing to do.", "无需操作"),
        }
    }
}
