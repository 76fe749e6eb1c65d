//! Terminals as guests meet them: host_tty, pty_open, and what libc looks at.

use crate::harness::errno::{EBADF, EFAULT, EINVAL, ENOTTY, EPERM, ESPIPE, ESRCH, OK};
use crate::harness::{CWD, END, Place, Script, at, i, l, within};
use warren_kernel::file::OpenId;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::process::spawn::{Attributes, FileAction, Spawn};
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::pty::WindowSize;

/// ICRNL, OPOST, ONLCR, ICANON, ECHO, ISIG.
const COOKED: u32 = 0x3f;
/// INTR, QUIT, SUSP, EOF, ERASE, KILL, WERASE.
const CHARACTERS: [u8; 7] = [0x03, 0x1c, 0x1a, 0x04, 0x7f, 0x15, 0x17];

/// A script whose first call opens a terminal: where the numbers of master and slave are.
fn pty(script: &mut Script) -> (u32, u32) {
    let (master, slave) = (script.room(4), script.room(4));
    script.expect("host_process.pty_open", &[i(master), i(slave)], OK);
    (master, slave)
}

#[test]
fn both_ends_are_terminals() {
    let place = Place::new();
    let mut script = Script::posix();
    let (master, slave) = pty(&mut script);
    let (out, stat) = (script.room(8), script.room(64));
    for end in [master, slave] {
        script.expect("host_tty.isatty", &[at(end)], 1);
        script.expect("host_user.isatty", &[at(end), i(out)], OK);
        script.expect("wasi_snapshot_preview1.fd_seek", &[at(end), l(0), i(1), i(out)], ESPIPE);
    }
    script.expect("wasi_snapshot_preview1.fd_fdstat_get", &[at(slave), i(stat)], OK);
    let status = script.dump(stat, 24);
    script.expect("host_tty.isatty", &[i(1)], 0);
    script.expect("host_tty.isatty", &[i(99)], 0);
    script.expect("host_user.isatty", &[i(99), i(out)], EBADF);
    let [path, len] = script.text("/dev/pts/0");
    script.expect_long("host_fs.path_rdev", &[i(CWD), path, len, i(1)], 136 << 8);
    let found = script.run(&place);
    // libc takes a character device that can neither seek nor tell for a terminal.
    let rights = u64::from_le_bytes(found.dumps[status][8..16].try_into().unwrap());
    assert_eq!((found.dumps[status][0], rights & (1 << 2 | 1 << 5)), (2, 0));
    place.assert_clean();
}

