//! Sessions that go on: from a tree in memory, from a delta whose blocks lie outside, and from a tree they had before.

#[cfg(test)]
mod common;

use common::{CREATE, Machine, NEW, Proc, R, RW, config};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use warren_kernel::blob::{BlobId, Blobs, SharedBytes};
use warren_kernel::id::{Lsn, Pid};
use warren_kernel::image::SaveError;
use warren_kernel::process::ExitStatus;
use warren_kernel::seek::Whence;
use warren_kernel::vfs::change::{BlockImage, Delta, apply, delta_between, delta_since};
use warren_kernel::vfs::inodes::Inodes;
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::{Mode, Stat};
use warren_kernel::{Call, Errno, Kernel};

/// A place blocks lie in; counts how many were asked for.
#[derive(Default)]
struct Outside {
    held: Mutex<HashMap<BlobId, Vec<u8>>>,
    loads: AtomicU64,
}

impl Blobs for Outside {
    fn load(&self, id: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(self.held.lock().expect("no test panics with it").get(id).ok_or(Errno::EIO)?.clone()))
    }
}

impl Outside {
    /// The delta with its blocks' bytes kept here.
    fn keep(&self, mut delta: Delta) -> Delta {
        for (_, block) in delta.blocks.iter_mut().flat_map(|range| &mut range.blocks) {
            if let BlockImage::Bytes(bytes) = block {
                let id = BlobId::of(bytes);
                self.held.lock().expect("no test panics with it").insert(id, bytes.to_vec());
                *block = BlockImage::Stored(id, bytes.len() as u64);
            }
        }
        delta
    }
}

/// Where a session stands: its files, its last change, its next process.
fn point(machine: &Machine) -> (Inodes, Lsn, u32) {
    machine.session.with(|kernel| (kernel.root().snapshot(), kernel.root().log().newest(), kernel.next_pid()))
}

/// A session on the same files.
fn fork(machine: &Machine) -> Machine {
    let (files, lsn, next_pid) = point(machine);
    let template = machine.template.clone();
    Machine::from(template.clone(), |world| Kernel::resume(world, template, files, lsn, next_pid))
}

/// A session on the same files, none of whose blocks is loaded.
fn woken(machine: &Machine, outside: &Arc<Outside>) -> Machine {
    let (files, lsn, next_pid) = point(machine);
    let template = machine.template.clone();
    let layer = template.layer.inodes();
    let delta = outside.keep(delta_between(&layer, &files, Lsn::ZERO, lsn));
    let wire = rmp_serde::to_vec_named(&delta).expect("plain data");
    let delta: Delta = rmp_serde::from_slice(&wire).expect("it was just written");
    let blobs: Arc<dyn Blobs> = outside.clone();
    let files = apply(&layer, &delta, &blobs).expect("our own delta fits");
    Machine::from(template.clone(), |world| Kernel::resume(world, template, files, lsn, next_pid))
}

#[derive(Clone, Debug)]
enum Op {
    /// Writes these many bytes at an offset, in one part or several.
    Write(usize, u64, Vec<usize>, u8),
    Append(usize, usize),
    Read(usize, u64, usize),
    SetLen(usize, u64),
    Punch(usize, u64, u64),
    Allocate(usize, u64, u64),
    Seek(usize, u64, bool),
    Rename(usize, usize),
    Unlink(usize),
    Replace(usize, usize),
}

const FILES: [&str; 4] = ["a", "b", "c", "/bin/other"];
const BLOCK: u64 = 64 * 1024;

