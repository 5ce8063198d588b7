//! The description of the whole API: what the routers say, and the manners that all routes share.
//!
//! Who may call, how requests are signed and which problems there are is the same for every route; it is added here
//! from the access table and from the shape of each operation, so that no handler repeats it.

use std::collections::BTreeSet;

use huitou::manners::access::{self, Allowed};
use huitou::manners::problem::{Problem, Wrong};
use huitou::manners::routes::Described;
use huitou::trust::signature::{KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use huitou::trust::token::Role;
use huitou::values::IdempotencyKey;
use utoipa::PartialSchema as _;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HeaderBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response,
    ResponseBuilder,
};

const ABOUT: &str = "Customer operations for retail brands: points, tiers, orders, members. \
    Money is in fen and points are whole, times are RFC 3339, days are days in China. \
    A POST that moves value carries an Idempotency-Key, an order its own id: repeating one changes nothing. \
    Every no is a problem (RFC 9457) with a stable code, a detail for the developer and a message for the customer. \
    Every answer names its request in x-request-id and what it cost at the table in x-huitou-cost.";

/// A problem that many operations share: status, name of the component, what it tells, whether to try again.
const PROBLEMS: [(&str, &str, &str); 14] = [
    ("400", "Malformed", "The request can't be understood: `errors` names the places."),
    ("401", "Unauthorized", "No token or signature, or one that doesn't count."),
    ("403", "Forbidden", "Another role is needed."),
    ("404", "NotFound", "There is no such thing, or it is somebody else's."),
    ("409", "Conflict", "It conflicts with what is there."),
    ("410", "Erased", "The member was erased; whoever comes again is a new one."),
    ("412", "VersionMoved", "It has been changed since it was read."),
    ("413", "TooLarge", "The body has more than 256 KB."),
    ("415", "NotJson", "The body is not sent as application/json."),
    ("422", "RuleBroken", "A rule says no: `code` tells which."),
    ("423", "OnHold", "A legal hold allows nothing but keeping the member's data."),
    ("428", "IfMatchMissing", "An edit has to name the version that it builds on."),
    ("429", "SlowDown", "Too many requests: try again after Retry-After seconds."),
    ("503", "TryAgain", "Nothing is half done: try again with the same key after Retry-After seconds."),
];

/// The document for these routes.
pub(crate) fn document(routes: Vec<(&'static str, Described)>) -> OpenApi {
    let info = InfoBuilder::new().title("Huitou 回头客").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    let mut document = OpenApiBuilder::new().info(info.build()).components(Some(shared())).build();
    for (_, routes) in routes {
        document.merge(routes.description());
    }
    for schema in document.components.iter_mut().flat_map(|components| components.schemas.values_mut()) {
        close(schema);
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let allowed = access::allowed(method, path);
            let parameters = inputs(operation);
            operation.operation_id = Some(name(method, path));
            operation.security = Some(security(allowed));
            operation.extensions = allowed.map(callers);
            operation.parameters.iter_mut().flatten().for_each(narrow);
            add_problems(operation, method, path, &parameters);
        }
    }
    document
}

/// Says of a choice between named things that each names one thing and nothing besides, as the readers of bodies hold it:
/// the derived description says so of plain objects only.
fn close(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::OneOf(choice)) = schema else { return };
    for item in &mut choice.items {
        let RefOr::T(Schema::Object(object)) = item else { continue };
        if object.properties.len() != 1 {
            continue;
        }
        for inner in object.properties.values_mut() {
            if let RefOr::T(Schema::Object(fields)) = inner
                && !fields.properties.is_empty()
            {
                forbid_others(fields);
            }
        }
        forbid_others(object);
    }
}

fn forbid_others(object: &mut Object) {
    object.additional_properties.get_or_insert_with(|| Box::new(AdditionalProperties::FreeForm(false)));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("PATCH", &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// `POST /v1/points/holds/{id}/capture` is `post_points_holds_capture`.
fn name(method: &str, path: &str) -> String {
    let words = path.split(['/', '.', '-']).filter(|word| !word.is_empty() && *word != "v1");
    let words: Vec<&str> = words.map(|word| word.trim_matches(['{', '}'])).collect();
    format!("{}_{}", method.to_lowercase(), words.join("_"))
}

/// Names of an operation's parameters.
fn inputs(operation: &Operation) -> BTreeSet<String> {
    let parameters = operation.parameters.iter().flatten();
    let named = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter.name.clone()),
        RefOr::Ref(_) => None,
    });
    named.collect()
}

