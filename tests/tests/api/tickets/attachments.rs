//! Files beside messages.

use serde_json::{Value, json};
use tests::{Answer, House, Member};

use super::doings::{a_house_with_anna, mine, path_of, read};

const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

#[tokio::test]
async fn a_picture_is_announced_uploaded_attached_and_seen_by_the_desk() {
    let (house, anna) = a_house_with_anna().await;
    let link = announces(&house, &anna, "image/png", PICTURE.len()).await.expect(201);
    assert_eq!(uploads(&house, &link, "image/png", PICTURE).await.status, 200);
    assert_eq!(uploads(&house, &link, "image/png", PICTURE).await.status, 412, "a link counts for one file");
    let ticket = attaches(&house, &anna, &[&link]).await.expect(201);
    let shown = mine(&house, &anna, &ticket).await.expect(200)["messages"][0]["attachments"][0].clone();
    let seen = read(&house, &ticket).await["records"][0]["attachments"][0].clone();
    for file in [&shown, &seen] {
        assert_eq!((&file["type"], &file["bytes"]), (&json!("image/png"), &json!(PICTURE.len())));
        let fetched = house.call("GET", &path_of(file)).send().await;
        assert_eq!((fetched.status, fetched.text.as_ref()), (200, PICTURE));
        assert_eq!(fetched.header("content-disposition"), "attachment");
    }
    assert_eq!(house.call("GET", &path_of(&link)).send().await.status, 403, "an upload link fetches nothing");
    assert_eq!(house.call("GET", "/dev/objects/made-up").send().await.status, 403);
}

#[tokio::test]
async fn a_file_that_is_not_what_was_announced_is_not_attached() {
    let (house, anna) = a_house_with_anna().await;
    let refuses = |kind: &'static str, bytes: usize| announces(&house, &anna, kind, bytes);
    refuses("application/x-msdownload", 10).await.refuses(400, "body_invalid");
    refuses("image/png", 0).await.refuses(422, "attachment_too_large");
    refuses("image/png", 10 * 1024 * 1024 + 1).await.refuses(422, "attachment_too_large");
    let program = b"MZ\x90\0 a program with the name of a picture";
    let link = announces(&house, &anna, "image/png", program.len()).await.expect(201);
    attaches(&house, &anna, &[&link]).await.refuses(422, "attachment_missing");
    assert_eq!(uploads(&house, &link, "text/html", program).await.status, 403);
    assert_eq!(uploads(&house, &link, "image/png", PICTURE).await.status, 403, "another size");
    assert_eq!(uploads(&house, &link, "image/png", program).await.status, 200);
    attaches(&house, &anna, &[&link]).await.refuses(422, "attachment_false");
    assert_eq!(house.as_member(&anna, "GET", "/v1/me/tickets").send().await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_file_is_its_members_own_and_five_are_enough() {
    let (house, anna) = a_house_with_anna().await;
    let bo = house.signs_up("bo", &json!({})).await;
    let link = announces(&house, &anna, "image/png", PICTURE.len()).await.expect(201);
    assert_eq!(uploads(&house, &link, "image/png", PICTURE).await.status, 200);
    attaches(&house, &bo, &[&link]).await.refuses(422, "attachment_unknown");
    attaches(&house, &anna, &[&json!({ "attachment": "made-up" })]).await.refuses(422, "attachment_unknown");
    attaches(&house, &anna, &[&link; 6]).await.refuses(422, "too_many_attachments");
}

async fn announces(house: &House, member: &Member, kind: &str, bytes: usize) -> Answer {
    let file = json!({ "type": kind, "bytes": bytes });
    house.as_member(member, "POST", "/v1/me/attachments").json(&file).send().await
}

async fn uploads(house: &House, link: &Value, kind: &str, file: &'static [u8]) -> Answer {
    house.call("PUT", &path_of(link)).header("if-none-match", "*").text(kind, file).send().await
}

async fn attaches(house: &House, member: &Member, links: &[&Value]) -> Answer {
    let names: Vec<&Value> = links.iter().map(|link| &link["attachment"]).collect();
    let body = json!({ "type": "quality", "text": "见图", "attachments": names });
    house.as_member(member, "POST", "/v1/me/tickets").key(&house.a_key()).json(&body).send().await
}
