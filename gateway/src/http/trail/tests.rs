#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn id_of(given: &str) -> String {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(given) {
        headers.insert(REQUEST_ID, value);
    }
    RequestId::of(&headers).0.to_string()
}

#[test]
fn a_clients_id_is_kept_if_it_is_a_short_word() {
    let long = "a".repeat(ID_MAX);
    for sane in ["a", "7f0c-11.x_Y:z", &long] {
        assert_eq!(id_of(sane), sane);
    }
    let too_long = "a".repeat(ID_MAX + 1);
    let made: Vec<String> = ["", "a b", "a\tb", "\"", "ü", "<x>", &too_long].map(id_of).into();
    for (number, id) in made.iter().enumerate() {
        assert!(is_sane(id) && id.len() == 24, "{id}");
        assert!(!made[..number].contains(id), "{id} was given twice");
    }
}

#[tokio::test]
async fn what_was_made_is_read_of_small_answers_and_nothing_is_lost() {
    let answer = |body: &str| Response::new(Body::from(body.to_owned()));
    let large = format!("{{\"id\": \"a\", \"x\": \"{}\"}}", "x".repeat(MADE_MAX as usize));
    for (body, expected) in [
        (r#"{"id": "s1", "key": "wrn_secret"}"#, Some("s1")),
        (r#"{"checkpoint": 3}"#, Some("3")),
        (r#"{"id": 7}"#, None),
        ("no JSON", None),
        ("", None),
        (large.as_str(), None),
    ] {
        let (made, response) = look_for_made(answer(body)).await;
        assert_eq!(made.first().map(|(_, id)| id.as_str()), expected);
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(bytes, body.as_bytes());
    }
}
