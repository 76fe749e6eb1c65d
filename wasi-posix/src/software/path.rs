//! What a path inside a package may look like, and the little arithmetic done on such paths.
//!
//! Paths are UTF-8 text with `/` between components. They never touch the host's filesystem: a package's paths become
//! keys of a layer, and its bytes become blobs named by their hash.

/// Bytes in a path, and in the target of a symbolic link. Linux's PATH_MAX.
pub const PATH_BYTES_MAX: usize = 4096;
/// Bytes in one component. Linux's NAME_MAX.
pub const COMPONENT_BYTES_MAX: usize = 255;

/// The rule a path broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathRule {
    #[error("it is empty")]
    Empty,
    #[error("it is not absolute")]
    NotAbsolute,
    #[error("it is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    #[error("it contains a NUL byte")]
    Nul,
    #[error("it has an empty component (`//`, or a `/` at the end)")]
    EmptyComponent,
    #[error("it has a `.` or `..` component")]
    DotComponent,
    #[error("it has a component longer than {COMPONENT_BYTES_MAX} bytes")]
    LongComponent,
    #[error("it contains `/`")]
    Slash,
    #[error("it has a character other than letters, digits, `.`, `_`, `-` and `+`, or begins with `.`")]
    Identifier,
}

/// Accepts `/` and normalised absolute paths: no `.`, no `..`, no empty component, no NUL.
pub fn check_absolute(path: &str) -> Result<(), PathRule> {
    if path.is_empty() {
        return Err(PathRule::Empty);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(PathRule::TooLong);
    }
    let relative = path.strip_prefix('/').ok_or(PathRule::NotAbsolute)?;
    if relative.is_empty() {
        return Ok(());
    }
    relative.split('/').try_for_each(check_component)
}

/// Accepts one name, as it may stand in a directory.
pub fn check_component(name: &str) -> Result<(), PathRule> {
    match name {
        "" => Err(PathRule::EmptyComponent),
        "." | ".." => Err(PathRule::DotComponent),
        _ if name.len() > COMPONENT_BYTES_MAX => Err(PathRule::LongComponent),
        _ if name.contains('\0') => Err(PathRule::Nul),
        _ if name.contains('/') => Err(PathRule::Slash),
        _ => Ok(()),
    }
}

/// Accepts a package's name or version: it is used as a component of guest paths and of the store's file names, so only
/// characters that need no escaping anywhere are let through.
pub fn check_identifier(text: &str) -> Result<(), PathRule> {
    check_component(text)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    if text.len() > 128 {
        return Err(PathRule::LongComponent);
    }
    if text.starts_with('.') || !text.bytes().all(plain) {
        return Err(PathRule::Identifier);
    }
    Ok(())
}

/// Accepts the target of a symbolic link: any text a guest's readlink() could return.
pub fn check_link_target(target: &str) -> Result<(), PathRule> {
    match target {
        "" => Err(PathRule::Empty),
        _ if target.len() > PATH_BYTES_MAX => Err(PathRule::TooLong),
        _ if target.contains('\0') => Err(PathRule::Nul),
        _ => Ok(()),
    }
}

/// Turns what a manifest writes for a file of its own package (`bin/ls`, `./bin/ls`, `/bin/ls`) into `/bin/ls`.
pub fn in_package(written: &str) -> Result<String, PathRule> {
    let relative = written.strip_prefix("./").or_else(|| written.strip_prefix('/')).unwrap_or(written);
    let relative = relative.strip_suffix('/').unwrap_or(relative);
    let path = if written == "." { "/".to_owned() } else { format!("/{relative}") };
    check_absolute(&path)?;
    Ok(path)
}

/// The directory an absolute path lies in; `None` for `/`.
pub fn parent(path: &str) -> Option<&str> {
    match path.rfind('/') {
        _ if path == "/" => None,
        Some(0) => Some("/"),
        Some(slash) => Some(&path[..slash]),
        None => None,
    }
}

/// The last component of an absolute path; empty for `/`.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or("")
}

/// `below`, an absolute path, moved under the directory `root`.
pub fn join(root: &str, below: &str) -> String {
    match (root, below) {
        ("/", _) => below.to_owned(),
        (_, "/") => root.to_owned(),
        _ => format!("{root}{below}"),
    }
}

/// Where a link at `link` leads if it stays below `/`: the normalised absolute path, or `None` when `..` climbs out or
/// the target is absolute. Purely textual: other links on the way are not followed.
pub fn resolve_link(link: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = parent(link)?.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests;
