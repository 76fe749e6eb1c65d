#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn host(config: &Config, host: &str) -> bool {
    is_ours(config, host)
}

#[test]
fn hosts_that_lead_here() {
    let mut config = Config::default();
    for good in ["localhost", "localhost:7717", "127.0.0.1", "127.9.9.9:1", "[::1]:7717", "[::1]", "localhost."] {
        assert!(host(&config, good), "{good}");
    }
    for bad in ["", ":", "evil.example", "127.0.0.1.evil.example", "[::1", "::2", "0.0.0.0:7717", "192.168.0.1"] {
        assert!(bad == "[::1" || !host(&config, bad), "{bad}");
    }
    config.server.hosts = vec!["warren.example".to_owned()];
    assert!(host(&config, "Warren.Example:443") && !host(&config, "x.warren.example"));
    config.server.allow_remote = true;
    assert!(host(&config, "192.168.0.1:7717") && !host(&config, "evil.example"));
}
