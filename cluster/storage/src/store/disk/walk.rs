//! Where the files of objects lie, and the order in which to find them.
//!
//! An object `a/b` is the file `a/b=` under the objects' folder, and `a/b/c` may be there too, as `a/b/c=`: the sign, which no
//! key has, keeps a file apart from a folder of the same segment. Within a folder, a file sorts as its segment and a folder
//! as its segment with a `/`; then the order of the walk is the order of the keys' bytes.
use super::super::Key;
use super::super::key::is_segment;
use crate::disk::Disk;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What the file of an object ends with.
const SUFFIX: char = '=';

/// The file of an object.
pub(super) fn path(root: &Path, key: &Key) -> PathBuf {
    root.join(format!("{key}{SUFFIX}"))
}

/// Visits the keys that begin with `prefix` and come after `after`, in order, until `visit` breaks off.
pub(super) fn walk(
    disk: &dyn Disk,
    root: &Path,
    prefix: &str,
    after: Option<&Key>,
    visit: &mut dyn FnMut(Key) -> ControlFlow<()>,
) -> io::Result<()> {
    // The prefix up to its last slash is a folder, if it can be one at all.
    let base = prefix.rfind('/').map_or("", |slash| &prefix[..=slash]);
    if !base.is_empty() && !base.trim_end_matches('/').split('/').all(is_segment) {
        return Ok(());
    }
    let mut walk = Walk { disk, prefix, after: after.map_or("", Key::as_str), visit };
    walk.folder(&root.join(base), base).map(drop)
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    prefix: &'a str,
    after: &'a str,
    visit: &'a mut dyn FnMut(Key) -> ControlFlow<()>,
}

impl Walk<'_> {
    /// `base` is empty or ends with a slash. The depth is that of a key: at most half its bytes.
    fn folder(&mut self, path: &Path, base: &str) -> io::Result<ControlFlow<()>> {
        let listed = match self.disk.list(path) {
            Ok(listed) => listed,
            // Emptied and removed since it was seen, or never there.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(ControlFlow::Continue(()));
            }
            Err(error) => return Err(error),
        };
        let mut names: Vec<String> = listed
            .into_iter()
            .filter_map(|entry| match entry.is_dir {
                true => Some(format!("{base}{}/", entry.name)),
                false => Some(format!("{base}{}", entry.name.strip_suffix(SUFFIX)?)),
            })
            .filter(|name| self.may_hold(name))
            .collect();
        names.sort_unstable();
        for name in names {
            let flow = match name.strip_suffix('/') {
                Some(folder) => {
                    let segment = &folder[base.len()..];
                    self.folder(&path.join(segment), &name)?
                }
                None => Key::new(&name).map_or(ControlFlow::Continue(()), &mut *self.visit),
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether a file's key, or one in a folder, is among those wanted.
    fn may_hold(&self, name: &str) -> bool {
        if name.ends_with('/') {
            (name.starts_with(self.prefix) || self.prefix.starts_with(name))
                && (name > self.after || self.after.starts_with(name))
        } else {
            name.starts_with(self.prefix) && name > self.after
        }
    }
}
