//! Error numbers as guests see them: WASI's, for mistakes a guest can make.

use crate::harness::errno::{
    EACCES, EBADF, ECHILD, EEXIST, EFBIG, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENODATA, ENOENT, ENOTDIR,
    ENOTEMPTY, ENOTSOCK, ENOTTY, EOPNOTSUPP, EPERM, ESPIPE, ESRCH, OK,
};
use crate::harness::{CWD, Place, Script, at, i, l};
use warren_kernel::Errno;

const CREAT: u32 = 1;
const EXCL: u32 = 4;
const READ: u64 = 2;
const WRITE: u64 = 64;
/// Follow symbolic links.
const FOLLOW: u32 = 1;

fn open(script: &mut Script, path: &str, lookup: u32, oflags: u32, rights: u64, want: i64) -> u32 {
    let ([path, len], fd) = (script.text(path), script.room(4));
    let args = [i(CWD), i(lookup), path, len, i(oflags), l(rights), l(0), i(0), i(fd)];
    script.expect("wasi_snapshot_preview1.path_open", &args, want);
    fd
}

fn path_call(script: &mut Script, name: &str, path: &str, want: i64) {
    let [path, len] = script.text(path);
    script.expect(name, &[i(CWD), path, len], want);
}

#[test]
fn opening_says_what_is_wrong_with_a_path() {
    let place = Place::new();
    place.file("/root/secret", 0o600, b"");
    place.file("/etc/unreadable", 0o000, b"");
    let mut script = Script::new();
    open(&mut script, "/none", FOLLOW, 0, READ, ENOENT);
    open(&mut script, "/none/none", FOLLOW, CREAT, WRITE, ENOENT);
    open(&mut script, "", FOLLOW, 0, READ, ENOENT);
    open(&mut script, "/tmp", FOLLOW, 0, WRITE, EISDIR);
    open(&mut script, "/tmp", FOLLOW, CREAT, READ, EISDIR);
    open(&mut script, "/etc/passwd/x", FOLLOW, 0, READ, ENOTDIR);
    open(&mut script, "/etc/passwd/", FOLLOW, 0, READ, ENOTDIR);
    open(&mut script, "/etc/passwd", FOLLOW, 2, READ, ENOTDIR);
    open(&mut script, "/etc/passwd", FOLLOW, CREAT | EXCL, WRITE, EEXIST);
    open(&mut script, "/etc/passwd", FOLLOW, 0, WRITE, EACCES);
    open(&mut script, "/etc/new", FOLLOW, CREAT, WRITE, EACCES);
    open(&mut script, "/root/secret", FOLLOW, 0, READ, EACCES);
    open(&mut script, "/etc/unreadable", FOLLOW, 0, READ, EACCES);
    open(&mut script, "/etc/mtab", 0, 0, READ, ELOOP);
    open(&mut script, &"a".repeat(256), FOLLOW, CREAT, WRITE, ENAMETOOLONG);
    open(&mut script, &format!("/tmp/{}", "a/".repeat(2045)), FOLLOW, 0, READ, ENOENT);
    open(&mut script, "a\0b", FOLLOW, 0, READ, EINVAL);
    open(&mut script, "/tmp/x", FOLLOW, 16, READ, EINVAL);
    open(&mut script, "/tmp/x", 2, 0, READ, EINVAL);
    open(&mut script, "/dev/tty", FOLLOW, 0, READ, 60);
    let [path, len] = script.text("x");
    // A descriptor that is no directory, and one that is none.
    script.expect(
        "wasi_snapshot_preview1.path_open",
        &[i(1), i(1), path, len, i(0), l(READ), l(0), i(0), i(16)],
        ENOTDIR,
    );
    script.expect(
        "wasi_snapshot_preview1.path_open",
        &[i(99), i(1), path, len, i(0), l(READ), l(0), i(0), i(16)],
        EBADF,
    );
    script.run(&place);
}

