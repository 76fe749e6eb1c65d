//! From an input to the calls of a guest: records that the guest's interpreter reads.
//!
//! ```text
//! 0x00000  the program: records of 176 bytes
//!          | u32 function | u32 which arguments are read from memory | 21 arguments of 8 bytes |
//! 0x10000  strings        0x20000  structures        0x30000  results of calls        0x40000  buffers
//! ```
//! The names of the parameters, as the ABI's table has them, say what is likely to be meant: a descriptor, a path and its
//! length, room for an answer. Most arguments follow them, and some do not.

use crate::guest::Import;

/// Bytes of the guest's memory.
pub const MEMORY: u32 = 8 * 65_536;
/// Arguments of the function that has the most.
pub const ARGUMENTS: usize = 21;
/// Bytes of a record.
pub const RECORD: usize = 8 + 8 * ARGUMENTS;
/// Records of all programs of a run together: as many as a pipe takes at once.
pub const RECORDS_MAX: usize = 360;
const STRINGS: u32 = 0x1_0000;
const STRUCTURES: u32 = 0x2_0000;
const RESULTS: u32 = 0x3_0000;
const BUFFERS: u32 = 0x4_0000;
/// A result, a string and a structure have so much room.
const RESULT_ROOM: u32 = 256;
const STRING_ROOM: u32 = 512;
const STRUCTURE_ROOM: u32 = 512;

/// Paths, names, lists of strings separated by NUL, addresses.
const TEXTS: &[&[u8]] = &[
    b"/tmp/a",
    b"/tmp/b",
    b"a",
    b"b",
    b"/tmp",
    b"/tmp/a/b",
    b".",
    b"..",
    b"/",
    b"",
    b"/usr/bin/guest",
    b"guest\0one\0two",
    b"A=b\0PATH=/usr/bin:/tmp\0bad",
    b"/dev/null",
    b"/dev/zero",
    b"/proc/self/fd/1",
    b"/proc/self/status",
    b"/proc/self/exe",
    b"/dev/tty",
    b"/proc/mounts",
    b"user.x",
    b"user.y",
    b"agent",
    b"root",
    b"localhost",
    b"127.0.0.1",
    b"::1",
    b"example.org",
    b"127.0.0.1:80",
    b"[::1]:8080",
    b"localhost:http",
    b"unix:/tmp/s",
    b"ro",
    b"rw,remount",
    b"80",
    b"http",
    b"/tmp/fifo",
    b"/etc/passwd",
    b"/etc/shadow",
    b"/home/agent",
    b"link",
    b"/tmp/link",
    b"a\0b",
    b"\xff\xfe",
    b"/dev/urandom",
    b"/dev/full",
    b"/dev/stdin",
    b"#!/usr/bin/guest\n",
    b"\0asm\x01\0\0\0",
    b"hostname",
    b"/proc/1/cmdline",
    b"/proc/self/stat",
];

