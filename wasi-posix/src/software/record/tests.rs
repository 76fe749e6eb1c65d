#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::*;

pub(in super::super) fn file(path: &str, bytes: &[u8]) -> Entry {
    let blob = BlobId::new(*blake3::hash(bytes).as_bytes());
    entry(path, 0o755, Node::File { size: bytes.len() as u64, blob })
}

pub(in super::super) fn directory(path: &str) -> Entry {
    entry(path, 0o755, Node::Directory)
}

pub(in super::super) fn entry(path: &str, mode: u32, node: Node) -> Entry {
    Entry { path: path.into(), mode, uid: 0, gid: 0, mtime_seconds: 1_700_000_000, node }
}

/// A package with a `/bin` and these commands in it, each with its own name as contents.
pub(in super::super) fn package(name: &str, layout: Layout, commands: &[&str]) -> PackageRecord {
    let mut entries = vec![directory("/bin")];
    entries.extend(commands.iter().map(|command| file(&format!("/bin/{command}"), command.as_bytes())));
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    PackageRecord {
        format: RECORD_FORMAT,
        name: name.into(),
        version: "1.0.0".into(),
        layout,
        origin: Origin::Directory,
        integrity: None,
        installed_at: 7,
        commands: commands
            .iter()
            .map(|command| Command { name: (*command).into(), entry: format!("/bin/{command}") })
            .collect(),
        man_pages: Vec::new(),
        entries,
        provides: Provides::default(),
        agent: None,
        snapshot_bundle: None,
    }
}

fn refused(change: impl FnOnce(&mut PackageRecord)) -> RecordFault {
    let mut record = package("tools", Layout::Package, &["a", "b"]);
    change(&mut record);
    record.check().unwrap_err()
}

#[test]
fn a_record_survives_its_text() {
    let mut record = package("tools", Layout::Package, &["a", "b"]);
    record.origin = Origin::Registry { pin: "t".into(), package: "@s/t".into() };
    record.entries.push(entry("/link", 0o777, Node::Symlink { target: "bin/a".into() }));
    record.agent = Some(Agent {
        acp_entrypoint: "a".into(),
        snapshot: true,
        env: BTreeMap::from([("K".into(), "V".into())]),
        launch_args: vec!["--x".into()],
    });
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<PackageRecord>(&text).unwrap(), record);
    assert_eq!(record.check(), Ok(()));
    assert!(record.is_called("tools") && record.is_called("t") && record.is_called("@s/t"));
    assert!(!record.is_called("s"));
}

#[test]
fn what_a_record_may_not_say() {
    assert_eq!(refused(|r| r.format = 2), RecordFault::Format { found: 2 });
    assert!(matches!(refused(|r| r.name = "../x".into()), RecordFault::Identifier { .. }));
    assert!(matches!(refused(|r| r.entries[1].path = "/bin/../a".into()), RecordFault::Path { .. }));
    assert!(matches!(refused(|r| r.entries[1].path = "/bin/b".into()), RecordFault::Duplicate { .. }));
    assert!(matches!(refused(|r| r.entries.swap(1, 2)), RecordFault::Unsorted { .. }));
    assert!(matches!(refused(|r| drop(r.entries.remove(0))), RecordFault::Parent { .. }));
    assert!(matches!(refused(|r| r.entries[1].mode = 0o100755), RecordFault::Mode { .. }));
    assert!(matches!(refused(|r| r.commands[0].entry = "/bin".into()), RecordFault::CommandEntry { .. }));
    assert!(matches!(refused(|r| r.commands[0].name = "b".into()), RecordFault::Duplicate { .. }));
    let big = |r: &mut PackageRecord| {
        for entry in &mut r.entries[1..] {
            let Node::File { size, .. } = &mut entry.node else { panic!("not a file") };
            *size = u64::MAX - 1;
        }
    };
    assert_eq!(refused(big), RecordFault::TooManyBytes);
    let env = |r: &mut PackageRecord| drop(r.provides.env.insert("A=B".into(), String::new()));
    assert!(matches!(refused(env), RecordFault::Environment { .. }));
}

#[test]
fn entries_are_found_by_path_and_prefix() {
    let mut record = package("tools", Layout::Package, &["a", "b"]);
    record.entries.push(directory("/bin-x"));
    record.entries.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(record.check(), Ok(()));
    assert!(record.entry("/bin/a").is_some() && record.entry("/bin/c").is_none());
    let below: Vec<_> = record.entries_below("/bin").iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(below, ["/bin/a", "/bin/b"]);
    assert_eq!(record.entries_below("/").len(), record.entries.len());
    assert!(record.entries_below("/bin/a").is_empty());
}

#[test]
fn blob_names_are_exact() {
    let id = BlobId::new([0xab; 32]);
    assert_eq!(BlobId::parse(&id.to_string()), Some(id));
    assert_eq!(BlobId::parse(&id.to_string().to_uppercase()), None);
    assert_eq!(BlobId::parse("ab"), None);
    assert_eq!(BlobId::parse(&"ü".repeat(32)), None);
}
