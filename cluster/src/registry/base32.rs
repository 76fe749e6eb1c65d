//! Bytes as text in the alphabet of session ids: base32hex in lower case, without padding. Each value has one text.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// Bytes as text, the first bits first; the last character is filled up with zero bits.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(ALPHABET[(held >> bits) as usize & 31] as char);
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(ALPHABET[(held << (5 - bits)) as usize & 31] as char);
    }
    text
}

/// The bytes of a text; `None` for another alphabet, a length no bytes have, or bits behind the last byte.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0u32, 0);
    for character in text.bytes() {
        let value = match character {
            b'0'..=b'9' => character - b'0',
            b'a'..=b'v' => character - b'a' + 10,
            _ => return None,
        };
        held = held << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
        held &= (1 << bits) - 1;
    }
    (bits < 5 && held == 0).then_some(bytes)
}

/// The bytes of a text, if they are just so many.
pub(super) fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Longer texts are not worth decoding.
    if text.len() != (N * 8).div_ceil(5) {
        return None;
    }
    decode(text)?.try_into().ok()
}
