#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use crate::value::{Period, Timeout};
use std::time::Duration;

fn sources(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str)]) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, file).unwrap();
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut variables: Vec<_> = variables.iter().map(owned).collect();
    variables.push(("HOME".to_owned(), "/home/me".to_owned()));
    let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    (folder, Sources { file: Some(path), variables, flags })
}

fn problems(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Vec<String> {
    let (_folder, sources) = sources(file, variables, flags);
    sources.load().unwrap_err().0.iter().map(ToString::to_string).collect()
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

#[test]
fn later_sources_win_and_are_remembered() {
    let (_folder, sources) = sources(
        "[server]\nlisten = \"127.0.0.1:1\"\ndrain = \"1s\"\nbody_timeout = \"7s\"",
        &[("WARREN_SERVER__LISTEN", "127.0.0.1:2"), ("WARREN_SERVER__DRAIN", "2s"), ("WARREN_CACHE", "/x")],
        &[("server.listen", "127.0.0.1:3")],
    );
    let loaded = sources.load().unwrap();
    let server = &loaded.config.server;
    assert_eq!((server.listen.port(), server.drain), (3, Period(Duration::from_secs(2))));
    assert_eq!(server.body_timeout, Period(Duration::from_secs(7)));
    let values = loaded.values();
    let origin = |key: &str| values.iter().find(|(known, ..)| known == key).unwrap().2.to_string();
    assert_eq!(origin("server.listen"), "--listen");
    assert_eq!(origin("server.drain"), "WARREN_SERVER__DRAIN");
    assert!(origin("server.body_timeout").ends_with("config.toml"));
    assert_eq!(origin("server.header_timeout"), "default");
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let sources = Sources { variables: vec![("HOME".into(), "/home/me".into())], ..Sources::default() };
    let config = Sources { file: Some(sample("laptop.toml")), ..sources }.load().unwrap().config;
    assert_eq!(config.data.dir, Path::new("/home/me/.local/state/warren"));
    let (_folder, empty) = super::tests::sources("", &[], &[]);
    assert_eq!(empty.load().unwrap().config.server, Server::default());
}

#[test]
fn the_data_folder_follows_the_environment() {
    for (name, value, dir) in [
        ("XDG_STATE_HOME", "/state", "/state/warren"),
        ("STATE_DIRECTORY", "/var/lib/warren:/other", "/var/lib/warren"),
        ("WARREN_DATA__DIR", "7", "7"),
    ] {
        let (_folder, sources) = sources("", &[(name, value)], &[]);
        assert_eq!(sources.load().unwrap().config.data.dir, Path::new(dir), "{name}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_where_it_is() {
    let said = problems(
        "[server]\nlisten = \"here\"\nlisen = 1\ndrain = 5\n[serer]\nx = 1\n[limits]\nproceses = 3\n[templates.a]\nuser = 3\n",
        &[("WARREN_SERVER__CONNECTIONS_MAX", "many"), ("WARREN_SERVER_LISTEN", "x"), ("WARREN_LOG__FORMAT", "xml")],
        &[("log.level", "")],
    );
    let has = |words: &[&str]| {
        assert!(said.iter().any(|line| words.iter().all(|word| line.contains(word))), "{words:?} in {said:#?}");
    };
    has(&["config.toml", "`server.listen`", "127.0.0.1:7717"]);
    has(&["config.toml", "`server.lisen`", "header_timeout"]);
    has(&["config.toml", "`server.drain`", "90s"]);
    has(&["config.toml", "`serer`", "sessions"]);
    has(&["config.toml", "`limits.proceses`", "processes"]);
    has(&["config.toml", "`templates.a.user`"]);
    has(&["WARREN_SERVER__CONNECTIONS_MAX: `server.connections_max`"]);
    has(&["WARREN_SERVER_LISTEN", "two underscores"]);
    has(&["WARREN_LOG__FORMAT: `log.format`", "xml"]);
}

#[test]
fn what_types_cannot_promise() {
    let remote = problems("[server]\nlisten = \"0.0.0.0:1\"", &[], &[]);
    assert!(remote[0].contains("not encrypted") && remote[0].contains("allow_remote"), "{remote:?}");
    let (_folder, allowed) = sources("[server]\nlisten = \"0.0.0.0:1\"\nallow_remote = true", &[], &[]);
    assert!(allowed.load().is_ok());
    assert!(problems("[sessions]\nawake_max = 0", &[], &[])[0].contains("at least 1"));
    assert!(problems("[templates.a.secrets]\nX = \"none\"", &[], &[])[0].contains("no secret `none`"));
    assert!(problems("[templates.Upper]\n", &[], &[])[0].contains("template's name"));
}

#[test]
fn files_that_cannot_be_read() {
    assert!(problems("[server\n", &[], &[])[0].contains("is no TOML"));
    let sources = Sources { file: Some("/nowhere/config.toml".into()), ..Sources::default() };
    let said = sources.load().unwrap_err().to_string();
    assert!(said.contains("/nowhere/config.toml: cannot be read") && said.contains("data.dir"), "{said}");
}

#[test]
fn what_may_be_a_secret_is_not_shown() {
    let (_folder, sources) = sources("[templates.a.environment]\nAPI_TOKEN = \"hunter2\"\nEDITOR = \"vi\"", &[], &[]);
    let shown = format!("{:?}", sources.load().unwrap().values());
    assert!(!shown.contains("hunter2") && shown.contains("vi"), "{shown}");
}

#[test]
fn the_samples_are_configurations_and_the_large_one_has_every_key() {
    for name in ["laptop.toml", "single-node.toml"] {
        let variables = vec![("HOME".to_owned(), "/home/me".to_owned())];
        let loaded = Sources { file: Some(sample(name)), variables, flags: Vec::new() }.load().unwrap();
        assert_eq!(loaded.config.sessions.idle_timeout, Timeout(Some(Duration::from_secs(900))), "{name}");
    }
    let text = std::fs::read_to_string(sample("single-node.toml")).unwrap();
    for key in crate::settings::KEYS {
        assert!(text.contains(&format!("{} = ", key.name)), "{}.{} is not in the sample", key.section, key.name);
        assert!(!key.about.trim().is_empty() && !key.since.is_empty());
    }
}
