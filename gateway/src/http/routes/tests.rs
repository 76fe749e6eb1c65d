#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use std::path::Path;

#[test]
fn only_what_shows_nothing_is_open() {
    let open: Vec<&str> = ROUTES.iter().filter(|route| route.reach == Reach::Open).map(|route| route.path).collect();
    assert_eq!(open, ["/healthz", "/readyz", "/v1", "/v1/openapi.json"]);
}

#[test]
fn a_token_reaches_its_session_only() {
    for route in ROUTES.iter().filter(|route| matches!(route.reach, Reach::Scope(_, true))) {
        assert!(route.path.starts_with("/v1/sessions/{session}"), "{route:?}");
    }
}

#[test]
fn each_route_is_there_once_and_documented() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    for (at, route) in ROUTES.iter().enumerate() {
        let same = ROUTES[..at].iter().find(|other| (other.method, other.path) == (route.method, route.path));
        assert!(same.is_none(), "{route:?}");
        // As the documentation writes it: the last literal part of the path.
        let part = route.path.split('/').rfind(|part| !part.is_empty() && !part.starts_with('{')).unwrap();
        let method = route.method.to_ascii_uppercase();
        assert!(docs.lines().any(|line| line.contains(part) && line.contains(&method)), "{route:?}");
    }
}

/// A route that is made beside the table would be reached without a key.
#[test]
fn no_route_is_made_elsewhere() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            seen += 1;
            if path.ends_with("http/routes.rs") || path.ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for way in [".route(", ".route_service(", ".nest(", ".nest_service(", ".merge("] {
                assert!(!text.contains(way), "{} makes a route by `{way}`: put it into the table", path.display());
            }
        }
    }
    assert!(seen > 20, "the sources were found");
}
