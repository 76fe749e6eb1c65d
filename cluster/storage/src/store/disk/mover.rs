//! The thread that carries the overlay to the files of the objects, and takes the log back behind it.
//!
//! A round writes and renames what the overlay held when it began, makes the whole file system durable once, and only then
//! takes it out of the overlay and releases the log. Before its first rename the log is made durable: what replaces a file
//! must not be lost with it. Only this thread changes anything below `objects/`.
use super::change::{Held, What};
use super::{Inner, OVERLAY_BYTES_MAX, OVERLAY_KEYS_MAX, Table, io_error, is_absent, object, walk};
use crate::store::{Key, StoreError};
use crate::wal::{Position, Wal};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

/// How long a round that failed is not tried again, unless somebody waits for room.
const PAUSE: Duration = Duration::from_secs(5);
/// Files nobody needs that are left lying until a round removes them.
const GARBAGE_MAX: usize = 16;

/// Runs until the store is closed.
pub(super) fn run(inner: &Inner, wal: &Wal) {
    let mut not_before = None;
    loop {
        let Some(table) = wait(inner, not_before) else { return };
        let moved = round(inner, wal, table);
        not_before = moved.is_err().then(|| Instant::now() + PAUSE);
        if let Err(error) = &moved {
            tracing::warn!(%error, "a store's objects could not be moved to their files; they stay in its log");
        }
        let mut table = inner.table();
        table.move_error = moved.err();
        drop(table);
        inner.room.notify_waiters();
    }
}

/// Sleeps until there is enough to do, or it is time; `None` when the store is closed.
fn wait(inner: &Inner, not_before: Option<Instant>) -> Option<MutexGuard<'_, Table>> {
    let mut table = inner.table();
    loop {
        if table.closing {
            return None;
        }
        let now = Instant::now();
        let much = table.overlay_bytes >= OVERLAY_BYTES_MAX / 4
            || table.overlay.len() >= OVERLAY_KEYS_MAX / 4
            || table.garbage.len() >= GARBAGE_MAX;
        let due = table.since.map(|since| since + inner.options.move_interval);
        let at = if much { Some(now) } else { due };
        let at = at.map(|at| not_before.map_or(at, |not_before| at.max(not_before)));
        if table.hurry || at.is_some_and(|at| at <= now) {
            return Some(table);
        }
        table = match at {
            None => inner.move_wanted.wait(table).expect("nobody panics holding a store's table"),
            Some(at) => {
                let waited = inner.move_wanted.wait_timeout(table, at.saturating_duration_since(now));
                waited.expect("nobody panics holding a store's table").0
            }
        };
    }
}

fn round(inner: &Inner, wal: &Wal, mut table: MutexGuard<'_, Table>) -> Result<(), StoreError> {
    let moving: Vec<(Key, Held)> = table.overlay.iter().map(|(key, held)| (key.clone(), held.clone())).collect();
    let garbage = std::mem::take(&mut table.garbage);
    let flying = table.in_flight.values().map(|in_flight| in_flight.position).min();
    // Under the lock of the table, under which positions are given: all below is in the overlay or was moved.
    let up_to: Position = flying.unwrap_or_else(|| wal.next()).before();
    table.hurry = false;
    let started = Instant::now();
    drop(table);

    let carried = carry(inner, wal, &moving, &garbage);

    let mut table = inner.table();
    if let Err(error) = carried {
        table.garbage.extend(garbage);
        return Err(error);
    }
    for (key, held) in &moving {
        if table.overlay.get(key).is_some_and(|newest| newest.version == held.version) {
            table.overlay.remove(key);
            table.overlay_bytes -= held.weight(key);
        }
    }
    table.rounds += 1;
    table.since = (!table.overlay.is_empty()).then_some(started);
    drop(table);
    wal.release(up_to);
    Ok(())
}

fn carry(inner: &Inner, wal: &Wal, moving: &[(Key, Held)], garbage: &[u64]) -> Result<(), StoreError> {
    wal.sync()?.wait()?;
    let failed = |error: io::Error| io_error("move an object to its file", &error);
    let (deleted, put): (Vec<_>, Vec<_>) = moving.iter().partition(|(_, held)| held.what == What::Deleted);
    // A file of `tmp/` exists once: the folders it goes to are durable before it does. (What lies in the log can be written
    // again.) Deletions come last, as they remove empty folders.
    let large = put.iter().filter(|(_, held)| matches!(held.what, What::File { .. }));
    let folders: BTreeSet<_> =
        large.filter_map(|(key, _)| Some(walk::path(&inner.objects, key).parent()?.into())).collect();
    if !folders.is_empty() {
        folders.iter().try_for_each(|folder: &std::path::PathBuf| create_folders(inner, folder)).map_err(failed)?;
        inner.disk.sync_all(&inner.root).map_err(failed)?;
    }
    for (key, held) in put.into_iter().chain(deleted) {
        carry_one(inner, key, held).map_err(failed)?;
    }
    for file in garbage {
        remove(inner, &inner.tmp_path(*file)).map_err(|error| io_error("remove a file", &error))?;
    }
    inner.disk.sync_all(&inner.root).map_err(|error| io_error("make objects durable", &error))
}

