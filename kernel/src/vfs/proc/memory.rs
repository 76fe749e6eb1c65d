//! What `/proc/<pid>` tells of a process's memory: a guest has its linear memory from address 0, and its image, shared,
//! behind the last address of 32 bits.

use super::PAGE;
use super::process::has_image;
use crate::process::Process;
use std::io::Write as _;

/// Where the image is shown: a guest has no pointer there.
const IMAGE_AT: u64 = 1 << 32;
/// The column a mapping's name begins in, as on 64-bit Linux.
const NAME_COLUMN: usize = 73;

/// Bytes in whole pages.
fn pages_up(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE) * PAGE
}

/// Bytes of the image's mapping.
fn image_bytes(process: &Process) -> u64 {
    if has_image(process) { pages_up(process.account.image.bytes) } else { 0 }
}

/// Bytes of all mappings.
pub(super) fn virtual_bytes(process: &Process) -> u64 {
    pages_up(process.memory) + image_bytes(process)
}

/// One line of `maps`, and what is resident and private of it.
struct Mapping {
    line: Vec<u8>,
    bytes: u64,
    anonymous: bool,
}

fn mapping(start: u64, bytes: u64, rights: &str, device: u64, ino: u64, name: &[u8]) -> Mapping {
    let mut line = Vec::new();
    // A Vec takes whatever is written.
    let _ = write!(line, "{start:08x}-{:08x} {rights} 00000000 00:{device:02x} {ino} ", start + bytes);
    if !name.is_empty() {
        line.resize(line.len().max(NAME_COLUMN), b' ');
        for byte in name {
            if *byte == b'\n' { line.extend(b"\\012") } else { line.push(*byte) }
        }
    }
    line.push(b'\n');
    Mapping { line, bytes, anonymous: name.is_empty() }
}

fn mappings(process: &Process) -> Vec<Mapping> {
    let mut list = Vec::new();
    if process.memory > 0 {
        list.push(mapping(0, pages_up(process.memory), "rw-p", 0, 0, b""));
    }
    let image = image_bytes(process);
    if image > 0 {
        let (device, ino) = process.account.image.place.map_or((0, 0), |(device, ino)| (device, ino.0));
        list.push(mapping(IMAGE_AT, image, "r-xp", device, ino, &process.executable));
    }
    list
}

/// /proc/<pid>/maps.
pub(super) fn maps(process: &Process) -> Vec<u8> {
    mappings(process).into_iter().flat_map(|mapping| mapping.line).collect()
}

/// /proc/<pid>/smaps: the linear memory is resident throughout; of the image, which sessions share, nothing is counted.
pub(super) fn smaps(process: &Process) -> Vec<u8> {
    let mut text = Vec::new();
    for mapping in mappings(process) {
        text.extend(&mapping.line);
        let _ = write!(
            text,
            "Size:           {:>8} kB\nKernelPageSize: {:>8} kB\nMMUPageSize:    {:>8} kB\n",
            mapping.bytes / 1024,
            PAGE / 1024,
            PAGE / 1024
        );
        text.extend(counts(if mapping.anonymous { mapping.bytes } else { 0 }));
        text.extend(if mapping.anonymous {
            &b"VmFlags: rd wr mr mw me ac\n"[..]
        } else {
            b"VmFlags: rd ex mr mw me\n"
        });
    }
    text
}

/// /proc/<pid>/smaps_rollup.
pub(super) fn smaps_rollup(process: &Process) -> Vec<u8> {
    let mappings = mappings(process);
    if mappings.is_empty() {
        return Vec::new();
    }
    let end = if image_bytes(process) > 0 { IMAGE_AT + image_bytes(process) } else { pages_up(process.memory) };
    let start = if process.memory > 0 { 0 } else { IMAGE_AT };
    let mut text = mapping(start, end - start, "---p", 0, 0, b"[rollup]").line;
    text.extend(counts(pages_up(process.memory)));
    text
}

/// The lines of `smaps` that count bytes.
fn counts(resident: u64) -> Vec<u8> {
    let kilobytes = resident / 1024;
    let rows = [
        ("Rss", kilobytes),
        ("Pss", kilobytes),
        ("Pss_Dirty", kilobytes),
        ("Shared_Clean", 0),
        ("Shared_Dirty", 0),
        ("Private_Clean", 0),
        ("Private_Dirty", kilobytes),
        ("Referenced", kilobytes),
        ("Anonymous", kilobytes),
        ("LazyFree", 0),
        ("AnonHugePages", 0),
        ("ShmemPmdMapped", 0),
        ("FilePmdMapped", 0),
        ("Shared_Hugetlb", 0),
        ("Private_Hugetlb", 0),
        ("Swap", 0),
        ("SwapPss", 0),
        ("Locked", 0),
    ];
    let mut text = Vec::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{:<16}{value:>8} kB", format!("{name}:"));
    }
    text
}

/// /proc/<pid>/statm, in pages.
pub(super) fn statm(process: &Process) -> Vec<u8> {
    let (resident, image) = (process.memory / PAGE, image_bytes(process) / PAGE);
    format!("{} {resident} 0 {image} 0 {resident} 0\n", virtual_bytes(process) / PAGE).into_bytes()
}

/// The lines of /proc/<pid>/status. Linear memory never shrinks before exec, so a peak is what is there.
pub(super) fn status_lines(process: &Process) -> Vec<u8> {
    let (memory, image) = (process.memory / 1024, image_bytes(process) / 1024);
    let total = virtual_bytes(process) / 1024;
    let rows = [
        ("VmPeak", total),
        ("VmSize", total),
        ("VmLck", 0),
        ("VmPin", 0),
        ("VmHWM", memory),
        ("VmRSS", memory),
        ("RssAnon", memory),
        ("RssFile", 0),
        ("RssShmem", 0),
        ("VmData", memory),
        ("VmStk", 0),
        ("VmExe", image),
        ("VmLib", 0),
        ("VmPTE", 0),
        ("VmSwap", 0),
        ("HugetlbPages", 0),
    ];
    let mut text = Vec::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name}:\t{value:>8} kB");
    }
    text.extend(b"CoreDumping:\t0\nTHP_enabled:\t0\n");
    text
}
