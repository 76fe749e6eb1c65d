//! Packages as they are published, small and made here: what the inputs are changes of.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

const WASM: &[u8] = b"\0asm\x01\0\0\0";

/// A package file with a little of everything its format has.
pub fn package_file() -> Vec<u8> {
    let mut manifest = 1u16.to_le_bytes().to_vec();
    text(&mut manifest, "tools");
    text(&mut manifest, "1.2.3");
    // An agent: its command, no snapshot, its environment and arguments.
    manifest.push(1);
    text(&mut manifest, "hello");
    manifest.push(0);
    texts(&mut manifest, &[&["MODE", "quiet"]]);
    texts(&mut manifest, &[&["--acp"]]);
    manifest.push(1);
    texts(&mut manifest, &[&["EDITOR", "hello"]]);
    texts(&mut manifest, &[&["share/data", "/usr/share/tools"], &["bin", "/opt/other"]]);
    texts(&mut manifest, &[&["hello", "bin/hello"], &["hi", "./bin/hi"]]);
    texts(&mut manifest, &[&["1", "share/hello.1"]]);
    manifest.push(1);
    text(&mut manifest, "share/data");
    let (index, data) = index();
    let mut bytes = vec![0x89, b'A', b'O', b'S', 1, 0, 0, 0];
    bytes.extend((manifest.len() as u32).to_le_bytes());
    bytes.extend((index.len() as u32).to_le_bytes());
    bytes.extend(manifest);
    bytes.extend(index);
    bytes.extend(data);
    bytes
}

fn index() -> (Vec<u8>, Vec<u8>) {
    let (mut index, mut data) = (1u16.to_le_bytes().to_vec(), Vec::new());
    let entries: [(&str, u8, u32, &[u8]); 9] = [
        ("/", 1, 0o040755, b""),
        ("/bin", 1, 0o040755, b""),
        ("/bin/hello", 0, 0o100644, b"\0asm\x01\0\0\0"),
        ("/bin/hi", 2, 0o120777, b"hello"),
        ("/bin/out", 2, 0o120777, b"../../up"),
        ("/share", 1, 0o755, b""),
        ("/share/data", 0, 0o100600, b"some data"),
        ("/share/empty", 0, 0o644, b""),
        ("/share/hello.1", 0, 0o644, b".TH"),
    ];
    index.push(entries.len() as u8);
    for (path, kind, mode, content) in entries {
        text(&mut index, path);
        index.push(kind);
        let size = if kind == 0 { content.len() as u64 } else { 0 };
        index.extend((data.len() as u64).to_le_bytes());
        index.extend(size.to_le_bytes());
        index.extend(mode.to_le_bytes());
        index.extend(1000u32.to_le_bytes());
        index.extend(1001u32.to_le_bytes());
        index.extend(1_700_000_000i64.to_le_bytes());
        if kind == 2 {
            index.push(1);
            text(&mut index, std::str::from_utf8(content).expect("a link's target is text"));
        } else {
            index.push(0);
            data.extend(content);
        }
    }
    (index, data)
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    assert!(text.len() < 128, "a length of one byte");
    bytes.push(text.len() as u8);
    bytes.extend(text.as_bytes());
}

fn texts(bytes: &mut Vec<u8>, rows: &[&[&str]]) {
    bytes.push(rows.len() as u8);
    rows.iter().flat_map(|row| row.iter()).for_each(|one| text(bytes, one));
}

/// The tar of a package of loose commands: its description, two commands, a long name.
pub fn commands_tar() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let description = br#"{"name":"@scope/tools","version":"1.2.3"}"#;
    member(&mut tar, tar::EntryType::Regular, "package/package.json", description);
    member(&mut tar, tar::EntryType::Directory, "package/commands/", b"");
    member(&mut tar, tar::EntryType::Regular, "package/commands/hello", WASM);
    member(&mut tar, tar::EntryType::Regular, "package/commands/README", b"text");
    member(&mut tar, tar::EntryType::XHeader, "PaxHeader", b"29 path=package/commands/long\n");
    member(&mut tar, tar::EntryType::Regular, "package/short", WASM);
    member(&mut tar, tar::EntryType::GNULongName, "././@LongLink", b"package/commands/gnu\0");
    member(&mut tar, tar::EntryType::Regular, "package/short", WASM);
    member(&mut tar, tar::EntryType::Symlink, "package/link", b"");
    tar.into_inner().expect("it is written to memory")
}

/// The tar of a package that has a package file in it.
pub fn package_tar(package_file: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    member(&mut tar, tar::EntryType::Regular, "package/package.json", br#"{"name":"tools","version":"1.2.3"}"#);
    member(&mut tar, tar::EntryType::Regular, "package/dist/package.aospkg", package_file);
    tar.into_inner().expect("it is written to memory")
}

fn member(tar: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_path(path).expect("it is short");
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_mtime(1_700_000_000);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    tar.append(&header, bytes).expect("it is written to memory");
}

/// Gives every header of a tar, as far as one can be followed, the checksum of what is in it.
pub fn with_checksums(mut tar: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while at + 512 <= tar.len() {
        let header = &mut tar[at..at + 512];
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = std::str::from_utf8(&header[124..136]).unwrap_or("");
        let size = usize::from_str_radix(digits.trim_matches(['\0', ' ']), 8).unwrap_or(0).min(tar.len());
        at += 512 + size.next_multiple_of(512);
    }
    tar
}

/// Compressed, as little as the format allows: the compressor is not what is tested.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("it is written to memory")
}

/// A record as a store keeps it.
pub const RECORD: &str = r#"{"format":1,"name":"tools","version":"1.2.3","layout":"package","origin":{"from":"registry",
"pin":"tools","package":"@scope/tools"},"integrity":"sha512-x","installed_at":1700000000,"commands":[{"name":"hello",
"entry":"/bin/hello"}],"man_pages":[{"section":"1","page":"share/hello.1"}],"entries":[{"path":"/","mode":493,"uid":0,
"gid":0,"mtime_seconds":0,"kind":"directory"},{"path":"/bin","mode":493,"uid":0,"gid":0,"mtime_seconds":0,"kind":
"directory"},{"path":"/bin/hello","mode":493,"uid":0,"gid":0,"mtime_seconds":0,"kind":"file","size":8,"blob":
"0000000000000000000000000000000000000000000000000000000000000000"},{"path":"/bin/hi","mode":511,"uid":0,"gid":0,
"mtime_seconds":0,"kind":"symlink","target":"hello"}],"provides":{"env":{"A":"b"},"files":[{"source":"/bin","target":
"/usr/tools"}]},"agent":{"acp_entrypoint":"hello","snapshot":true,"env":{"A":"b"},"launch_args":["x"]},
"snapshot_bundle":"/bin/hello"}"#;
