#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use warren_session::id::{SessionId, SessionName};

fn id() -> SessionId {
    "01k82qc0in51v6ssuofna6hl2e".parse().unwrap()
}

#[test]
fn folders_of_this_machine_are_not_told() {
    let place = "/var/lib/warren/store/x".to_owned();
    for error in [
        DurabilityError::NoSpace(place.clone()),
        DurabilityError::Unavailable(place.clone()),
        DurabilityError::Damaged { id: id(), reason: place },
    ] {
        let text = Problem::from(SessionError::from(error)).to_json();
        assert!(!text.contains("/var/lib"), "{text}");
    }
}

#[test]
fn a_client_that_is_to_wait_is_told_how_long() {
    let error = SessionError::Overloaded { id: id(), retry_after: Duration::from_millis(20) };
    let response = Problem::from(error).into_response();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &HeaderValue::from(1u64)));
    let taken = Problem::from(DurabilityError::NameTaken("a".parse::<SessionName>().unwrap())).into_response();
    assert_eq!((taken.status().as_u16(), taken.headers().get("retry-after")), (409, None));
}
