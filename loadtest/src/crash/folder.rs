//! What a server leaves behind: bytes of its folder, descriptors and memory of its process.

use crate::bed::Failure;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use warren_cluster::folder::Folder;
use warren_cluster::keeper::KeeperOptions;
use warren_cluster::store::DiskStore;
use warren_session::id::TenantId;
use warren_wasi_posix::system::SystemHost;

/// Sweeps until nothing is left to collect: what one condemns a later one deletes.
const SWEEPS: usize = 4;
/// Looks at what a process has open, and the pause after each.
const LOOKS: usize = 40;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Collects what nobody refers to, without a grace. No server may run on the folder.
pub(crate) fn sweep(dir: &Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let keeper = KeeperOptions { grace: Duration::ZERO, tombstones: Duration::ZERO, ..KeeperOptions::default() };
    let folder = Folder { keeper, ..Folder::new(dir) };
    let (keeper, _) = folder.open(Arc::new(SystemHost), runtime.handle().clone())?;
    let tenant = TenantId::embedded();
    for _ in 0..SWEEPS {
        let swept = runtime.block_on(keeper.sweep(&tenant))?;
        if !swept.unreadable.is_empty() {
            return Err(format!("records that cannot be read: {:?}", swept.unreadable).into());
        }
    }
    runtime.block_on(keeper.sync())?;
    drop(keeper);
    // The store takes an object's file away some time after the object: here that is waited for.
    let store = DiskStore::open(&dir.join("store"))?;
    Ok(runtime.block_on(store.settle())?)
}

/// What is kept for its own time, whatever becomes of sessions: who did what, and what was used.
const KEPT: [&str; 2] = ["_audit", "_usage"];

/// The lengths of all files below a folder, but for what is [`KEPT`].
pub(crate) fn bytes_below(dir: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if KEPT.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        if kind.is_dir() {
            sum += bytes_below(&entry.path())?;
        } else if kind.is_file() {
            sum += entry.metadata()?.len();
        }
    }
    Ok(sum)
}

/// The largest files below a folder, for a failure to say what was left.
pub(crate) fn largest(dir: &Path) -> String {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => dirs.push(entry.path()),
                Ok(_) => files.push((entry.metadata().map_or(0, |data| data.len()), entry.path())),
                Err(_) => {}
            }
        }
    }
    files.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let line = |(bytes, path): &(u64, std::path::PathBuf)| format!("  {bytes:>10} {}", path.display());
    let shown: Vec<String> = files.iter().take(12).map(line).collect();
    format!("{} files, the largest:\n{}", files.len(), shown.join("\n"))
}

/// Descriptors a process has open when it does nothing: its threads open files for moments, so the fewest of some looks.
pub(crate) fn descriptors(pid: u32) -> Result<usize, Failure> {
    let mut fewest = usize::MAX;
    for _ in 0..LOOKS {
        fewest = fewest.min(fs::read_dir(format!("/proc/{pid}/fd"))?.count());
        thread::sleep(BETWEEN_LOOKS);
    }
    Ok(fewest)
}

/// Resident bytes of a process.
pub(crate) fn resident(pid: u32) -> Result<u64, Failure> {
    crate::machine::resident_bytes_of(&pid.to_string())
}