fn carry_one(inner: &Inner, key: &Key, held: &Held) -> io::Result<()> {
    let path = walk::path(&inner.objects, key);
    match &held.what {
        What::Deleted => {
            remove(inner, &path)?;
            remove_empty_folders(inner, &path);
            Ok(())
        }
        What::File { file, .. } => match rename(inner, &inner.tmp_path(*file), &path) {
            // By a round that failed later on.
            Err(error) if is_absent(&error) && inner.version_at_rest(key) == Ok(Some(held.version)) => Ok(()),
            // Its readers are told; the others are not to suffer for it.
            Err(error) if is_absent(&error) => {
                tracing::error!(%key, "the file of an object is not there");
                Ok(())
            }
            renamed => renamed,
        },
        What::Bytes(bytes) => {
            let tmp = inner.tmp_path(inner.number());
            let file = inner.disk.create(&tmp)?;
            let mut all = object::front(key, held.version, held.modified, bytes);
            all.extend_from_slice(bytes);
            let renamed = file.write_at(&all, 0).and_then(|()| rename(inner, &tmp, &path));
            if renamed.is_err() {
                let _ = inner.disk.remove(&tmp); // Else the next opening does.
            }
            renamed
        }
    }
}

/// Renames, after creating the folders above the new name if they are missing. They become durable with all the rest.
fn rename(inner: &Inner, from: &Path, to: &Path) -> io::Result<()> {
    match inner.disk.rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        renamed => return renamed,
    }
    create_folders(inner, to.parent().unwrap_or(to))?;
    inner.disk.rename(from, to)
}

fn create_folders(inner: &Inner, folder: &Path) -> io::Result<()> {
    let above: Vec<_> = folder.ancestors().take_while(|above| *above != inner.objects).collect();
    for folder in above.into_iter().rev() {
        match inner.disk.create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn remove(inner: &Inner, path: &Path) -> io::Result<()> {
    match inner.disk.remove(path) {
        Err(error) if !is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}

fn remove_empty_folders(inner: &Inner, path: &Path) {
    for folder in path.ancestors().skip(1).take_while(|above| *above != inner.objects) {
        if inner.disk.remove_dir(folder).is_err() {
            return; // Not empty, mostly.
        }
    }
}

impl Inner {
    /// After the log was read: drops what had been moved already, and the files in `tmp/` that nothing names.
    pub(super) fn settle_files(&self) -> io::Result<()> {
        let mut there = BTreeSet::new();
        for entry in self.disk.list(&self.tmp)? {
            there.insert(entry.name);
        }
        let mut table = self.table();
        let mut moved = Vec::new();
        for (key, held) in &table.overlay {
            let What::File { file, .. } = held.what else { continue };
            let named = there.remove(&format!("{file:016x}"));
            if !named && self.version_at_rest(key) == Ok(Some(held.version)) {
                moved.push((key.clone(), held.weight(key)));
            }
        }
        for (key, weight) in moved {
            table.overlay.remove(&key);
            table.overlay_bytes -= weight;
        }
        drop(table);
        for name in there {
            remove(self, &self.tmp.join(name))?;
        }
        Ok(())
    }

    /// Makes a copy of a damaged object's file in the folder `corrupt`, durable, named after the key.
    pub(super) fn keep_copy_aside(&self, key: &Key) -> Result<(), StoreError> {
        let copy = || {
            let folder = self.root.join("corrupt");
            crate::disk::create_dir_all(&*self.disk, &folder)?;
            let from = match self.disk.open(&walk::path(&self.objects, key)) {
                Err(error) if is_absent(&error) => return Ok(()),
                opened => opened?,
            };
            // A key may be longer than a file's name.
            let name = blake3::hash(key.as_str().as_bytes()).to_hex();
            let to = self.disk.create(&folder.join(format!("{}.{:016x}", &name[..32], self.number())))?;
            let mut bytes = vec![0; from.len()?.min(2 * super::super::OBJECT_BYTES_MAX as u64) as usize];
            let found = crate::disk::read_full(&*from, &mut bytes, 0)?;
            to.write_at(&bytes[..found], 0)?;
            to.sync_data()?;
            self.disk.sync_dir(&folder)
        };
        copy().map_err(|error: io::Error| io_error("set an object aside", &error))
    }
}
