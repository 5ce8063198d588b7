//! A function at its defaults that asks of AWS what the functions of Huitou ask of it: its secret when it starts, one
//! item for a balance, an item and a transaction of two for an order. Of what lies between it does the least.

use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lambda_http::{Body, Request, Response, run, service_fn, tracing};
use serde_json::{Value, json};
use sha2::Sha256;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing::init_default_subscriber();
    let config = aws_config::load_from_env().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    let secret = secrets.get_secret_value().secret_id(std::env::var("SECRETS_ARN")?).send().await?;
    let secret: Value = serde_json::from_str(secret.secret_string().ok_or("no secret")?)?;
    let key = STANDARD.decode(secret["token_keys"][0]["secret"].as_str().ok_or("no key")?)?;
    let table = Client::new(&config);
    run(service_fn(|request: Request| answer(&table, &key, request))).await
}

async fn answer(table: &Client, key: &[u8], request: Request) -> Result<Response<Body>, Failure> {
    let order: Option<Value> = match request.body() {
        Body::Text(text) if !text.is_empty() => Some(serde_json::from_str(text)?),
        _ => None,
    };
    let member = match &order {
        Some(order) => order["orders"][0]["customer"]["member_id"].as_str().ok_or("no member")?.to_owned(),
        None => caller(key, &request)?,
    };
    let name = std::env::var("MEMBERS_TABLE")?;
    let key = AttributeValue::S(member.clone());
    let read = table.get_item().table_name(&name).key("member", key.clone()).send().await?;
    let item = read.item.ok_or("no such member")?;
    let said = if let Some(order) = order {
        let put = |table: String| Put::builder().table_name(table).set_item(Some(item.clone())).build();
        let both = [put(name)?, put(std::env::var("JOURNAL_TABLE")?)?].map(|put| TransactWriteItem::builder().put(put).build());
        table.transact_write_items().set_transact_items(Some(both.to_vec())).send().await?;
        json!({ "results": [{ "id": order["orders"][0]["id"], "status": "created" }] })
    } else {
        json!({ "member": member, "attributes": item.len() })
    };
    Ok(Response::builder().header("content-type", "application/json").body(said.to_string().into())?)
}

/// The member whose token it is.
fn caller(key: &[u8], request: &Request) -> Result<String, Failure> {
    let bearer = request.headers().get("authorization").ok_or("no token")?.to_str()?;
    let (signed, signature) = bearer.trim_start_matches("Bearer ").rsplit_once('.').ok_or("no signature")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(signed.as_bytes());
    mac.verify_slice(&URL_SAFE_NO_PAD.decode(signature)?)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.rsplit_once('.').ok_or("no claims")?.1)?)?;
    Ok(claims["sub"].as_str().ok_or("no member")?.to_owned())
}
