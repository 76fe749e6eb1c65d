//! Conversations that a client refers to by the id of the last response, in place of sending them again.

use crate::conversation::History;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

/// Responses that can be referred to; the oldest is forgotten.
const STORED_MAX: usize = 1_000;
/// Bytes of what was said in them.
const STORED_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Stored(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    histories: HashMap<String, History>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Stored {
    pub(crate) fn keep(&self, id: String, history: History) {
        let mut kept = self.0.lock().expect("no holder of the store panics");
        kept.bytes += history.bytes();
        kept.order.push_back(id.clone());
        kept.histories.insert(id, history);
        while kept.order.len() > STORED_MAX || (kept.bytes > STORED_BYTES_MAX && kept.order.len() > 1) {
            let oldest = kept.order.pop_front().expect("there is more than one");
            let bytes = kept.histories.remove(&oldest).map_or(0, |history| history.bytes());
            kept.bytes -= bytes;
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<History> {
        self.0.lock().expect("no holder of the store panics").histories.get(id).cloned()
    }
}
