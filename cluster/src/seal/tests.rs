use super::*;

fn keys(tenant: &str, byte: u8) -> TenantKeys {
    TenantKeys::from_data_key(tenant.parse().unwrap(), [byte; 32])
}

#[test]
fn what_is_sealed_opens_in_its_place_only() {
    let ours = keys("a", 1);
    for plain in [&b""[..], b"x", &[7; 100_000]] {
        let sealed = ours.seal(b"here", plain);
        assert_eq!(ours.open(b"here", &sealed).unwrap(), plain);
        assert_eq!(ours.open(b"there", &sealed), Err(SealError));
        assert_eq!(keys("b", 1).open(b"here", &sealed), Err(SealError));
        assert_eq!(keys("a", 2).open(b"here", &sealed), Err(SealError));
    }
    assert_ne!(ours.seal(b"here", b"x"), ours.seal(b"here", b"x"), "no nonce comes twice");
}

#[test]
fn any_changed_byte_is_noticed() {
    let ours = keys("a", 1);
    let sealed = ours.seal(b"here", b"hello").to_vec();
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 0x80;
        assert_eq!(ours.open(b"here", &bad), Err(SealError), "byte {at}");
        assert_eq!(ours.open(b"here", &sealed[..at]), Err(SealError), "cut at {at}");
    }
}
