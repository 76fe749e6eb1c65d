//! Images: finding, checking and loading what a process is to run.
//!
//! ```text
//! path ──walk──▶ file ──head──▶ "\0asm"…      a runtime claims it ──load──▶ Program
//!                          ├──▶ "#!/bin/sh -e"  the interpreter instead, with the script as an argument
//!                          └──▶ anything else   ENOEXEC; a shell may then read it as a script
//! ```

use super::Strings;
use super::account::ImageFacts;
use crate::blob::{BlobId, SharedBytes};
use crate::errno::Errno;
use crate::event::What;
use crate::fetch::{Call, Fetch, Image};
use crate::id::{Fd, Pid};
use crate::io::TRANSFER_MAX;
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::runtime::{LoadError, Program, Runtime};
use crate::user::Access;
use crate::vfs::driver::{DriverOpen, FsAnswer, FsRequest};
use crate::vfs::open::At;
use crate::vfs::path::{join, normal_path};
use crate::vfs::{FileKind, Node};
use crate::wait::{Halt, Step};
use std::sync::Arc;

/// Bytes of a `#!` line that are looked at (Linux's BINPRM_BUF_SIZE).
pub const SHEBANG_MAX: usize = 256;
/// Scripts that may interpret one another before there is an image (Linux answers ELOOP to the sixth).
pub const SHEBANG_DEPTH_MAX: usize = 5;
/// Bytes of one argument or environment entry with its final NUL, at most (Linux's MAX_ARG_STRLEN).
pub const STRING_MAX: usize = 128 * 1024;
/// Bytes of an image, at most.
pub const IMAGE_MAX: u64 = 256 << 20;

/// Where a command without `/` is looked for when the environment has no PATH.
pub const DEFAULT_SEARCH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";

/// An image ready to run.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub program: Program,
    pub runtime: Arc<dyn Runtime>,
    pub executable: Arc<[u8]>,
    pub image: ImageFacts,
    pub arguments: Strings,
}

impl Kernel {
    /// Replaces the caller's image. The runtime then drops the old one and runs what is returned, in the same
    /// process.
    ///
    /// # Errors
    /// As [`Kernel::spawn`] for the image; nothing has changed then.
    ///
    /// # Standard
    /// POSIX.1-2017 exec: pid, directory, umask, limits, ignored and blocked signals stay; descriptors marked
    /// CLOEXEC, and those of `also_close`, are closed; caught signals become default.
    pub fn exec(
        &mut self,
        call: &mut Call,
        image: &ExecImage,
        arguments: Strings,
        environment: Strings,
        also_close: &[Fd],
    ) -> Step<(Program, Arc<dyn Runtime>)> {
        self.check_arguments(call.pid, &arguments, &environment)?;
        let loaded = match image {
            ExecImage::Path(path) => self.load_image(call, path, None, arguments)?,
            ExecImage::Descriptor(fd) => {
                self.process(call.pid)?.descriptors.get(*fd)?;
                let path = Arc::from(format!("/proc/self/fd/{fd}").into_bytes());
                self.load_image(call, &path, None, arguments)?
            }
        };
        let pinned = bytes_of(&loaded.arguments, &environment);
        self.pin(call.pid, pinned)?;
        let before = std::mem::replace(&mut self.process_mut(call.pid)?.pinned, pinned);
        self.unpin(before);
        for fd in also_close {
            let _ = self.close(call, *fd);
        }
        self.install_image(call.pid, &loaded, environment);
        self.release_memory(call.pid);
        Ok((loaded.program, loaded.runtime))
    }

    /// Bounds what one image is given.
    pub(crate) fn check_arguments(
        &mut self,
        pid: Pid,
        arguments: &Strings,
        environment: &Strings,
    ) -> Result<(), Errno> {
        let too_long = |item: &Arc<[u8]>| item.len() >= STRING_MAX;
        if arguments.iter().chain(environment.iter()).any(too_long) {
            return Err(Errno::E2BIG);
        }
        let bytes = bytes_of(arguments, environment);
        if bytes > self.limits.argument_bytes {
            Err(self.limit_reached(pid, "argument_bytes", Errno::E2BIG))
        } else {
            Ok(())
        }
    }