#[test]
fn names_say_what_is_wrong() {
    let place = Place::new();
    let mut script = Script::new();
    open(&mut script, "file", FOLLOW, CREAT, WRITE, OK);
    path_call(&mut script, "wasi_snapshot_preview1.path_create_directory", "/tmp", EEXIST);
    path_call(&mut script, "wasi_snapshot_preview1.path_create_directory", "/tmp/a", OK);
    path_call(&mut script, "wasi_snapshot_preview1.path_create_directory", "/tmp/a/b", OK);
    path_call(&mut script, "wasi_snapshot_preview1.path_create_directory", "/etc/a", EACCES);
    path_call(&mut script, "wasi_snapshot_preview1.path_remove_directory", "/tmp/a", ENOTEMPTY);
    path_call(&mut script, "wasi_snapshot_preview1.path_remove_directory", "file", ENOTDIR);
    // Who may not change the directory's names learns nothing of what is in it, as on Linux.
    path_call(&mut script, "wasi_snapshot_preview1.path_remove_directory", "/etc/passwd", EACCES);
    path_call(&mut script, "wasi_snapshot_preview1.path_unlink_file", "/tmp/none", ENOENT);
    path_call(&mut script, "wasi_snapshot_preview1.path_unlink_file", "/tmp/a", EISDIR);
    // Two links that lead to each other.
    for (name, target) in [("/tmp/one", "two"), ("/tmp/two", "one")] {
        let ([name, name_len], [target, target_len]) = (script.text(name), script.text(target));
        script.expect("wasi_snapshot_preview1.path_symlink", &[target, target_len, i(CWD), name, name_len], OK);
        script.expect("wasi_snapshot_preview1.path_symlink", &[target, target_len, i(CWD), name, name_len], EEXIST);
    }
    open(&mut script, "/tmp/one", FOLLOW, 0, READ, ELOOP);
    let ([one, one_len], out) = (script.text("/tmp/one"), script.room(64));
    script.expect("wasi_snapshot_preview1.path_filestat_get", &[i(CWD), i(1), one, one_len, i(out)], ELOOP);
    script.expect("wasi_snapshot_preview1.path_filestat_get", &[i(CWD), i(0), one, one_len, i(out)], OK);
    let [passwd, passwd_len] = script.text("/etc/passwd");
    script.expect("wasi_snapshot_preview1.path_readlink", &[i(CWD), passwd, passwd_len, i(out), i(64), i(out)], EINVAL);
    script.expect(
        "wasi_snapshot_preview1.path_filestat_set_times",
        &[i(CWD), i(0), one, one_len, l(0), l(0), i(3)],
        EINVAL,
    );
    script.run(&place);
}

