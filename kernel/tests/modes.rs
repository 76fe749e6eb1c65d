//! Who may do what: permission bits, owners, groups, times, extended attributes.

#[cfg(test)]
mod common;

use common::{CREATE, Machine, NEW, Proc, R, RW, W};
use warren_kernel::Errno;
use warren_kernel::host::Timestamp;
use warren_kernel::id::Gid;
use warren_kernel::user::Access;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::xattr::{SetXattr, Subject};

fn groups(process: &Proc<'_>, groups: &[u32]) {
    let groups: Vec<Gid> = groups.iter().copied().map(Gid).collect();
    process
        .now(|kernel, call| {
            kernel.set_credentials(call, |who| {
                who.groups = groups;
                Ok(())
            })
        })
        .expect("it runs");
}

#[test]
fn the_first_triad_that_fits_decides() {
    let machine = Machine::new();
    let (owner, member, other, root) = (machine.user(1), machine.user(2), machine.user(3), machine.root());
    groups(&member, &[9, 1]);
    owner.put("/tmp/f", b"x");
    for (mode, by_owner, by_member, by_other) in [
        (0o400, true, false, false),
        (0o040, false, true, false),
        (0o004, false, false, true),
        (0o077, false, true, true),
        (0o707, true, false, true),
        (0o000, false, false, false),
    ] {
        owner.chmod("/tmp/f", mode).unwrap();
        for (who, allowed) in [(&owner, by_owner), (&member, by_member), (&other, by_other), (&root, true)] {
            assert_eq!(who.open("/tmp/f", R).is_ok(), allowed, "{mode:o} by {:?}", who.pid);
        }
    }
}

#[test]
fn a_directory_without_x_cannot_be_passed_but_read() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    agent.put("d/f", b"");
    agent.chmod("d", 0o600).unwrap();
    for path in ["d/f", "d/.", "d/..", "d/none"] {
        assert_eq!(agent.stat(path), Err(Errno::EACCES), "{path}");
    }
    assert!(agent.stat("d").is_ok() && agent.stat("d/").is_ok());
    assert_eq!(agent.names("d").unwrap(), [".", "..", "f"]);
    let fd = agent.open("d", R).unwrap();
    assert_eq!(agent.call(|kernel, call| kernel.fchdir(call, fd)), Err(Errno::EACCES));
    assert_eq!(agent.chdir("d"), Err(Errno::EACCES));
    agent.chmod("d", 0o300).unwrap();
    assert_eq!(agent.names("d"), Err(Errno::EACCES));
    assert!(agent.stat("d/f").is_ok());
    agent.put("d/g", b"");
    agent.chmod("d", 0o500).unwrap();
    assert_eq!(agent.unlink("d/f"), Err(Errno::EACCES));
    assert_eq!(agent.open("d/h", NEW), Err(Errno::EACCES));
    assert_eq!(agent.mkdir("d/h"), Err(Errno::EACCES));
    assert_eq!(agent.mkdir("d/f"), Err(Errno::EEXIST), "what is there is said before what may not be");
    assert_eq!(agent.unlink("d/none"), Err(Errno::ENOENT));
    assert_eq!(agent.rename("d/f", "f"), Err(Errno::EACCES));
}

#[test]
fn moving_a_directory_needs_leave_to_write_it() {
    let machine = Machine::new();
    let (agent, root) = (machine.agent(), machine.root());
    root.mkdir("/home/agent/theirs").unwrap();
    agent.mkdir("mine").unwrap();
    assert_eq!(agent.rename("theirs", "renamed"), Ok(()), "within one directory its `..` stays");
    assert_eq!(agent.rename("renamed", "mine/theirs"), Err(Errno::EACCES));
    agent.put("mine/f", b"");
    let exchange = agent.rename_how("mine/f", "renamed", warren_kernel::vfs::namespace::Replace::Exchange);
    assert_eq!(exchange, Err(Errno::EACCES), "nor may it be moved from the other side");
}

