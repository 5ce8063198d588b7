//! What the log tells of real requests, and that the alarms of `template.yaml` listen to what it tells.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use huitou::manners::access::ACCESS;
use huitou::telemetry::lines::{LINES, Page, Settings, subscriber};
use huitou::trust::token::Role;
use serde_json::{Value, json};
use tests::{House, a_house};
use tracing::subscriber::DefaultGuard;

/// The log as a deployed function writes it, for as long as the guard lives.
fn a_log() -> (Page, DefaultGuard) {
    let settings = Settings::from_environment(|name| match name {
        "HUITOU_METRICS" => Some("route".to_owned()),
        "HUITOU_NAMESPACE" => Some("Huitou/test".to_owned()),
        "AWS_LAMBDA_FUNCTION_NAME" => Some("test".to_owned()),
        _ => None,
    });
    // Somebody always listens: else a line that one test meets before another one listens would be off for good.
    let _ = tracing::subscriber::set_global_default(subscriber(settings.clone(), std::io::sink));
    let page = Page::default();
    let guard = tracing::subscriber::set_default(subscriber(settings, page.clone()));
    (page, guard)
}

fn of(page: &Page, message: &str) -> Vec<Value> {
    page.lines().into_iter().filter(|line| line["message"] == message).collect()
}

#[tokio::test]
async fn a_purchase_is_one_line_with_what_it_cost_and_nothing_of_who_bought() {
    let house = a_house().await;
    let (page, _guard) = a_log();
    let order = json!({ "source": "pos-1", "id": "A-1", "customer": { "phone": "13800138000" }, "paid_at": house.now(), "amount": 19_900 });
    let answer = house.as_till("POST", "/v1/orders").json(&json!({ "orders": [order] })).send().await;
    let _ = answer.expect(200);
    let lines = of(&page, "request");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&line["route"], &line["status"], &line["errors"]), (&json!("/v1/orders"), &json!(200), &json!(0)));
    let cost = answer.cost();
    assert_eq!((&line["calls"], &line["wru"]), (&json!(cost.calls), &json!(cost.write_units)));
    assert_eq!(line["request_id"], answer.header("x-request-id"));
    let log = page.lines().iter().map(Value::to_string).collect::<String>();
    assert!(!log.contains("13800138000"), "{log}");
}

/// Every secret of a house: whatever is long enough to be one.
fn secrets(house: &House) -> Vec<String> {
    fn long(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.len() >= 16 => found.push(text.clone()),
            Value::Array(values) => values.iter().for_each(|value| long(value, found)),
            Value::Object(fields) => fields.values().for_each(|value| long(value, found)),
            _ => {}
        }
    }
    let text = local::wire::secrets_text(&house.host.surroundings.secret).unwrap();
    let mut found = Vec::new();
    long(&serde_json::from_str(&text).unwrap(), &mut found);
    assert!(found.len() >= 6, "keys of look-ups, cursors, tokens and a system, and the providers'");
    found
}

#[tokio::test]
async fn no_answer_and_no_line_shows_a_secret_a_token_or_a_signature_whoever_asks_for_whatever() {
    let house = a_house().await;
    let anna = house.signs_up("oUpF8uMuAJO", &json!({ "phone_code": "dev:13800138000" })).await;
    let (page, _guard) = a_log();
    let mut secrets = secrets(&house);
    let receipts = local::wire::secrets(&house.host.surroundings.secret).unwrap().providers.receipts.unwrap();
    let mut told = Vec::new();
    for (method, path, _) in ACCESS {
        let place = path.replace("{provider}", "aliyun").replace("{secret}", &receipts);
        let place = place.replace("{id}", &anna.id).replace(['{', '}'], "");
        for role in Role::ALL {
            let token = house.token(role.as_str(), (role == Role::Member).then_some(anna.id.as_str()));
            let call = house.call(method, &place).key(&house.a_key());
            for call in [call.clone().token(&token), call.clone().token(&format!("{token}x")), house.signs(call)] {
                let call = if matches!(*method, "POST" | "PUT") { call.json(&json!({})) } else { call };
                let answer = call.send().await;
                assert!(answer.status < 500, "{}: {:?}", answer.asked, page.lines().last());
                told.push((answer.asked.replace(&receipts, "..."), String::from_utf8_lossy(&answer.text).into_owned()));
                told.push((format!("headers of {method} {path}"), format!("{:?}", answer.headers)));
            }
            secrets.push(token);
        }
    }
    let lines = page.lines();
    assert!(lines.len() > ACCESS.len());
    told.extend(lines.iter().map(|line| ("the log".to_owned(), line.to_string())));
    secrets.extend(["13800138000", "oUpF8uMuAJO", "127.0.0.1"].map(str::to_owned));
    for (place, text) in &told {
        let personal = place != "the log";
        for secret in &secrets {
            // What is personal may stand in answers to those whom it concerns, and never in the log.
            let may = personal && secret.len() < 16;
            assert!(may || !text.contains(secret.as_str()), "{place} shows a secret: {text}");
        }
    }
}

