//! How a bare specifier finds its package: by walking up `node_modules`, as Node does. No registry, no cache of ours.

use crate::sys::KernelSys;
use deno_core::url::Url;
use deno_semver::Version;
use node_resolver::errors::{PackageFolderResolveError, PackageFolderResolveErrorKind, PackageNotFoundError};
use node_resolver::{InNpmPackageChecker, NpmPackageFolderResolver, UrlOrPathRef};
use std::path::{Path, PathBuf};
use sys_traits::FsMetadata;

/// The resolver of `require()` and `import`.
pub type Resolver = deno_node::NodeResolver<InPackage, Packages, KernelSys>;

/// Tells a package's file from the program's own: whether there is a `node_modules` in its path.
#[derive(Clone, Copy, Debug)]
pub struct InPackage;

impl InNpmPackageChecker for InPackage {
    fn in_npm_package(&self, specifier: &Url) -> bool {
        specifier.scheme() == "file" && specifier.path().contains("/node_modules/")
    }
}

/// Finds packages in `node_modules`.
#[derive(Clone, Debug)]
pub struct Packages {
    sys: KernelSys,
}

impl Packages {
    /// Looks in this file system.
    pub fn new(sys: KernelSys) -> Packages {
        Packages { sys }
    }

    fn beside(&self, from: &Path, name: &str) -> Option<PathBuf> {
        let folders = from.ancestors().skip(1).filter(|folder| !folder.ends_with("node_modules"));
        folders.map(|folder| folder.join("node_modules").join(name)).find(|folder| self.sys.fs_is_dir_no_err(folder))
    }
}

impl NpmPackageFolderResolver for Packages {
    fn resolve_package_folder_from_package(
        &self,
        specifier: &str,
        referrer: &UrlOrPathRef,
    ) -> Result<PathBuf, PackageFolderResolveError> {
        let found = referrer.path().ok().and_then(|from| self.beside(from, specifier));
        found.ok_or_else(|| {
            let error = PackageNotFoundError {
                package_name: specifier.to_owned(),
                referrer: referrer.display(),
                referrer_extra: None,
            };
            PackageFolderResolveError(Box::new(PackageFolderResolveErrorKind::PackageNotFound(error)))
        })
    }

    fn resolve_types_package_folder(&self, _: &str, _: Option<&Version>, _: Option<&UrlOrPathRef>) -> Option<PathBuf> {
        None
    }
}
