//! The published package file, `.aospkg`, container version 1.
//!
//! ```text
//!  0        4        6       8             12         16
//!  | magic  | u16 1  | u16 0 | u32 length  | u32 length|  manifest chunk  |  index chunk  |  tar, to the end
//!  | 89 AOS | version| flags | of manifest | of index  |  u16 schema+BARE | u16 schema+BARE| ^ base
//! ```
//! A file's bytes are `[base + offset, base + offset + size)`; offset and size come from the index, and the tar headers
//! between the files are never read. So a package is opened by reading its two metadata chunks, and its files are read
//! in place: nothing larger than a chunk is held in memory.
//!
//! What [`Aospkg::open`] lets through has: paths that are absolute, normalised and unique, in sorted order; a directory
//! above every path; every file within the container, and no two files over the same bytes (which also bounds the work
//! of unpacking by the size of the container).

mod manifest;

use super::bare::{BareError, Reader};
use super::path::{self, PATH_BYTES_MAX, PathRule};
use super::record::{ENTRIES_MAX, PACKAGE_BYTES_MAX};
pub use manifest::Manifest;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// First bytes of every package file.
pub const MAGIC: [u8; 4] = [0x89, b'A', b'O', b'S'];
/// The only container version there is.
pub const CONTAINER_VERSION: u16 = 1;
/// The schema of manifest and index this reader knows.
pub const SCHEMA_VERSION: u16 = 1;
/// Bytes in one metadata chunk. The largest published one (16,279 paths) is about 2.5 MB.
pub const CHUNK_BYTES_MAX: u32 = 64 << 20;
const HEADER_BYTES: usize = 16;

