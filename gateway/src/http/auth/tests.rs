#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn of(values: &[&str]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    bearer(&headers).map(str::to_owned)
}

#[test]
fn one_bearer_and_no_other() {
    for good in ["Bearer wrn_x", "bearer wrn_x", "BEARER  wrn_x "] {
        assert_eq!(of(&[good]).as_deref(), Some("wrn_x"), "{good}");
    }
    for bad in [&[][..], &[""], &["Bearer"], &["Basic wrn_x"], &["wrn_x"], &["Bearer wrn_x", "Bearer wrn_y"]] {
        assert_eq!(of(bad), None, "{bad:?}");
    }
}
