//! Unpacking an npm tarball: gzip, tar, everything under one top folder (npm writes `package/`).
//!
//! Only three kinds of member mean anything to us: `package.json`, `dist/package.aospkg` and `commands/<name>`. All others
//! are skipped, whatever they are called; no name from a tarball ever becomes a path of the host. Headers are read raw,
//! because the tar library would read a long name of any length into memory; the extensions npm uses are bounded here.

use super::super::path::{self, PATH_BYTES_MAX, PathRule};
use super::super::pin::{PackageKind, Pin};
use super::super::progress::{Progress, Report};
use super::super::record::{Command, ENTRIES_MAX, Entry, Layout, Node, PACKAGE_BYTES_MAX, Provides};
use super::super::store::{StoreError, StoreLock, TempFile};
use super::{Contents, InstallError, accepts, package_file};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;
use tar::{Archive, EntryType, PaxExtensions};

/// A pax or GNU header that carries a long name.
const EXTENSION_BYTES_MAX: u64 = 64 * 1024;
const PACKAGE_JSON_BYTES_MAX: u64 = 1 << 20;
const WASM_MAGIC: [u8; 4] = *b"\0asm";

/// A tarball to unpack.
pub(super) struct Tarball<'a> {
    /// For messages.
    pub(super) name: &'a str,
    pub(super) file: &'a File,
    pub(super) size: u64,
}

pub(super) struct Unpacked {
    /// The npm package's name, as its package.json or pin has it.
    pub(super) package: String,
    pub(super) contents: Contents,
}

