//! Bytes nobody else has.

/// Random bytes of the kernel's.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let read = rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty());
        filled += read.expect("the kernel has random bytes once it is up");
    }
    bytes
}

/// A number below `bound`; 0 if there is none.
pub(crate) fn below(bound: u64) -> u64 {
    u64::from_le_bytes(bytes()).checked_rem(bound).unwrap_or(0)
}
