//! What is kept of scripts for all guests of a host, by content: in memory, and in a folder of the host's.
//!
//! ```text
//! find(key) ─▶ memory ─▶ folder ─▶ checked ─▶ memory          keep(key, bytes) ─▶ memory ─▶ writer's thread ─▶ folder
//!                └────────▶ what was used least lately goes          └──────▶ what was used least lately goes
//! ```
//! A key is a hash of the engine's version and flags, the kind and the text, so an entry of another engine is never found.
//! Guests have no way to an entry but the text it is of. Who compiles a text others have may learn, by how long it takes,
//! that somebody has compiled it before.

mod folder;

use folder::Folder;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use warren_isolate_extensions::code::{CodeStore, Entry, Key, Kind, Text};

/// How much is kept, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeOptions {
    /// Bytes in memory.
    pub memory_bytes: usize,
    /// A folder of this user's, which nobody else may write. Without one, what is kept ends with the process.
    pub folder: Option<PathBuf>,
    /// Bytes in the folder.
    pub folder_bytes: u64,
}

impl Default for CodeOptions {
    fn default() -> CodeOptions {
        CodeOptions { memory_bytes: 256 << 20, folder: None, folder_bytes: 1 << 30 }
    }
}

/// What an entry takes beside its bytes.
const ENTRY_BYTES: usize = 128;
/// An entry may be this part of the memory.
const ENTRY_PART: usize = 4;
/// Entries that wait to be written. More are not written.
const WAITING_MAX: usize = 256;
/// Times an entry is found before it is taken for complete.
const YOUNG_USES: u32 = 2;

/// How often it was asked, and had what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeCounts {
    /// Entries that were there.
    pub found: u64,
    /// Entries that were not.
    pub missed: u64,
    /// Bytes in memory now.
    pub bytes: u64,
}

/// The store.
pub(crate) struct Codes {
    options: CodeOptions,
    engine: [u8; 32],
    kept: Mutex<Kept>,
    folder: Option<Arc<Folder>>,
    writer: Option<SyncSender<(Key, Arc<[u8]>)>>,
    found: AtomicU64,
    missed: AtomicU64,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, Memory>,
    bytes: usize,
    clock: u64,
}

struct Memory {
    bytes: Arc<[u8]>,
    used: u64,
    uses: u32,
}

impl Codes {
    /// A store as the options say. A folder that cannot be used is done without.
    pub(crate) fn open(options: CodeOptions) -> Codes {
        let folder = options.folder.as_ref().and_then(|path| match Folder::open(path, options.folder_bytes) {
            Ok(folder) => Some(Arc::new(folder)),
            Err(error) => {
                tracing::warn!(%error, "code of scripts is kept in memory alone");
                None
            }
        });
        let writer = folder.clone().and_then(writer);
        let mut engine = blake3::Hasher::new();
        engine.update(deno_core::v8::VERSION_STRING.as_bytes());
        // Of the version, the flags and the processor, as the engine itself compares them.
        engine.update(&deno_core::v8::script_compiler::cached_data_version_tag().to_le_bytes());
        Codes {
            options,
            engine: *engine.finalize().as_bytes(),
            kept: Mutex::default(),
            folder,
            writer,
            found: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }

    pub(crate) fn counts(&self) -> CodeCounts {
        CodeCounts {
            found: self.found.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
            bytes: self.kept().bytes as u64,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes entries, one after the other, until nobody sends any.
fn writer(folder: Arc<Folder>) -> Option<SyncSender<(Key, Arc<[u8]>)>> {
    let (sender, entries) = sync_channel::<(Key, Arc<[u8]>)>(WAITING_MAX);
    let thread = std::thread::Builder::new().name("code".to_owned()).spawn(move || {
        warren_wasi_posix::system::be_a_guests_thread();
        for (key, bytes) in entries {
            folder.write(&key, &bytes);
        }
    });
    thread.ok().map(|_| sender)
}

impl Kept {
    fn insert(&mut self, key: Key, bytes: Arc<[u8]>, bytes_max: usize) {
        if bytes.len() + ENTRY_BYTES > bytes_max / ENTRY_PART {
            return;
        }
        self.clock += 1;
        self.remove(&key);
        self.bytes += bytes.len() + ENTRY_BYTES;
        self.entries.insert(key, Memory { bytes, used: self.clock, uses: 0 });
        if self.bytes <= bytes_max {
            return;
        }
        let mut by_age: Vec<(u64, Key)> = self.entries.iter().map(|(key, entry)| (entry.used, *key)).collect();
        by_age.sort_unstable();
        // An eighth more than must go, so that the next ones do not have to look.
        for (_, oldest) in by_age {
            if self.bytes <= bytes_max - bytes_max / 8 {
                break;
            }
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes.len() + ENTRY_BYTES;
        }
    }

    fn find(&mut self, key: &Key) -> Option<Entry> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        entry.uses = entry.uses.saturating_add(1);
        Some(Entry { bytes: entry.bytes.clone(), young: entry.uses <= YOUNG_USES })
    }
}

impl CodeStore for Codes {
    fn key(&self, kind: Kind, text: Text<'_>) -> Key {
        let mut hasher = blake3::Hasher::new_keyed(&self.engine);
        let kind = match kind {
            Kind::Function => 0,
            Kind::Module => 1,
            Kind::Exports => 2,
            Kind::Stripped => 3,
        };
        // The form of the text goes along: bytes of one may be those of another text in another.
        match text {
            Text::Utf8(text) => hasher.update(&[kind, 0]).update(text.as_bytes()),
            Text::Latin1(bytes) => hasher.update(&[kind, 1]).update(bytes),
            Text::Units(units) => {
                hasher.update(&[kind, 2]);
                for part in units.chunks(4096) {
                    let bytes: Vec<u8> = part.iter().flat_map(|unit| unit.to_le_bytes()).collect();
                    hasher.update(&bytes);
                }
                &mut hasher
            }
        };
        Key(*hasher.finalize().as_bytes())
    }

    fn find(&self, key: &Key) -> Option<Entry> {
        let in_memory = self.kept().find(key);
        let found = in_memory.or_else(|| {
            let bytes: Arc<[u8]> = self.folder.as_ref()?.read(key)?.into();
            self.kept().insert(*key, bytes.clone(), self.options.memory_bytes);
            Some(Entry { bytes, young: true })
        });
        let count = if found.is_some() { &self.found } else { &self.missed };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn keep(&self, key: &Key, bytes: &[u8]) {
        let bytes: Arc<[u8]> = bytes.into();
        self.kept().insert(*key, bytes.clone(), self.options.memory_bytes);
        if let Some(writer) = &self.writer {
            // What cannot be written is made again by who wants it.
            let _ = writer.try_send((*key, bytes));
        }
    }

    fn forget(&self, key: &Key) {
        self.kept().remove(key);
        if let Some(folder) = &self.folder {
            folder.remove(key);
        }
    }
}

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codes").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
