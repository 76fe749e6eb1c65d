//! The kernel of one session: everything its system calls read and change.
//!
//! One value behind one lock ([`crate::Session`]). Each noun's file adds its own system calls as methods here; this
//! file has what they share: making a kernel, finding a process, counting references, saying what happened.

use crate::errno::Errno;
use crate::event::{Event, Events, What};
use crate::fetch::Call;
use crate::file::{OpenFile, OpenFiles, OpenId, Opened};
use crate::host::{Host, Monotonic, Timestamp};
use crate::id::{Gid, Ino, MountId, Pid, Uid};
use crate::limits::Limits;
use crate::lock::Locks;
use crate::pipe::{Pipe, PipeId};
use crate::policy::{Domain, Effect, Policy};
use crate::process::{Process, Resource, ResourceLimit, State, Strings, strings};
use crate::pty::Terminals;
use crate::runtime::{Program, Runtime};
use crate::signal::Signals;
use crate::socket::Sockets;
use crate::socket::egress::{Dial, Egress, Refusals};
use crate::timer::Alarms;
use crate::user::Credentials;
use crate::vfs::Node;
use crate::vfs::inodes::ROOT_INO;
use crate::vfs::layer::Layer;
use crate::vfs::memory::{Quota, Tree};
use crate::vfs::mount::Mounts;
use crate::vfs::watch::Watchers;
use crate::wait::{WaitKey, Waiters};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What a session is made of; everything heavy in it is shared.
#[derive(Clone)]
pub struct Template {
    /// The files it begins with.
    pub layer: Arc<Layer>,
    /// What it may do.
    pub policy: Arc<Policy>,
    /// What it may hold.
    pub limits: Limits,
    /// Who its processes are.
    pub user: Credentials,
    /// The environment its processes begin with.
    pub environment: Strings,
    /// Where its processes begin.
    pub cwd: Arc<[u8]>,
    /// What uname() and /proc call the machine.
    pub hostname: Arc<str>,
}

/// What all sessions of a node share.
#[derive(Clone)]
pub struct World {
    /// Clocks and randomness.
    pub host: Arc<dyn Host>,
    /// Guest runtimes, asked in order whether an image is theirs.
    pub runtimes: Arc<[Arc<dyn Runtime>]>,
    /// The way out; without it, nothing outside is reached.
    pub egress: Option<Arc<dyn Egress>>,
}

/// The kernel of one session.
pub struct Kernel {
    pub(crate) world: World,
    pub(crate) template: Template,
    pub(crate) limits: Limits,
    pub(crate) policy: Arc<Policy>,
    pub(crate) mounts: Mounts,
    pub(crate) files: OpenFiles,
    pub(crate) locks: Locks,
    pub(crate) pipes: HashMap<PipeId, Pipe>,
    /// The pipe of each FIFO that is open.
    pub(crate) fifos: HashMap<(MountId, Ino), PipeId>,
    pub(crate) sockets: Sockets,
    /// Inodes that open files and working directories hold, so that they outlive their names.
    pub(crate) held: HashMap<(MountId, Ino), u32>,
    pub(crate) terminals: Terminals,
    pub(crate) processes: BTreeMap<Pid, Process>,
    pub(crate) next_pid: u32,
    /// Processes made so far, init not counted.
    pub(crate) forks: u64,
    pub(crate) next_pipe: u64,
    pub(crate) memory_used: u64,
    /// Its part of what it may hold together with other sessions.
    pub(crate) shared_memory: Option<crate::budget::Share>,
    /// CPU time of all processes there were.
    pub(crate) cpu_used: Duration,
    pub(crate) alarms: Alarms,
    pub(crate) waiters: Waiters,
    pub(crate) watchers: Watchers,
    pub(crate) events: Events,
    pub(crate) starts: Vec<Start>,
    /// Connections whoever carries them is to be told of.
    pub(crate) dials: Vec<Dial>,
    pub(crate) refusals: Refusals,
    pub(crate) booted: Monotonic,
    /// Random, for /proc to tell this kernel from any other.
    pub(crate) boot_id: [u8; 16],
}

/// What a session holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processes but init, those not yet waited for included.
    pub processes: usize,
    /// Open file descriptions.
    pub open_files: usize,
    /// Pipes and open FIFOs.
    pub pipes: usize,
    /// Sockets, those that wait to be accepted and far ends included.
    pub sockets: usize,
    /// Connections to the outside, those being made included.
    pub outbound: usize,
    /// Bytes in all sockets, as allocated.
    pub socket_bytes: u64,
    /// Descriptors on their way through Unix sockets.
    pub rights_in_flight: u64,
    /// flock() locks and ranges of record locks.
    pub locks: usize,
    /// Terminals with an end that is open.
    pub terminals: usize,
    /// Inodes kept by open files, working directories and mounts.
    pub held_inodes: usize,
    /// System calls that wait.
    pub waiting_calls: usize,
    /// Memory of all processes.
    pub memory_bytes: u64,
    /// Bytes of the root filesystem's quota.
    pub file_bytes: u64,
    /// Inodes of the root filesystem's quota.
    pub inodes: u64,
}

