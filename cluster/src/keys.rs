//! The keys of a tenant: what its snapshots are hashed and encrypted with.
//!
//! ```text
//! operator's file ── KEK ──unwraps──▶ {tenant}/key/{id} in the store ── DEK ──derives──▶ hash key, data key
//! ```
//! The store never sees a key in the clear, and the file of the operator never leaves the node. Destroying the wrapped
//! key of a tenant makes all it ever stored unreadable, wherever copies of it are.

use crate::snapshot::objects::{ObjectError, Objects};
use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use warren_session::id::TenantId;

/// Bytes of every key.
pub const KEY_BYTES: usize = 32;
/// What a wrapped key begins with.
const MAGIC: &[u8; 4] = b"WRNK";
/// The form of a wrapped key.
const VERSION: u8 = 1;
/// Bytes of a nonce of XChaCha20-Poly1305.
const NONCE_BYTES: usize = 24;
/// Bytes of a wrapped key: header, nonce, key and tag.
const WRAPPED_BYTES: usize = MAGIC.len() + 1 + NONCE_BYTES + KEY_BYTES + 16;

/// Key bytes that are overwritten when they are no longer needed, and that nothing prints.
struct Secret([u8; KEY_BYTES]);

impl Drop for Secret {
    fn drop(&mut self) {
        // The box keeps the compiler from leaving out a write nobody reads.
        *black_box(&mut self.0) = [0; KEY_BYTES];
    }
}

/// The key-encryption key: the operator's, one a node or cluster.
pub struct KeyEncryptionKey {
    key: Secret,
}

/// The keys one tenant's snapshots are made with.
pub struct TenantKeys {
    tenant: TenantId,
    hash: Secret,
    cipher: XChaCha20Poly1305,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operator's file cannot be read or made.
    #[error("the key file {path} cannot be used: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The operator's key is not the one the tenant's key was wrapped with.
    #[error(
        "the key of tenant {tenant} ({key_id}) does not open with this node's key file; give the node the key file the data was made with"
    )]
    WrongKey {
        /// Whose.
        tenant: TenantId,
        /// Which.
        key_id: String,
    },
    /// What is stored as a wrapped key is none.
    #[error("the key of tenant {tenant} ({key_id}) is damaged: {reason}")]
    Damaged {
        /// Whose.
        tenant: TenantId,
        /// Which.
        key_id: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] ObjectError),
    /// The host gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] rustix::io::Errno),
}

impl KeyEncryptionKey {
    /// A key from elsewhere.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> KeyEncryptionKey {
        KeyEncryptionKey { key: Secret(bytes) }
    }

    /// The key in the file `path`, which is made with mode 0600 when it is not there. Blocks.
    ///
    /// # Errors
    /// A file of another length than 32 bytes, one others may read, or one that cannot be read or made.
    pub fn open_or_create(path: &Path) -> Result<KeyEncryptionKey, KeyError> {
        let failed = |reason: String| KeyError::File { path: path.display().to_string(), reason };
        match std::fs::File::open(path) {
            Ok(file) => read_key(file).map_err(failed),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = Secret(random()?);
                // Whole or not at all: another process that starts now finds no file or a whole one.
                let name = path.file_name().ok_or_else(|| failed("it names no file".to_owned()))?;
                let mut temporary = name.to_owned();
                temporary.push(format!(".{}.tmp", std::process::id()));
                let temporary = path.with_file_name(temporary);
                let made = write_key(&temporary, &key).and_then(|()| std::fs::hard_link(&temporary, path));
                let _ = std::fs::remove_file(&temporary);
                match made {
                    Ok(()) => {
                        sync_folder(path).map_err(|error| failed(error.to_string()))?;
                        Ok(KeyEncryptionKey { key })
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                        let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
                        read_key(file).map_err(failed)
                    }
                    Err(error) => Err(failed(error.to_string())),
                }
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// A secret of its own for one purpose, the same for the same key. `purpose` is a text that nothing else uses.
    pub fn derive(&self, purpose: &'static str) -> [u8; KEY_BYTES] {
        blake3::derive_key(purpose, &self.key.0)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.key.0.into())
    }
}

fn read_key(mut file: std::fs::File) -> Result<KeyEncryptionKey, String> {
    let mode = file.metadata().map_err(|error| error.to_string())?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!("others may read it (mode {:o}); run chmod 600 on it", mode & 0o777));
    }
    let mut key = Secret([0; KEY_BYTES]);
    file.read_exact(&mut key.0).map_err(|_| format!("it is shorter than the {KEY_BYTES} bytes of a key"))?;
    match file.read(&mut [0]) {
        Ok(0) => Ok(KeyEncryptionKey { key }),
        Ok(_) => Err(format!("it is longer than the {KEY_BYTES} bytes of a key")),
        Err(error) => Err(error.to_string()),
    }
}

