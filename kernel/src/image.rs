//! What a parked session holds, as plain data and as bytes.
//!
//! ```text
//! "WRNK" | version u32 LE | length u64 LE | blake3 of the body (32) | body: MessagePack of SessionImage
//! ```
//! A parked session has no processes: its files (as the difference to its layer), where its log stands, its policy,
//! limits, user and environment are all there is. An image is input: magic, version, length and checksum are
//! checked before anything is read from it, and what it says is checked again when it is applied to a layer.

use crate::blob::Blobs;
use crate::errno::Errno;
use crate::id::{Lsn, Pid};
use crate::kernel::{Kernel, PID_MAX, Template, World};
use crate::limits::Limits;
use crate::policy::{Policy, PolicyError};
use crate::process::Strings;
use crate::user::Credentials;
use crate::vfs::change::{Delta, apply, delta_between};
use crate::vfs::inodes::Inodes;
use rmp_serde::config::BytesMode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MAGIC: &[u8; 4] = b"WRNK";
/// Version of the format.
pub const IMAGE_VERSION: u32 = 2;
/// Bytes of an image, at most.
pub const IMAGE_BYTES_MAX: u64 = 4 << 30;
const HEADER: usize = 4 + 4 + 8 + 32;

/// Everything a parked session holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionImage {
    /// The last mutation in it.
    pub lsn: Lsn,
    /// Its files, as the difference to its template's layer.
    pub files: Delta,
    /// What it may do.
    pub policy: Policy,
    /// What it may hold.
    pub limits: Limits,
    /// Who its processes are.
    pub user: Credentials,
    /// The environment its processes begin with.
    pub environment: Strings,
    /// Where its processes begin.
    pub cwd: Arc<[u8]>,
    /// What it calls the machine.
    pub hostname: Arc<str>,
    /// The next process id.
    pub next_pid: u32,
}

/// A session that cannot be parked now.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Processes would be lost.
    #[error("{0} processes still run; end them first")]
    Busy(usize),
}

/// An image that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Not an image.
    #[error("not a session image: the first bytes are not `WRNK`")]
    Magic,
    /// Of another version.
    #[error("session image version {0}; this kernel reads version {IMAGE_VERSION}")]
    Version(u32),
    /// Cut off or too long.
    #[error("the image says {said} bytes and has {present} (at most {IMAGE_BYTES_MAX})")]
    Length {
        /// In the header.
        said: u64,
        /// Behind the header.
        present: u64,
    },
    /// Changed since it was written.
    #[error("the image's checksum does not match its bytes")]
    Checksum,
    /// The checksum matches and the content makes no sense.
    #[error("the image's content is malformed: {0}")]
    Malformed(String),
    /// It does not fit the layer it is applied to.
    #[error("the image does not fit its template's layer ({0:?})")]
    Layer(Errno),
    /// Its policy is not usable.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl SessionImage {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        // Without this, each byte above 127 of a name or a block would take two.
        let mut serializer = rmp_serde::Serializer::new(&mut body).with_struct_map().with_bytes(BytesMode::ForceAll);
        self.serialize(&mut serializer).expect("plain data always has a MessagePack form");
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&IMAGE_VERSION.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(blake3::hash(&body).as_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    /// From bytes, trusting nothing.
    ///
    /// # Errors
    /// [`RestoreError`], naming what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<SessionImage, RestoreError> {
        let header = bytes.get(..HEADER).ok_or(RestoreError::Magic)?;
        let (magic, rest) = header.split_at(4);
        let (version, rest) = rest.split_at(4);
        let (length, checksum) = rest.split_at(8);
        if magic != MAGIC {
            return Err(RestoreError::Magic);
        }
        let version = u32::from_le_bytes(version.try_into().map_err(|_| RestoreError::Magic)?);
        if version != IMAGE_VERSION {
            return Err(RestoreError::Version(version));
        }
        let said = u64::from_le_bytes(length.try_into().map_err(|_| RestoreError::Magic)?);
        let body = &bytes[HEADER..];
        if said != body.len() as u64 || said > IMAGE_BYTES_MAX {
            return Err(RestoreError::Length { said, present: body.len() as u64 });
        }
        if blake3::hash(body).as_bytes() != checksum {
            return Err(RestoreError::Checksum);
        }
        rmp_serde::from_slice(body).map_err(|error| RestoreError::Malformed(error.to_string()))
    }
}