#[test]
fn attributes_are_six_flags_and_seven_characters() {
    let place = Place::new();
    let mut script = Script::posix();
    let (_, slave) = pty(&mut script);
    let (flags, characters) = (script.room(4), script.room(7));
    script.expect("host_tty.get_attr", &[at(slave), i(flags), i(characters)], OK);
    let (flags, characters) = (script.dump(flags, 4), script.dump(characters, 7));
    let found = script.run(&place);
    assert_eq!(
        (found.dumps[flags].as_slice(), found.dumps[characters].as_slice()),
        (&COOKED.to_le_bytes()[..], &CHARACTERS[..])
    );

    let mut script = Script::posix();
    let (_, slave) = pty(&mut script);
    let [wanted, _] = script.text("\x01\x02\x03\x04\x05\x06\x07");
    script.expect("host_tty.set_attr", &[at(slave), i(0x15), wanted], OK);
    let (flags, characters) = (script.room(4), script.room(7));
    script.expect("host_tty.get_attr", &[at(slave), i(flags), i(characters)], OK);
    script.expect("host_tty.set_attr", &[at(slave), i(0x40), wanted], EINVAL);
    script.expect("host_tty.set_attr", &[at(slave), i(0), i(END - 6)], EFAULT);
    script.expect("host_tty.set_attr", &[i(1), i(0), wanted], ENOTTY);
    script.expect("host_tty.set_attr", &[i(99), i(0), wanted], EBADF);
    script.expect("host_tty.get_attr", &[at(slave), i(END - 3), i(characters)], EFAULT);
    script.expect("host_tty.get_attr", &[at(slave), i(flags), i(END - 6)], EFAULT);
    script.expect("host_tty.get_attr", &[i(1), i(flags), i(characters)], ENOTTY);
    let (flags, characters) = (script.dump(flags, 4), script.dump(characters, 7));
    let found = script.run(&place);
    assert_eq!(found.dumps[flags], 0x15u32.to_le_bytes());
    assert_eq!(found.dumps[characters], [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn the_window_has_a_size() {
    let place = Place::new();
    let mut script = Script::posix();
    let (master, slave) = pty(&mut script);
    let (columns, rows) = (script.room(2), script.room(2));
    script.expect("host_tty.set_size", &[at(master), i(132), i(50)], OK);
    script.expect("host_tty.get_size", &[at(slave), i(columns), i(rows)], 0);
    // Linux's EFAULT is 14, ENOTTY 25, EBADF 9.
    script.expect("host_tty.get_size", &[at(slave), i(END - 1), i(rows)], 14);
    script.expect("host_tty.get_size", &[i(0), i(columns), i(rows)], 25);
    script.expect("host_tty.get_size", &[i(99), i(columns), i(rows)], 9);
    script.expect("host_tty.set_size", &[at(slave), i(0x1_0000), i(1)], EINVAL);
    let (columns, rows) = (script.dump(columns, 2), script.dump(rows, 2));
    let found = script.run(&place);
    assert_eq!((found.dumps[columns].as_slice(), found.dumps[rows].as_slice()), (&[132, 0][..], &[50, 0][..]));
}

#[test]
fn a_terminal_is_nobodys_until_someone_acquires_it() {
    let place = Place::new();
    let mut script = Script::posix();
    let (master, slave) = pty(&mut script);
    let out = script.room(4);
    script.expect("host_tty.get_pgrp", &[at(slave), i(out)], ENOTTY);
    script.expect("host_tty.get_pgrp", &[at(master), i(out)], OK);
    script.expect("host_tty.get_sid", &[at(slave), i(out)], ENOTTY);
    script.expect("host_tty.get_sid", &[at(master), i(out)], ENOTTY);
    script.expect("host_tty.set_pgrp", &[at(slave), i(2)], ENOTTY);
    script.expect("host_tty.set_pgrp", &[at(slave), i(u32::MAX)], EINVAL);
    script.expect("host_tty.set_pgrp", &[i(99), i(2)], EBADF);
    script.expect("host_tty.set_raw_mode", &[i(1)], ENOTTY);
    script.expect("host_tty.set_raw_mode", &[i(0)], OK);
    script.expect("host_process.pty_open", &[i(END), i(out)], EFAULT);
    script.run(&place);
    place.assert_clean();
}

/// Runs a script's guest with a terminal as its standard input and output; what it wrote is read at the master.
fn on_terminal(place: &Place, text: &str, keys: &[u8]) -> (ExitStatus, Vec<u8>) {
    place.wat("/run/guest", text);
    let (master, slave) = place.session.with(|kernel| kernel.open_terminal(WindowSize::new(24, 80))).unwrap();
    let spawn = Spawn {
        command: b"/run/guest".as_slice().into(),
        search: None,
        arguments: strings(["guest"]),
        environment: place.template.environment.clone(),
        cwd: None,
        actions: vec![
            FileAction::InstallTerminal { fd: Fd::STDIN, open: slave },
            FileAction::Duplicate { from: Fd::STDIN, to: Fd::STDOUT },
            FileAction::Duplicate { from: Fd::STDIN, to: Fd::STDERR },
        ],
        attributes: Attributes::default(),
    };
    within(async {
        let typed = place.session.call(Pid::INIT, |kernel, call| kernel.write_open(call, master, None, &[keys]));
        assert_eq!(typed.await, Ok(keys.len()));
        let pid = place.session.call(Pid::INIT, |kernel, call| kernel.launch(call, &spawn)).await.unwrap();
        place.session.with(|kernel| kernel.close_open(slave));
        let shown = all(place, master).await;
        let (status, _) = place.session.wait(pid).await.unwrap();
        place.session.with(|kernel| kernel.close_open(master));
        (status, shown)
    })
}

/// All the master reads, to the error that is its end.
async fn all(place: &Place, master: OpenId) -> Vec<u8> {
    let mut shown = Vec::new();
    loop {
        let read = place.session.call(Pid::INIT, |kernel, call| {
            kernel.read_open(call, master, None, 4096, &mut |bytes| shown.extend_from_slice(bytes))
        });
        if read.await.is_err() {
            return shown;
        }
    }
}

#[test]
fn a_guest_reads_lines_and_raw_bytes() {
    let place = Place::new();
    let mut script = Script::posix();
    let (line, key, late) = (script.room(16), script.room(16), script.room(16));
    let group = script.room(4);
    script.expect("host_tty.isatty", &[i(0)], 1);
    script.expect("host_tty.read", &[i(line), i(16), i(u32::MAX)], 6);
    script.expect("host_tty.set_raw_mode", &[i(1)], OK);
    script.expect("host_tty.read", &[i(key), i(16), i(1000)], 2);
    script.expect("host_tty.read", &[i(late), i(16), i(1)], 0);
    script.expect("host_tty.get_pgrp", &[i(0), i(group)], OK);
    script.expect("host_tty.set_pgrp", &[i(0), at(group)], OK);
    script.expect("host_tty.get_sid", &[i(2), i(group)], OK);
    script.expect("host_tty.set_pgrp", &[i(0), i(30_000)], ESRCH);
    script.expect("host_tty.set_pgrp", &[i(0), i(1)], EPERM);
    let (line, key) = (script.dump(line, 6), script.dump(key, 2));
    let (status, shown) = on_terminal(&place, &script.wat(), b"hello\rab");
    assert_eq!(status, ExitStatus::Exited(0), "{:?}", place.faults());
    // Output is raw by then: what the script says of itself comes unchanged behind the echo.
    let found = script.read(shown.strip_prefix(b"hello\r\nab").expect("the echo"));
    assert_eq!((found.dumps[line].as_slice(), found.dumps[key].as_slice()), (&b"hello\n"[..], &b"ab"[..]));
    place.assert_clean();
}

#[test]
fn an_interrupt_ends_who_reads() {
    let place = Place::new();
    let mut script = Script::posix();
    let line = script.room(16);
    script.call("host_tty.read", &[i(line), i(16), i(u32::MAX)]);
    place.wat("/run/guest", &script.wat());
    let (master, slave) = place.session.with(|kernel| kernel.open_terminal(WindowSize::new(24, 80))).unwrap();
    let running = within(async {
        let spawn = Spawn {
            command: b"/run/guest".as_slice().into(),
            search: None,
            arguments: strings(["guest"]),
            environment: place.template.environment.clone(),
            cwd: None,
            actions: vec![FileAction::InstallTerminal { fd: Fd::STDIN, open: slave }],
            attributes: Attributes::default(),
        };
        let pid = place.session.call(Pid::INIT, |kernel, call| kernel.launch(call, &spawn)).await.unwrap();
        let typed = place.session.call(Pid::INIT, |kernel, call| kernel.write_open(call, master, None, &[b"\x03"]));
        assert_eq!(typed.await, Ok(1));
        place.session.wait(pid).await.unwrap().0
    });
    assert_eq!(running, ExitStatus::Signaled(warren_kernel::signal::Signal::INT));
    place.session.with(|kernel| [master, slave].map(|open| kernel.close_open(open)));
    place.assert_clean();
}
