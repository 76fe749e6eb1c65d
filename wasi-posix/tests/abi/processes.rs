//! How guests end, spawn, replace themselves and wait.

use crate::harness::errno::{E2BIG, EACCES, EBADF, ECHILD, EINVAL, ENOENT, ENOEXEC, EOPNOTSUPP, EPERM, OK};
use crate::harness::{Arg, Place, Script, assemble, at, body, i, l, says, within};
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

// ---- ends

#[test]
fn the_exit_status_says_how_a_guest_ended() {
    let place = Place::new();
    for (text, status) in [
        ("", 0),
        ("(call $exit (i32.const 0))", 0),
        ("(call $exit (i32.const 7))", 7),
        ("(call $exit (i32.const 300))", 44),
        ("(call $exit (i32.const -1))", 255),
        ("unreachable", 134),
        ("(drop (i32.load (i32.const 65536)))", 139),
        ("(drop (i32.load offset=4294967295 (i32.const -1)))", 139),
        ("(i32.store (i32.const 65533) (i32.const 1))", 139),
        ("(memory.fill (i32.const 65535) (i32.const 0) (i32.const 2))", 139),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", 136),
        ("(drop (i32.rem_u (i32.const 1) (i32.const 0)))", 136),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", 136),
        ("(drop (i32.trunc_f32_s (f32.const nan)))", 136),
    ] {
        assert_eq!(place.status(&body(text)), status, "{text}");
    }
    assert!(place.faults().iter().any(|reason| reason.contains("unreachable")), "{:?}", place.faults());
    place.assert_clean();
}

#[test]
fn recursion_without_end_is_a_segmentation_fault() {
    let place = Place::new();
    for locals in ["", "(local i64 i64 i64 i64 i64 i64 i64 i64)"] {
        let text = format!(
            r#"(module (memory (export "memory") 1)
            (func $f (param i32) (result i32) {locals}
                (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
            (func (export "_start") (drop (call $f (i32.const 0)))))"#
        );
        assert_eq!(place.status(&text), 139);
    }
    place.assert_clean();
    place.assert_answers();
}

#[test]
fn calling_what_is_no_function_is_an_illegal_instruction() {
    let place = Place::new();
    let table = |element: &str, call: &str| {
        format!(
            r#"(module (memory (export "memory") 1) (type $word (func (result i32))) (type $none (func))
            (table 4 funcref) {element}
            (func $f) (func (export "_start") (drop (call_indirect (type $word) ({call})))))"#
        )
    };
    assert_eq!(place.status(&table("", "i32.const 0")), 132);
    assert_eq!(place.status(&table("(elem (i32.const 1) $f)", "i32.const 1")), 132);
    assert_eq!(place.status(&table("", "i32.const 4")), 139);
}

#[test]
fn a_busy_guest_ends_when_it_is_killed() {
    let place = Place::new();
    place.wat("/run/loop", &body("(loop (br 0))"));
    let start = r#"(module (memory (export "memory") 1) (func $f (loop (br 0))) (start $f) (func (export "_start")))"#;
    place.wat("/run/start", start);
    for path in ["/run/loop", "/run/start"] {
        for signal in [Signal::KILL, Signal::TERM] {
            let finished = within(async {
                let running = place.command(&[path]).launch(&place.session).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
                place.session.with(|kernel| kernel.signal_process(running.pid, signal));
                running.finish().await.unwrap()
            });
            assert_eq!(finished.status, ExitStatus::Signaled(signal), "{path}");
        }
    }
    place.assert_clean();
}

#[test]
fn a_guest_that_waits_ends_when_it_is_killed() {
    let place = Place::new();
    let mut script = Script::posix();
    script.call("host_process.sleep_ms", &[i(u32::MAX)]);
    place.wat("/run/sleep", &script.wat());
    let mut script = Script::posix();
    let (list, room) = (script.bytes(&[0; 48]), script.room(64));
    // A descriptor that never becomes ready: its own empty pipe.
    script.expect("host_process.fd_pipe", &[i(room), i(room + 4)], OK);
    let vector = script.vector(room, 1);
    script.call("wasi_snapshot_preview1.fd_read", &[at(room), i(vector), i(1), i(list)]);
    place.wat("/run/read", &script.wat());
    for path in ["/run/sleep", "/run/read"] {
        let finished = within(async {
            let running = place.command(&[path]).launch(&place.session).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            place.session.with(|kernel| kernel.signal_process(running.pid, Signal::TERM));
            running.finish().await.unwrap()
        });
        assert_eq!(finished.status, ExitStatus::Signaled(Signal::TERM), "{path}");
    }
    place.assert_clean();
}

