//! Software packages: fetched, verified, unpacked once, and laid out for a guest.
//!
//! ```text
//!  Pin (npm package, version, SHA-512)      FILE.tgz   FILE.aospkg   DIR
//!        |  npm: resumed download, checked      |           |         |
//!        +-------------------+------------------+-----------+---------+
//!                            |  install: bounded, streaming, nothing from outside names a host path
//!                            v
//!      store:  blobs/ab/<blake3>  (immutable, shared)     packages/<name>@<version>.json  (written last)
//!                            |
//!                            v  project: pure
//!      a list of layer entries: /usr/bin/<command>, /opt/agentos/pkgs/..., /opt/agentos/bin/...
//! ```
//!
//! Read in this order. A [`path`] inside a guest obeys one set of rules. A [`blob`] is a file's bytes, named by their
//! hash; a [`record`] is an installed package: names, modes and blobs. [`bare`] and [`aospkg`] read the published
//! package file. The [`store`] keeps blobs and records; [`npm`] downloads; [`install`] brings any source into the store;
//! [`project`] says where everything lies in the guest.
//!
//! Every byte of a package is untrusted: sizes are checked before memory is reserved, every list has a bound, and no
//! input makes this code panic (the tests truncate and mutate packages at every offset).
//!
//! Locks, in order: the lock of one partial download (`downloads/*.part`), then the store's (`lock`). Both are advisory
//! file locks, so they also hold between processes, and end with the process that held them.
#![forbid(unsafe_code)]

pub mod aospkg;
pub mod bare;
pub mod blob;
pub mod install;
pub mod npm;
pub mod path;
pub mod pin;
pub mod progress;
pub mod project;
pub mod record;
pub mod store;

pub use aospkg::{Aospkg, AospkgError};
pub use blob::BlobId;
pub use install::{InstallError, Source, install};
pub use npm::{NpmError, Registry};
pub use pin::{PackageKind, Pin};
pub use progress::Progress;
pub use project::{LayerEntry, Projection, project};
pub use record::PackageRecord;
pub use store::{Problem, Store, StoreError};
