//! From what a session is made of to the kernel's template: every field checked, with one error that names it.

use crate::error::SessionError;
use crate::id::TenantId;
use crate::sessions::Secrets;
use crate::spec::{ENVIRONMENT_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, LABELS_MAX, SessionSpec};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use warren_egress::Rules;
use warren_kernel::Template;
use warren_kernel::id::{Gid, Uid};
use warren_kernel::policy::{Domain, Effect, Policy};
use warren_kernel::process::{Strings, strings};
use warren_kernel::user::Credentials;
use warren_kernel::vfs::PATH_MAX;
use warren_wasi_posix::layer::{HOME, USER, USER_ID};

/// Packages a spec names, at most.
const SOFTWARE_MAX: usize = 256;
/// Bytes of a label's name and value, at most.
const LABEL_MAX: usize = 256;
/// Idle time and time to live are at least this, so that a session can be used at all.
const SHORTEST: Duration = Duration::from_millis(100);

/// Checks what can be checked without a node.
///
/// # Errors
/// `Invalid`, naming the field.
pub(crate) fn check(spec: &SessionSpec) -> Result<(), SessionError> {
    if spec.software.as_ref().is_some_and(|packages| packages.len() > SOFTWARE_MAX) {
        return refuse("software", format!("at most {SOFTWARE_MAX} packages can be named"));
    }
    let mut bytes = 0;
    for (name, value) in &spec.environment {
        check_entry("environment", name, value)?;
        bytes += name.len() + value.len() + 2;
    }
    for (name, secret) in &spec.secrets {
        check_entry("secrets", name, secret)?;
        if spec.environment.contains_key(name) {
            return refuse("secrets", format!("`{name}` is in `environment` too; leave one of them out"));
        }
        bytes += name.len() + secret.len() + 2;
    }
    if bytes > ENVIRONMENT_BYTES_MAX {
        return refuse("environment", format!("{bytes} bytes of entries; at most {ENVIRONMENT_BYTES_MAX} are taken"));
    }
    if let Some(cwd) = &spec.cwd {
        check_path("cwd", cwd)?;
    }
    if let Some(policy) = &spec.policy {
        policy.validate().or_else(|error| refuse("policy", error.to_string()))?;
    }
    way_out(spec)?;
    check_files(spec)?;
    check_labels(spec)?;
    for (field, duration) in [("idle_timeout", spec.idle_timeout), ("time_to_live", spec.time_to_live)] {
        if duration.is_some_and(|duration| duration < SHORTEST) {
            return refuse(field, "it is shorter than 100ms; give a longer one, or none".to_owned());
        }
    }
    user(spec).map(|_| ())
}

/// What a spec's session reaches outside.
///
/// # Errors
/// `Invalid`, naming the first rule that is none.
pub(crate) fn way_out(spec: &SessionSpec) -> Result<Rules, SessionError> {
    Rules::parse(&spec.egress).or_else(|error| refuse("egress", error.to_string()))
}

fn check_files(spec: &SessionSpec) -> Result<(), SessionError> {
    if spec.files.len() > FILES_MAX {
        return refuse(
            "files",
            format!("{} files; at most {FILES_MAX} are taken: import an archive", spec.files.len()),
        );
    }
    let bytes: usize = spec.files.iter().map(|file| file.content.len()).sum();
    if bytes > FILE_BYTES_MAX {
        return refuse("files", format!("{bytes} bytes; at most {FILE_BYTES_MAX} are taken: import an archive"));
    }
    for file in &spec.files {
        check_path("files", &file.path)?;
        if file.path.ends_with('/') || file.path.split('/').any(|part| part == "..") {
            return refuse("files", format!("`{}` names no file", file.path));
        }
        if file.mode > 0o7777 {
            return refuse("files", format!("`{}`: {:o} are no permission bits", file.path, file.mode));
        }
    }
    Ok(())
}

fn check_labels(spec: &SessionSpec) -> Result<(), SessionError> {
    if spec.labels.len() > LABELS_MAX {
        return refuse("labels", format!("{} labels; at most {LABELS_MAX} are kept", spec.labels.len()));
    }
    match spec.labels.iter().find(|(name, value)| name.is_empty() || name.len() > LABEL_MAX || value.len() > LABEL_MAX)
    {
        Some((name, _)) => refuse("labels", format!("`{}`: 1 to {LABEL_MAX} bytes each", short(name))),
        None => Ok(()),
    }
}

/// Checks an environment entry.
///
/// # Errors
/// `Invalid`.
pub(crate) fn check_entry(field: &'static str, name: &str, value: &str) -> Result<(), SessionError> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return refuse(field, format!("`{}` cannot be the name of an entry: no `=`, not empty", short(name)));
    }
    if value.contains('\0') {
        return refuse(field, format!("the value of `{}` has a NUL in it", short(name)));
    }
    Ok(())
}

