//! The paths of what changed, and the name a descriptor shows.

#[cfg(test)]
mod common;

use common::{Machine, NEW, Proc, R, RW, W, config};
use proptest::prelude::*;
use std::collections::BTreeMap;
use warren_kernel::id::{Ino, Lsn};
use warren_kernel::vfs::change::{CHANGES_MAX, ChangedPaths};
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::OpenFlags;

fn now(machine: &Machine) -> Lsn {
    machine.session.with(|kernel| kernel.root().log().newest())
}

fn changed(machine: &Machine, since: Lsn, max: usize) -> ChangedPaths {
    machine.session.with(|kernel| kernel.changed_paths(since, max))
}

/// All paths, none of them missed.
fn paths(machine: &Machine, since: Lsn) -> Vec<String> {
    let changed = changed(machine, since, usize::MAX);
    assert_eq!((changed.more, changed.complete), (0, true), "{changed:?}");
    changed.paths.into_iter().map(|path| String::from_utf8(path).expect("text")).collect()
}

/// Does something and tells which paths it changed.
fn after(machine: &Machine, what: impl FnOnce()) -> Vec<String> {
    let since = now(machine);
    what();
    paths(machine, since)
}

#[test]
fn what_changes_is_told_once_in_order_by_its_path() {
    let machine = Machine::new();
    let (agent, root) = (machine.agent(), machine.root());
    let told = after(&machine, || {
        agent.mkdir("work").unwrap();
        agent.put("work/f", b"one");
        agent.put("work/f", b"two");
        agent.symlink("f", "work/soft").unwrap();
        root.chmod("/etc/passwd", 0o600).unwrap();
        agent.put("work/f", b"three");
    });
    assert_eq!(told, ["/home/agent/work", "/home/agent/work/f", "/home/agent/work/soft", "/etc/passwd"]);
    assert_eq!(after(&machine, || {}), [""; 0]);
    assert_eq!(after(&machine, || root.chmod("/", 0o711).unwrap()), ["/"]);
    let renamed = after(&machine, || agent.rename("work", "done").unwrap());
    assert_eq!(renamed, ["/home/agent/work", "/home/agent/done"]);
    assert_eq!(after(&machine, || agent.put("done/f", b"x")), ["/home/agent/done/f"], "below a directory that moved");
    assert_eq!(after(&machine, || agent.unlink("done/f").unwrap()), ["/home/agent/done/f"]);
    agent.put("done/g", b"x");
    let swapped = after(&machine, || agent.rename_how("done/g", "done/soft", Replace::Exchange).unwrap());
    assert_eq!(swapped, ["/home/agent/done/g", "/home/agent/done/soft"]);
}

#[test]
fn writes_through_descriptors_are_told_by_name() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("f", b"");
    let fd = agent.open("f", W).unwrap();
    assert_eq!(after(&machine, || assert_eq!(agent.write(fd, b"x"), Ok(1))), ["/home/agent/f"]);
    agent.rename("f", "g").unwrap();
    assert_eq!(after(&machine, || assert_eq!(agent.write(fd, b"x"), Ok(1))), ["/home/agent/g"]);
    agent.unlink("g").unwrap();
    assert_eq!(after(&machine, || assert_eq!(agent.write(fd, b"x"), Ok(1))), [""; 0], "nobody can see that");
    let root = machine.root();
    let layered = root.open("/bin/prog", RW).unwrap();
    assert_eq!(after(&machine, || root.set_len(layered, 5).unwrap()), ["/bin/prog"], "a file of the layer");
}

#[test]
fn reading_and_what_only_a_directory_notices_is_no_change() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    agent.put("d/f", b"text");
    assert_eq!(after(&machine, || drop(agent.get("d/f"))), [""; 0]);
    assert_eq!(after(&machine, || agent.put("d/new", b"")), ["/home/agent/d/new"]);
    let both = after(&machine, || {
        agent.put("d/newer", b"");
        agent.chmod("d", 0o700).unwrap();
    });
    assert_eq!(both, ["/home/agent/d/newer", "/home/agent/d"], "the directory's own change is told");
}

#[test]
fn what_was_in_a_directory_that_is_gone_is_told_by_it() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    agent.mkdir("d/e").unwrap();
    agent.put("d/e/f", b"x");
    let told = after(&machine, || {
        agent.unlink("d/e/f").unwrap();
        agent.rmdir("d/e").unwrap();
        agent.rmdir("d").unwrap();
    });
    assert_eq!(told, ["/home/agent/d"]);
    let came_and_went = after(&machine, || {
        agent.put("tmp", b"x");
        agent.unlink("tmp").unwrap();
    });
    assert_eq!(came_and_went, ["/home/agent/tmp"], "where something was");
}

