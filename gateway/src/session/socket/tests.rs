#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

#[test]
fn servers_have_a_host_and_a_port() {
    let place = |url| Place::of(url).map(|place| (place.secure, place.host, place.port));
    assert_eq!(place("http://127.0.0.1:7717"), Some((false, "127.0.0.1", 7717)));
    assert_eq!(place("http://localhost"), Some((false, "localhost", 80)));
    assert_eq!(place("https://warren.example"), Some((true, "warren.example", 443)));
    assert_eq!(place("https://warren.example:8443/below"), Some((true, "warren.example", 8443)));
    assert_eq!(place("http://[::1]"), Some((false, "::1", 80)));
    assert_eq!(place("https://[::1]:9"), Some((true, "::1", 9)));
    for url in ["ftp://a", "http://", "http://:80", "http://a:port", "https://a:99999"] {
        assert_eq!(place(url), None, "{url}");
    }
    assert_eq!(Place::of("https://a/below").unwrap().rest, "a/below");
}
