#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn of(values: &[&str]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(value).unwrap());
    }
    bearer(&headers).map(str::to_owned)
}

#[test]
fn a_key_stands_beside_the_protocol_once() {
    for good in [&["warren.v1, bearer.wrn_x"][..], &["bearer.wrn_x,warren.v1"], &["warren.v1", "bearer.wrn_x"]] {
        assert_eq!(of(good).as_deref(), Some("wrn_x"), "{good:?}");
    }
    for bad in
        [&[][..], &["warren.v1"], &["bearer.a, bearer.b"], &["bearer.a", "bearer.a"], &["xbearer.a"], &["bearer"]]
    {
        assert_eq!(of(bad), None, "{bad:?}");
    }
}
