//! This machine's terminal as a session's: `warren run --tty`.
//!
//! ```text
//! keys ──▶ our terminal, raw ──thread──▶ master ──▶ line discipline of the session ──▶ command
//! screen ◀─────────────────────thread── master ◀──
//! SIGWINCH ──▶ the session's window size
//! ```
//! Our terminal does nothing of its own meanwhile: Ctrl-C and Ctrl-Z are bytes whose meaning the session's terminal
//! decides. Its mode is put back however this ends.

use crate::output;
use rustix::termios::{OptionalActions, Termios};
use std::io::{Read, Write};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use warren_kernel::Session;
use warren_kernel::process::ExitStatus;
use warren_kernel::pty::WindowSize;
use warren_wasi_posix::node::{OnTerminal, Terminal};

/// Bytes moved at once.
const CHUNK: usize = 64 * 1024;
/// A window of unknown size.
const USUAL: WindowSize = WindowSize::new(24, 80);

/// Why there is no terminal to give.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TerminalError {
    #[error("--tty: standard input is no terminal; without --tty it is piped")]
    NoTerminal,
    #[error("--tty: cannot set the terminal's mode: {0}")]
    Mode(rustix::io::Errno),
    #[error("--tty: cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// Our terminal in raw mode, put back when dropped.
#[derive(Debug)]
pub(crate) struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Takes our standard input over.
    pub(crate) fn enter() -> Result<RawMode, TerminalError> {
        let before = rustix::termios::tcgetattr(std::io::stdin()).map_err(|_| TerminalError::NoTerminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).map_err(TerminalError::Mode)?;
        Ok(RawMode { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nobody is left to tell if the terminal went away.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// The size of our window.
pub(crate) fn window_size() -> WindowSize {
    match rustix::termios::tcgetwinsize(std::io::stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => WindowSize::new(size.ws_row, size.ws_col),
        _ => USUAL,
    }
}

/// Passes keys, screen and window size on until the command ends; then `end` ends what it left running.
pub(crate) fn attend(
    command: OnTerminal,
    handle: &Handle,
    end: impl Fn(&Session),
) -> Result<ExitStatus, TerminalError> {
    let _raw = RawMode::enter()?;
    let OnTerminal { session, pid, terminal } = command;
    let terminal = Arc::new(terminal);
    let keys = (handle.clone(), Arc::downgrade(&terminal));
    std::thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        let mut input = std::io::stdin().lock();
        while let Ok(count @ 1..) = input.read(&mut buffer) {
            let Some(terminal) = keys.1.upgrade() else { return };
            if keys.0.block_on(terminal.write_all(&buffer[..count])).is_err() {
                return;
            }
        }
    });
    let screen = (handle.clone(), terminal.clone());
    let screen = std::thread::spawn(move || show(&screen.0, &screen.1));
    let ended = handle.block_on(async {
        let mut resized = signal(SignalKind::window_change())?;
        let mut terminated = signal(SignalKind::terminate())?;
        let mut hung_up = signal(SignalKind::hangup())?;
        let mut waiting = std::pin::pin!(session.wait(pid));
        loop {
            tokio::select! {
                ended = &mut waiting => return Ok(ended.map_or(ExitStatus::Exited(1), |(status, _)| status)),
                _ = resized.recv() => {
                    let _ = terminal.resize(window_size());
                }
                _ = terminated.recv() => return Ok(ExitStatus::Signaled(warren_kernel::signal::Signal::TERM)),
                _ = hung_up.recv() => return Ok(ExitStatus::Signaled(warren_kernel::signal::Signal::HUP)),
            }
        }
    });
    end(&session);
    let _ = screen.join();
    ended.map_err(TerminalError::Signals)
}

fn show(handle: &Handle, terminal: &Terminal) {
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        buffer.clear();
        match handle.block_on(terminal.read(CHUNK, &mut buffer)) {
            Ok(1..) => {}
            Ok(0) => return,
            Err(errno) => return output::note(errno),
        }
        let mut out = std::io::stdout().lock();
        if out.write_all(&buffer).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}
