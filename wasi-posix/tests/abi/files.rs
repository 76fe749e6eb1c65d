//! Preopened directories, `wasi_unstable`, readdir, poll, arguments, clocks and randomness.

use crate::harness::errno::{EBADF, EINVAL, EISDIR, OK};
use crate::harness::{CWD, Place, Script, at, i, l};
use warren_kernel::process::{ExitStatus, strings};

const READ: u64 = 2;
const WRITE: u64 = 64;
/// The POSIX libc's numbers of the preopened directories.
const TAGGED_CWD: u32 = 0x4000_0003;
const TAGGED_ROOT: u32 = 0x4000_0004;

fn open(script: &mut Script, path: &str, oflags: u32, rights: u64) -> u32 {
    let ([path, len], fd) = (script.text(path), script.room(4));
    let args = [i(CWD), i(1), path, len, i(oflags), l(rights), l(0), i(0), i(fd)];
    script.expect("wasi_snapshot_preview1.path_open", &args, OK);
    fd
}

// ---- preopened directories

#[test]
fn plain_wasi_finds_the_working_directory_at_3_and_those_of_the_root_behind_it() {
    let mut script = Script::new();
    let (stat, name) = (script.room(8), script.room(16));
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(3), i(stat)], OK);
    script.expect("wasi_snapshot_preview1.fd_prestat_dir_name", &[i(3), i(name), i(1)], OK);
    let mut dumps = vec![(script.dump(stat, 8), script.dump(name, 1), ".")];
    // Those of the base system which its user may read, by name; /bin, /lib and /sbin are links.
    let root = ["/dev", "/etc", "/home", "/mnt", "/opt", "/proc", "/run", "/srv", "/tmp", "/usr", "/var"];
    for (fd, path) in (4..).zip(root) {
        let (stat, name) = (script.room(8), script.room(16));
        script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(fd), i(stat)], OK);
        script.expect("wasi_snapshot_preview1.fd_prestat_dir_name", &[i(fd), i(name), i(path.len() as u32)], OK);
        dumps.push((script.dump(stat, 8), script.dump(name, path.len() as u32), path));
    }
    let after = 4 + root.len() as u32;
    let other = script.room(16);
    for fd in [0, 1, 2, after, TAGGED_CWD, TAGGED_ROOT] {
        script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(fd), i(other)], EBADF);
        script.expect("wasi_snapshot_preview1.fd_prestat_dir_name", &[i(fd), i(other), i(16)], EBADF);
    }
    // They are real: they can be listed, closed, and are then gone.
    let (list, used) = (script.room(256), script.room(4));
    script.expect("wasi_snapshot_preview1.fd_readdir", &[i(4), i(list), i(256), l(0), i(used)], OK);
    let ([passwd, len], fd) = (script.text("passwd"), script.room(4));
    script.expect("wasi_snapshot_preview1.path_open", &[i(5), i(0), passwd, len, i(0), l(READ), l(0), i(0), i(fd)], OK);
    script.expect("wasi_snapshot_preview1.fd_close", &[i(3)], OK);
    script.expect("wasi_snapshot_preview1.fd_close", &[i(3)], EBADF);
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(3), i(other)], EBADF);
    // Renumbering takes the directory along.
    script.expect("wasi_snapshot_preview1.fd_renumber", &[i(4), i(40)], OK);
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(4), i(other)], EBADF);
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(40), i(other)], OK);
    let fd = script.dump(fd, 4);
    let found = script.run(&Place::new());
    for (stat, name, path) in dumps {
        assert_eq!(found.dumps[stat], [0, 0, 0, 0, path.len() as u8, 0, 0, 0], "{path}");
        assert_eq!(found.dumps[name], path.as_bytes());
    }
    assert_eq!(found.word(fd), after);
}

