//! Reading: the overlay first, then the files.
use super::change::{self, Held, What};
use super::{Inner, LOOKS_MAX, io_error, is_absent, object, walk};
use crate::store::{Entry, Key, Object, Page, StoreError, Version, within};
use std::ops::{Bound, ControlFlow, Range};

impl Inner {
    /// The version of the file of an object; `None` when there is none.
    pub(super) fn version_at_rest(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        match self.disk.open(&walk::path(&self.objects, key)) {
            Ok(file) => Ok(Some(object::head(&*file, key)?.version)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(io_error("open an object", &error)),
        }
    }

    /// A part of an object, or all of it.
    pub(super) fn read(&self, key: &Key, range: &Range<u64>) -> Result<Option<Object>, StoreError> {
        for _ in 0..LOOKS_MAX {
            let held = self.table().overlay.get(key).cloned();
            let (staged, version) = match held {
                Some(Held { what: What::Deleted, .. }) => return Ok(None),
                Some(Held { what: What::Bytes(bytes), version, .. }) => {
                    let part = within(range, bytes.len() as u64);
                    let bytes = bytes.slice(part.start as usize..part.end as usize);
                    return Ok(Some(Object { bytes, version: Version::numbered(version) }));
                }
                Some(Held { what: What::File { file, .. }, version, .. }) => (Some(file), Some(version)),
                None => (None, None),
            };
            // The mover may have given a file its name, and still be busy making that durable.
            let opened = match staged.map(|file| self.disk.open(&self.tmp_path(file))) {
                Some(Err(error)) if is_absent(&error) => self.disk.open(&walk::path(&self.objects, key)),
                Some(opened) => opened,
                None => self.disk.open(&walk::path(&self.objects, key)),
            };
            match opened {
                Ok(file) => {
                    let head = object::head(&*file, key)?;
                    if version.is_some_and(|version| version != head.version) {
                        continue; // It was replaced between the two looks.
                    }
                    let bytes = object::part(&*file, key, &head, range)?;
                    return Ok(Some(Object { bytes, version: Version::numbered(head.version) }));
                }
                Err(error) if is_absent(&error) && staged.is_some() => {} // Deleted between the two looks.
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(io_error("open an object", &error)),
            }
        }
        Err(StoreError::Corrupt { key: key.clone(), reason: "its file is not there".to_owned() })
    }

    pub(super) fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Page, StoreError> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let overlay: Vec<(Key, Option<(u64, u64)>)> = {
            let table = self.table();
            let range = table.overlay.range::<str, _>((from, Bound::Unbounded));
            let found = range.take_while(|(key, _)| key.as_str().starts_with(prefix));
            found.map(|(key, held)| (key.clone(), held.live().map(|_| (held.length(), held.modified)))).collect()
        };
        // Up to one more than asked for; those with no numbers lie in their files.
        let mut keys: Vec<(Key, Option<(u64, u64)>)> = Vec::new();
        let mut overlay = overlay.into_iter().peekable();
        let walked = walk::walk(&*self.disk, &self.objects, prefix, after, &mut |key| {
            while let Some((held, live)) = overlay.next_if(|(held, _)| *held < key) {
                keys.extend(live.map(|live| (held, Some(live))));
            }
            match overlay.next_if(|(held, _)| *held == key) {
                Some((held, live)) => keys.extend(live.map(|live| (held, Some(live)))),
                None => keys.push((key, None)),
            }
            if keys.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        walked.map_err(|error| io_error("list objects", &error))?;
        if keys.len() <= limit {
            keys.extend(overlay.filter_map(|(held, live)| Some((held, Some(live?)))));
        }
        let more = keys.len() > limit;
        keys.truncate(limit);
        let mut page = Page { entries: Vec::with_capacity(keys.len()), more };
        for (key, numbers) in keys {
            let numbers = match numbers {
                Some(numbers) => Some(numbers),
                None => self.numbers_at_rest(&key)?,
            };
            if let Some((bytes, modified)) = numbers {
                page.entries.push(Entry { key, bytes, modified: change::time(modified) });
            }
        }
        Ok(page)
    }

    /// Length and time of an object at rest; of one that is damaged, those of its file, so that it can be found.
    fn numbers_at_rest(&self, key: &Key) -> Result<Option<(u64, u64)>, StoreError> {
        let file = match self.disk.open(&walk::path(&self.objects, key)) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None), // Deleted since it was listed.
            Err(error) => return Err(io_error("open an object", &error)),
        };
        match object::head(&*file, key) {
            Ok(head) => Ok(Some((head.length, head.modified))),
            Err(StoreError::Corrupt { .. }) => {
                Ok(Some((file.len().map_err(|error| io_error("read an object", &error))?, 0)))
            }
            Err(error) => Err(error),
        }
    }
}