#[test]
fn descriptors_say_what_is_wrong() {
    let place = Place::new();
    let mut script = Script::posix();
    let out = script.room(64);
    let vector = script.vector(out, 1);
    for name in ["fd_close", "fd_sync", "fd_datasync"] {
        script.expect(&format!("wasi_snapshot_preview1.{name}"), &[i(99)], EBADF);
        script.expect(&format!("wasi_snapshot_preview1.{name}"), &[i(u32::MAX)], EBADF);
    }
    script.expect("wasi_snapshot_preview1.fd_read", &[i(1), i(vector), i(1), i(out)], EBADF);
    script.expect("wasi_snapshot_preview1.fd_write", &[i(0), i(vector), i(1), i(out)], EBADF);
    script.expect("wasi_snapshot_preview1.fd_seek", &[i(1), l(0), i(0), i(out)], ESPIPE);
    script.expect("wasi_snapshot_preview1.fd_seek", &[i(1), l(0), i(9), i(out)], EINVAL);
    script.expect("wasi_snapshot_preview1.fd_pread", &[i(0), i(vector), i(1), l(0), i(out)], ESPIPE);
    script.expect("wasi_snapshot_preview1.fd_advise", &[i(1), l(0), l(0), i(0)], ESPIPE);
    script.expect("wasi_snapshot_preview1.fd_advise", &[i(1), l(0), l(0), i(6)], EINVAL);
    script.expect("wasi_snapshot_preview1.fd_allocate", &[i(1), l(0), l(1)], ESPIPE);
    script.expect("wasi_snapshot_preview1.fd_fdstat_set_flags", &[i(1), i(0x40)], EINVAL);
    script.expect("wasi_snapshot_preview1.fd_renumber", &[i(99), i(5)], EBADF);
    script.expect("wasi_snapshot_preview1.fd_renumber", &[i(1), i(1 << 30)], EBADF);
    script.expect("wasi_snapshot_preview1.sock_recv", &[i(1), i(vector), i(1), i(0), i(out), i(out)], ENOTSOCK);
    script.expect("wasi_snapshot_preview1.sock_send", &[i(1), i(vector), i(1), i(0), i(out)], ENOTSOCK);
    script.expect("wasi_snapshot_preview1.sock_accept", &[i(99), i(0), i(out)], EBADF);
    script.expect("wasi_snapshot_preview1.sock_shutdown", &[i(1), i(0)], ENOTSOCK);
    script.expect("host_net.net_send", &[i(1), i(out), i(1), i(0), i(out)], ENOTSOCK);
    script.expect("host_net.net_validate_socket", &[i(99)], EBADF);
    script.expect("host_net.net_socket", &[i(1), i(6), i(17), i(out)], 66);
    script.expect("host_net.net_socket", &[i(9), i(6), i(0), i(out)], 5);
    script.expect("host_process.fd_dup2", &[i(99), i(5)], EBADF);
    script.expect("host_process.fd_dup2", &[i(1), i(1024)], EBADF);
    script.expect("host_process.fd_dup_min", &[i(1), i(1024), i(out)], EINVAL);
    script.expect("host_process.fd_flock", &[i(1), i(3)], EINVAL);
    script.expect("host_tty.set_size", &[i(1), i(0), i(0)], ENOTTY);
    script.expect("host_tty.set_size", &[i(99), i(0), i(0)], EBADF);
    // host_tty.get_size answers Linux's number: ENOTTY is 25, EBADF 9.
    script.expect("host_tty.get_size", &[i(1), i(0), i(0)], 25);
    script.expect("host_tty.get_size", &[i(99), i(0), i(0)], 9);
    script.expect("host_fs.fd_insert_range", &[i(1), l(0), l(1)], EOPNOTSUPP);
    script.run(&place);
}

#[test]
fn processes_say_what_is_wrong() {
    let place = Place::new();
    let mut script = Script::posix();
    let out = script.room(64);
    script.expect("host_process.proc_waitpid", &[i(u32::MAX), i(0), i(out), i(out)], ECHILD);
    script.expect("host_process.proc_waitpid", &[i(1), i(0), i(out), i(out)], ECHILD);
    script.expect("host_process.proc_waitpid", &[i(0), i(1), i(out), i(out)], ECHILD);
    script.expect("host_process.proc_waitpid", &[i(u32::MAX), i(2), i(out), i(out)], EINVAL);
    script.expect("host_process.proc_waitpid_v3", &[i(u32::MAX), i(4), i(out), i(out)], EINVAL);
    script.expect("host_process.proc_kill", &[i(999), i(15)], ESRCH);
    script.expect("host_process.proc_kill", &[i(999_u32.wrapping_neg()), i(15)], ESRCH);
    script.expect("host_process.proc_kill", &[i(0x8000_0000), i(15)], ESRCH);
    script.expect("host_process.proc_kill", &[i(1), i(9)], EPERM);
    script.expect("host_process.proc_kill", &[i(999), i(64)], EINVAL);
    script.expect("host_process.proc_sigaction", &[i(9), i(1), i(0), i(0), i(0)], EINVAL);
    script.expect("host_process.proc_sigaction", &[i(0), i(1), i(0), i(0), i(0)], EINVAL);
    script.expect("host_process.proc_sigaction", &[i(2), i(3), i(0), i(0), i(0)], EINVAL);
    script.expect("host_process.proc_getpgid", &[i(999), i(out)], ESRCH);
    script.expect("host_process.proc_setpgid", &[i(999), i(0)], ESRCH);
    script.expect("host_process.proc_setpgid", &[i(u32::MAX), i(0)], EINVAL);
    script.expect("host_process.proc_getrlimit", &[i(10), i(out), i(out + 8)], EINVAL);
    script.expect("host_process.proc_setrlimit", &[i(7), l(11), l(10)], EINVAL);
    script.expect("host_process.proc_setrlimit", &[i(7), l(11), l(u64::MAX)], EPERM);
    script.expect("wasi_snapshot_preview1.proc_raise", &[i(31)], EINVAL);
    script.expect("wasi_snapshot_preview1.proc_raise", &[i(0)], OK);
    script.expect("host_user.setuid", &[i(0)], EPERM);
    script.expect("host_user.setuid", &[i(u32::MAX)], EINVAL);
    // The descriptor limit: 0, 1 and 2 are taken, so 4 leaves one.
    script.expect("host_process.proc_setrlimit", &[i(7), l(4), l(4)], OK);
    script.expect("host_process.fd_dup", &[i(1), i(out)], OK);
    script.expect("host_process.fd_dup", &[i(1), i(out)], EMFILE);
    script.expect("host_process.fd_pipe", &[i(out), i(out + 4)], EMFILE);
    open(&mut script, "/etc/passwd", FOLLOW, 0, READ, EMFILE);
    script.run(&place);
}

