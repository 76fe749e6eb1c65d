//! The command line as a whole: every route has a command, and shells can complete it.
#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use crate::http::routes::ROUTES;

/// Which command does what a route does.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("get", "/healthz", "doctor"),
    ("get", "/readyz", "doctor"),
    ("get", "/v1", "doctor"),
    ("get", "/v1/templates", "session templates"),
    ("get", "/v1/sessions", "session list"),
    ("post", "/v1/sessions", "session create"),
    ("post", "/v1/sessions/import", "session import"),
    ("get", "/v1/sessions/{session}", "session get"),
    ("patch", "/v1/sessions/{session}", "session update"),
    ("delete", "/v1/sessions/{session}", "session delete"),
    ("post", "/v1/sessions/{session}/fork", "session fork"),
    ("post", "/v1/sessions/{session}/hibernate", "session hibernate"),
    ("post", "/v1/sessions/{session}/wake", "session wake"),
    ("get", "/v1/sessions/{session}/events", "session events"),
    ("post", "/v1/sessions/{session}/tokens", "session token"),
    ("post", "/v1/sessions/{session}/checkpoint", "session checkpoint"),
    ("get", "/v1/sessions/{session}/checkpoints", "session checkpoints"),
    ("post", "/v1/sessions/{session}/rollback", "session rollback"),
    ("post", "/v1/sessions/{session}/exec", "session exec"),
    ("get", "/v1/sessions/{session}/execs", "session execs list"),
    ("get", "/v1/sessions/{session}/execs/{exec}", "session execs get"),
    ("get", "/v1/sessions/{session}/execs/{exec}/output", "session execs output"),
    ("post", "/v1/sessions/{session}/execs/{exec}/stdin", "session execs stdin"),
    ("post", "/v1/sessions/{session}/execs/{exec}/signal", "session execs signal"),
    ("post", "/v1/sessions/{session}/execs/{exec}/resize", "session execs resize"),
    ("get", "/v1/sessions/{session}/terminals", "session terminals list"),
    ("post", "/v1/sessions/{session}/terminals", "session terminals open"),
    ("get", "/v1/sessions/{session}/terminals/{terminal}", "session terminals get"),
    ("delete", "/v1/sessions/{session}/terminals/{terminal}", "session terminals close"),
    ("get", "/v1/sessions/{session}/terminals/{terminal}/attach", "attach"),
    ("get", "/v1/sessions/{session}/processes", "session ps"),
    ("post", "/v1/sessions/{session}/processes/{pid}/signal", "session kill"),
    ("get", "/v1/sessions/{session}/files/{*path}", "session files cat"),
    ("put", "/v1/sessions/{session}/files/{*path}", "session files put"),
    ("post", "/v1/sessions/{session}/files/{*path}", "session files mv"),
    ("delete", "/v1/sessions/{session}/files/{*path}", "session files rm"),
    ("post", "/v1/sessions/{session}/files:batch", "session files batch"),
    ("get", "/v1/sessions/{session}/files:watch", "session watch"),
    ("get", "/v1/sessions/{session}/export", "session export"),
    ("get", "/v1/keys", "key list"),
    ("post", "/v1/keys", "key create"),
    ("get", "/v1/keys/{key}", "key get"),
    ("delete", "/v1/keys/{key}", "key revoke"),
    ("post", "/v1/keys/{key}/rotate", "key rotate"),
    ("get", "/v1/quotas", "quotas"),
    ("get", "/v1/usage", "usage"),
    ("get", "/v1/audit", "audit"),
    ("get", "/v1/tenants", "tenant list"),
    ("post", "/v1/tenants", "tenant create"),
    ("get", "/v1/tenants/{tenant}", "tenant get"),
    ("patch", "/v1/tenants/{tenant}", "tenant set"),
    ("delete", "/v1/tenants/{tenant}", "tenant disable"),
];

/// Routes without a command, and why.
const WITHOUT: &[(&str, &str, &str)] = &[
    ("get", "/metrics", "it is for Prometheus, which fetches it by its URL"),
    ("get", "/v1/openapi.json", "it is for generators of clients, which fetch it by its URL"),
    (
        "get",
        "/v1/sessions/{session}/execs/{exec}/attach",
        "it is output, input, signals and window in one, which `session exec` and `session execs` have",
    ),
    ("head", "/v1/sessions/{session}/files/{*path}", "`session files stat` shows more"),
    ("post", "/v1/sessions/{session}/files:read", "`session files cat` reads any of them, of any length"),
];

#[test]
fn every_route_has_a_command_or_a_reason() {
    let root = Arguments::command();
    for route in ROUTES.iter().filter(|route| !route.is_alias()) {
        let named = |rows: &[(&str, &str, &str)]| {
            rows.iter().filter(|(method, path, _)| (*method, *path) == (route.method, route.path)).count()
        };
        assert_eq!(named(COMMANDS) + named(WITHOUT), 1, "name the command of {} {}", route.method, route.path);
    }
    for (method, path, command) in COMMANDS {
        assert!(ROUTES.iter().any(|route| (route.method, route.path) == (*method, *path)), "no route {method} {path}");
        let mut at = &root;
        for word in command.split(' ') {
            at = at.find_subcommand(word).unwrap_or_else(|| panic!("no command `{command}`"));
        }
    }
    for (method, path, reason) in WITHOUT {
        assert!(ROUTES.iter().any(|route| (route.method, route.path) == (*method, *path)), "no route {method} {path}");
        assert!(!reason.is_empty());
    }
}

#[test]
fn the_command_line_is_sound_and_every_command_says_what_it_does() {
    let root = Arguments::command();
    root.clone().debug_assert();
    let mut left = vec![(String::from("warren"), &root)];
    while let Some((name, command)) = left.pop() {
        assert!(command.get_about().is_some_and(|about| !about.to_string().is_empty()), "{name}");
        for argument in command.get_arguments().filter(|it| !matches!(it.get_id().as_str(), "help" | "version")) {
            assert!(argument.get_help().is_some(), "{name}: {}", argument.get_id());
        }
        left.extend(command.get_subcommands().map(|it| (format!("{name} {}", it.get_name()), it)));
    }
}

/// What talks to a server, or shows what it found, can do it for a program.
#[test]
fn what_shows_something_shows_it_as_json() {
    /// These show nothing, or what they show is not theirs; `attach` is a terminal.
    const PLAIN: &[&str] = &["serve", "completions", "attach", "help"];
    let mut root = Arguments::command();
    // Options of a command become those of the commands below it.
    root.build();
    for command in root.get_subcommands().filter(|command| !PLAIN.contains(&command.get_name())) {
        let below: Vec<_> = match command.has_subcommands() {
            true => command.get_subcommands().filter(|it| it.get_name() != "help").collect(),
            false => vec![command],
        };
        for command in below {
            let has = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
            assert!(has, "{} has no --json", command.get_bin_name().unwrap_or_default());
        }
    }
}
