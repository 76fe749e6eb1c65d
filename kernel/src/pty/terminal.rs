//! Opening, closing, reading, writing and polling the ends of terminals.

use super::line::Line;
use super::termios::{Control, InputModes, LocalModes, Termios};
use super::{End, Terminal, TerminalId, WindowSize};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::{OpenFile, OpenId, Opened};
use crate::host::Monotonic;
use crate::id::{Fd, Gid, Pid, Uid};
use crate::kernel::Kernel;
use crate::poll::PollEvents;
use crate::signal::{Signal, SignalSet};
use crate::vfs::Mode;
use crate::vfs::open::OpenFlags;
use crate::wait::{Halt, Step, WaitKey};
use std::time::Duration;

/// The group of terminals (Debian's tty), who may write to them by `/dev/pts`'s bits.
pub const TERMINAL_GROUP: Gid = Gid(5);
/// Bytes of a write that are not split unless they grow: it waits for room for twice as many, in case all are newlines.
const WHOLE_WRITE: usize = 4096;

impl Kernel {
    /// Makes a terminal for someone outside: master and slave, each referred to once, released by
    /// [`Kernel::close_open`]. Its characters are UTF-8 (IUTF8), as emulators set it; otherwise it is as Linux's.
    ///
    /// # Errors
    /// `ENOSPC` at the limit `ptys`; `ENFILE`.
    pub fn open_terminal(&mut self, size: WindowSize) -> Result<(OpenId, OpenId), Errno> {
        let mut termios = Termios::default();
        termios.input.insert(InputModes::IUTF8);
        let owner = self.template.user.euid;
        let (id, master) = self.new_terminal(Pid::INIT, owner, termios, size)?;
        self.files.retain(master);
        let slave = self.add_terminal_end(Pid::INIT, id, End::Slave).inspect_err(|_| self.release_open(master))?;
        self.files.retain(slave);
        Ok((master, slave))
    }

    /// openpty(): master and slave at the lowest free descriptors. `flags` may have NONBLOCK and CLOEXEC. The slave
    /// does not become the caller's controlling terminal.
    ///
    /// # Errors
    /// `ENOSPC` at the limit `ptys`; `EMFILE`, `ENFILE`.
    pub fn pty(&mut self, call: &Call, flags: OpenFlags) -> Result<(Fd, Fd), Errno> {
        let master_fd = self.free_fd(call.pid, Fd(0))?;
        let slave_fd = self.free_fd(call.pid, Fd(master_fd.0 + 1))?;
        let owner = self.process(call.pid)?.credentials.euid;
        let (id, master) = self.new_terminal(call.pid, owner, Termios::default(), WindowSize::default())?;
        let master_fd = self.install(call.pid, master_fd, master, flags.contains(OpenFlags::CLOEXEC))?;
        let slave = match self.add_terminal_end(call.pid, id, End::Slave) {
            Ok(slave) => slave,
            Err(errno) => {
                let _ = self.close(call, master_fd);
                return Err(errno);
            }
        };
        for open in [master, slave] {
            self.files.get_mut(open)?.nonblock = flags.contains(OpenFlags::NONBLOCK);
        }
        let slave_fd = self.install(call.pid, slave_fd, slave, flags.contains(OpenFlags::CLOEXEC))?;
        Ok((master_fd, slave_fd))
    }

    /// A terminal with its master, which nobody refers to yet.
    pub(super) fn new_terminal(
        &mut self,
        pid: Pid,
        owner: Uid,
        termios: Termios,
        size: WindowSize,
    ) -> Result<(TerminalId, OpenId), Errno> {
        if self.terminals.len() as u64 >= self.limits.ptys {
            return Err(self.limit_reached(pid, "ptys", Errno::ENOSPC));
        }
        let id = self.terminals.free_id();
        let terminal = Terminal {
            line: Line::new(termios),
            size,
            masters: 0,
            slaves: 0,
            slave_was_open: false,
            session: None,
            foreground: None,
            typed_at: self.monotonic(),
            owner,
            group: TERMINAL_GROUP,
            mode: Mode::new(0o620),
            made_at: self.now(),
        };
        self.terminals.list.insert(id, terminal);
        let master = self.add_terminal_end(pid, id, End::Master).inspect_err(|_| {
            self.terminals.list.remove(&id);
        })?;
        Ok((id, master))
    }