fn op() -> impl Strategy<Value = Op> {
    let file = || 0..FILES.len();
    let place = || {
        prop_oneof![0..4 * BLOCK, (0..4u64, -2..3i64).prop_map(|(block, by)| (block * BLOCK).saturating_add_signed(by)),]
    };
    let len = || prop_oneof![1..300usize, Just(BLOCK as usize), 1..100_000usize];
    prop_oneof![
        6 => (file(), place(), prop::collection::vec(len(), 1..4), any::<u8>())
            .prop_map(|(file, at, parts, byte)| Op::Write(file, at, parts, byte)),
        2 => (file(), len()).prop_map(|(file, len)| Op::Append(file, len)),
        4 => (file(), place(), 0..200_000usize).prop_map(|(file, at, len)| Op::Read(file, at, len)),
        3 => (file(), place()).prop_map(|(file, len)| Op::SetLen(file, len)),
        2 => (file(), place(), place()).prop_map(|(file, at, len)| Op::Punch(file, at, len)),
        1 => (file(), place(), place()).prop_map(|(file, at, len)| Op::Allocate(file, at, len)),
        2 => (file(), place(), any::<bool>()).prop_map(|(file, at, data)| Op::Seek(file, at, data)),
        1 => (file(), file()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => file().prop_map(Op::Unlink),
        1 => (file(), len()).prop_map(|(file, len)| Op::Replace(file, len)),
    ]
}

/// What a call showed: a number, and the bytes it gave.
type Seen = (Result<u64, Errno>, Vec<u8>);

fn perform(process: Proc<'_>, op: &Op) -> Seen {
    let open = |file: usize| process.open(FILES[file], RW | CREATE).expect("it can be opened");
    let (file, done): (usize, &dyn Fn(warren_kernel::id::Fd) -> Seen) = match op {
        Op::Write(file, at, parts, byte) => (*file, &|fd| {
            let parts: Vec<Vec<u8>> = parts.iter().map(|len| vec![*byte; *len]).collect();
            let parts: Vec<&[u8]> = parts.iter().map(|part| &part[..]).collect();
            (process.call(|kernel, call| kernel.pwrite(call, fd, *at, &parts)).map(|count| count as u64), Vec::new())
        }),
        Op::Append(file, len) => (*file, &|fd| {
            let end = process.seek(fd, 0, Whence::End).expect("a file");
            let part = vec![end as u8; *len];
            (process.write(fd, &part).map(|count| count as u64), Vec::new())
        }),
        Op::Read(file, at, len) => (*file, &|fd| {
            let read = process.call(|kernel, call| {
                let mut got = Vec::new();
                kernel.pread(call, fd, *at, *len, &mut |bytes| got.extend_from_slice(bytes))?;
                Ok(got)
            });
            (read.as_ref().map(|got| got.len() as u64).map_err(|errno| *errno), read.unwrap_or_default())
        }),
        Op::SetLen(file, len) => (*file, &|fd| (process.set_len(fd, *len).map(|()| 0), Vec::new())),
        Op::Punch(file, at, len) => {
            (*file, &|fd| (process.call(|kernel, call| kernel.punch_hole(call, fd, *at, *len)).map(|()| 0), Vec::new()))
        }
        Op::Allocate(file, at, len) => {
            (*file, &|fd| (process.call(|kernel, call| kernel.allocate(call, fd, *at, *len)).map(|()| 0), Vec::new()))
        }
        Op::Seek(file, at, data) => {
            (*file, &|fd| (process.seek(fd, *at as i64, if *data { Whence::Data } else { Whence::Hole }), Vec::new()))
        }
        Op::Rename(from, to) => return (process.rename(FILES[*from], FILES[*to]).map(|()| 0), Vec::new()),
        Op::Unlink(file) => return (process.unlink(FILES[*file]).map(|()| 0), Vec::new()),
        Op::Replace(file, len) => {
            process.unlink(FILES[*file]).ok();
            (*file, &|fd| (process.write(fd, &vec![3; *len]).map(|count| count as u64), Vec::new()))
        }
    };
    let fd = open(file);
    let seen = done(fd);
    process.close(fd).expect("it is open");
    seen
}

fn stats(process: Proc<'_>) -> Vec<Result<Stat, Errno>> {
    FILES.iter().map(|file| process.stat(file)).collect()
}

proptest! {
    #![proptest_config(config(96))]

    /// A session whose blocks are loaded as they are needed, and one that has them all, answer every call the same.
    #[test]
    fn a_session_that_was_parked_cannot_be_told_from_one_that_was_not(
        before in prop::collection::vec(op(), 1..12),
        after in prop::collection::vec(op(), 1..24),
    ) {
        let first = Machine::limited(|limits| limits.file_bytes = 400_000);
        let root = first.root();
        before.iter().for_each(|op| drop(perform(root, op)));
        let outside = Arc::new(Outside::default());
        let (plain, lazy) = (fork(&first), woken(&first, &outside));
        let (one, two) = (plain.root(), lazy.root());
        prop_assert_eq!(one.pid, two.pid);
        for op in &after {
            prop_assert_eq!(plain.usage().file_bytes, lazy.usage().file_bytes);
            prop_assert!(stats(one) == stats(two), "{:?} and {:?}", stats(one), stats(two));
            let (expected, seen) = (perform(one, op), perform(two, op));
            prop_assert!(expected == seen, "{:?}: {:?} and {:?}", op, expected.0, seen.0);
        }
        for file in FILES {
            prop_assert!(one.get(file) == two.get(file), "{}", file);
        }
        prop_assert_eq!(plain.usage().inodes, lazy.usage().inodes);
        prop_assert_eq!(point(&plain).1, point(&lazy).1);
    }
}

#[test]
fn a_woken_session_loads_what_is_read_and_no_more() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("large", &vec![7; 3 * BLOCK as usize]);
    agent.put("small", b"small");
    let outside = Arc::new(Outside::default());
    let woken = woken(&machine, &outside);
    let agent = woken.agent();
    let loads = || outside.loads.load(Ordering::SeqCst);
    assert_eq!((agent.stat("large").unwrap().size, loads()), (3 * BLOCK, 0));
    assert_eq!(agent.get("small").unwrap(), b"small");
    assert_eq!(loads(), 1);
    let fd = agent.open("large", R).unwrap();
    agent.seek(fd, BLOCK as i64, Whence::Set).unwrap();
    assert_eq!(agent.read(fd, 100).unwrap(), [7; 100]);
    assert_eq!(loads(), 2);
    assert_eq!(
        agent.read(fd, 2 * BLOCK as usize).unwrap().len(),
        2 * BLOCK as usize - 100,
        "not short of what is there"
    );
    assert_eq!(loads(), 3, "the two blocks it is in, one of which was there");
}