impl Kernel {
    /// What this session holds when parked.
    ///
    /// # Errors
    /// `Busy` while processes run.
    pub fn save(&self) -> Result<SessionImage, SaveError> {
        self.nothing_runs()?;
        let lsn = self.root().log().newest();
        Ok(SessionImage {
            lsn,
            files: delta_between(&self.template.layer.inodes(), self.root().inodes(), Lsn::ZERO, lsn),
            policy: (*self.policy).clone(),
            limits: self.limits.clone(),
            user: self.template.user.clone(),
            environment: self.template.environment.clone(),
            cwd: self.template.cwd.clone(),
            hostname: self.template.hostname.clone(),
            next_pid: self.next_pid,
        })
    }

    /// The session an image was saved from, on a template with the same layer. Contents of the layer are shared
    /// again; others are loaded from `blobs` when they are read.
    ///
    /// # Errors
    /// [`RestoreError`]; nothing was made then.
    pub fn restore(
        world: World,
        template: Template,
        image: &SessionImage,
        blobs: &Arc<dyn Blobs>,
    ) -> Result<Kernel, RestoreError> {
        image.policy.validate()?;
        if image.lsn != image.files.to {
            return Err(RestoreError::Layer(Errno::EINVAL));
        }
        let files = apply(&template.layer.inodes(), &image.files, blobs).map_err(RestoreError::Layer)?;
        let template = Template {
            policy: Arc::new(image.policy.clone()),
            limits: image.limits.clone(),
            user: image.user.clone(),
            environment: image.environment.clone(),
            cwd: image.cwd.clone(),
            hostname: image.hostname.clone(),
            ..template
        };
        Ok(Kernel::resume(world, template, files, image.lsn, image.next_pid))
    }

    /// A session that goes on from `files`, which are in memory already: the tree of a living session, for a fork of it,
    /// or what [`apply`] made of the template's layer. Its log stands at `lsn`. What has no name is not taken over: it
    /// belonged to open files and working directories of the other. That is no change, so whoever keeps this session's
    /// files counts from [`Tree::snapshot`](crate::vfs::memory::Tree::snapshot) of the new root, not from `files`.
    pub fn resume(world: World, template: Template, files: Inodes, lsn: Lsn, next_pid: u32) -> Kernel {
        let files = files.without_unnamed(&template.layer.inodes());
        let mut kernel = Kernel::new(world, template);
        let root = kernel.mounts.root_mut();
        root.replace(files);
        root.log_mut().resume(lsn);
        kernel.next_pid = next_pid.clamp(Pid::INIT.0 + 1, PID_MAX - 1);
        kernel
    }

    /// Goes back, or over, to `files`: the root filesystem becomes them, as one change, whose number is returned. The log
    /// does not list what it changed: its readers learn that they are too late and compare snapshots. Inode numbers that
    /// were given meanwhile are not given again. Other mounts stay, on the same directory or on what is at its path now;
    /// init's open files stay too, and fail with `ENOENT` where their inode is gone.
    ///
    /// # Errors
    /// `Busy` while processes run.
    pub fn replace_root(&mut self, files: Inodes) -> Result<Lsn, SaveError> {
        self.nothing_runs()?;
        let mut files = files.without_unnamed(&self.template.layer.inodes());
        let root = self.mounts.root_mut();
        files.next = files.next.max(root.inodes().next);
        let lsn = root.log().newest().next();
        root.replace(files);
        root.log_mut().resume(lsn);
        self.cover_again();
        Ok(lsn)
    }

    /// The number the next process gets, if it is free.
    pub fn next_pid(&self) -> u32 {
        self.next_pid
    }

    fn nothing_runs(&self) -> Result<(), SaveError> {
        match self.processes.len() - 1 {
            0 => Ok(()),
            running => Err(SaveError::Busy(running)),
        }
    }
}
