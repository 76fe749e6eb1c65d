//! Pointers that lead nowhere, and counts that lead too far: EFAULT has no effect.

use crate::harness::errno::{E2BIG, EBADF, ECHILD, EFAULT, EINVAL, ENAMETOOLONG, ENOENT, OK};
use crate::harness::{Arg, CWD, END, Place, Script, at, i, l};

/// What a parameter of a function is.
#[derive(Clone, Copy)]
enum P {
    Word(u32),
    Long(u64),
    /// Points to so many bytes, read or written.
    To(u32),
    /// Points to these bytes.
    Bytes(&'static [u8]),
}

use P::{Bytes, Long, To, Word};

const NAME: P = Bytes(b"x");
const ONE: P = Word(1);
const ZERO: P = Word(0);
const HERE: P = Word(CWD);

/// Every function that takes pointers, with arguments that are right but for the one a test makes wrong.
const FUNCTIONS: &[(&str, &[P])] = &[
    ("wasi_snapshot_preview1.args_get", &[To(4), To(11)]),
    ("wasi_snapshot_preview1.args_sizes_get", &[To(4), To(4)]),
    ("wasi_snapshot_preview1.environ_sizes_get", &[To(4), To(4)]),
    ("wasi_snapshot_preview1.clock_res_get", &[ZERO, To(8)]),
    ("wasi_snapshot_preview1.clock_time_get", &[ZERO, Long(0), To(8)]),
    ("wasi_snapshot_preview1.fd_fdstat_get", &[ONE, To(24)]),
    ("wasi_snapshot_preview1.fd_filestat_get", &[ONE, To(64)]),
    ("wasi_snapshot_preview1.fd_read", &[ZERO, To(8), ONE, To(4)]),
    ("wasi_snapshot_preview1.fd_pread", &[ZERO, To(8), ONE, Long(0), To(4)]),
    ("wasi_snapshot_preview1.fd_write", &[ONE, To(8), ONE, To(4)]),
    ("wasi_snapshot_preview1.fd_pwrite", &[ONE, To(8), ONE, Long(0), To(4)]),
    ("wasi_snapshot_preview1.fd_readdir", &[ZERO, To(64), Word(64), Long(0), To(4)]),
    ("wasi_snapshot_preview1.fd_seek", &[ONE, Long(0), ONE, To(8)]),
    ("wasi_snapshot_preview1.fd_tell", &[ONE, To(8)]),
    ("wasi_snapshot_preview1.path_create_directory", &[HERE, NAME, ONE]),
    ("wasi_snapshot_preview1.path_filestat_get", &[HERE, ONE, NAME, ONE, To(64)]),
    ("wasi_snapshot_preview1.path_filestat_set_times", &[HERE, ONE, NAME, ONE, Long(0), Long(0), ZERO]),
    ("wasi_snapshot_preview1.path_link", &[HERE, ZERO, NAME, ONE, HERE, NAME, ONE]),
    ("wasi_snapshot_preview1.path_open", &[HERE, ZERO, NAME, ONE, ONE, Long(64), Long(0), ZERO, To(4)]),
    ("wasi_snapshot_preview1.path_readlink", &[HERE, NAME, ONE, To(64), Word(64), To(4)]),
    ("wasi_snapshot_preview1.path_remove_directory", &[HERE, NAME, ONE]),
    ("wasi_snapshot_preview1.path_rename", &[HERE, NAME, ONE, HERE, NAME, ONE]),
    ("wasi_snapshot_preview1.path_symlink", &[NAME, ONE, HERE, NAME, ONE]),
    ("wasi_snapshot_preview1.path_unlink_file", &[HERE, NAME, ONE]),
    ("wasi_snapshot_preview1.poll_oneoff", &[To(48), To(32), ONE, To(4)]),
    ("wasi_snapshot_preview1.random_get", &[To(16), Word(16)]),
    ("wasi_unstable.fd_filestat_get", &[ONE, To(56)]),
    ("wasi_unstable.fd_seek", &[ONE, Long(0), ONE, To(8)]),
    ("wasi_unstable.path_filestat_get", &[HERE, ONE, NAME, ONE, To(56)]),
    ("wasi_unstable.poll_oneoff", &[To(56), To(32), ONE, To(4)]),
    ("host_process.proc_spawn", &[Bytes(b"none"), Word(4), NAME, ONE, ZERO, ONE, Word(2), Bytes(b"/"), ONE, To(4)]),
    (
        "host_process.proc_spawn_v2",
        &[Bytes(b"none"), Word(4), NAME, ONE, NAME, ONE, ZERO, ONE, Word(2), Bytes(b"/"), ONE, To(4)],
    ),
    (
        "host_process.proc_spawn_v3",
        &[
            Bytes(b"none"),
            Word(4),
            NAME,
            ONE,
            NAME,
            ONE,
            Bytes(CLOSE_50),
            Word(24),
            Bytes(b"/"),
            ONE,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            To(4),
        ],
    ),
    (
        "host_process.proc_spawn_v4",
        &[
            Bytes(b"none"),
            Word(4),
            NAME,
            ONE,
            NAME,
            ONE,
            Bytes(CLOSE_50),
            Word(24),
            Bytes(b"/"),
            ONE,
            NAME,
            ONE,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            To(4),
        ],
    ),
    ("host_process.proc_exec", &[Bytes(b"none"), Word(4), NAME, ONE, NAME, ONE, To(4), ONE]),
    ("host_process.proc_fexec", &[ONE, NAME, ONE, NAME, ONE, To(4), ONE]),
    ("host_process.proc_waitpid", &[Word(u32::MAX), ONE, To(4), To(4)]),
    ("host_process.proc_waitpid_v2", &[Word(u32::MAX), ONE, To(4), To(4), To(4), To(4)]),
    ("host_process.proc_waitpid_v3", &[Word(u32::MAX), ONE, To(4), To(4)]),
    ("host_process.proc_getpid", &[To(4)]),
    ("host_process.proc_getppid", &[To(4)]),
    ("host_process.proc_getrlimit", &[Word(7), To(8), To(8)]),
    ("host_process.proc_umask", &[Word(0o77), To(4)]),
    ("host_process.umask", &[Word(0o77), ONE, To(4)]),
    ("host_process.proc_itimer_real", &[ZERO, Long(0), Long(0), To(8), To(8)]),
    ("host_process.proc_getpgid", &[ZERO, To(4)]),
    ("host_process.fd_pipe", &[To(4), To(4)]),
    ("host_process.fd_dup", &[ONE, To(4)]),
    ("host_process.fd_dup_min", &[ONE, ZERO, To(4)]),
    ("host_process.fd_getfd", &[ONE, To(4)]),
    ("host_process.fd_record_lock", &[ONE, Word(12), ZERO, Long(0), Long(0), To(4), To(4), To(8), To(8)]),
    ("host_process.proc_signal_mask_v2", &[Word(2), Word(2), ZERO, To(4), To(4)]),
    ("host_process.proc_ppoll_v1", &[To(8), ONE, Long(0), Long(0), ZERO, ZERO, ZERO, To(4)]),
    ("host_net.net_socket", &[ONE, Word(6), ZERO, To(4)]),
    ("host_net.net_send", &[ONE, To(16), Word(16), ZERO, To(4)]),
    ("host_net.net_recv", &[ONE, To(16), Word(16), ZERO, To(4)]),
    ("host_net.net_getsockopt", &[ONE, ONE, Word(4), To(4), Bytes(&[4, 0, 0, 0])]),
    ("host_net.net_getaddrinfo", &[NAME, ONE, NAME, ONE, ZERO, To(64), Bytes(&[64, 0, 0, 0])]),
    ("host_net.net_dns_query_rr_v1", &[NAME, ONE, Word(12), To(16), Word(16), To(4), To(4), To(4)]),
    ("host_process.fd_socketpair", &[ONE, ZERO, ZERO, To(4), To(4)]),
    ("host_net.net_poll", &[To(8), ONE, ZERO, To(4)]),
    ("host_user.getuid", &[To(4)]),
    ("host_user.getgid", &[To(4)]),
    ("host_user.geteuid", &[To(4)]),
    ("host_user.getegid", &[To(4)]),
    ("host_user.getresuid", &[To(4), To(4), To(4)]),
    ("host_user.getresgid", &[To(4), To(4), To(4)]),
    ("host_user.getgroups", &[ZERO, ZERO, To(4)]),
    ("host_user.setgroups", &[ONE, To(4)]),
    ("host_user.getpwuid", &[ZERO, To(64), Word(64), To(4)]),
    ("host_user.getpwnam", &[NAME, ONE, To(64), Word(64), To(4)]),
    ("host_user.getpwent", &[ZERO, To(64), Word(64), To(4)]),
    ("host_user.getgrgid", &[ZERO, To(64), Word(64), To(4)]),
    ("host_user.getgrnam", &[NAME, ONE, To(64), Word(64), To(4)]),
    ("host_user.getgrent", &[ZERO, To(64), Word(64), To(4)]),
    ("host_user.isatty", &[ONE, To(4)]),
    ("host_system.get_identity", &[ZERO, To(64), Word(64)]),
    ("host_fs.path_owner", &[HERE, Bytes(b"."), ONE, ONE, To(4), To(4)]),
    ("host_fs.fd_owner", &[ONE, To(4), To(4)]),
    ("host_fs.chmod", &[HERE, NAME, ONE, ZERO]),
    ("host_fs.path_chown", &[HERE, NAME, ONE, ZERO, ZERO, ONE]),
    ("host_fs.path_access", &[HERE, NAME, ONE, ZERO, ZERO]),
    ("host_fs.open_tmpfile", &[HERE, Bytes(b"."), ONE, Word(0x1000_0000), Word(0o600), To(4)]),
    ("host_fs.fd_link", &[ONE, HERE, NAME, ONE]),
    ("host_fs.path_mknod", &[HERE, NAME, ONE, ZERO, Long(0)]),
    ("host_fs.path_renameat2", &[HERE, NAME, ONE, HERE, NAME, ONE, ZERO]),
    ("host_fs.path_statfs", &[HERE, Bytes(b"."), ONE, To(8), To(8), To(8), To(8), To(8)]),
    ("host_fs.remount", &[Bytes(b"/"), ONE, Bytes(b"ro"), Word(2)]),
    ("host_fs.fd_fiemap", &[ONE, ZERO, To(8), To(8), To(4)]),
    ("host_fs.path_getxattr", &[HERE, Bytes(b"."), ONE, NAME, ONE, To(16), Word(16), ONE, To(4)]),
    ("host_fs.path_listxattr", &[HERE, Bytes(b"."), ONE, To(16), Word(16), ONE, To(4)]),
    ("host_fs.path_setxattr", &[HERE, Bytes(b"."), ONE, Bytes(b"user.a"), Word(6), To(4), Word(4), ZERO, ONE]),
    ("host_fs.path_removexattr", &[HERE, Bytes(b"."), ONE, NAME, ONE, ONE]),
    ("host_fs.fd_getxattr", &[ONE, NAME, ONE, To(16), Word(16), To(4)]),
    ("host_fs.fd_listxattr", &[ONE, To(16), Word(16), To(4)]),
    ("host_fs.fd_setxattr", &[ONE, NAME, ONE, To(4), Word(4), ZERO]),
    ("host_fs.fd_removexattr", &[ONE, NAME, ONE]),
];

/// A file action: close(50).
const CLOSE_50: &[u8] = &[1, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn every_pointer_that_leads_nowhere_is_a_fault_without_effect() {
    let place = Place::new();
    place.file("/run/guest", 0o755, b"");
    let before = place.session.with(|kernel| kernel.usage());
    for functions in FUNCTIONS.chunks(16) {
        let mut script = Script::posix();
        for (name, parameters) in functions {
            let good: Vec<Arg> = parameters
                .iter()
                .map(|parameter| match parameter {
                    Word(value) => i(*value),
                    Long(value) => l(*value),
                    To(len) => i(script.room(*len)),
                    Bytes(bytes) => i(script.bytes(bytes)),
                })
                .collect();
            for (index, parameter) in parameters.iter().enumerate() {
                let len = match parameter {
                    To(len) => *len,
                    Bytes(bytes) => bytes.len() as u32,
                    Word(_) | Long(_) => continue,
                };
                for bad in [END - len + 1, END, END + 1, i32::MAX as u32, i32::MAX as u32 + 1, u32::MAX - len, u32::MAX]
                {
                    let mut args = good.clone();
                    args[index] = i(bad);
                    script.expect(name, &args, EFAULT);
                }
            }
        }
        // Descriptors: the next one made is the lowest there can be.
        let fd = script.room(4);
        script.expect("host_process.fd_dup", &[i(1), i(fd)], OK);
        let lowest = script.dump(fd, 4);
        // The umask and the blocked signals are as they were; there is no child.
        let (mask, blocked) = (script.room(4), script.room(8));
        script.expect("host_process.umask", &[i(0), i(0), i(mask)], OK);
        let mask = script.dump(mask, 4);
        script.expect("host_process.proc_signal_mask_v2", &[i(3), i(0), i(0), i(blocked), i(blocked + 4)], OK);
        let blocked = script.dump(blocked, 4);
        script.expect("host_process.proc_waitpid", &[i(u32::MAX), i(1), i(fd), i(fd)], ECHILD);
        let found = script.run(&place);
        assert_eq!((found.word(lowest), found.word(mask), found.word(blocked)), (3, 0o022, 0));
    }
    place.session.with(|kernel| assert_eq!(kernel.usage().inodes, before.inodes, "nothing is new"));
    assert!(!place.exists("/home/agent/x"));
    place.assert_clean();
    place.assert_answers();
}

#[test]
fn the_last_byte_is_inside_and_nothing_may_be_anywhere_up_to_the_end() {
    let mut script = Script::posix();
    let one = script.room(4);
    script.expect("host_process.proc_getpid", &[i(END - 4)], OK);
    script.expect("wasi_snapshot_preview1.random_get", &[i(END), i(0)], OK);
    script.expect("wasi_snapshot_preview1.random_get", &[i(END + 1), i(0)], EFAULT);
    script.expect("wasi_snapshot_preview1.random_get", &[i(u32::MAX), i(0)], EFAULT);
    script.expect("wasi_snapshot_preview1.fd_write", &[i(1), i(END), i(0), i(one)], OK);
    script.expect("wasi_snapshot_preview1.fd_write", &[i(1), i(u32::MAX), i(0), i(one)], EFAULT);
    let empty_at_end = script.vector(END, 0);
    script.expect("wasi_snapshot_preview1.fd_write", &[i(1), i(empty_at_end), i(1), i(one)], OK);
    let empty_outside = script.vector(u32::MAX, 0);
    script.expect("wasi_snapshot_preview1.fd_write", &[i(1), i(empty_outside), i(1), i(one)], EFAULT);
    // An empty path is none, wherever it is.
    script.expect("wasi_snapshot_preview1.path_unlink_file", &[i(CWD), i(END), i(0)], ENOENT);
    let found = script.run(&Place::new());
    assert!(found.values.len() > 8);
}

#[test]
fn one_bad_buffer_among_good_ones_moves_nothing() {
    let place = Place::new();
    place.file("/tmp/file", 0o666, b"unchanged");
    let mut script = Script::new();
    let ([path, len], fd, count, word) =
        (script.text("/tmp/file"), script.room(4), script.room(4), script.bytes(b"!!!!"));
    script.expect(
        "wasi_snapshot_preview1.path_open",
        &[i(CWD), i(0), path, len, i(0), l(2 | 64), l(0), i(0), i(fd)],
        OK,
    );
    for bad in [[END - 3, 4], [END, 1], [u32::MAX, 2], [0, u32::MAX], [4, u32::MAX - 3]] {
        let buffers = script.words(&[word, 4, bad[0], bad[1]]);
        script.expect("wasi_snapshot_preview1.fd_write", &[at(fd), i(buffers), i(2), i(count)], EFAULT);
        script.expect("wasi_snapshot_preview1.fd_read", &[at(fd), i(buffers), i(2), i(count)], EFAULT);
        script.expect("wasi_snapshot_preview1.fd_pwrite", &[at(fd), i(buffers), i(2), l(0), i(count)], EFAULT);
        script.expect("wasi_snapshot_preview1.fd_pread", &[at(fd), i(buffers), i(2), l(0), i(count)], EFAULT);
    }
    let (word, offset) = (script.dump(word, 4), script.room(8));
    script.expect("wasi_snapshot_preview1.fd_tell", &[at(fd), i(offset)], OK);
    let offset = script.dump(offset, 8);
    let (buffer, read) = (script.room(16), script.room(4));
    let vector = script.vector(buffer, 16);
    script.expect("wasi_snapshot_preview1.fd_read", &[at(fd), i(vector), i(1), i(read)], OK);
    let buffer = script.dump(buffer, 16);
    let found = script.run(&place);
    assert_eq!(found.dumps[word], b"!!!!");
    assert_eq!(found.dumps[offset], [0; 8]);
    assert_eq!(&found.dumps[buffer], b"unchanged\0\0\0\0\0\0\0");
}

#[test]
fn counts_that_do_not_fit_are_refused_before_anything_is_looked_at() {
    let mut script = Script::posix();
    let (one, list) = (script.room(8), script.room(8));
    for count in [1025, 0x1000_0000, 0x2000_0000, 0x2000_0001, 0x8000_0000, u32::MAX] {
        for name in ["wasi_snapshot_preview1.fd_write", "wasi_snapshot_preview1.fd_read"] {
            script.expect(name, &[i(1), i(list), i(count), i(one)], EINVAL);
        }
        script.expect("wasi_snapshot_preview1.fd_pwrite", &[i(1), i(list), i(count), l(0), i(one)], EINVAL);
        script.expect("wasi_snapshot_preview1.poll_oneoff", &[i(list), i(list), i(count), i(one)], EINVAL);
        script.expect("host_process.proc_ppoll_v1", &[i(list), i(count), l(0), l(0), i(0), i(0), i(0), i(one)], EINVAL);
        script.expect("host_net.net_poll", &[i(list), i(count), i(0), i(one)], EINVAL);
        script.expect("host_user.setgroups", &[i(count), i(list)], EINVAL);
    }
    script.expect("wasi_snapshot_preview1.poll_oneoff", &[i(list), i(list), i(0), i(one)], EINVAL);
    // 1024 is allowed, and all its buffers may be empty.
    let table = script.room(1024 * 8);
    script.expect("wasi_snapshot_preview1.fd_write", &[i(1), i(table), i(1024), i(one)], OK);
    let [path, len] = script.text("/none");
    for count in [(1 << 18) + 1, 0x4000_0000, 0x4000_0001, u32::MAX] {
        script.expect("host_process.proc_exec", &[path, len, path, len, path, len, i(list), i(count)], E2BIG);
    }
    for len in [(1 << 20) + 1, u32::MAX] {
        script.expect("host_process.proc_exec", &[path, i(5), path, i(len), path, i(1), i(list), i(0)], E2BIG);
        script.expect("host_process.proc_exec", &[path, i(5), path, i(5), path, i(len), i(list), i(0)], E2BIG);
    }
    for len in [4097, 0x8000_0000, u32::MAX] {
        script.expect("wasi_snapshot_preview1.path_unlink_file", &[i(CWD), path, i(len)], ENAMETOOLONG);
        script.expect("wasi_snapshot_preview1.path_unlink_file", &[i(CWD), i(u32::MAX), i(len)], ENAMETOOLONG);
    }
    // Lengths whose sum with the address passes 32 bits.
    script.expect("wasi_snapshot_preview1.random_get", &[i(16), i(u32::MAX)], EFAULT);
    script.expect("wasi_snapshot_preview1.fd_readdir", &[i(3), i(16), i(u32::MAX - 15), l(0), i(one)], EFAULT);
    script.expect("host_system.get_identity", &[i(0), i(u32::MAX), i(u32::MAX)], EFAULT);
    script.run(&Place::new());
}

#[test]
fn buffers_short_by_one_say_so() {
    use crate::harness::errno::ERANGE;
    let mut script = Script::posix();
    let (buffer, len) = (script.room(256), script.room(4));
    let line = "agent:x:1000:1000:agent:/home/agent:/bin/sh".len() as u32;
    script.expect("host_user.getpwuid", &[i(1000), i(buffer), i(line - 1), i(len)], ERANGE);
    let wanted = script.dump(len, 4);
    script.expect("host_user.getpwuid", &[i(1000), i(buffer), i(line), i(len)], OK);
    script.expect("host_user.getpwuid", &[i(4242), i(buffer), i(line), i(len)], ENOENT);
    // A name and its NUL.
    script.expect("host_system.get_identity", &[i(1), i(buffer), i(5)], ENAMETOOLONG);
    script.expect("host_system.get_identity", &[i(1), i(buffer), i(6)], OK);
    script.expect("host_system.get_identity", &[i(6), i(buffer), i(6)], EINVAL);
    script.expect("wasi_snapshot_preview1.fd_prestat_dir_name", &[i(0x4000_0003), i(buffer), i(10)], ENAMETOOLONG);
    script.expect("wasi_snapshot_preview1.fd_prestat_dir_name", &[i(0x4000_0003), i(buffer), i(11)], OK);
    let found = script.run(&Place::new());
    // The guest's record is told even by the call that fails.
    assert_eq!(found.word(wanted), line);
}

/// Functions that answer a value directly have no number for a fault: they answer as for a file that is not there.
#[test]
fn functions_without_an_errno_answer_as_for_nothing() {
    let mut script = Script::posix();
    for bad in [END, u32::MAX] {
        script.expect("host_fs.path_mode", &[i(CWD), i(bad), i(1), i(1)], 0);
        script.expect_long("host_fs.path_size", &[i(CWD), i(bad), i(1), i(1)], -1);
        script.expect_long("host_fs.path_blocks", &[i(CWD), i(bad), i(1), i(1)], -1);
        script.expect_long("host_fs.path_rdev", &[i(CWD), i(bad), i(1), i(1)], 0);
        script.expect("host_tty.read", &[i(bad), i(1), i(0)], 0);
    }
    script.expect("host_fs.fd_mode", &[i(99)], 0);
    script.expect_long("host_fs.fd_size", &[i(99)], -1);
    script.expect_long("host_fs.fd_blocks", &[i(99)], -1);
    script.run(&Place::new());
}

#[test]
fn a_bad_second_result_leaves_no_pipe_and_no_process() {
    let place = Place::new();
    place.wat("/run/child", &crate::harness::body(""));
    let mut script = Script::posix();
    let (a, b) = (script.room(4), script.room(4));
    script.expect("host_process.fd_pipe", &[i(a), i(END - 3)], EFAULT);
    script.expect("host_process.fd_pipe", &[i(END - 3), i(b)], EFAULT);
    let ([path, len], none) = (script.text("/run/child"), script.room(4));
    let spawn = |out| {
        [path, len, path, len, i(none), i(0), i(none), i(0), i(none), i(0), i(0), i(0), i(0), i(0), i(0), i(0), i(out)]
    };
    script.expect("host_process.proc_spawn_v3", &spawn(END - 3), EFAULT);
    script.expect("host_process.proc_waitpid", &[i(u32::MAX), i(0), i(a), i(b)], ECHILD);
    let [new, new_len] = script.text("/tmp/new");
    script.expect(
        "wasi_snapshot_preview1.path_open",
        &[i(CWD), i(0), new, new_len, i(1), l(64), l(0), i(0), i(END - 3)],
        EFAULT,
    );
    script.expect("wasi_snapshot_preview1.fd_close", &[i(3)], EBADF);
    script.expect("host_process.fd_pipe", &[i(a), i(b)], OK);
    let (a, b) = (script.dump(a, 4), script.dump(b, 4));
    let found = script.run(&place);
    assert_eq!((found.word(a), found.word(b)), (3, 4));
    assert!(!place.exists("/tmp/new"));
    place.assert_clean();
}