#[test]
fn the_posix_libc_finds_its_directories_apart_from_descriptors() {
    let mut script = Script::posix();
    let (cwd, cwd_name, root, root_name) = (script.room(8), script.room(16), script.room(8), script.room(8));
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(TAGGED_CWD), i(cwd)], OK);
    script.expect("wasi_snapshot_preview1.fd_prestat_dir_name", &[i(TAGGED_CWD), i(cwd_name), i(16)], OK);
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(TAGGED_ROOT), i(root)], OK);
    script.expect("wasi_snapshot_preview1.fd_prestat_dir_name", &[i(TAGGED_ROOT), i(root_name), i(1)], OK);
    let stat = script.room(64);
    // Nothing is open at 3 and 4: without the bit they are no descriptors.
    for fd in [3, 4] {
        script.expect("wasi_snapshot_preview1.fd_close", &[i(fd)], EBADF);
        script.expect("wasi_snapshot_preview1.fd_filestat_get", &[i(fd), i(stat)], EBADF);
    }
    for fd in [0, 1, 5, 0x4000_0000, 0x4000_0002, 0x4000_0005, u32::MAX] {
        script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(fd), i(stat)], EBADF);
    }
    // They are no descriptors: a new one is 3, and closing one of them closes nothing.
    let fd = open(&mut script, "/etc/passwd", 0, READ);
    script.expect("wasi_snapshot_preview1.fd_close", &[i(TAGGED_CWD)], OK);
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(TAGGED_CWD), i(stat)], OK);
    let vector = script.vector(stat, 8);
    script.expect("wasi_snapshot_preview1.fd_read", &[i(TAGGED_ROOT), i(vector), i(1), i(stat)], EISDIR);
    script.expect("wasi_snapshot_preview1.fd_write", &[i(TAGGED_ROOT), i(vector), i(1), i(stat)], EBADF);
    script.expect("host_process.fd_dup", &[i(TAGGED_ROOT), i(stat)], EBADF);
    script.expect("wasi_snapshot_preview1.fd_filestat_get", &[i(TAGGED_ROOT), i(stat)], OK);
    // 3 is the file now; as the directory of a path it still is the working directory.
    let (three, [path, len]) = (script.room(64), script.text("."));
    script.expect("wasi_snapshot_preview1.fd_filestat_get", &[i(3), i(three)], OK);
    script.expect("wasi_snapshot_preview1.path_filestat_get", &[i(3), i(1), path, len, i(stat)], OK);
    let (kind_of_three, kind_of_path) = (script.dump(three + 16, 1), script.dump(stat + 16, 1));
    let dumps = [script.dump(cwd, 8), script.dump(cwd_name, 11), script.dump(root, 8), script.dump(root_name, 1)];
    let fd = script.dump(fd, 4);
    let found = script.run(&Place::new());
    assert_eq!(found.dumps[dumps[0]], [0, 0, 0, 0, 11, 0, 0, 0]);
    assert_eq!(found.dumps[dumps[1]], b"/home/agent");
    assert_eq!(found.dumps[dumps[2]], [0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(found.dumps[dumps[3]], b"/");
    assert_eq!((found.word(fd), found.dumps[kind_of_three][0], found.dumps[kind_of_path][0]), (3, 4, 3));
}

/// An older libc of the same ABI asks for 3, and then has real descriptors as plain WASI does.
#[test]
fn asking_for_3_makes_the_directories_real() {
    let mut script = Script::posix();
    let stat = script.room(8);
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(3), i(stat)], OK);
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(4), i(stat)], OK);
    script.expect("wasi_snapshot_preview1.fd_prestat_get", &[i(TAGGED_CWD), i(stat)], EBADF);
    let fd = open(&mut script, "/etc/passwd", 0, READ);
    let fd = script.dump(fd, 4);
    assert_eq!(script.run(&Place::new()).word(fd), 5);
}

// ---- wasi_unstable

