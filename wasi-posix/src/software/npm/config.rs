//! Which registry, and with which credentials: what the user's npm is configured for.
//!
//! Read, the first that has a setting winning: `npm_config_registry` in the environment (either case), the project's
//! `.npmrc`, the user's (`$NPM_CONFIG_USERCONFIG`, else `$HOME/.npmrc`), and the machine's when `$NPM_CONFIG_GLOBALCONFIG`
//! names it. Scoped registries, `${VARIABLES}`, tokens and passwords are as npm has them. The registry used when nothing
//! is configured is the npm client library's own default.

use super::super::path;
use super::super::pin::Pin;
use super::RETRY_PAUSE;
use super::stall::Stall;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use deno_npmrc::{NpmRc, NpmRegistryUrl, RegistryConfig, ResolvedNpmRc};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Proxy};

const NPMRC_BYTES_MAX: u64 = 1 << 20;
/// An answer's first byte, and each further read, have to come within this time.
const STALL: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(30);

/// Reads one environment variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Where packages come from, and how to get at them. Makes connections only in [`Registry::fetch`].
#[derive(Clone)]
pub struct Registry {
    npmrc: ResolvedNpmRc,
    agent: Agent,
    retry_pause: Duration,
}

impl std::fmt::Debug for Registry {
    /// Not the configuration: it holds tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("retry_pause", &self.retry_pause).finish_non_exhaustive()
    }
}

/// Why npm's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NpmConfigError {
    #[error("cannot read {path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is larger than {NPMRC_BYTES_MAX} bytes, or not UTF-8; is it an .npmrc?", path = path.display())]
    NotText { path: PathBuf },
    #[error("{path} is not a valid .npmrc: {reason}", path = path.display())]
    Syntax { path: PathBuf, reason: String },
    #[error("the registry in the environment (NPM_CONFIG_REGISTRY) is not a URL; correct or unset it")]
    Environment,
    #[error("a registry in your .npmrc is not a URL: {reason}")]
    Url { reason: String },
}

/// A request that is ready to be sent.
pub(super) struct Request {
    pub(super) url: String,
    pub(super) authorization: Option<String>,
    /// The registry's address without credentials, for messages.
    pub(super) registry: String,
}

impl Registry {
    /// Reads npm's configuration as npm would, started in the folder `project`. Proxies come from the environment
    /// (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, ...), trusted certificates from the operating system.
    ///
    /// # Errors
    /// When a configuration file exists and cannot be used; the error names it.
    pub fn from_environment(lookup: Lookup<'_>, project: &Path) -> Result<Registry, NpmConfigError> {
        let environment = Environment(lookup);
        let mut merged = NpmRc::default();
        // The most general first: each file overrides the ones before it.
        for path in npmrc_paths(lookup, project) {
            let Some(text) = read_npmrc(&path)? else { continue };
            let parsed = NpmRc::parse(&environment, &text);
            let npmrc = parsed.map_err(|error| NpmConfigError::Syntax { path, reason: error.to_string() })?;
            merge(&mut merged, npmrc);
        }
        let default = NpmRegistryUrl::for_npm(&environment);
        if environment.get("NPM_CONFIG_REGISTRY").is_some() && !default.from_env {
            return Err(NpmConfigError::Environment);
        }
        let resolved = merged.as_resolved(&default);
        let npmrc = resolved.map_err(|error| NpmConfigError::Url { reason: error.to_string() })?;
        let agent = agent(Proxy::try_from_env());
        Ok(Registry { npmrc, agent, retry_pause: RETRY_PAUSE })
    }

    /// The same registry with another pause before a second try (which doubles with each further one).
    pub fn with_retry_pause(mut self, pause: Duration) -> Registry {
        self.retry_pause = pause;
        self
    }

    /// For tests, whose server is on this machine whatever the environment says.
    #[cfg(test)]
    pub(super) fn without_proxy(mut self) -> Registry {
        self.agent = agent(None);
        self
    }

    pub(super) fn agent(&self) -> &Agent {
        &self.agent
    }

    pub(super) fn retry_pause(&self) -> Duration {
        self.retry_pause
    }

