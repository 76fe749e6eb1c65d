//! Unpacking a package file: its index says everything, its files become blobs.

use super::super::aospkg::{Aospkg, IndexKind};
use super::super::progress::{Progress, Report};
use super::super::record::{Entry, Layout, Node};
use super::super::store::StoreLock;
use super::{Contents, InstallError};
use std::fs::File;

pub(super) fn unpack(
    lock: &StoreLock<'_>,
    name: &str,
    file: File,
    report: Report<'_>,
) -> Result<Contents, InstallError> {
    let package = Aospkg::open(name, file)?;
    let manifest = package.manifest().clone();
    let sizes = package.entries().iter().map(|entry| match entry.kind {
        IndexKind::File { size, .. } => size,
        IndexKind::Directory | IndexKind::Symlink { .. } => 0,
    });
    let total = sizes.sum();
    let mut done = 0;
    let mut entries = Vec::with_capacity(package.entries().len());
    for entry in package.entries() {
        let node = match &entry.kind {
            IndexKind::Directory => Node::Directory,
            IndexKind::Symlink { target } => Node::Symlink { target: target.clone() },
            IndexKind::File { offset, size } => {
                let blob = lock.add_blob(package.contents(*offset, *size), *size)?;
                done += size;
                report(Progress::Unpacking { package: &manifest.name, done, total });
                Node::File { size: blob.size, blob: blob.id }
            }
        };
        entries.push(Entry {
            path: entry.path.clone(),
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime_seconds: entry.mtime_seconds,
            node,
        });
    }
    Ok(Contents {
        name: manifest.name,
        version: manifest.version,
        layout: Layout::Package,
        commands: manifest.commands,
        man_pages: manifest.man_pages,
        provides: manifest.provides,
        agent: manifest.agent,
        snapshot_bundle: manifest.snapshot_bundle,
        entries,
    })
}