/// A full pass, until it is finished.
async fn a_pass(house: &House, request: &str) {
    let start = house.as_manager("POST", "/v1/segments/recompute").header("x-request-id", request);
    let _ = start.json(&json!({ "mode": "full" })).send().await.expect(202);
    loop {
        let progress = house.as_manager("GET", "/v1/segments/recompute").send().await.expect(200);
        if progress["finished"] == true {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_request_puts_into_the_queue_is_worked_on_under_its_id() {
    let house = a_house().await;
    let (page, _guard) = a_log();
    a_pass(&house, "a-managers-request").await;
    let ids = || of(&page, "work").iter().map(|line| line["request_ids"].clone()).collect::<Vec<_>>();
    // The last part says that everything is finished before its batch is through.
    while ids().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(ids().iter().all(|id| id == "a-managers-request"), "{:?}", ids());
}

#[tokio::test]
async fn what_a_night_puts_into_the_queue_is_worked_on_under_its_tick() {
    let house = a_house().await;
    let _ = house.a_member("00001").await;
    let (page, _guard) = a_log();
    house.it_is("2026-03-03T00:06:00+08:00").await;
    let tick = "due-2026-03-02T16:05:00Z";
    let by = |source: &str| {
        of(&page, "work").into_iter().filter(|line| line["source"] == source && line["request_ids"] == tick).count()
    };
    assert_eq!(by("schedule"), 1);
    while by("batch") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!of(&page, "due").is_empty());
}

#[tokio::test]
async fn a_night_that_was_missed_shows_as_days_of_lag() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let _ = house.buys(&anna, 10_00).await;
    house.host.clock.set(huitou::values::Moment::parse("2027-12-02T12:00:00+08:00").unwrap());
    let (page, _guard) = a_log();
    let recompute = house.as_manager("POST", "/v1/segments/recompute").json(&json!({ "mode": "due" }));
    let _ = recompute.send().await.expect(200);
    let lag = of(&page, "due").iter().map(|line| line["due_lag_s"].as_u64().unwrap()).max().unwrap();
    assert!(lag > 86_400, "{lag}");
}

// --- What listens ---------------------------------------------------------------------------------------------------

/// Every alarm of the template, by name.
fn alarms() -> BTreeMap<String, Value> {
    let resources = template();
    let alarms = resources.as_object().unwrap().iter().filter(|(_, r)| r["Type"] == "AWS::CloudWatch::Alarm");
    alarms.map(|(name, resource)| (name.clone(), resource["Properties"].clone())).collect()
}

/// The template's resources, with what it refers to by name in place of the reference.
fn template() -> Value {
    fn plain(value: &serde_norway::Value) -> Value {
        use serde_norway::Value as Yaml;
        match value {
            Yaml::Tagged(tagged) => plain(&tagged.value),
            Yaml::Sequence(items) => items.iter().map(plain).collect(),
            Yaml::Mapping(entries) => {
                entries.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), plain(value))).collect()
            }
            other => serde_json::to_value(other).unwrap(),
        }
    }
    let document: serde_norway::Value = serde_norway::from_str(local::template::TEXT).unwrap();
    plain(&document)["Resources"].take()
}

