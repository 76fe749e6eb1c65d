#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

#[test]
fn ports_of_this_machine() {
    for (url, port) in [
        ("http://127.0.0.1:7717", 7717),
        ("http://localhost:1/", 1),
        ("http://[::1]:65535/v1?x", 65535),
        ("http://0.0.0.0:80", 80),
    ] {
        assert_eq!(local_port(url), Some(port), "{url}");
    }
    for url in [
        "https://127.0.0.1:7717",
        "http://127.0.0.1",
        "http://127.0.0.1:7717@evil.example:80",
        "http://evil.example:7717",
        "http://localhost.example:7717",
        "http://192.168.0.1:7717",
        "http://127.0.0.1:99999",
    ] {
        assert_eq!(local_port(url), None, "{url}");
    }
}

#[test]
fn the_own_key_is_for_the_own_server() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.data.dir = dir.path().to_owned();
    assert_eq!(own_key(&config, "http://127.0.0.1:7717"), None);
    std::fs::write(dir.path().join(KEY_FILE), "wrn_x\n").unwrap();
    assert_eq!(own_key(&config, "http://127.0.0.1:7717"), None, "no server has said where it is");
    std::fs::write(dir.path().join(LOCK), "process 1 at http://127.0.0.1:7717\n").unwrap();
    assert_eq!(own_key(&config, "http://127.0.0.1:7717"), None, "it was at that port once, and does not run now");
    let held = File::open(dir.path().join(LOCK)).unwrap();
    held.lock().unwrap();
    assert_eq!(own_key(&config, "http://localhost:7717/").as_deref(), Some("wrn_x"));
    assert_eq!(own_key(&config, "http://localhost:7718"), None);
    assert_eq!(own_key(&config, "http://192.168.0.1:7717"), None);
}