#[test]
fn a_guest_can_end_itself_by_a_signal() {
    let place = Place::new();
    // WASI's number of SIGTERM is 15, of SIGXCPU 23 (Linux has 24: it counts SIGSTKFLT).
    for (number, status) in [(6, 134), (9, 137), (15, 143), (23, 152)] {
        let mut script = Script::new();
        script.call("wasi_snapshot_preview1.proc_raise", &[i(number)]);
        assert_eq!(place.status(&script.wat()), status);
    }
    place.assert_clean();
}

// ---- children

/// Arguments of proc_spawn_v3 for a command of one word and no environment.
fn spawn_v3(
    script: &mut Script,
    command: &str,
    actions: [Arg; 2],
    cwd: [Arg; 2],
    rest: [Arg; 6],
    out: u32,
) -> Vec<Arg> {
    let [path, len] = script.text(command);
    let [a, b, c, d, e, f] = rest;
    vec![path, len, path, len, path, i(0), actions[0], actions[1], cwd[0], cwd[1], a, b, c, d, e, f, i(out)]
}

const PLAIN: [Arg; 6] = [Arg::I32(0); 6];
const NONE: [Arg; 2] = [Arg::I32(0), Arg::I32(0)];

fn spawn(script: &mut Script, command: &str, want: i64) -> u32 {
    let pid = script.room(4);
    let args = spawn_v3(script, command, NONE, NONE, PLAIN, pid);
    script.expect("host_process.proc_spawn_v3", &args, want);
    pid
}

#[test]
fn the_three_waits_encode_an_end_each_in_their_way() {
    let place = Place::new();
    place.wat("/run/seven", &body("(call $exit (i32.const 7))"));
    place.wat("/run/abort", &body("unreachable"));
    let mut script = Script::posix();
    let mut dumps = Vec::new();
    for (path, words) in [("/run/seven", [7, 7, 0, 7 << 8]), ("/run/abort", [134, 0, 6, 6])] {
        let room = script.bytes(&[0xff; 40]);
        let first = spawn(&mut script, path, OK);
        script.expect("host_process.proc_waitpid", &[at(first), i(0), i(room), i(room + 4)], OK);
        let second = spawn(&mut script, path, OK);
        script.expect(
            "host_process.proc_waitpid_v2",
            &[i(u32::MAX), i(0), i(room + 8), i(room + 12), i(room + 16), i(room + 20)],
            OK,
        );
        let third = spawn(&mut script, path, OK);
        script.expect("host_process.proc_waitpid_v3", &[i(0), i(0), i(room + 24), i(room + 28)], OK);
        dumps.push((script.dump(room, 32), [first, second, third].map(|pid| script.dump(pid, 4)), words));
    }
    script.expect("host_process.proc_waitpid", &[i(u32::MAX), i(0), i(0), i(4)], ECHILD);
    let found = script.run(&place);
    for (dump, pids, [v1, exit, signal, v3]) in dumps {
        let words: Vec<u32> =
            found.dumps[dump].chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        let pids = pids.map(|pid| found.word(pid));
        assert_eq!(words, [v1, pids[0], exit, signal, pids[1], 0, v3, pids[2]]);
    }
    place.assert_clean();
}