    /// One more open file description of an end, which nobody refers to yet.
    pub(super) fn add_terminal_end(&mut self, pid: Pid, id: TerminalId, end: End) -> Result<OpenId, Errno> {
        let open = self.add_open(pid, OpenFile::new(Opened::Terminal(id, end), true, true))?;
        if let Some(terminal) = self.terminals.list.get_mut(&id) {
            match end {
                End::Master => terminal.masters += 1,
                End::Slave => {
                    terminal.slaves += 1;
                    terminal.slave_was_open = true;
                }
            }
        }
        Ok(open)
    }

    /// An end's open file description is gone. The master's last hangs up; the last of both is the terminal's end.
    pub(crate) fn close_terminal_end(&mut self, id: TerminalId, end: End) {
        let Some(terminal) = self.terminals.list.get_mut(&id) else { return };
        match end {
            End::Master => terminal.masters -= 1,
            End::Slave => terminal.slaves -= 1,
        }
        let hangs_up = end == End::Master && terminal.masters == 0;
        if terminal.masters == 0 && terminal.slaves == 0 {
            let (session, foreground) = (terminal.session, terminal.foreground);
            self.terminals.list.remove(&id);
            self.signal_hang_up(session, foreground);
        } else if hangs_up {
            self.hang_up(id);
        } else if terminal.slaves == 0 {
            terminal.line.shrink();
        }
        self.waiters.wake(WaitKey::Terminal(id.0));
    }

