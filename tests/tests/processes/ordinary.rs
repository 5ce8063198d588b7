//! What the product does as processes, when nothing goes wrong.

use serde_json::json;

use crate::{a_house_of_processes, a_member, finished, gift, proved, sells, shipped};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_up_buys_and_is_given_points_by_processes_of_their_own() {
    let house = a_house_of_processes(shipped(), None).await;
    let anna = house.signs_up("anna", &json!({})).await;
    for (id, fen) in [("A-1", 199_00), ("A-2", 1_00)] {
        let order = tests::order(id, &json!({ "member_id": anna.id }), &house.now(), fen);
        let taken = sells(&house, &[order]).await;
        assert_eq!(taken.expect(200)["results"][0]["points"], fen / 100);
        // The first request of a process reads the privacy policy and the segments besides.
        let (calls, wanted) = (taken.cost().calls, if id == "A-1" { 5 } else { 3 });
        assert_eq!(calls, wanted, "{id}: signature, read, transaction");
    }
    assert_eq!(house.books(&anna).await, [100, 200, 0, 0], "welcome points, and those that mature");
    let given = house.as_manager("POST", "/v1/points/adjustments").key("gift-0001").json(&gift(&anna.id, 20));
    let _ = given.send().await.expect(201);
    assert_eq!(proved(&house, &anna.id).await, (4, 120));
    let lambda = house.host.lambda.as_ref().unwrap();
    for (function, processes) in [("SignUp", 1), ("Orders", 1), ("Points", 1), ("SegmentRecompute", 0)] {
        assert_eq!(lambda.processes(function).len(), processes, "{function} was called by one after the other");
    }
    house.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_and_the_routes_of_a_function_are_served_by_its_processes() {
    let house = a_house_of_processes(shipped(), None).await;
    for card in ["00001", "00002", "00003"] {
        a_member(&house, card).await;
    }
    let start = house.as_manager("POST", "/v1/segments/recompute").json(&json!({ "mode": "full" }));
    let _ = start.send().await.expect(202);
    let progress = finished(&house).await;
    assert_eq!(progress["members"], 3, "{progress}");
    house.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_as_a_process_may_do_what_its_policies_allow_and_nothing_else() {
    let mut template = shipped();
    for function in &mut template.functions {
        let takes = function.logical == "Points";
        function.rights.retain(|right| !takes || right.action != "dynamodb:PutItem" || right.resource != "Journal");
    }
    let house = a_house_of_processes(template, None).await;
    let member = a_member(&house, "00001").await;
    let given = house.as_manager("POST", "/v1/points/adjustments").key("gift-0001").json(&gift(&member, 20));
    assert!(given.send().await.status >= 500);
    assert_eq!(proved(&house, &member).await.1, 0);
    house.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_processes_is_real_and_can_not_be_moved() {
    let house = a_house_of_processes(shipped(), None).await;
    let moved = house.call("POST", "/dev/clock").json(&json!({ "advance_seconds": 60 })).send().await;
    assert_eq!(moved.status, 400);
    house.host.stop().await;
}
