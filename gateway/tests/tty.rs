//! `warren run --tty` on a real terminal of this machine: keys, editing, Ctrl-C, Ctrl-Z, window size, and the terminal
//! as it was afterwards.
//!
//! The test holds the master of a host terminal; `setsid --ctty` makes the slave the binary's controlling terminal, so
//! that Linux itself tells it of a new window size. The packaged shell has no job control, so a small C program shows
//! what a shell that has it can do.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;
#[path = "posix/toolchain.rs"]
#[allow(dead_code, reason = "this binary builds one module")]
mod toolchain;

use common::screen::{Screen, resize};
use std::path::Path;
use std::process::Stdio;

/// The C shell in a folder to be mounted; `None`, with the reason printed, without a compiler.
fn job_shell() -> Option<String> {
    if !common::software() {
        return None;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let built = toolchain::Toolchain::find(&tests.join("posix"))?.module(&tests.join("tty/shell.c")).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tty");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(built, folder.join("shell")).unwrap();
    std::fs::set_permissions(folder.join("shell"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    Some(format!("{}:/mnt", folder.display()))
}

macro_rules! screen {
    ($arguments:expr) => {
        match Screen::open(&[&["run", "--tty"], &$arguments[..]].concat(), &[]) {
            Some(screen) => screen,
            None => return,
        }
    };
}

#[test]
fn bash_is_typed_edited_interrupted_and_left() {
    if !common::software() {
        return;
    }
    let mut screen = screen!(&["bash"]);
    screen.sees("$ ");
    assert!(screen.is_raw());
    screen.keys("echo one$((1+1))three\r");
    screen.sees("one2three\r\n");
    screen.sees("$ ");
    // Backspace, and Ctrl-U for the whole line.
    screen.keys("thiss is not typed\x15echo edixt\x7f\x7fted\r");
    // What the editor switches off when a line is entered, and the command's output right behind.
    screen.sees("\x1b[?2004ledited\r\n");
    screen.sees("$ ");
    // What is printed, unlike what is typed, says that the command has begun: until then Ctrl-C is the editor's.
    screen.keys("sh -c 'echo be\"\"gun; sleep 1000'\r");
    screen.sees("begun\r\n");
    screen.keys("\x03");
    screen.sees("$ ");
    screen.keys("echo rc=$?\r");
    screen.sees("rc=130\r\n");
    screen.sees("$ ");
    screen.keys("exit 3\r");
    assert_eq!(screen.ends(), Some(3));
}

#[test]
fn a_job_is_stopped_continued_interrupted_and_ends() {
    let Some(mount) = job_shell() else { return };
    let mut screen = screen!(&["--mount", &mount, "/mnt/shell"]);
    screen.sees("ready\r\n");
    screen.keys("run echo\r");
    screen.keys("one\r");
    screen.sees("heard: 4 [one\\n]\r\n");
    screen.keys("\x1a");
    screen.sees("job: stopped by SIGTSTP\r\n");
    screen.keys("fg\rtwo\r");
    screen.sees("heard: 4 [two\\n]\r\n");
    screen.keys("\x04");
    screen.sees("job: exit 7\r\n");
    screen.keys("run wait\r");
    screen.sees("waiting\r\n");
    screen.keys("\x03");
    screen.sees("job: ended by SIGINT\r\n");
    screen.keys("run wait\r");
    screen.sees("waiting\r\n");
    screen.keys("\x1c");
    screen.sees("job: ended by SIGQUIT\r\n");
    screen.keys("exit\r");
    assert_eq!(screen.ends(), Some(5));
}

#[test]
fn the_programs_signals_and_the_window() {
    let Some(mount) = job_shell() else { return };
    let mut screen = screen!(&["--mount", &mount, "/mnt/shell"]);
    screen.sees("ready\r\n");
    screen.keys("size\r");
    screen.sees("size 24 x 80\r\n");
    resize(&screen.slave, 50, 132);
    screen.sees("! resized to 50 x 132\r\n");
    screen.keys("dropped\x03");
    screen.sees("! interrupted\r\n");
    // Editing keys of the line discipline: erase, word erase, kill.
    screen.keys("sizx\x7fe nothing\x17\x7f\r");
    screen.sees("size 50 x 132\r\n");
    screen.keys("all of this\x15\x04");
    screen.sees("end of input\r\n");
    assert_eq!(screen.ends(), Some(6));
}

#[test]
fn a_raw_program_gets_every_key() {
    let Some(mount) = job_shell() else { return };
    let mut screen = screen!(&["--mount", &mount, "/mnt/shell"]);
    screen.sees("ready\r\n");
    screen.keys("raw\r");
    // Not the echo of the word: a key typed before the mode is changed would still be a signal.
    screen.sees("keys are shown until q\r\n");
    for (key, shown) in [("\x03", "<03>"), ("\x1a", "<1a>"), ("\x04", "<04>"), ("\r", "\\r"), ("\x7f", "<7f>")] {
        screen.keys(key);
        screen.sees(&format!("key: 1 [{shown}]\r\n"));
    }
    screen.keys("q");
    screen.sees("key: 1 [q]\r\n");
    // A return that is typed before the mode is changed back is the end of no line.
    screen.sees("lines again\r\n");
    screen.keys("exit\r");
    assert_eq!(screen.ends(), Some(5));
}

#[test]
fn a_plain_command_its_status_and_a_killed_one() {
    if !common::software() {
        return;
    }
    let mut screen = screen!(&["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo $TERM; exit 9"]);
    screen.sees("xterm\r\n");
    assert_eq!(screen.ends(), Some(9));
    let mut screen = screen!(&["cat"]);
    screen.keys("typed\r");
    screen.sees("typed\r\n");
    screen.sees("typed\r\n");
    screen.keys("\x03");
    assert_eq!(screen.ends(), Some(130), "Ctrl-C ends what does not catch it");
    let mut screen = screen!(&["cat"]);
    screen.keys("there\r");
    screen.sees("there\r\nthere\r\n");
    let pid = rustix::process::Pid::from_raw(screen.child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(screen.ends(), Some(143), "the binary was told to end");
    let screen = screen!(&["no-such-command", "x"]);
    assert_eq!(screen.ends(), Some(127));
}

#[test]
fn what_is_no_terminal_is_refused() {
    let output = common::warren().args(["run", "--tty", "true"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--tty") && said.contains("no terminal"), "{said}");
    let output = common::warren().args(["run", "--tty", "--json", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
