//! A keeper on a folder of this machine: what a single node needs, and nothing else.
//!
//! ```text
//! DIR/store     objects: records, names, packs, segments, wrapped keys
//! DIR/journal   the log of what is not in the store yet
//! DIR/node.key  the key that tenants' keys are wrapped with (0600), unless the operator keeps it elsewhere
//! ```

use crate::disk::{Disk, RealDisk};
use crate::keeper::{Keeper, KeeperOptions, Recovered};
use crate::keys::{KeyEncryptionKey, KeyError};
use crate::store::{self, DiskStore, DiskStoreOptions, Metered};
use crate::wal::{Wal, WalError, WalOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;
use warren_kernel::host::Host;

/// Where things are.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The data folder; made if it is missing.
    pub dir: PathBuf,
    /// The file of the key-encryption key, if it is not in the data folder.
    pub key_file: Option<PathBuf>,
    /// How sessions are kept.
    pub keeper: KeeperOptions,
    /// How the journal behaves.
    pub journal: WalOptions,
    /// How the store behaves.
    pub store: DiskStoreOptions,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be made.
    #[error("{path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store in it.
    #[error("{path}: {source}")]
    Store {
        /// Which.
        path: PathBuf,
        /// Why.
        source: store::OpenError,
    },
    /// The journal in it.
    #[error("{path}: {source}")]
    Journal {
        /// Which.
        path: PathBuf,
        /// Why.
        source: WalError,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Folder {
    /// A folder with everything as usual.
    pub fn new(dir: impl Into<PathBuf>) -> Folder {
        Folder {
            dir: dir.into(),
            key_file: None,
            keeper: KeeperOptions::default(),
            journal: WalOptions::default(),
            store: DiskStoreOptions::default(),
        }
    }

    /// Opens it. Blocks: the journal is read. Blocks of files are later fetched on `handle`. The folder is locked until the keeper is dropped.
    ///
    /// # Errors
    /// [`OpenError`], naming the path; another process that has the folder open is named by its pid.
    pub fn open(&self, host: Arc<dyn Host>, handle: Handle) -> Result<(Keeper, Recovered), OpenError> {
        self.open_on(Arc::new(RealDisk), host, handle)
    }

    /// The same on another disk.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open_on(
        &self,
        disk: Arc<dyn Disk>,
        host: Arc<dyn Host>,
        handle: Handle,
    ) -> Result<(Keeper, Recovered), OpenError> {
        let place = |name: &str| self.dir.join(name);
        make_private(&self.dir)?;
        let store = DiskStore::open_on(disk.clone(), &place("store"), self.store.clone())
            .map_err(|source| OpenError::Store { path: place("store"), source })?;
        let key = KeyEncryptionKey::open_or_create(self.key_file.as_deref().unwrap_or(&place("node.key")))?;
        let journal = |source| OpenError::Journal { path: place("journal"), source };
        let log = Wal::open_on(disk, &place("journal"), self.journal.clone()).map_err(journal)?;
        Keeper::open(Arc::new(Metered(store)), log, key, host, handle, self.keeper.clone()).map_err(journal)
    }
}

fn make_private(dir: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| OpenError::Folder { path: dir.to_owned(), source })
}
