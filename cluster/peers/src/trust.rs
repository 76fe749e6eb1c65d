//! Who is a node of this cluster.
//!
//! ```text
//! authority.pem ──signs──▶ node.pem      a key and a certificate of 30 days that names cluster and node
//! authorities.pem          whose signatures count here: one, two while the authority is changed
//! revoked                  serial numbers and nodes that count no more
//! tokens/                  hashes of tokens that let a node in, each once, until it expires
//! ```
//! Read in this order. [`certificate`] reads what a certificate says; an [`authority`] makes them; [`folder`] has the files,
//! all of mode 0600; [`credentials`] is what a running node shows and trusts; a [`token`] lets a node in; [`join`] is how it
//! asks, and [`renew`] how a node that is in stays in.

pub mod certificate;

pub mod authority;

pub mod folder;

pub mod credentials;

pub mod token;

pub mod join;

pub mod renew;

pub use authority::Authority;
pub use credentials::Credentials;
pub use folder::Folder;
pub use token::{Token, Tokens};
