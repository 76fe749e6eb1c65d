//! Making a process: posix_spawn() as one call, with its file actions and attributes.
//!
//! The child is in the table while its actions run, as the process they act for. It stays there while one of them or
//! the image has to be waited for, so that none is done twice, and is taken out again if one fails or the call is
//! given up: a spawn that did not succeed has left nothing behind but files its actions made.

use super::exec::{Loaded, bytes_of};
use super::{Process, State, Strings};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::OpenId;
use crate::id::{Fd, Gid, Pgid, Pid, Uid};
use crate::kernel::{Kernel, PROCESSES_MAX, Start};
use crate::signal::{Disposition, Signal, SignalSet};
use crate::vfs::Mode;
use crate::vfs::open::{At, OpenFlags};
use crate::wait::{Halt, Step};
use std::sync::Arc;
use std::time::Duration;

/// File actions of one spawn, at most (the ABI's limit).
pub const ACTIONS_MAX: usize = 4096;

/// What to run, and how the child differs from its parent.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// The image: a path, or a name to look for in `search`.
    pub command: Arc<[u8]>,
    /// Directories to look in, separated by `:`, when the command has no `/`. `None` takes it as a path.
    pub search: Option<Arc<[u8]>>,
    /// Arguments, the first being the name.
    pub arguments: Strings,
    /// Environment.
    pub environment: Strings,
    /// Where it begins; the parent's directory if `None`.
    pub cwd: Option<Arc<[u8]>>,
    /// Done in order, in the child, before the image.
    pub actions: Vec<FileAction>,
    /// What else is different.
    pub attributes: Attributes,
}

/// posix_spawnattr_t.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Effective ids become the real ones.
    pub reset_ids: bool,
    /// Into this group; 0 is one of its own.
    pub group: Option<Pgid>,
    /// Leader of a new POSIX session.
    pub new_session: bool,
    /// Signals set to their default.
    pub default_signals: Option<SignalSet>,
    /// Signals blocked.
    pub blocked_signals: Option<SignalSet>,
    /// Signals whose default action this process alone is spared ([`crate::signal::Signals::shielded`]).
    pub shielded_signals: SignalSet,
    /// Another user; as setuid() of the child.
    pub uid: Option<Uid>,
    /// Another group; as setgid() of the child. Either leaves it no supplementary groups, if it may change them.
    pub gid: Option<Gid>,
}

/// One posix_spawn file action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAction {
    /// close(fd); a descriptor that is not open is no error.
    Close(Fd),
    /// dup2(from, to); from == to clears CLOEXEC.
    Duplicate {
        /// Old descriptor.
        from: Fd,
        /// New descriptor.
        to: Fd,
    },
    /// dup2() of several pairs, old and new, as if at once: what is old in one pair may be new in another.
    Arrange(Vec<(Fd, Fd)>),
    /// open(path) at this descriptor.
    Open {
        /// The descriptor it gets.
        fd: Fd,
        /// What to open.
        path: Arc<[u8]>,
        /// How.
        flags: OpenFlags,
        /// Bits if it is made.
        mode: Mode,
    },
    /// chdir().
    ChangeDirectory(Arc<[u8]>),
    /// fchdir().
    ChangeDirectoryTo(Fd),
    /// Close all from this one on.
    CloseFrom(Fd),
    /// Gives the child an open file of the caller's choosing; for launching from outside.
    Install {
        /// The descriptor it gets.
        fd: Fd,
        /// The open file description.
        open: OpenId,
    },
    /// As [`FileAction::Install`] of a terminal's slave, which becomes the controlling terminal of the child; it must
    /// lead a session that has none.
    InstallTerminal {
        /// The descriptor it gets.
        fd: Fd,
        /// The slave's open file description.
        open: OpenId,
    },
}

impl Kernel {
    /// Makes a child of the caller and has its runtime start it.
    ///
    /// # Errors
    /// `EAGAIN` at the process limit; `E2BIG`; `ENOENT`, `EACCES`, `ENOEXEC` for the image; what an action answers;
    /// `EPERM`, `EINVAL` for attributes.
    ///
    /// # Standard
    /// POSIX.1-2017 posix_spawn(): descriptors without CLOEXEC are inherited with shared offsets; caught signals
    /// become default, ignored and blocked ones stay.
    pub fn spawn(&mut self, call: &mut Call, spawn: &Spawn) -> Step<Pid> {
        self.spawn_as(call, spawn, false)
    }