fn write_key(path: &Path, key: &Secret) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(&key.0)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

impl TenantKeys {
    /// The keys a data key stands for.
    pub fn from_data_key(tenant: TenantId, data_key: [u8; KEY_BYTES]) -> TenantKeys {
        let data_key = Secret(data_key);
        let hash = Secret(blake3::derive_key("warren 2026 snapshot chunk ids v1", &data_key.0));
        let cipher = Secret(blake3::derive_key("warren 2026 snapshot encryption v1", &data_key.0));
        TenantKeys { tenant, hash, cipher: XChaCha20Poly1305::new(&cipher.0.into()) }
    }

    /// The tenant's keys, made and stored wrapped when there are none yet. Of two that make them at once, one wins and
    /// both use its keys.
    ///
    /// # Errors
    /// [`KeyError::WrongKey`] when the operator's key is another than the one they were wrapped with.
    pub async fn open_or_create(
        store: &Arc<dyn Objects>,
        kek: &KeyEncryptionKey,
        tenant: &TenantId,
        key_id: &str,
    ) -> Result<TenantKeys, KeyError> {
        let key = key_of(tenant, key_id);
        if let Some(wrapped) = store.get(&key).await? {
            return unwrap(kek, tenant, key_id, &wrapped);
        }
        store.put_if_absent(&key, wrap(kek, tenant, key_id, &Secret(random()?))?).await?;
        let wrapped = store.get(&key).await?.ok_or_else(|| KeyError::Damaged {
            tenant: tenant.clone(),
            key_id: key_id.to_owned(),
            reason: "it was destroyed as it was made",
        })?;
        unwrap(kek, tenant, key_id, &wrapped)
    }

    /// Destroys the tenant's wrapped key: nothing it stored can be read again.
    ///
    /// # Errors
    /// Those of the store; the key may be there still.
    pub async fn destroy(store: &Arc<dyn Objects>, tenant: &TenantId, key_id: &str) -> Result<(), KeyError> {
        Ok(store.delete(&key_of(tenant, key_id)).await?)
    }

    /// Whose they are.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What chunks are named with.
    pub(crate) fn hash_key(&self) -> &[u8; KEY_BYTES] {
        &self.hash.0
    }

    /// What chunks are encrypted with.
    pub(crate) fn cipher(&self) -> &XChaCha20Poly1305 {
        &self.cipher
    }
}

impl fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKeys").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEncryptionKey").finish_non_exhaustive()
    }
}

fn key_of(tenant: &TenantId, key_id: &str) -> String {
    format!("{tenant}/key/{key_id}")
}

fn associated(tenant: &TenantId, key_id: &str) -> Vec<u8> {
    format!("warren tenant key v1\0{tenant}\0{key_id}").into_bytes()
}

fn wrap(kek: &KeyEncryptionKey, tenant: &TenantId, key_id: &str, key: &Secret) -> Result<Bytes, KeyError> {
    let nonce: [u8; NONCE_BYTES] = random()?;
    let sealed = kek
        .cipher()
        .encrypt(&XNonce::from(nonce), Payload { msg: &key.0, aad: &associated(tenant, key_id) })
        .expect("32 bytes are not too long to encrypt");
    Ok([MAGIC.as_slice(), &[VERSION], &nonce, &sealed].concat().into())
}

fn unwrap(kek: &KeyEncryptionKey, tenant: &TenantId, key_id: &str, wrapped: &[u8]) -> Result<TenantKeys, KeyError> {
    let damaged = |reason| KeyError::Damaged { tenant: tenant.clone(), key_id: key_id.to_owned(), reason };
    let rest = wrapped.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as a wrapped key"))?;
    let (version, rest) = rest.split_first().ok_or_else(|| damaged("it is too short"))?;
    if *version != VERSION {
        return Err(damaged("it has a form this version of warren does not know"));
    }
    if wrapped.len() != WRAPPED_BYTES {
        return Err(damaged("it has not the length of a wrapped key"));
    }
    let (nonce, sealed) = rest.split_at(NONCE_BYTES);
    let nonce = XNonce::try_from(nonce).map_err(|_| damaged("it has not the length of a wrapped key"))?;
    let plain = kek
        .cipher()
        .decrypt(&nonce, Payload { msg: sealed, aad: &associated(tenant, key_id) })
        .map_err(|_| KeyError::WrongKey { tenant: tenant.clone(), key_id: key_id.to_owned() })?;
    let key = <[u8; KEY_BYTES]>::try_from(plain.as_slice()).map_err(|_| damaged("it has not the length of a key"))?;
    black_box(plain).fill(0);
    Ok(TenantKeys::from_data_key(tenant.clone(), key))
}

/// Random bytes of the host.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], rustix::io::Errno> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
