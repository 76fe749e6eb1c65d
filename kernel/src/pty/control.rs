//! Attributes, window size, controlling terminals, foreground groups, hang-ups.

use super::termios::Termios;
use super::{End, TerminalId, WindowSize};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::{OpenId, Opened};
use crate::id::{Fd, Pgid, Pid, Sid};
use crate::kernel::Kernel;
use crate::signal::{Disposition, Signal, SignalSet};
use crate::wait::{Halt, Step, WaitKey};

/// When new attributes hold. TCSADRAIN is [`When::Now`]: what was written is with the master at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now (TCSANOW, TCSADRAIN).
    Now,
    /// Now, and what was typed and not read is dropped (TCSAFLUSH).
    Flush,
}

/// Which bytes tcflush() drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Typed and not read.
    Input,
    /// Written and not taken by the master.
    Output,
    /// Both.
    Both,
}

impl Kernel {
    /// tcgetattr(), at either end.
    ///
    /// # Errors
    /// `EBADF`, `ENOTTY`; `EIO` after a hang-up.
    pub fn tcgetattr(&self, call: &Call, fd: Fd) -> Result<Termios, Errno> {
        let (id, _) = self.live_terminal(call, fd)?;
        Ok(*self.terminal(id)?.line.termios())
    }

    /// tcsetattr(), at either end.
    ///
    /// # Errors
    /// As [`Kernel::tcgetattr`]; a background process gets SIGTTOU, or `EIO` if its group is orphaned.
    pub fn tcsetattr(&mut self, call: &Call, fd: Fd, termios: Termios, when: When) -> Step<()> {
        let (id, _) = self.live_terminal(call, fd)?;
        self.set_attributes_of(call, id, termios, when)
    }

    /// Changes the attributes of standard input, or else of the caller's controlling terminal, at once.
    ///
    /// # Errors
    /// `ENOTTY` when neither is a terminal; otherwise as [`Kernel::tcsetattr`].
    pub fn change_own_terminal(&mut self, call: &Call, change: impl FnOnce(Termios) -> Termios) -> Step<()> {
        let id = match self.live_terminal(call, Fd::STDIN) {
            Err(Errno::EBADF | Errno::ENOTTY) => self.controlling_terminal(call.pid).ok_or(Errno::ENOTTY)?,
            found => found?.0,
        };
        let termios = change(*self.terminal(id)?.line.termios());
        self.set_attributes_of(call, id, termios, When::Now)
    }

    fn set_attributes_of(&mut self, call: &Call, id: TerminalId, termios: Termios, when: When) -> Step<()> {
        self.require_foreground(call, id, Signal::TTOU)?;
        let terminal = self.terminals.list.get_mut(&id).ok_or(Errno::EIO)?;
        if when == When::Flush {
            terminal.line.discard_input();
        }
        let signals = terminal.line.set_termios(termios);
        self.signal_foreground(id, signals);
        self.waiters.wake(WaitKey::Terminal(id.0));
        Ok(())
    }

    /// tcflush(), at either end.
    ///
    /// # Errors
    /// As [`Kernel::tcsetattr`].
    pub fn tcflush(&mut self, call: &Call, fd: Fd, queue: Queue) -> Step<()> {
        let (id, _) = self.live_terminal(call, fd)?;
        self.require_foreground(call, id, Signal::TTOU)?;
        let terminal = self.terminals.list.get_mut(&id).ok_or(Errno::EIO)?;
        if queue != Queue::Output {
            terminal.line.discard_input();
        }
        if queue != Queue::Input {
            terminal.line.discard_output();
        }
        self.waiters.wake(WaitKey::Terminal(id.0));
        Ok(())
    }

    /// TIOCGWINSZ, at either end.
    ///
    /// # Errors
    /// As [`Kernel::tcgetattr`].
    pub fn window_size(&self, call: &Call, fd: Fd) -> Result<WindowSize, Errno> {
        let (id, _) = self.live_terminal(call, fd)?;
        Ok(self.terminal(id)?.size)
    }

    /// TIOCSWINSZ, at either end: a new size is SIGWINCH for the foreground group.
    ///
    /// # Errors
    /// As [`Kernel::tcgetattr`].
    pub fn set_window_size(&mut self, call: &Call, fd: Fd, size: WindowSize) -> Result<(), Errno> {
        let (id, _) = self.live_terminal(call, fd)?;
        self.resize(id, size)
    }