#[test]
fn a_sticky_directory_protects_names() {
    let machine = Machine::new();
    let (one, two, root) = (machine.user(1), machine.user(2), machine.root());
    one.put("/tmp/of_one", b"");
    two.put("/tmp/of_two", b"");
    assert_eq!(two.unlink("/tmp/of_one"), Err(Errno::EPERM));
    assert_eq!(two.rename("/tmp/of_one", "/tmp/x"), Err(Errno::EPERM));
    assert_eq!(two.rename("/tmp/of_two", "/tmp/of_one"), Err(Errno::EPERM), "nor may it be replaced");
    one.mkdir("/tmp/dir").unwrap();
    assert_eq!(two.rmdir("/tmp/dir"), Err(Errno::EPERM));
    one.chmod("/tmp/dir", 0o1777).unwrap();
    two.put("/tmp/dir/x", b"");
    assert_eq!(one.unlink("/tmp/dir/x"), Ok(()), "the directory is one's own");
    assert_eq!(root.unlink("/tmp/of_two"), Ok(()));
}

#[test]
fn new_files_take_umask_owner_and_a_setgid_directorys_group() {
    let machine = Machine::new();
    let (agent, root) = (machine.agent(), machine.root());
    assert_eq!(agent.now(|kernel, call| kernel.umask(call, 0o1027)), Ok(0o022));
    assert_eq!(agent.now(|kernel, call| kernel.umask(call, 0o027)), Ok(0o027), "only permission bits are kept");
    agent.open_mode("f", NEW, 0o6777).unwrap();
    let stat = agent.stat("f").unwrap();
    assert_eq!((stat.mode.bits(), stat.uid.0, stat.gid.0), (0o6750, 1000, 1000));
    agent.call(|kernel, call| kernel.mkdir(call, At::Cwd, b"d", Mode::new(0o7777))).unwrap();
    assert_eq!(agent.stat("d").unwrap().mode.bits(), 0o1750, "mkdir takes no set-id bits");
    root.chown("/home/agent/d", None, Some(50)).unwrap();
    root.chmod("/home/agent/d", 0o2777).unwrap();
    agent.put("d/f", b"");
    agent.mkdir("d/e").unwrap();
    assert_eq!((agent.stat("d/f").unwrap().gid.0, agent.stat("d/f").unwrap().mode.bits()), (50, 0o640));
    assert_eq!((agent.stat("d/e").unwrap().gid.0, agent.stat("d/e").unwrap().mode.bits()), (50, 0o2750));
}

#[test]
fn who_may_chmod_and_chown() {
    let machine = Machine::new();
    let (agent, other, root) = (machine.agent(), machine.user(2), machine.root());
    agent.put("/tmp/f", b"");
    assert_eq!(other.chmod("/tmp/f", 0o777), Err(Errno::EPERM));
    assert_eq!(other.chown("/tmp/f", None, Some(2)), Err(Errno::EPERM));
    assert_eq!(agent.chown("/tmp/f", Some(2), None), Err(Errno::EPERM), "only root gives away");
    assert_eq!(agent.chown("/tmp/f", None, Some(2)), Err(Errno::EPERM), "not a group one is in");
    groups(&agent, &[7]);
    assert_eq!(agent.chown("/tmp/f", Some(1000), Some(7)), Ok(()));
    agent.chmod("/tmp/f", 0o6755).unwrap();
    assert_eq!(agent.stat("/tmp/f").unwrap().mode.bits(), 0o6755);
    assert_eq!(root.chown("/tmp/f", Some(2), Some(2)), Ok(()));
    let stat = root.stat("/tmp/f").unwrap();
    assert_eq!((stat.mode.bits(), stat.uid.0, stat.gid.0), (0o755, 2, 2), "set-id bits go with the owner");
    groups(&other, &[]);
    root.chown("/tmp/f", Some(2), Some(5)).unwrap();
    other.chmod("/tmp/f", 0o2755).unwrap();
    assert_eq!(other.stat("/tmp/f").unwrap().mode.bits(), 0o755, "setgid only for members");
    root.symlink("f", "/tmp/l").unwrap();
    root.call(|kernel, call| kernel.chown(call, At::Cwd, b"/tmp/l", false, None, Some(Gid(9)))).unwrap();
    assert_eq!((root.lstat("/tmp/l").unwrap().gid.0, root.stat("/tmp/l").unwrap().gid.0), (9, 5));
    let fd = root.open("/tmp/f", R).unwrap();
    root.call(|kernel, call| kernel.fchmod(call, fd, Mode::new(0o600))).unwrap();
    root.call(|kernel, call| kernel.fchown(call, fd, None, Some(Gid(1)))).unwrap();
    assert_eq!((root.stat("/tmp/f").unwrap().mode.bits(), root.stat("/tmp/f").unwrap().gid.0), (0o600, 1));
}