#[test]
fn attributes_and_extents_that_are_not_there_are_no_data() {
    let place = Place::new();
    place.file("/tmp/file", 0o666, b"text");
    let mut script = Script::posix();
    let fd = open(&mut script, "/tmp/file", FOLLOW, 0, READ | WRITE, OK);
    let (out, [name, len]) = (script.room(64), script.text("user.none"));
    script.expect("host_fs.fd_getxattr", &[at(fd), name, len, i(out), i(64), i(out)], ENODATA);
    script.expect("host_fs.fd_removexattr", &[at(fd), name, len], ENODATA);
    script.expect("host_fs.fd_setxattr", &[at(fd), name, len, name, len, i(2)], ENODATA);
    script.expect("host_fs.fd_setxattr", &[at(fd), name, len, name, len, i(1)], OK);
    script.expect("host_fs.fd_setxattr", &[at(fd), name, len, name, len, i(1)], EEXIST);
    script.expect("host_fs.fd_setxattr", &[at(fd), name, len, name, len, i(3)], EINVAL);
    script.expect("host_fs.fd_getxattr", &[at(fd), name, len, i(out), i(8), i(out)], 68);
    let size = script.room(4);
    script.expect("host_fs.fd_getxattr", &[at(fd), name, len, i(out), i(0), i(size)], OK);
    let size = script.dump(size, 4);
    script.expect("host_fs.fd_fiemap", &[at(fd), i(0), i(out), i(out + 8), i(out + 16)], OK);
    script.expect("host_fs.fd_fiemap", &[at(fd), i(1), i(out), i(out + 8), i(out + 16)], ENODATA);
    script.expect("host_fs.fd_fiemap", &[at(fd), i(u32::MAX), i(out), i(out + 8), i(out + 16)], ENODATA);
    assert_eq!(script.run(&place).word(size), "user.none".len() as u32);
}

