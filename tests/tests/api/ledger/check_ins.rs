//! Daily check-ins.

use tests::a_house;

#[tokio::test]
async fn days_in_a_row_count_up_and_the_seventh_brings_a_bonus() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for day in 1..=7_u64 {
        house.it_is(&format!("2026-03-{:02}T08:00:00+08:00", day + 2)).await;
        assert_eq!(house.checks_in(&anna).await.expect(201)["streak"], day);
        let bonus = if day == 7 { 10 } else { 0 };
        assert_eq!(house.books(&anna).await[0], day * 2 + bonus);
    }
    house.it_is("2026-03-11T08:00:00+08:00").await;
    assert_eq!(house.checks_in(&anna).await.expect(201)["streak"], 1, "the tenth was missed");
}

#[tokio::test]
async fn a_member_checks_in_once_a_day_and_a_repeated_request_is_no_second_one() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let check_in = |key: &str| house.as_member(&anna, "POST", "/v1/me/points/check-ins").key(key).send();
    let first = check_in("today-0001").await;
    let _ = first.expect(201);
    let again = check_in("today-0001").await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    check_in("today-0002").await.refuses(409, "checked_in_already");
    house.it_is("2026-03-02T23:00:00+08:00").await;
    check_in("today-0003").await.refuses(409, "checked_in_already");
    assert_eq!(house.books(&anna).await, [2, 0, 0, 0]);
    house.it_is("2026-03-03T00:00:00+08:00").await;
    assert_eq!(check_in("today-0001").await.text, first.text, "yesterday's key is yesterday's check-in");
    assert_eq!(check_in("tomorrow-1").await.expect(201)["streak"], 2);
}
