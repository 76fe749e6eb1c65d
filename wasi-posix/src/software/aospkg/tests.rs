#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::*;
use proptest::prelude::*;

/// A package as a test wants it, true or lying.
#[derive(Clone, Debug)]
pub(in super::super) struct Written {
    pub(in super::super) magic: [u8; 4],
    pub(in super::super) container: u16,
    pub(in super::super) flags: u16,
    pub(in super::super) manifest_schema: u16,
    pub(in super::super) index_schema: u16,
    pub(in super::super) name: &'static str,
    pub(in super::super) version: &'static str,
    pub(in super::super) commands: Vec<(&'static str, &'static str)>,
    pub(in super::super) env: Vec<(&'static str, &'static str)>,
    pub(in super::super) files: Vec<(&'static str, &'static str)>,
    pub(in super::super) entries: Vec<Path>,
    pub(in super::super) data: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Path {
    pub(in super::super) path: String,
    pub(in super::super) kind: u8,
    pub(in super::super) offset: u64,
    pub(in super::super) size: u64,
    pub(in super::super) mode: u32,
    pub(in super::super) target: Option<String>,
}

pub(in super::super) fn directory(path: &str) -> Path {
    Path { path: path.into(), kind: 1, offset: 0, size: 0, mode: 0o040755, target: None }
}

pub(in super::super) fn link(path: &str, target: &str) -> Path {
    Path { path: path.into(), kind: 2, offset: 0, size: 0, mode: 0o120777, target: Some(target.into()) }
}

impl Written {
    pub(in super::super) fn sample() -> Written {
        let mut written = Written {
            magic: MAGIC,
            container: 1,
            flags: 0,
            manifest_schema: 1,
            index_schema: 1,
            name: "tools",
            version: "1.2.3",
            commands: vec![("hello", "bin/hello"), ("hi", "bin/hi")],
            env: vec![("EDITOR", "hello")],
            files: vec![("share/data", "/usr/share/tools")],
            entries: vec![directory("/"), directory("/bin")],
            data: Vec::new(),
        };
        written.file("/bin/hello", 0o100644, b"\0asm hello");
        written.entries.push(link("/bin/hi", "hello"));
        written.entries.push(directory("/share"));
        written.file("/share/data", 0o100644, b"some data");
        written.file("/share/same", 0o100600, b"\0asm hello");
        written
    }

    pub(in super::super) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        // A gap before each file, where the tar header is.
        self.data.extend([0xee; 16]);
        let (offset, size) = (self.data.len() as u64, bytes.len() as u64);
        self.data.extend(bytes);
        self.entries.push(Path { path: path.into(), kind: 0, offset, size, mode, target: None });
    }

    pub(in super::super) fn bytes(&self) -> Vec<u8> {
        let mut manifest = self.manifest_schema.to_le_bytes().to_vec();
        text(&mut manifest, self.name);
        text(&mut manifest, self.version);
        manifest.extend([0, 1]);
        pairs(&mut manifest, &self.env);
        pairs(&mut manifest, &self.files);
        pairs(&mut manifest, &self.commands);
        manifest.extend([0, 0]);
        let mut index = self.index_schema.to_le_bytes().to_vec();
        uint(&mut index, self.entries.len() as u64);
        for entry in &self.entries {
            text(&mut index, &entry.path);
            index.push(entry.kind);
            index.extend(entry.offset.to_le_bytes());
            index.extend(entry.size.to_le_bytes());
            index.extend(entry.mode.to_le_bytes());
            index.extend(1000u32.to_le_bytes());
            index.extend(1001u32.to_le_bytes());
            index.extend(1_700_000_000i64.to_le_bytes());
            match &entry.target {
                None => index.push(0),
                Some(target) => {
                    index.push(1);
                    text(&mut index, target);
                }
            }
        }
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.container.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend((manifest.len() as u32).to_le_bytes());
        bytes.extend((index.len() as u32).to_le_bytes());
        bytes.extend(manifest);
        bytes.extend(index);
        bytes.extend(&self.data);
        bytes
    }
}

fn uint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    uint(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
}

fn pairs(bytes: &mut Vec<u8>, pairs: &[(&str, &str)]) {
    uint(bytes, pairs.len() as u64);
    for (first, second) in pairs {
        text(bytes, first);
        text(bytes, second);
    }
}

fn open(bytes: &[u8]) -> Result<Aospkg<&[u8]>, AospkgFault> {
    Aospkg::open("test", bytes).map_err(|error| error.fault)
}

fn refused(change: impl FnOnce(&mut Written)) -> AospkgFault {
    let mut written = Written::sample();
    change(&mut written);
    open(&written.bytes()).unwrap_err()
}