/// Offsets and lengths at the ends of their range: an errno each, and no panic.
#[test]
fn offsets_that_overflow_are_refused() {
    let place = Place::new();
    place.file("/tmp/file", 0o666, b"text");
    let mut script = Script::posix();
    // Past the file size limit a write is a signal too, whose default ends the process.
    script.expect("host_process.proc_sigaction", &[i(25), i(1), i(0), i(0), i(0)], OK);
    let fd = open(&mut script, "/tmp/file", FOLLOW, 0, READ | WRITE, OK);
    let out = script.room(64);
    let vector = script.vector(out, 8);
    let mut refused = Vec::new();
    for offset in [1 << 62, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 4, u64::MAX] {
        script.call("wasi_snapshot_preview1.fd_pread", &[at(fd), i(vector), i(1), l(offset), i(out)]);
        script.expect("wasi_snapshot_preview1.fd_pwrite", &[at(fd), i(vector), i(1), l(offset), i(out)], EFBIG);
        script.expect("wasi_snapshot_preview1.fd_filestat_set_size", &[at(fd), l(offset)], EFBIG);
        // A sum that overflows is EINVAL, one that is only too large EFBIG.
        refused.push(script.call("wasi_snapshot_preview1.fd_allocate", &[at(fd), l(offset), l(offset)]));
        refused.push(script.call("wasi_snapshot_preview1.fd_allocate", &[at(fd), l(4), l(offset)]));
        script.call("host_fs.fd_punch_hole", &[at(fd), l(offset), l(offset)]);
        script.call("host_fs.fd_punch_hole", &[at(fd), l(offset), l(1)]);
        script.call("host_fs.fd_zero_range", &[at(fd), l(offset), l(offset), i(0)]);
        script.call("host_fs.fd_zero_range", &[at(fd), l(1), l(offset), i(1)]);
        script.call("wasi_snapshot_preview1.fd_seek", &[at(fd), l(offset), i(0), i(out)]);
        script.call("wasi_snapshot_preview1.fd_write", &[at(fd), i(vector), i(1), i(out)]);
        script.call("wasi_snapshot_preview1.fd_read", &[at(fd), i(vector), i(1), i(out)]);
        for whence in 0..5 {
            script.call("wasi_snapshot_preview1.fd_seek", &[at(fd), l(offset), i(whence), i(out)]);
        }
        script.call("wasi_snapshot_preview1.fd_readdir", &[i(3), i(out), i(64), l(offset), i(out)]);
        script.call(
            "host_process.fd_record_lock",
            &[at(fd), i(13), i(0), l(offset), l(offset), i(out), i(out), i(out), i(out)],
        );
        script.call("wasi_snapshot_preview1.fd_filestat_set_times", &[at(fd), l(offset), l(offset), i(5)]);
    }
    let size = script.room(64);
    script.expect("wasi_snapshot_preview1.fd_filestat_get", &[at(fd), i(size)], OK);
    let size = script.dump(size + 32, 8);
    let found = script.run(&place);
    assert!(refused.iter().all(|call| [EFBIG, EINVAL].contains(&found.values[*call])));
    assert!(found.long(size, 0) < 1 << 20, "nothing was written far out");
}

/// Every number of the kernel's errors has one number of WASI's, and no two share one.
#[test]
fn numbers_are_wasis() {
    for (errno, number) in [
        (Errno::E2BIG, 1),
        (Errno::EACCES, 2),
        (Errno::EAGAIN, 6),
        (Errno::EBADF, 8),
        (Errno::ECHILD, 12),
        (Errno::EDQUOT, 19),
        (Errno::EEXIST, 20),
        (Errno::EFAULT, 21),
        (Errno::EINTR, 27),
        (Errno::EINVAL, 28),
        (Errno::EIO, 29),
        (Errno::EISDIR, 31),
        (Errno::ELOOP, 32),
        (Errno::EMFILE, 33),
        (Errno::ENAMETOOLONG, 37),
        (Errno::ENFILE, 41),
        (Errno::ENOENT, 44),
        (Errno::ENOEXEC, 45),
        (Errno::ENOMEM, 48),
        (Errno::ENOSYS, 52),
        (Errno::ENOTDIR, 54),
        (Errno::ENOTEMPTY, 55),
        (Errno::ENOTSOCK, 57),
        (Errno::EPERM, 63),
        (Errno::EPIPE, 64),
        (Errno::ERANGE, 68),
        (Errno::EROFS, 69),
        (Errno::ESPIPE, 70),
        (Errno::ESRCH, 71),
        (Errno::EXDEV, 75),
        (Errno::ENODATA, 78),
    ] {
        assert_eq!(warren_wasi_posix::errno::wasi(errno), number, "{errno:?}");
    }
}