/// What the guest finds in its memory: address and bytes.
pub fn data() -> Vec<(u32, Vec<u8>)> {
    let texts = TEXTS.iter().enumerate().map(|(at, text)| (STRINGS + at as u32 * STRING_ROOM, text.to_vec()));
    let structures =
        structures().into_iter().enumerate().map(|(at, bytes)| (STRUCTURES + at as u32 * STRUCTURE_ROOM, bytes));
    texts.chain(structures).collect()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Arrays of buffers, of polls, of subscriptions, of file actions; sets of signals; a terminal's attributes.
fn structures() -> Vec<Vec<u8>> {
    let poll = |fd: u32, events: u16| [&fd.to_le_bytes()[..], &events.to_le_bytes(), &[0, 0]].concat();
    let clock = |flags: u16| {
        [&[0u8; 8][..], &[0; 8], &words(&[1, 0]), &1000u64.to_le_bytes(), &[0; 8], &flags.to_le_bytes(), &[0; 6]]
            .concat()
    };
    let ready = |kind: u8, fd: u32| [&[0u8; 8][..], &[kind, 0, 0, 0, 0, 0, 0, 0], &fd.to_le_bytes(), &[0; 28]].concat();
    vec![
        words(&[BUFFERS, 16, BUFFERS + 64, 100]),
        words(&[BUFFERS, 0, BUFFERS, 70_000]),
        words(&[MEMORY - 4, 4, MEMORY - 4, 5]),
        words(&[STRINGS, 8, u32::MAX, 1]),
        [poll(0, 1), poll(1, 4), poll(3, 5), poll(u32::MAX, 1)].concat(),
        [poll(4, 0xffff), poll(5, 1), poll(0, 0)].concat(),
        [clock(0), ready(1, 0), ready(2, 1), ready(1, 3)].concat(),
        [ready(2, 4), clock(1), ready(9, 0)].concat(),
        // File actions of proc_spawn_v3: kind, descriptors, flags, mode, length of a path behind.
        [words(&[1, 5, 0, 0, 0, 0]), words(&[2, 3, 4, 0, 0, 0])].concat(),
        [words(&[3, 6, 0, 0, 0o644, 6]), b"/tmp/a\0\0".to_vec(), words(&[4, 0, 0, 0, 0, 4]), b"/tmp".to_vec()].concat(),
        [words(&[5, 3, 0, 0, 0, 0]), words(&[6, 7, 0, 0, 0, 0])].concat(),
        words(&[0, 1, 2, 3, 1000, 65_534]),
        words(&[1 << 16, 0, 0, u32::MAX]),
        vec![0; 64],
    ]
}

/// The programs of an input: what each process of the guest is to do, in the order in which they begin to read.
pub fn programs(data: &[u8], imports: &[Import]) -> Vec<u8> {
    let Some((split, data)) = data.split_first() else { return Vec::new() };
    let parts = usize::from(split % 3) + 1;
    let mut bytes = Vec::new();
    for part in data.chunks(data.len().div_ceil(parts).max(1)) {
        let records = records(part, imports, RECORDS_MAX / parts);
        bytes.extend((records.len() as u32).to_le_bytes());
        bytes.extend(records);
    }
    bytes
}

fn records(data: &[u8], imports: &[Import], most: usize) -> Vec<u8> {
    let mut input = data.iter().copied();
    let mut bytes = Vec::new();
    for _ in 0..most {
        let Some(function) = input.next().zip(input.next()) else { break };
        let number = usize::from(u16::from_le_bytes([function.0, function.1])) % (imports.len() + 8);
        let mut record =
            Record { function: number.min(imports.len()) as u32, from_memory: 0, arguments: [0; ARGUMENTS] };
        match imports.get(number) {
            Some(import) => record.fill(import, &mut input),
            None => record.poke(&mut input),
        }
        bytes.extend(record.bytes());
    }
    bytes
}

/// A program of one call, about the first of the texts: its address and length are the arguments behind the first.
pub fn one_call(function: usize, first: u32) -> Vec<u8> {
    let mut arguments = [0; ARGUMENTS];
    (arguments[0], arguments[1], arguments[2]) = (first.into(), STRINGS.into(), TEXTS[0].len() as u64);
    let record = Record { function: function as u32, from_memory: 0, arguments }.bytes();
    [&(record.len() as u32).to_le_bytes()[..], &record].concat()
}

/// The first of the texts: a path.
pub fn first_path() -> &'static [u8] {
    TEXTS[0]
}

struct Record {
    function: u32,
    from_memory: u32,
    arguments: [u64; ARGUMENTS],
}

