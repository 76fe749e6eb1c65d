//! Paths of requests, checked: what passes has only plain names in it.

use rustix::fd::OwnedFd;
use warren_kernel::Errno;
use warren_kernel::vfs::{NAME_MAX, PATH_MAX};

/// A path relative to the root: names joined by single `/`, none of them `.`, `..` or empty, no NUL. Empty is the
/// root itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckedPath<'a>(&'a [u8]);

/// A name in a directory that is held open.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// By O_PATH.
    pub(super) directory: OwnedFd,
    /// One name, as checked.
    pub(super) name: &'a [u8],
}

impl<'a> CheckedPath<'a> {
    /// Checks a path as the kernel, or a hostile caller, gave it.
    ///
    /// # Errors
    /// `EACCES` for what is no plain path; `ENAMETOOLONG`.
    pub(super) fn new(path: &'a [u8]) -> Result<CheckedPath<'a>, Errno> {
        if path.len() > PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if !path.is_empty() {
            path.split(|byte| *byte == b'/').try_for_each(check_name)?;
        }
        Ok(CheckedPath(path))
    }

    /// The directory and the last name; `None` for the root.
    pub(super) fn split(self) -> Option<(CheckedPath<'a>, &'a [u8])> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (CheckedPath(&self.0[..slash]), &self.0[slash + 1..]),
            None => (CheckedPath(b""), self.0),
        })
    }

    /// As openat2() takes it: the root is `.` there.
    pub(super) fn host_path(self) -> &'a [u8] {
        if self.0.is_empty() { b"." } else { self.0 }
    }
}

fn check_name(name: &[u8]) -> Result<(), Errno> {
    if matches!(name, b"" | b"." | b"..") || name.contains(&0) {
        return Err(Errno::EACCES);
    }
    if name.len() > NAME_MAX { Err(Errno::ENAMETOOLONG) } else { Ok(()) }
}
