//! One OpenAPI 3.1 document of the services' parts, and what in it contradicts the route table.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tertulia_contracts::routes::{Access, ROUTES};
use tertulia_runtime::{FieldError, Problem};
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

/// The document of the whole product. Every operation is given the answer that all of them share: a problem.
///
/// # Panics
/// When it does not encode, which plain data does.
pub fn merge(parts: Vec<OpenApi>) -> Value {
    let info = InfoBuilder::new()
        .title("Tertulia")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Chat and channels that people host themselves."))
        .license(Some(utoipa::openapi::License::new("Apache-2.0")));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = ComponentsBuilder::new()
        .security_scheme("access_token", SecurityScheme::Http(bearer))
        .schema(Problem::name(), Problem::schema())
        .schema(FieldError::name(), FieldError::schema());
    let mut document = OpenApiBuilder::new().info(info).components(Some(components.build())).build();
    for part in parts {
        document.merge(part);
    }
    let mut document = serde_json::to_value(document).expect("an OpenAPI document is plain data and encodes");
    for operation in operations_mut(&mut document) {
        add_problems(operation);
    }
    document
}

fn operations_mut(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
    paths.filter_map(Value::as_object_mut).flat_map(|path| {
        path.iter_mut().filter(|(method, _)| is_method(method)).map(|(_, operation)| operation)
    })
}

fn is_method(key: &str) -> bool {
    ["get", "put", "post", "delete", "options", "head", "patch", "trace"].contains(&key)
}

/// Whatever goes wrong is a problem; a service names a status only to list its codes.
fn add_problems(operation: &mut Value) {
    let problem =
        json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        let is_failure = status.starts_with('4') || status.starts_with('5');
        if is_failure && response.get("content").is_none() {
            response["content"] = problem.clone();
        }
    }
    let shared = json!({ "description": "Whatever else went wrong.", "content": problem });
    responses.entry("default").or_insert(shared);
}

/// What a document of [`merge`] says that the route table does not, and the other way round, a sentence each.
/// Empty when they agree: every route is described once, as needing a token or not, and nothing else is.
pub fn contradictions(document: &Value) -> Vec<String> {
    let described = described(document);
    let table: BTreeMap<(String, String), bool> = ROUTES
        .iter()
        .map(|route| {
            let key = (route.method.as_str().to_lowercase(), route.path.to_owned());
            (key, route.access == Access::Member)
        })
        .collect();
    let mut found = Vec::new();
    for ((method, path), needs_token) in &table {
        match described.get(&(method.clone(), path.clone())) {
            None => found.push(format!("{method} {path} is in the route table and not described")),
            Some(operation) if operation.needs_token != *needs_token => {
                found.push(format!(
                    "{method} {path}: the table and the document differ on whether it needs a token"
                ));
            }
            Some(_) => {}
        }
    }
    let mut ids = BTreeSet::new();
    for ((method, path), operation) in &described {
        if !table.contains_key(&(method.clone(), path.clone())) {
            found.push(format!("{method} {path} is described and not in the route table"));
        }
        if !ids.insert(operation.id.as_str()) {
            found.push(format!("{method} {path}: another operation is called {}, too", operation.id));
        }
    }
    found.extend(dangling_references(document));
    found.extend(unknown_schemes(document));
    found
}

/// A scheme that an operation asks for and the document does not declare: no client could satisfy it.
fn unknown_schemes(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().into_iter().flat_map(serde_json::Map::values);
    let operations = paths.filter_map(Value::as_object).flat_map(serde_json::Map::values);
    let asked = operations.filter_map(|operation| operation["security"].as_array()).flatten();
    let names = asked.filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    let unknown = names.filter(|name| document["components"]["securitySchemes"].get(name).is_none());
    unknown.map(|name| format!("the security scheme {name} is asked for and not declared")).collect()
}

struct Described {
    id: String,
    needs_token: bool,
}

fn described(document: &Value) -> BTreeMap<(String, String), Described> {
    let mut described = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in
            operations.as_object().into_iter().flatten().filter(|(key, _)| is_method(key))
        {
            let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
            let needs_token = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
            described.insert((method.clone(), path.clone()), Described { id, needs_token });
        }
    }
    described
}

fn dangling_references(document: &Value) -> Vec<String> {
    let mut references = BTreeSet::new();
    collect_references(document, &mut references);
    let dangling = references.into_iter().filter(|reference| {
        let pointer = reference.strip_prefix('#').unwrap_or_default();
        document.pointer(pointer).is_none()
    });
    dangling.map(|reference| format!("{reference} is referred to and not there")).collect()
}

fn collect_references<'a>(value: &'a Value, references: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| collect_references(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, references)),
        _ => {}
    }
}
