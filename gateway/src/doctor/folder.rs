//! The data folder: who may use it, who does, what its disk is like.

use super::Report;
use crate::serve::{KEY_FILE, LOCK};
use rustix::fs::{Access, access, statfs, statvfs};
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use warren_config::Config;
use warren_config::value::Size;

/// Bytes that are written to see that writing works.
const PROBE: [u8; 4096] = [0x5a; 4096];
/// Files that a disk should have room for.
const INODES_MIN: u64 = 10_000;
/// Kinds of file systems, by the number that statfs() says, on which what is kept may not be what is wanted.
const DOUBTFUL: &[(u64, &str, &str)] = &[
    (0x0102_1994, "tmpfs", "is in memory: what is kept is gone when the machine restarts"),
    (0x8584_58f6, "ramfs", "is in memory: what is kept is gone when the machine restarts"),
    (0x794c_7630, "overlayfs", "is a container's own layer: what is kept is gone with the container"),
    (0x6969, "nfs", "is on another machine: whether a sync and a lock hold is up to it"),
    (0xff53_4d42, "cifs", "is on another machine: whether a sync and a lock hold is up to it"),
    (0xfe53_4d42, "smb2", "is on another machine: whether a sync and a lock hold is up to it"),
    (0x0102_1997, "9p", "is on another machine: whether a sync and a lock hold is up to it"),
    (0x6573_5546, "fuse", "is a program's: whether a sync and a lock hold is up to it"),
];

/// The server that uses the folder.
#[derive(Debug)]
pub(super) struct Holder {
    /// Its process, as this system numbers it.
    pub(super) pid: Option<u32>,
    /// Where it listens.
    pub(super) url: Option<String>,
}

/// Looks at all of it; who uses it, if somebody does.
pub(super) fn check(report: &mut Report, config: &Config) -> Option<Holder> {
    let dir = &config.data.dir;
    let metadata = match std::fs::metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            not_there(report, dir);
            return None;
        }
        Err(error) => {
            report.error("data.folder", format!("{}: {error}", dir.display()), OTHER_FOLDER);
            return None;
        }
    };
    if !metadata.is_dir() {
        report.error("data.folder", format!("{} is no folder", dir.display()), OTHER_FOLDER);
        return None;
    }
    private(report, dir, &metadata);
    match probe(dir) {
        Ok(()) => report.ok("data.write", "a file was written, synced, renamed over another and read again"),
        Err(error) => {
            report.error("data.write", format!("{}: {error}", dir.display()), writable(dir, &metadata, &error))
        }
    }
    disk(report, config);
    keys(report, config);
    lock(report, dir)
}

const OTHER_FOLDER: &str = "name another by data.dir or --dir, or make way for it";

/// A folder that is still to be made.
fn not_there(report: &mut Report, dir: &Path) {
    let above = dir.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
    match access(above, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => report.ok("data.folder", format!("{} is not there yet; a server makes it", dir.display())),
        Err(error) => report.error(
            "data.folder",
            format!("{} is not there, and cannot be made in {}: {error}", dir.display(), above.display()),
            OTHER_FOLDER,
        ),
    }
}

fn private(report: &mut Report, dir: &Path, metadata: &Metadata) {
    let (mode, owner) = (metadata.permissions().mode() & 0o777, metadata.uid());
    let own = rustix::process::geteuid().as_raw();
    if owner != own && own != 0 {
        let what = format!("{} belongs to user {owner}; this is user {own}", dir.display());
        report.warning("data.folder", what, "run `warren doctor` as the user that the server runs as");
    } else if mode & 0o077 != 0 {
        let what = format!("{} has the mode {mode:04o}: others can look into it", dir.display());
        report.warning("data.folder", what, format!("chmod 700 {}", dir.display()));
    } else {
        report.ok("data.folder", format!("{}, for user {owner} only", dir.display()));
    }
}

/// Writes, syncs, renames and reads, as a server does.
fn probe(dir: &Path) -> io::Result<()> {
    let place = |which: &str| dir.join(format!(".doctor-{}-{which}", std::process::id()));
    let (old, new) = (place("old"), place("new"));
    let done = (|| {
        for (path, bytes) in [(&old, &PROBE[..8]), (&new, &PROBE[..])] {
            let mut file = File::options().write(true).create_new(true).open(path)?;
            file.write_all(bytes).and_then(|()| file.sync_all())?;
        }
        std::fs::rename(&new, &old)?;
        File::open(dir)?.sync_all()?;
        match std::fs::read(&old)? == PROBE {
            true => Ok(()),
            false => Err(io::Error::other("what was written is not what is read")),
        }
    })();
    for path in [old, new] {
        let _ = std::fs::remove_file(path);
    }
    done
}