/// Checks an absolute path.
///
/// # Errors
/// `Invalid`.
pub(crate) fn check_path(field: &'static str, path: &str) -> Result<(), SessionError> {
    if !path.starts_with('/') || path.contains('\0') || path.len() > PATH_MAX {
        return refuse(field, format!("`{}` is no absolute path of at most {PATH_MAX} bytes", short(path)));
    }
    Ok(())
}

/// A refusal of one field.
pub(crate) fn refuse<T>(field: &'static str, reason: String) -> Result<T, SessionError> {
    Err(SessionError::Invalid { field, reason })
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The kernel's template of a spec, on the one its node begins with.
///
/// # Errors
/// `Invalid`, naming the field.
pub(crate) fn materialise(spec: &SessionSpec, mut template: Template) -> Result<Template, SessionError> {
    check(spec)?;
    let mut environment = Environment::new(&template.environment);
    template.policy = Arc::new(spec.policy.clone().unwrap_or_else(Policy::with_way_out));
    let (credentials, account) = user(spec)?;
    template.user = credentials;
    if let Some((name, home)) = account {
        environment.set("USER", name);
        environment.set("LOGNAME", name);
        environment.set("HOME", home);
        template.cwd = home.as_bytes().into();
    }
    for (name, value) in &spec.environment {
        permit_entry(&template, "environment", name)?;
        environment.set(name, value);
    }
    for name in spec.secrets.keys() {
        permit_entry(&template, "secrets", name)?;
    }
    template.environment = environment.strings();
    template.limits = spec.limits.clone();
    if let Some(cwd) = &spec.cwd {
        template.cwd = cwd.as_bytes().into();
    }
    Ok(template)
}

/// Asks the policy whether an entry may be passed in.
///
/// # Errors
/// `Invalid`.
pub(crate) fn permit_entry(template: &Template, field: &'static str, name: &str) -> Result<(), SessionError> {
    match template.policy.decide(Domain::Environment, name.as_bytes()) {
        Effect::Allow => Ok(()),
        Effect::Deny => refuse(field, format!("the policy does not allow the entry `{}`", short(name))),
    }
}

type Account = (&'static str, &'static str);

fn user(spec: &SessionSpec) -> Result<(Credentials, Option<Account>), SessionError> {
    let known = |id, name, home| {
        let credentials = Credentials { groups: vec![Gid(id)], ..Credentials::new(Uid(id), Gid(id)) };
        Ok((credentials, Some((name, home))))
    };
    match spec.user.as_deref() {
        None | Some(USER) => known(USER_ID, USER, HOME),
        Some("root") => known(0, "root", "/root"),
        Some("nobody") => known(65_534, "nobody", "/"),
        Some(text) => {
            let (uid, gid) = text.split_once(':').unwrap_or((text, text));
            match (uid.parse(), gid.parse()) {
                (Ok(uid), Ok(gid)) => Ok((Credentials::new(Uid(uid), Gid(gid)), None)),
                _ => refuse("user", format!("`{}` is no user: agent, root, nobody, or UID[:GID]", short(text))),
            }
        }
    }
}

/// An environment being put together: the last entry of a name wins.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// In order; one that was set again is at its new place.
    entries: Vec<Option<Vec<u8>>>,
    places: HashMap<Vec<u8>, usize>,
}

impl Environment {
    pub(crate) fn new(base: &Strings) -> Environment {
        let mut environment = Environment { entries: Vec::new(), places: HashMap::new() };
        for entry in base.iter() {
            let end = entry.iter().position(|byte| *byte == b'=').unwrap_or(entry.len());
            environment.put(entry[..end].to_vec(), entry.to_vec());
        }
        environment
    }

    fn put(&mut self, name: Vec<u8>, entry: Vec<u8>) {
        if let Some(place) = self.places.insert(name, self.entries.len()) {
            self.entries[place] = None;
        }
        self.entries.push(Some(entry));
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.put(name.into(), [name.as_bytes(), b"=", value.as_bytes()].concat());
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name.as_bytes())
    }

    pub(crate) fn strings(self) -> Strings {
        strings(self.entries.into_iter().flatten())
    }
}

/// Adds the values of a spec's secrets; they are in the environment of the command and nowhere else.
///
/// # Errors
/// `Invalid`, naming a secret the operator does not have.
pub(crate) fn add_secrets(
    environment: &mut Environment,
    spec: &SessionSpec,
    tenant: &TenantId,
    secrets: &dyn Secrets,
) -> Result<(), SessionError> {
    for (name, secret) in &spec.secrets {
        match secrets.get(tenant, secret) {
            Some(value) if !value.contains('\0') => environment.set(name, &value),
            Some(_) => return refuse("secrets", format!("the secret `{}` has a NUL in it", short(secret))),
            None => {
                return refuse("secrets", format!("there is no secret `{}`; ask the operator for it", short(secret)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