    /// As [`Kernel::spawn`], by init for someone outside, who collects the status by [`Kernel::collect`].
    ///
    /// # Errors
    /// As [`Kernel::spawn`].
    pub fn launch(&mut self, call: &mut Call, spawn: &Spawn) -> Step<Pid> {
        debug_assert_eq!(call.pid, Pid::INIT, "only init launches for the outside");
        self.spawn_as(call, spawn, true)
    }

    fn spawn_as(&mut self, call: &mut Call, spawn: &Spawn, awaited: bool) -> Step<Pid> {
        let (child, mut done) = match call.take_preparing() {
            Some(preparing) => preparing,
            None => (self.begin_child(call, spawn, awaited)?, 0),
        };
        let caller = std::mem::replace(&mut call.pid, child);
        let prepared = self.prepare_child(call, spawn, &mut done);
        call.pid = caller;
        match prepared {
            Ok(loaded) => {
                self.install_image(child, &loaded, spawn.environment.clone());
                // None of it is pinned any more if the child was ended meanwhile.
                let mut actions = 0;
                if let Some(process) = self.processes.get_mut(&child) {
                    actions = bytes_of_actions(&spawn.actions).min(process.pinned);
                    process.pinned -= actions;
                    process.signals.shielded = spawn.attributes.shielded_signals;
                }
                self.unpin(actions);
                self.starts.push(Start { pid: child, program: loaded.program, runtime: loaded.runtime });
                Ok(child)
            }
            Err(Halt::Fail(errno)) => {
                self.discard_child(child);
                Err(errno.into())
            }
            Err(halt) => {
                call.keep_preparing(child, done);
                Err(halt)
            }
        }
    }

    /// Checks what can be checked before there is a child, makes it, and gives it its attributes.
    fn begin_child(&mut self, call: &Call, spawn: &Spawn, awaited: bool) -> Result<Pid, Errno> {
        self.check_arguments(call.pid, &spawn.arguments, &spawn.environment)?;
        if spawn.actions.len() > ACTIONS_MAX {
            return Err(Errno::E2BIG);
        }
        if self.processes.len() as u64 > self.limits.processes.min(PROCESSES_MAX) {
            return Err(self.limit_reached(call.pid, "processes", Errno::EAGAIN));
        }
        // The actions too: one of them may wait as long as the guest likes.
        let pinned = bytes_of(&spawn.arguments, &spawn.environment) + bytes_of_actions(&spawn.actions);
        self.pin(call.pid, pinned)?;
        let child = self.new_child(call.pid, spawn, awaited).inspect_err(|_| self.unpin(pinned))?;
        self.process_mut(child)?.pinned = pinned;
        self.apply_attributes(child, &spawn.attributes).inspect_err(|_| self.discard_child(child))?;
        Ok(child)
    }

    fn new_child(&mut self, parent: Pid, spawn: &Spawn, awaited: bool) -> Result<Pid, Errno> {
        let pid = self.free_pid();
        let started = self.monotonic();
        let parent = self.process(parent)?;
        // All descriptors, as after fork: an action may use one that is CLOEXEC, and the image closes those.
        let descriptors = parent.descriptors.clone();
        let (group, session) =
            if awaited { (pid.as_group(), pid.as_session()) } else { (parent.group, parent.session) };
        let child = Process {
            pid,
            parent: parent.pid,
            group,
            session,
            credentials: if awaited { self.template.user.clone() } else { parent.credentials.clone() },
            umask: parent.umask,
            cwd: parent.cwd.clone(),
            executable: parent.executable.clone(),
            arguments: spawn.arguments.clone(),
            environment: spawn.environment.clone(),
            descriptors,
            limits: parent.limits,
            signals: parent.signals.for_child(),
            doom: Default::default(),
            state: State::Running,
            news: None,
            alarm: None,
            started,
            cpu: Duration::ZERO,
            memory: 0,
            pinned: 0,
            account: Default::default(),
            awaited,
            side_by_side: false,
        };
        let held: Vec<OpenId> = child.descriptors.iter().map(|(_, descriptor)| descriptor.open).collect();
        let cwd = child.cwd.clone();
        self.processes.insert(pid, child);
        self.hold_node(&cwd);
        for open in held {
            self.files.retain(open);
        }
        Ok(pid)
    }

    /// Directory, actions, image, in posix_spawn's order; `call` acts as the child. `done` of these steps were made
    /// by earlier attempts.
    fn prepare_child(&mut self, call: &mut Call, spawn: &Spawn, done: &mut usize) -> Step<Loaded> {
        let first = spawn.cwd.clone().map(FileAction::ChangeDirectory);
        for action in first.iter().chain(&spawn.actions).skip(*done) {
            self.apply_action(call, action)?;
            call.commit();
            *done += 1;
        }
        self.load_image(call, &spawn.command, spawn.search.as_deref(), spawn.arguments.clone())
    }

