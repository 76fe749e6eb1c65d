//! Paths and names: the walk, and the calls that make, move and remove names.

#[cfg(test)]
mod common;

use common::{CREATE, Machine, NEW, R, RW, W};
use warren_kernel::Errno;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::vfs::inodes::{Birth, Inodes};
use warren_kernel::vfs::memory::{Quota, Tree};
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, NAME_MAX, PATH_MAX};

#[test]
fn dots_and_slashes() {
    let machine = Machine::new();
    let root = machine.root();
    let etc = root.stat("/etc").unwrap().ino;
    for path in ["/etc/", "//etc", "/etc/.", "/./etc", "/etc/../etc", "/../../etc", "etc", "./etc//", "/bin/../etc/."] {
        assert_eq!(root.stat(path).unwrap().ino, etc, "{path}");
    }
    for path in ["/", "/..", ".", "..", "/etc/.."] {
        assert_eq!(root.stat(path).unwrap().ino, root.stat("/").unwrap().ino, "{path}");
    }
    assert_eq!(root.stat(""), Err(Errno::ENOENT));
    assert_eq!(root.stat("a\0b"), Err(Errno::EINVAL));
    assert_eq!(root.stat("/etc/none/x"), Err(Errno::ENOENT));
    for path in ["/etc/passwd/", "/etc/passwd/.", "/etc/passwd/..", "/etc/passwd/x", "/dev/null/x"] {
        assert_eq!(root.stat(path), Err(Errno::ENOTDIR), "{path}");
    }
}

#[test]
fn long_names_and_paths() {
    let machine = Machine::new();
    let root = machine.root();
    let longest = "n".repeat(NAME_MAX);
    assert_eq!(root.mkdir(&format!("/tmp/{longest}")), Ok(()));
    assert_eq!(root.mkdir(&format!("/tmp/{longest}x")), Err(Errno::ENAMETOOLONG));
    assert_eq!(root.stat(&format!("/none/{longest}x")), Err(Errno::ENOENT), "the first thing wrong is the answer");
    assert_eq!(root.stat(&format!("/etc/passwd/{longest}x")), Err(Errno::ENOTDIR));
    let path = format!("/tmp{}", "/".repeat(PATH_MAX - 4));
    assert!(root.stat(&path).is_ok());
    assert_eq!(root.stat(&format!("{path}/")), Err(Errno::ENAMETOOLONG));
    assert_eq!(root.symlink(&"t".repeat(PATH_MAX + 1), "/tmp/l"), Err(Errno::ENAMETOOLONG));
}

#[test]
fn forty_links_are_followed_and_forty_one_are_a_loop() {
    let machine = Machine::new();
    let root = machine.root();
    root.put("/tmp/l0", b"end");
    for at in 1..=41 {
        root.symlink(&format!("l{}", at - 1), &format!("/tmp/l{at}")).unwrap();
    }
    assert_eq!(root.get("/tmp/l40").unwrap(), b"end");
    assert_eq!(root.get("/tmp/l41"), Err(Errno::ELOOP));
    assert!(root.lstat("/tmp/l41").is_ok());
    root.symlink("self", "/tmp/self").unwrap();
    assert_eq!(root.stat("/tmp/self"), Err(Errno::ELOOP));
    root.symlink("/tmp/grow/grow/x", "/tmp/grow").unwrap();
    assert_eq!(root.stat("/tmp/grow"), Err(Errno::ELOOP), "a link that makes its own path longer ends too");
}