#[test]
fn a_file_with_several_names_is_told_by_one_that_is_known() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("a", b"x");
    assert_eq!(after(&machine, || agent.link("a", "b").unwrap()), ["/home/agent/b"]);
    let fd = agent.open("a", W).unwrap();
    assert_eq!(
        after(&machine, || assert_eq!(agent.write(fd, b"x"), Ok(1))),
        ["/home/agent/b"],
        "the name it was given last"
    );
    agent.unlink("b").unwrap();
    assert_eq!(
        after(&machine, || assert_eq!(agent.write(fd, b"x"), Ok(1))),
        ["/home/agent/a"],
        "the name it is open under"
    );
    agent.link("a", "c").unwrap();
    agent.link("a", "d").unwrap();
    agent.close(fd).unwrap();
    let since = now(&machine);
    agent.unlink("d").unwrap();
    agent.chmod("a", 0o600).unwrap();
    let told = changed(&machine, since, 10);
    assert_eq!((told.paths, told.more), (vec![b"/home/agent/d".to_vec()], 1), "another is not searched for");
}

#[test]
fn no_more_are_listed_than_were_asked_for() {
    let machine = Machine::new();
    let agent = machine.agent();
    let since = now(&machine);
    for name in ["a", "b", "c", "d", "a", "e"] {
        agent.put(name, b"x");
    }
    let told = |max| {
        let told = changed(&machine, since, max);
        (told.paths.len(), told.more, told.complete)
    };
    assert_eq!([told(0), told(2), told(5), told(6)], [(0, 5, true), (2, 3, true), (5, 0, true), (5, 0, true)]);
    assert_eq!(changed(&machine, Lsn(u64::MAX), 9), ChangedPaths { complete: true, ..ChangedPaths::default() });
}

#[test]
fn a_reader_that_is_too_late_is_told_what_is_still_listed() {
    let machine = Machine::new();
    let agent = machine.agent();
    let since = now(&machine);
    agent.put("first", b"x");
    for at in 0..CHANGES_MAX {
        agent.chmod(if at % 2 == 0 { "first" } else { "/home/agent" }, 0o700).unwrap();
    }
    agent.put("last", b"x");
    let told = changed(&machine, since, 10);
    assert!(!told.complete);
    assert_eq!(told.paths.last().unwrap(), b"/home/agent/last");
    let passed = now(&machine);
    machine.session.with(|kernel| kernel.forget_changes_until(passed));
    assert_eq!(changed(&machine, since, 10), ChangedPaths::default());
    assert!(changed(&machine, passed, 10).complete);
}

/// Deeper than any path: nothing is walked for longer than a path can be, and the rest is counted.
#[test]
fn a_place_deeper_than_a_path_is_counted_and_not_told() {
    let machine = Machine::new();
    let agent = machine.agent();
    let name = "d".repeat(200);
    let since = now(&machine);
    for _ in 0..40 {
        agent.mkdir(&name).unwrap();
        agent.chdir(&name).unwrap();
    }
    agent.put("deep", b"x");
    let told = changed(&machine, since, 100);
    let longest = told.paths.iter().map(Vec::len).max().unwrap();
    assert!((3800..=4095).contains(&longest), "{longest}");
    assert_eq!(told.paths.len() as u64 + told.more, 41);
}

/// As many directories as change, each as deep as a path may be, are more steps than are taken.
#[test]
fn the_work_for_one_answer_is_bounded() {
    let machine = Machine::limited(|limits| limits.inodes = 100_000);
    let agent = machine.agent();
    for _ in 0..1500 {
        agent.mkdir("d").unwrap();
        agent.chdir("d").unwrap();
    }
    let since = now(&machine);
    for at in 0..100 {
        agent.mkdir(&format!("{at}")).unwrap();
        agent.put(&format!("{at}/f"), b"x");
    }
    let told = changed(&machine, since, 1000);
    assert!(told.more > 0 && told.paths.len() > 40, "{} and {}", told.paths.len(), told.more);
    assert_eq!(told.paths.len() as u64 + told.more, 200);
}

