//! The nodes above the pages of a snapshot: read on the way to what changed, written again from below.

use super::chunk::{ChunkRef, Kind};
use super::format::{self, HEIGHT_MAX, NODE_BITS, Node};
use super::reference::SnapshotRef;
use super::write::Writer;
use super::{Shared, SnapshotError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The nodes on the way to changed pages.
pub(crate) struct Radix {
    height: u8,
    nodes: BTreeMap<(u8, u64), (Option<ChunkRef>, Node)>,
}

impl Radix {
    /// Nodes for these pages and no others.
    pub(crate) fn over(height: u8, pages: &[(u64, ChunkRef)]) -> Radix {
        let mut radix = Radix { height, nodes: BTreeMap::new() };
        pages.iter().for_each(|(number, at)| radix.set(0, *number, Some(*at)));
        radix
    }

    /// The nodes of `base` on the way to these pages, and those there must be above for the last of them.
    pub(super) fn to(
        shared: &Arc<Shared>,
        base: &SnapshotRef,
        last: u64,
        pages: impl Iterator<Item = u64> + Clone,
    ) -> Result<Radix, SnapshotError> {
        let mut height = base.height().max(1);
        while last >> (NODE_BITS * u32::from(height)) != 0 {
            height += 1;
        }
        if height > HEIGHT_MAX {
            return Err(SnapshotError::TooLarge(last));
        }
        let mut nodes = BTreeMap::new();
        let top = base.node()?;
        for level in (base.height() + 1).max(1)..=height {
            let children = match &top {
                Some(top) if level == base.height() + 1 => vec![(0, *top)],
                _ => Vec::new(),
            };
            nodes.insert((level, 0), (None, Node { level, prefix: 0, children }));
        }
        let mut radix = Radix { height, nodes };
        for level in (1..=base.height()).rev() {
            let mut prefixes: Vec<u64> = pages.clone().map(|page| page >> (NODE_BITS * u32::from(level))).collect();
            prefixes.dedup();
            if level == base.height() && !prefixes.contains(&0) {
                prefixes.push(0);
            }
            let refs: Vec<(u64, Option<ChunkRef>)> = prefixes
                .into_iter()
                .map(|prefix| {
                    if level == base.height() {
                        (prefix, top.filter(|_| prefix == 0))
                    } else {
                        (prefix, radix.child(level, prefix))
                    }
                })
                .collect();
            let present: Vec<ChunkRef> = refs.iter().filter_map(|(_, at)| *at).collect();
            let mut plain = shared.fetch_all(Kind::Node, &present)?.into_iter();
            for (prefix, at) in refs {
                let node = match at.as_ref().zip(at.and_then(|_| plain.next())) {
                    Some((at, plain)) => decode_node(&plain, at, level, prefix)?,
                    None => Node { level, prefix, children: Vec::new() },
                };
                radix.nodes.insert((level, prefix), (at, node));
            }
        }
        Ok(radix)
    }

    /// Levels of nodes above the pages.
    pub(super) fn height(&self) -> u8 {
        self.height
    }

    /// What lies at this place of a level, if the node above is here.
    fn child(&self, level: u8, prefix: u64) -> Option<ChunkRef> {
        let (_, parent) = self.nodes.get(&(level + 1, prefix >> NODE_BITS))?;
        let slot = (prefix & ((1 << NODE_BITS) - 1)) as u8;
        let at = parent.children.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(parent.children[at].1)
    }

    pub(super) fn page(&self, number: u64) -> Option<ChunkRef> {
        self.child(0, number)
    }

    pub(super) fn set(&mut self, level: u8, prefix: u64, to: Option<ChunkRef>) {
        let above = prefix >> NODE_BITS;
        let empty = Node { level: level + 1, prefix: above, children: Vec::new() };
        let (_, parent) = self.nodes.entry((level + 1, above)).or_insert((None, empty));
        let slot = (prefix & ((1 << NODE_BITS) - 1)) as u8;
        match (parent.children.binary_search_by_key(&slot, |(slot, _)| *slot), to) {
            (Ok(at), Some(to)) => parent.children[at].1 = to,
            (Ok(at), None) => {
                parent.children.remove(at);
            }
            (Err(at), Some(to)) => parent.children.insert(at, (slot, to)),
            (Err(_), None) => {}
        }
    }

    /// Stores the nodes, lowest first, and tells where the topmost is.
    pub(crate) fn finish(&mut self, writer: &mut Writer) -> Result<Option<ChunkRef>, SnapshotError> {
        for level in 1..=self.height {
            let nodes: Vec<u64> =
                self.nodes.range((level, 0)..=(level, u64::MAX)).map(|((_, prefix), _)| *prefix).collect();
            for prefix in nodes {
                let Some((old, node)) = self.nodes.remove(&(level, prefix)) else { continue };
                let plain = (!node.children.is_empty()).then(|| format::encode(&node));
                let at = writer.replace(Kind::Node, old, plain, prefix)?;
                if level == self.height {
                    return Ok(at);
                }
                self.set(level, prefix, at);
            }
        }
        Ok(None)
    }
}

/// The node of this level and prefix, or why it is none.
pub(crate) fn decode_node(plain: &[u8], at: &ChunkRef, level: u8, prefix: u64) -> Result<Node, SnapshotError> {
    let node: Node = format::decode(plain, at)?;
    let in_order = node.children.windows(2).all(|two| two[0].0 < two[1].0);
    let inside = node.children.iter().all(|(slot, _)| u32::from(*slot) < 1 << NODE_BITS);
    if (node.level, node.prefix) != (level, prefix) || !in_order || !inside {
        return Err(at.damaged("it is not the node it is named as"));
    }
    Ok(node)
}
