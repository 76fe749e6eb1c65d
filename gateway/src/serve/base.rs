//! What sessions of a server are made of: installed packages as base layers, and the values of secrets.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use warren_config::settings::Secret;
use warren_isolate::Isolates;
use warren_session::id::TenantId;
use warren_session::sessions::{Secrets, Software};
use warren_wasi_posix::Wasm;
use warren_wasi_posix::layer::{self, StoreBlobs};
use warren_wasi_posix::node::Node;
use warren_wasi_posix::software::{PackageRecord, Store, project};

/// Selections of packages whose layers are kept; each further one is laid out anew when it is asked for.
const SELECTIONS_MAX: usize = 64;
/// Bytes of a secret in a file, at most.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Lays out packages of the user's store.
pub(crate) struct Installed {
    root: PathBuf,
    wasm: Wasm,
    isolates: Isolates,
    /// Where guests run.
    guests: Handle,
    made: Mutex<HashMap<Vec<String>, Node>>,
}

impl Installed {
    /// Packages of the store at `root`, run by `wasm` and `isolates` on `guests`.
    pub(crate) fn new(root: PathBuf, wasm: Wasm, isolates: Isolates, guests: Handle) -> Installed {
        Installed { root, wasm, isolates, guests, made: Mutex::default() }
    }
}

impl Software for Installed {
    fn node(&self, packages: Option<&[String]>) -> Result<(Node, Vec<String>), String> {
        let broken = |error: &dyn std::fmt::Display| {
            // The store's own words name folders of this machine.
            tracing::error!(%error, "the installed software cannot be read");
            "the installed software cannot be read; the server's log says why".to_owned()
        };
        let store = Store::open(&self.root).map_err(|error| broken(&error))?;
        let installed = store.packages().map_err(|error| broken(&error))?;
        let chosen = choose(&installed, packages)?;
        let labels: Vec<String> = chosen.iter().map(|record| record.label()).collect();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = made.get(&labels) {
            return Ok((node.clone(), labels));
        }
        let projection = project(chosen);
        let blobs = Arc::new(StoreBlobs(store)) as _;
        let layer =
            layer::build_with(&projection, &blobs, &[warren_isolate::COMMAND]).map_err(|error| broken(&error))?;
        let node = Node::new(self.wasm.clone(), layer, projection.env, self.guests.clone());
        let node = node.with_guests(Arc::new(self.isolates.clone()));
        if made.len() >= SELECTIONS_MAX {
            made.clear();
        }
        made.insert(labels.clone(), node.clone());
        Ok((node, labels))
    }
}

/// The packages of these names, `name` or `name@version`, in their order; all that are installed when none are named.
fn choose<'a>(installed: &'a [PackageRecord], names: Option<&[String]>) -> Result<Vec<&'a PackageRecord>, String> {
    let Some(names) = names else { return Ok(installed.iter().collect()) };
    let find = |name: &String| {
        let found = installed.iter().find(|record| record.label() == *name || record.is_called(name));
        found.ok_or_else(|| {
            let plain = name.split('@').next().filter(|plain| !plain.is_empty()).unwrap_or(name);
            format!("the package `{name}` is not installed; `warren software add {plain}` on the server")
        })
    };
    names.iter().map(find).collect()
}

/// Whether a tenant's sessions can have the secrets of the configuration: only the node's own. To another tenant there
/// are none.
pub(crate) fn has_secrets(tenant: &TenantId) -> bool {
    *tenant == TenantId::embedded()
}

/// Secrets from where the configuration says they are.
pub(crate) struct Configured(pub(crate) BTreeMap<String, Secret>);

impl Secrets for Configured {
    fn get(&self, tenant: &TenantId, name: &str) -> Option<String> {
        if !has_secrets(tenant) {
            return None;
        }
        let value = match self.0.get(name)? {
            Secret::Env(variable) => std::env::var(variable).map_err(|error| error.to_string()),
            Secret::File(path) => read(path).map_err(|error| error.to_string()),
        };
        value.map_err(|error| tracing::error!(secret = name, error, "a secret has no value")).ok()
    }
}

fn read(path: &std::path::Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > SECRET_BYTES_MAX {
        return Err(std::io::Error::other(format!("it has more than {SECRET_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path)?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}