    /// As [`Kernel::set_window_size`], for whoever holds the master outside.
    ///
    /// # Errors
    /// `EBADF`, `ENOTTY`.
    pub fn resize_terminal(&mut self, open: OpenId, size: WindowSize) -> Result<(), Errno> {
        match self.files.get(open)?.what {
            Opened::Terminal(id, _) => self.resize(id, size),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn resize(&mut self, id: TerminalId, size: WindowSize) -> Result<(), Errno> {
        let terminal = self.terminals.list.get_mut(&id).ok_or(Errno::EIO)?;
        if terminal.size != size {
            terminal.size = size;
            self.signal_foreground(id, SignalSet::default().with(Signal::WINCH));
        }
        Ok(())
    }

    /// tcgetpgrp(): the foreground group; 0 when there is none.
    ///
    /// # Errors
    /// `ENOTTY` unless it is the caller's controlling terminal or a master; `EBADF`; `EIO` after a hang-up.
    pub fn tcgetpgrp(&self, call: &Call, fd: Fd) -> Result<Pgid, Errno> {
        let id = self.controlling_or_master(call, fd)?;
        Ok(self.terminal(id)?.foreground.unwrap_or(Pgid(0)))
    }

    /// tcsetpgrp(): makes a group of the caller's session the foreground group.
    ///
    /// # Errors
    /// `ENOTTY` unless it is the caller's controlling terminal; `ESRCH` when the group is not there, `EPERM` when it is
    /// of another session; a background process gets SIGTTOU, or `ENOTTY` if its group is orphaned.
    ///
    /// # Standard
    /// POSIX.1-2017 tcsetpgrp(); Linux's errors.
    pub fn tcsetpgrp(&mut self, call: &Call, fd: Fd, group: Pgid) -> Step<()> {
        let (id, _) =
            self.live_terminal(call, fd).map_err(|errno| if errno == Errno::EIO { Errno::ENOTTY } else { errno })?;
        match self.require_foreground(call, id, Signal::TTOU) {
            Err(Halt::Fail(Errno::EIO)) => return Err(Errno::ENOTTY.into()),
            checked => checked?,
        }
        let session = self.process(call.pid)?.session;
        if self.terminal(id)?.session != Some(session) {
            return Err(Errno::ENOTTY.into());
        }
        let members = |process: &&crate::process::Process| process.group == group;
        let found = self.processes().find(members).or_else(|| self.process(Pid(group.0)).ok());
        match found {
            None => Err(Errno::ESRCH.into()),
            Some(process) if process.session != session => Err(Errno::EPERM.into()),
            Some(_) => {
                if let Some(terminal) = self.terminals.list.get_mut(&id) {
                    terminal.foreground = Some(group);
                }
                Ok(())
            }
        }
    }

    /// tcgetsid(): the session whose controlling terminal it is.
    ///
    /// # Errors
    /// As [`Kernel::tcgetpgrp`]; `ENOTTY` when it is nobody's.
    pub fn tcgetsid(&self, call: &Call, fd: Fd) -> Result<Sid, Errno> {
        let id = self.controlling_or_master(call, fd)?;
        self.terminal(id)?.session.ok_or(Errno::ENOTTY)
    }

    /// Makes an open slave the controlling terminal of the caller's session (TIOCSCTTY).
    ///
    /// # Errors
    /// `EPERM` unless the caller leads a session that has none, and the terminal has no other session; `ENOTTY`, `EBADF`.
    pub fn acquire_terminal(&mut self, call: &Call, open: OpenId) -> Result<(), Errno> {
        let Opened::Terminal(id, End::Slave) = self.files.get(open)?.what else { return Err(Errno::ENOTTY) };
        let session = self.process(call.pid)?.session;
        let terminal = self.terminal(id)?;
        if terminal.is_hung_up() {
            return Err(Errno::EIO);
        }
        if terminal.session == Some(session) {
            return Ok(());
        }
        let taken = terminal.session.is_some();
        if taken || !self.may_acquire(call.pid) {
            return Err(Errno::EPERM);
        }
        self.give_terminal(id, call.pid);
        Ok(())
    }

    /// As an open() without O_NOCTTY does: a session leader without a terminal gets one that is nobody's.
    pub(super) fn acquire_by_opening(&mut self, pid: Pid, id: TerminalId) {
        let free = self.terminal(id).is_ok_and(|terminal| terminal.session.is_none());
        if free && self.may_acquire(pid) {
            self.give_terminal(id, pid);
        }
    }

    /// Whether a process leads a session that has no terminal. Init acts for the outside, and has none ever.
    fn may_acquire(&self, pid: Pid) -> bool {
        pid != Pid::INIT
            && self.process(pid).is_ok_and(|process| process.session == pid.as_session())
            && self.terminals.of_session(pid.as_session()).is_none()
    }

    fn give_terminal(&mut self, id: TerminalId, leader: Pid) {
        let group = self.process(leader).map(|process| process.group).ok();
        if let Some(terminal) = self.terminals.list.get_mut(&id) {
            terminal.session = Some(leader.as_session());
            terminal.foreground = group;
        }
    }

    /// The controlling terminal of a process.
    pub(crate) fn controlling_terminal(&self, pid: Pid) -> Option<TerminalId> {
        self.terminals.of_session(self.process(pid).ok()?.session)
    }

    /// The foreground group of a process's controlling terminal, with the terminal, as /proc shows them.
    pub fn job_control(&self, pid: Pid) -> Option<(TerminalId, Pgid)> {
        let id = self.controlling_terminal(pid)?;
        Some((id, self.terminal(id).ok()?.foreground.unwrap_or(Pgid(0))))
    }

    /// A process ended. If it led a session, its terminal's foreground group gets SIGHUP, and the terminal is nobody's.
    ///
    /// # Standard
    /// POSIX.1-2017 11.1.3; Linux's disassociate_ctty().
    pub(crate) fn session_leader_ended(&mut self, pid: Pid) {
        let Ok(process) = self.process(pid) else { return };
        if process.session != pid.as_session() {
            return;
        }
        let Some(terminal) =
            self.terminals.of_session(pid.as_session()).and_then(|id| self.terminals.list.get_mut(&id))
        else {
            return;
        };
        terminal.session = None;
        if let Some(group) = terminal.foreground.take() {
            self.signal_group(group, Signal::HUP);
        }
    }

    /// The master is gone.
    pub(super) fn hang_up(&mut self, id: TerminalId) {
        let Some(terminal) = self.terminals.list.get_mut(&id) else { return };
        terminal.line.discard_input();
        terminal.line.discard_output();
        terminal.line.start();
        terminal.line.shrink();
        let (session, foreground) = (terminal.session.take(), terminal.foreground.take());
        self.signal_hang_up(session, foreground);
    }

    /// SIGHUP, and SIGCONT so that who is stopped gets it, for the leader of a session and its foreground group.
    pub(super) fn signal_hang_up(&mut self, session: Option<Sid>, foreground: Option<Pgid>) {
        let leader = session.map(|session| Pid(session.0));
        let leads = leader.and_then(|leader| self.process(leader).ok()).map(|leader| leader.group);
        for signal in [Signal::HUP, Signal::CONT] {
            if let Some(leader) = leader.filter(|_| leads != foreground) {
                self.signal_process(leader, signal);
            }
            if let Some(group) = foreground {
                self.signal_group(group, signal);
            }
        }
    }

    pub(super) fn signal_foreground(&mut self, id: TerminalId, signals: SignalSet) {
        if signals == SignalSet::default() {
            return;
        }
        let Some(group) = self.terminal(id).ok().and_then(|terminal| terminal.foreground) else { return };
        for signal in [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::WINCH] {
            if signals.contains(signal) {
                self.signal_group(group, signal);
            }
        }
    }

    /// Stops a background process that wants to use its controlling terminal: its group gets `signal`, and the call is
    /// made again when it goes on.
    ///
    /// # Errors
    /// `EIO` when the group is orphaned, so that nobody would continue it, and for SIGTTIN when the signal is ignored or
    /// blocked; `Wait` otherwise.
    pub(super) fn require_foreground(&mut self, call: &Call, id: TerminalId, signal: Signal) -> Step<()> {
        let process = self.process(call.pid)?;
        let terminal = self.terminal(id)?;
        let group = process.group;
        let background = terminal.session == Some(process.session)
            && terminal.foreground.is_some_and(|foreground| foreground != group);
        if !background {
            return Ok(());
        }
        let unheard =
            process.signals.blocked.contains(signal) || process.signals.disposition(signal) == Disposition::Ignore;
        if unheard {
            return if signal == Signal::TTIN { Err(Errno::EIO.into()) } else { Ok(()) };
        }
        if self.is_orphaned(group) {
            return Err(Errno::EIO.into());
        }
        self.signal_group(group, signal);
        Err(Halt::on(WaitKey::Process(call.pid)))
    }

    /// The terminal of a descriptor, and which end it is.
    fn terminal_of(&self, call: &Call, fd: Fd) -> Result<(TerminalId, End), Errno> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        match self.files.get(open)?.what {
            Opened::Terminal(id, end) => Ok((id, end)),
            _ => Err(Errno::ENOTTY),
        }
    }

    /// As [`Kernel::terminal_of`]; a slave that was hung up is EIO.
    fn live_terminal(&self, call: &Call, fd: Fd) -> Result<(TerminalId, End), Errno> {
        let (id, end) = self.terminal_of(call, fd)?;
        if self.terminal(id)?.is_hung_up() { Err(Errno::EIO) } else { Ok((id, end)) }
    }

    fn controlling_or_master(&self, call: &Call, fd: Fd) -> Result<TerminalId, Errno> {
        let (id, end) = self.live_terminal(call, fd)?;
        let controls = self.controlling_terminal(call.pid) == Some(id);
        if end == End::Master || controls { Ok(id) } else { Err(Errno::ENOTTY) }
    }
}
