//! Downloading a pinned tarball from the npm registry the user's npm uses.
//!
//! A download goes into `downloads/<package>@<version>.part`, which is locked, so a second process waits and then finds
//! the bytes there. A connection that breaks is resumed with a Range request (guarded by If-Range when the server gave a
//! strong ETag; without one, the hash decides). The file is hashed as a whole, from the disk, before anyone unpacks it.
//! There is no request for metadata: name, version and hash are pinned, and a tarball's address follows from them.

mod config;
mod integrity;
mod part;
mod stall;
mod transfer;

use super::pin::Pin;
use super::progress::{Progress, Report};
pub use config::{Lookup, NpmConfigError, Registry};
pub use integrity::{Integrity, IntegrityError};
use part::Part;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use transfer::{Outcome, Transfer};

/// Bytes of a tarball whose size is not pinned.
pub const TARBALL_BYTES_MAX: u64 = 1 << 30;
/// Tries in a row that bring no new byte before a download is given up.
pub const TRIES_MAX: u32 = 3;
/// Tries in all, so that a server which gives a byte at a time cannot hold us forever.
const TRIES_IN_ALL_MAX: u32 = 30;

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum NpmError {
    #[error("the pin of {name} is not usable: {reason}")]
    Pin { name: String, reason: String },
    #[error(
        "cannot download {package}@{version} from {registry}: {reason}\n\
         Is there a network, and does `npm ping` work? Otherwise run `warren software add {name}` on a machine that has \
         one, or fetch the package there (`npm pack {package}@{version}`) and give the file: \
         `warren software add {name} --from FILE.tgz|DIR|FILE.aospkg`"
    )]
    Unreachable { name: String, package: String, version: String, registry: String, reason: String },
    #[error("{registry} refused {package}@{version} with status {status}; check the token for it in your .npmrc")]
    Forbidden { package: String, version: String, registry: String, status: u16 },
    #[error(
        "{registry} does not have {package}@{version} (status {status}); if it mirrors another registry, ask for the \
         package to be mirrored, or use `warren software add {name} --from FILE.tgz`"
    )]
    NotFound { name: String, package: String, version: String, registry: String, status: u16 },
    #[error("{registry} offers {package}@{version} with {found} bytes, but {expected} are expected; nothing was kept")]
    WrongSize { package: String, version: String, registry: String, expected: u64, found: u64 },
    #[error("{package}@{version} is larger than the limit of {max} bytes; nothing was kept")]
    TooLarge { package: String, version: String, max: u64 },
    #[error(
        "{package}@{version} is not the package that was pinned, and was deleted without being unpacked:\n  \
         expected {expected}\n  received {found}\nTry again; if it stays so, the registry or a proxy changes the file"
    )]
    Integrity { package: String, version: String, expected: String, found: String },
    #[error("cannot {verb} {path}: {source}", path = path.display())]
    Io { verb: &'static str, path: PathBuf, source: io::Error },
}

/// A complete tarball whose hash is right. It stays locked until this is dropped, and on disk until it is discarded, so
/// that an installation which is interrupted need not download again.
#[derive(Debug)]
pub struct Download {
    part: Part,
    size: u64,
}

impl Download {
    /// The tarball, positioned at its beginning.
    pub fn file(&self) -> &File {
        self.part.file()
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn path(&self) -> &Path {
        self.part.path()
    }

    /// Deletes the file: its contents are installed.
    pub fn discard(self) {
        self.part.delete();
    }
}

impl Registry {
    /// Downloads `pin` into the folder `downloads`, resuming what an earlier try left there, and checks its hash.
    ///
    /// # Errors
    /// See [`NpmError`]. After a wrong hash or size nothing is kept; after a failed connection what arrived is.
    pub fn fetch(&self, downloads: &Path, pin: &Pin, report: Report<'_>) -> Result<Download, NpmError> {
        let refused = |reason: String| NpmError::Pin { name: pin.name.clone(), reason };
        let integrity = Integrity::parse(&pin.integrity).map_err(|error| refused(error.to_string()))?;
        let request = self.request(pin).map_err(refused)?;
        let mut part = Part::open(downloads, pin, report)?;
        Transfer { registry: self, request: &request, pin, report }.run(&mut part)?;
        let size = part.length()?;
        report(Progress::Verifying { package: &pin.package });
        let found = Integrity::of(part.rewound()?).map_err(part.failed("read"))?;
        if found != integrity {
            part.delete();
            return Err(NpmError::Integrity {
                package: pin.package.clone(),
                version: pin.version.clone(),
                expected: integrity.to_string(),
                found: found.to_string(),
            });
        }
        part.rewound()?;
        Ok(Download { part, size })
    }
}

impl Transfer<'_> {
    /// Tries until the part is complete, or there is no point in going on.
    fn run(&self, part: &mut Part) -> Result<(), NpmError> {
        let mut fruitless = 0;
        let mut most = part.length()?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (status, reason) = match self.attempt(part)? {
                Outcome::Complete => return Ok(()),
                Outcome::Broken { status, reason } => (status, reason),
            };
            let now = part.length()?;
            fruitless = if now > most { 1 } else { fruitless + 1 };
            most = most.max(now);
            if fruitless >= TRIES_MAX || attempt >= TRIES_IN_ALL_MAX {
                let reason = match status {
                    Some(status) => format!("the server answers with status {status}, {attempt} tries"),
                    None => format!("{reason} ({attempt} tries)"),
                };
                return Err(self.unreachable(reason));
            }
            (self.report)(Progress::Retrying { package: &self.pin.package, attempt: attempt + 1, reason: &reason });
            std::thread::sleep(self.registry.retry_pause().saturating_mul(1 << fruitless.min(4)));
        }
    }
}

/// The pause before a second try; it doubles with each try that brought nothing.
const RETRY_PAUSE: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests;
