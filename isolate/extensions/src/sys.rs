//! The guest's files, directory and environment, as the module resolver and the permission parser ask for them.
//!
//! `require()` and `import` look for packages through these traits and not through the file system of `node:fs`: whoever
//! forgets one has guests resolve modules on the host's disk.

mod environment;
mod types;

pub use environment::Environment;
pub use types::{SysEntry, SysFile, SysMetadata};

use crate::errno::io_error;
use crate::fs::calls::{Calls, Parking, at_once};
use crate::fs::{bytes, open, path_buf, read_entries, real_path, working_directory};
use crate::guest::Guest;
use deno_fs::OpenOptions;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use sys_traits::{
    BaseEnvVar, BaseFsCanonicalize, BaseFsMetadata, BaseFsOpen, BaseFsRead, BaseFsReadDir, EnvCurrentDir, EnvHomeDir,
};
use warren_kernel::vfs::open::At;

/// A guest's system. Cheap to clone; what one clone sets in the environment, all see.
#[derive(Clone, Debug)]
pub struct KernelSys {
    guest: Guest,
    environment: Environment,
}

impl KernelSys {
    /// The system of this guest, whose environment others change too.
    pub fn new(guest: Guest, environment: Environment) -> KernelSys {
        KernelSys { guest, environment }
    }

    /// The environment.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    fn parking(&self) -> Parking<'_> {
        Parking(&self.guest)
    }

    fn stat(&self, path: &Path, follow: bool) -> io::Result<SysMetadata> {
        let stat = self.guest.call(|kernel, call| kernel.stat(call, At::Cwd, bytes(path), follow));
        stat.map(SysMetadata::new).map_err(io_error)
    }
}

impl BaseFsCanonicalize for KernelSys {
    fn base_fs_canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        at_once(real_path(&self.parking(), bytes(path))).map_err(io_error)
    }
}

impl BaseFsMetadata for KernelSys {
    type Metadata = SysMetadata;

    fn base_fs_metadata(&self, path: &Path) -> io::Result<SysMetadata> {
        self.stat(path, true)
    }

    fn base_fs_symlink_metadata(&self, path: &Path) -> io::Result<SysMetadata> {
        self.stat(path, false)
    }

    /// As the standard library: a link that leads nowhere is not there.
    fn base_fs_exists(&self, path: &Path) -> io::Result<bool> {
        match self.stat(path, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            found => found.map(|_| true),
        }
    }
}

impl BaseFsRead for KernelSys {
    fn base_fs_read(&self, path: &Path) -> io::Result<Cow<'static, [u8]>> {
        let content = at_once(open::read_file(&self.parking(), bytes(path), &OpenOptions::read()));
        content.map(Cow::Owned).map_err(io_error)
    }
}

impl BaseFsReadDir for KernelSys {
    type ReadDirEntry = SysEntry;

    fn base_fs_read_dir(&self, path: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<SysEntry>>>> {
        let entries = at_once(read_entries(&self.parking(), bytes(path))).map_err(io_error)?;
        let (sys, directory) = (self.clone(), path.to_path_buf());
        let entry = move |(name, kind): (Vec<u8>, _)| {
            Ok(SysEntry::new(sys.clone(), directory.join(OsStr::from_bytes(&name)), kind))
        };
        Ok(Box::new(entries.into_iter().map(entry)))
    }
}

impl BaseFsOpen for KernelSys {
    type File = SysFile;

    fn base_fs_open(&self, path: &Path, options: &sys_traits::OpenOptions) -> io::Result<SysFile> {
        let options = OpenOptions {
            read: options.read,
            write: options.write,
            create: options.create,
            truncate: options.truncate,
            append: options.append,
            create_new: options.create_new,
            custom_flags: options.custom_flags,
            mode: options.mode,
        };
        let fd = at_once(open::open(&self.parking(), bytes(path), &options)).map_err(io_error)?;
        Ok(SysFile::new(self.parking().keep(fd)))
    }
}

impl EnvCurrentDir for KernelSys {
    fn env_current_dir(&self) -> io::Result<PathBuf> {
        self.guest.with(|kernel, call| working_directory(kernel, call)).map(path_buf).map_err(io_error)
    }
}

impl BaseEnvVar for KernelSys {
    fn base_env_var_os(&self, key: &OsStr) -> Option<OsString> {
        self.environment.get(key.as_bytes()).map(OsString::from_vec)
    }
}

impl EnvHomeDir for KernelSys {
    fn env_home_dir(&self) -> Option<PathBuf> {
        self.environment.get(b"HOME").filter(|home| !home.is_empty()).map(path_buf)
    }
}