/// Who may call: tokens don't tell it, for there is one kind of them.
fn callers(allowed: Allowed) -> Extensions {
    let roles: Vec<&str> = match allowed {
        Allowed::Anybody => vec!["anybody"],
        Allowed::Roles(roles) => roles.iter().map(|role| role.as_str()).collect(),
    };
    Extensions::from_iter([("x-roles", roles)])
}

/// Says of a parameter what its type in Rust can't: what is left out is not null, and what the headers look like that
/// many operations have.
fn narrow(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    let text = |pattern: &str| RefOr::T(ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into());
    parameter.schema = match parameter.name.as_str() {
        "Idempotency-Key" => Some(IdempotencyKey::schema()),
        "If-Match" => Some(text("^\"[0-9]{1,19}\"$")),
        "X-Huitou-Reason" => Some(text("^[!-~]([ -~]{0,598}[!-~])?$")),
        _ => parameter.schema.take().map(without_null),
    };
}

fn without_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    let is_null = |schema: &RefOr<Schema>| matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null));
    match schema {
        RefOr::T(Schema::OneOf(one_of)) => {
            let mut items: Vec<_> = one_of.items.iter().filter(|item| !is_null(item)).cloned().collect();
            if items.len() == 1 { items.remove(0) } else { RefOr::T(Schema::OneOf(one_of)) }
        }
        RefOr::T(Schema::Object(mut object)) => {
            if let SchemaType::Array(types) = &object.schema_type {
                let mut types: Vec<Type> = types.iter().filter(|kind| **kind != Type::Null).cloned().collect();
                if types.len() == 1 {
                    object.schema_type = SchemaType::Type(types.remove(0));
                }
            }
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

fn security(allowed: Option<Allowed>) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    let bearer = SecurityRequirement::new("bearer", none);
    let signed =
        SecurityRequirement::new("signature_key", none).add("signature_timestamp", none).add("signature", none);
    match allowed {
        None | Some(Allowed::Anybody) => vec![SecurityRequirement::default()],
        Some(Allowed::Roles([Role::System])) => vec![signed],
        Some(allowed) if allowed.admits(Role::System) => vec![bearer, signed],
        Some(_) => vec![bearer],
    }
}

fn add_problems(operation: &mut Operation, method: &str, path: &str, inputs: &BTreeSet<String>) {
    let needs_role = matches!(access::allowed(method, path), Some(Allowed::Roles(_)));
    // Nobody has a token before a login, which WeChat may refuse.
    let logs_in = (method, path) == ("POST", "/v1/sessions");
    let has_body = operation.request_body.is_some();
    let writes = needs_role && method != "GET";
    for (status, component, _) in PROBLEMS {
        let applies = match status {
            "400" => has_body || !inputs.is_empty(),
            "401" | "403" => needs_role || logs_in,
            "404" => needs_role || path.contains('{'),
            "410" | "423" => needs_role || logs_in || path.contains('{'),
            "412" | "428" => inputs.contains("If-Match"),
            "415" => has_body,
            "409" => writes || has_body,
            "422" => needs_role || has_body,
            _ => true,
        };
        if applies {
            let response = RefOr::Ref(Ref::from_response_name(component));
            operation.responses.responses.entry(status.to_owned()).or_insert(response);
        }
    }
}

fn shared() -> utoipa::openapi::Components {
    let mut components = ComponentsBuilder::new().schema("Problem", Problem::schema()).schema("Wrong", Wrong::schema());
    for (status, component, tells) in PROBLEMS {
        components = components.response(component, problem(status, tells));
    }
    let header =
        |name: &str, tells: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, tells)));
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".to_owned());
    bearer.description = Some("A member's token from POST /v1/sessions, or a staff member's.".to_owned());
    components
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .security_scheme("signature_key", header(KEY_HEADER, "The id of the system's key."))
        .security_scheme("signature_timestamp", header(TIMESTAMP_HEADER, "Unix seconds, within 300 of the server's."))
        .security_scheme(
            "signature",
            header(
                SIGNATURE_HEADER,
                "`v1=` and the lower-case hex of HMAC-SHA256 under the key's secret over timestamp, method, path with \
                 query and lower-case hex SHA-256 of the body, joined by newlines. A signature counts once.",
            ),
        )
        .build()
}

fn problem(status: &str, tells: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
    let response = ResponseBuilder::new().description(tells).content("application/problem+json", content);
    if matches!(status, "429" | "503") {
        let seconds = HeaderBuilder::new().schema(Some(u32::schema())).description(Some("Seconds to wait."));
        return response.header("Retry-After", seconds.build()).build();
    }
    response.build()
}