#[test]
fn links_through_everything() {
    let machine = Machine::new();
    let root = machine.root();
    root.mkdir("/tmp/d").unwrap();
    root.put("/tmp/d/f", b"x");
    for (target, link) in
        [("d", "ld"), ("d/", "lds"), ("d/f", "lf"), ("none", "dangling"), ("/tmp/d", "la"), ("d/f/", "lfs")]
    {
        root.symlink(target, &format!("/tmp/{link}")).unwrap();
    }
    assert_eq!(root.get("/tmp/ld/f").unwrap(), b"x");
    assert_eq!(root.get("/tmp/lds/f").unwrap(), b"x");
    assert_eq!(root.get("/tmp/la/../d/f").unwrap(), b"x", "`..` of where the link led");
    assert_eq!(root.get("/tmp/lf").unwrap(), b"x");
    assert_eq!(root.stat("/tmp/lfs"), Err(Errno::ENOTDIR));
    assert_eq!(root.stat("/tmp/dangling"), Err(Errno::ENOENT));
    assert_eq!(root.stat("/tmp/lf/x"), Err(Errno::ENOTDIR));
    assert_eq!(root.lstat("/tmp/ld").unwrap().kind, FileKind::Symlink);
    assert_eq!(root.lstat("/tmp/ld/").unwrap().kind, FileKind::Directory, "a slash asks for the directory");
    assert_eq!(root.lstat("/tmp/lf/"), Err(Errno::ENOTDIR));
    assert_eq!(root.lstat("/tmp/dangling/"), Err(Errno::ENOENT));
    assert_eq!(root.readlink("/tmp/ld").unwrap(), "d");
    assert_eq!(root.readlink("/tmp/ld/"), Err(Errno::EINVAL));
    assert_eq!(root.readlink("/tmp/d/f"), Err(Errno::EINVAL));
    assert_eq!(root.symlink("", "/tmp/x"), Err(Errno::ENOENT));
    assert_eq!(root.symlink("a\0b", "/tmp/x"), Err(Errno::EINVAL));
    assert_eq!(root.lstat("/tmp/ld").unwrap().mode, Mode::new(0o777), "umask is not for links");
}

/// Each line was tried on Linux 6.18 (tmpfs).
#[test]
fn a_slash_behind_a_name_that_is_made_moved_or_removed() {
    let machine = Machine::new();
    let root = machine.root();
    root.chdir("/tmp").unwrap();
    root.mkdir("d").unwrap();
    root.mkdir("e").unwrap();
    root.put("f", b"");
    root.symlink("d", "ld").unwrap();
    root.symlink("f", "lf").unwrap();
    root.symlink("none", "dang").unwrap();
    for path in ["dang/", "ld/", "f/", "/", "."] {
        assert_eq!(root.mkdir(path), Err(Errno::EEXIST), "mkdir {path}");
    }
    assert_eq!(root.mkdir("none/."), Err(Errno::ENOENT));
    assert_eq!(root.rmdir("ld/"), Err(Errno::ENOTDIR));
    for (path, errno) in [
        ("ld/", Errno::ENOTDIR),
        ("d/", Errno::EISDIR),
        ("f/", Errno::ENOTDIR),
        ("lf/", Errno::ENOTDIR),
        ("none/", Errno::ENOENT),
        ("d/.", Errno::EISDIR),
        ("d/..", Errno::EISDIR),
    ] {
        assert_eq!(root.unlink(path), Err(errno), "unlink {path}");
    }
    for (old, new, errno) in [
        ("ld/", "x", Errno::ENOTDIR),
        ("d", "ld/", Errno::ENOTDIR),
        ("e", "ld/", Errno::ENOTDIR),
        ("f", "newf/", Errno::ENOTDIR),
        ("d/.", "x", Errno::EBUSY),
        ("d", ".", Errno::EBUSY),
    ] {
        assert_eq!(root.rename(old, new), Err(errno), "rename {old} {new}");
    }
    assert_eq!(root.symlink("x", "none/"), Err(Errno::ENOENT));
    assert_eq!(root.symlink("x", "dang/"), Err(Errno::EEXIST));
    assert_eq!(root.symlink("x", "f/"), Err(Errno::EEXIST));
    assert_eq!(root.link("f", "none/"), Err(Errno::ENOENT));
    assert_eq!(root.link("f", "d/."), Err(Errno::EEXIST));
    assert_eq!(root.link("f", "/"), Err(Errno::EEXIST));
    assert_eq!(root.mkfifo("none/"), Err(Errno::ENOENT));
    assert_eq!(root.mkdir("new/"), Ok(()));
    assert_eq!(root.rename("new/", "newer/"), Ok(()));
    assert_eq!(root.rmdir("newer/"), Ok(()));
    for (path, errno) in [("d/.", Errno::EINVAL), (".", Errno::EINVAL), ("d/..", Errno::ENOTEMPTY), ("/", Errno::EBUSY)]
    {
        assert_eq!(root.rmdir(path), Err(errno), "rmdir {path}");
    }
    assert!(root.stat("d").is_ok(), "nothing above removed what a link leads to");
}

