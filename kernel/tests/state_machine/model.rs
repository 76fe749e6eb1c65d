//! What the calls should answer, told as simply as it can be: files are vectors, directories maps, and a reference count
//! is a count of who refers.

use std::collections::{BTreeMap, VecDeque};
use warren_kernel::Errno;
use warren_kernel::id::Pid;
use warren_kernel::lock::LockKind;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

use crate::{Answer, Op, Path};

/// Descriptors of a process.
pub(crate) const DESCRIPTORS: u32 = 10;
/// Processes of the session.
pub(crate) const PROCESSES: usize = 6;
/// Bytes record locks are made on; the last stands for all behind it.
pub(crate) const LOCKED: usize = 8;

pub(crate) const IN: u64 = 1;
pub(crate) const OUT: u64 = 4;
const ERR: u64 = 8;
const HUP: u64 = 0x10;
const NVAL: u64 = 0x20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Inode(usize),
    PipeReader(usize),
    PipeWriter(usize),
}

/// What a lock is on: both ends of a pipe are one.
type Locked = What;

#[derive(Debug)]
pub(crate) enum Inode {
    File(Vec<u8>),
    Directory(BTreeMap<&'static str, usize>),
}

#[derive(Clone, Copy, Debug)]
struct Description {
    what: What,
    read: bool,
    write: bool,
    append: bool,
    offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Stopped,
    Zombie(ExitStatus),
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) parent: Pid,
    pub(crate) awaited: bool,
    pub(crate) state: State,
    pub(crate) doom: Option<Signal>,
    /// Each descriptor's description.
    pub(crate) fds: BTreeMap<u32, usize>,
    blocked: u32,
    ignored: u32,
    pending: u32,
}

#[derive(Debug)]
pub(crate) struct Model {
    /// The first is the directory everything is in.
    pub(crate) inodes: Vec<Inode>,
    descriptions: Vec<Description>,
    pipes: Vec<VecDeque<u8>>,
    pub(crate) processes: BTreeMap<Pid, Process>,
    flocks: BTreeMap<usize, LockKind>,
    records: BTreeMap<(Locked, Pid), [Option<LockKind>; LOCKED]>,
}

fn bit(signal: Signal) -> u32 {
    1 << signal.number()
}

fn conflict(one: LockKind, other: LockKind) -> bool {
    one == LockKind::Exclusive || other == LockKind::Exclusive
}

impl Model {
    pub(crate) fn new() -> Model {
        Model {
            inodes: vec![Inode::Directory(BTreeMap::new())],
            descriptions: Vec::new(),
            pipes: Vec::new(),
            processes: BTreeMap::new(),
            flocks: BTreeMap::new(),
            records: BTreeMap::new(),
        }
    }

    pub(crate) fn launched(&mut self, pid: Pid) {
        let process = Process {
            parent: Pid::INIT,
            awaited: true,
            state: State::Running,
            doom: None,
            fds: BTreeMap::new(),
            blocked: 0,
            ignored: 0,
            pending: 0,
        };
        self.processes.insert(pid, process);
    }

    pub(crate) fn living(&self) -> Vec<Pid> {
        let lives = |(_, process): &(&Pid, &Process)| !matches!(process.state, State::Zombie(_));
        self.processes.iter().filter(lives).map(|(pid, _)| *pid).collect()
    }

    // ---- what there is

    fn refers(&self, description: usize) -> bool {
        self.processes.values().any(|process| process.fds.values().any(|it| *it == description))
    }

    fn open_on(&self, what: What) -> usize {
        (0..self.descriptions.len()).filter(|at| self.descriptions[*at].what == what && self.refers(*at)).count()
    }