#[test]
fn unstable_counts_whence_otherwise() {
    let place = Place::new();
    place.file("/tmp/file", 0o666, b"0123456789");
    let mut script = Script::new();
    let fd = open(&mut script, "/tmp/file", 0, READ);
    let offsets: Vec<u32> = (0..4).map(|_| script.room(8)).collect();
    // Current 0, end 1, set 2; preview1 has set 0, current 1, end 2.
    script.expect("wasi_unstable.fd_seek", &[at(fd), l(3), i(2), i(offsets[0])], OK);
    script.expect("wasi_unstable.fd_seek", &[at(fd), l(2), i(0), i(offsets[1])], OK);
    script.expect("wasi_unstable.fd_seek", &[at(fd), l(0), i(1), i(offsets[2])], OK);
    script.expect("wasi_unstable.fd_seek", &[at(fd), l(0), i(3), i(offsets[3])], EINVAL);
    script.expect("wasi_snapshot_preview1.fd_seek", &[at(fd), l(3), i(0), i(offsets[3])], OK);
    let dumps: Vec<usize> = offsets.iter().map(|offset| script.dump(*offset, 8)).collect();
    let found = script.run(&place);
    assert_eq!(dumps.iter().map(|dump| found.long(*dump, 0)).collect::<Vec<_>>(), [3, 5, 10, 3]);
}

#[test]
fn unstable_has_a_shorter_filestat() {
    let place = Place::new();
    place.file("/tmp/file", 0o666, b"0123456789");
    let mut script = Script::new();
    let ([path, len], new, old) = (script.text("/tmp/file"), script.room(64), script.bytes(&[0xff; 64]));
    script.expect("wasi_snapshot_preview1.path_filestat_get", &[i(CWD), i(1), path, len, i(new)], OK);
    script.expect("wasi_unstable.path_filestat_get", &[i(CWD), i(1), path, len, i(old)], OK);
    let (new, old) = (script.dump(new, 64), script.dump(old, 64));
    let found = script.run(&place);
    let (new, old) = (&found.dumps[new], &found.dumps[old]);
    // dev, ino, type, nlink (64 bits, then 32), size and three times.
    assert_eq!(new[..17], old[..17]);
    assert_eq!((new[16], &new[24..32], &old[20..24]), (4, &[1, 0, 0, 0, 0, 0, 0, 0][..], &[1, 0, 0, 0][..]));
    assert_eq!((&new[32..40], &old[24..32]), (&10u64.to_le_bytes()[..], &10u64.to_le_bytes()[..]));
    assert_eq!(new[40..64], old[32..56]);
    assert_eq!(old[56..], [0xff; 8]);
}

// ---- readdir

/// Next cookie, type and name of each whole entry.
fn entries(mut bytes: &[u8]) -> Vec<(u64, u8, String)> {
    let mut entries = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(24) {
        let len = u32::from_le_bytes(header[16..20].try_into().unwrap()) as usize;
        let Some((name, rest)) = rest.split_at_checked(len) else { break };
        let next = u64::from_le_bytes(header[..8].try_into().unwrap());
        entries.push((next, header[20], String::from_utf8_lossy(name).into_owned()));
        bytes = rest;
    }
    entries
}

#[test]
fn a_listing_goes_on_where_its_cookie_says() {
    let place = Place::new();
    for name in ["a", "bb", "ccc"] {
        place.file(&format!("/srv/{name}"), 0o644, b"");
    }
    let mut script = Script::new();
    let (fd, buffer, used) = (open(&mut script, "/srv", 2, READ), script.room(512), script.room(4));
    script.expect("wasi_snapshot_preview1.fd_readdir", &[at(fd), i(buffer), i(512), l(0), i(used)], OK);
    let (whole, whole_len) = (script.dump(buffer, 512), script.dump(used, 4));
    // One entry's header and a part of its name at a time; a full buffer means that there is more.
    let mut short = Vec::new();
    for len in [0, 1, 23, 24, 25, 26] {
        let (buffer, used) = (script.room(32), script.room(4));
        script.expect("wasi_snapshot_preview1.fd_readdir", &[at(fd), i(buffer), i(len), l(0), i(used)], OK);
        short.push((len, script.dump(used, 4)));
    }
    let mut behind = Vec::new();
    for cookie in 1..=6 {
        let (buffer, used) = (script.room(256), script.room(4));
        script.expect("wasi_snapshot_preview1.fd_readdir", &[at(fd), i(buffer), i(256), l(cookie), i(used)], OK);
        behind.push((script.dump(buffer, 256), script.dump(used, 4)));
    }
    let (end, none) = (script.room(8), script.room(64));
    script.expect("wasi_snapshot_preview1.fd_readdir", &[at(fd), i(none), i(64), l(u64::MAX), i(end)], OK);
    let end = script.dump(end, 4);
    script.expect("wasi_snapshot_preview1.fd_readdir", &[i(1), i(none), i(64), l(0), i(none)], 54);
    let found = script.run(&place);
    let whole = entries(&found.dumps[whole][..found.word(whole_len) as usize]);
    let names: Vec<&str> = whole.iter().map(|(_, _, name)| name.as_str()).collect();
    assert_eq!(names, [".", "..", "a", "bb", "ccc"]);
    assert_eq!(whole.iter().map(|(_, kind, _)| *kind).collect::<Vec<_>>(), [3, 3, 4, 4, 4]);
    for (len, used) in short {
        assert_eq!(found.word(used), len.min(24 + 1 + 24 + 2), "a buffer of {len} is filled");
    }
    // The cookie of an entry gives those behind it.
    for (index, (next, _, name)) in whole.iter().enumerate() {
        let Some((buffer, used)) = (1..=6).zip(&behind).find(|(cookie, _)| cookie == next).map(|(_, it)| it) else {
            continue;
        };
        let rest = entries(&found.dumps[*buffer][..found.word(*used) as usize]);
        assert_eq!(rest, whole[index + 1..], "behind {name}");
    }
    assert_eq!(found.word(end), 0);
}