/// Each line was tried on Linux 6.18 (tmpfs).
#[test]
fn open_flags_and_what_is_there() {
    let machine = Machine::new();
    let root = machine.root();
    root.chdir("/tmp").unwrap();
    root.mkdir("d").unwrap();
    root.put("f", b"12345");
    root.symlink("d", "ld").unwrap();
    root.symlink("made", "dang").unwrap();
    let (excl, dir) = (OpenFlags::EXCLUSIVE, OpenFlags::DIRECTORY);
    let (nofollow, trunc, path) = (OpenFlags::NOFOLLOW, OpenFlags::TRUNCATE, OpenFlags::PATH);
    for (name, flags, errno) in [
        ("none", R, Errno::ENOENT),
        ("none/", W | CREATE, Errno::EISDIR),
        ("dang/", W | CREATE, Errno::EISDIR),
        ("f/", R, Errno::ENOTDIR),
        ("f/", R | CREATE, Errno::EISDIR),
        ("d", R | trunc, Errno::EISDIR),
        ("d", W, Errno::EISDIR),
        ("d", R | CREATE, Errno::EISDIR),
        ("none", CREATE | dir, Errno::EINVAL),
        ("d", CREATE | dir, Errno::EINVAL),
        ("d", CREATE | excl, Errno::EEXIST),
        ("f", CREATE | excl, Errno::EEXIST),
        ("dang", W | CREATE | excl, Errno::EEXIST),
        ("ld", R | nofollow | dir, Errno::ENOTDIR),
        ("ld", R | nofollow, Errno::ELOOP),
        ("dang", W | CREATE | nofollow, Errno::ELOOP),
        ("f", R | dir, Errno::ENOTDIR),
        ("f", path | dir, Errno::ENOTDIR),
        ("/dev/tty", RW, Errno::ENXIO),
    ] {
        assert_eq!(root.open(name, flags), Err(errno), "open {name} {flags:?}");
    }
    assert_eq!(machine.usage().open_files, 0, "failures leave nothing");
    assert!(root.open("ld/", R | nofollow).is_ok());
    assert!(root.open("ld", nofollow | path).is_ok());
    assert!(root.stat("made").is_err());
    assert!(root.open("dang", W | CREATE).is_ok());
    assert!(root.stat("made").is_ok(), "the link's target was made");
    assert_eq!(root.open("gone", path | CREATE), Err(Errno::ENOENT), "O_PATH makes nothing");
    root.open("f", path | trunc).unwrap();
    assert_eq!(root.stat("f").unwrap().size, 5, "and cuts nothing");
    root.open("f", R | trunc).unwrap();
    assert_eq!(root.stat("f").unwrap().size, 0);
}

#[test]
fn a_descriptor_that_only_names() {
    let machine = Machine::new();
    let root = machine.root();
    root.mkdir("/tmp/d").unwrap();
    root.put("/tmp/d/f", b"x");
    let (file, dir) = (root.open("/tmp/d/f", OpenFlags::PATH).unwrap(), root.open("/tmp/d", OpenFlags::PATH).unwrap());
    assert_eq!(root.read(file, 1), Err(Errno::EBADF));
    assert_eq!(root.write(file, b"x"), Err(Errno::EBADF));
    assert_eq!(root.seek(file, 0, warren_kernel::seek::Whence::Set), Err(Errno::EBADF));
    assert_eq!(root.call(|kernel, call| kernel.fchmod(call, file, Mode::new(0))), Err(Errno::EBADF));
    assert_eq!(root.call(|kernel, call| kernel.readdir(call, dir, 0, &mut |_| true)), Err(Errno::EBADF));
    assert_eq!(root.fstat(file).unwrap().size, 1);
    assert!(root.call(|kernel, call| kernel.stat(call, At::Fd(dir), b"f", true)).is_ok());
    assert_eq!(root.call(|kernel, call| kernel.stat(call, At::Fd(file), b"f", true)), Err(Errno::ENOTDIR));
    assert_eq!(root.call(|kernel, call| kernel.fchdir(call, file)), Err(Errno::ENOTDIR));
    assert_eq!(root.call(|kernel, call| kernel.fchdir(call, dir)), Ok(()));
    assert_eq!(root.get("f").unwrap(), b"x");
    assert_eq!(root.get(&format!("/proc/self/fd/{file}")).unwrap(), b"x", "it can be opened again");
}

