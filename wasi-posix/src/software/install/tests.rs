#![allow(clippy::disallowed_methods, reason = "a test reads its own environment and clock")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::super::aospkg::tests::Written;
use super::super::record::PackageRecord;
use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("cache")).unwrap();
    (folder, store)
}

fn node<'a>(record: &'a PackageRecord, path: &str) -> &'a Entry {
    record.entry(path).unwrap_or_else(|| panic!("no {path}"))
}

fn bytes_at(store: &Store, record: &PackageRecord, path: &str) -> Vec<u8> {
    let Node::File { blob, .. } = node(record, path).node else { panic!("{path} is no file") };
    fs::read(store.blob_path(&blob)).unwrap()
}

/// A tarball with these members; a name that ends in `/` is a directory.
fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(499_162_500);
        // Written by hand: the library would refuse names with `..` in them.
        let field = &mut header.as_mut_bytes()[..100];
        field[..name.len().min(100)].copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
        header.set_entry_type(if name.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

fn write(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn install_tgz(members: &[(&str, &[u8])]) -> Result<(PackageRecord, Store, tempfile::TempDir), InstallError> {
    let (folder, store) = store();
    let path = write(&folder, "x.tgz", &gzip(&tar_of(members)));
    let record = install(&store, Source::from_path(&path, None)?, &|_| {})?;
    Ok((record, store, folder))
}

const JSON: (&str, &[u8]) = ("package/package.json", br#"{"name": "@scope/set", "version": "1.2.3", "x": []}"#);

fn refused(members: &[(&str, &[u8])]) -> TarballFault {
    match install_tgz(members) {
        Err(InstallError::Tarball { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn loose_commands_come_out_of_a_tarball() {
    let members: &[(&str, &[u8])] = &[
        JSON,
        ("package/commands/", b""),
        ("package/commands/ls", b"\0asm ls"),
        ("package/commands/dir", b"\0asm ls"),
        ("package/commands/README", b"no module"),
        ("package/commands/x", b"\0as"),
        ("package/dist/index.js", b"js"),
        ("../../evil", b"\0asm evil"),
        ("/package/commands2/evil", b"\0asm evil"),
    ];
    let (record, store, _folder) = install_tgz(members).unwrap();
    assert_eq!((record.name.as_str(), record.version.as_str(), record.layout), ("set", "1.2.3", Layout::Commands));
    let commands: Vec<_> = record.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(commands, ["ls", "dir"]);
    let ls = node(&record, "/bin/ls");
    assert_eq!((ls.mode, ls.uid, ls.gid, ls.mtime_seconds), (0o755, 0, 0, 499_162_500));
    assert_eq!(node(&record, "/bin/ls").node, node(&record, "/bin/dir").node);
    assert_eq!(bytes_at(&store, &record, "/bin/ls"), b"\0asm ls");
    assert_eq!(store.packages().unwrap(), [record]);
    assert_eq!(store.verify(None).unwrap(), []);
}

#[test]
fn a_package_file_comes_out_of_a_tarball() {
    let package = Written::sample().bytes();
    let (record, store, _folder) = install_tgz(&[JSON, ("package/dist/package.aospkg", &package)]).unwrap();
    assert_eq!((record.name.as_str(), record.version.as_str(), record.layout), ("tools", "1.2.3", Layout::Package));
    assert_eq!(record.origin, Origin::Tarball { pin: None, package: "@scope/set".into() });
    assert!(record.integrity.as_ref().unwrap().starts_with("sha512-"));
    assert_eq!(node(&record, "/bin/hello").mode, 0o755, "a command is executable");
    assert_eq!(node(&record, "/share/data").mode, 0o644);
    assert_eq!(node(&record, "/bin/hi").node, Node::Symlink { target: "hello".into() });
    assert_eq!(bytes_at(&store, &record, "/share/same"), b"\0asm hello");
    let blobs: HashSet<_> = record.blobs().map(|(blob, _)| blob).collect();
    assert_eq!((record.blobs().count(), blobs.len()), (3, 2));
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_package_file_installs_as_it_is() {
    let (folder, store) = store();
    let path = write(&folder, "tools.aospkg", &Written::sample().bytes());
    let record = install(&store, Source::from_path(&path, None).unwrap(), &|_| {}).unwrap();
    assert_eq!(record.origin, Origin::Aospkg);
    let mut without = Written::sample();
    without.commands.push(("ghost", "bin/ghost"));
    let path = write(&folder, "ghost.aospkg", &without.bytes());
    let error = install(&store, Source::Aospkg { path: &path }, &|_| {}).unwrap_err();
    assert!(matches!(&error, InstallError::CommandEntry { command, .. } if command == "ghost"), "{error}");
    let path = write(&folder, "cut.aospkg", &Written::sample().bytes()[..60]);
    let message = install(&store, Source::Aospkg { path: &path }, &|_| {}).unwrap_err().to_string();
    assert!(message.contains("cut.aospkg"), "{message}");
    assert_eq!(store.packages().unwrap(), [record]);
}

#[test]
fn bad_tarballs_are_refused() {
    let module: &[u8] = b"\0asm x";
    assert!(matches!(refused(&[JSON]), TarballFault::Nothing));
    assert!(matches!(refused(&[("package/commands/a", module)]), TarballFault::PackageJson { .. }));
    assert!(matches!(
        refused(&[("package/package.json", b"{"), ("package/commands/a", module)]),
        TarballFault::PackageJson { .. }
    ));
    for bad in ["package/commands/a/b", "package/commands/..", "package/commands//x", "package/commands/../x"] {
        assert!(matches!(refused(&[JSON, (bad, module)]), TarballFault::CommandName { .. }), "{bad}");
    }
    let twice = [JSON, ("package/commands/a", module), ("other/commands/a", module)];
    assert!(matches!(refused(&twice), TarballFault::Twice { .. }));
    let (folder, store) = store();
    for (name, bytes) in [("empty", &b""[..]), ("text", b"hello"), ("elf", b"\x7fELF")] {
        let path = write(&folder, name, bytes);
        assert!(matches!(Source::from_path(&path, None), Err(InstallError::Unrecognised { .. })), "{name}");
    }
    assert!(Source::from_path(&folder.path().join("absent"), None).is_err());
    assert!(store.packages().unwrap().is_empty());
}

#[test]
fn links_and_long_headers_are_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "package/commands/a", "/etc/passwd").unwrap();
    let (folder, store) = store();
    let path = write(&folder, "link.tgz", &gzip(&builder.into_inner().unwrap()));
    let error = install(&store, Source::from_path(&path, None).unwrap(), &|_| {}).unwrap_err();
    assert!(matches!(&error, InstallError::Tarball { fault: TarballFault::NotAFile { .. }, .. }), "{error}");

    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(1 << 32);
    header.set_cksum();
    let path = write(&folder, "long.tgz", &gzip(header.as_bytes()));
    let error = install(&store, Source::from_path(&path, None).unwrap(), &|_| {}).unwrap_err();
    assert!(matches!(&error, InstallError::Tarball { fault: TarballFault::LongHeader { .. }, .. }), "{error}");
}

#[test]
fn long_names_come_in_pax_and_gnu_headers() {
    let long = format!("package/commands/{}", "n".repeat(120));
    for gnu in [true, false] {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = if gnu { tar::Header::new_gnu() } else { tar::Header::new_ustar() };
        header.set_size(6);
        header.set_mode(0o644);
        if gnu {
            builder.append_data(&mut header, &long, &b"\0asm x"[..]).unwrap();
        } else {
            builder.append_pax_extensions([("path", long.as_bytes())]).unwrap();
            header.set_path("package/short").unwrap();
            header.set_cksum();
            builder.append(&header, &b"\0asm x"[..]).unwrap();
        }
        let mut bytes = builder.into_inner().unwrap();
        bytes.truncate(bytes.len() - 1024);
        bytes.extend(tar_of(&[JSON]));
        let (folder, store) = store();
        let path = write(&folder, "x.tgz", &gzip(&bytes));
        let record = install(&store, Source::from_path(&path, None).unwrap(), &|_| {}).unwrap();
        assert_eq!(record.commands[0].name, "n".repeat(120), "gnu: {gnu}");
    }
}

#[test]
fn a_local_tarball_is_held_to_its_pin() {
    let (folder, store) = store();
    let bytes = gzip(&tar_of(&[JSON, ("package/commands/a", b"\0asm a")]));
    let path = write(&folder, "x.tgz", &bytes);
    let mut pin = Pin {
        name: "mine".into(),
        package: "@scope/set".into(),
        version: "9.9.9".into(),
        integrity: Integrity::of(&bytes[..]).unwrap().to_string(),
        size: None,
        kind: PackageKind::Commands,
    };
    let record = install(&store, Source::from_path(&path, Some(&pin)).unwrap(), &|_| {}).unwrap();
    assert_eq!((record.name.as_str(), record.version.as_str()), ("mine", "9.9.9"));
    assert!(record.is_called("@scope/set"));
    pin.kind = PackageKind::Aospkg;
    let error = install(&store, Source::Tarball { path: &path, pin: Some(&pin) }, &|_| {}).unwrap_err();
    assert!(matches!(&error, InstallError::Tarball { fault: TarballFault::NotAsPinned { .. }, .. }), "{error}");
    pin.integrity = Integrity::of(&b"other"[..]).unwrap().to_string();
    let error = install(&store, Source::Tarball { path: &path, pin: Some(&pin) }, &|_| {}).unwrap_err();
    assert!(matches!(error, InstallError::NotThePin { .. }), "{error}");
}

#[test]
fn a_tarball_cut_off_anywhere_is_refused_and_leaves_nothing() {
    let (folder, store) = store();
    let bytes = gzip(&tar_of(&[JSON, ("package/commands/a", &b"\0asm data that goes on for a while ".repeat(40))]));
    for length in 2..bytes.len() - 8 {
        let path = write(&folder, "cut.tgz", &bytes[..length]);
        let result = install(&store, Source::Tarball { path: &path, pin: None }, &|_| {});
        // The end of a tar may be missing: tar itself does not mind. Never is half a file taken for a whole one.
        if let Ok(record) = result {
            assert_eq!(bytes_at(&store, &record, "/bin/a").len(), 35 * 40, "cut off at {length}");
        }
    }
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_folder_installs_as_it_is() {
    let (folder, store) = store();
    let root = folder.path().join("my-tools");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::create_dir_all(root.join("share/man/man1")).unwrap();
    fs::write(root.join("bin/run"), "#!/bin/sh\n").unwrap();
    fs::write(root.join("bin/module"), b"\0asm").unwrap();
    fs::write(root.join("bin/notes.txt"), "notes").unwrap();
    fs::write(root.join("share/man/man1/run.1"), ".TH").unwrap();
    fs::set_permissions(root.join("bin/run"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("run", root.join("bin/again")).unwrap();
    symlink("../share", root.join("bin/data")).unwrap();
    let record = install(&store, Source::from_path(&root, None).unwrap(), &|_| {}).unwrap();
    assert_eq!((record.name.as_str(), record.version.as_str()), ("my-tools", "0.0.0"));
    let commands: Vec<_> = record.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(commands, ["again", "module", "run"]);
    assert_eq!(node(&record, "/bin/run").mode, 0o750);
    assert_eq!(node(&record, "/bin/run").uid, 0);
    assert_eq!(node(&record, "/bin/data").node, Node::Symlink { target: "../share".into() });
    assert_eq!(record.man_pages[0].page, "share/man/man1/run.1");
    assert_eq!(store.verify(None).unwrap(), []);
}

#[test]
fn a_folder_may_say_what_it_is() {
    let (folder, store) = store();
    let root = folder.path().join("x");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::write(root.join("bin/run"), "#!/bin/sh\n").unwrap();
    let manifest = r#"{"name": "helper", "version": "2.0.0",
        "agent": {"acpEntrypoint": "run", "launchArgs": ["--acp"]},
        "provides": {"env": {"A": "1"}, "files": [{"source": "bin", "target": "/helper"}]}}"#;
    fs::write(root.join("agentos-package.json"), manifest).unwrap();
    let record = install(&store, Source::Directory { path: &root }, &|_| {}).unwrap();
    assert_eq!((record.name.as_str(), record.version.as_str()), ("helper", "2.0.0"));
    assert_eq!(record.agent.as_ref().unwrap().launch_args, ["--acp"]);
    assert_eq!(record.provides.files[0].source, "/bin");
    assert!(record.entry("/agentos-package.json").is_none());
}

#[test]
fn bad_folders_are_refused() {
    let (folder, store) = store();
    let fault = |prepare: &dyn Fn(&Path)| {
        let root = folder.path().join("tools");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("bin")).unwrap();
        prepare(&root);
        match install(&store, Source::Directory { path: &root }, &|_| {}) {
            Err(InstallError::Directory { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(fault(&|root| fs::remove_dir(root.join("bin")).unwrap()), DirectoryFault::NoBin));
    for target in ["/etc/passwd", "../../outside", "../bin/../../x"] {
        let out = fault(&|root| symlink(target, root.join("bin/out")).unwrap());
        assert!(matches!(out, DirectoryFault::LinkOut { .. }), "{target}");
    }
    let socket = fault(&|root| drop(std::os::unix::net::UnixListener::bind(root.join("bin/s")).unwrap()));
    assert!(matches!(socket, DirectoryFault::Special { .. }));
    let deep = fault(&|root| fs::create_dir_all(root.join("d/".repeat(130))).unwrap());
    assert!(matches!(deep, DirectoryFault::TooDeep { .. }));
    let name = fault(&|root| fs::write(root.join("agentos-package.json"), r#"{"name": "../x"}"#).unwrap());
    assert!(matches!(name, DirectoryFault::Name { .. }));
    let manifest = fault(&|root| fs::write(root.join("agentos-package.json"), "[").unwrap());
    assert!(matches!(manifest, DirectoryFault::Manifest { .. }));
    assert!(store.packages().unwrap().is_empty());
}

#[test]
fn installing_again_repairs() {
    let (folder, store) = store();
    let path = write(&folder, "tools.aospkg", &Written::sample().bytes());
    let record = install(&store, Source::Aospkg { path: &path }, &|_| {}).unwrap();
    let (blob, _) = record.blobs().next().unwrap();
    fs::remove_file(store.blob_path(&blob)).unwrap();
    assert_eq!(store.verify(None).unwrap().len(), 1);
    install(&store, Source::Aospkg { path: &path }, &|_| {}).unwrap();
    assert_eq!(store.verify(None).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_mutated_tarball_makes_it_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let package = Written::sample().bytes();
        let mut tar = tar_of(&[JSON, ("package/dist/package.aospkg", &package), ("package/commands/a", b"\0asm")]);
        for (at, value) in changes {
            let at = at.index(tar.len());
            tar[at] = value;
        }
        let (folder, store) = store();
        for bytes in [gzip(&tar), gzip(&tar[..cut.index(tar.len())])] {
            let path = write(&folder, "x.tgz", &bytes);
            let _ = install(&store, Source::Tarball { path: &path, pin: None }, &|_| {});
        }
        prop_assert_eq!(store.verify(None).unwrap(), []);
    }
}

/// The real registry, when there is a network. The large ones run with `--ignored`.
mod network {
    use super::*;
    use std::time::Instant;

    fn pin(name: &str, package: &str, version: &str, kind: PackageKind, size: u64, integrity: &str) -> Pin {
        Pin {
            name: name.into(),
            package: package.into(),
            version: version.into(),
            integrity: format!("sha512-{integrity}"),
            size: Some(size),
            kind,
        }
    }

    fn install_real(pin: &Pin) -> Option<(PackageRecord, Store, tempfile::TempDir)> {
        let (folder, store) = store();
        let registry = Registry::from_environment(&|name| std::env::var_os(name), folder.path()).unwrap();
        let start = Instant::now();
        match install(&store, Source::Pin { pin, registry: &registry }, &|_| {}) {
            Err(InstallError::Npm(error @ NpmError::Unreachable { .. })) => {
                eprintln!("skipped: no network ({error})");
                None
            }
            result => {
                let record = result.unwrap();
                let blobs: HashSet<_> = record.blobs().map(|(blob, _)| blob).collect();
                let bytes: u64 = record.blobs().collect::<HashSet<_>>().iter().map(|(_, size)| size).sum();
                eprintln!(
                    "{}: {} commands, {} files, {} blobs, {bytes} bytes, {:?}",
                    record.label(),
                    record.commands.len(),
                    record.blobs().count(),
                    blobs.len(),
                    start.elapsed()
                );
                assert_eq!(store.verify(None).unwrap(), []);
                assert_eq!(fs::read_dir(store.downloads()).unwrap().count(), 0);
                Some((record, store, folder))
            }
        }
    }

    fn distinct(record: &PackageRecord) -> usize {
        record.blobs().collect::<HashSet<_>>().len()
    }

    #[test]
    fn grep() {
        let pin = pin(
            "grep",
            "@agentos-software/grep",
            "0.3.4",
            PackageKind::Aospkg,
            53_030,
            "Bta2Ljl+kCX/3Bjg06Q9N9LPRcf13S92lHRaYG+CeGVDXabIIgkHLUGIQlI1OKuIr7IRAktjgelUAuJnxGFvvw==",
        );
        let Some((record, store, _folder)) = install_real(&pin) else { return };
        let commands: Vec<_> = record.commands.iter().map(|command| command.name.as_str()).collect();
        assert_eq!(commands, ["egrep", "fgrep"]);
        assert!(bytes_at(&store, &record, "/bin/egrep").starts_with(b"\0asm"));
    }

    #[test]
    #[ignore = "downloads 29 MB"]
    fn coreutils() {
        let pin = pin(
            "coreutils",
            "@agentos-software/coreutils",
            "0.3.4",
            PackageKind::Aospkg,
            29_141_672,
            "tGd0gQjUjHnm+5KgOBwidwUtlkKnl9biQuD7X2sZl15VOhYqUJpnyLF33h/nF3r9WtOTclSiLj/dc2xCxmAXnw==",
        );
        let Some((record, ..)) = install_real(&pin) else { return };
        assert_eq!((record.commands.len(), distinct(&record)), (118, 101));
    }

    #[test]
    #[ignore = "downloads 46 MB"]
    fn the_default_set() {
        let pin = pin(
            "commands",
            "@rivet-dev/agentos-runtime-core",
            "0.2.21",
            PackageKind::Commands,
            45_782_303,
            "NAZ5p8HmCxLx0puSBi2uaTXIlH7xlJWFQjsYe1c4rfySTKzNLu+0UZvVTzsVMJMne3confQx+9d+3o79t2SnxQ==",
        );
        let Some((record, ..)) = install_real(&pin) else { return };
        assert_eq!((record.commands.len(), distinct(&record)), (166, 135));
        let projection = super::super::super::project(&[record]);
        assert!(projection.entries.iter().any(|entry| entry.path == "/usr/bin/git"));
        assert_eq!(projection.warnings, []);
    }
}