    /// Open descriptions, pipes, locks.
    pub(crate) fn usage(&self) -> (usize, usize, usize) {
        let open = (0..self.descriptions.len()).filter(|at| self.refers(*at)).count();
        let ends = |at: usize| self.open_on(What::PipeReader(at)) + self.open_on(What::PipeWriter(at));
        let pipes = (0..self.pipes.len()).filter(|at| ends(*at) > 0).count();
        let runs = |cells: &[Option<LockKind>; LOCKED]| {
            (0..LOCKED).filter(|at| cells[*at].is_some() && (*at == 0 || cells[*at] != cells[*at - 1])).count()
        };
        (open, pipes, self.flocks.len() + self.records.values().map(runs).sum::<usize>())
    }

    // ---- calls

    /// What `op` of `pid` answers, and what it changes. `new` is the number a spawned child got.
    pub(crate) fn answer(&mut self, pid: Pid, op: &Op, new: Option<Pid>) -> Answer {
        if self.processes[&pid].state == State::Stopped {
            return Answer::Waits;
        }
        self.call(pid, op, new).unwrap_or_else(|answer| answer)
    }

    fn call(&mut self, pid: Pid, op: &Op, new: Option<Pid>) -> Result<Answer, Answer> {
        let done = Ok(Answer::Numbers(Vec::new()));
        match *op {
            Op::Open { path, read, write, create, exclusive, truncate, append } => {
                let fd = self.lowest_free(pid, 0)?;
                let inode = self.open(path, write, create, exclusive, truncate)?;
                let read = read || !write;
                self.descriptions.push(Description { what: What::Inode(inode), read, write, append, offset: 0 });
                self.put(pid, fd, self.descriptions.len() - 1);
                Ok(Answer::Numbers(vec![u64::from(fd)]))
            }
            Op::Close(fd) => {
                self.description(pid, fd)?;
                self.close(pid, fd);
                done
            }
            Op::Read(fd, want) => self.read(pid, fd, want),
            Op::Write(fd, byte, count) => self.write(pid, fd, &vec![byte; count]),
            Op::Seek(fd, offset, end) => self.seek(pid, fd, offset, end),
            Op::Duplicate(fd) => {
                let at = self.description(pid, fd)?;
                let to = self.lowest_free(pid, 0)?;
                self.put(pid, to, at);
                Ok(Answer::Numbers(vec![u64::from(to)]))
            }
            Op::DuplicateTo(fd, to) => {
                let at = self.description(pid, fd)?;
                if fd != to {
                    if to >= DESCRIPTORS {
                        return Err(Errno::EBADF.into());
                    }
                    // In this order a description that both numbers have stays open.
                    let before = self.processes[&pid].fds.get(&to).copied();
                    self.put(pid, to, at);
                    before.into_iter().for_each(|before| self.closed(pid, before));
                }
                Ok(Answer::Numbers(vec![u64::from(to)]))
            }
            Op::Pipe => {
                let read_fd = self.lowest_free(pid, 0)?;
                let write_fd = self.lowest_free(pid, read_fd + 1)?;
                self.pipes.push(VecDeque::new());
                let pipe = self.pipes.len() - 1;
                for (what, fd) in [(What::PipeReader(pipe), read_fd), (What::PipeWriter(pipe), write_fd)] {
                    let read = what == What::PipeReader(pipe);
                    self.descriptions.push(Description { what, read, write: !read, append: false, offset: 0 });
                    self.put(pid, fd, self.descriptions.len() - 1);
                }
                Ok(Answer::Numbers(vec![u64::from(read_fd), u64::from(write_fd)]))
            }
            Op::Spawn => {
                if self.processes.len() >= PROCESSES {
                    return Err(Errno::EAGAIN.into());
                }
                let child = new.ok_or(Answer::Waits)?;
                let parent = &self.processes[&pid];
                let process = Process {
                    parent: pid,
                    awaited: false,
                    state: State::Running,
                    doom: None,
                    fds: parent.fds.clone(),
                    pending: 0,
                    ..*parent
                };
                self.processes.insert(child, process);
                Ok(Answer::Numbers(vec![u64::from(child.0)]))
            }
            Op::Wait(blocking) => self.wait(pid, blocking),
            Op::Kill(target, signal) => {
                let target = self.nth_process(target);
                self.signal(target, signal);
                done
            }
            Op::Block(ref signals) => {
                let process = self.process(pid);
                process.blocked = signals.iter().map(|signal| bit(*signal)).sum();
                self.act(pid);
                done
            }
            Op::Ignore(signal, ignore) => {
                let process = self.process(pid);
                process.ignored = if ignore { process.ignored | bit(signal) } else { process.ignored & !bit(signal) };
                if ignore {
                    process.pending &= !bit(signal);
                }
                self.act(pid);
                done
            }
            Op::MakeDirectory(path) => {
                let (directory, name) = self.place(path)?;
                if self.entry(directory, name).is_some() {
                    return Err(Errno::EEXIST.into());
                }
                self.add(directory, name, Inode::Directory(BTreeMap::new()));
                done
            }
            Op::RemoveDirectory(path) => {
                let (directory, name) = self.place(path)?;
                match &self.inodes[self.entry(directory, name).ok_or(Errno::ENOENT)?] {
                    Inode::File(_) => Err(Errno::ENOTDIR.into()),
                    Inode::Directory(entries) if !entries.is_empty() => Err(Errno::ENOTEMPTY.into()),
                    Inode::Directory(_) => {
                        self.entries(directory).remove(name);
                        done
                    }
                }
            }
            Op::Unlink(path) => {
                let (directory, name) = self.place(path)?;
                if let Inode::Directory(_) = self.inodes[self.entry(directory, name).ok_or(Errno::ENOENT)?] {
                    return Err(Errno::EISDIR.into());
                }
                self.entries(directory).remove(name);
                done
            }
            Op::Rename(old, new) => self.rename(old, new),
            Op::Link(old, new) => {
                let (directory, name) = self.place(old)?;
                let inode = self.entry(directory, name).ok_or(Errno::ENOENT)?;
                let (directory, name) = self.place(new)?;
                if self.entry(directory, name).is_some() {
                    return Err(Errno::EEXIST.into());
                }
                if let Inode::Directory(_) = self.inodes[inode] {
                    return Err(Errno::EPERM.into());
                }
                self.entries(directory).insert(name, inode);
                done
            }
            Op::Stat(path) => {
                let (directory, name) = self.place(path)?;
                let inode = self.entry(directory, name).ok_or(Errno::ENOENT)?;
                Ok(Answer::Numbers(match &self.inodes[inode] {
                    Inode::File(bytes) => vec![0, bytes.len() as u64, self.names_of(inode)],
                    Inode::Directory(_) => vec![1],
                }))
            }
            Op::Flock(fd, kind) => self.flock(pid, fd, kind),
            Op::Lock(fd, kind, start, end) => self.lock(pid, fd, kind, start..=end),
            Op::Poll(fd) => {
                let found = self.description(pid, fd).map_or(NVAL, |at| match self.descriptions[at].what {
                    What::Inode(_) => IN | OUT,
                    What::PipeReader(pipe) => {
                        let input = if self.pipes[pipe].is_empty() { 0 } else { IN };
                        input | if self.open_on(What::PipeWriter(pipe)) == 0 { HUP } else { 0 }
                    }
                    What::PipeWriter(pipe) => OUT | if self.open_on(What::PipeReader(pipe)) == 0 { ERR } else { 0 },
                });
                Ok(Answer::Numbers(vec![u64::from(found != 0), found]))
            }
        }
    }