#[test]
fn relative_to_a_descriptor() {
    let machine = Machine::new();
    let root = machine.root();
    let etc = root.open("/etc", R).unwrap();
    let file = root.open("/etc/passwd", R).unwrap();
    let stat = |at, path: &'static [u8]| root.call(move |kernel, call| kernel.stat(call, at, path, true));
    assert!(stat(At::Fd(etc), b"passwd").is_ok());
    assert!(stat(At::Fd(etc), b"../etc/passwd").is_ok());
    assert_eq!(stat(At::Fd(file), b"x"), Err(Errno::ENOTDIR));
    assert_eq!(stat(At::Fd(Fd(99)), b"x"), Err(Errno::EBADF));
    assert!(stat(At::Fd(Fd(99)), b"/etc").is_ok(), "an absolute path needs no directory");
    assert!(stat(At::Root, b"etc").is_ok());
}

#[test]
fn renames_that_are_refused_and_that_are_not() {
    let machine = Machine::new();
    let root = machine.root();
    root.chdir("/tmp").unwrap();
    for dir in ["a", "a/b", "full", "full/x", "empty"] {
        root.mkdir(dir).unwrap();
    }
    root.put("f", b"f");
    root.put("g", b"g");
    root.put("full/f", b"f");
    for (old, new, errno) in [
        ("none", "x", Errno::ENOENT),
        ("none", "g/x", Errno::ENOTDIR),
        ("full/f", "full", Errno::ENOTEMPTY),
        ("f", "none/x", Errno::ENOENT),
        ("a", "a/b/c", Errno::EINVAL),
        ("a", "a/b", Errno::EINVAL),
        ("a/b", "a", Errno::ENOTEMPTY),
        ("a", "full", Errno::ENOTEMPTY),
        ("a", "f", Errno::ENOTDIR),
        ("f", "empty", Errno::EISDIR),
        ("f", "g/x", Errno::ENOTDIR),
        ("f", "/proc/x", Errno::EXDEV),
        ("/proc/self", "x", Errno::EXDEV),
        ("/proc", "x", Errno::EBUSY),
        ("empty", "/proc", Errno::EBUSY),
    ] {
        assert_eq!(root.rename(old, new), Err(errno), "rename {old} {new}");
    }
    assert_eq!(root.rename_how("f", "g", Replace::No), Err(Errno::EEXIST));
    assert_eq!(root.rename_how("f", "none", Replace::Exchange), Err(Errno::ENOENT));
    assert_eq!(root.rename_how("a", "a/b", Replace::Exchange), Err(Errno::EINVAL));
    root.rename("f", "g").unwrap();
    assert_eq!(root.get("g").unwrap(), b"f");
    root.rename("a", "empty").unwrap();
    assert!(root.stat("empty/b").is_ok());
    root.rename_how("g", "empty/b", Replace::Exchange).unwrap();
    assert_eq!(root.get("empty/b").unwrap(), b"f");
    assert_eq!(root.stat("g/..").unwrap().ino, root.stat("/tmp").unwrap().ino, "the directory's `..` moved with it");
    root.link("empty/b", "same").unwrap();
    root.rename("same", "empty/b").unwrap();
    assert!(root.stat("same").is_ok(), "two names of one file are left as they are");
}

#[test]
fn links_of_files_and_only_of_files() {
    let machine = Machine::new();
    let root = machine.root();
    root.chdir("/tmp").unwrap();
    root.put("f", b"one");
    root.mkdir("d").unwrap();
    root.symlink("f", "l").unwrap();
    root.link("f", "g").unwrap();
    assert_eq!((root.stat("f").unwrap().ino, root.stat("f").unwrap().links), (root.stat("g").unwrap().ino, 2));
    assert_eq!(root.link("d", "x"), Err(Errno::EPERM));
    assert_eq!(root.link("f", "g"), Err(Errno::EEXIST));
    assert_eq!(root.link("f", "/proc/x"), Err(Errno::EXDEV));
    root.link("l", "l2").unwrap();
    assert_eq!(root.lstat("l2").unwrap().kind, FileKind::Symlink, "the link itself got a name");
    root.call(|kernel, call| kernel.link(call, At::Cwd, b"l", true, At::Cwd, b"followed")).unwrap();
    assert_eq!(root.stat("f").unwrap().links, 3);
    root.unlink("f").unwrap();
    assert_eq!(root.get("g").unwrap(), b"one");
    let subdirectories = root.stat("/tmp").unwrap().links;
    root.mkdir("d/e").unwrap();
    assert_eq!(root.stat("d").unwrap().links, 3);
    root.rename("d/e", "e").unwrap();
    assert_eq!((root.stat("d").unwrap().links, root.stat("/tmp").unwrap().links), (2, subdirectories + 1));
}

