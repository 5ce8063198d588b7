//! What handlers take out of a request: strict bodies, keys, preconditions, ids in the path.

use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Path, Request};
use http::request::Parts;
use http::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::objects::Objects;
use super::problem::{Problem, Wrong};
use crate::cases::Error;
use crate::values::IdempotencyKey;

/// A JSON body of exactly this shape: an unknown field, a wrong type, a fraction or
/// a list in an object's stead is an error with its place.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let detail = "Send the body as application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail, "请求有误"));
        }
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|_| Problem::malformed("body_broken", "The body ended early; send it again."))?;
        read(&bytes).map(Self)
    }
}

/// Reads a JSON object of exactly this shape.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Objects(&mut deserializer)).map_err(|error| unreadable(&error))?;
    deserializer.end().map_err(|error| Problem::malformed("not_json", format!("The body is not JSON: {error}.")))?;
    Ok(value)
}

/// Reads a part of a body that stands for itself. It is kept as text until then, so that a field that is there twice
/// is an error in it, too.
pub fn read_part<T: DeserializeOwned>(part: &serde_json::value::RawValue) -> Result<T, Problem> {
    read(part.get().as_bytes())
}

fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if inner.is_syntax() && inner.to_string().contains("recursion limit") {
        return Problem::malformed("body_too_deep", "The body is nested more than 128 levels deep.");
    }
    if inner.is_syntax() || inner.is_eof() {
        return Problem::malformed("not_json", format!("The body is not JSON: {inner}."));
    }
    let wrong = Wrong { pointer: pointer(error.path()), detail: inner.to_string() };
    let place = if wrong.pointer.is_empty() { "the body" } else { &wrong.pointer };
    Problem::malformed("body_invalid", format!("Look at {place}: {inner}.")).with_errors(vec![wrong])
}

/// A place in a document as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |text, segment| match segment {
        Segment::Seq { index } => format!("{text}/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => {
            format!("{text}/{}", key.replace('~', "~0").replace('/', "~1"))
        }
        Segment::Unknown => text,
    })
}

/// The `Idempotency-Key` of a request that moves value: it must have one.
#[derive(Clone, Debug)]
pub struct Key(pub IdempotencyKey);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let wanted = "Send a header Idempotency-Key of 8 to 80 letters, digits, '-', '_', '.' or ':', the same one \
                      when the request is repeated.";
        let value = parts.headers.get("idempotency-key");
        let key = value.and_then(|v| v.to_str().ok()).map(|v| v.trim_matches('"'));
        match key.map(IdempotencyKey::parse) {
            Some(Ok(key)) => Ok(Self(key)),
            Some(Err(_)) => Err(Problem::malformed("idempotency_key_invalid", wanted)),
            None if value.is_some() => Err(Problem::malformed("idempotency_key_invalid", wanted)),
            None => Err(Problem::malformed("idempotency_key_missing", wanted)),
        }
    }
}

/// The version that an edit builds on, from `If-Match`: it must be named.
#[derive(Clone, Copy, Debug)]
pub struct IfMatch<V = u64>(pub V);

impl<V: TryFrom<u64>, S: Sync> FromRequestParts<S> for IfMatch<V> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            let detail = "Send the ETag of what you have read as If-Match.";
            return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "if_match_missing", detail, "请刷新后再试"));
        };
        let version = value.to_str().ok().and_then(|v| v.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok());
        let version: u64 = version
            .ok_or_else(|| Problem::malformed("if_match_invalid", "If-Match must be an ETag as it was given."))?;
        // No settings have so high a version: it is not the newest, whichever that is.
        V::try_from(version).map(Self).map_err(|_| Error::VersionMoved.into())
    }
}

/// Where the version may be left out: an `If-Match` that is there must still be an ETag.
impl<V: TryFrom<u64>, S: Sync> OptionalFromRequestParts<S> for IfMatch<V> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        if parts.headers.contains_key(header::IF_MATCH) {
            <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
        } else {
            Ok(None)
        }
    }
}

/// Parts of the path, checked; what can't be an id is simply not there.
#[derive(Clone, Debug)]
pub struct Ids<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = <Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        path.map(|Path(ids)| Self(ids)).map_err(|_| Problem::not_found())
    }
}

/// The query, checked; an unknown or unreadable parameter is an error.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|error| Problem::malformed("query_invalid", format!("The query can't be read: {error}.")))
    }
}

/// Where a list goes on: the query of a list that takes nothing else.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Onward {
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parcel {
        #[serde(rename = "to")]
        _to: Option<Address>,
        #[serde(default, rename = "parts")]
        _parts: Vec<Parcel>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Address {
        #[serde(rename = "street")]
        _street: String,
    }

    #[test]
    fn a_list_in_place_of_an_object_is_named_by_its_place() {
        for (body, place) in [
            (json!([null, []]), ""),
            (json!({ "to": ["Nanjing Road"] }), "/to"),
            (json!({ "parts": [{}, [null, []]] }), "/parts/1"),
            (json!({ "parts": [{ "parts": [{ "to": ["Nanjing Road"] }] }] }), "/parts/0/parts/0/to"),
        ] {
            let problem = read::<Parcel>(body.to_string().as_bytes()).unwrap_err();
            assert_eq!((problem.status, problem.code), (400, "body_invalid"), "{body}");
            assert_eq!(problem.errors[0].pointer, place, "{body}");
            assert!(problem.errors[0].detail.starts_with("invalid type: sequence, expected an object"), "{problem:?}");
        }
        assert!(read::<Parcel>(br#"{"to":{"street":"Nanjing Road"},"parts":[{}]}"#).is_ok());
    }

    #[test]
    fn a_setting_that_is_one_of_several_is_named_by_its_place() {
        use crate::domain::program::{Earning, Expiry};

        for (expiry, place) in [
            (json!([1]), "/expiry"),
            (json!(7), "/expiry"),
            (json!("after_a_while"), "/expiry"),
            (json!({}), "/expiry"),
            (json!({ "never": null, "after_days": 1 }), "/expiry"),
            (json!({ "after_days": -1 }), "/expiry/after_days"),
            (json!({ "after_days": [1] }), "/expiry/after_days"),
        ] {
            let earning = json!({ "points": 1, "per_fen": 100, "pending_days": 7, "expiry": expiry });
            let problem = read::<Earning>(earning.to_string().as_bytes()).unwrap_err();
            assert_eq!((problem.status, problem.code), (400, "body_invalid"), "{expiry}");
            assert_eq!(problem.errors[0].pointer, place, "{expiry}");
        }
        for (json, expiry) in [(r#""never""#, Expiry::Never), (r#"{"after_days":1}"#, Expiry::AfterDays(1))] {
            assert_eq!(read::<Expiry>(json.as_bytes()).unwrap(), expiry);
        }
    }

    #[test]
    fn a_body_may_be_nested_only_so_deep() {
        let nested = |depth: usize| format!("{}{{}}{}", "{\"parts\":[".repeat(depth), "]}".repeat(depth));
        assert!(read::<Parcel>(nested(60).as_bytes()).is_ok());
        assert_eq!(read::<Parcel>(nested(64).as_bytes()).unwrap_err().code, "body_too_deep");
    }
}