#[test]
fn a_descriptor_shows_the_name_it_was_opened_by() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("a", b"x");
    agent.link("a", "b").unwrap();
    let shown = |fd| agent.readlink(&format!("/proc/self/fd/{fd}")).unwrap();
    let (a, b) = (agent.open("a", R).unwrap(), agent.open("../agent/b", R).unwrap());
    assert_eq!((shown(a), shown(b)), ("/home/agent/a".to_owned(), "/home/agent/b".to_owned()));
    agent.rename("a", "c").unwrap();
    assert_eq!(shown(a), "/home/agent/c", "it follows a rename");
    agent.unlink("b").unwrap();
    agent.unlink("c").unwrap();
    assert_eq!((shown(a), shown(b)), ("/home/agent/a (deleted)".to_owned(), "/home/agent/b (deleted)".to_owned()));
    let looked = agent.open("/etc/passwd", OpenFlags::PATH).unwrap();
    assert_eq!(shown(looked), "/etc/passwd");
    agent.put("other", b"");
    let made = agent.open("made", NEW).unwrap();
    agent.rename("other", "made").unwrap();
    assert_eq!(shown(made), "/home/agent/made (deleted)", "another file has its name now");
}

#[derive(Clone, Debug)]
enum Op {
    Put(usize),
    Touch(usize),
    Link(usize, usize),
    Rename(usize, usize),
    Unlink(usize),
    Chmod(usize, u32),
    Read(usize),
}

const NAMES: [&str; 6] = ["a", "b", "d/a", "d/b", "e/a", "e/b"];

fn op() -> impl Strategy<Value = Op> {
    let name = || 0..NAMES.len();
    prop_oneof![
        3 => name().prop_map(Op::Put),
        2 => name().prop_map(Op::Touch),
        2 => (name(), name()).prop_map(|(old, new)| Op::Link(old, new)),
        3 => (name(), name()).prop_map(|(old, new)| Op::Rename(old, new)),
        2 => name().prop_map(Op::Unlink),
        2 => (name(), 0..0o1000u32).prop_map(|(name, mode)| Op::Chmod(name, mode)),
        2 => name().prop_map(Op::Read),
    ]
}

/// Each name's inode, and what of it is told as a change.
fn state(agent: Proc<'_>) -> BTreeMap<&'static str, (Ino, u64, u32)> {
    let seen = |name: &&'static str| agent.stat(name).ok().map(|stat| (*name, (stat.ino, stat.size, stat.mode.bits())));
    NAMES.iter().filter_map(seen).collect()
}

proptest! {
    #![proptest_config(config(256))]

    /// Every name that leads elsewhere and every file that is different has a path that says so.
    #[test]
    fn no_change_goes_untold(before in prop::collection::vec(op(), 0..12), ops in prop::collection::vec(op(), 1..12)) {
        let machine = Machine::new();
        let agent = machine.root();
        agent.chdir("/tmp").unwrap();
        agent.mkdir("d").unwrap();
        agent.mkdir("e").unwrap();
        let perform = |op: &Op| match op {
            Op::Put(name) => {
                let fd = agent.open(NAMES[*name], common::CREATE | W | OpenFlags::APPEND).unwrap();
                agent.write(fd, b"x").unwrap();
                agent.close(fd).unwrap();
            }
            Op::Touch(name) => drop(agent.open(NAMES[*name], W | OpenFlags::TRUNCATE).map(|fd| agent.close(fd))),
            Op::Link(old, new) => drop(agent.link(NAMES[*old], NAMES[*new])),
            Op::Rename(old, new) => drop(agent.rename(NAMES[*old], NAMES[*new])),
            Op::Unlink(name) => drop(agent.unlink(NAMES[*name])),
            Op::Chmod(name, mode) => drop(agent.chmod(NAMES[*name], *mode)),
            Op::Read(name) => drop(agent.get(NAMES[*name])),
        };
        before.iter().for_each(perform);
        let (was, since) = (state(agent), now(&machine));
        ops.iter().for_each(perform);
        let (is, told) = (state(agent), changed(&machine, since, 1000));
        prop_assert!(told.complete);
        let told_of = |name: &str| told.paths.contains(&format!("/tmp/{name}").into_bytes());
        // A file is told by one of its names; one whose known name is gone is counted.
        let told_ino = |ino: Ino| is.iter().any(|(name, (other, ..))| *other == ino && told_of(name)) || told.more > 0;
        for name in NAMES {
            match (was.get(name), is.get(name)) {
                (before, now) if before == now => {}
                (Some(before), Some(now)) if before.0 == now.0 => prop_assert!(told_ino(now.0), "{name}: {told:?}"),
                _ => prop_assert!(told_of(name), "{name}: {told:?}"),
            }
        }
        let mut once = told.paths.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), told.paths.len(), "each once");
    }
}
