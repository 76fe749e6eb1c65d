//! Images that cannot run: an errno for who asked, the reason for the operator, and nothing for the neighbour.

use crate::harness::{Place, assemble, body, says, within};
use std::time::Duration;
use warren_kernel::Errno;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

const START: &str = r#"(func (export "_start"))"#;
const MEMORY: &str = r#"(memory (export "memory") 1)"#;

#[test]
fn a_module_that_cannot_run_says_why() {
    let neighbour = Place::new();
    let place = Place::new();
    for (text, reason) in [
        (format!(r#"(module (import "env" "nothing" (func)) {MEMORY} {START})"#), "`env.nothing`"),
        (
            format!(r#"(module (import "wasi_snapshot_preview1" "nothing" (func)) {MEMORY} {START})"#),
            "`wasi_snapshot_preview1.nothing`",
        ),
        (format!(r#"(module (import "host_tty" "nothing" (func)) {MEMORY} {START})"#), "`host_tty.nothing`"),
        (format!(r#"(module (import "env" "memory" (memory 1)) {START})"#), "`env.memory`"),
        (format!(r#"(module (import "env" "g" (global i32)) {MEMORY} {START})"#), "`env.g`"),
        (format!(r#"(module (import "env" "t" (table 1 funcref)) {MEMORY} {START})"#), "`env.t`"),
        (format!(r#"(module (import "wasi_snapshot_preview1" "fd_write" (memory 1)) {START})"#), "exports no `memory`"),
        (format!(r#"(module (import "wasi_snapshot_preview1" "fd_close" (global i32)) {MEMORY} {START})"#), "fd_close"),
        (
            format!(
                r#"(module (import "wasi_snapshot_preview1" "fd_close" (func (param i64) (result i32))) {MEMORY} {START})"#
            ),
            "fd_close",
        ),
        (
            format!(
                r#"(module (import "host_process" "proc_spawn_v4" (func (param i32) (result i32))) {MEMORY} {START})"#
            ),
            "proc_spawn_v4",
        ),
        (format!("(module {MEMORY})"), "exports no `_start`"),
        (format!(r#"(module {MEMORY} (global (export "_start") i32 (i32.const 0)))"#), "`_start`"),
        (format!(r#"(module {MEMORY} (func (export "_start") (param i32)))"#), "`_start`"),
        (format!(r#"(module {MEMORY} (func (export "_start") (result i32) (i32.const 0)))"#), "`_start`"),
        (format!("(module {START})"), "exports no `memory`"),
        (format!("(module (memory 1) {START})"), "exports no `memory`"),
        (format!(r#"(module (global (export "memory") i32 (i32.const 0)) {START})"#), "exports no `memory`"),
        (format!("(module {MEMORY} (memory 1) {START})"), "multiple memories"),
        (format!(r#"(module (memory (export "memory") i64 1) {START})"#), "64"),
        (format!(r#"(module (memory (export "memory") 1 2 shared) {START})"#), "shared"),
        (format!("(module {MEMORY} (table 65537 funcref) {START})"), "table"),
        ("(component)".to_owned(), ""),
    ] {
        place.wat("/run/guest", &text);
        assert_eq!(place.run(&["/run/guest"]).unwrap_err(), Errno::ENOEXEC, "{text}");
        let faults = place.faults();
        let said = faults.last().expect("a fault is told");
        assert!(said.starts_with("/run/guest: ") && said.contains(reason), "{text}\n{said}");
    }
    place.assert_clean();
    place.assert_answers();
    neighbour.assert_answers();
}

#[test]
fn what_is_no_module_is_no_program() {
    let place = Place::new();
    for bytes in [
        &b""[..],
        b"\0",
        b"\0asm",
        b"\0asm\x01",
        b"\0asm\x02\0\0\0",
        b"\0asm\x01\0\0\0\xff",
        b"\x7fELF\x02\x01\x01",
        b"text",
        &[0; 4096],
    ] {
        place.file("/run/guest", 0o755, bytes);
        assert_eq!(place.run(&["/run/guest"]).unwrap_err(), Errno::ENOEXEC, "{bytes:?}");
    }
    place.assert_clean();
    place.assert_answers();
}

#[test]
fn a_module_cut_off_anywhere_does_not_run() {
    let place = Place::new();
    let whole = assemble(&says("ok"));
    let mut ran = Vec::new();
    for len in 0..whole.len() {
        place.file("/run/guest", 0o755, &whole[..len]);
        match place.run(&["/run/guest"]) {
            Err(Errno::ENOEXEC) => {}
            Ok(finished) => ran.push((len, finished.status)),
            Err(errno) => panic!("{len} bytes: {errno}"),
        }
    }
    // Without its data, or the section of names behind it, it is a module still.
    assert!(ran.len() <= 2 && ran.iter().all(|(_, status)| *status == ExitStatus::Exited(0)), "{ran:?}");
    place.assert_clean();
    place.assert_answers();
}

/// A module with bytes changed is refused, or runs to some end; it takes nobody with it.
#[test]
fn a_damaged_module_harms_nobody() {
    let (place, neighbour) = (Place::new(), Place::new());
    let whole = assemble(&says("ok"));
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut ran = 0;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..=random(3) {
            let at = 4 + random(bytes.len() - 4);
            bytes[at] = random(256) as u8;
        }
        place.file("/run/guest", 0o755, &bytes);
        let launched = within(place.command(&["/run/guest"]).launch(&place.session));
        let Ok(running) = launched else { continue };
        ran += 1;
        within(async {
            let pid = running.pid;
            let finish = running.finish();
            tokio::pin!(finish);
            if tokio::time::timeout(Duration::from_secs(5), &mut finish).await.is_err() {
                place.session.with(|kernel| kernel.signal_process(pid, Signal::KILL));
                finish.await.unwrap();
            }
        });
    }
    assert!(ran > 0, "some changes are in the text it prints");
    place.assert_clean();
    place.assert_answers();
    neighbour.assert_answers();
}

/// Large, but within what a module may be: it runs, or is refused with a reason.
#[test]
fn large_modules_run_or_are_refused() {
    let place = Place::new();
    let functions: String = (0..20_000).map(|index| format!("(func (drop (i32.const {index})))")).collect();
    let nested = format!("{}{}", "(block ".repeat(2000), ")".repeat(2000));
    let br_table = format!("(block (br_table {} (i32.const 0)))", "0 ".repeat(60_000));
    let locals = "(local i64) ".repeat(40_000);
    for text in [
        format!("(module {MEMORY} {functions} {START})"),
        body(&nested),
        body(&br_table),
        format!(r#"(module {MEMORY} (func (export "_start") {locals}))"#),
    ] {
        place.wat("/run/guest", &text);
        match place.run(&["/run/guest"]) {
            Ok(finished) => assert_eq!(finished.status, ExitStatus::Exited(0), "{:?}", place.faults()),
            Err(errno) => assert!(matches!(errno, Errno::ENOEXEC | Errno::ENOMEM), "{errno}: {:?}", place.faults()),
        }
    }
    place.assert_clean();
    place.assert_answers();
}

/// A memory that cannot be had at all: the process ends before it begins, as if killed.
#[test]
fn a_module_of_too_much_memory_is_killed_at_its_start() {
    let place = Place::new();
    let text = format!(r#"(module (memory (export "memory") 65536) {START})"#);
    let finished = place.run_wat(&text);
    assert_eq!(finished.status, ExitStatus::Signaled(Signal::KILL));
    assert_eq!(place.faults().len(), 1);
    place.assert_clean();
    place.assert_answers();
}

/// Memory grows to the limit and then not at all; the guest goes on.
#[test]
fn memory_grows_to_the_limit() {
    for change in [
        (|limits: &mut warren_kernel::limits::Limits| limits.process_memory_bytes = 10 * 65_536) as fn(&mut _),
        // And what its arguments and environment count.
        |limits| limits.memory_bytes = 10 * 65_536 + 4096,
    ] {
        let place = Place::with(|template| change(&mut template.limits));
        let text =
            body("(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (call $exit (memory.size))");
        assert_eq!(place.status(&text), 10);
        place.assert_clean();
    }
}
