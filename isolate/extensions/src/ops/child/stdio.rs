//! What a child finds open: pipes to its parent, descriptors of its parent, nothing.

use crate::guest::Guest;
use deno_core::serde::Deserialize;
use deno_core::serde::de::{Deserializer, Error};
use std::sync::Arc;
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::process::spawn::FileAction;
use warren_kernel::socket::SocketKind;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::OpenFlags;

/// Descriptors a child is given, at most.
pub(super) const STDIO_MAX: usize = 256;

/// One of a child's descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stdio {
    /// Its parent's of the same number.
    Inherit,
    /// The end of a pipe whose other end its parent has.
    Piped,
    /// As that, both ways, for messages.
    Channel,
    /// `/dev/null`, or nothing above the first three.
    Null,
    /// This one of its parent's.
    Fd(Fd),
}

impl<'de> Deserialize<'de> for Stdio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Stdio, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            Number(f64),
        }
        match Form::deserialize(deserializer)? {
            Form::Word(word) => match word.as_str() {
                "inherit" => Ok(Stdio::Inherit),
                "piped" => Ok(Stdio::Piped),
                "null" => Ok(Stdio::Null),
                "ipc_for_internal_use" => Ok(Stdio::Channel),
                other => Err(D::Error::custom(format!("{other:?} is no kind of a child's descriptor"))),
            },
            Form::Number(number) if number >= 0.0 && number <= f64::from(i32::MAX) && number.fract() == 0.0 => {
                Ok(Stdio::Fd(Fd(number as u32)))
            }
            Form::Number(number) => Err(D::Error::custom(format!("{number} is no descriptor"))),
        }
    }
}

/// The ends of a child's pipes. Those nobody took are closed with the value.
pub(super) struct Ends {
    guest: Guest,
    /// The parent's, by number in the child.
    ours: Vec<Option<Fd>>,
    /// The child's, in the parent until it is started.
    theirs: Vec<Fd>,
    /// Descriptors of the parent, and their numbers in the child.
    pairs: Vec<(Fd, Fd)>,
    /// What the child has `/dev/null` at.
    null: Vec<Fd>,
    /// Numbers above the first three at which it has nothing.
    gaps: Vec<Fd>,
}

impl Ends {
    /// Makes the pipes.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`; `EINVAL` above [`STDIO_MAX`]. None is left open then.
    pub(super) fn make(guest: &Guest, stdio: &[Stdio]) -> Result<Ends, Errno> {
        if stdio.len() > STDIO_MAX {
            return Err(Errno::EINVAL);
        }
        let mut ends = Ends {
            guest: guest.clone(),
            ours: Vec::new(),
            theirs: Vec::new(),
            pairs: Vec::new(),
            null: Vec::new(),
            gaps: Vec::new(),
        };
        for (number, kind) in stdio.iter().enumerate() {
            let at = Fd(number as u32);
            let ours = match *kind {
                Stdio::Inherit => {
                    ends.pairs.push((at, at));
                    None
                }
                Stdio::Fd(from) => {
                    ends.pairs.push((from, at));
                    None
                }
                Stdio::Null => {
                    if number < 3 { &mut ends.null } else { &mut ends.gaps }.push(at);
                    None
                }
                Stdio::Piped | Stdio::Channel => Some(ends.connect(at, *kind)?),
            };
            ends.ours.push(ours);
        }
        Ok(ends)
    }

    /// Both ends of one pipe. The first three go one way; beyond them, and for messages, it is both.
    fn connect(&mut self, at: Fd, kind: Stdio) -> Result<Fd, Errno> {
        let one_way = kind == Stdio::Piped && at.0 < 3;
        let (ours, theirs) = self.guest.with(|kernel, call| {
            if !one_way {
                return kernel.socket_pair(call, SocketKind::Stream, OpenFlags::CLOEXEC);
            }
            let (reader, writer) = kernel.pipe(call, OpenFlags::CLOEXEC)?;
            Ok(if at == Fd::STDIN { (writer, reader) } else { (reader, writer) })
        })?;
        self.theirs.push(theirs);
        self.pairs.push((theirs, at));
        Ok(ours)
    }

    /// What the child does with its descriptors before its image: it has these and no others.
    pub(super) fn actions(&self) -> Vec<FileAction> {
        let null: Arc<[u8]> = b"/dev/null"[..].into();
        let open = |fd: &Fd| FileAction::Open {
            fd: *fd,
            path: null.clone(),
            flags: OpenFlags::READ | OpenFlags::WRITE,
            mode: Mode::new(0),
        };
        let mut actions = vec![FileAction::Arrange(self.pairs.clone())];
        actions.extend(self.gaps.iter().map(|fd| FileAction::Close(*fd)));
        actions.push(FileAction::CloseFrom(Fd(self.ours.len() as u32)));
        actions.extend(self.null.iter().map(open));
        actions
    }

    /// The parent's ends, by number in the child; whoever takes them closes them. The child's are closed.
    pub(super) fn take_ours(&mut self) -> Vec<Option<Fd>> {
        std::mem::take(&mut self.ours)
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.guest.with(|kernel, call| {
            for fd in self.ours.iter().flatten().chain(&self.theirs) {
                let _ = kernel.close(call, *fd);
            }
        });
    }
}
