use super::*;
use warren_kernel::host::{Monotonic, Timestamp};

struct At(i64, u8);

impl Host for At {
    fn monotonic(&self) -> Monotonic {
        Monotonic(0)
    }

    fn realtime(&self) -> Timestamp {
        Timestamp(self.0)
    }

    fn fill_random(&self, buf: &mut [u8]) {
        buf.fill(self.1);
    }
}

#[test]
fn an_id_is_text_and_back_and_sorts_by_time() {
    let (early, late) = (SessionId::generate(&At(1_000_000_000, 0xff)), SessionId::generate(&At(1_001_000_000, 0)));
    assert!(early < late && early.to_string() < late.to_string());
    for id in [early, late, SessionId::generate(&At(i64::MAX, 0xff)), SessionId::generate(&At(-1, 0))] {
        assert_eq!(id.to_string().len(), SESSION_ID_LEN);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

#[test]
fn what_is_no_id_is_refused() {
    for text in ["", "0", &"0".repeat(25), &"0".repeat(27), &"w".repeat(26), &"A".repeat(26), &"8".repeat(26)] {
        assert!(text.parse::<SessionId>().is_err(), "{text}");
    }
    assert!("7vvvvvvvvvvvvvvvvvvvvvvvvv".parse::<SessionId>().is_ok());
}

#[test]
fn a_name_is_never_an_id() {
    assert!("my-agent_1.x".parse::<SessionName>().is_ok());
    assert!("a".repeat(63).parse::<SessionName>().is_ok());
    let id = SessionId::generate(&At(5, 5)).to_string();
    for text in ["", "-a", ".", "..", "A", "a/b", "a b", "é", &"a".repeat(64), &id] {
        assert!(text.parse::<SessionName>().is_err(), "{text}");
    }
    assert!("acme-2".parse::<TenantId>().is_ok() && "acme.2".parse::<TenantId>().is_err());
    assert!("k~1".parse::<CommandKey>().is_ok() && "a b".parse::<CommandKey>().is_err());
    assert!("".parse::<CommandKey>().is_err() && "k".repeat(256).parse::<CommandKey>().is_err());
}