    /// Where the pin's tarball is: `REGISTRY/NAME/-/BASENAME-VERSION.tgz`.
    pub(super) fn request(&self, pin: &Pin) -> Result<Request, String> {
        let (scope, base) = match pin.package.split_once('/') {
            Some((scope, base)) => (scope.strip_prefix('@').ok_or("a scope begins with `@`")?, base),
            None => ("scope", pin.package.as_str()),
        };
        for (part, text) in [("scope", scope), ("package name", base), ("version", pin.version.as_str())] {
            path::check_identifier(text).map_err(|rule| format!("{part} `{text}`: {rule}"))?;
            if part != "version" && text.contains('+') {
                return Err(format!("{part} `{text}` contains `+`"));
            }
        }
        let mut registry = self.npmrc.get_registry_url(&pin.package).clone();
        let below = format!("{}/-/{base}-{}.tgz", pin.package, pin.version);
        let tarball = registry.join(&below).map_err(|error| error.to_string())?;
        let config = self.npmrc.tarball_config_for_package(&tarball, &pin.package);
        let authorization = config.and_then(|config| authorization(config));
        // Credentials written into the address must not reach a message. These fail only for addresses without a host.
        let _ = registry.set_username("");
        let _ = registry.set_password(None);
        Ok(Request { url: tarball.into(), authorization, registry: registry.into() })
    }
}

fn agent(proxy: Option<Proxy>) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .proxy(proxy)
        .user_agent(concat!("warren/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(STALL))
        .build();
    Agent::with_parts(config, DefaultConnector::new().chain(Stall(STALL)), DefaultResolver::default())
}

/// npm's rules: a token is a bearer; otherwise ready-made or assembled basic credentials.
fn authorization(config: &RegistryConfig) -> Option<String> {
    if let Some(token) = &config.auth_token {
        return Some(format!("Bearer {token}"));
    }
    if let Some(auth) = &config.auth {
        return Some(format!("Basic {auth}"));
    }
    let user = config.username.as_ref().or(config.email.as_ref())?;
    // `_password` holds the password in base64.
    let password = STANDARD.decode(config.password.as_ref()?.trim()).ok()?;
    let mut pair = format!("{user}:").into_bytes();
    pair.extend(password);
    Some(format!("Basic {}", STANDARD.encode(pair)))
}

fn npmrc_paths(lookup: Lookup<'_>, project: &Path) -> Vec<PathBuf> {
    let environment = Environment(lookup);
    let path = |name| environment.get(name).map(PathBuf::from);
    let global = path("NPM_CONFIG_GLOBALCONFIG");
    let user = path("NPM_CONFIG_USERCONFIG").or_else(|| path("HOME").map(|home| home.join(".npmrc")));
    let root =
        project.ancestors().find(|folder| folder.join("package.json").exists() || folder.join("node_modules").exists());
    let own = root.unwrap_or(project).join(".npmrc");
    let mut paths: Vec<PathBuf> = global.into_iter().chain(user).collect();
    if !paths.contains(&own) {
        paths.push(own);
    }
    paths
}

fn read_npmrc(path: &Path) -> Result<Option<String>, NpmConfigError> {
    let failed = |source| NpmConfigError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        opened => opened.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    file.take(NPMRC_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    let refused = || NpmConfigError::NotText { path: path.to_owned() };
    if bytes.len() as u64 > NPMRC_BYTES_MAX {
        return Err(refused());
    }
    String::from_utf8(bytes).map(Some).map_err(|_| refused())
}

/// `over` wins, setting by setting.
fn merge(base: &mut NpmRc, over: NpmRc) {
    base.registry = over.registry.or(base.registry.take());
    base.scope_registries.extend(over.scope_registries);
    for (host, over) in over.registry_configs {
        let config = Arc::make_mut(base.registry_configs.entry(host).or_default());
        let pairs = [
            (&mut config.auth, &over.auth),
            (&mut config.auth_token, &over.auth_token),
            (&mut config.username, &over.username),
            (&mut config.password, &over.password),
            (&mut config.email, &over.email),
            (&mut config.certfile, &over.certfile),
            (&mut config.keyfile, &over.keyfile),
        ];
        for (config, over) in pairs {
            if over.is_some() {
                config.clone_from(over);
            }
        }
    }
}

/// The environment as the configuration library asks for it. npm reads its variables in either case.
#[derive(Clone, Copy)]
struct Environment<'a>(Lookup<'a>);

impl Environment<'_> {
    fn get(&self, name: &str) -> Option<OsString> {
        let lower = name.to_ascii_lowercase();
        let names = if lower.starts_with("npm_config_") { vec![lower.as_str(), name] } else { vec![name] };
        names.into_iter().find_map(|name| (self.0)(name).filter(|value| !value.is_empty()))
    }
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment")
    }
}

impl sys_traits::BaseEnvVar for Environment<'_> {
    fn base_env_var_os(&self, key: &OsStr) -> Option<OsString> {
        self.get(key.to_str()?)
    }
}