// ---- poll

struct Event {
    userdata: u64,
    errno: u16,
    kind: u8,
}

fn events(bytes: &[u8], count: u32) -> Vec<Event> {
    let event = |event: &[u8]| Event {
        userdata: u64::from_le_bytes(event[..8].try_into().unwrap()),
        errno: u16::from_le_bytes(event[8..10].try_into().unwrap()),
        kind: event[10],
    };
    bytes.chunks_exact(32).take(count as usize).map(event).collect()
}

fn clock(userdata: u64, clock: u32, timeout: u64, absolute: bool) -> Vec<u8> {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[16..20].copy_from_slice(&clock.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    bytes[40] = u8::from(absolute);
    bytes.to_vec()
}

fn descriptor(userdata: u64, kind: u8, fd: u32) -> Vec<u8> {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[8] = kind;
    bytes[16..20].copy_from_slice(&fd.to_le_bytes());
    bytes.to_vec()
}

/// Polls these and returns what happened.
fn poll(subscriptions: &[Vec<u8>]) -> Vec<Event> {
    let mut script = Script::posix();
    let list = script.bytes(&subscriptions.concat());
    let (found, count) = (script.room(32 * subscriptions.len() as u32), script.room(4));
    let args = [i(list), i(found), i(subscriptions.len() as u32), i(count)];
    script.expect("wasi_snapshot_preview1.poll_oneoff", &args, OK);
    let (found, count) = (script.dump(found, 32 * subscriptions.len() as u32), script.dump(count, 4));
    let answer = script.run(&Place::new());
    events(&answer.dumps[found], answer.word(count))
}

#[test]
fn poll_waits_for_the_first_clock() {
    let found = poll(&[clock(7, 1, u64::MAX, false), clock(8, 1, 1_000_000, false), clock(9, 0, u64::MAX, true)]);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].userdata, found[0].errno, found[0].kind), (8, 0, 0));
    // A time that has passed, on both clocks.
    let found = poll(&[clock(1, 0, 1, true), clock(2, 1, 0, true)]);
    assert_eq!(found.iter().map(|event| event.userdata).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn poll_finds_descriptors_that_are_ready_and_those_that_are_none() {
    // Standard output has room; standard input is at its end, which reads at once.
    let found = poll(&[descriptor(1, 2, 1), clock(2, 1, u64::MAX, false)]);
    assert_eq!(found.iter().map(|event| (event.userdata, event.errno, event.kind)).collect::<Vec<_>>(), [(1, 0, 2)]);
    let found = poll(&[descriptor(1, 1, 99), clock(2, 1, u64::MAX, false)]);
    assert_eq!(found.iter().map(|event| (event.userdata, event.errno)).collect::<Vec<_>>(), [(1, 8)]);
    let found = poll(&[descriptor(1, 1, TAGGED_CWD), clock(2, 1, u64::MAX, false)]);
    assert_eq!(found.iter().map(|event| (event.userdata, event.errno)).collect::<Vec<_>>(), [(1, 8)]);
    // A clock there is none of.
    let found = poll(&[clock(1, 77, 0, false), clock(2, 1, u64::MAX, false)]);
    assert_eq!(found.iter().map(|event| (event.userdata, event.errno)).collect::<Vec<_>>(), [(1, 28)]);
}

#[test]
fn poll_refuses_a_subscription_of_no_kind() {
    let mut script = Script::new();
    let (list, room) = (script.bytes(&descriptor(1, 3, 0)), script.room(64));
    script.expect("wasi_snapshot_preview1.poll_oneoff", &[i(list), i(room), i(1), i(room + 32)], EINVAL);
    script.run(&Place::new());
}

#[test]
fn unstable_polls_longer_subscriptions() {
    let mut bytes = [0; 56];
    bytes[..8].copy_from_slice(&5u64.to_le_bytes());
    bytes[24..28].copy_from_slice(&1u32.to_le_bytes());
    bytes[32..40].copy_from_slice(&1_000u64.to_le_bytes());
    let mut script = Script::new();
    let (list, found, count) = (script.bytes(&bytes), script.room(32), script.room(4));
    script.expect("wasi_unstable.poll_oneoff", &[i(list), i(found), i(1), i(count)], OK);
    let (found, count) = (script.dump(found, 32), script.dump(count, 4));
    let answer = script.run(&Place::new());
    assert_eq!((answer.word(count), answer.long(found, 0)), (1, 5));
}

// ---- arguments, environment, clocks, randomness

#[test]
fn arguments_and_environment_arrive_as_they_are() {
    let place = Place::with(|template| template.environment = strings(["A=1", "EMPTY=", "NAME=with = and spaces"]));
    let mut script = Script::new();
    let (sizes, table, text) = (script.room(16), script.room(32), script.room(256));
    script.expect("wasi_snapshot_preview1.args_sizes_get", &[i(sizes), i(sizes + 4)], OK);
    script.expect("wasi_snapshot_preview1.args_get", &[i(table), i(text)], OK);
    script.expect("wasi_snapshot_preview1.environ_sizes_get", &[i(sizes + 8), i(sizes + 12)], OK);
    let (environ, environ_text) = (script.room(32), script.room(256));
    script.expect("wasi_snapshot_preview1.environ_get", &[i(environ), i(environ_text)], OK);
    let dumps =
        [script.dump(sizes, 16), script.dump(table, 16), script.dump(text, 256), script.dump(environ_text, 256)];
    place.wat("/run/guest", &script.wat());
    let finished = place.run(&["/run/guest", "", "two words", "\u{fc}"]).unwrap();
    assert_eq!(finished.status, ExitStatus::Exited(0));
    let out = &finished.stdout[4 * 8..];
    assert_eq!(dumps, [0, 1, 2, 3]);
    let (sizes, rest) = out.split_at(16);
    let (table, rest) = rest.split_at(16);
    let (arguments, environment) = rest.split_at(256);
    let expected = b"/run/guest\0\0two words\0\xc3\xbc\0";
    assert!(arguments.starts_with(expected), "{:?}", String::from_utf8_lossy(arguments));
    let wanted = b"A=1\0EMPTY=\0NAME=with = and spaces\0";
    assert!(environment.starts_with(wanted), "{:?}", String::from_utf8_lossy(environment));
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!([word(sizes, 0), word(sizes, 4)], [4, expected.len() as u32]);
    assert_eq!([word(sizes, 8), word(sizes, 12)], [3, wanted.len() as u32]);
    let starts: Vec<u32> = (0..4).map(|index| word(table, index * 4) - word(table, 0)).collect();
    assert_eq!(starts, [0, 11, 12, 22]);
}

/// The POSIX host ABI's libc keeps the working directory itself, and begins with PWD; plain WASI gets what it was given.
#[test]
fn pwd_is_told_to_the_posix_libc_alone() {
    for (mut script, expected) in
        [(Script::new(), &b"PWD=/nowhere\0"[..]), (Script::posix(), &b"PWD=/home/agent\0"[..])]
    {
        let place = Place::with(|template| template.environment = strings(["PWD=/nowhere"]));
        let (table, text) = (script.room(8), script.room(64));
        script.expect("wasi_snapshot_preview1.environ_get", &[i(table), i(text)], OK);
        let text = script.dump(text, expected.len() as u32);
        assert_eq!(script.run(&place).dumps[text], expected);
    }
}

#[test]
fn clocks_go_on_and_unknown_ones_are_refused() {
    let mut script = Script::new();
    let (before, after, wall, cpu) = (script.room(8), script.room(8), script.room(8), script.room(8));
    script.expect("wasi_snapshot_preview1.clock_time_get", &[i(1), l(0), i(before)], OK);
    script.expect("wasi_snapshot_preview1.clock_time_get", &[i(0), l(u64::MAX), i(wall)], OK);
    script.expect("wasi_snapshot_preview1.clock_time_get", &[i(2), l(0), i(cpu)], OK);
    script.expect("wasi_snapshot_preview1.clock_time_get", &[i(3), l(0), i(cpu)], OK);
    script.expect("wasi_snapshot_preview1.clock_time_get", &[i(1), l(0), i(after)], OK);
    for clock in [4, 1 << 31, u32::MAX] {
        script.expect("wasi_snapshot_preview1.clock_time_get", &[i(clock), l(0), i(cpu)], EINVAL);
        script.expect("wasi_snapshot_preview1.clock_res_get", &[i(clock), i(cpu)], EINVAL);
    }
    for clock in 0..4 {
        script.expect("wasi_snapshot_preview1.clock_res_get", &[i(clock), i(cpu)], OK);
    }
    script.expect("wasi_snapshot_preview1.sched_yield", &[], OK);
    let dumps = [script.dump(before, 8), script.dump(after, 8), script.dump(wall, 8), script.dump(cpu, 8)];
    let found = script.run(&Place::new());
    let [before, after, wall, resolution] = dumps.map(|dump| found.long(dump, 0));
    assert!(before <= after && wall > 1_700_000_000_000_000_000 && resolution == 1);
}

#[test]
fn random_bytes_differ_and_fill_large_ranges() {
    let mut script = Script::new();
    let (one, other) = (script.room(32), script.room(32));
    script.expect("wasi_snapshot_preview1.random_get", &[i(one), i(32)], OK);
    script.expect("wasi_snapshot_preview1.random_get", &[i(other), i(32)], OK);
    let (one, other) = (script.dump(one, 32), script.dump(other, 32));
    let found = script.run(&Place::new());
    assert_ne!(found.dumps[one], found.dumps[other]);
    assert_ne!(found.dumps[one], [0; 32]);
}

#[test]
fn renumber_and_duplicate_move_the_same_open_file() {
    let place = Place::new();
    place.file("/tmp/file", 0o666, b"0123456789");
    let mut script = Script::posix();
    let fd = open(&mut script, "/tmp/file", 0, READ | WRITE);
    let (offset, new) = (script.room(8), script.room(4));
    script.expect("host_process.fd_dup_min", &[at(fd), i(20), i(new)], OK);
    script.expect("wasi_snapshot_preview1.fd_seek", &[i(20), l(6), i(0), i(offset)], OK);
    script.expect("wasi_snapshot_preview1.fd_renumber", &[at(fd), i(21)], OK);
    script.expect("wasi_snapshot_preview1.fd_tell", &[i(21), i(offset)], OK);
    script.expect("host_process.fd_dup2", &[i(21), i(21)], OK);
    script.expect("wasi_snapshot_preview1.fd_renumber", &[i(21), i(21)], OK);
    script.expect("host_process.fd_setfd", &[i(21), i(1)], OK);
    script.expect("host_process.fd_getfd", &[i(21), i(new)], OK);
    script.expect("host_process.fd_getfd", &[i(20), i(new)], OK);
    script.expect("host_process.proc_closefrom", &[i(20)], OK);
    script.expect("host_process.fd_getfd", &[i(20), i(new)], EBADF);
    let offset = script.dump(offset, 8);
    assert_eq!(script.run(&place).long(offset, 0), 6);
}
