//! Walking a [`PMap`] in key order, by entry or by whole node.

use std::iter::FusedIterator;
use std::sync::Arc;

use super::PMap;
use super::node::{Child, Node};

/// Entries of a [`PMap`] in key order, made by [`PMap::iter`] and [`PMap::range_from`].
#[derive(Debug)]
pub struct Iter<'a, K, V> {
    pub(super) cursor: Cursor<'a, K, V>,
    pub(super) remaining: usize,
}

/// A place between entries, from which the rest of a map can be walked by entry or by whole node.
#[derive(Debug)]
pub(super) struct Cursor<'a, K, V> {
    /// The root, while nothing has been walked.
    pub(super) root: Option<&'a Arc<Node<K, V>>>,
    /// Per inner node on the way down, the children not yet walked.
    pub(super) stack: Vec<&'a [Child<K, V>]>,
    /// The entries not yet walked of the current leaf. They come before anything in `stack`.
    pub(super) entries: &'a [(K, V)],
}

/// What a [`Cursor`] stands before.
pub(super) struct Spot<'a, K, V> {
    pub(super) first_key: &'a K,
    /// 0 for an entry, 1 for a leaf.
    pub(super) height: usize,
    pub(super) node: Option<&'a Arc<Node<K, V>>>,
}

impl<'a, K, V> Cursor<'a, K, V> {
    pub(super) fn at_start(map: &'a PMap<K, V>) -> Self {
        Self { root: map.root.as_ref(), stack: Vec::new(), entries: &[] }
    }

    /// What comes next, found by going down its left edge. `None` at the end.
    pub(super) fn peek(&self) -> Option<Spot<'a, K, V>> {
        if let Some((first_key, _)) = self.entries.first() {
            return Some(Spot { first_key, height: 0, node: None });
        }
        let child = self.stack.iter().rev().find_map(|children| children.first());
        let top = self.root.or(child.map(|child| &child.node));
        let (mut node, mut height) = (top?, 1);
        loop {
            match &**node {
                Node::Leaf(entries) => return Some(Spot { first_key: &entries[0].0, height, node: top }),
                Node::Inner(children) => node = &children[0].node,
            }
            height += 1;
        }
    }

    /// Passes the entry that comes next. Where a node comes next, goes into it instead and returns `None`.
    pub(super) fn advance(&mut self) -> Option<&'a (K, V)> {
        match self.entries.split_first() {
            Some((entry, rest)) => {
                self.entries = rest;
                Some(entry)
            }
            None => {
                self.open();
                None
            }
        }
    }

    /// Goes into the node that comes next. `None` at the end. No entries of a leaf may be left.
    fn open(&mut self) -> Option<()> {
        match &**self.next_node()? {
            Node::Leaf(entries) => self.entries = entries,
            Node::Inner(children) => self.stack.push(children),
        }
        Some(())
    }

    /// Passes the node that comes next. No entries of a leaf may be left.
    pub(super) fn next_node(&mut self) -> Option<&'a Arc<Node<K, V>>> {
        if let Some(root) = self.root.take() {
            return Some(root);
        }
        loop {
            let children = self.stack.last_mut()?;
            if let Some((child, rest)) = children.split_first() {
                *children = rest;
                return Some(&child.node);
            }
            self.stack.pop();
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        while self.cursor.entries.is_empty() {
            self.cursor.open()?;
        }
        let (key, value) = self.cursor.advance()?;
        self.remaining -= 1;
        Some((key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

impl<K, V> FusedIterator for Iter<'_, K, V> {}