    /// read() of either end.
    ///
    /// # Errors
    /// `Wait`, or `EAGAIN` with O_NONBLOCK; the master gets `EIO` when no slave is open any more, a background process
    /// SIGTTIN, or `EIO` if that cannot stop it.
    ///
    /// # Standard
    /// POSIX.1-2017 11.1.4 to 11.1.7, Linux tty. A hung-up slave reads 0.
    pub(crate) fn read_terminal(
        &mut self,
        call: &mut Call,
        id: TerminalId,
        end: End,
        nonblock: bool,
        want: usize,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<usize> {
        match end {
            End::Master => self.read_master(id, nonblock, want, put),
            End::Slave => self.read_slave(call, id, nonblock, want, put),
        }
    }

    fn read_master(&mut self, id: TerminalId, nonblock: bool, want: usize, put: &mut dyn FnMut(&[u8])) -> Step<usize> {
        let terminal = self.terminals.list.get_mut(&id).ok_or(Errno::EIO)?;
        if want == 0 {
            return Ok(0);
        }
        let count = terminal.line.take_output(want, put);
        if count > 0 {
            self.waiters.wake(WaitKey::Terminal(id.0));
            return Ok(count);
        }
        if terminal.slaves == 0 && terminal.slave_was_open {
            return Err(Errno::EIO.into());
        }
        Err(if nonblock { Errno::EAGAIN.into() } else { Halt::on(WaitKey::Terminal(id.0)) })
    }

    fn read_slave(
        &mut self,
        call: &mut Call,
        id: TerminalId,
        nonblock: bool,
        want: usize,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<usize> {
        if self.terminal(id)?.is_hung_up() {
            return Ok(0);
        }
        self.require_foreground(call, id, Signal::TTIN)?;
        if want == 0 {
            return Ok(0);
        }
        let now = self.monotonic();
        let terminal = self.terminals.list.get_mut(&id).ok_or(Errno::EIO)?;
        match terminal.patience(want, now, call.began(now)) {
            Patience::Ready => {}
            Patience::Over => return Ok(0),
            Patience::Until(_) if nonblock && terminal.line.readable() == 0 => return Err(Errno::EAGAIN.into()),
            Patience::Until(_) if nonblock => {}
            Patience::Until(deadline) => return Err(Halt::until(vec![WaitKey::Terminal(id.0)], deadline)),
        }
        let (count, signals) = terminal.line.read(want, put);
        self.signal_foreground(id, signals);
        self.waiters.wake(WaitKey::Terminal(id.0));
        Ok(count)
    }

    /// write() of either end: what is typed, or what a program shows. May be short when there is room for some.
    ///
    /// # Errors
    /// `Wait`, or `EAGAIN` with O_NONBLOCK; `EIO` on a slave that was hung up; with TOSTOP a background process gets
    /// SIGTTOU, or `EIO` if its group is orphaned.
    pub(crate) fn write_terminal(
        &mut self,
        call: &Call,
        id: TerminalId,
        end: End,
        nonblock: bool,
        data: &[&[u8]],
    ) -> Step<usize> {
        let wanted: usize = data.iter().map(|part| part.len()).sum();
        let count = match end {
            End::Master => self.type_to(id, data)?,
            End::Slave => self.show_on(call, id, nonblock, wanted, data)?,
        };
        if count > 0 || wanted == 0 {
            self.waiters.wake(WaitKey::Terminal(id.0));
            return Ok(count);
        }
        Err(if nonblock { Errno::EAGAIN.into() } else { Halt::on(WaitKey::Terminal(id.0)) })
    }

    fn type_to(&mut self, id: TerminalId, data: &[&[u8]]) -> Result<usize, Errno> {
        let now = self.monotonic();
        let terminal = self.terminals.list.get_mut(&id).ok_or(Errno::EIO)?;
        let (mut count, mut signals) = (0, SignalSet::default());
        for part in data {
            let (taken, wanted) = terminal.line.type_bytes(part);
            count += taken;
            signals = signals.plus(wanted);
            if taken < part.len() {
                break;
            }
        }
        if count > 0 {
            terminal.typed_at = now;
        }
        self.signal_foreground(id, signals);
        Ok(count)
    }

    fn show_on(&mut self, call: &Call, id: TerminalId, nonblock: bool, wanted: usize, data: &[&[u8]]) -> Step<usize> {
        if self.terminal(id)?.line.termios().local.contains(LocalModes::TOSTOP) {
            self.require_foreground(call, id, Signal::TTOU)?;
        }
        let terminal = self.terminals.list.get_mut(&id).ok_or(Errno::EIO)?;
        if terminal.is_hung_up() {
            return Err(Errno::EIO.into());
        }
        let room = if terminal.line.is_writable() { terminal.line.output_room() } else { 0 };
        if !nonblock && wanted <= WHOLE_WRITE && room < wanted * 2 {
            return Ok(0);
        }
        let mut count = 0;
        for part in data {
            let taken = terminal.line.write(part);
            count += taken;
            if taken < part.len() {
                break;
            }
        }
        Ok(count)
    }

    /// What an end is ready for.
    ///
    /// # Standard
    /// Linux tty: in raw mode with MIN and without TIME, input is ready when MIN bytes are there.
    pub(crate) fn terminal_readiness(&self, id: TerminalId, end: End) -> PollEvents {
        let input = PollEvents::IN | PollEvents::RDNORM;
        let output = PollEvents::OUT | PollEvents::WRNORM;
        let Some(terminal) = self.terminals.list.get(&id) else { return PollEvents::NVAL };
        let mut found = PollEvents::empty();
        match end {
            End::Slave if terminal.is_hung_up() => found |= input | output | PollEvents::ERR | PollEvents::HUP,
            End::Slave => {
                found |= if terminal.line.readable() >= terminal.enough() { input } else { found };
                found |= if terminal.line.is_writable() { output } else { found };
            }
            End::Master => {
                found |= if terminal.line.output_len() > 0 { input } else { found };
                found |= if terminal.line.typing_room() > 0 { output } else { found };
                if terminal.slaves == 0 && terminal.slave_was_open {
                    found |= PollEvents::HUP;
                }
            }
        }
        found
    }

    pub(super) fn terminal(&self, id: TerminalId) -> Result<&Terminal, Errno> {
        self.terminals.list.get(&id).ok_or(Errno::EIO)
    }
}

/// Whether a read of the slave goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// It finds something.
    Ready,
    /// It has waited long enough for nothing.
    Over,
    /// It waits, until then at most.
    Until(Option<Monotonic>),
}

impl Terminal {
    /// MIN and TIME, for a read that began at `began`.
    fn patience(&self, want: usize, now: Monotonic, began: Monotonic) -> Patience {
        let there = self.line.readable();
        let termios = self.line.termios();
        if termios.local.contains(LocalModes::ICANON) {
            return if there > 0 { Patience::Ready } else { Patience::Until(None) };
        }
        let min = usize::from(termios.character(Control::Min));
        // In tenths of a second.
        let time = Duration::from_millis(100 * u64::from(termios.character(Control::Time)));
        if there >= want.min(min.max(1)) {
            return Patience::Ready;
        }
        let deadline = match (min, there) {
            (0, _) => began + time,
            _ if time.is_zero() => return Patience::Until(None),
            // The time between bytes; the first is waited for without end.
            (_, 0) => return Patience::Until(None),
            _ => began.max(self.typed_at) + time,
        };
        match (now < deadline, there) {
            (true, _) => Patience::Until(Some(deadline)),
            (false, 0) => Patience::Over,
            (false, _) => Patience::Ready,
        }
    }

    /// Bytes poll() takes for input.
    fn enough(&self) -> usize {
        let termios = self.line.termios();
        let waits_for_min = !termios.local.contains(LocalModes::ICANON) && termios.character(Control::Time) == 0;
        if waits_for_min { usize::from(termios.character(Control::Min)).max(1) } else { 1 }
    }
}