#[test]
fn a_package_says_what_it_is_and_gives_its_files() {
    let bytes = Written::sample().bytes();
    let package = open(&bytes).unwrap();
    let manifest = package.manifest();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("tools", "1.2.3"));
    assert_eq!(manifest.commands[0].entry, "/bin/hello");
    assert_eq!(manifest.provides.env["EDITOR"], "hello");
    assert_eq!(manifest.provides.files[0].source, "/share/data");
    assert_eq!(package.entries().len(), 7);
    let hello = package.entries().iter().find(|entry| entry.path == "/bin/hello").unwrap();
    assert_eq!((hello.mode, hello.uid, hello.gid, hello.mtime_seconds), (0o644, 1000, 1001, 1_700_000_000));
    let IndexKind::File { offset, size } = hello.kind else { panic!("{hello:?}") };
    let mut contents = Vec::new();
    package.contents(offset, size).read_to_end(&mut contents).unwrap();
    assert_eq!(contents, b"\0asm hello");
}

#[test]
fn a_file_on_disk_reads_as_bytes_in_memory_do() {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &Written::sample().bytes()).unwrap();
    let package = Aospkg::open("test", file).unwrap();
    assert_eq!(package.entries(), open(&Written::sample().bytes()).unwrap().entries());
}

#[test]
fn a_package_cut_off_anywhere_is_refused() {
    let bytes = Written::sample().bytes();
    for length in 0..bytes.len() {
        assert!(open(&bytes[..length]).is_err(), "cut off at {length} of {}", bytes.len());
    }
}

#[test]
fn the_header_is_checked() {
    assert!(matches!(refused(|w| w.magic[0] = b'x'), AospkgFault::Magic));
    assert!(matches!(refused(|w| w.container = 2), AospkgFault::ContainerVersion { found: 2 }));
    assert!(matches!(refused(|w| w.flags = 0x100), AospkgFault::Flags { found: 0x100 }));
    let mut bytes = Written::sample().bytes();
    bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(open(&bytes), Err(AospkgFault::ChunkTooLong { chunk: Chunk::Manifest, .. })));
    bytes[8..12].copy_from_slice(&CHUNK_BYTES_MAX.to_le_bytes());
    assert!(matches!(open(&bytes), Err(AospkgFault::CutOff { .. })));
}

#[test]
fn schema_two_is_refused_by_name_with_a_way_out() {
    let fault = refused(|w| w.manifest_schema = 2);
    assert!(matches!(fault, AospkgFault::UnsupportedSchema { chunk: Chunk::Manifest, found: 2 }));
    let message = fault.to_string();
    assert!(message.contains("schema v2") && message.contains("older version"), "{message}");
    let fault = refused(|w| w.index_schema = 2);
    assert!(matches!(fault, AospkgFault::UnsupportedSchema { chunk: Chunk::Index, found: 2 }));
}

#[test]
fn chunks_are_consumed_to_the_last_byte() {
    let written = Written::sample();
    let bytes = written.bytes();
    let manifest = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
    // One byte more in the manifest chunk, taken from the index: both are wrong then, the manifest first.
    let mut longer = bytes;
    longer[8..12].copy_from_slice(&(manifest + 1).to_le_bytes());
    assert!(matches!(open(&longer), Err(AospkgFault::Bare { chunk: Chunk::Manifest, .. })));
}

#[test]
fn paths_are_absolute_normalised_unique_and_sorted() {
    for bad in ["/bin/../x", "bin/x", "/bin//x", "/bin/", "/bin/./x", "/bin/a\0b", ""] {
        let fault = refused(|w| w.entries[2].path = bad.into());
        assert!(matches!(fault, AospkgFault::Field { field: "path", .. }), "{bad:?}: {fault}");
    }
    let fault = refused(|w| w.entries[2].path = format!("/{}", "a/".repeat(2048) + "b"));
    assert!(matches!(fault, AospkgFault::Bare { .. }), "{fault}");
    let twice = refused(|w| {
        let again = w.entries[1].clone();
        w.entries.insert(2, again);
    });
    assert!(matches!(twice, AospkgFault::Duplicate { path } if path == "/bin"));
    assert!(matches!(refused(|w| w.entries.swap(1, 4)), AospkgFault::Unsorted { .. }));
    assert!(matches!(refused(|w| w.entries[0].kind = 2), AospkgFault::LinkTarget { .. }));
    assert!(matches!(
        refused(|w| {
            w.entries[0] = link("/", "x");
        }),
        AospkgFault::Root
    ));
}

#[test]
fn both_ways_to_sort_are_known() {
    let mut written = Written::sample();
    written.entries = vec![directory("/a"), directory("/a-b"), directory("/a/c")];
    written.commands.clear();
    assert!(open(&written.bytes()).is_ok(), "by bytes");
    written.entries = vec![directory("/a"), directory("/a/c"), directory("/a-b")];
    assert!(open(&written.bytes()).is_ok(), "by component");
    written.entries = vec![directory("/a"), directory("/c"), directory("/a/c")];
    assert!(matches!(open(&written.bytes()), Err(AospkgFault::Unsorted { .. })));
}

