use super::*;

fn shipped() -> Template {
    Template::shipped().unwrap()
}

fn routes_of(function: &str) -> Vec<String> {
    let template = shipped();
    let mut routes: Vec<String> =
        template.function(function).unwrap().routes.iter().map(|r| format!("{} {}", r.method, r.path)).collect();
    routes.sort();
    routes
}

#[test]
fn every_function_has_the_name_of_its_crate() {
    let template = shipped();
    let binaries: Vec<_> = template.functions.iter().map(|f| (f.logical.as_str(), f.binary.as_str())).collect();
    assert_eq!(
        binaries,
        [
            ("CampaignSend", "campaign-send"),
            ("Campaigns", "campaigns"),
            ("Customers", "customers"),
            ("Orders", "orders"),
            ("Playbooks", "playbooks"),
            ("Points", "points"),
            ("Privacy", "privacy"),
            ("SegmentRecompute", "segment-recompute"),
            ("Segments", "segments"),
            ("SignUp", "sign-up"),
            ("Tickets", "tickets"),
            ("Tracking", "tracking"),
        ]
    );
}

#[test]
fn sign_up_answers_its_routes_and_no_other() {
    assert_eq!(
        routes_of("SignUp"),
        [
            "DELETE /v1/me/children/{id}",
            "DELETE /v1/sessions",
            "GET /health",
            "GET /openapi.json",
            "GET /v1/me",
            "GET /v1/me/children",
            "POST /v1/me/children",
            "POST /v1/me/phone",
            "POST /v1/sessions",
            "PUT /v1/me",
            "PUT /v1/me/children/{id}",
        ]
    );
}

#[test]
fn no_route_is_listed_twice() {
    let template = shipped();
    let mut routes: Vec<String> =
        template.functions.iter().flat_map(|f| &f.routes).map(|r| format!("{} {}", r.method, r.path)).collect();
    let all = routes.len();
    routes.sort();
    routes.dedup();
    assert_eq!(routes.len(), all);
}