/// A process its runtime must begin to run once the lock is let go.
pub struct Start {
    /// The process.
    pub pid: Pid,
    /// Its program.
    pub program: Program,
    /// Who runs it.
    pub runtime: Arc<dyn Runtime>,
}

/// First pid a session's own process gets; 1 is init.
const FIRST_PID: u32 = 2;
/// Pids wrap here (Linux's default kernel.pid_max).
pub(crate) const PID_MAX: u32 = 32_768;
/// Processes of a session at most, whatever its limit says: each may take a pid, and name a group and a POSIX session
/// by two more, and a free pid must always be found.
pub(crate) const PROCESSES_MAX: u64 = (PID_MAX - FIRST_PID) as u64 / 3 - 1;

impl Kernel {
    /// A session's kernel, ready for its first process.
    pub fn new(world: World, template: Template) -> Kernel {
        let quota = Quota { bytes: template.limits.file_bytes, inodes: template.limits.inodes };
        let mounts = Mounts::new(Tree::new(template.layer.inodes(), quota));
        let booted = world.host.monotonic();
        let mut boot_id = [0; 16];
        world.host.fill_random(&mut boot_id);
        let mut kernel = Kernel {
            limits: template.limits.clone(),
            policy: template.policy.clone(),
            world,
            template,
            mounts,
            files: OpenFiles::default(),
            locks: Locks::default(),
            pipes: HashMap::new(),
            fifos: HashMap::new(),
            sockets: Sockets::default(),
            held: HashMap::new(),
            terminals: Terminals::default(),
            processes: BTreeMap::new(),
            next_pid: FIRST_PID,
            forks: 0,
            next_pipe: 1,
            memory_used: 0,
            shared_memory: None,
            cpu_used: Duration::ZERO,
            alarms: Alarms::default(),
            waiters: Waiters::default(),
            watchers: Watchers::default(),
            events: Events::default(),
            starts: Vec::new(),
            dials: Vec::new(),
            refusals: Refusals::default(),
            booted,
            boot_id,
        };
        let init = kernel.init_process();
        kernel.processes.insert(Pid::INIT, init);
        kernel
    }

    fn init_process(&self) -> Process {
        let mut limits = [ResourceLimit::both(ResourceLimit::INFINITE); Resource::COUNT];
        limits[7] = ResourceLimit::both(self.limits.descriptors);
        limits[1] = ResourceLimit::both(self.limits.file_size);
        limits[9] = ResourceLimit::both(self.limits.process_memory_bytes);
        if self.limits.cpu_ms > 0 {
            limits[0] = ResourceLimit::both(self.limits.cpu_ms.div_ceil(1000));
        }
        Process {
            pid: Pid::INIT,
            parent: Pid::INIT,
            group: Pid::INIT.as_group(),
            session: Pid::INIT.as_session(),
            // Init acts for whoever drives the session, who owns it; what it launches is the template's user.
            credentials: Credentials::new(Uid::ROOT, Gid::ROOT),
            umask: 0o022,
            cwd: Node::Tree(MountId::ROOT, ROOT_INO),
            executable: Arc::from(&b"/init"[..]),
            arguments: strings(["init"]),
            environment: self.template.environment.clone(),
            descriptors: Default::default(),
            limits,
            signals: Signals::default(),
            doom: Default::default(),
            state: State::Running,
            news: None,
            alarm: None,
            started: self.booted,
            cpu: Duration::ZERO,
            memory: 0,
            pinned: 0,
            account: Default::default(),
            awaited: false,
            side_by_side: false,
        }
    }