    /// Makes `pid` a process of this image: closes what must not survive exec, resets caught signals.
    pub(crate) fn install_image(&mut self, pid: Pid, loaded: &Loaded, environment: Strings) {
        let Ok(process) = self.process_mut(pid) else { return };
        process.executable = loaded.executable.clone();
        process.side_by_side = false;
        process.account.image = loaded.image.clone();
        process.arguments = loaded.arguments.clone();
        process.environment = environment;
        process.signals = process.signals.after_exec();
        let closing: Vec<Fd> =
            process.descriptors.iter().filter(|(_, descriptor)| descriptor.close_on_exec).map(|(fd, _)| fd).collect();
        for fd in closing {
            let _ = self.close(&Call::new(pid), fd);
        }
    }

    /// Finds and loads an image for `call.pid`, following `#!` lines.
    pub(crate) fn load_image(
        &mut self,
        call: &mut Call,
        command: &[u8],
        search: Option<&[u8]>,
        arguments: Strings,
    ) -> Step<Loaded> {
        let (mut path, mut node) = self.find_command(call, command, search)?;
        let command = path.clone();
        let mut arguments = arguments;
        for _ in 0..=SHEBANG_DEPTH_MAX {
            let image = self.read_image(call, &node)?;
            let bytes: &[u8] = (*image.bytes).as_ref();
            let head = &bytes[..bytes.len().min(SHEBANG_MAX)];
            let facts = ImageFacts::new(command.clone(), &node, bytes.len());
            if let Some(runtime) = self.world.runtimes.iter().find(|runtime| runtime.claims(head)).cloned() {
                let program = match call.program(&runtime, image)? {
                    Ok(program) => program,
                    Err(LoadError { errno, reason }) => {
                        let path = String::from_utf8_lossy(&path).into_owned();
                        self.record(call.pid, What::Faulted { reason: format!("{path}: {reason}") });
                        return Err(errno.into());
                    }
                };
                let executable = self.absolute(call.pid, &path);
                return Ok(Loaded { program, runtime, executable, image: facts, arguments });
            }
            let Shebang { interpreter, argument } = Shebang::of(head).ok_or(Errno::ENOEXEC)?;
            let rest = arguments.iter().skip(1).cloned();
            arguments =
                [Some(interpreter.clone()), argument, Some(path.clone())].into_iter().flatten().chain(rest).collect();
            node = self.locate(call, At::Cwd, &interpreter, true, Domain::Execute)?;
            path = interpreter;
        }
        Err(Errno::ELOOP.into())
    }

    /// The file a command names: the path itself, or the first executable of that name in the search path.
    fn find_command(&mut self, call: &mut Call, command: &[u8], search: Option<&[u8]>) -> Step<(Arc<[u8]>, Node)> {
        let Some(search) = search.filter(|_| !command.contains(&b'/')) else {
            let node = self.locate(call, At::Cwd, command, true, Domain::Execute)?;
            return Ok((command.into(), node));
        };
        if command.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        let mut denied = false;
        for directory in search.split(|byte| *byte == b':') {
            let directory = if directory.is_empty() { b"." } else { directory };
            let path = join(directory.to_vec(), command);
            match self.candidate(call, &path) {
                Ok(Some(node)) => return Ok((path.into(), node)),
                Ok(None) => {}
                Err(Halt::Fail(errno)) => denied |= errno == Errno::EACCES,
                Err(halt) => return Err(halt),
            }
        }
        Err(if denied { Errno::EACCES } else { Errno::ENOENT }.into())
    }

    /// The executable at a path of the search; the policy is only asked about one that is there.
    fn candidate(&mut self, call: &mut Call, path: &[u8]) -> Step<Option<Node>> {
        let found = self.walk(call, At::Cwd, path, true)?;
        let Some(node) = found.node.clone() else { return Ok(None) };
        self.permit_found(call, Domain::Execute, &found)?;
        self.check_executable(call, &node)?;
        Ok(Some(node))
    }

    /// A path as it is seen from the root, for /proc/<pid>/exe; links in it stay.
    fn absolute(&self, pid: Pid, path: &[u8]) -> Arc<[u8]> {
        let cwd = self.process(pid).ok().filter(|_| !path.starts_with(b"/")).and_then(|it| self.path_of(&it.cwd));
        cwd.map_or_else(|| path.into(), |cwd| normal_path(&join(cwd, path)).into())
    }