#[test]
fn waiting_without_blocking_answers_none_while_the_child_runs() {
    let place = Place::new();
    place.wat("/run/loop", &body("(loop (br 0))"));
    let mut script = Script::posix();
    let room = script.bytes(&[0xff; 24]);
    let pid = spawn(&mut script, "/run/loop", OK);
    script.expect("host_process.proc_waitpid", &[at(pid), i(1), i(room), i(room + 4)], OK);
    script.expect("host_process.proc_kill", &[at(pid), i(0)], OK);
    script.expect("host_process.proc_kill", &[at(pid), i(9)], OK);
    script.expect("host_process.proc_waitpid_v3", &[at(pid), i(0), i(room + 8), i(room + 12)], OK);
    script.expect("host_process.proc_kill", &[at(pid), i(0)], 71);
    let (room, pid) = (script.dump(room, 16), script.dump(pid, 4));
    let found = script.run(&place);
    assert_eq!(found.dumps[room][..8], [0; 8]);
    assert_eq!(found.dumps[room][8..], [&9u32.to_le_bytes()[..], &found.word(pid).to_le_bytes()].concat());
    place.assert_clean();
}

#[test]
fn spawning_says_what_is_wrong_and_leaves_no_child() {
    let place = Place::new();
    place.file("/run/text", 0o755, b"no script");
    place.file("/run/data", 0o644, &assemble(&body("")));
    place.file("/run/library", 0o755, &assemble(r#"(module (memory (export "memory") 1))"#));
    let mut script = Script::posix();
    for (command, want) in [
        ("/none", ENOENT),
        ("none", ENOENT),
        ("", ENOENT),
        ("/tmp", EACCES),
        ("/run/data", EACCES),
        ("/run/text", ENOEXEC),
        ("/run/library", ENOEXEC),
        ("/etc/passwd/x", 54),
    ] {
        spawn(&mut script, command, want);
    }
    let out = script.room(8);
    script.expect("host_process.proc_waitpid", &[i(u32::MAX), i(0), i(out), i(out)], ECHILD);
    script.run(&place);
    assert!(place.faults().iter().any(|reason| reason.contains("_start")), "{:?}", place.faults());
    place.assert_clean();
}

/// One record: op, fd, src_fd, oflag, mode, and a path with its length.
fn action(op: u32, fd: u32, source: u32, oflag: u32, mode: u32, path: &str) -> Vec<u8> {
    let words = [op, fd, source, oflag, mode, path.len() as u32];
    words.iter().flat_map(|word| word.to_le_bytes()).chain(path.bytes()).collect()
}

const CREATE_TO_WRITE: u32 = 1 << 12 | 0x1000_0000;

#[test]
fn malformed_file_actions_are_refused() {
    let place = Place::new();
    place.wat("/run/child", &body(""));
    let close = action(1, 50, 0, 0, 0, "");
    let mut beyond = close.clone();
    beyond[20..24].copy_from_slice(&1u32.to_le_bytes());
    let mut far_beyond = close.clone();
    far_beyond[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    let cases: [(Vec<u8>, i64); 16] = [
        (close[..1].to_vec(), EINVAL),
        (close[..23].to_vec(), EINVAL),
        ([&close[..], &close[..23]].concat(), EINVAL),
        (beyond, EINVAL),
        (far_beyond, EINVAL),
        (action(0, 0, 0, 0, 0, ""), EINVAL),
        (action(7, 0, 0, 0, 0, ""), EINVAL),
        (action(u32::MAX, 0, 0, 0, 0, ""), EINVAL),
        (action(2, 5, 99, 0, 0, ""), EBADF),
        (action(2, u32::MAX, 1, 0, 0, ""), EBADF),
        (action(2, 1 << 20, 1, 0, 0, ""), EBADF),
        (action(3, 5, 0, 0x0400_0000, 0, "/none"), ENOENT),
        (action(3, u32::MAX, 0, 0x0400_0000, 0, "/etc/passwd"), EBADF),
        (action(4, 0, 0, 0, 0, "/none"), ENOENT),
        (action(5, 1, 0, 0, 0, ""), 54),
        (close.repeat(4097), E2BIG),
    ];
    for (bytes, want) in cases {
        let mut script = Script::posix();
        let (records, pid) = (script.bytes(&bytes), script.room(8));
        let args = spawn_v3(&mut script, "/run/child", [i(records), i(bytes.len() as u32)], NONE, PLAIN, pid);
        script.expect("host_process.proc_spawn_v3", &args, want);
        script.expect("host_process.proc_waitpid", &[i(u32::MAX), i(0), i(pid), i(pid + 4)], ECHILD);
        script.run(&place);
    }
    // As many as there may be; closing what is not open is no error.
    let mut script = Script::posix();
    let bytes = close.repeat(4096);
    let (records, pid) = (script.bytes(&bytes), script.room(8));
    let args = spawn_v3(&mut script, "/run/child", [i(records), i(bytes.len() as u32)], NONE, PLAIN, pid);
    script.expect("host_process.proc_spawn_v3", &args, OK);
    script.expect("host_process.proc_waitpid", &[at(pid), i(0), i(pid), i(pid + 4)], OK);
    script.run(&place);
    place.assert_clean();
}

#[test]
fn file_actions_are_done_in_order_in_the_child_alone() {
    let place = Place::new();
    place.wat("/run/child", &says("out"));
    let actions = [
        action(4, 0, 0, 0, 0, "/tmp"),
        // A final NUL is optional.
        action(3, 7, 0, CREATE_TO_WRITE, 0o640, "made\0"),
        action(2, 1, 7, 0, 0, ""),
        action(6, 3, 0, 0, 0, ""),
    ]
    .concat();
    let mut script = Script::posix();
    let (records, pid) = (script.bytes(&actions), script.room(16));
    let args = spawn_v3(&mut script, "/run/child", [i(records), i(actions.len() as u32)], NONE, PLAIN, pid);
    script.expect("host_process.proc_spawn_v3", &args, OK);
    script.expect("host_process.proc_waitpid", &[at(pid), i(0), i(pid + 8), i(pid + 12)], OK);
    // Here 7 never was open, and the directory is what it was.
    script.expect("wasi_snapshot_preview1.fd_close", &[i(7)], EBADF);
    let ([name, len], stat) = (script.text("made"), script.room(64));
    script.expect("wasi_snapshot_preview1.path_filestat_get", &[i(u32::MAX), i(1), name, len, i(stat)], ENOENT);
    let [path, path_len] = script.text("/tmp/made");
    script.expect("wasi_snapshot_preview1.path_filestat_get", &[i(u32::MAX), i(1), path, path_len, i(stat)], OK);
    script.expect("host_fs.path_mode", &[i(u32::MAX), path, path_len, i(1)], 0o100_640);
    let stat = script.dump(stat, 64);
    assert_eq!(script.run(&place).long(stat, 32), 3);
    place.assert_clean();
}

#[test]
fn attributes_that_cannot_be_are_refused() {
    let place = Place::new();
    place.wat("/run/child", &body(""));
    let mut script = Script::posix();
    let pid = script.room(16);
    let zero = i(0);
    for (rest, want) in [
        ([i(256), zero, zero, zero, zero, zero], EOPNOTSUPP),
        ([i(u32::MAX), zero, zero, zero, zero, zero], EOPNOTSUPP),
        ([i(2), zero, zero, zero, zero, i(4242)], EPERM),
        ([i(2 | 128), zero, zero, zero, zero, zero], EPERM),
    ] {
        let args = spawn_v3(&mut script, "/run/child", NONE, NONE, rest, pid);
        script.expect("host_process.proc_spawn_v3", &args, want);
    }
    // SIGKILL and SIGSTOP in either set mean nothing.
    let all = i(u32::MAX);
    let args = spawn_v3(&mut script, "/run/child", NONE, NONE, [i(4 | 8), all, all, all, all, zero], pid);
    script.expect("host_process.proc_spawn_v3", &args, OK);
    script.expect("host_process.proc_waitpid", &[at(pid), zero, i(pid + 8), i(pid + 12)], OK);
    script.run(&place);
    place.assert_clean();
}

#[test]
fn the_older_spawns_move_standard_descriptors() {
    let place = Place::new();
    place.wat("/run/child", &says("out"));
    let mut script = Script::posix();
    let room = script.room(64);
    let ([path, len], none) = (script.text("/run/child"), i(0));
    script.expect("host_process.fd_pipe", &[i(room), i(room + 4)], OK);
    let args = [path, len, none, none, i(0), at(room + 4), i(2), none, none, i(room + 8)];
    script.expect("host_process.proc_spawn", &args, OK);
    let args = [path, len, path, len, none, none, i(u32::MAX), at(room + 4), i(2), none, none, i(room + 12)];
    script.expect("host_process.proc_spawn_v2", &args, OK);
    script.expect("wasi_snapshot_preview1.fd_close", &[at(room + 4)], OK);
    for _ in 0..2 {
        script.expect("host_process.proc_waitpid", &[i(u32::MAX), i(0), i(room + 16), i(room + 20)], OK);
    }
    let vector = script.vector(room + 32, 16);
    script.expect("wasi_snapshot_preview1.fd_read", &[at(room), i(vector), i(1), i(room + 24)], OK);
    let got = script.dump(room + 32, 16);
    // No command at all, and a descriptor that is none.
    script.expect("host_process.proc_spawn", &[path, i(0), none, none, i(0), i(1), i(2), none, none, i(room)], EINVAL);
    script.expect("host_process.proc_spawn", &[path, len, none, none, i(0), i(99), i(2), none, none, i(room)], EBADF);
    assert_eq!(&script.run(&place).dumps[got][..6], b"outout");
    place.assert_clean();
}

/// The older spawns name all three standard descriptors at once, and need no number beside them to do it.
#[test]
fn the_older_spawns_redirect_within_any_limit() {
    let place = Place::new();
    place.wat("/run/child", &says("out"));
    let mut script = Script::posix();
    let room = script.room(64);
    let ([path, len], none) = (script.text("/run/child"), i(0));
    script.expect("host_process.fd_pipe", &[i(room), i(room + 4)], OK);
    script.expect("host_process.proc_setrlimit", &[i(7), l(8), l(8)], OK);
    // 0 becomes the pipe's writing end, and 1 what 0 was.
    let args = [path, len, none, none, at(room + 4), i(0), at(room + 4), none, none, i(room + 8)];
    script.expect("host_process.proc_spawn", &args, OK);
    let args = [path, len, none, none, i(0), at(room + 4), i(2), none, none, i(room + 8)];
    script.expect("host_process.proc_spawn", &args, OK);
    for _ in 0..2 {
        script.expect("host_process.proc_waitpid", &[i(u32::MAX), i(0), i(room + 12), i(room + 16)], OK);
    }
    let vector = script.vector(room + 32, 16);
    script.expect("wasi_snapshot_preview1.fd_read", &[at(room), i(vector), i(1), i(room + 24)], OK);
    let got = script.dump(room + 32, 16);
    assert_eq!(&script.run(&place).dumps[got][..4], b"out\0", "of the second alone");
}

// ---- exec

/// Ends with ten times its pid, and how many arguments it has.
const REPORTER: &str = r#"(module
    (import "host_process" "proc_getpid" (func $pid (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (drop (call $pid (i32.const 0)))
        (drop (call $args (i32.const 4) (i32.const 8)))
        (call $exit (i32.add (i32.mul (i32.load (i32.const 0)) (i32.const 10)) (i32.load (i32.const 4))))))"#;

#[test]
fn exec_replaces_the_image_in_the_same_process() {
    let place = Place::new();
    place.wat("/run/reporter", REPORTER);
    let mut execer = Script::posix();
    let [path, len] = execer.text("/run/reporter");
    let [argv, argv_len] = execer.text("a\0b\0c\0");
    execer.call("host_process.proc_exec", &[path, len, argv, argv_len, argv, i(0), i(0), i(0)]);
    place.wat("/run/execer", &execer.wat());
    let mut by_descriptor = Script::posix();
    let ([path, len], fd) = (by_descriptor.text("/run/reporter"), by_descriptor.room(4));
    let args = [i(u32::MAX), i(1), path, len, i(0), l(2), l(0), i(0), i(fd)];
    by_descriptor.expect("wasi_snapshot_preview1.path_open", &args, OK);
    let [argv, argv_len] = by_descriptor.text("a\0b");
    by_descriptor.call("host_process.proc_fexec", &[at(fd), argv, argv_len, argv, i(0), i(0), i(0)]);
    place.wat("/run/fexecer", &by_descriptor.wat());

    let mut script = Script::posix();
    let room = script.room(32);
    for (path, at_byte) in [("/run/execer", 0), ("/run/fexecer", 8)] {
        let pid = spawn(&mut script, path, OK);
        script.expect("host_process.proc_waitpid", &[at(pid), i(0), i(room + at_byte), i(room + at_byte + 4)], OK);
    }
    let room = script.dump(room, 16);
    let found = script.run(&place);
    let words: Vec<u32> =
        found.dumps[room].chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(words, [words[1] * 10 + 3, words[1], words[3] * 10 + 2, words[3]]);
    place.assert_clean();
}

#[test]
fn an_exec_that_fails_leaves_the_caller_as_it_was() {
    let place = Place::new();
    place.file("/run/text", 0o755, b"no script");
    place.file("/run/library", 0o755, &assemble(r#"(module (memory (export "memory") 1))"#));
    place.file("/run/orphan", 0o755, b"#!/none/interpreter\n");
    let mut script = Script::posix();
    let [argv, argv_len] = script.text("a");
    let closing = script.words(&[1, 0]);
    for (path, want) in [
        ("/none", ENOENT),
        ("/run/orphan", ENOENT),
        ("/tmp", EACCES),
        ("/etc/passwd", EACCES),
        ("/run/text", ENOEXEC),
        ("/run/library", ENOEXEC),
    ] {
        let [path, len] = script.text(path);
        let args = [path, len, argv, argv_len, argv, i(0), i(closing), i(2)];
        script.expect("host_process.proc_exec", &args, want);
    }
    script.expect("host_process.proc_fexec", &[i(1), argv, argv_len, argv, i(0), i(0), i(0)], EACCES);
    script.expect("host_process.proc_fexec", &[i(99), argv, argv_len, argv, i(0), i(0), i(0)], EBADF);
    // That this arrives shows that 1, which the exec was to close, is open still.
    script.run(&place);
    place.assert_clean();
}

#[test]
fn exec_closes_what_it_is_told_to() {
    let place = Place::new();
    // Ends with the errno of fd_fdstat_get(20), plus that of 21.
    let probe = r#"(module
        (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (i32.add
            (i32.mul (i32.const 10) (call $stat (i32.const 20) (i32.const 0)))
            (call $stat (i32.const 21) (i32.const 0))))))"#;
    place.wat("/run/probe", probe);
    for (close_on_exec, closing, status) in [(0, 0, 0), (1, 0, 80), (0, 1, 8), (1, 1, 88)] {
        let mut script = Script::posix();
        let out = script.room(4);
        script.expect("host_process.fd_dup_min", &[i(1), i(20), i(out)], OK);
        script.expect("host_process.fd_dup_min", &[i(1), i(21), i(out)], OK);
        script.expect("host_process.fd_setfd", &[i(20), i(close_on_exec)], OK);
        let ([path, len], list) = (script.text("/run/probe"), script.words(&[21]));
        script.call("host_process.proc_exec", &[path, len, path, len, path, i(0), i(list), i(closing)]);
        assert_eq!(place.status(&script.wat()), status);
    }
    place.assert_clean();
}

/// Each image's memory is counted alone: a process may exec any number of times.
#[test]
fn exec_gives_back_the_old_images_memory() {
    let place = Place::with(|template| template.limits.process_memory_bytes = 3 << 20);
    let next = |path: &str| {
        let mut script = Script::posix();
        let [path, len] = script.text(path);
        script.call("host_process.proc_exec", &[path, len, path, len, path, i(0), i(0), i(0)]);
        script.wat().replace("(memory (export \"memory\") 4)", "(memory (export \"memory\") 32)")
    };
    for step in 0..8 {
        place.wat(&format!("/run/step{step}"), &next(&format!("/run/step{}", step + 1)));
    }
    place.wat("/run/step8", REPORTER);
    let finished = place.run(&["/run/step0"]).unwrap();
    assert!(matches!(finished.status, ExitStatus::Exited(status) if status % 10 == 1), "{:?}", finished.status);
    place.assert_clean();
}
