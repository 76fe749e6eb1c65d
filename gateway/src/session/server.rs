//! Which server is asked, with which key, and how its answers are shown.

use super::client::{Client, ClientError};
use crate::output;
use crate::serve::{KEY_FILE, LOCK};
use clap::Args;
use serde_json::Value;
use std::fs::{File, TryLockError};
use std::io::Read;
use std::net::IpAddr;
use warren_config::{Config, Sources};

/// Bytes of the small files of a data folder that are looked at.
const FILE_MAX: u64 = 256;

#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    /// The server; by default $WARREN_URL, else where the configuration lets a server listen.
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// The key; by default $WARREN_KEY, else the one that this user's own server keeps in its data folder.
    #[arg(long, global = true, value_name = "KEY")]
    key: Option<String>,
    /// Prints what the server answers, as JSON.
    #[arg(long, global = true)]
    json: bool,
}

/// Who is asked, and how answers are shown.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) json: bool,
}

impl ServerArguments {
    pub(crate) fn context(&self) -> Result<Context, Box<dyn std::error::Error>> {
        // What is said leaves nothing to look up: a configuration that is wrong is then nobody's business.
        let config = match (self.url(), self.key()) {
            (Some(_), Some(_)) => None,
            (Some(_), None) => Sources::of_this_process().load().ok().map(|loaded| loaded.config),
            (None, _) => Some(Sources::of_this_process().load()?.config),
        };
        Ok(self.context_of(config.as_ref())?)
    }

    /// The server and key that are named, else those of a configuration.
    pub(crate) fn context_of(&self, config: Option<&Config>) -> Result<Context, ClientError> {
        let url = match (self.url(), config) {
            (Some(url), _) if url.starts_with("http://") || url.starts_with("https://") => url,
            (Some(url), _) => {
                return Err(ClientError::Local(format!("`{url}` is no URL of a server; give http://ADDRESS:PORT")));
            }
            (None, Some(config)) => format!("http://{}", config.server.listen),
            (None, None) => return Err(ClientError::Local("no server is named; name one by --url".to_owned())),
        };
        let key = self.key().or_else(|| own_key(config?, &url));
        Ok(Context { client: Client::new(&url, key.as_deref())?, json: self.json })
    }

    /// The server that was named.
    pub(crate) fn url(&self) -> Option<String> {
        given(self.url.as_ref(), "WARREN_URL")
    }

    /// Whether answers are printed as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// The key that was named.
    pub(crate) fn key(&self) -> Option<String> {
        given(self.key.as_ref(), "WARREN_KEY")
    }
}

fn given(flag: Option<&String>, name: &str) -> Option<String> {
    flag.cloned().or_else(|| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

impl Context {
    /// Prints the answer as it is, or what a person wants of it.
    pub(crate) fn show(&self, answer: &Value, text: impl FnOnce() -> String) {
        match self.json {
            true => output::line(answer),
            false => output::line(text()),
        }
    }
}

/// The key in the data folder, for the server of that folder: it is on this machine, runs, and is at the port that it said
/// it is at. Whoever listens elsewhere is not shown it, nor who took the port when the server was gone.
fn own_key(config: &Config, url: &str) -> Option<String> {
    let port = local_port(url)?;
    let lock = File::open(config.data.dir.join(LOCK)).ok()?;
    // A server that runs does not let go of it; without one it is held for the blink of an eye.
    let Err(TryLockError::WouldBlock) = lock.try_lock_shared() else { return None };
    let said = read(lock)?;
    let said = said.split_whitespace().find(|word| word.starts_with("http://"))?;
    (local_port(said)? == port).then_some(())?;
    let key = read(File::open(config.data.dir.join(KEY_FILE)).ok()?)?;
    Some(key.trim().to_owned())
}

/// The port of a URL that leads to this machine.
pub(crate) fn local_port(url: &str) -> Option<u16> {
    let authority = url.strip_prefix("http://")?.split(['/', '?', '#']).next()?;
    let (host, port) = authority.rsplit_once(':')?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let local = address.map_or(host == "localhost", |address| address.is_loopback() || address.is_unspecified());
    local.then(|| port.parse().ok())?
}

fn read(file: File) -> Option<String> {
    let mut text = String::new();
    file.take(FILE_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests;