    // ---- descriptors

    fn description(&self, pid: Pid, fd: u32) -> Result<usize, Errno> {
        self.processes[&pid].fds.get(&fd).copied().ok_or(Errno::EBADF)
    }

    fn lowest_free(&self, pid: Pid, from: u32) -> Result<u32, Errno> {
        let fds = &self.processes[&pid].fds;
        (from..DESCRIPTORS).find(|fd| !fds.contains_key(fd)).ok_or(Errno::EMFILE)
    }

    fn put(&mut self, pid: Pid, fd: u32, description: usize) {
        self.process(pid).fds.insert(fd, description);
    }

    fn close(&mut self, pid: Pid, fd: u32) {
        if let Some(description) = self.process(pid).fds.remove(&fd) {
            self.closed(pid, description);
        }
    }

    fn closed(&mut self, pid: Pid, description: usize) {
        self.records.remove(&(self.locked(description), pid));
        if !self.refers(description) {
            self.flocks.remove(&description);
        }
    }

    fn open(&mut self, path: Path, write: bool, create: bool, exclusive: bool, truncate: bool) -> Result<usize, Errno> {
        let (directory, name) = self.place(path)?;
        let Some(inode) = self.entry(directory, name) else {
            return if create { Ok(self.add(directory, name, Inode::File(Vec::new()))) } else { Err(Errno::ENOENT) };
        };
        match &mut self.inodes[inode] {
            _ if create && exclusive => Err(Errno::EEXIST),
            Inode::Directory(_) if write || create || truncate => Err(Errno::EISDIR),
            Inode::File(bytes) if truncate => {
                bytes.clear();
                Ok(inode)
            }
            _ => Ok(inode),
        }
    }