#[test]
fn who_may_set_times() {
    let machine = Machine::new();
    let (agent, other) = (machine.agent(), machine.user(2));
    agent.put("/tmp/f", b"");
    let set = |who: &Proc<'_>, atime, mtime| {
        who.call(move |kernel, call| kernel.set_times(call, At::Cwd, b"/tmp/f", true, atime, mtime))
    };
    let chosen = SetTime::To(Timestamp::from_seconds(-5));
    agent.chmod("/tmp/f", 0o644).unwrap();
    assert_eq!(set(&other, SetTime::Now, SetTime::Now), Err(Errno::EACCES));
    assert_eq!(set(&other, chosen, chosen), Err(Errno::EPERM));
    assert_eq!(set(&other, SetTime::Omit, SetTime::Omit), Ok(()));
    agent.chmod("/tmp/f", 0o666).unwrap();
    assert_eq!(set(&other, SetTime::Now, SetTime::Now), Ok(()), "the present needs only leave to write");
    assert_eq!(set(&other, SetTime::Now, SetTime::Omit), Err(Errno::EPERM));
    assert_eq!(set(&agent, SetTime::Omit, chosen), Ok(()));
    let stat = agent.stat("/tmp/f").unwrap();
    assert_eq!((stat.mtime.seconds(), stat.atime.seconds(), stat.ctime.seconds()), (-5, 1_800_000_000, 1_800_000_000));
    for extreme in [i64::MIN, i64::MAX] {
        let time = SetTime::To(Timestamp(extreme));
        set(&agent, time, time).unwrap();
        agent.get("/tmp/f").unwrap();
    }
}

#[test]
fn access_asks_for_the_real_user() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent
        .now(|kernel, call| {
            kernel.set_credentials(call, |who| {
                (who.euid, who.suid) = (warren_kernel::id::Uid(0), warren_kernel::id::Uid(0));
                Ok(())
            })
        })
        .unwrap();
    let access = |path: &'static [u8], want, effective| {
        agent.call(move |kernel, call| kernel.access(call, At::Cwd, path, want, effective))
    };
    assert_eq!(access(b"/etc/shadow", Access::READ, true), Ok(()));
    assert_eq!(access(b"/etc/shadow", Access::READ, false), Err(Errno::EACCES));
    assert_eq!(access(b"/etc/shadow", Access::default(), false), Ok(()), "F_OK");
    assert_eq!(access(b"/etc/none", Access::default(), false), Err(Errno::ENOENT));
    assert_eq!(access(b"/bin/noexec", Access::EXECUTE, true), Err(Errno::EACCES), "root executes what someone may");
    assert_eq!(access(b"/bin/prog", Access::EXECUTE, false), Ok(()));
}

