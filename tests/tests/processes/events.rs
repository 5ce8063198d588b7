//! The events of `tests/events/`, which are there for `sam local invoke` and `cargo lambda invoke` as well.

use local::host::Host;
use serde_json::{Value, json};

use crate::{a_house_of_processes, shipped};

async fn invoked(host: &Host, function: &str, event: &str) -> Value {
    let handler = host.lambda.as_ref().unwrap().handlers().remove(function).unwrap();
    handler(serde_json::from_str(event).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_that_are_there_to_try_functions_with_do_what_they_say() {
    let house = a_house_of_processes(shipped(), None).await;
    let health = invoked(&house.host, "SignUp", include_str!("../../events/health.json")).await;
    assert_eq!(health["statusCode"], 200, "{health}");
    let batch = invoked(&house.host, "SegmentRecompute", include_str!("../../events/recompute-batch.json")).await;
    assert_eq!(batch, json!({ "batchItemFailures": [{ "itemIdentifier": "poison" }] }));
    let nightly = invoked(&house.host, "SegmentRecompute", include_str!("../../events/nightly.json")).await;
    assert_eq!(nightly, Value::Null);
    house.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_tells_what_a_function_of_somebody_elses_runner_needs_in_its_environment() {
    let house = tests::a_house().await;
    let told = house.call("GET", "/dev/environment/Points").send().await;
    let text = String::from_utf8(told.text.to_vec()).unwrap();
    let aws = format!("AWS_ENDPOINT_URL=http://{}/dev/aws", house.host.address);
    for line in ["MEMBERS_TABLE=Members", "AWS_ACCESS_KEY_ID=Points", &aws] {
        assert!(text.lines().any(|told| told == line), "{line} in {text}");
    }
    assert_eq!(house.call("GET", "/dev/environment/Nothing").send().await.status, 404);
}