    fn check_executable(&mut self, call: &mut Call, node: &Node) -> Step<()> {
        let stat = self.stat_node(call, node)?;
        if stat.kind != FileKind::Regular {
            return Err(Errno::EACCES.into());
        }
        let credentials = &self.process(call.pid)?.credentials;
        Ok(credentials.check(stat.kind, stat.mode, stat.uid, stat.gid, Access::EXECUTE)?)
    }

    /// The whole image, shared if it is a layer's, copied if the session wrote it.
    fn read_image(&mut self, call: &mut Call, node: &Node) -> Step<Image> {
        self.check_executable(call, node)?;
        match node {
            Node::Tree(mount, ino) => {
                let tree = self.mounts.tree(*mount).ok_or(Errno::EIO)?;
                let file = tree.file(*ino)?;
                if let Some(blob) = file.as_blob() {
                    return match blob.shared() {
                        Some(bytes) => Ok(Image { id: blob.id(), bytes, shared: true }),
                        None => Err(Halt::Fetch(Box::new(Fetch::Blob(blob.clone())))),
                    };
                }
                Ok(image_of(file.to_vec(IMAGE_MAX)?))
            }
            Node::Driver(mount, at) => {
                let driver = self.mounts.driver(*mount).ok_or(Errno::EIO)?;
                let open = DriverOpen { read: true, write: false, create: None, exclusive: false, truncate: false };
                let FsAnswer::Opened(handle) = call.ask(&driver, FsRequest::Open(at.clone(), open))? else {
                    return Err(Errno::EIO.into());
                };
                let mut image = Vec::new();
                loop {
                    let request = FsRequest::Read(handle.clone(), image.len() as u64, TRANSFER_MAX);
                    let FsAnswer::Data(bytes) = call.ask(&driver, request)? else { return Err(Errno::EIO.into()) };
                    if bytes.is_empty() {
                        return Ok(image_of(image));
                    }
                    image.extend_from_slice(&bytes);
                    if image.len() as u64 > IMAGE_MAX {
                        return Err(Errno::EFBIG.into());
                    }
                }
            }
            Node::Open(_) | Node::Proc(..) => Err(Errno::EACCES.into()),
        }
    }
}

/// What exec() is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecImage {
    /// A path.
    Path(Arc<[u8]>),
    /// An open file (fexecve).
    Descriptor(Fd),
}

/// What arguments and environment pin, as E2BIG counts it: each string with its NUL and a pointer.
pub(crate) fn bytes_of(arguments: &Strings, environment: &Strings) -> u64 {
    arguments.iter().chain(environment.iter()).map(|item| item.len() as u64 + 9).sum()
}

fn image_of(bytes: Vec<u8>) -> Image {
    let id = BlobId::of(&bytes);
    let bytes: SharedBytes = Arc::new(bytes);
    Image { id, bytes, shared: false }
}

/// A `#!` line: what is before the first newline. At [`SHEBANG_MAX`] an argument is cut, and an interpreter refused.
/// Only blanks and tabs separate: with `\r\n` the interpreter's name ends in `\r`, as on Linux.
struct Shebang {
    interpreter: Arc<[u8]>,
    argument: Option<Arc<[u8]>>,
}

impl Shebang {
    fn of(head: &[u8]) -> Option<Shebang> {
        let line = head.strip_prefix(b"#!")?;
        let end = line.iter().position(|byte| *byte == b'\n');
        let line = trim_blanks(&line[..end.unwrap_or(line.len())]);
        let split = line.iter().position(is_blank);
        if end.is_none() && head.len() == SHEBANG_MAX && split.is_none() {
            return None;
        }
        let (interpreter, argument) = line.split_at(split.unwrap_or(line.len()));
        let argument = trim_blanks(argument);
        let argument = (!argument.is_empty()).then(|| argument.into());
        (!interpreter.is_empty()).then(|| Shebang { interpreter: interpreter.into(), argument })
    }
}

fn trim_blanks(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !is_blank(byte)).unwrap_or(line.len());
    let end = line.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &line[start..end]
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
