//! `/dev/ptmx`, `/dev/tty` and the nodes of `/dev/pts`.

use super::termios::Termios;
use super::{End, Terminal, TerminalId, WindowSize};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::OpenId;
use crate::id::{Ino, MountId, Pid};
use crate::kernel::Kernel;
use crate::vfs::device::Device;
use crate::vfs::driver::SetAttributes;
use crate::vfs::open::OpenFlags;
use crate::vfs::path::device_of;
use crate::vfs::{FileKind, Mode, Stat, makedev};

/// Linux's major number of Unix98 slaves, for up to 2^20 minors in this row.
const SLAVE_MAJOR: u32 = 136;

/// The number stat() shows for a slave.
pub(crate) const fn slave_rdev(id: TerminalId) -> u64 {
    makedev(SLAVE_MAJOR, id.0)
}

/// The terminal whose slave has this number.
const fn slave_of(rdev: u64) -> Option<TerminalId> {
    let minor = (rdev & 0xff) as u32 | ((rdev >> 12) & 0xffff_ff00) as u32;
    if slave_rdev(TerminalId(minor)) == rdev { Some(TerminalId(minor)) } else { None }
}

impl Kernel {
    /// Opens a device that is a terminal; `None` for any other.
    ///
    /// # Errors
    /// `ENXIO` for `/dev/tty` without a controlling terminal, and for a slave whose master is gone; `ENOSPC` for
    /// `/dev/ptmx` at the limit `ptys`; `ENFILE`.
    ///
    /// # Standard
    /// Linux pts(4), tty(4): a session leader without a controlling terminal acquires the slave it opens for reading,
    /// unless with O_NOCTTY.
    pub(crate) fn open_terminal_device(
        &mut self,
        call: &Call,
        rdev: u64,
        flags: OpenFlags,
    ) -> Result<Option<OpenId>, Errno> {
        if Device::of(rdev) == Some(Device::Ptmx) {
            let owner = self.process(call.pid)?.credentials.euid;
            let (_, master) = self.new_terminal(call.pid, owner, Termios::default(), WindowSize::default())?;
            return Ok(Some(master));
        }
        let by_name = Device::of(rdev) != Some(Device::Tty);
        let id = match slave_of(rdev) {
            _ if !by_name => self.controlling_terminal(call.pid).ok_or(Errno::ENXIO)?,
            Some(id) => id,
            None => return Ok(None),
        };
        if self.terminals.list.get(&id).is_none_or(Terminal::is_hung_up) {
            return Err(Errno::ENXIO);
        }
        let open = self.add_terminal_end(call.pid, id, End::Slave)?;
        let reads = flags.contains(OpenFlags::READ) || !flags.contains(OpenFlags::WRITE);
        if by_name && reads && !flags.contains(OpenFlags::NOCTTY) {
            self.acquire_by_opening(call.pid, id);
        }
        Ok(Some(open))
    }

    /// Whether `/dev/pts` shows this terminal.
    pub(crate) fn shows_terminal(&self, id: TerminalId) -> bool {
        self.terminals.list.get(&id).is_some_and(|terminal| !terminal.is_hung_up())
    }

    /// What `/dev/pts` lists.
    pub(crate) fn shown_terminals(&self) -> impl Iterator<Item = TerminalId> {
        self.terminals.list.iter().filter(|(_, terminal)| !terminal.is_hung_up()).map(|(id, _)| *id)
    }

    /// What stat() tells of a slave's node.
    pub(crate) fn stat_terminal(&self, mount: MountId, id: TerminalId) -> Result<Stat, Errno> {
        let terminal = self.terminals.list.get(&id).filter(|terminal| !terminal.is_hung_up()).ok_or(Errno::ENOENT)?;
        Ok(terminal.stat(device_of(mount), id))
    }

    /// What fstat() tells of an end: the slave's node, wherever it is mounted, or `/dev/ptmx`'s kind.
    pub(crate) fn stat_terminal_end(&self, id: TerminalId, end: End) -> Result<Stat, Errno> {
        let terminal = self.terminal(id)?;
        let mount = self.mounts.iter().find(|mount| matches!(mount.what, crate::vfs::mount::Mounted::Terminals));
        let stat = terminal.stat(mount.map_or(0, |mount| device_of(mount.id)), id);
        Ok(match end {
            End::Slave => stat,
            End::Master => Stat { ino: Ino(2), rdev: Device::PTMX, mode: Mode::new(0o666), ..stat },
        })
    }

    /// chmod() and chown() of a slave's node; who may was decided by the caller.
    pub(crate) fn set_terminal_attributes(&mut self, id: TerminalId, set: &SetAttributes) -> Result<(), Errno> {
        let terminal = self.terminals.list.get_mut(&id).ok_or(Errno::ENOENT)?;
        terminal.mode = set.mode.unwrap_or(terminal.mode);
        terminal.owner = set.uid.unwrap_or(terminal.owner);
        terminal.group = set.gid.unwrap_or(terminal.group);
        Ok(())
    }

    /// The device number of a process's controlling terminal and its foreground group, for /proc; 0 and -1 without.
    pub(crate) fn terminal_numbers(&self, pid: Pid) -> (u64, i64) {
        self.job_control(pid).map_or((0, -1), |(id, group)| (slave_rdev(id), i64::from(group.0)))
    }
}

impl Terminal {
    fn stat(&self, device: u64, id: TerminalId) -> Stat {
        Stat {
            device,
            // Linux's devpts numbers its nodes so: 1 is the root, 2 is ptmx.
            ino: Ino(u64::from(id.0) + 3),
            kind: FileKind::Character,
            mode: self.mode,
            links: 1,
            uid: self.owner,
            gid: self.group,
            rdev: slave_rdev(id),
            size: 0,
            sectors: 0,
            atime: self.made_at,
            mtime: self.made_at,
            ctime: self.made_at,
        }
    }
}