#[test]
fn what_time_changes_is_settled_five_past_midnight_in_china_and_the_model_fitted_on_mondays() {
    let template = shipped();
    let function = template.function("SegmentRecompute").unwrap();
    assert_eq!(
        function.schedules,
        [("Nightly", "cron(5 0 * * ? *)", "due"), ("Weekly", "cron(35 3 ? * MON *)", "fit")].map(
            |(name, expression, mode)| Schedule {
                name: name.to_owned(),
                expression: expression.to_owned(),
                timezone: "Asia/Shanghai".to_owned(),
                input: format!(r#"{{"mode":"{mode}","scheduled":"<aws.scheduler.scheduled-time>"}}"#),
            }
        )
    );
}

#[test]
fn the_clocks_of_tickets_are_looked_at_every_minute() {
    let template = shipped();
    let schedules = &template.function("Tickets").unwrap().schedules;
    let expressions: Vec<_> = schedules.iter().map(|schedule| schedule.expression.as_str()).collect();
    assert_eq!(expressions, ["rate(1 minute)"]);
}

#[test]
fn the_recompute_queue_feeds_its_function_and_gives_up_into_its_dead_letters() {
    let template = shipped();
    let function = template.function("SegmentRecompute").unwrap();
    assert_eq!(
        function.queues,
        [QueueSource { queue: "RecomputeQueue".to_owned(), batch_size: 10, max_concurrency: 8 }]
    );
    let queue = template.queues.iter().find(|q| q.name == "RecomputeQueue").unwrap();
    let redrive = queue.redrive.as_ref().unwrap();
    assert_eq!((redrive.dead_letters.as_str(), redrive.max_receive_count), ("RecomputeDeadLetters", 5));
}

#[test]
fn moves_between_segments_feed_the_playbooks_and_the_counts_beside_them_do_not() {
    let template = shipped();
    let [stream] = &template.function("Playbooks").unwrap().streams[..] else { panic!("one stream") };
    assert_eq!((stream.table.as_str(), stream.dead_letters.as_deref()), ("Memberships", Some("MovesDeadLetters")));
    assert!(stream.bisect && stream.retries.is_some());
    assert!(stream.max_age.unwrap() < Duration::from_hours(24), "a stream keeps a record for a day");
    let of = |shard: &str| serde_json::json!({ "dynamodb": { "Keys": { "segment_shard": { "S": shard } } } });
    let [filter] = &stream.filters[..] else { panic!("one filter") };
    assert!(filter.matches(&of("new#03")) && !filter.matches(&of("#counts")));
}

#[test]
fn a_stream_that_the_local_host_cannot_read_is_said_in_a_sentence() {
    let with = |wrong: &str, right: &str| {
        let text = TEXT.replacen(right, wrong, 1);
        assert_ne!(text, TEXT, "{right}");
        Template::parse(&text).unwrap_err().to_string()
    };
    let latest = with("StartingPosition: LATEST", "StartingPosition: TRIM_HORIZON");
    assert!(latest.contains("starts at LATEST"), "{latest}");
    let window = with("TumblingWindowInSeconds: 5\n            BatchSize: 100", "BatchSize: 100");
    assert!(window.contains("TumblingWindowInSeconds"), "{window}");
    let without = with("", "      StreamSpecification: { StreamViewType: NEW_AND_OLD_IMAGES }\n");
    assert!(without.contains("the stream of Memberships, which has none"), "{without}");
    let numeric = with(r#"[{"numeric":["<",1]}]"#, r##"[{"anything-but":["#counts"]}]"##);
    assert!(numeric.contains("more than the local host understands"), "{numeric}");
}

#[test]
fn a_queue_hides_a_message_six_times_as_long_as_its_function_may_run() {
    let template = shipped();
    for function in &template.functions {
        for source in &function.queues {
            let queue = template.queues.iter().find(|q| q.name == source.queue).unwrap();
            assert!(u64::from(queue.visibility_seconds) >= 6 * function.timeout.as_secs(), "{}", queue.name);
        }
    }
}

#[test]
fn tables_have_the_keys_and_indexes_that_the_product_counts_on() {
    let template = shipped();
    let keys: Vec<String> = template
        .tables
        .iter()
        .map(|t| {
            let parts: Vec<_> = t.key.iter().map(|k| format!("{} {} {}", k.attribute, k.kind, k.role)).collect();
            let expires = t.expires_by.as_deref().map_or("", |_| "; expires");
            let streams = t.stream.as_deref().map_or(String::new(), |shows| format!("; streams {shows}"));
            format!("{}: {}{expires}{streams}", t.name, parts.join(", "))
        })
        .collect();
    assert_eq!(
        keys,
        [
            "Attempts: counter B HASH; expires",
            "AuditTrail: day S HASH, part S RANGE",
            "CampaignTable: campaign S HASH, part S RANGE",
            "Identities: identity B HASH; expires",
            "Journal: row B HASH",
            "MemberKeys: member S HASH",
            "Members: member S HASH",
            "Memberships: segment_shard S HASH, member S RANGE; streams NEW_AND_OLD_IMAGES",
            "Profiles: member S HASH, part S RANGE",
            "Requests: request S HASH; expires",
            "SegmentCounts: #shard S HASH",
            "Sends: send S HASH; expires",
            "Settings: subject S HASH, version N RANGE",
            "TicketTable: ticket S HASH, part S RANGE; expires",
        ]
    );
    let members = template.tables.iter().find(|t| t.name == "Members").unwrap();
    let due = members.indexes.first().unwrap();
    assert_eq!((due.name.as_str(), due.projection.as_str()), ("due", "KEYS_ONLY"));
    let tickets = template.tables.iter().find(|t| t.name == "TicketTable").unwrap();
    let indexes: Vec<_> =
        tickets.indexes.iter().map(|index| (index.name.as_str(), index.projection.as_str())).collect();
    assert_eq!(indexes, [("mine", "ALL"), ("queue", "ALL"), ("assigned", "ALL"), ("due", "KEYS_ONLY")]);
}

#[test]
fn the_environment_names_tables_and_queues_as_they_are_called_here() {
    let template = shipped();
    let environment = &template.function("Orders").unwrap().environment;
    assert_eq!(environment.get("MEMBERS_TABLE").unwrap(), "Members");
    assert_eq!(environment.get("RECOMPUTE_QUEUE").unwrap(), &queue_url("RecomputeQueue"));
    assert_eq!(environment.get("HUITOU_STAGE").unwrap(), "dev");
}

#[test]
fn what_the_local_host_cannot_do_is_said_in_a_sentence() {
    let unknown = "Resources: {Q: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !ImportValue x}}}";
    let error = Template::parse(unknown).unwrap_err().to_string();
    assert!(error.contains("!ImportValue is used in a way"), "{error}");
    let dangling = "Resources: {Q: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Ref Nothing}}}";
    assert!(Template::parse(dangling).unwrap_err().to_string().contains("Nothing is referred to"));
    assert!(Template::parse("a: [").unwrap_err().to_string().contains("not YAML"));
}

/// Every statement of every function's policies, as function, actions and resources.
fn statements() -> Vec<(String, Vec<String>, Vec<String>)> {
    let document = intrinsics::resolve_document(&serde_norway::from_str(TEXT).unwrap()).unwrap();
    let texts = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let mut all = Vec::new();
    for function in shipped().functions {
        let policies = document.pointer(&format!("/Resources/{}/Properties/Policies", function.logical)).unwrap();
        for policy in policies.as_array().unwrap().iter().filter(|p| p.is_object()) {
            for statement in policy["Statement"].as_array().unwrap() {
                all.push((function.logical.clone(), texts(&statement["Action"]), texts(&statement["Resource"])));
            }
        }
    }
    all
}

#[test]
fn only_the_recompute_function_may_scan_and_only_the_hot_items() {
    let may_scan: Vec<_> =
        statements().into_iter().filter(|(_, actions, _)| actions.iter().any(|a| a == "dynamodb:Scan")).collect();
    assert_eq!(may_scan.len(), 1);
    assert_eq!(may_scan[0].0, "SegmentRecompute");
    assert_eq!(may_scan[0].2, ["arn:aws:local:local:000000000000:Members"]);
}

#[test]
fn no_permission_is_wider_than_an_action_on_a_thing() {
    for (function, actions, resources) in statements() {
        // Files of members have no names of their own here: all objects of one bucket are one thing.
        let files =
            actions.iter().all(|action| matches!(action.as_str(), "s3:GetObject" | "s3:PutObject" | "s3:DeleteObject"));
        let things = resources.iter().map(|thing| if files { thing.trim_end_matches("/*") } else { thing.as_str() });
        let named = actions.iter().map(String::as_str).chain(things).all(|text| !text.contains('*'));
        assert!(named, "{function}: {actions:?} {resources:?}");
    }
}

#[test]
fn every_table_is_on_demand_encrypted_protected_and_recoverable_but_for_the_members_keys() {
    let document = intrinsics::resolve_document(&serde_norway::from_str(TEXT).unwrap()).unwrap();
    for table in shipped().tables {
        let resource = document.pointer(&format!("/Resources/{}", table.name)).unwrap();
        let properties = &resource["Properties"];
        assert_eq!(resource["DeletionPolicy"], "Retain", "{}", table.name);
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{}", table.name);
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{}", table.name);
        assert_eq!(properties["DeletionProtectionEnabled"], "true", "{}", table.name);
        let recoverable = properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == true;
        assert_eq!(recoverable, table.name != "MemberKeys", "{}", table.name);
    }
}
