#![allow(clippy::unwrap_used, reason = "a test")]
use crate::http::routes::{ROUTES, document};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn told() -> Value {
    serde_json::to_value(document()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(|(method, it)| (method.clone(), path.clone(), it))
    });
    all.collect()
}

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| match value {
            Value::String(to) if name == "$ref" => drop(found.insert(to)),
            _ => references(value, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn each_route_is_an_operation_and_each_operation_a_route() {
    let document = told();
    let told: BTreeSet<_> = operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let routes = ROUTES.iter().filter(|route| !route.is_alias());
    let there: BTreeSet<_> = routes.map(|route| (route.method.to_owned(), route.path.replace("{*", "{"))).collect();
    assert_eq!(told, there);
    assert_eq!(document["openapi"], "3.1.0");
}

#[test]
fn what_is_referred_to_is_there_and_what_is_there_is_referred_to() {
    let document = told();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for to in &found {
        let name = to.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{to}");
    }
    // These are what the data of server-sent events is.
    let named: BTreeSet<String> = found.iter().map(|to| to.rsplit('/').next().unwrap().to_owned()).collect();
    let unused: Vec<_> = schemas.keys().filter(|name| !named.contains(*name)).collect();
    assert_eq!(unused, ["EndOfEvents", "Event", "FileWatch", "Resync"]);
}

#[test]
fn operations_have_a_name_variables_and_a_refusal() {
    let document = told();
    let mut names = BTreeMap::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name, path.clone()).is_none(), "{name} twice");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let variables: BTreeSet<_> =
            parameters.iter().filter(|it| it["in"] == "path").map(|it| it["name"].as_str().unwrap()).collect();
        let written: BTreeSet<_> = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        assert_eq!(variables, written, "{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("default") && responses.len() > 1, "{method} {path}: {responses:?}");
        assert!(!operation["summary"].as_str().unwrap().is_empty());
        let has_key = parameters.iter().any(|it| it["name"] == "Idempotency-Key");
        assert_eq!(has_key, method == "post", "{method} {path}");
        assert_eq!(
            operation["security"].is_array(),
            !["/healthz", "/readyz", "/v1", "/v1/openapi.json"].contains(&&*path)
        );
    }
}

#[test]
fn a_body_says_which_members_go_together_and_which_names_there_are() {
    let document = told();
    let schemas = &document["components"]["schemas"];
    for (name, one, other) in [("NewExec", "command", "argv"), ("NewKey", "role", "scopes")] {
        let choice = schemas[name]["oneOf"].as_array().unwrap();
        let needed: Vec<_> = choice.iter().map(|only| &only["required"][0]).collect();
        assert_eq!(needed, [one, other], "{name}");
    }
    assert_eq!(schemas["NewTerminal"]["not"]["required"], json!(["command", "argv"]));
    // All members of a command may be left out, but not all at once.
    let exec = &document["paths"]["/v1/sessions/{session}/exec"]["post"]["requestBody"];
    let wake = &document["paths"]["/v1/sessions/{session}/checkpoint"]["post"]["requestBody"];
    assert_eq!((&exec["required"], &wake["required"]), (&json!(true), &json!(false)));
    let quotas = schemas["QuotaChanges"]["propertyNames"]["enum"].as_array().unwrap();
    assert!(quotas.contains(&json!("sessions")) && !quotas.contains(&json!("session")));
    let limits = &schemas["LimitsByName"]["propertyNames"]["enum"];
    assert_eq!((limits, limits.as_array().unwrap().len()), (&schemas["LimitChanges"]["propertyNames"]["enum"], 18));
    assert_eq!(schemas["NewToken"]["properties"]["scopes"]["minItems"], 1);
    let token = schemas["TokenScope"]["enum"].as_array().unwrap();
    assert!(token.contains(&json!("exec")) && !token.contains(&json!("keys:manage")));
}

/// Clients are made from the file in the repository; it has to be what a server says.
#[test]
fn the_document_in_the_repository_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let text = document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "docs/openapi.json differs: run this test with UPDATE_OPENAPI=1, and look at what changed");
}