/// Something that can be read anywhere without moving a cursor: a file, or bytes already in memory.
pub trait ReadAt {
    fn length(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset` or fails; never fills part of it silently.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn length(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for &[u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// An open package: what it is, what it holds, and where.
#[derive(Debug)]
pub struct Aospkg<S> {
    source: S,
    base: u64,
    manifest: Manifest,
    entries: Vec<IndexEntry>,
}

/// One path of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    pub path: String,
    /// Permission bits only; the type is in `kind`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime_seconds: i64,
    pub kind: IndexKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// `offset` counts from the end of the metadata.
    File {
        offset: u64,
        size: u64,
    },
    Directory,
    Symlink {
        target: String,
    },
}

/// Why a package was refused.
#[derive(Debug, thiserror::Error)]
#[error("package {package}: {fault}")]
pub struct AospkgError {
    /// The name or path the caller opened it by.
    pub package: String,
    #[source]
    pub fault: AospkgFault,
}

#[derive(Debug, thiserror::Error)]
pub enum AospkgFault {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(
        "it does not begin as a package file does (89 41 4F 53); was it downloaded completely, and is it the .aospkg?"
    )]
    Magic,
    #[error("it has container version {found}, and this Warren reads version {CONTAINER_VERSION}")]
    ContainerVersion { found: u16 },
    #[error("it uses flags {found:#06x}, which this Warren does not know")]
    Flags { found: u16 },
    #[error("its {chunk} chunk claims {length} bytes; the limit is {CHUNK_BYTES_MAX}")]
    ChunkTooLong { chunk: Chunk, length: u32 },
    #[error("it is {length} bytes long and claims {wanted} bytes of metadata: it was cut off")]
    CutOff { wanted: u64, length: u64 },
    #[error(
        "its {chunk} has schema v{found}, and this Warren reads schema v{SCHEMA_VERSION}: \
         install an older version of the package (those up to 0.3.5 have schema v1), or update Warren"
    )]
    UnsupportedSchema { chunk: Chunk, found: u16 },
    #[error("its {chunk} is damaged {error}")]
    Bare { chunk: Chunk, error: BareError },
    #[error("its {field} `{text}` is refused: {rule}")]
    Field { field: &'static str, text: String, rule: PathRule },
    #[error("its index has `{path}` twice")]
    Duplicate { path: String },
    #[error("its index is not sorted: `{path}` comes after `{previous}`")]
    Unsorted { path: String, previous: String },
    #[error("`{path}` lies in `{parent}`, which is not a directory of the package")]
    Parent { path: String, parent: String },
    #[error("`{path}` has kind {kind}; kinds are 0 (file), 1 (directory) and 2 (symbolic link)")]
    Kind { path: String, kind: u64 },
    #[error("`{path}` has mode {mode:o}, which is not the mode of what its kind says")]
    Mode { path: String, mode: u32 },
    #[error("the root `/` is not a directory")]
    Root,
    #[error("`{path}` is a symbolic link without a target, or something else with one")]
    LinkTarget { path: String },
    #[error("`{path}` claims {size} bytes at {offset}, beyond the end of the package ({length} bytes of files)")]
    OutOfBounds { path: String, offset: u64, size: u64, length: u64 },
    #[error("`{path}` and `{other}` claim the same bytes")]
    Overlap { path: String, other: String },
    #[error("its files are more than {PACKAGE_BYTES_MAX} bytes together")]
    TooManyBytes,
}

/// Which of the two metadata chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    Manifest,
    Index,
}

impl std::fmt::Display for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Chunk::Manifest => "manifest",
            Chunk::Index => "index",
        })
    }
}

impl<S: ReadAt> Aospkg<S> {
    /// Reads and checks the metadata. `name` is for messages: the package's name, or the path it was given by.
    ///
    /// # Errors
    /// Anything the module's description promises and the package does not keep.
    pub fn open(name: &str, source: S) -> Result<Aospkg<S>, AospkgError> {
        Self::read(source).map_err(|fault| AospkgError { package: name.to_owned(), fault })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Sorted by path; may or may not begin with `/`.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The bytes at `offset`, as an entry of kind file gives it. Reading fails if the package became shorter meanwhile.
    pub fn contents(&self, offset: u64, size: u64) -> Contents<'_, S> {
        Contents { source: &self.source, at: self.base.saturating_add(offset), left: size }
    }

    fn read(source: S) -> Result<Aospkg<S>, AospkgFault> {
        let length = source.length()?;
        let header = read_header(&source, length)?;
        let [manifest_length, index_length] = header;
        let manifest_at = HEADER_BYTES as u64;
        let index_at = manifest_at + u64::from(manifest_length);
        let base = index_at + u64::from(index_length);
        if base > length {
            return Err(AospkgFault::CutOff { wanted: base, length });
        }
        let manifest = read_chunk(&source, manifest_at, manifest_length)?;
        let manifest = manifest::decode(&mut open_chunk(Chunk::Manifest, &manifest)?)?;
        let index = read_chunk(&source, index_at, index_length)?;
        let entries = decode_index(open_chunk(Chunk::Index, &index)?)?;
        check_tree(&entries)?;
        check_ranges(&entries, length - base)?;
        Ok(Aospkg { source, base, manifest, entries })
    }
}

/// Reads one file of a package.
#[derive(Debug)]
pub struct Contents<'a, S> {
    source: &'a S,
    at: u64,
    left: u64,
}

impl<S: ReadAt> Read for Contents<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.source.read_exact_at(&mut buffer[..count], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

fn read_header(source: &impl ReadAt, length: u64) -> Result<[u32; 2], AospkgFault> {
    let mut header = [0; HEADER_BYTES];
    let present = &mut header[..length.min(HEADER_BYTES as u64) as usize];
    source.read_exact_at(present, 0)?;
    if !present.starts_with(&MAGIC) {
        return Err(AospkgFault::Magic);
    }
    if present.len() < HEADER_BYTES {
        return Err(AospkgFault::CutOff { wanted: HEADER_BYTES as u64, length });
    }
    let [_, _, _, _, v0, v1, f0, f1, m0, m1, m2, m3, i0, i1, i2, i3] = header;
    let version = u16::from_le_bytes([v0, v1]);
    if version != CONTAINER_VERSION {
        return Err(AospkgFault::ContainerVersion { found: version });
    }
    let flags = u16::from_le_bytes([f0, f1]);
    if flags != 0 {
        return Err(AospkgFault::Flags { found: flags });
    }
    let manifest = u32::from_le_bytes([m0, m1, m2, m3]);
    let index = u32::from_le_bytes([i0, i1, i2, i3]);
    for (chunk, length) in [(Chunk::Manifest, manifest), (Chunk::Index, index)] {
        if length > CHUNK_BYTES_MAX {
            return Err(AospkgFault::ChunkTooLong { chunk, length });
        }
    }
    Ok([manifest, index])
}

/// The caller has checked that the chunk lies within the source, so `length` is not a claim any more.
fn read_chunk(source: &impl ReadAt, at: u64, length: u32) -> Result<Vec<u8>, AospkgFault> {
    let mut bytes = vec![0; length as usize];
    source.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn open_chunk(chunk: Chunk, bytes: &[u8]) -> Result<Reader<'_>, AospkgFault> {
    let mut reader = Reader::new(bytes);
    let found = reader.u16().map_err(|error| AospkgFault::Bare { chunk, error })?;
    if found != SCHEMA_VERSION {
        return Err(AospkgFault::UnsupportedSchema { chunk, found });
    }
    Ok(reader)
}

/// An entry as it is written, before any of it is believed.
struct RawEntry<'a> {
    path: &'a str,
    kind: u64,
    offset: u64,
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime_seconds: i64,
    target: Option<&'a str>,
}

fn decode_index(mut reader: Reader<'_>) -> Result<Vec<IndexEntry>, AospkgFault> {
    let damaged = |error| AospkgFault::Bare { chunk: Chunk::Index, error };
    let raw = reader.list(ENTRIES_MAX, |item| {
        Ok(RawEntry {
            path: item.str(PATH_BYTES_MAX)?,
            kind: item.uint()?,
            offset: item.u64()?,
            size: item.u64()?,
            mode: item.u32()?,
            uid: item.u32()?,
            gid: item.u32()?,
            mtime_seconds: item.i64()?,
            target: item.optional(|target| target.str(PATH_BYTES_MAX))?,
        })
    });
    let raw = raw.map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    raw.into_iter().map(check_entry).collect()
}

fn check_entry(raw: RawEntry<'_>) -> Result<IndexEntry, AospkgFault> {
    let path = raw.path.to_owned();
    if let Err(rule) = path::check_absolute(&path) {
        return Err(AospkgFault::Field { field: "path", text: path.escape_debug().to_string(), rule });
    }
    let (kind, type_bits) = match (raw.kind, raw.target) {
        (0, None) => (IndexKind::File { offset: raw.offset, size: raw.size }, 0o100000),
        (1, None) => (IndexKind::Directory, 0o040000),
        (2, Some(target)) => {
            path::check_link_target(target).map_err(|rule| AospkgFault::Field {
                field: "link target",
                text: target.escape_debug().to_string(),
                rule,
            })?;
            (IndexKind::Symlink { target: target.to_owned() }, 0o120000)
        }
        (0..=2, _) => return Err(AospkgFault::LinkTarget { path }),
        (kind, _) => return Err(AospkgFault::Kind { path, kind }),
    };
    // The mode may or may not carry the type; when it does, the two have to agree.
    if raw.mode & !0o7777 != 0 && raw.mode & !0o7777 != type_bits {
        return Err(AospkgFault::Mode { path, mode: raw.mode });
    }
    let mode = raw.mode & 0o7777;
    Ok(IndexEntry { path, mode, uid: raw.uid, gid: raw.gid, mtime_seconds: raw.mtime_seconds, kind })
}

fn check_tree(entries: &[IndexEntry]) -> Result<(), AospkgFault> {
    let mut directories = HashMap::with_capacity(entries.len());
    for entry in entries {
        let is_directory = entry.kind == IndexKind::Directory;
        if directories.insert(entry.path.as_str(), is_directory).is_some() {
            return Err(AospkgFault::Duplicate { path: entry.path.clone() });
        }
    }
    if directories.get("/") == Some(&false) {
        return Err(AospkgFault::Root);
    }
    check_order(entries)?;
    for entry in entries {
        let Some(parent) = path::parent(&entry.path) else { continue };
        if parent != "/" && directories.get(parent) != Some(&true) {
            return Err(AospkgFault::Parent { path: entry.path.clone(), parent: parent.to_owned() });
        }
    }
    Ok(())
}

/// Sorted means by bytes, or component by component: the two differ where a name goes on with a byte below `/`
/// (`/a-b` and `/a/b`), and packers exist that do either.
fn check_order(entries: &[IndexEntry]) -> Result<(), AospkgFault> {
    let by_component = entries.is_sorted_by(|a, b| a.path.split('/').lt(b.path.split('/')));
    let unsorted = entries.windows(2).find(|pair| pair[0].path >= pair[1].path);
    match unsorted {
        Some([previous, entry]) if !by_component => {
            Err(AospkgFault::Unsorted { path: entry.path.clone(), previous: previous.path.clone() })
        }
        _ => Ok(()),
    }
}

fn check_ranges(entries: &[IndexEntry], length: u64) -> Result<(), AospkgFault> {
    let mut ranges = Vec::new();
    let mut total = 0u64;
    for entry in entries {
        let IndexKind::File { offset, size } = entry.kind else { continue };
        let end = offset.checked_add(size).filter(|end| *end <= length);
        let Some(end) = end else {
            return Err(AospkgFault::OutOfBounds { path: entry.path.clone(), offset, size, length });
        };
        total = total.saturating_add(size);
        if size > 0 {
            ranges.push((offset, end, entry));
        }
    }
    if total > PACKAGE_BYTES_MAX {
        return Err(AospkgFault::TooManyBytes);
    }
    ranges.sort_unstable_by_key(|(offset, end, _)| (*offset, *end));
    match ranges.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        Some([(_, _, other), (_, _, entry)]) => {
            Err(AospkgFault::Overlap { path: entry.path.clone(), other: other.path.clone() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests;