impl Record {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = words(&[self.function, self.from_memory]);
        bytes.extend(self.arguments.iter().flat_map(|argument| argument.to_le_bytes()));
        bytes
    }

    /// Not a call: a word is written somewhere in the guest's memory, behind its program.
    fn poke(&mut self, input: &mut impl Iterator<Item = u8>) {
        let mut byte = || u64::from(input.next().unwrap_or(0));
        self.arguments[0] = u64::from(STRUCTURES) + (byte() * 64 + byte() * 4) % 0x1_0000;
        self.arguments[1] = byte() | byte() << 8 | byte() << 32;
    }

    fn fill(&mut self, import: &Import, input: &mut impl Iterator<Item = u8>) {
        let mut length = 0;
        for (at, parameter) in import.parameters.iter().enumerate().take(ARGUMENTS) {
            let (choice, low) = (input.next().unwrap_or(0), input.next().unwrap_or(0));
            self.arguments[at] = if parameter.long {
                long(choice, low)
            } else if choice < 200 {
                self.from_memory |= u32::from(is_descriptor(&parameter.name) && choice >= 120) << at;
                u64::from(meant(&parameter.name, choice, low, &mut length))
            } else {
                u64::from(anything(choice, low))
            };
        }
    }
}

fn is_descriptor(name: &str) -> bool {
    matches!(name, "fd" | "to" | "from" | "stdin" | "stdout" | "stderr" | "pid" | "group")
}

/// What a parameter of this name is likely to be.
fn meant(name: &str, choice: u8, low: u8, length: &mut u32) -> u32 {
    let low = u32::from(low);
    match name {
        name if is_descriptor(name) && choice >= 120 => RESULTS + low % 32 * RESULT_ROOM,
        name if is_descriptor(name) => match low {
            0..=199 => low % 12,
            _ => [u32::MAX, 0x4000_0003, 0x4000_0004, 3, 4, u32::MAX - 1][low as usize % 6],
        },
        "path" | "new" | "target" | "name" | "cmd" | "argv" | "env" | "cwd" | "search" | "host" | "service"
        | "addr" | "options" | "data" => {
            let text = low as usize % TEXTS.len();
            *length = TEXTS[text].len() as u32;
            STRINGS + text as u32 * STRING_ROOM
        }
        "actions" => {
            *length = 48;
            STRUCTURES + (8 + low % 3) * STRUCTURE_ROOM
        }
        name if name == "len" || name.ends_with("_len") => *length,
        "iovs" | "fds" | "subscriptions" | "close" | "rights" | "list" | "flags" if name != "flags" || choice > 180 => {
            STRUCTURES + low % 14 * STRUCTURE_ROOM
        }
        "buf" | "value" | "events" | "environ" => BUFFERS + low * 64,
        "cap" | "buf_len" | "value_len" => [0, 1, 8, 64, 4096, 70_000][low as usize % 6],
        "count" if choice < 100 => low % 5,
        name if name.starts_with("out") || matches!(name, "size" | "count") => RESULTS + low % 32 * RESULT_ROOM,
        "uid" | "gid" | "real" | "effective" | "saved" if choice < 150 => [0, 1000, u32::MAX][low as usize % 3],
        _ => low,
    }
}

fn anything(choice: u8, low: u8) -> u32 {
    let low = u32::from(low);
    match choice % 8 {
        0 => low,
        1 => STRINGS + low % 52 * STRING_ROOM,
        2 => STRUCTURES + low % 14 * STRUCTURE_ROOM,
        3 => RESULTS + low % 32 * RESULT_ROOM,
        4 => MEMORY - low,
        5 => u32::MAX - low,
        6 => 1 << (low % 32),
        _ => low * 4099,
    }
}

fn long(choice: u8, low: u8) -> u64 {
    let low = u64::from(low);
    match choice % 10 {
        0 | 1 => low,
        2 => low * 4096,
        3 => low << 16 | low,
        4 => 1 << (low % 64),
        5 => u64::MAX - low,
        6 => i64::MAX as u64 - low,
        7 => (1 << 52) - low,
        8 => u64::MAX >> (low % 64),
        _ => low * 1_000_000,
    }
}
