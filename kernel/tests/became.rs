//! What became of the places that changed, and changes that are made as one.

#[cfg(test)]
mod common;

use common::{Machine, W};
use warren_kernel::id::{Lsn, Pid};
use warren_kernel::vfs::change::{CHANGES_MAX, How, delta_between};
use warren_kernel::vfs::inodes::Inodes;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Call, Errno, Halt};

fn now(machine: &Machine) -> (Lsn, Inodes) {
    machine.session.with(|kernel| (kernel.root().log().newest(), kernel.root().snapshot()))
}

/// Does something and tells what became of which path.
fn after(machine: &Machine, what: impl FnOnce()) -> Vec<(String, How)> {
    let (since, before) = now(machine);
    what();
    let told = machine.session.with(|kernel| kernel.changes(since, &before, usize::MAX));
    assert_eq!((told.more, told.complete), (0, true), "{told:?}");
    told.changes.into_iter().map(|change| (String::from_utf8(change.path).expect("text"), change.how)).collect()
}

fn is(path: &str, how: How) -> (String, How) {
    (format!("/home/agent/{path}"), how)
}

fn moved(from: &str) -> How {
    How::Moved(format!("/home/agent/{from}").into_bytes())
}

#[test]
fn what_is_made_changed_and_removed_is_told_apart() {
    let machine = Machine::new();
    let (agent, root) = (machine.agent(), machine.root());
    let made = after(&machine, || {
        agent.mkdir("d").unwrap();
        agent.put("d/f", b"one");
        agent.put("d/f", b"two");
        agent.symlink("f", "d/s").unwrap();
    });
    assert_eq!(made, [is("d", How::Created), is("d/f", How::Created), is("d/s", How::Created)]);
    assert_eq!(after(&machine, || agent.put("d/f", b"three")), [is("d/f", How::Modified)]);
    assert_eq!(after(&machine, || agent.chmod("d/f", 0o600).unwrap()), [is("d/f", How::Attributes)]);
    assert_eq!(after(&machine, || agent.chmod("d", 0o700).unwrap()), [is("d", How::Attributes)]);
    let fd = agent.open("d/f", W).unwrap();
    assert_eq!(after(&machine, || assert_eq!(agent.write(fd, b"x"), Ok(1))), [is("d/f", How::Modified)]);
    assert_eq!(
        after(&machine, || root.chmod("/etc/passwd", 0o600).unwrap()),
        [("/etc/passwd".to_owned(), How::Attributes)]
    );
    assert_eq!(after(&machine, || root.put("/etc/passwd", b"other")), [("/etc/passwd".to_owned(), How::Modified)]);
    let gone = after(&machine, || {
        agent.unlink("d/f").unwrap();
        agent.unlink("d/s").unwrap();
        agent.rmdir("d").unwrap();
    });
    assert_eq!(gone, [is("d", How::Removed)]);
}

#[test]
fn moves_have_both_names_and_what_comes_and_goes_is_nothing() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("a").unwrap();
    agent.mkdir("b").unwrap();
    agent.put("a/f", b"one");
    agent.put("a/g", b"two");
    let told = after(&machine, || agent.rename("a/f", "b/f").unwrap());
    assert_eq!(told, [is("a/f", How::Left), is("b/f", moved("a/f"))]);
    let told = after(&machine, || agent.rename("a", "c").unwrap());
    assert_eq!(told, [is("a", How::Left), is("c", moved("a"))]);
    let told = after(&machine, || agent.rename_how("c/g", "b/f", Replace::Exchange).unwrap());
    assert_eq!(told, [is("c/g", moved("b/f")), is("b/f", moved("c/g"))]);
    // As editors save: what is new takes the name of what was there.
    let told = after(&machine, || {
        agent.put("b/.tmp", b"new");
        agent.rename("b/.tmp", "b/f").unwrap();
    });
    assert_eq!(told, [is("b/f", How::Modified), is("b/.tmp", How::Nothing)]);
    let told = after(&machine, || {
        agent.rename("b/f", "b/x").unwrap();
        agent.rename("b/x", "b/f").unwrap();
    });
    assert_eq!(told, [is("b/f", How::Nothing), is("b/x", How::Nothing)], "there and back again");
    let told = after(&machine, || {
        agent.rename("b/f", "b/x").unwrap();
        agent.rename("b/x", "c/y").unwrap();
        agent.rename("b", "e").unwrap();
    });
    assert_eq!(
        told,
        [
            is("e/f", How::Left),
            is("e/x", How::Nothing),
            is("c/y", moved("e/f")),
            is("b", How::Left),
            is("e", moved("b"))
        ]
    );
    assert_eq!(after(&machine, || agent.link("c/y", "c/z").unwrap()), [is("c/z", How::Created)], "another name is new");
}

#[test]
fn a_directory_that_is_gone_is_where_a_file_came_from() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    agent.put("d/f", b"one");
    let told = after(&machine, || {
        agent.rename("d/f", "f").unwrap();
        agent.rmdir("d").unwrap();
    });
    assert_eq!(told, [is("f", moved("d/f")), is("d", How::Removed)]);
}

