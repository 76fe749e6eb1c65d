//! The binary on a real terminal of this machine.
//!
//! The test holds the master of a host terminal; `setsid --ctty` makes the slave the binary's controlling terminal, so
//! that Linux itself tells it of a new window size.
#![allow(clippy::print_stdout, reason = "a test")]

use super::server::LIMIT;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The binary on a terminal, and what it has shown since somebody last looked.
pub struct Screen {
    pub child: Child,
    pub master: File,
    pub slave: OwnedFd,
    shown: Receiver<Vec<u8>>,
    unseen: String,
}

impl Screen {
    /// `None`, with the reason printed, where there is no `setsid`.
    pub fn open(arguments: &[&str], variables: &[(&str, &str)]) -> Option<Screen> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(&*path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        resize(&slave, 24, 80);
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = Command::new("setsid")
            .args(["--ctty", env!("CARGO_BIN_EXE_warren")])
            .args(arguments)
            .env("TERM", "xterm")
            .envs(variables.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn();
        let Ok(child) = child else {
            println!("skipped: there is no `setsid` (Debian: apt-get install util-linux)");
            return None;
        };
        let master = File::from(master);
        let (mut reader, mut answers) = (master.try_clone().unwrap(), master.try_clone().unwrap());
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                // What every terminal answers when it is asked where its cursor is.
                for _ in 0..buffer[..count].windows(4).filter(|part| part == b"\x1b[6n").count() {
                    let _ = answers.write_all(b"\x1b[1;1R");
                }
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Screen { child, master, slave, shown, unseen: String::new() })
    }

    pub fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this is shown; what came before it has been seen too.
    pub fn sees(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            if let Some(at) = self.unseen.find(text) {
                self.unseen.drain(..at + text.len());
                return;
            }
            match self.shown.recv_timeout(LIMIT.saturating_sub(started.elapsed())) {
                Ok(bytes) => self.unseen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let _ = self.child.kill();
                    panic!("`{text}` was not shown: {:?}", self.unseen);
                }
            }
        }
    }

    /// The binary's own status. The terminal's mode is what it was.
    pub fn ends(mut self) -> Option<i32> {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None if started.elapsed() > LIMIT => {
                    let _ = self.child.kill();
                    panic!("it has not ended: {:?}", self.unseen);
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let modes = rustix::termios::tcgetattr(&self.slave).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "{modes:?}");
        status
    }

    /// Our terminal passes every key on.
    pub fn is_raw(&self) -> bool {
        !rustix::termios::tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON)
    }
}

pub fn resize(terminal: &OwnedFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).unwrap();
}