/// Why a tarball was refused.
#[derive(Debug, thiserror::Error)]
pub enum TarballFault {
    #[error("it is not a readable .tgz: {0}")]
    Read(io::Error),
    #[error("it has more than {ENTRIES_MAX} members")]
    TooManyMembers,
    #[error("it unpacks to more than {PACKAGE_BYTES_MAX} bytes")]
    TooManyBytes,
    #[error("a header before `{member}` is {size} bytes long; the limit is {EXTENSION_BYTES_MAX}")]
    LongHeader { member: String, size: u64 },
    #[error("`{member}` has two sizes, {first} and {second}")]
    TwoSizes { member: String, first: u64, second: u64 },
    #[error("the command `{command}` is refused: {rule}")]
    CommandName { command: String, rule: PathRule },
    #[error("`{member}` is a link or a device; a command has to be a regular file")]
    NotAFile { member: String },
    #[error("it has `{member}` twice")]
    Twice { member: String },
    #[error("its package.json is not usable: {reason}")]
    PackageJson { reason: String },
    #[error("it has neither `dist/package.aospkg` nor WebAssembly files in `commands/`; is it an agentOS package?")]
    Nothing,
    #[error("its pin says {expected}, but there is no such thing in it")]
    NotAsPinned { expected: &'static str },
    #[error("cannot write a temporary file: {0}")]
    Temp(io::Error),
}

#[derive(Deserialize)]
struct PackageJson {
    name: String,
    version: String,
}

/// What was found while the tarball went by.
#[derive(Default)]
struct Found {
    package_json: Option<PackageJson>,
    package_file: Option<TempFile>,
    commands: Vec<Entry>,
    names: HashSet<String>,
}

pub(super) fn unpack(
    lock: &StoreLock<'_>,
    tarball: &Tarball<'_>,
    pin: Option<&Pin>,
    report: Report<'_>,
) -> Result<Unpacked, InstallError> {
    let found = scan(lock, tarball, pin, report).map_err(|error| match error {
        ScanError::Store(error) => InstallError::Store(error),
        ScanError::Fault(fault) => InstallError::Tarball { tarball: tarball.name.to_owned(), fault },
    })?;
    let refused = |fault| InstallError::Tarball { tarball: tarball.name.to_owned(), fault };
    let json = found.package_json;
    let package = pin.map(|pin| pin.package.clone()).or_else(|| json.as_ref().map(|json| json.name.clone()));
    let package = package.unwrap_or_default();
    if let Some(mut temp) = found.package_file {
        let rewound = temp.file.seek(SeekFrom::Start(0)).and_then(|_| temp.file.try_clone());
        let file = rewound.map_err(|error| refused(TarballFault::Temp(error)))?;
        let contents = package_file::unpack(lock, tarball.name, file, report)?;
        return Ok(Unpacked { package, contents });
    }
    if found.commands.is_empty() {
        return Err(refused(match pin.map(|pin| pin.kind) {
            None => TarballFault::Nothing,
            Some(PackageKind::Aospkg) => TarballFault::NotAsPinned { expected: "`dist/package.aospkg`" },
            Some(PackageKind::Commands) => TarballFault::NotAsPinned { expected: "WebAssembly files in `commands/`" },
        }));
    }
    let (name, version) = match (pin, json) {
        (Some(pin), _) => (pin.name.clone(), pin.version.clone()),
        (None, Some(json)) => (path::base_name(&json.name).to_owned(), json.version),
        (None, None) => return Err(refused(TarballFault::PackageJson { reason: "there is none".to_owned() })),
    };
    Ok(Unpacked { package, contents: loose_commands(name, version, found.commands) })
}

fn loose_commands(name: String, version: String, files: Vec<Entry>) -> Contents {
    let commands = files
        .iter()
        .map(|file| Command { name: path::base_name(&file.path).to_owned(), entry: file.path.clone() })
        .collect();
    let mtime_seconds = files.iter().map(|file| file.mtime_seconds).max().unwrap_or(0);
    let bin = Entry { path: "/bin".to_owned(), mode: 0o755, uid: 0, gid: 0, mtime_seconds, node: Node::Directory };
    let mut entries = vec![bin];
    entries.extend(files);
    Contents {
        name,
        version,
        layout: Layout::Commands,
        commands,
        man_pages: Vec::new(),
        provides: Provides::default(),
        agent: None,
        snapshot_bundle: None,
        entries,
    }
}

/// Keeps the store's errors apart from the tarball's.
enum ScanError {
    Fault(TarballFault),
    Store(StoreError),
}

impl From<TarballFault> for ScanError {
    fn from(fault: TarballFault) -> ScanError {
        ScanError::Fault(fault)
    }
}

impl From<StoreError> for ScanError {
    fn from(error: StoreError) -> ScanError {
        match error {
            StoreError::Source(error) => ScanError::Fault(read_fault(error)),
            other => ScanError::Store(other),
        }
    }
}

type Member<'a, R> = tar::Entry<'a, R>;

fn scan(
    lock: &StoreLock<'_>,
    tarball: &Tarball<'_>,
    pin: Option<&Pin>,
    report: Report<'_>,
) -> Result<Found, ScanError> {
    let done = Rc::new(Cell::new(0));
    let compressed = Counted { inner: tarball.file, count: done.clone() };
    let bytes = Bounded { inner: MultiGzDecoder::new(io::BufReader::new(compressed)), left: PACKAGE_BYTES_MAX };
    let mut archive = Archive::new(bytes);
    let mut found = Found::default();
    let mut long_name = None;
    for (number, member) in archive.entries().map_err(read_fault)?.raw(true).enumerate() {
        let mut member = member.map_err(read_fault)?;
        if number >= ENTRIES_MAX {
            return Err(TarballFault::TooManyMembers.into());
        }
        match member.header().entry_type() {
            EntryType::XHeader | EntryType::GNULongName => {
                long_name = Extension::read(&mut member)?.or(long_name);
                continue;
            }
            EntryType::XGlobalHeader | EntryType::GNULongLink => continue,
            _ => {}
        }
        let Extension { name, size } = long_name.take().unwrap_or_default();
        let name = name.unwrap_or_else(|| member.header().path_bytes().into_owned());
        if let Some(second) = size.filter(|size| *size != member.size()) {
            return Err(TarballFault::TwoSizes { member: printable(&name), first: member.size(), second }.into());
        }
        take_member(lock, &mut found, &name, &mut member, pin)?;
        report(Progress::Unpacking { package: tarball.name, done: done.get().min(tarball.size), total: tarball.size });
    }
    Ok(found)
}

fn take_member(
    lock: &StoreLock<'_>,
    found: &mut Found,
    name: &[u8],
    member: &mut Member<'_, impl Read>,
    pin: Option<&Pin>,
) -> Result<(), ScanError> {
    // npm drops the first component, whatever it is.
    let Some(slash) = name.iter().position(|byte| *byte == b'/') else { return Ok(()) };
    let inner = &name[slash + 1..];
    let kind = member.header().entry_type();
    if inner.is_empty() || inner.ends_with(b"/") || kind.is_dir() {
        return Ok(());
    }
    let command = inner.strip_prefix(b"commands/").filter(|_| accepts(pin, PackageKind::Commands));
    let is_package_file = inner == b"dist/package.aospkg" && accepts(pin, PackageKind::Aospkg);
    if command.is_none() && !is_package_file && inner != b"package.json" {
        return Ok(());
    }
    if !(kind.is_file() || kind.is_contiguous()) {
        return Err(TarballFault::NotAFile { member: printable(name) }.into());
    }
    if let Some(command) = command {
        return take_command(lock, found, command, member);
    }
    if is_package_file {
        let mut temp = lock.temp_file()?;
        copy(member, &mut temp.file)?;
        if found.package_file.replace(temp).is_some() {
            return Err(TarballFault::Twice { member: printable(name) }.into());
        }
        return Ok(());
    }
    let json = bounded(member, PACKAGE_JSON_BYTES_MAX, "package.json")?;
    let parsed =
        serde_json::from_slice(&json).map_err(|error| TarballFault::PackageJson { reason: error.to_string() })?;
    if found.package_json.replace(parsed).is_some() {
        return Err(TarballFault::Twice { member: printable(name) }.into());
    }
    Ok(())
}

/// Takes a file that begins as a WebAssembly module does; other files (a README, a licence) are passed over.
fn take_command(
    lock: &StoreLock<'_>,
    found: &mut Found,
    name: &[u8],
    member: &mut Member<'_, impl Read>,
) -> Result<(), ScanError> {
    let mut magic = Vec::new();
    member.by_ref().take(4).read_to_end(&mut magic).map_err(read_fault)?;
    if magic != WASM_MAGIC {
        return Ok(());
    }
    let command = printable(name);
    let text = std::str::from_utf8(name).unwrap_or("");
    path::check_component(text).map_err(|rule| TarballFault::CommandName { command: command.clone(), rule })?;
    if !found.names.insert(text.to_owned()) {
        return Err(TarballFault::Twice { member: command }.into());
    }
    let size = member.size();
    let mtime = member.header().mtime().unwrap_or(0);
    let blob = lock.add_blob(magic.chain(member), size)?;
    if blob.size != size {
        return Err(read_fault(io::ErrorKind::UnexpectedEof.into()).into());
    }
    found.commands.push(Entry {
        path: format!("/bin/{text}"),
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime_seconds: i64::try_from(mtime).unwrap_or(0),
        node: Node::File { size, blob: blob.id },
    });
    Ok(())
}

/// What a header says about the member after it.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extension {
    fn read(member: &mut Member<'_, impl Read>) -> Result<Option<Extension>, TarballFault> {
        let kind = member.header().entry_type();
        let size = member.size();
        if size > EXTENSION_BYTES_MAX {
            let name = printable(&member.header().path_bytes());
            return Err(TarballFault::LongHeader { member: name, size });
        }
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(read_fault)?;
        if kind == EntryType::GNULongName {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            bytes.truncate(end);
            return Ok(Some(Extension { name: Some(bytes), size: None }));
        }
        let mut extension = Extension::default();
        for pair in PaxExtensions::new(&bytes) {
            let pair = pair.map_err(read_fault)?;
            match pair.key_bytes() {
                b"path" => extension.name = Some(pair.value_bytes().to_vec()),
                // A size that is no number is one that no member has.
                b"size" => {
                    extension.size = Some(pair.value().ok().and_then(|size| size.parse().ok()).unwrap_or(u64::MAX))
                }
                _ => {}
            }
        }
        Ok(Some(extension))
    }
}