#[test]
fn what_is_saved_of_a_stored_block_is_its_name() {
    let machine = Machine::new();
    machine.agent().put("f", &[1; 70_000]);
    let outside = Arc::new(Outside::default());
    let woken = woken(&machine, &outside);
    let (files, lsn, _) = point(&woken);
    let layer = woken.template.layer.inodes();
    let blocks = |files: &Inodes| -> Vec<BlockImage> {
        let delta = delta_between(&layer, files, Lsn::ZERO, lsn);
        delta.blocks.into_iter().flat_map(|range| range.blocks).map(|(_, block)| block).collect()
    };
    let stored = blocks(&files);
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|block| matches!(block, BlockImage::Stored(..))), "{stored:?}");
    woken.agent().get("f").unwrap();
    assert_eq!(blocks(&point(&woken).0), stored, "loaded or not");
    woken
        .agent()
        .call(|kernel, call| {
            let fd = kernel.open(call, At::Cwd, b"f", RW, Mode::new(0))?;
            kernel.pwrite(call, fd, 3, &[b"x"])
        })
        .unwrap();
    let now = blocks(&point(&woken).0);
    assert!(matches!((&now[0], &now[1]), (BlockImage::Bytes(_), BlockImage::Stored(..))), "{now:?}");
}

#[test]
fn a_content_that_is_lost_is_an_error_of_the_call_and_nothing_else() {
    let machine = Machine::new();
    machine.agent().put("f", b"lost");
    machine.agent().put("g", &[1; 100_000]);
    let outside = Arc::new(Outside::default());
    let woken = woken(&machine, &outside);
    outside.held.lock().unwrap().clear();
    let agent = woken.agent();
    assert_eq!(agent.get("f"), Err(Errno::EIO));
    let fd = agent.open("g", RW).unwrap();
    assert_eq!(agent.write(fd, b"part"), Err(Errno::EIO));
    assert_eq!(agent.set_len(fd, 10), Err(Errno::EIO));
    assert_eq!(agent.fstat(fd).unwrap().size, 100_000, "no effect");
    assert_eq!(agent.write(fd, &[2; BLOCK as usize]), Ok(BLOCK as usize), "what is replaced is not needed");
    agent.put("f", b"new");
    assert_eq!(agent.get("f").unwrap(), b"new");
}

#[test]
fn a_fork_has_the_files_and_not_what_only_the_other_held() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("f", b"shared");
    agent.put("gone", &[1; 5000]);
    agent.mkdir("work").unwrap();
    let held = agent.open("gone", R).unwrap();
    agent.unlink("gone").unwrap();
    agent.chdir("work").unwrap();
    machine.root().rmdir("/home/agent/work").unwrap();
    let before = machine.usage();
    let fork = fork(&machine);
    assert_eq!(fork.usage().inodes, before.inodes - 2, "an open file and a working directory without names");
    assert_eq!(fork.usage().file_bytes, before.file_bytes - 8192);
    let other = fork.agent();
    assert_eq!(other.get("f").unwrap(), b"shared");
    assert!(other.pid > agent.pid, "process numbers go on");
    other.put("f", b"the fork's");
    assert_eq!(machine.agent().get("f").unwrap(), b"shared", "each has its own from here");
    assert_eq!(agent.read(held, 9).unwrap(), [1; 9], "who is forked keeps what it holds");
    let since = point(&fork).1;
    let told = fork.session.with(|kernel| delta_since(kernel.root().inodes(), kernel.root().log(), since).map(drop));
    assert_eq!(told, Ok(()));
    let earlier = fork.session.with(|kernel| kernel.root().log().since(Lsn::ZERO).map(drop));
    assert!(earlier.is_err(), "what came before the fork is not listed");
}