    fn apply_attributes(&mut self, child: Pid, attributes: &Attributes) -> Result<(), Errno> {
        if attributes.new_session && attributes.group.is_some() {
            return Err(Errno::EPERM);
        }
        if let Some(group) = attributes.group.filter(|group| group.0 != 0 && group.0 != child.0) {
            let session = self.process(child)?.session;
            if !self
                .processes
                .values()
                .any(|process| process.group == group && process.session == session && process.pid != child)
            {
                return Err(Errno::EPERM);
            }
        }
        let process = self.process_mut(child)?;
        if attributes.new_session {
            process.session = child.as_session();
            process.group = child.as_group();
        }
        if let Some(group) = attributes.group {
            process.group = if group.0 == 0 { child.as_group() } else { group };
        }
        if attributes.uid.is_some() || attributes.gid.is_some() {
            // The group first: afterwards the child may be nobody who could.
            let _ = process.credentials.set_groups(Vec::new());
            attributes.gid.map_or(Ok(()), |gid| process.credentials.set_gid(gid))?;
            attributes.uid.map_or(Ok(()), |uid| process.credentials.set_uid(uid))?;
        }
        if attributes.reset_ids {
            process.credentials.euid = process.credentials.uid;
            process.credentials.egid = process.credentials.gid;
        }
        if let Some(defaults) = attributes.default_signals {
            for number in 1..=Signal::COUNT as u32 {
                let signal = Signal::new(number)?;
                if defaults.contains(signal) {
                    process.signals.set_disposition(signal, Disposition::Default)?;
                }
            }
        }
        if let Some(blocked) = attributes.blocked_signals {
            process.signals.blocked = blocked.minus(SignalSet::UNBLOCKABLE);
        }
        Ok(())
    }

    fn apply_action(&mut self, call: &mut Call, action: &FileAction) -> Step<()> {
        match action {
            FileAction::Close(fd) => match self.close(call, *fd) {
                Ok(()) | Err(Errno::EBADF) => Ok(()),
                Err(errno) => Err(errno.into()),
            },
            FileAction::Duplicate { from, to } if from == to => Ok(self.set_close_on_exec(call, *from, false)?),
            FileAction::Duplicate { from, to } => Ok(self.duplicate_to(call, *from, *to, false).map(|_| ())?),
            FileAction::Arrange(pairs) => {
                let descriptors = &self.process(call.pid)?.descriptors;
                let opens: Vec<OpenId> = pairs
                    .iter()
                    .map(|(from, _)| descriptors.get(*from).map(|descriptor| descriptor.open))
                    .collect::<Result<_, _>>()?;
                opens.iter().for_each(|open| self.files.retain(*open));
                let installed =
                    pairs.iter().zip(&opens).try_for_each(|((_, to), open)| self.install_open(call.pid, *to, *open));
                opens.into_iter().for_each(|open| self.release_open(open));
                Ok(installed?)
            }
            FileAction::Open { fd, path, flags, mode } => {
                // POSIX: what was open there is closed first.
                let _ = self.close(call, *fd);
                let opened = self.open(call, At::Cwd, path, *flags, *mode)?;
                if opened != *fd {
                    self.duplicate_to(call, opened, *fd, flags.contains(OpenFlags::CLOEXEC))?;
                    self.close(call, opened)?;
                }
                Ok(())
            }
            FileAction::ChangeDirectory(path) => self.chdir(call, At::Cwd, path),
            FileAction::ChangeDirectoryTo(fd) => self.fchdir(call, *fd),
            FileAction::CloseFrom(fd) => Ok(self.close_from(call, *fd)?),
            FileAction::Install { fd, open } => Ok(self.install_open(call.pid, *fd, *open)?),
            FileAction::InstallTerminal { fd, open } => {
                self.acquire_terminal(call, *open)?;
                Ok(self.install_open(call.pid, *fd, *open)?)
            }
        }
    }

    /// Takes a child that never ran out of the table again.
    pub(crate) fn discard_child(&mut self, child: Pid) {
        if let Some(process) = self.processes.remove(&child) {
            self.unpin(process.pinned);
            self.release_node(&process.cwd);
            for (_, descriptor) in process.descriptors.iter() {
                self.release_open(descriptor.open);
            }
        }
    }
}

/// What the paths of actions pin.
fn bytes_of_actions(actions: &[FileAction]) -> u64 {
    let paths = actions.iter().map(|action| match action {
        FileAction::Open { path, .. } | FileAction::ChangeDirectory(path) => path.len(),
        _ => 0,
    });
    (paths.sum::<usize>() + std::mem::size_of_val(actions)) as u64
}
