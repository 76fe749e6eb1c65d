//! Files of this machine.

use super::cleanup::Cleanup;
use super::{Failure, Files, Found, Kind, Named, PART, Page};
use crate::session::client::ClientError;
use rustix::fs::OFlags;
use std::cell::Cell;
use std::fs::{File, FileTimes, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bits of a mode that are kept: who may do what. What runs as somebody else does not come from a session, nor go to one.
const MODE: u32 = 0o777;

/// This machine.
pub(super) struct Local {
    cleanup: Cleanup,
    parents: bool,
    /// Counts files that are being written, for their names.
    staged: Cell<u64>,
}

impl Local {
    /// Makes directories on the way with `parents`.
    pub(super) fn new(cleanup: Cleanup, parents: bool) -> Local {
        Local { cleanup, parents, staged: Cell::new(0) }
    }

    /// Writes a file beside its place and gives it its name once it is whole.
    fn replace(&self, path: &Path, from: &mut dyn Read, what: &Found) -> Result<u64, Failure> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if self.parents {
            std::fs::create_dir_all(directory).map_err(|error| failure(directory, &error))?;
        }
        self.staged.set(self.staged.get() + 1);
        let beside = directory.join(format!(".warren-{}-{}.part", std::process::id(), self.staged.get()));
        let file = self.cleanup.create(&beside, what.mode.unwrap_or(0o666) & MODE);
        let mut file = file.map_err(|error| failure(path, &error))?;
        let written = pour(path, from, &mut file).and_then(|bytes| {
            if let Some(modified) = what.modified {
                // A time that this system cannot have is no reason to have no file.
                let _ = file.set_times(FileTimes::new().set_modified(modified));
            }
            std::fs::rename(&beside, path).map_err(|error| failure(path, &error))?;
            Ok(bytes)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        self.cleanup.done();
        written
    }
}

impl Files for Local {
    fn look(&self, path: &Path) -> Result<Option<Found>, Failure> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(found(&metadata, path))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure(path, &error)),
        }
    }

    fn list(&self, path: &Path, _: Option<&str>) -> Result<Page, Failure> {
        let wrong = |error| failure(path, &error);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            match entry.metadata() {
                Ok(metadata) => entries.push((entry.file_name(), found(&metadata, &entry.path()))),
                // It was removed since.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(wrong(error)),
            }
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Page { entries, next: None })
    }

    fn open(&self, path: &Path, named: Named) -> Result<Box<dyn Read + '_>, Failure> {
        if path == Path::new("-") && named == Named::Typed {
            return Ok(Box::new(io::stdin().lock()));
        }
        let mut options = File::options();
        options.read(true);
        if named == Named::Met {
            options.custom_flags(OFlags::NOFOLLOW.bits() as i32);
        }
        let file = options.open(path).map_err(|error| failure(path, &error))?;
        Ok(Box::new(file))
    }

    fn write(&self, path: &Path, from: &mut dyn Read, what: &Found, named: Named) -> Result<u64, Failure> {
        if path == Path::new("-") {
            return pour(Path::new("standard output"), from, &mut io::stdout().lock());
        }
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.is_dir() => Err(Failure::One(format!("{}: is a directory", path.display()))),
            Ok(there) if there.is_file() => self.replace(path, from, what),
            // A link in a tree leads where somebody else may have wanted it to: it is replaced.
            Ok(there) if there.is_symlink() && named == Named::Met => self.replace(path, from, what),
            Ok(there) if there.is_symlink() => {
                // Whoever typed it means what it leads to.
                let real = std::fs::canonicalize(path).map_err(|error| failure(path, &error))?;
                match std::fs::metadata(&real) {
                    Ok(behind) if behind.is_file() => self.replace(&real, from, what),
                    _ => pour_into(&real, from),
                }
            }
            // A device or a pipe: there is nothing to replace.
            Ok(_) if named == Named::Typed => pour_into(path, from),
            Ok(_) => Err(Failure::One(format!("{}: is there, and is no file", path.display()))),
            Err(_) => self.replace(path, from, what),
        }
    }

    fn make_directory(&self, path: &Path, what: &Found, named: Named) -> Result<(), Failure> {
        // We have to get in, whatever its maker may.
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(what.mode.unwrap_or(MODE) & MODE | 0o700).recursive(self.parents && named == Named::Typed);
        match builder.create(path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match std::fs::symlink_metadata(path) {
                Ok(there) if there.is_dir() => Ok(()),
                Ok(there) if there.is_symlink() && named == Named::Typed && path.is_dir() => Ok(()),
                Ok(there) if there.is_symlink() => {
                    Err(Failure::One(format!("{}: is a symbolic link, and not written through", path.display())))
                }
                _ => Err(Failure::One(format!("{}: is there, and is no directory", path.display()))),
            },
            Err(error) => Err(failure(path, &error)),
        }
    }

    fn called(&self, path: &Path) -> String {
        path.display().to_string()
    }
}

/// Moves bytes until there are no more.
fn pour(name: &Path, from: &mut dyn Read, to: &mut dyn Write) -> Result<u64, Failure> {
    let mut buffer = vec![0; PART];
    let mut bytes = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return to.flush().map(|()| bytes).map_err(|error| failure(name, &error)),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::One(format!("it broke off in the middle: {error}"))),
        };
        to.write_all(&buffer[..count]).map_err(|error| failure(name, &error))?;
        bytes += count as u64;
    }
}

fn pour_into(path: &Path, from: &mut dyn Read) -> Result<u64, Failure> {
    let mut file = File::options().write(true).open(path).map_err(|error| failure(path, &error))?;
    pour(path, from, &mut file)
}

fn found(metadata: &Metadata, path: &Path) -> Found {
    let kind = metadata.file_type();
    let kind = if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        let target: PathBuf = std::fs::read_link(path).unwrap_or_default();
        Kind::Link(target.display().to_string())
    } else if kind.is_file() {
        Kind::File
    } else if kind.is_fifo() {
        Kind::Other("fifo".to_owned())
    } else if kind.is_socket() {
        Kind::Other("socket".to_owned())
    } else {
        Kind::Other("device".to_owned())
    };
    Found { kind, mode: Some(metadata.permissions().mode() & MODE), modified: metadata.modified().ok() }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    let why = format!("{}: {error}", path.display());
    match error.kind() {
        // Of this file.
        ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::AlreadyExists
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::InvalidFilename
        | ErrorKind::InvalidInput => Failure::One(why),
        _ => Failure::All(ClientError::Local(why)),
    }
}
