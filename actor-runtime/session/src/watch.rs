//! Watching files: those events of a session's log that say what became of places beneath a path.
//!
//! ```text
//! log ─▶ files_changed: paths and what became of each ─▶ beneath the path? ─▶ Changes
//!                 └─ more changed than is listed, or was listed by an old server ─▶ Resync: look anew
//! ```
//! A watcher has a cursor in the log and nothing else: it holds up nobody, goes on after a rest or the death of a server, and is
//! told when what it missed can no longer be had. While somebody watches, more places are listed in one event.

use crate::error::SessionError;
use crate::event::{Event, How, PathChange, What};
use crate::log::Log;
use crate::position::Position;
use crate::sessions::Seen;
use crate::template::{check_path, refuse};
use futures_util::stream::{BoxStream, StreamExt};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use warren_kernel::host::Timestamp;
use warren_kernel::vfs::FileKind;

/// Events that are none of a watcher's, after which it is told how far it has come.
const PASSED_MAX: usize = 512;

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Absolute, without a `/` at its end: empty for the root.
    path: String,
    recursive: bool,
}

/// What a watcher sees.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// These places changed.
    Changes {
        /// The event that says so.
        position: Position,
        /// When it was noticed.
        time: Timestamp,
        /// What became of which, in the order they first changed.
        changes: Vec<Changed>,
    },
    /// More changed than can be told: what is there has to be looked at anew.
    Resync {
        /// What follows is told from here on; not known when events are lost.
        position: Option<Position>,
    },
    /// Nothing of what is watched changed up to here.
    Reached(Position),
}

/// A place that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Where, absolute; lossy if not UTF-8.
    pub path: String,
    /// What became of it.
    pub how: How,
    /// What is there, or was.
    pub kind: Option<FileKind>,
}

impl Scope {
    /// A path and what lies in it; with `recursive` all that lies beneath. Links are not followed.
    ///
    /// # Errors
    /// `Invalid` for what is no absolute path, or has `.` or `..` in it.
    pub fn new(path: &str, recursive: bool) -> Result<Scope, SessionError> {
        check_path("path", path)?;
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.iter().any(|part| matches!(*part, "." | "..")) {
            return refuse("path", "it is compared as it stands: leave out `.` and `..`".to_owned());
        }
        Ok(Scope { path: parts.iter().flat_map(|part| ["/", part]).collect(), recursive })
    }

    /// What of an event is to be seen; nothing if it is about something else.
    fn see(&self, event: &Event) -> Option<Watched> {
        let What::FilesChanged { paths, changes, more, .. } = &event.what else { return None };
        // What an older server wrote says where, and not what became of it.
        if *more || paths.len() != changes.len() {
            return Some(Watched::Resync { position: Some(event.position) });
        }
        let changes: Vec<Changed> =
            paths.iter().zip(changes).filter_map(|(path, change)| self.one(path, change)).collect();
        let (position, time) = (event.position, event.time);
        (!changes.is_empty()).then_some(Watched::Changes { position, time, changes })
    }

    fn one(&self, path: &str, change: &PathChange) -> Option<Changed> {
        let is_seen = match &change.how {
            // It is told where it went, and nothing is there to be told.
            How::Left | How::Nothing => false,
            How::Attributes => self.is_inside(path),
            How::Created | How::Modified | How::Removed => self.is_inside(path) || self.is_under(path),
            How::Moved { from } => [path, from.as_str()].iter().any(|path| self.is_inside(path) || self.is_under(path)),
        };
        is_seen.then(|| Changed { path: path.to_owned(), how: change.how.clone(), kind: change.kind })
    }

    /// Whether a place is the path, or in it.
    fn is_inside(&self, place: &str) -> bool {
        match place.strip_prefix(&self.path) {
            Some("") => true,
            Some(rest) => rest.starts_with('/') && (self.recursive || !rest[1..].contains('/')),
            None => false,
        }
    }

    /// Whether the path lies in a place: it goes where that goes.
    fn is_under(&self, place: &str) -> bool {
        self.path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Somebody watches the files of a session.
struct Watching(Arc<Log>);

impl Watching {
    fn new(log: Arc<Log>) -> Watching {
        log.watchers.fetch_add(1, Ordering::Relaxed);
        Watching(log)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What of a log a watcher sees.
pub(crate) fn watch(
    seen: BoxStream<'static, Result<Seen, SessionError>>,
    log: Arc<Log>,
    scope: Scope,
) -> BoxStream<'static, Result<Watched, SessionError>> {
    let (watching, mut passed) = (Watching::new(log), 0);
    let watched = seen.filter_map(move |seen| {
        let _ = &watching;
        let watched = match seen {
            Ok(Seen::Event(event)) => scope.see(&event).or_else(|| {
                passed += 1;
                (passed >= PASSED_MAX).then_some(Watched::Reached(event.position))
            }),
            Ok(Seen::Resync { .. }) => Some(Watched::Resync { position: None }),
            Err(error) => return std::future::ready(Some(Err(error))),
        };
        if watched.is_some() {
            passed = 0;
        }
        std::future::ready(watched.map(Ok))
    });
    watched.boxed()
}

#[cfg(test)]
mod tests;
