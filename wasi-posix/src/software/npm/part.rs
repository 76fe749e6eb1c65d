//! A partial download on disk: the bytes so far, beside them the ETag they belong to, and the lock over both.

use super::super::pin::Pin;
use super::super::progress::{Progress, Report};
use super::NpmError;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const ETAG_BYTES_MAX: u64 = 1024;

#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    etag_path: PathBuf,
}

impl Part {
    /// Opens and locks the partial download of a pin, waiting for another process that is at it.
    pub(super) fn open(downloads: &Path, pin: &Pin, report: Report<'_>) -> Result<Part, NpmError> {
        // Package names are checked before: besides these, they hold only one `/`, and no `+`.
        let name = format!("{}@{}", pin.package.replace('/', "+"), pin.version);
        let path = downloads.join(format!("{name}.part"));
        let etag_path = downloads.join(format!("{name}.etag"));
        let failed = |verb| {
            let path = path.clone();
            move |source| NpmError::Io { verb, path, source }
        };
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(&path).map_err(failed("open"))?;
            lock(&file, pin, report).map_err(failed("lock"))?;
            // Whoever had the lock may have deleted the file we opened; then it is not this path's file any more.
            let ours = file.metadata().map_err(failed("read"))?;
            match fs::metadata(&path) {
                Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => {
                    return Ok(Part { file, path, etag_path });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("read")(error)),
            }
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> Result<u64, NpmError> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(self.failed("read"))
    }

    /// The file, positioned at its beginning.
    pub(super) fn rewound(&self) -> Result<&File, NpmError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0)).map_err(self.failed("read"))?;
        Ok(file)
    }

    /// Forgets what came so far, and the ETag it belonged to.
    pub(super) fn restart(&mut self) -> Result<(), NpmError> {
        let _ = fs::remove_file(&self.etag_path);
        self.file.set_len(0).map_err(self.failed("truncate"))
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), NpmError> {
        let wrote = self.file.seek(SeekFrom::End(0)).and_then(|_| self.file.write_all(bytes));
        wrote.map_err(self.failed("write"))
    }

    /// The strong ETag of the bytes so far, when the server gave one.
    pub(super) fn etag(&self) -> Option<String> {
        let mut text = String::new();
        File::open(&self.etag_path).ok()?.take(ETAG_BYTES_MAX).read_to_string(&mut text).ok()?;
        is_strong_etag(&text).then_some(text)
    }

    /// Remembers it; failing to only costs the guard of If-Range, and the hash is checked in any case.
    pub(super) fn set_etag(&self, etag: Option<&str>) {
        let _ = match etag.filter(|etag| is_strong_etag(etag)) {
            Some(etag) => fs::write(&self.etag_path, etag),
            None => fs::remove_file(&self.etag_path),
        };
    }

    pub(super) fn delete(&self) {
        let _ = fs::remove_file(&self.etag_path);
        let _ = fs::remove_file(&self.path);
    }

    pub(super) fn failed(&self, verb: &'static str) -> impl FnOnce(io::Error) -> NpmError + use<> {
        let path = self.path.clone();
        move |source| NpmError::Io { verb, path, source }
    }
}

fn lock(file: &File, pin: &Pin, report: Report<'_>) -> io::Result<()> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => report(Progress::Waiting { what: &pin.package }),
        done => return Ok(done?),
    }
    loop {
        match flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

/// If-Range takes only strong validators (RFC 9110, 13.1.5); and it becomes a header, so nothing unprintable.
fn is_strong_etag(etag: &str) -> bool {
    etag.len() >= 2
        && etag.len() < ETAG_BYTES_MAX as usize
        && etag.starts_with('"')
        && etag.ends_with('"')
        && etag.bytes().all(|byte| byte.is_ascii_graphic())
}