    fn read(&mut self, pid: Pid, fd: u32, want: usize) -> Result<Answer, Answer> {
        let at = self.description(pid, fd)?;
        let description = self.descriptions[at];
        if !description.read {
            return Err(Errno::EBADF.into());
        }
        match description.what {
            What::Inode(inode) => match &self.inodes[inode] {
                Inode::Directory(_) => Err(Errno::EISDIR.into()),
                Inode::File(bytes) => {
                    let got: Vec<u8> = bytes.iter().skip(description.offset).take(want).copied().collect();
                    self.descriptions[at].offset += got.len();
                    Ok(Answer::Bytes(got))
                }
            },
            What::PipeReader(pipe) if want > 0 && self.pipes[pipe].is_empty() => {
                let ended = self.open_on(What::PipeWriter(pipe)) == 0;
                if ended { Ok(Answer::Bytes(Vec::new())) } else { Err(Answer::Waits) }
            }
            What::PipeReader(pipe) => {
                let count = want.min(self.pipes[pipe].len());
                Ok(Answer::Bytes(self.pipes[pipe].drain(..count).collect()))
            }
            What::PipeWriter(_) => Err(Errno::EBADF.into()),
        }
    }

    fn write(&mut self, pid: Pid, fd: u32, data: &[u8]) -> Result<Answer, Answer> {
        let at = self.description(pid, fd)?;
        let description = self.descriptions[at];
        if !description.write {
            return Err(Errno::EBADF.into());
        }
        match description.what {
            What::Inode(inode) => {
                let Inode::File(bytes) = &mut self.inodes[inode] else { return Err(Errno::EBADF.into()) };
                let start = if description.append { bytes.len() } else { description.offset };
                let end = start + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[start..end].copy_from_slice(data);
                self.descriptions[at].offset = end;
            }
            What::PipeWriter(pipe) if self.open_on(What::PipeReader(pipe)) == 0 => {
                self.signal(pid, Signal::PIPE);
                return Err(Errno::EPIPE.into());
            }
            What::PipeWriter(pipe) => self.pipes[pipe].extend(data),
            What::PipeReader(_) => return Err(Errno::EBADF.into()),
        }
        Ok(Answer::Numbers(vec![data.len() as u64]))
    }

    fn seek(&mut self, pid: Pid, fd: u32, offset: i64, end: bool) -> Result<Answer, Answer> {
        let at = self.description(pid, fd)?;
        let What::Inode(inode) = self.descriptions[at].what else { return Err(Errno::ESPIPE.into()) };
        let base = match &self.inodes[inode] {
            Inode::File(bytes) if end => bytes.len(),
            // A directory's offset is its own affair: it is only ever set to the start.
            Inode::Directory(_) => return Ok(Answer::Any),
            Inode::File(_) => self.descriptions[at].offset,
        };
        let target = usize::try_from(base as i64 + offset).map_err(|_| Errno::EINVAL)?;
        self.descriptions[at].offset = target;
        Ok(Answer::Numbers(vec![target as u64]))
    }