/// Every metric that an alarm listens to: namespace, name, dimensions.
fn listened(alarm: &Value) -> Vec<(String, String, BTreeMap<String, String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |metric: &Value| {
        let dimensions = metric["Dimensions"].as_array().cloned().unwrap_or_default();
        let dimensions = dimensions.iter().map(|d| (text(&d["Name"]), text(&d["Value"])));
        (text(&metric["Namespace"]), text(&metric["MetricName"]), dimensions.collect())
    };
    match alarm["Metrics"].as_array() {
        Some(metrics) => metrics.iter().filter_map(|m| m.get("MetricStat")).map(|m| read(&m["Metric"])).collect(),
        None => vec![read(alarm)],
    }
}

#[test]
fn every_alarm_names_a_page_of_the_runbook_that_is_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/runbook.md");
    let runbook = std::fs::read_to_string(path).unwrap();
    let pages: BTreeMap<&str, &str> =
        runbook.split("\n## ").skip(1).map(|page| page.split_once('\n').unwrap_or((page, ""))).collect();
    let alarms = alarms();
    assert!(!alarms.is_empty());
    for (name, alarm) in &alarms {
        let description = alarm["AlarmDescription"].as_str().unwrap();
        let title = description.rsplit_once("infra/runbook.md#").map(|(_, title)| title.to_lowercase());
        assert_eq!(title, Some(name.to_lowercase()), "{name}: {description}");
        let page = pages.get(name.as_str()).unwrap_or_else(|| panic!("the runbook has no page {name}"));
        for part in ["**Means.**", "**Look.**", "**Do.**", "**Over when.**"] {
            assert!(page.contains(part), "the page {name} lacks {part}");
        }
    }
    let unknown: Vec<_> = pages.keys().filter(|page| !alarms.contains_key(**page)).collect();
    assert!(unknown.is_empty(), "pages of no alarm: {unknown:?}");
}

#[test]
fn an_alarm_sounds_and_says_when_it_is_over() {
    for (name, alarm) in alarms() {
        for way in ["AlarmActions", "OKActions"] {
            assert_eq!(alarm[way], json!(["AlarmTopic"]), "{name}");
        }
        assert!(["breaching", "notBreaching"].contains(&alarm["TreatMissingData"].as_str().unwrap_or("-")), "{name}");
    }
}

/// The logical names of all resources of a type.
fn named(kind: &str) -> BTreeSet<String> {
    let resources = template();
    let of_kind = resources.as_object().unwrap().iter().filter(|(_, resource)| resource["Type"] == kind);
    of_kind.map(|(name, _)| name.clone()).collect()
}

fn watched(namespace: &str, metric: &str, dimension: &str) -> BTreeSet<String> {
    let all = alarms().values().flat_map(listened).collect::<Vec<_>>();
    let wanted = all.into_iter().filter(|(n, m, _)| n == namespace && m == metric);
    wanted.filter_map(|(.., dimensions)| dimensions.get(dimension).cloned()).collect()
}

#[test]
fn every_function_that_nobody_waits_for_is_watched_for_errors_and_throttles_and_all_others_at_the_api() {
    let template = local::template::Template::shipped().unwrap();
    let fed =
        template.functions.iter().filter(|f| !(f.queues.is_empty() && f.streams.is_empty() && f.schedules.is_empty()));
    let fed: BTreeSet<String> = fed.map(|function| function.logical.clone()).collect();
    for metric in ["Errors", "Throttles"] {
        assert_eq!(watched("AWS/Lambda", metric, "FunctionName"), fed, "{metric}");
    }
    for metric in ["5xx", "Latency"] {
        assert_eq!(watched("AWS/ApiGateway", metric, "ApiId"), named("AWS::Serverless::HttpApi"), "{metric}");
    }
}

