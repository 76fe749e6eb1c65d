//! A directory's names as what differs from the layer's directory.

use super::format::Entry;
use serde_bytes::ByteBuf;
use warren_kernel::id::Ino;
use warren_kernel::pmap::PMap;
use warren_kernel::vfs::Name;

/// One name in so many is a good place to cut a long list: the same after names came and went elsewhere.
const CUT_ONE_IN: u32 = 128;

/// The names that differ, in order; of each its size and whether a cut behind it is good.
pub(crate) fn names(own: &PMap<Name, Ino>, below: Option<&PMap<Name, Ino>>) -> Vec<(usize, bool, Entry)> {
    let empty = PMap::new();
    let mut names = Vec::new();
    below.unwrap_or(&empty).diff(own, |one, two| one == two, &mut |name, _, now| {
        let entry = Entry(ByteBuf::from(name.to_vec()), now.map(|ino| ino.0));
        names.push((name.len(), is_cut(name), entry));
    });
    names
}

/// Decided by the name alone (FNV-1a).
fn is_cut(name: &[u8]) -> bool {
    let hash = name.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (hash >> 8).is_multiple_of(CUT_ONE_IN)
}