#[test]
fn no_more_is_told_than_was_asked_for_and_what_is_lost_is_said() {
    let machine = Machine::new();
    let agent = machine.agent();
    let (since, before) = now(&machine);
    for name in ["a", "b", "c"] {
        agent.put(name, b"x");
    }
    let told = machine.session.with(|kernel| kernel.changes(since, &before, 2));
    assert_eq!((told.changes.len(), told.more, told.complete), (2, 1, true));
    assert_eq!(told.changes[0].kind, Some(FileKind::Regular));
    for at in 0..=CHANGES_MAX {
        agent.chmod(if at % 2 == 0 { "a" } else { "b" }, 0o700).unwrap();
    }
    let told = machine.session.with(|kernel| kernel.changes(since, &before, 10));
    assert!(!told.complete);
}

fn path(text: &str) -> Vec<u8> {
    format!("/home/agent/{text}").into_bytes()
}

/// All or nothing of: a directory, a file of another name, a file gone, attributes; then `last`.
fn several(machine: &Machine, last: Result<(), Errno>) -> Result<(), Halt> {
    machine.session.with(|kernel| {
        kernel.all_or_nothing(|kernel| {
            let call = &mut Call::new(Pid::INIT);
            kernel.mkdir(call, At::Root, &path("new"), Mode::new(0o755))?;
            kernel.rename(call, At::Root, &path("a"), At::Root, &path("new/a"), Replace::Yes)?;
            kernel.unlink(call, At::Root, &path("gone"))?;
            kernel.chmod(call, At::Root, &path("b"), Mode::new(0o600))?;
            Ok(last?)
        })
    })
}

#[test]
fn what_fails_leaves_everything_as_it_was() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("a", b"one");
    agent.put("b", b"two");
    agent.put("gone", &[7; 100_000]);
    let (lsn, before) = now(&machine);
    let used = machine.session.with(|kernel| kernel.usage());
    let failed = several(&machine, Err(Errno::EDQUOT));
    assert!(matches!(failed, Err(Halt::Fail(Errno::EDQUOT))));
    let (same, undone) = now(&machine);
    assert_eq!(same, lsn, "no number was used up");
    let delta = delta_between(&before, &undone, lsn, same);
    assert_eq!((delta.inodes.len(), delta.names.len(), delta.gone.len()), (0, 0, 0));
    assert_eq!(format!("{:?}", machine.session.with(|kernel| kernel.usage())), format!("{used:?}"));
    assert_eq!(agent.get("gone").unwrap().len(), 100_000);
    assert_eq!(agent.stat("new").map(|_| ()), Err(Errno::ENOENT));
    // And the log goes on as if nothing had been.
    assert_eq!(after(&machine, || agent.put("b", b"three")), [is("b", How::Modified)]);
    several(&machine, Ok(())).unwrap();
    assert_eq!(agent.get("new/a").unwrap(), b"one");
}

#[test]
fn an_undone_change_does_not_take_over_the_one_before() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("a", b"one");
    let (since, before) = now(&machine);
    agent.chmod("a", 0o640).unwrap();
    // The same place changes next, and that is undone: the entry of the first change is there again.
    let undone: Result<(), Halt> = machine.session.with(|kernel| {
        kernel.all_or_nothing(|kernel| {
            kernel.chmod(&mut Call::new(Pid::INIT), At::Root, &path("a"), Mode::new(0o600))?;
            Err(Errno::EIO.into())
        })
    });
    undone.unwrap_err();
    let told = machine.session.with(|kernel| kernel.changes(since, &before, 10));
    assert_eq!(told.changes.iter().map(|change| &change.how).collect::<Vec<_>>(), [&How::Attributes]);
    assert_eq!(agent.stat("a").unwrap().mode.bits() & 0o777, 0o640);
}

#[test]
fn more_than_the_log_holds_is_undone_all_the_same() {
    let machine = Machine::limited(|limits| limits.inodes = 100_000);
    let agent = machine.agent();
    agent.put("a", b"one");
    let (lsn, before) = now(&machine);
    let undone: Result<(), Halt> = machine.session.with(|kernel| {
        kernel.all_or_nothing(|kernel| {
            let call = &mut Call::new(Pid::INIT);
            for at in 0..CHANGES_MAX {
                kernel.mkdir(call, At::Root, &path(&format!("{at}")), Mode::new(0o755))?;
            }
            Err(Errno::EIO.into())
        })
    });
    undone.unwrap_err();
    assert_eq!(now(&machine).0, lsn);
    // A reader who stands at the moment before has missed nothing.
    let told = machine.session.with(|kernel| kernel.changes(lsn, &before, 10));
    assert_eq!((told.changes.len(), told.more, told.complete), (0, 0, true));
    assert_eq!(after(&machine, || agent.put("b", b"x")), [is("b", How::Created)]);
}