#[test]
fn a_file_without_a_name_gets_one() {
    let machine = Machine::new();
    let agent = machine.agent();
    let fd = agent.call(|kernel, call| kernel.open_unnamed(call, At::Cwd, b"/tmp", RW, Mode::new(0o666))).unwrap();
    agent.write(fd, b"tmp").unwrap();
    assert_eq!(agent.fstat(fd).unwrap().links, 0);
    agent.call(|kernel, call| kernel.link_open(call, fd, At::Cwd, b"/tmp/named")).unwrap();
    assert_eq!(agent.get("/tmp/named").unwrap(), b"tmp");
    assert_eq!(agent.stat("/tmp/named").unwrap().mode, Mode::new(0o644));
    let unnamed = agent.call(|kernel, call| kernel.open_unnamed(call, At::Cwd, b"/tmp", RW, Mode::new(0o600))).unwrap();
    let inodes = machine.usage().inodes;
    agent.close(unnamed).unwrap();
    assert_eq!(machine.usage().inodes, inodes - 1, "and goes with its last descriptor if it got none");
    let denied = agent.call(|kernel, call| kernel.open_unnamed(call, At::Cwd, b"/etc", RW, Mode::new(0o600)));
    assert_eq!(denied, Err(Errno::EACCES));
    let no_write = agent.call(|kernel, call| kernel.open_unnamed(call, At::Cwd, b"/tmp", R, Mode::new(0o600)));
    assert_eq!(no_write, Err(Errno::EINVAL));
    let file = agent.call(|kernel, call| kernel.open_unnamed(call, At::Cwd, b"/tmp/named", RW, Mode::new(0o600)));
    assert_eq!(file, Err(Errno::ENOTDIR));
}

#[test]
fn a_removed_directory_that_someone_stands_in() {
    let machine = Machine::new();
    let root = machine.root();
    root.mkdir("/tmp/d").unwrap();
    root.chdir("/tmp/d").unwrap();
    let fd = root.open(".", R).unwrap();
    root.rmdir("/tmp/d").unwrap();
    assert_eq!(root.cwd(), None);
    assert_eq!(root.stat(".").unwrap().links, 0);
    assert!(root.stat("..").is_ok());
    assert_eq!(root.stat("x"), Err(Errno::ENOENT));
    assert_eq!(root.open("x", NEW), Err(Errno::ENOENT));
    assert_eq!(root.mkdir("x"), Err(Errno::ENOENT));
    assert_eq!(root.readlink("/proc/self/cwd").unwrap(), "(deleted)");
    assert!(machine.usage().held_inodes >= 1);
    root.chdir("/").unwrap();
    root.close(fd).unwrap();
    let held = machine.usage();
    assert_eq!((held.open_files, held.inodes), (0, 1), "only /tmp is the session's own");
}

