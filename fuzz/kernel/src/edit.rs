//! Bytes that are true but for a few places. A format with lengths and hashes is seldom met by chance; what is nearly
//! right gets further.

use crate::number::Number;
use arbitrary::{Arbitrary, Unstructured};

/// One change of a run of bytes.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Edit {
    what: u8,
    at: u16,
    byte: u8,
    number: Number,
}

/// The bytes with the input's changes.
pub fn edited(bytes: &[u8], input: &mut Unstructured<'_>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while !input.is_empty()
        && let Ok(edit) = Edit::arbitrary(input)
    {
        let at = usize::from(edit.at) % (bytes.len() + 1);
        let behind = bytes.len() - at;
        match edit.what % 8 {
            0 | 1 if behind > 0 => bytes[at] = edit.byte,
            2 => bytes.insert(at, edit.byte),
            3 if behind > 0 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            5 if behind >= 8 => bytes[at..at + 8].copy_from_slice(&edit.number.long().to_le_bytes()),
            6 if behind >= 4 => bytes[at..at + 4].copy_from_slice(&edit.number.word().to_le_bytes()),
            7 => {
                let part = bytes[at..at + behind.min(usize::from(edit.byte))].to_vec();
                let to = edit.number.small() % (bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            _ => {}
        }
    }
    bytes
}