    /// The process of this number, ended ones too.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn process(&self, pid: Pid) -> Result<&Process, Errno> {
        self.processes.get(&pid).ok_or(Errno::ESRCH)
    }

    pub(crate) fn process_mut(&mut self, pid: Pid) -> Result<&mut Process, Errno> {
        self.processes.get_mut(&pid).ok_or(Errno::ESRCH)
    }

    /// Every process, in order of pid.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// Changes who a process is.
    ///
    /// # Errors
    /// As the closure says; `ESRCH`.
    pub fn set_credentials(
        &mut self,
        call: &Call,
        set: impl FnOnce(&mut Credentials) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        set(&mut self.process_mut(call.pid)?.credentials)
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What uname() calls the machine.
    pub fn hostname(&self) -> &str {
        &self.template.hostname
    }

    /// The root filesystem: to look at, snapshot and read changes from.
    pub fn root(&self) -> &Tree {
        self.mounts.root()
    }

    /// Lets go of changes of the root filesystem every reader has passed.
    pub fn forget_changes_until(&mut self, lsn: crate::id::Lsn) {
        self.mounts.root_mut().log_mut().forget_until(lsn);
    }

    /// The mounts.
    pub fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// Wall-clock time.
    pub fn now(&self) -> Timestamp {
        self.world.host.realtime()
    }

    /// The monotonic clock.
    pub fn monotonic(&self) -> Monotonic {
        self.world.host.monotonic()
    }

    /// Time since the session's kernel was made.
    pub fn uptime(&self) -> Duration {
        self.monotonic().since(self.booted)
    }

    /// Fills `buf` with random bytes.
    pub fn fill_random(&self, buf: &mut [u8]) {
        self.world.host.fill_random(buf);
    }

    /// When something is due, if anything is: whoever drives the session calls [`Kernel::advance`] then.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        [self.waiters.next_deadline(), self.alarms.next()].into_iter().flatten().min()
    }

    /// Does what was due by now.
    pub fn advance(&mut self) {
        let now = self.monotonic();
        self.waiters.advance(now);
        self.ring_alarms(now);
    }

    /// The events from position `from`, and how many before them are gone.
    pub fn events_since(&self, from: u64) -> (u64, Vec<Event>) {
        let (missed, events) = self.events.since(from);
        (missed, events.cloned().collect())
    }

    /// Notes something for the operator.
    pub fn record(&mut self, pid: Pid, what: What) {
        let now = self.now();
        self.events.push(now, pid, what);
        self.waiters.wake(WaitKey::Events);
    }

    /// Notes that a limit was reached and returns its error.
    pub(crate) fn limit_reached(&mut self, pid: Pid, limit: &'static str, errno: Errno) -> Errno {
        self.record(pid, What::LimitReached { limit: limit.to_owned(), errno });
        errno
    }

    /// Notes that a quota was reached if `errno` says so, and returns `errno`.
    pub(crate) fn quota_reached(&mut self, pid: Pid, limit: &'static str, errno: Errno) -> Errno {
        if errno == Errno::EDQUOT { self.limit_reached(pid, limit, errno) } else { errno }
    }

    /// Asks the policy; a refusal is noted.
    ///
    /// # Errors
    /// `EACCES`.
    pub fn permit(&mut self, call: &Call, domain: Domain, subject: &[u8]) -> Result<(), Errno> {
        // Init acts for the operator, who wrote the policy.
        if call.pid == Pid::INIT || self.policy.decide(domain, subject) == Effect::Allow {
            return Ok(());
        }
        self.record(call.pid, What::Denied { domain, subject: String::from_utf8_lossy(subject).into_owned() });
        Err(Errno::EACCES)
    }

    /// What [`Kernel::permit`] would answer, for someone who only wants to know: a refusal is no event.
    pub fn would_permit(&self, domain: Domain, subject: &[u8]) -> bool {
        self.policy.decide(domain, subject) == Effect::Allow
    }

    /// What the session holds now, to show it and to find what was not given back.
    pub fn usage(&self) -> Usage {
        let used = self.root().used();
        Usage {
            processes: self.processes.len() - 1,
            open_files: self.files.len(),
            pipes: self.pipes.len(),
            sockets: self.sockets.len(),
            outbound: self.sockets.outbound(),
            socket_bytes: self.sockets.bytes(),
            rights_in_flight: self.sockets.in_flight(),
            locks: self.locks.held(),
            terminals: self.terminals.len(),
            held_inodes: self.held.len(),
            waiting_calls: self.waiters.len(),
            memory_bytes: self.memory_used,
            file_bytes: used.bytes,
            inodes: used.inodes,
        }
    }

    /// One more holder of what a node refers to.
    pub(crate) fn hold_node(&mut self, node: &Node) {
        match node {
            Node::Tree(mount, ino) => *self.held.entry((*mount, *ino)).or_default() += 1,
            Node::Open(open) => self.files.retain(*open),
            Node::Proc(..) | Node::Driver(..) => {}
        }
    }

    /// One holder less; an inode without names and holders is dropped.
    pub(crate) fn release_node(&mut self, node: &Node) {
        match node {
            Node::Tree(mount, ino) => {
                if let Some(count) = self.held.get_mut(&(*mount, *ino)) {
                    *count -= 1;
                    if *count == 0 {
                        self.held.remove(&(*mount, *ino));
                    }
                }
                self.drop_if_unused(*mount, *ino);
            }
            Node::Open(open) => self.release_open(*open),
            Node::Proc(..) | Node::Driver(..) => {}
        }
    }

    /// Drops an inode that has no name and no holder.
    pub(crate) fn drop_if_unused(&mut self, mount: MountId, ino: Ino) {
        if !self.held.contains_key(&(mount, ino))
            && let Some(tree) = self.mounts.tree_mut(mount)
        {
            tree.forget(ino);
        }
    }

    /// Adds an open file description and holds what it is open on.
    ///
    /// # Errors
    /// `ENFILE` at the session's limit; what the file would have held is not held then.
    pub(crate) fn add_open(&mut self, pid: Pid, file: OpenFile) -> Result<OpenId, Errno> {
        if self.files.len() as u64 >= self.limits.open_files {
            return Err(self.limit_reached(pid, "open_files", Errno::ENFILE));
        }
        if let Some(node) = file.holds() {
            self.hold_node(&node);
        }
        Ok(self.files.add(file))
    }

    /// One descriptor less on an open file description; the last one closes it, and with a socket what was in flight
    /// to it, as deep as that goes.
    pub(crate) fn release_open(&mut self, open: OpenId) {
        let mut next = Some(open);
        let mut rest = Vec::new();
        let mut lost = false;
        while let Some(open) = next {
            lost |= self.release_one(open, &mut rest);
            // Looked for once, when all that is known to go has gone.
            if rest.is_empty() && std::mem::take(&mut lost) {
                rest = self.unreachable_rights();
            }
            next = rest.pop();
        }
    }

    /// Releases one description; adds those in flight to a socket that ended to `rest`. Tells whether a socket may now
    /// be out of reach.
    fn release_one(&mut self, open: OpenId, rest: &mut Vec<OpenId>) -> bool {
        let Some(file) = self.files.release(open) else {
            let is_socket = self.files.get(open).is_ok_and(|file| matches!(file.what, Opened::Socket(_)));
            return is_socket && self.sockets.in_flight() > 0;
        };
        self.unpin(file.pinned);
        self.drop_flock(open, &file);
        match &file.what {
            Opened::PipeReader(id) => self.close_pipe_end(*id, true, false),
            Opened::PipeWriter(id) => self.close_pipe_end(*id, false, true),
            Opened::PipeBoth(id) => self.close_pipe_end(*id, true, true),
            Opened::Socket(id) => rest.extend(self.close_socket(*id)),
            Opened::Terminal(id, end) => self.close_terminal_end(*id, *end),
            Opened::Watch(id) => self.watchers.close(*id),
            _ => {}
        }
        if let Some(node) = file.holds() {
            self.release_node(&node);
        }
        matches!(file.what, Opened::Socket(_)) && self.sockets.in_flight() > 0
    }

    fn close_pipe_end(&mut self, id: PipeId, reader: bool, writer: bool) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.readers -= u32::from(reader);
            pipe.writers -= u32::from(writer);
            if pipe.readers == 0 && pipe.writers == 0 {
                let relief = pipe.relief as u64;
                self.give_memory(relief);
                self.pipes.remove(&id);
                let fifo = self.fifos.iter().find(|(_, pipe)| **pipe == id).map(|(at, _)| *at);
                if let Some((mount, ino)) = fifo {
                    self.fifos.remove(&(mount, ino));
                    self.release_node(&Node::Tree(mount, ino));
                }
            }
            self.waiters.wake(WaitKey::Pipe(id.0));
        }
    }

    /// A pid nobody has.
    pub(crate) fn free_pid(&mut self) -> Pid {
        loop {
            let pid = Pid(self.next_pid);
            self.next_pid = if self.next_pid + 1 >= PID_MAX { FIRST_PID } else { self.next_pid + 1 };
            let taken = self
                .processes
                .values()
                .any(|process| process.pid == pid || process.group.0 == pid.0 || process.session.0 == pid.0);
            if !taken {
                self.forks += 1;
                return pid;
            }
        }
    }
}

impl OpenFile {
    /// The node this description keeps alive.
    fn holds(&self) -> Option<Node> {
        match &self.what {
            Opened::File(mount, ino) => Some(Node::Tree(*mount, *ino)),
            Opened::Directory(node, _) | Opened::Path(node) | Opened::Device(_, node) => Some(node.clone()),
            Opened::PipeReader(_)
            | Opened::PipeWriter(_)
            | Opened::PipeBoth(_)
            | Opened::Terminal(..)
            | Opened::Socket(_)
            | Opened::Watch(_)
            | Opened::Text(..)
            | Opened::Driver(..) => None,
        }
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("processes", &self.processes.len())
            .field("open_files", &self.files.len())
            .field("pipes", &self.pipes.len())
            .field("lsn", &self.root().log().newest())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").field("user", &self.user).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("runtimes", &self.runtimes.len()).finish_non_exhaustive()
    }
}