fn writable(dir: &Path, metadata: &Metadata, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => format!(
            "run the server as user {}, or give the folder to its user: chown -R USER {}",
            metadata.uid(),
            dir.display()
        ),
        ErrorKind::ReadOnlyFilesystem => "mount it writable, or name another folder by data.dir or --dir".to_owned(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free space there".to_owned(),
        _ => OTHER_FOLDER.to_owned(),
    }
}

fn disk(report: &mut Report, config: &Config) {
    let (dir, reserve) = (&config.data.dir, config.data.reserve);
    let known = statfs(dir).ok().and_then(|found| {
        let kind = u64::try_from(found.f_type).ok()? & 0xffff_ffff;
        DOUBTFUL.iter().find(|(number, ..)| *number == kind)
    });
    if let Some((_, name, why)) = known {
        report.warning(
            "data.disk",
            format!("{} ({name}) {why}", dir.display()),
            "put data.dir on a disk of this machine",
        );
    }
    let found = match statvfs(dir) {
        Ok(found) => found,
        Err(error) => return report.error("data.space", format!("{}: {error}", dir.display()), OTHER_FOLDER),
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let has = format!("{} MiB are free, data.reserve is {reserve}", free >> 20);
    let mend = "free space there, or set a smaller data.reserve";
    if free < reserve.0 {
        report.error("data.space", format!("{has}: nothing new is begun"), mend);
    } else if Size(free) < Size(reserve.0.saturating_mul(2)) {
        report.warning("data.space", format!("{has}: little more, and nothing new is begun"), mend);
    } else {
        report.ok("data.space", has);
    }
    if found.f_files > 0 && found.f_favail < INODES_MIN {
        let what = format!("there is room for {} more files", found.f_favail);
        report.warning("data.space", what, "remove files there, or make a file system with more inodes");
    }
}

fn keys(report: &mut Report, config: &Config) {
    let dir = &config.data.dir;
    let node = config.data.key_file.clone().unwrap_or_else(|| dir.join("node.key"));
    key(report, "data.client_key", &dir.join(KEY_FILE), "whoever reads it may do everything at the server");
    key(report, "data.node_key", &node, "whoever reads it can read all sessions that are kept");
    let kept = dir.join("store").read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if kept && matches!(std::fs::metadata(&node), Err(error) if error.kind() == ErrorKind::NotFound) {
        let what = format!("{} is not there; without it nothing of what is kept can be read", node.display());
        report.error("data.node_key", what, "bring it back from a backup, or name its place by data.key_file");
    }
}

/// A file that only its user should read.
fn key(report: &mut Report, check: &'static str, path: &Path, why: &str) {
    // One that is not there gives nothing away.
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => report.ok(check, format!("{} is for its user only", path.display())),
        _ => report.error(
            check,
            format!("{} has the mode {mode:04o}; {why}", path.display()),
            format!("chmod 600 {}", path.display()),
        ),
    }
}

/// Who uses the folder. It is held for the blink of an eye when nobody does.
fn lock(report: &mut Report, dir: &Path) -> Option<Holder> {
    let path: PathBuf = dir.join(LOCK);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            report.ok("data.lock", "no server has used it yet");
            return None;
        }
        Err(error) => {
            report.warning(
                "data.lock",
                format!("{}: {error}", path.display()),
                "run `warren doctor` as the server's user",
            );
            return None;
        }
    };
    match file.try_lock_shared() {
        Ok(()) => {
            report.ok("data.lock", "no server uses it now");
            None
        }
        Err(TryLockError::WouldBlock) => {
            let mut said = String::new();
            let _ = file.take(256).read_to_string(&mut said);
            let mut words = said.split_whitespace();
            let pid = words.by_ref().find(|word| *word == "process").and_then(|_| words.next()?.parse().ok());
            let url = words.find(|word| word.starts_with("http://")).map(str::to_owned);
            report.ok("data.lock", format!("a server uses it: {}", said.trim()));
            Some(Holder { pid, url })
        }
        Err(TryLockError::Error(error)) => {
            let what = format!("{} cannot be locked: {error}", path.display());
            report.error("data.lock", what, "put data.dir on a file system that knows flock()");
            None
        }
    }
}