#[test]
fn mounts_are_crossed_down_and_up() {
    let machine = Machine::new();
    let root = machine.root();
    root.mkdir("/mnt/t").unwrap();
    root.put("/mnt/t/hidden", b"");
    let birth = Birth {
        mode: Mode::new(0o755),
        uid: warren_kernel::id::Uid(0),
        gid: warren_kernel::id::Gid(0),
        now: Default::default(),
    };
    let tree = || Mounted::Tree(Tree::new(Inodes::empty(birth), Quota { bytes: 8192, inodes: 3 }));
    let mount = |path: &'static [u8], read_only| {
        machine.block(Pid::INIT, move |kernel, call| kernel.mount(call, path, tree(), read_only))
    };
    root.mkdir("/mnt/t/below").unwrap();
    let below = machine.root();
    below.chdir("/mnt/t/below").unwrap();
    mount(b"/mnt/t", false).unwrap();
    assert_eq!(below.names(".").unwrap(), [".", ".."], "who stands below what was covered stays there");
    assert_eq!(below.stat("..").unwrap().device, root.stat("/mnt/t").unwrap().device, "and goes up to the cover");
    assert_eq!(root.names("/mnt/t").unwrap(), [".", ".."]);
    assert_eq!(mount(b"/mnt/t", false), Err(Errno::EBUSY));
    assert_eq!(mount(b"/", false), Err(Errno::EBUSY));
    assert_eq!(mount(b"/none", false), Err(Errno::ENOENT));
    assert_eq!(mount(b"/etc/passwd", false), Err(Errno::ENOTDIR));
    root.mkdir("/mnt/t/sub").unwrap();
    assert_ne!(root.stat("/mnt/t").unwrap().device, root.stat("/mnt").unwrap().device);
    assert_eq!(root.stat("/mnt/t/..").unwrap().ino, root.stat("/mnt").unwrap().ino, "`..` leaves the mount");
    assert_eq!(root.stat("/mnt/t/sub/../../..").unwrap().ino, root.stat("/").unwrap().ino);
    root.chdir("/mnt/t/sub").unwrap();
    assert_eq!(root.cwd().unwrap(), "/mnt/t/sub");
    assert_eq!(root.rmdir("/mnt/t"), Err(Errno::EBUSY));
    assert_eq!(root.rename("/mnt/t", "/mnt/u"), Err(Errno::EBUSY));
    root.put("/mnt/t/f", b"x");
    assert_eq!(root.rename("/mnt/t/f", "/mnt/f"), Err(Errno::EXDEV));
    assert_eq!(root.link("/mnt/t/f", "/mnt/f"), Err(Errno::EXDEV));
    assert_eq!(root.open("/mnt/t/more", NEW), Err(Errno::EDQUOT), "its own quota");
    let free = root.call(|kernel, call| kernel.statfs(call, At::Cwd, b"/mnt/t")).unwrap();
    assert_eq!((free.bytes, free.bytes_free, free.inodes_free), (8192, 4096, 0));
    assert!(root.text("/proc/mounts").unwrap().contains("tmpfs /mnt/t tmpfs rw,nosuid 0 0\n"));

    mount(b"/mnt/t/sub", true).unwrap();
    assert_eq!(root.open("/mnt/t/sub/x", NEW), Err(Errno::EROFS));
    assert_eq!(root.mkdir("/mnt/t/sub/x"), Err(Errno::EROFS));
    assert_eq!(root.chmod("/mnt/t/sub", 0o700), Err(Errno::EROFS));
    let loosen = root.call(|kernel, call| kernel.remount(call, b"/mnt/t/sub", false));
    assert_eq!(loosen, Err(Errno::EPERM));
    assert_eq!(root.call(|kernel, call| kernel.remount(call, b"/mnt", true)), Err(Errno::EINVAL));
    root.call(|kernel, call| kernel.remount(call, b"/mnt/t", true)).unwrap();
    assert_eq!(root.unlink("/mnt/t/f"), Err(Errno::EROFS));
    assert_eq!(root.open("/mnt/t/f", W), Err(Errno::EROFS));
    assert_eq!(root.get("/mnt/t/f").unwrap(), b"x");
}

#[test]
fn special_files() {
    let machine = Machine::new();
    let (root, agent) = (machine.root(), machine.agent());
    let mknod = |who: &common::Proc<'_>, path: &'static [u8], kind, rdev| {
        who.call(move |kernel, call| kernel.mknod(call, At::Cwd, path, kind, Mode::new(0o666), rdev))
    };
    assert_eq!(mknod(&agent, b"null", FileKind::Character, 0x103), Err(Errno::EPERM));
    assert_eq!(mknod(&root, b"/tmp/null", FileKind::Character, 0x103), Ok(()));
    assert_eq!(root.get("/tmp/null").unwrap(), b"");
    assert_eq!(root.stat("/tmp/null").unwrap().rdev, 0x103);
    assert_eq!(mknod(&root, b"/tmp/unknown", FileKind::Character, 0x999), Ok(()));
    assert_eq!(root.open("/tmp/unknown", R), Err(Errno::ENXIO));
    assert_eq!(mknod(&root, b"/tmp/disk", FileKind::Block, 1), Ok(()));
    assert_eq!(root.open("/tmp/disk", R), Err(Errno::ENXIO));
    assert_eq!(mknod(&agent, b"sock", FileKind::Socket, 0), Ok(()));
    assert_eq!(agent.open("sock", R), Err(Errno::ENXIO));
    assert_eq!(mknod(&agent, b"plain", FileKind::Regular, 0), Ok(()));
    assert_eq!(agent.get("plain").unwrap(), b"");
    assert_eq!(mknod(&agent, b"dir", FileKind::Directory, 0), Err(Errno::EINVAL));
}