    // ---- names

    fn entry(&self, directory: usize, name: &str) -> Option<usize> {
        match &self.inodes[directory] {
            Inode::Directory(entries) => entries.get(name).copied(),
            Inode::File(_) => None,
        }
    }

    fn entries(&mut self, directory: usize) -> &mut BTreeMap<&'static str, usize> {
        match &mut self.inodes[directory] {
            Inode::Directory(entries) => entries,
            Inode::File(_) => panic!("the model looked for names in a file"),
        }
    }

    /// The directory a path's last name is in.
    fn place(&self, path: Path) -> Result<(usize, &'static str), Errno> {
        let (last, before) = path.split_last().expect("paths are not empty");
        let mut directory = 0;
        for name in before {
            directory = self.entry(directory, name).ok_or(Errno::ENOENT)?;
            if let Inode::File(_) = self.inodes[directory] {
                return Err(Errno::ENOTDIR);
            }
        }
        Ok((directory, last))
    }

    fn add(&mut self, directory: usize, name: &'static str, inode: Inode) -> usize {
        self.inodes.push(inode);
        let inode = self.inodes.len() - 1;
        self.entries(directory).insert(name, inode);
        inode
    }

    fn names_of(&self, inode: usize) -> u64 {
        let names = self.inodes.iter().map(|it| match it {
            Inode::Directory(entries) => entries.values().filter(|at| **at == inode).count() as u64,
            Inode::File(_) => 0,
        });
        names.sum()
    }

    fn is_below(&self, inode: usize, ancestor: usize) -> bool {
        let Inode::Directory(entries) = &self.inodes[ancestor] else { return false };
        entries.values().any(|child| *child == inode || self.is_below(inode, *child))
    }

    fn rename(&mut self, old: Path, new: Path) -> Result<Answer, Answer> {
        let done = Ok(Answer::Numbers(Vec::new()));
        let (from, old_name) = self.place(old)?;
        let (to, new_name) = self.place(new)?;
        let moved = self.entry(from, old_name).ok_or(Errno::ENOENT)?;
        if to == moved || self.is_below(to, moved) {
            return Err(Errno::EINVAL.into());
        }
        if let Some(target) = self.entry(to, new_name) {
            let is_directory = |inode: usize| matches!(self.inodes[inode], Inode::Directory(_));
            match &self.inodes[target] {
                _ if target == moved => return done,
                _ if from == target || self.is_below(from, target) => return Err(Errno::ENOTEMPTY.into()),
                Inode::Directory(_) if !is_directory(moved) => return Err(Errno::EISDIR.into()),
                Inode::File(_) if is_directory(moved) => return Err(Errno::ENOTDIR.into()),
                Inode::Directory(entries) if !entries.is_empty() => return Err(Errno::ENOTEMPTY.into()),
                _ => {}
            }
        }
        self.entries(from).remove(old_name);
        self.entries(to).insert(new_name, moved);
        done
    }

    // ---- processes and signals

    fn process(&mut self, pid: Pid) -> &mut Process {
        self.processes.get_mut(&pid).expect("it is there")
    }

    /// A process, ended ones too, by a number that means one at any time.
    pub(crate) fn nth_process(&self, at: usize) -> Pid {
        *self.processes.keys().nth(at % self.processes.len()).expect("there is one")
    }

    fn wait(&mut self, pid: Pid, blocking: bool) -> Result<Answer, Answer> {
        let mut children = self.processes.iter().filter(|(_, child)| child.parent == pid).peekable();
        if children.peek().is_none() {
            return Err(Errno::ECHILD.into());
        }
        let ended = children.find_map(|(pid, child)| match child.state {
            State::Zombie(status) => Some((*pid, status)),
            State::Running | State::Stopped => None,
        });
        match ended {
            Some((child, status)) => {
                self.processes.remove(&child);
                Ok(Answer::Numbers(vec![u64::from(child.0), u64::from(status.raw())]))
            }
            None if blocking => Err(Answer::Waits),
            None => Ok(Answer::Numbers(Vec::new())),
        }
    }

    pub(crate) fn signal(&mut self, pid: Pid, signal: Signal) {
        let process = self.process(pid);
        if matches!(process.state, State::Zombie(_)) {
            return;
        }
        if signal == Signal::CONT {
            process.pending &= !bit(Signal::STOP);
            if process.state == State::Stopped {
                process.state = State::Running;
            }
        }
        if signal != Signal::CONT && (process.ignored & !process.blocked) & bit(signal) == 0 {
            process.pending |= bit(signal);
        }
        self.act(pid);
    }

    /// Does what is pending and not blocked: one signal that ends it, whichever has the lowest number.
    fn act(&mut self, pid: Pid) {
        let process = self.process(pid);
        for number in 1..32 {
            let signal = Signal::new(number).expect("a number of a signal");
            let waits = process.blocked & bit(signal) != 0 || process.state == State::Stopped && signal != Signal::KILL;
            if process.pending & bit(signal) == 0 || waits {
                continue;
            }
            process.pending &= !bit(signal);
            if signal == Signal::STOP {
                process.state = State::Stopped;
            } else if process.ignored & bit(signal) == 0 {
                process.doom = Some(signal);
                return;
            }
        }
    }

    pub(crate) fn exit(&mut self, pid: Pid, status: ExitStatus) {
        let fds: Vec<u32> = self.processes[&pid].fds.keys().copied().collect();
        fds.into_iter().for_each(|fd| self.close(pid, fd));
        let process = self.process(pid);
        process.state = State::Zombie(status);
        if process.parent == Pid::INIT {
            self.processes.remove(&pid);
        }
        for child in self.processes.values_mut().filter(|child| child.parent == pid) {
            child.parent = Pid::INIT;
        }
        self.processes.retain(|_, process| process.parent != Pid::INIT || !matches!(process.state, State::Zombie(_)));
    }

    // ---- locks

    fn locked(&self, description: usize) -> Locked {
        match self.descriptions[description].what {
            What::PipeWriter(pipe) => What::PipeReader(pipe),
            what => what,
        }
    }

    fn flock(&mut self, pid: Pid, fd: u32, kind: Option<LockKind>) -> Result<Answer, Answer> {
        let at = self.description(pid, fd)?;
        if self.flocks.get(&at).copied() != kind {
            self.flocks.remove(&at);
        }
        if let Some(kind) = kind {
            let mut others =
                self.flocks.iter().filter(|(other, _)| **other != at && self.locked(**other) == self.locked(at));
            if others.any(|(_, other)| conflict(kind, *other)) {
                return Err(Errno::EAGAIN.into());
            }
            self.flocks.insert(at, kind);
        }
        Ok(Answer::Numbers(Vec::new()))
    }

    fn lock(
        &mut self,
        pid: Pid,
        fd: u32,
        kind: Option<LockKind>,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<Answer, Answer> {
        let at = self.description(pid, fd)?;
        let (file, description) = (self.locked(at), self.descriptions[at]);
        match kind {
            Some(LockKind::Shared) if !description.read => return Err(Errno::EBADF.into()),
            Some(LockKind::Exclusive) if !description.write => return Err(Errno::EBADF.into()),
            _ => {}
        }
        if let Some(kind) = kind {
            let others = self.records.iter().filter(|((of, other), _)| *of == file && *other != pid);
            let mut held = others.flat_map(|(_, cells)| cells[range.clone()].iter().flatten());
            if held.any(|other| conflict(kind, *other)) {
                return Err(Errno::EAGAIN.into());
            }
        }
        let cells = self.records.entry((file, pid)).or_insert([None; LOCKED]);
        cells[range].fill(kind);
        Ok(Answer::Numbers(Vec::new()))
    }
}
