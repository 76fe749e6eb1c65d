//! The environment of a guest: what its process was given, and what it sets itself.

use crate::guest::Guest;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use warren_kernel::Errno;
use warren_kernel::process::Strings;

/// Bytes an entry takes beside its name and value, as exec() counts: `=`, the final NUL and a pointer.
const ENTRY_BYTES: usize = 10;

/// Names and values. Cheap to clone; all clones are one environment.
#[derive(Clone, Debug)]
pub struct Environment {
    entries: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    /// Bytes of all entries, at most: what a program could be started with.
    bytes_max: usize,
}

impl Environment {
    /// What the process of this guest was given.
    pub fn of(guest: &Guest) -> Environment {
        let (given, bytes_max) = guest.with(|kernel, call| {
            let given = kernel.process(call.pid).map(|process| process.environment.clone()).ok();
            (given, kernel.limits().argument_bytes)
        });
        let environment =
            Environment { entries: Arc::default(), bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX) };
        let mut entries = environment.lock();
        for entry in given.iter().flat_map(|strings| strings.iter()) {
            // As getenv(): the first of a name counts, and what has no name is not seen.
            if let Some((name, value)) = split(entry) {
                entries.entry(name.to_vec()).or_insert_with(|| value.to_vec());
            }
        }
        drop(entries);
        environment
    }

    /// The value of a name.
    pub fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.lock().get(name).cloned()
    }

    /// Sets a name's value.
    ///
    /// # Errors
    /// `EINVAL` for a name that is empty or has a `=`, and for a NUL in either; `E2BIG` when no program could be started
    /// with all of it. Nothing is changed then.
    pub fn set(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        if name.is_empty() || name.contains(&b'=') || name.contains(&0) || value.contains(&0) {
            return Err(Errno::EINVAL);
        }
        let mut entries = self.lock();
        let others: usize =
            entries.iter().filter(|(other, _)| *other != name).map(|(name, value)| entry_bytes(name, value)).sum();
        if others + entry_bytes(name, value) > self.bytes_max {
            return Err(Errno::E2BIG);
        }
        entries.insert(name.to_vec(), value.to_vec());
        Ok(())
    }

    /// Takes a name away; one that is not there is no failure.
    pub fn remove(&self, name: &[u8]) {
        self.lock().remove(name);
    }

    /// Every name and its value, in order of name.
    pub fn all(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.lock().iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// As a program is given it.
    pub fn strings(&self) -> Strings {
        self.lock().iter().map(|(name, value)| Arc::from([name, &b"="[..], value].concat())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry_bytes(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ENTRY_BYTES
}

fn split(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some((&entry[..at], &entry[at + 1..]))
}
