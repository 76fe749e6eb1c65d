//! The first start: one tenant, one key that may do everything, and a file that has it for whoever owns the data folder.
//!
//! ```text
//! text ─▶ client.key (0600, synced) ─▶ key in the registry ─▶ shown once
//! ```
//! In this order: a process that dies in between finds the file at its next start and admits the key that is in it.

use super::kept;
use super::text::{KeyText, KeyTextError};
use super::{NewKey, Registry, RegistryError, Role, Tenant};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use warren_session::id::TenantId;

/// Bytes of a key file that are looked at.
const FILE_MAX: u64 = 256;

/// Why there is no first key.
#[derive(Debug, thiserror::Error)]
pub enum FirstError {
    /// The file cannot be read or written.
    #[error("the key file {path} cannot be used: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in it is none.
    #[error("what is in {path} is no key ({source}); move it away, and start again with --new-key")]
    NoKey {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyTextError,
    },
    /// The registry.
    #[error("the keys cannot be read: {0}")]
    Registry(#[from] RegistryError),
}

impl Registry {
    /// Makes what is missing: the node's own tenant, whose sessions are those of a node that knew no tenants, and when
    /// that has no key yet, one that may do everything. Its text is in `file`, and given back to be shown once.
    ///
    /// # Errors
    /// [`FirstError`].
    pub async fn begin(&self, file: &Path) -> Result<Option<KeyText>, FirstError> {
        let own = TenantId::embedded();
        let tenant = Tenant::new(own.clone(), None, self.now());
        self.inner.add(kept::TENANT, &kept::tenant(&own), &tenant).await?;
        if !self.keys(&own).await?.is_empty() {
            return Ok(None);
        }
        let text = match read(file)? {
            Some(text) => text,
            None => self.write_new(file)?,
        };
        self.admit(operator(), &text).await?;
        Ok(Some(text))
    }

    /// One more key that may do everything, in place of the one in `file`, for an owner who has lost all others.
    ///
    /// # Errors
    /// [`FirstError`].
    pub async fn new_first(&self, file: &Path) -> Result<KeyText, FirstError> {
        let text = self.write_new(file)?;
        self.admit(operator(), &text).await?;
        Ok(text)
    }

    fn write_new(&self, file: &Path) -> Result<KeyText, FirstError> {
        let text = KeyText::generate(&*self.inner.host);
        write(file, &text).map_err(|source| FirstError::File { path: file.to_owned(), source })?;
        Ok(text)
    }
}

fn operator() -> NewKey {
    NewKey {
        tenant: TenantId::embedded(),
        name: "the node's own".to_owned(),
        role: Some(Role::Operator),
        scopes: Role::Operator.scopes(),
        expires: None,
    }
}

fn read(path: &Path) -> Result<Option<KeyText>, FirstError> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(FILE_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => {
            let key = text.trim().parse().map_err(|source| FirstError::NoKey { path: path.to_owned(), source })?;
            Ok(Some(key))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FirstError::File { path: path.to_owned(), source }),
    }
}

/// Whole or not at all, and for this user alone.
fn write(path: &Path, key: &KeyText) -> io::Result<()> {
    let temporary = path.with_extension("key.new");
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    writeln!(file, "{}", key.reveal())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}