fn bounded(member: &mut Member<'_, impl Read>, max: u64, name: &str) -> Result<Vec<u8>, TarballFault> {
    if member.size() > max {
        return Err(TarballFault::PackageJson { reason: format!("{name} is larger than {max} bytes") });
    }
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).map_err(read_fault)?;
    Ok(bytes)
}

/// Copies a member; a failed read and a failed write are different news for the user.
fn copy(member: &mut Member<'_, impl Read>, to: &mut File) -> Result<(), TarballFault> {
    let size = member.size();
    let mut buffer = vec![0; 128 * 1024];
    let mut copied = 0;
    loop {
        let count = member.read(&mut buffer).map_err(read_fault)?;
        if count == 0 {
            break;
        }
        copied += count as u64;
        to.write_all(&buffer[..count]).map_err(TarballFault::Temp)?;
    }
    if copied == size { Ok(()) } else { Err(read_fault(io::ErrorKind::UnexpectedEof.into())) }
}

fn printable(name: &[u8]) -> String {
    let end = name.len().min(PATH_BYTES_MAX);
    String::from_utf8_lossy(&name[..end]).escape_debug().to_string()
}

fn read_fault(error: io::Error) -> TarballFault {
    match error.get_ref() {
        Some(inner) if inner.is::<TooManyBytes>() => TarballFault::TooManyBytes,
        _ => TarballFault::Read(error),
    }
}

/// Counts the compressed bytes read, for progress.
struct Counted<'a> {
    inner: &'a File,
    count: Rc<Cell<u64>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// Stops a file that unpacks to more than it may.
struct Bounded<R> {
    inner: R,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("too many bytes")]
struct TooManyBytes;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(TooManyBytes))?;
        Ok(count)
    }
}
