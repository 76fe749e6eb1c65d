//! The folder with what a node is known by.
//!
//! ```text
//! node.pem          its key and its certificate, in one file: they change together
//! authorities.pem   the authorities that count, one or two
//! authority.pem     key and certificate of the authority, on nodes that sign
//! authority-next.pem  the one to come, while it is changed
//! revoked           lines: a serial number in hexadecimal digits, or a node as n7; `#` begins a remark
//! tokens/           see [`super::token`]
//! ```
//! Files have mode 0600 and are replaced whole. A file that others may read is refused.

use crate::name::{ClusterId, PeerId, parse_node};
use crate::trust::authority::{Authority, NODE_VALID, NodeKey, SignError};
use crate::trust::certificate::{CertificateError, facts, fingerprint, pem};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use warren_ownership::name::NodeId;

/// Authorities that count at a time, at most.
pub const AUTHORITIES_MAX: usize = 4;
/// Bytes of one file, at most.
const FILE_MAX: u64 = 1 << 20;
const NODE: &str = "node.pem";
const AUTHORITIES: &str = "authorities.pem";
const AUTHORITY: &str = "authority.pem";
const AUTHORITY_NEXT: &str = "authority-next.pem";
const REVOKED: &str = "revoked";
const TOKENS: &str = "tokens";

/// Such a folder. All its methods block for a few file operations.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// What is in it of the node.
pub(crate) struct Material {
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    pub(crate) revoked: Revoked,
}

