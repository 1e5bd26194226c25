//! One description of the whole API, put together from the services' parts and the route table: OpenAPI 3.1.

use tertulia_contracts::routes::{Access, ROUTES, Route};
use tertulia_runtime::problem::{self, Problem};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Response,
        ResponseBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

const BEARER: &str = "access_token";
const PROBLEM: &str = "Problem";

/// Joins the services' parts. What the route table knows (who may call a route, that any failure is a
/// problem) is written in here, so that no service has to repeat it and none can forget it.
pub fn merge(parts: Vec<OpenApi>) -> OpenApi {
    let mut whole = OpenApiBuilder::new().info(info()).paths(Paths::new()).build();
    for part in parts {
        whole.merge(part);
    }
    let components = whole.components.get_or_insert_with(Components::new);
    components.schemas.insert(PROBLEM.to_owned(), Problem::schema());
    let mut referenced = Vec::new();
    Problem::schemas(&mut referenced);
    components.schemas.extend(referenced);
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    for route in ROUTES {
        if let Some(operation) = operation(&mut whole, route) {
            describe(operation, route);
        }
    }
    whole
}

fn info() -> utoipa::openapi::Info {
    InfoBuilder::new()
        .title("Tertulia")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Chat and channels that people host themselves. JSON in snake_case, times in RFC 3339 UTC, \
             failures as problem+json (RFC 9457) with a stable `code`. Live events come over the socket \
             at /v1/realtime, subprotocol `tertulia.v1`.",
        ))
        .build()
}

fn operation<'a>(whole: &'a mut OpenApi, route: &Route) -> Option<&'a mut Operation> {
    let item = whole.paths.paths.get_mut(route.path)?;
    let slot = match route.method.as_str() {
        "GET" => &mut item.get,
        "PUT" => &mut item.put,
        "POST" => &mut item.post,
        "DELETE" => &mut item.delete,
        "PATCH" => &mut item.patch,
        _ => return None,
    };
    slot.as_mut()
}

fn describe(operation: &mut Operation, route: &Route) {
    if route.access == Access::Member {
        operation.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
    }
    let responses = &mut operation.responses.responses;
    responses.entry("default".to_owned()).or_insert_with(|| RefOr::T(problem_response()));
}

fn problem_response() -> Response {
    let schema = Ref::from_schema_name(PROBLEM);
    ResponseBuilder::new()
        .description("What went wrong, and whether trying again makes sense.")
        .content(problem::CONTENT_TYPE, Content::new(Some(schema)))
        .build()
}
