//! A package named by the hash it must have. The list of pins is configuration; this is what this crate needs of one.

/// How a package's files lie in its npm tarball.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackageKind {
    /// Loose WebAssembly commands in `commands/`.
    Commands,
    /// One package file at `dist/package.aospkg`.
    Aospkg,
}

/// One npm package at one version, and the hash of its tarball.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What the user typed; it stands in every message, so that the message can be acted on.
    pub name: String,
    /// npm package name, with its scope.
    pub package: String,
    pub version: String,
    /// npm's `dist.integrity`, with a SHA-512 in it.
    pub integrity: String,
    /// Bytes of the tarball, when known.
    pub size: Option<u64>,
    pub kind: PackageKind,
}