/// What counts no more though it is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Certificates, by their number in hexadecimal digits.
    pub serials: BTreeSet<String>,
    /// Nodes, whatever their certificates.
    pub nodes: BTreeSet<NodeId>,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// There is a node already.
    #[error("{0} has a node's key already; use another folder, or remove it if this node is to begin anew")]
    Taken(String),
    /// There is no node yet.
    #[error("{0} has no node's key; run `warren cluster init` on the first node and `warren cluster join` on others")]
    Empty(String),
    /// The authority's key is not here.
    #[error("{0} does not hold the authority's key; ask the node that `warren cluster init` ran on")]
    NoAuthority(String),
    /// The certificate is none of a node.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The authority does not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Folder {
    /// A folder, which may not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Folder {
        Folder { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where tokens are.
    pub(crate) fn tokens(&self) -> PathBuf {
        self.path.join(TOKENS)
    }

    /// Begins a cluster: makes its authority, and its first node.
    ///
    /// # Errors
    /// There is a node or an authority already; a file cannot be written.
    pub fn init(&self, node: NodeId, now: SystemTime) -> Result<PeerId, FolderError> {
        self.refuse_taken()?;
        let cluster = ClusterId::random();
        let authority = Authority::create(cluster, now)?;
        let key = NodeKey::create()?;
        let certificate = authority.sign(key.request(), node, now, NODE_VALID)?;
        self.make()?;
        // The node's file comes last: with it the folder is whole.
        self.write(AUTHORITY, &format!("{}{}", authority.key_pem(), pem(authority.certificate())))?;
        self.write(AUTHORITIES, &pem(authority.certificate()))?;
        self.write(NODE, &format!("{}{}", key.pem(), pem(&certificate)))?;
        Ok(PeerId { cluster, node })
    }

    /// Puts in what a new node was given.
    ///
    /// # Errors
    /// There is a node already; a file cannot be written.
    pub(crate) fn enter(
        &self,
        key: &NodeKey,
        certificate: &CertificateDer<'_>,
        authorities: &[CertificateDer<'_>],
    ) -> Result<(), FolderError> {
        self.refuse_taken()?;
        self.make()?;
        self.replace(key, certificate, authorities)
    }

    /// Replaces the node's key and certificate, and the authorities that count.
    pub(crate) fn replace(
        &self,
        key: &NodeKey,
        certificate: &CertificateDer<'_>,
        authorities: &[CertificateDer<'_>],
    ) -> Result<(), FolderError> {
        self.write(AUTHORITIES, &authorities.iter().map(pem).collect::<String>())?;
        self.write(NODE, &format!("{}{}", key.pem(), pem(certificate)))
    }

    /// The authority, on a node that has it.
    ///
    /// # Errors
    /// It is not here, or cannot be read.
    pub fn authority(&self) -> Result<Authority, FolderError> {
        let cluster = facts(&self.read_node()?.1)?.peer.cluster;
        self.load_authority(AUTHORITY, cluster)?
            .ok_or_else(|| FolderError::NoAuthority(self.path.display().to_string()))
    }

    /// First step of a change of the authority: makes the next one, and lets both count here. Nodes hear of it as they
    /// renew; when all have, comes [`Folder::switch_authority`].
    ///
    /// # Errors
    /// This node does not sign; one is on its way already.
    pub fn begin_rotation(&self, now: SystemTime) -> Result<(), FolderError> {
        let cluster = self.authority()?.cluster();
        if self.load_authority(AUTHORITY_NEXT, cluster)?.is_some() {
            return Err(self.wrong(AUTHORITY_NEXT, "the authority is being changed already"));
        }
        let next = Authority::create(cluster, now)?;
        let mut authorities = self.authorities()?;
        authorities.push(next.certificate().clone());
        self.write(AUTHORITY_NEXT, &format!("{}{}", next.key_pem(), pem(next.certificate())))?;
        self.write(AUTHORITIES, &authorities.iter().map(pem).collect::<String>())
    }

    /// Second step: the next authority signs from now on, first this node's own certificate. When all nodes have renewed
    /// again, comes [`Folder::end_rotation`].
    ///
    /// # Errors
    /// None is on its way.
    pub fn switch_authority(&self, now: SystemTime) -> Result<(), FolderError> {
        let peer = facts(&self.read_node()?.1)?.peer;
        let next = self
            .load_authority(AUTHORITY_NEXT, peer.cluster)?
            .ok_or_else(|| self.wrong(AUTHORITY_NEXT, "no authority is to come; begin its change first"))?;
        let key = NodeKey::create()?;
        let certificate = next.sign(key.request(), peer.node, now, NODE_VALID)?;
        self.write(NODE, &format!("{}{}", key.pem(), pem(&certificate)))?;
        let (from, to) = (self.path.join(AUTHORITY_NEXT), self.path.join(AUTHORITY));
        fs::rename(&from, &to).map_err(|error| file(&to, error))?;
        sync_folder(&self.path).map_err(|error| file(&self.path, error))
    }

    /// Last step: only the authority that signs counts. Nodes hear of it as they renew.
    ///
    /// # Errors
    /// This node does not sign.
    pub fn end_rotation(&self) -> Result<(), FolderError> {
        let authority = self.authority()?;
        if self.path.join(AUTHORITY_NEXT).exists() {
            return Err(self.wrong(AUTHORITY_NEXT, "the next authority does not sign yet; switch to it first"));
        }
        self.write(AUTHORITIES, &pem(authority.certificate()))
    }

    /// All that a node shows and trusts.
    pub(crate) fn load(&self) -> Result<Material, FolderError> {
        let (key, certificate) = self.read_node()?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| self.wrong(NODE, &format!("no private key in it ({error})")))?;
        Ok(Material { key, certificate, authorities: self.authorities()?, revoked: self.revoked()? })
    }

    fn read_node(&self) -> Result<(String, CertificateDer<'static>), FolderError> {
        let text = self.read(NODE)?.ok_or_else(|| FolderError::Empty(self.path.display().to_string()))?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes())
            .map_err(|error| self.wrong(NODE, &format!("no certificate in it ({error})")))?;
        Ok((text, certificate))
    }

    pub(crate) fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, FolderError> {
        let text = self.read(AUTHORITIES)?.ok_or_else(|| self.wrong(AUTHORITIES, "it is not there"))?;
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let all = all.map_err(|error| self.wrong(AUTHORITIES, &format!("not certificates ({error})")))?;
        if all.is_empty() || all.len() > AUTHORITIES_MAX {
            return Err(
                self.wrong(AUTHORITIES, &format!("{} authorities; 1 to {AUTHORITIES_MAX} can count", all.len()))
            );
        }
        Ok(all)
    }

    fn revoked(&self) -> Result<Revoked, FolderError> {
        let mut revoked = Revoked::default();
        for line in self.read(REVOKED)?.unwrap_or_default().lines() {
            let word = line.split('#').next().unwrap_or_default().trim();
            if word.is_empty() {
                continue;
            }
            if let Ok(node) = parse_node(word) {
                revoked.nodes.insert(node);
            } else if word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                revoked.serials.insert(word.to_ascii_lowercase());
            } else {
                return Err(self.wrong(REVOKED, &format!("`{word}` is neither a serial number nor a node as n7")));
            }
        }
        Ok(revoked)
    }

    fn load_authority(&self, name: &str, cluster: ClusterId) -> Result<Option<Authority>, FolderError> {
        let Some(text) = self.read(name)? else { return Ok(None) };
        let certificate = CertificateDer::from_pem_slice(text.as_bytes())
            .map_err(|error| self.wrong(name, &format!("no certificate in it ({error})")))?;
        Ok(Some(Authority::load(cluster, &text, certificate)?))
    }

    fn refuse_taken(&self) -> Result<(), FolderError> {
        match [NODE, AUTHORITY].iter().any(|name| self.path.join(name).exists()) {
            true => Err(FolderError::Taken(self.path.display().to_string())),
            false => Ok(()),
        }
    }

    fn make(&self) -> Result<(), FolderError> {
        make_private(&self.path)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), FolderError> {
        let path = self.path.join(name);
        write_private(&path, text.as_bytes()).map_err(|error| file(&path, error))
    }

    fn read(&self, name: &str) -> Result<Option<String>, FolderError> {
        read_private(&self.path.join(name))
    }

    fn wrong(&self, name: &str, reason: &str) -> FolderError {
        FolderError::File { path: self.path.join(name).display().to_string(), reason: reason.to_owned() }
    }
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prints: Vec<_> = self.authorities.iter().map(|one| crate::hex::encode(&fingerprint(one))).collect();
        f.debug_struct("Material").field("authorities", &prints).finish_non_exhaustive()
    }
}

pub(crate) fn make_private(path: &Path) -> Result<(), FolderError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| file(path, error))
}

/// A whole file or none, of mode 0600, that is there after a crash.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let written =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            path.parent().map_or(Ok(()), sync_folder)
        });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The same, unless there is one: `false` then. Of several at a time one writes.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let temporary = temporary(path);
    let made = write_private(&temporary, bytes).and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    match made {
        Ok(()) => path.parent().map_or(Ok(()), sync_folder).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// `None` if there is none.
pub(crate) fn read_private(path: &Path) -> Result<Option<String>, FolderError> {
    let opened = match fs::File::open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file(path, error)),
    };
    let mode = opened.metadata().map_err(|error| file(path, error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let reason = format!("others may read it (mode {:o}); run chmod 600 on it", mode & 0o777);
        return Err(FolderError::File { path: path.display().to_string(), reason });
    }
    let mut text = String::new();
    opened.take(FILE_MAX).read_to_string(&mut text).map_err(|error| file(path, error))?;
    Ok(Some(text))
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", crate::hex::encode(&crate::random::bytes::<6>())));
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

fn file(path: &Path, error: io::Error) -> FolderError {
    FolderError::File { path: path.display().to_string(), reason: error.to_string() }
}