/// Ends every process but init.
fn end_all(machine: &Machine) {
    let pids: Vec<Pid> =
        machine.session.with(|kernel| kernel.processes().map(|it| it.pid).filter(|pid| *pid != Pid::INIT).collect());
    for pid in pids {
        machine.session.with(|kernel| kernel.exit(pid, ExitStatus::Exited(0)));
        machine.block(Pid::INIT, |kernel, _| kernel.collect(pid)).expect("launched");
    }
}

#[test]
fn a_session_goes_back_to_files_it_had() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("kept", b"old");
    let (files, then, _) = point(&machine);
    agent.put("kept", b"new");
    agent.put("made", b"later");
    let made = agent.stat("made").unwrap().ino;
    let busy = machine.session.with(|kernel| kernel.replace_root(files.clone()));
    assert!(matches!(busy, Err(SaveError::Busy(1))), "{busy:?}");
    end_all(&machine);
    let (left, before, _) = point(&machine);
    let lsn = machine.session.with(|kernel| kernel.replace_root(files)).expect("nothing runs");
    assert_eq!((lsn, point(&machine).1), (before.next(), before.next()));
    let late = machine.session.with(|kernel| kernel.root().log().since(before).map(drop));
    assert!(late.is_err(), "a reader has to compare");
    let agent = machine.agent();
    assert_eq!(agent.get("kept").unwrap(), b"old");
    assert_eq!(agent.stat("made"), Err(Errno::ENOENT));
    assert_eq!(agent.stat("/proc/self").map(|_| ()), Ok(()), "mounts stay");
    agent.put("again", b"x");
    assert!(agent.stat("again").unwrap().ino > made, "a number is given once");
    // A reader that compares comes along, backwards in content and forwards in number.
    let (now, to, _) = point(&machine);
    let blobs: Arc<dyn Blobs> = Arc::new(Outside::default());
    let copy = apply(&left, &delta_between(&left, &now, before, to), &blobs).expect("it fits");
    let empty = delta_between(&copy, &now, to, to);
    assert_eq!((empty.names, empty.gone), (Vec::new(), Vec::new()));
    assert!(then < lsn);
}

#[test]
fn a_mount_whose_directory_is_gone_covers_its_path_again() {
    let machine = Machine::new();
    let make = |path: &[u8]| {
        machine.session.with(|kernel| {
            let mut call = Call::new(Pid::INIT);
            kernel.mkdir(&mut call, At::Root, path, Mode::new(0o755)).expect("made");
        });
    };
    let (empty, ..) = point(&machine);
    make(b"/mnt/proc");
    let (one, ..) = point(&machine);
    machine.session.with(|kernel| kernel.replace_root(empty.clone())).unwrap();
    make(b"/mnt/proc");
    machine.session.with(|kernel| {
        kernel.mount(&mut Call::new(Pid::INIT), b"/mnt/proc", Mounted::Proc, false).expect("mounted");
    });
    let held = machine.usage().held_inodes;
    machine.session.with(|kernel| kernel.replace_root(one)).unwrap();
    assert_eq!(machine.usage().held_inodes, held);
    assert_eq!(machine.root().stat("/mnt/proc/version").map(|_| ()), Ok(()), "another directory of the same path");
    end_all(&machine);
    machine.session.with(|kernel| kernel.replace_root(empty)).unwrap();
    assert_eq!(machine.root().stat("/mnt/proc").map(|_| ()), Err(Errno::ENOENT));
    assert_eq!(machine.usage().held_inodes, held + 1, "and the working directory of the one that looked");
}

#[test]
fn what_init_holds_open_of_a_file_that_is_gone_says_so() {
    let machine = Machine::new();
    let (files, ..) = point(&machine);
    let fd = machine.session.with(|kernel| {
        let mut call = Call::new(Pid::INIT);
        let fd = kernel.open(&mut call, At::Root, b"/tmp/f", NEW, Mode::new(0o600)).unwrap();
        kernel.write(&mut call, fd, &[b"x"]).unwrap();
        fd
    });
    machine.session.with(|kernel| kernel.replace_root(files)).unwrap();
    assert_eq!(machine.block(Pid::INIT, |kernel, call| kernel.write(call, fd, &[b"y"])), Err(Errno::ENOENT));
    machine.session.with(|kernel| kernel.close(&Call::new(Pid::INIT), fd)).unwrap();
    assert_eq!((machine.usage().file_bytes, machine.usage().open_files), (0, 0));
}
