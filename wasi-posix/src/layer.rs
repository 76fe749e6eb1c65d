//! The files a session begins with: a small base system, and the installed software over it.

use crate::aot;
use crate::software::project::LayerContent;
use crate::software::{Projection, Store};
use std::collections::HashMap;
use std::sync::Arc;
use warren_kernel::Errno;
use warren_kernel::blob::{Blob, BlobId, Blobs, SharedBytes};
use warren_kernel::vfs::device::Device;
use warren_kernel::vfs::layer::{Attributes, Layer, LayerBuilder, LayerError};

/// The user a session's processes are unless it is told otherwise.
pub const USER: &str = "agent";
/// That user's id and group.
pub const USER_ID: u32 = 1000;
/// That user's directory.
pub const HOME: &str = "/home/agent";
/// Where commands are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/opt/agentos/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a session calls its machine.
pub const HOSTNAME: &str = "warren";

const DIRECTORIES: &[(&str, u32)] = &[
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/mnt", 0o755),
    ("/opt", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/srv", 0o755),
    ("/tmp", 0o1777),
    ("/usr/bin", 0o755),
    ("/usr/lib", 0o755),
    ("/usr/local/bin", 0o755),
    ("/usr/local/sbin", 0o755),
    ("/usr/sbin", 0o755),
    ("/usr/share", 0o755),
    ("/var/log", 0o755),
    ("/var/tmp", 0o1777),
    ("/dev/shm", 0o1777),
    ("/dev/pts", 0o755),
];

const LINKS: &[(&str, &str)] = &[
    ("/bin", "usr/bin"),
    ("/sbin", "usr/sbin"),
    ("/lib", "usr/lib"),
    ("/var/run", "/run"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/etc/mtab", "/proc/self/mounts"),
];

const FILES: &[(&str, &str)] = &[
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n",
    ),
    ("/etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\nusers:x:100:\nagent:x:1000:\n"),
    ("/etc/hosts", "127.0.0.1 localhost warren\n::1 localhost ip6-localhost\n"),
    ("/etc/hostname", "warren\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("/etc/os-release", "NAME=Warren\nID=warren\nPRETTY_NAME=\"Warren\"\n"),
    ("/etc/profile", "export PATH\n"),
    ("/etc/shells", "/bin/sh\n/bin/bash\n"),
];

/// Gives the published tar absolute names in the form it takes.
const TAR: &str = include_str!("layer/tar.sh");

/// The layer of the base system and this software.
///
/// # Errors
/// [`LayerError`] for a projection whose paths do not fit the base system; it names the path.
pub fn build(software: &Projection, blobs: &Arc<dyn Blobs>) -> Result<Arc<Layer>, LayerError> {
    build_with(software, blobs, &[])
}

/// The same with commands of other runtimes: each a path, and what the file has, which its runtime claims.
///
/// # Errors
/// As [`build`].
pub fn build_with(
    software: &Projection,
    blobs: &Arc<dyn Blobs>,
    commands: &[(&str, &[u8])],
) -> Result<Arc<Layer>, LayerError> {
    let mut builder = LayerBuilder::new();
    add_base(&mut builder)?;
    for (path, content) in commands {
        builder.text(path, Attributes { mode: 0o755, uid: 0, gid: 0, mtime_seconds: 0 }, content)?;
    }
    add_software(&mut builder, software, blobs)?;
    Ok(builder.build())
}

fn add_base(builder: &mut LayerBuilder) -> Result<(), LayerError> {
    let root = |mode| Attributes { mode, uid: 0, gid: 0, mtime_seconds: 0 };
    for (path, mode) in DIRECTORIES {
        builder.directory(path, root(*mode))?;
    }
    builder.directory(HOME, Attributes { mode: 0o755, uid: USER_ID, gid: USER_ID, mtime_seconds: 0 })?;
    for (path, target) in LINKS {
        builder.symlink(path, target, root(0o777))?;
    }
    for (path, text) in FILES {
        builder.text(path, root(0o644), text.as_bytes())?;
    }
    builder.text("/usr/local/bin/tar", root(0o755), TAR.as_bytes())?;
    for (name, rdev, mode) in Device::NODES {
        builder.device(&format!("/dev/{name}"), root(*mode), *rdev)?;
    }
    Ok(())
}

fn add_software(builder: &mut LayerBuilder, software: &Projection, blobs: &Arc<dyn Blobs>) -> Result<(), LayerError> {
    // One content is one blob, however many names it has.
    let mut known: HashMap<BlobId, Arc<Blob>> = HashMap::new();
    for entry in &software.entries {
        let attributes =
            Attributes { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime_seconds: entry.mtime_seconds };
        match &entry.content {
            LayerContent::Directory { implied: true } if builder.contains(&entry.path) => {}
            LayerContent::Directory { .. } => {
                builder.directory(&entry.path, attributes)?;
            }
            LayerContent::Symlink { target } => {
                builder.symlink(&entry.path, target, attributes)?;
            }
            LayerContent::File { size, blob } => {
                let id = BlobId(*blob.as_bytes());
                let blob = known.entry(id).or_insert_with(|| Blob::lazy(id, *size, blobs.clone()));
                builder.file(&entry.path, attributes, blob.clone())?;
            }
        }
    }
    Ok(())
}

/// Contents of the store, mapped.
#[derive(Debug)]
pub struct StoreBlobs(pub Store);

impl Blobs for StoreBlobs {
    fn load(&self, id: &BlobId, len: u64) -> Result<SharedBytes, Errno> {
        aot::map(&self.0.blob_path(&crate::software::BlobId::new(id.0)), len)
    }
}
