//! A function at its defaults that asks of AWS what the functions of Huitou ask of it: its secret and the programme's
//! settings when it starts, one item for a balance; for an order its signature, that counts once, an item and a
//! transaction of two, and for the first one two settings more. Of what lies between it does the least.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lambda_http::{Body, Request, Response, run, service_fn, tracing};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing::init_default_subscriber();
    let config = aws_config::load_from_env().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    let secret = secrets.get_secret_value().secret_id(std::env::var("SECRETS_ARN")?).send().await?;
    let secret: Value = serde_json::from_str(secret.secret_string().ok_or("no secret")?)?;
    let keys = Keys {
        members: STANDARD.decode(secret["token_keys"][0]["secret"].as_str().ok_or("no key")?)?,
        till: secret["system_keys"][0]["secret"].as_str().ok_or("no key")?.to_owned(),
        ruled: AtomicBool::new(false),
    };
    let table = Client::new(&config);
    settings(&table, "program").await?;
    run(service_fn(|request: Request| answer(&table, &keys, request))).await
}

struct Keys {
    members: Vec<u8>,
    till: String,
    /// Whether an order's settings have been read.
    ruled: AtomicBool,
}

async fn answer(table: &Client, keys: &Keys, request: Request) -> Result<Response<Body>, Failure> {
    let order: Option<Value> = match request.body() {
        Body::Text(text) if !text.is_empty() => {
            once(table, &signature(&keys.till, &request, text)?).await?;
            if !keys.ruled.swap(true, Ordering::Relaxed) {
                settings(table, "privacy-policy").await?;
                settings(table, "segments").await?;
            }
            Some(serde_json::from_str(text)?)
        }
        _ => None,
    };
    let member = match &order {
        Some(order) => order["orders"][0]["customer"]["member_id"].as_str().ok_or("no member")?.to_owned(),
        None => caller(&keys.members, &request)?,
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

/// The newest settings of this kind.
async fn settings(table: &Client, subject: &str) -> Result<usize, Failure> {
    let query = table.query().table_name(std::env::var("SETTINGS_TABLE")?).key_condition_expression("#s = :s");
    let query = query.expression_attribute_names("#s", "subject");
    let query = query.expression_attribute_values(":s", AttributeValue::S(subject.to_owned()));
    let newest = query.scan_index_forward(false).limit(1).consistent_read(true).send().await?;
    Ok(newest.items().len())
}

/// The signature of a till's request, once it was found to be right.
fn signature(key: &str, request: &Request, body: &str) -> Result<String, Failure> {
    let header = |name: &str| Ok::<_, Failure>(request.headers().get(name).ok_or("no signature")?.to_str()?);
    let signature = header("x-huitou-signature")?.trim_start_matches("v1=");
    let parts = [header("x-huitou-timestamp")?, request.method().as_str(), request.uri().path()];
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())?;
    mac.update(format!("{}\n{}", parts.join("\n"), hex::encode(Sha256::digest(body))).as_bytes());
    mac.verify_slice(&hex::decode(signature)?)?;
    Ok(signature.to_owned())
}

/// Notes a signature, so that it counts once.
async fn once(table: &Client, signature: &str) -> Result<(), Failure> {
    let put = table.put_item().table_name(std::env::var("IDENTITIES_TABLE")?);
    let put = put.item("identity", AttributeValue::B(Blob::new(hex::decode(signature)?)));
    put.condition_expression("attribute_not_exists(#key)").expression_attribute_names("#key", "identity").send().await?;
    Ok(())
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