#[test]
fn everything_lies_in_a_directory() {
    assert!(matches!(refused(|w| drop(w.entries.remove(1))), AospkgFault::Parent { .. }));
    let below_a_file = refused(|w| {
        w.entries.insert(3, directory("/bin/hello/x"));
    });
    assert!(matches!(below_a_file, AospkgFault::Parent { .. }));
}

#[test]
fn kinds_modes_and_targets_agree() {
    assert!(matches!(refused(|w| w.entries[2].kind = 3), AospkgFault::Kind { kind: 3, .. }));
    assert!(matches!(refused(|w| w.entries[2].mode = 0o040755), AospkgFault::Mode { .. }));
    assert!(matches!(refused(|w| w.entries[2].target = Some("x".into())), AospkgFault::LinkTarget { .. }));
    assert!(matches!(refused(|w| w.entries[3].target = None), AospkgFault::LinkTarget { .. }));
    for bad in ["", "a\0b"] {
        let fault = refused(|w| w.entries[3].target = Some(bad.into()));
        assert!(matches!(fault, AospkgFault::Field { field: "link target", .. }));
    }
    let longest = "x".repeat(PATH_BYTES_MAX);
    let mut written = Written::sample();
    written.entries[3].target = Some(longest.clone());
    assert!(open(&written.bytes()).is_ok());
    assert!(matches!(refused(|w| w.entries[3].target = Some(longest + "x")), AospkgFault::Bare { .. }));
    let mut bare_mode = Written::sample();
    bare_mode.entries[2].mode = 0o644;
    assert!(open(&bare_mode.bytes()).is_ok(), "a mode without type bits is a mode");
}

#[test]
fn files_lie_in_the_package_and_not_over_each_other() {
    let beyond = refused(|w| w.entries[2].size = 1 << 40);
    assert!(matches!(beyond, AospkgFault::OutOfBounds { .. }));
    let overflow = refused(|w| (w.entries[2].offset, w.entries[2].size) = (u64::MAX, 2));
    assert!(matches!(overflow, AospkgFault::OutOfBounds { .. }));
    let overlap = refused(|w| w.entries[5].offset = w.entries[2].offset + 1);
    assert!(matches!(overlap, AospkgFault::Overlap { .. }));
    let mut empty = Written::sample();
    (empty.entries[5].offset, empty.entries[5].size) = (0, 0);
    assert!(open(&empty.bytes()).is_ok(), "an empty file claims nothing");
}

#[test]
fn manifest_fields_are_checked() {
    assert!(matches!(refused(|w| w.name = "../x"), AospkgFault::Field { field: "name", .. }));
    assert!(matches!(refused(|w| w.version = ""), AospkgFault::Field { field: "version", .. }));
    assert!(matches!(refused(|w| w.commands[0].0 = "a/b"), AospkgFault::Field { field: "command", .. }));
    assert!(matches!(refused(|w| w.commands[0].1 = "../b"), AospkgFault::Field { field: "command's file", .. }));
    assert!(matches!(refused(|w| w.files[0].1 = "relative"), AospkgFault::Field { .. }));
}

#[test]
fn lying_counts_do_not_reserve_memory() {
    let bytes = Written::sample().bytes();
    let manifest = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let count_at = 16 + manifest + 2;
    for lie in [&[0xff, 0xff, 0x7f][..], &[0xff; 9], &[0xff, 0x01]] {
        let mut bytes = bytes.clone();
        bytes[count_at..count_at + lie.len()].copy_from_slice(lie);
        assert!(open(&bytes).is_err());
    }
}

/// What a careless caller would do with anything that opens.
fn use_it(bytes: &[u8]) {
    if let Ok(package) = open(bytes) {
        for entry in package.entries() {
            if let IndexKind::File { offset, size } = entry.kind {
                let mut contents = package.contents(offset, size);
                assert_eq!(io::copy(&mut contents, &mut io::sink()).unwrap(), size);
            }
        }
    }
}

#[test]
fn no_single_byte_makes_it_panic() {
    let bytes = Written::sample().bytes();
    for at in 0..bytes.len() {
        for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
            let mut mutated = bytes.clone();
            mutated[at] = value;
            use_it(&mutated);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        use_it(&bytes);
        let mut headed = Written::sample().bytes()[..16].to_vec();
        headed[8..16].copy_from_slice(&[40, 0, 0, 0, 60, 0, 0, 0]);
        headed.extend(bytes);
        use_it(&headed);
    }

    #[test]
    fn no_mutation_makes_it_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = Written::sample().bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        use_it(&bytes);
        use_it(&bytes[..cut.index(bytes.len())]);
    }
}