#[test]
fn every_queue_of_dead_letters_is_watched_and_every_other_for_the_age_of_its_oldest_message() {
    let names =
        |queues: BTreeSet<String>| queues.into_iter().map(|queue| queue.trim_end_matches(".QueueName").to_owned());
    let (dead, alive): (BTreeSet<_>, BTreeSet<_>) =
        named("AWS::SQS::Queue").into_iter().partition(|queue| queue.ends_with("DeadLetters"));
    let depth = watched("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName");
    assert_eq!(names(depth).collect::<BTreeSet<_>>(), dead);
    let age = watched("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName");
    assert_eq!(names(age).collect::<BTreeSet<_>>(), alive);
    let template = local::template::Template::shipped().unwrap();
    let streamed = template.functions.iter().filter(|f| !f.streams.is_empty()).map(|f| f.logical.clone());
    assert_eq!(watched("AWS/Lambda", "IteratorAge", "FunctionName"), streamed.collect());
}

#[test]
fn an_alarm_on_figures_of_the_log_listens_to_what_a_line_carries() {
    let own = "Huitou/${AWS::StackName}";
    let mut heard = 0;
    for (name, alarm) in alarms() {
        for (namespace, metric, dimensions) in listened(&alarm) {
            if !namespace.starts_with("AWS/") {
                assert_eq!(namespace, own, "{name}");
                let of_line = LINES.iter().find(|line| line.metrics.iter().any(|(m, _)| *m == metric));
                let line = of_line.unwrap_or_else(|| panic!("{name} listens to {metric}, which no line carries"));
                assert_eq!(dimensions.keys().collect::<Vec<_>>(), line.dimensions.iter().collect::<Vec<_>>(), "{name}");
                heard += 1;
            }
        }
    }
    assert!(heard > 2);
}

#[test]
fn the_dashboard_is_json_and_shows_every_alarm() {
    let body = template()["Dashboard"]["Properties"]["DashboardBody"].as_str().unwrap().to_owned();
    let dashboard: Value = serde_json::from_str(&body).unwrap();
    let shown = dashboard["widgets"][0]["properties"]["alarms"].as_array().unwrap();
    let shown: BTreeSet<&str> = shown.iter().map(|arn| arn.as_str().unwrap().trim_matches(['$', '{', '}'])).collect();
    let wanted: Vec<String> = alarms().keys().map(|name| format!("{name}.Arn")).collect();
    assert_eq!(shown, wanted.iter().map(String::as_str).collect());
    for function in named("AWS::Serverless::Function") {
        assert!(body.contains(&format!("'${{{function}Log}}'")), "the table of routes lacks {function}");
    }
}

#[test]
fn a_function_is_built_from_the_crate_of_its_name() {
    for name in named("AWS::Serverless::Function") {
        let function = &template()[&name];
        let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
        assert_eq!(function["Properties"]["CodeUri"], format!("functions/{binary}"), "{name}");
        let manifest = format!("../functions/{binary}/Cargo.toml");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest).exists(), "{name}");
    }
}

/// A schedule leaves its event with Lambda and does not learn how it went.
#[test]
fn a_function_with_a_schedule_says_how_often_it_is_tried_again_and_until_when() {
    let functions = local::template::Template::shipped().unwrap().functions;
    for function in functions.iter().filter(|function| !function.schedules.is_empty()) {
        let properties = &template()[&function.logical]["Properties"];
        let retries = properties["EventInvokeConfig"]["MaximumRetryAttempts"].as_u64().unwrap();
        assert!(properties["EventInvokeConfig"]["MaximumEventAgeInSeconds"].is_u64(), "{}", function.logical);
        let put_away = &properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"];
        assert!(retries == 0 || put_away.is_string(), "{} gives up without a trace", function.logical);
        for event in properties["Events"].as_object().unwrap().values().filter(|e| e["Type"] == "ScheduleV2") {
            let schedule = &event["Properties"];
            assert!(schedule["RetryPolicy"]["MaximumEventAgeInSeconds"].is_u64(), "{}", function.logical);
            let cron = schedule["ScheduleExpression"].as_str().unwrap().starts_with("cron");
            assert!(!cron || schedule["ScheduleExpressionTimezone"] == "Asia/Shanghai", "{}", function.logical);
            let again = schedule["RetryPolicy"]["MaximumRetryAttempts"] != 0;
            assert!(!again || schedule["DeadLetterConfig"]["Arn"].is_string(), "{}", function.logical);
        }
    }
}
