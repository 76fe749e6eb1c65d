//! Packages as input: opened, installed into a store, read back, laid out, made a layer.

use crate::sample;
use arbitrary::Unstructured;
use std::io::Read as _;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use warren_fuzz_kernel::edit::edited;
use warren_kernel::Errno;
use warren_kernel::blob::{BlobId, Blobs, SharedBytes};
use warren_wasi_posix::software::aospkg::IndexKind;
use warren_wasi_posix::software::npm::Integrity;
use warren_wasi_posix::software::{Aospkg, PackageKind, PackageRecord, Pin, Source, Store, install, path, project};
use warren_wasi_posix::{layer, shape};

/// What an input is taken for.
pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let mut input = Unstructured::new(data);
    match kind % 12 {
        0 => open_in_memory(data),
        1 => open_in_memory(&edited(&sample::package_file(), &mut input)),
        2 => install_file("package.aospkg", &edited(&sample::package_file(), &mut input), None),
        3 => {
            let tar = sample::with_checksums(edited(&sample::commands_tar(), &mut input));
            install_file("package.tgz", &sample::gzip(&tar), None);
        }
        4 => {
            let tar = sample::with_checksums(edited(&sample::commands_tar(), &mut input));
            install_file("package.tgz", &sample::gzip(&tar), Some(PackageKind::Commands));
        }
        5 => {
            let tar = sample::package_tar(&edited(&sample::package_file(), &mut input));
            install_file("package.tgz", &sample::gzip(&tar), Some(PackageKind::Aospkg));
        }
        6 => install_file("package.tgz", &edited(&sample::gzip(&sample::commands_tar()), &mut input), None),
        7 => install_file("package.tgz", &sample::gzip(&sample::with_checksums(data.to_vec())), None),
        8 => record(&edited(sample::RECORD.as_bytes(), &mut input)),
        9 => paths(data),
        10 => drop(shape::check(data)),
        _ => {
            if let Ok(text) = std::str::from_utf8(data)
                && let Ok(integrity) = Integrity::parse(text)
            {
                assert_eq!(Integrity::parse(&integrity.to_string()).ok(), Some(integrity));
            }
        }
    }
}

/// What opens keeps every promise that those who use it rely on.
fn open_in_memory(bytes: &[u8]) {
    let Ok(package) = Aospkg::open("input", bytes) else { return };
    for entry in package.entries() {
        assert_eq!(path::check_absolute(&entry.path), Ok(()));
        assert_eq!(entry.mode & !0o7777, 0);
        if let IndexKind::File { offset, size } = entry.kind {
            let mut contents = Vec::new();
            let read = package.contents(offset, size).read_to_end(&mut contents);
            assert_eq!(read.ok(), Some(size as usize), "{entry:?}");
        }
    }
}

struct Place {
    folder: TempDir,
    store: Store,
}

/// One store, emptied after each use. In memory where the system has such a folder: a store waits for its disk.
fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder can be made");
        let store = Store::open(folder.path().join("store")).expect("it is ours");
        Place { folder, store }
    })
}

fn install_file(name: &str, bytes: &[u8], pinned: Option<PackageKind>) {
    let place = place();
    let file = place.folder.path().join(name);
    std::fs::write(&file, bytes).expect("it is ours");
    let pin = pinned.map(|kind| Pin {
        name: "tools".to_owned(),
        package: "@scope/tools".to_owned(),
        version: "1.2.3".to_owned(),
        integrity: Integrity::of(bytes).expect("it is in memory").to_string(),
        size: None,
        kind,
    });
    let Ok(source) = Source::from_path(&file, pin.as_ref()) else { return };
    let installed = install(&place.store, source, &|_| ());
    let found = place.store.packages().expect("what is in the store can be read");
    match installed {
        Ok(record) => {
            assert_eq!(found, [record.clone()]);
            assert!(place.store.verify(None).expect("it can be read").is_empty());
            lay_out(&record);
            place.store.lock().and_then(|lock| lock.remove(&record.name)).expect("it was just installed");
        }
        Err(_) => {
            assert!(found.is_empty(), "what failed is not visible");
            place.store.lock().and_then(|lock| lock.collect()).expect("it is ours");
        }
    }
    let left = std::fs::read_dir(place.folder.path().join("store/tmp")).expect("it is ours").count();
    assert_eq!(left, 0, "temporary files are left");
}

/// A record that passes its own check can be laid out, alone and behind another package that wants the same paths.
fn record(text: &[u8]) {
    let Ok(record) = serde_json::from_slice::<PackageRecord>(text) else { return };
    if record.check().is_ok() {
        lay_out(&record);
    }
}

fn lay_out(record: &PackageRecord) {
    let other: PackageRecord = serde_json::from_str(sample::RECORD).expect("it is true");
    for packages in [vec![record], vec![&other, record], vec![record, &other], vec![record, record]] {
        let projection = project(packages);
        let mut seen = std::collections::HashSet::from(["/"]);
        for entry in &projection.entries {
            assert_eq!(path::check_absolute(&entry.path), Ok(()), "{projection:?}");
            assert!(seen.insert(&entry.path), "{} twice", entry.path);
            let parent = path::parent(&entry.path).expect("the root is not listed");
            assert!(seen.contains(parent), "{} before {parent}", entry.path);
        }
        projection.warnings.iter().for_each(|warning| drop(warning.to_string()));
        let blobs: Arc<dyn Blobs> = Arc::new(Nothing);
        drop(layer::build(&projection, &blobs));
    }
}

struct Nothing;

impl Blobs for Nothing {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        Err(Errno::EIO)
    }
}

/// What the arithmetic on paths gives is a path.
fn paths(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (one, two) = text.split_once('\n').unwrap_or((text, "x"));
    if let Ok(path) = path::in_package(one) {
        assert_eq!(path::check_absolute(&path), Ok(()));
    }
    if path::check_absolute(one).is_ok() {
        if path::check_link_target(two).is_ok()
            && let Some(led) = path::resolve_link(one, two)
        {
            assert!(led.starts_with('/') && !led.contains("/../") && !led.contains("//"), "{led}");
        }
        if path::check_absolute(two).is_ok() {
            let joined = path::join(one, two);
            assert!(joined.starts_with('/') && !joined.contains("//"), "{joined}");
        }
    }
}