#[test]
fn reading_and_cutting_need_what_they_say() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("f", b"12345");
    agent.chmod("f", 0o444).unwrap();
    for flags in [W, RW, R | OpenFlags::TRUNCATE, W | CREATE] {
        assert_eq!(agent.open("f", flags), Err(Errno::EACCES), "{flags:?}");
    }
    assert_eq!(agent.stat("f").unwrap().size, 5);
    let fd = agent.open_mode("new", NEW, 0o000).unwrap();
    assert_eq!(agent.write(fd, b"x"), Ok(1), "who makes a file may write it, whatever its bits");
    assert_eq!(agent.read(fd, 1), Err(Errno::EBADF));
}

#[test]
fn extended_attributes() {
    let machine = Machine::new();
    let (agent, root) = (machine.agent(), machine.root());
    agent.put("f", b"");
    agent.symlink("f", "l").unwrap();
    let set = |who: &Proc<'_>, path: &'static [u8], name: &'static [u8], value: Vec<u8>, how| {
        who.call(move |kernel, call| kernel.setxattr(call, Subject::Path(At::Cwd, path, true), name, &value, how))
    };
    let get = |who: &Proc<'_>, path: &'static [u8], name: &'static [u8]| {
        who.call(move |kernel, call| kernel.getxattr(call, Subject::Path(At::Cwd, path, true), name))
    };
    assert_eq!(set(&agent, b"f", b"user.a", b"1".to_vec(), SetXattr::Replace), Err(Errno::ENODATA));
    assert_eq!(set(&agent, b"f", b"user.a", b"1".to_vec(), SetXattr::Create), Ok(()));
    assert_eq!(set(&agent, b"f", b"user.a", b"2".to_vec(), SetXattr::Create), Err(Errno::EEXIST));
    assert_eq!(set(&agent, b"l", b"user.a", b"".to_vec(), SetXattr::Either), Ok(()));
    assert_eq!(&*get(&agent, b"f", b"user.a").unwrap(), b"");
    assert_eq!(get(&agent, b"f", b"user.b"), Err(Errno::ENODATA));
    assert_eq!(set(&agent, b"f", b"plain", vec![], SetXattr::Either), Err(Errno::EOPNOTSUPP));
    assert_eq!(set(&agent, b"f", b"", vec![], SetXattr::Either), Err(Errno::ERANGE));
    assert_eq!(set(&agent, b"f", b"user.a", vec![0; 65_537], SetXattr::Either), Err(Errno::E2BIG));
    assert_eq!(set(&agent, b"f", b"trusted.x", vec![], SetXattr::Either), Err(Errno::EPERM));
    assert_eq!(set(&root, b"/home/agent/f", b"trusted.x", vec![], SetXattr::Either), Ok(()));
    let list = |who: &Proc<'_>, path: &'static [u8]| {
        let names = who.call(move |kernel, call| kernel.listxattr(call, Subject::Path(At::Cwd, path, true))).unwrap();
        names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&agent, b"f"), ["user.a"]);
    assert_eq!(list(&root, b"/home/agent/f"), ["trusted.x", "user.a"]);
    let on_link = agent.call(|kernel, call| {
        kernel.setxattr(call, Subject::Path(At::Cwd, b"l", false), b"user.x", b"", SetXattr::Either)
    });
    assert_eq!(on_link, Err(Errno::EPERM));
    agent.chmod("f", 0o400).unwrap();
    assert_eq!(set(&agent, b"f", b"user.a", vec![], SetXattr::Either), Err(Errno::EACCES));
    agent.chmod("f", 0o600).unwrap();
    let charged = machine.usage().file_bytes;
    assert_eq!(set(&agent, b"f", b"user.big", vec![1; 60_000], SetXattr::Either), Ok(()));
    assert!(machine.usage().file_bytes >= charged + 56_000);
    let remove =
        || agent.call(|kernel, call| kernel.removexattr(call, Subject::Path(At::Cwd, b"f", true), b"user.big"));
    assert_eq!(remove(), Ok(()));
    assert_eq!(remove(), Err(Errno::ENODATA));
    assert_eq!(machine.usage().file_bytes, charged);
    assert_eq!(get(&agent, b"/proc/version", b"user.a"), Err(Errno::EOPNOTSUPP));
}
