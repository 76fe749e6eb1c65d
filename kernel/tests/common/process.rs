//! A process of the session, with its system calls under short names.

use super::{CREATE, Machine, R, W, spawn};
use warren_kernel::id::{Fd, Gid, Pid, Uid};
use warren_kernel::process::ExitStatus;
use warren_kernel::process::spawn::Spawn;
use warren_kernel::process::wait::{Change, Patience, Watch, Which};
use warren_kernel::seek::Whence;
use warren_kernel::signal::Signal;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, Stat};
use warren_kernel::{Call, Errno, Kernel, Step};

/// A process to make calls as.
#[derive(Clone, Copy)]
pub struct Proc<'a> {
    pub machine: &'a Machine,
    pub pid: Pid,
}

impl<'a> Proc<'a> {
    pub fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin) -> Result<T, Errno> {
        self.machine.block(self.pid, op)
    }

    /// As [`Proc::call`], for calls that cannot wait.
    pub fn now<T>(&self, op: impl FnOnce(&mut Kernel, &Call) -> T) -> T {
        self.machine.session.with(|kernel| op(kernel, &Call::new(self.pid)))
    }

    pub fn become_user(&self, id: u32) {
        self.now(|kernel, call| {
            kernel.set_credentials(call, |who| {
                who.groups.clear();
                who.set_gid(Gid(id))?;
                who.set_uid(Uid(id))
            })
        })
        .expect("root may become anyone");
    }

    pub fn open(&self, path: &str, flags: OpenFlags) -> Result<Fd, Errno> {
        self.open_mode(path, flags, 0o666)
    }

    pub fn open_mode(&self, path: &str, flags: OpenFlags, mode: u32) -> Result<Fd, Errno> {
        self.call(|kernel, call| kernel.open(call, At::Cwd, path.as_bytes(), flags, Mode::new(mode)))
    }

    pub fn close(&self, fd: Fd) -> Result<(), Errno> {
        self.now(|kernel, call| kernel.close(call, fd))
    }

    pub fn read(&self, fd: Fd, want: usize) -> Result<Vec<u8>, Errno> {
        self.call(|kernel, call| {
            let mut got = Vec::new();
            kernel.read(call, fd, want, &mut |bytes| got.extend_from_slice(bytes))?;
            Ok(got)
        })
    }

    pub fn write(&self, fd: Fd, data: &[u8]) -> Result<usize, Errno> {
        self.call(|kernel, call| kernel.write(call, fd, &[data]))
    }

    pub fn seek(&self, fd: Fd, offset: i64, whence: Whence) -> Result<u64, Errno> {
        self.call(|kernel, call| kernel.seek(call, fd, offset, whence))
    }

    /// Makes or replaces a file.
    pub fn put(&self, path: &str, data: &[u8]) {
        let fd = self.open(path, W | CREATE | OpenFlags::TRUNCATE).unwrap_or_else(|errno| panic!("{path}: {errno}"));
        assert_eq!(self.write(fd, data), Ok(data.len()), "{path}");
        self.close(fd).expect("it is open");
    }

    /// An executable file.
    pub fn put_executable(&self, path: &str, data: &[u8]) {
        self.put(path, data);
        self.chmod(path, 0o755).expect("it is ours");
    }

    pub fn get(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let fd = self.open(path, R)?;
        let mut all = Vec::new();
        loop {
            let part = self.read(fd, 1 << 16)?;
            if part.is_empty() {
                break;
            }
            all.extend(part);
        }
        self.close(fd)?;
        Ok(all)
    }

    pub fn text(&self, path: &str) -> Result<String, Errno> {
        Ok(String::from_utf8(self.get(path)?).expect("text"))
    }

    pub fn stat(&self, path: &str) -> Result<Stat, Errno> {
        self.call(|kernel, call| kernel.stat(call, At::Cwd, path.as_bytes(), true))
    }

    pub fn lstat(&self, path: &str) -> Result<Stat, Errno> {
        self.call(|kernel, call| kernel.stat(call, At::Cwd, path.as_bytes(), false))
    }

    pub fn fstat(&self, fd: Fd) -> Result<Stat, Errno> {
        self.call(|kernel, call| kernel.fstat(call, fd))
    }

    pub fn mkdir(&self, path: &str) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.mkdir(call, At::Cwd, path.as_bytes(), Mode::new(0o777)))
    }

    pub fn rmdir(&self, path: &str) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.rmdir(call, At::Cwd, path.as_bytes()))
    }

    pub fn unlink(&self, path: &str) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.unlink(call, At::Cwd, path.as_bytes()))
    }

    pub fn symlink(&self, target: &str, path: &str) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.symlink(call, target.as_bytes(), At::Cwd, path.as_bytes()))
    }

    pub fn readlink(&self, path: &str) -> Result<String, Errno> {
        let target = self.call(|kernel, call| kernel.readlink(call, At::Cwd, path.as_bytes()))?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    pub fn link(&self, old: &str, new: &str) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.link(call, At::Cwd, old.as_bytes(), false, At::Cwd, new.as_bytes()))
    }

    pub fn rename(&self, old: &str, new: &str) -> Result<(), Errno> {
        self.rename_how(old, new, Replace::Yes)
    }

    pub fn rename_how(&self, old: &str, new: &str, how: Replace) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.rename(call, At::Cwd, old.as_bytes(), At::Cwd, new.as_bytes(), how))
    }

    pub fn chmod(&self, path: &str, mode: u32) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.chmod(call, At::Cwd, path.as_bytes(), Mode::new(mode)))
    }

    pub fn chown(&self, path: &str, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.chown(call, At::Cwd, path.as_bytes(), true, uid.map(Uid), gid.map(Gid)))
    }

    pub fn chdir(&self, path: &str) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.chdir(call, At::Cwd, path.as_bytes()))
    }

    pub fn cwd(&self) -> Option<String> {
        let path = self.now(|kernel, call| kernel.path_of(&kernel.process(call.pid).expect("it runs").cwd))?;
        Some(String::from_utf8_lossy(&path).into_owned())
    }

    pub fn mkfifo(&self, path: &str) -> Result<(), Errno> {
        let kind = FileKind::Fifo;
        self.call(|kernel, call| kernel.mknod(call, At::Cwd, path.as_bytes(), kind, Mode::new(0o666), 0))
    }

    pub fn pipe(&self) -> (Fd, Fd) {
        self.now(|kernel, call| kernel.pipe(call, OpenFlags::empty())).expect("a pipe")
    }

    pub fn set_len(&self, fd: Fd, len: u64) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.set_len(call, fd, len))
    }

    pub fn names(&self, path: &str) -> Result<Vec<String>, Errno> {
        let fd = self.open(path, R | OpenFlags::DIRECTORY)?;
        let names = self.call(|kernel, call| {
            let mut names = Vec::new();
            kernel.readdir(call, fd, 0, &mut |entry| {
                names.push(String::from_utf8_lossy(&entry.name).into_owned());
                true
            })?;
            Ok(names)
        });
        self.close(fd)?;
        names
    }

    pub fn spawn(&self, spawn: &Spawn) -> Result<Proc<'a>, Errno> {
        let pid = self.call(|kernel, call| kernel.spawn(call, spawn))?;
        Ok(Proc { machine: self.machine, pid })
    }

    pub fn child(&self) -> Proc<'a> {
        self.spawn(&spawn("/bin/prog")).expect("a child")
    }

    pub fn wait(&self, which: Which, watch: Watch, block: bool) -> Result<Option<(Pid, Change)>, Errno> {
        let patience = if block { Patience::Forever } else { Patience::None };
        self.call(|kernel, call| kernel.waitpid(call, which, watch, patience))
    }

    pub fn wait_end(&self, which: Which, block: bool) -> Result<Option<(Pid, ExitStatus)>, Errno> {
        let change = self.wait(which, Watch::default(), block)?;
        Ok(change.map(|(pid, change)| match change {
            Change::Ended(status) => (pid, status),
            Change::Stopped(_) | Change::Continued => panic!("not asked for"),
        }))
    }

    pub fn signal(&self, signal: Signal) {
        self.machine.session.with(|kernel| kernel.signal_process(self.pid, signal));
    }

    pub fn exit(&self, code: u8) {
        self.now(|kernel, call| kernel.exit(call.pid, ExitStatus::Exited(code)));
    }
}
