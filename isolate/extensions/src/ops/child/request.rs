//! What a script asks for: a command, and how it is to be run. Bounded before it is copied.

use super::stdio::{Ends, STDIO_MAX, Stdio};
use crate::ops::signal::Named;
use crate::sys::Environment;
use deno_core::JsBuffer;
use deno_core::serde::Deserialize;
use deno_core::serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::marker::PhantomData;
use std::sync::Arc;
use warren_kernel::Errno;
use warren_kernel::id::{Gid, Uid};
use warren_kernel::process::exec::DEFAULT_SEARCH;
use warren_kernel::process::spawn::{Attributes, Spawn};
use warren_kernel::process::{Strings, strings};
use warren_kernel::signal::SignalSet;

/// Bytes of one list of strings, at most. The session's own limit, which the kernel checks, is lower.
const LIST_BYTES_MAX: usize = 4 << 20;

/// The scripts' own form of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    cmd: String,
    args: Limited<String>,
    cwd: Option<String>,
    clear_env: bool,
    env: Limited<(String, String)>,
    uid: Option<i64>,
    gid: Option<i64>,
    argv0: Option<String>,
    detached: bool,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
    extra_stdio: Limited<Stdio>,
    /// Which of its descriptors is the channel to its parent; negative for none.
    ipc: Option<i64>,
    serialization: Option<String>,
    /// Of `spawnSync`: what its standard input has.
    pub(super) input: Option<JsBuffer>,
    /// Milliseconds it may take.
    pub(super) timeout: Option<f64>,
    pub(super) kill_signal: Option<Named>,
    /// Bytes it may write.
    pub(super) max_buffer: Option<f64>,
}

/// A list that was not read further than it may be long.
struct Limited<T>(Option<Vec<T>>);

impl<T> Limited<T> {
    fn get(&self) -> Result<&[T], Errno> {
        self.0.as_deref().ok_or(Errno::E2BIG)
    }
}

/// What an entry of a list takes of it.
trait Weight {
    fn weight(&self) -> usize;
}

impl Weight for String {
    fn weight(&self) -> usize {
        self.len() + 1
    }
}

impl Weight for (String, String) {
    fn weight(&self) -> usize {
        self.0.len() + self.1.len() + 2
    }
}

impl Weight for Stdio {
    fn weight(&self) -> usize {
        LIST_BYTES_MAX / STDIO_MAX
    }
}

impl<'de, T: Deserialize<'de> + Weight> Deserialize<'de> for Limited<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Limited<T>, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Weight> Visitor<'de> for Entries<T> {
            type Value = Limited<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Limited<T>, A::Error> {
                let (mut entries, mut weight) = (Vec::new(), 0);
                while let Some(entry) = list.next_element::<T>()? {
                    weight += entry.weight();
                    if weight > LIST_BYTES_MAX {
                        while list.next_element::<IgnoredAny>()?.is_some() {}
                        return Ok(Limited(None));
                    }
                    entries.push(entry);
                }
                Ok(Limited(Some(entries)))
            }
        }
        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

impl Request {
    /// What each of its descriptors is, from 0 on.
    pub(super) fn stdio(&self) -> Result<Vec<Stdio>, Errno> {
        let mut stdio = vec![self.stdin, self.stdout, self.stderr];
        stdio.extend_from_slice(self.extra_stdio.get()?);
        if self.input.is_some() {
            stdio[0] = Stdio::Piped;
        }
        if let Some(channel) = self.channel() {
            *stdio.get_mut(channel).ok_or(Errno::EINVAL)? = Stdio::Channel;
        }
        Ok(stdio)
    }

    /// The number of the channel's descriptor in the child.
    pub(super) fn channel(&self) -> Option<usize> {
        self.ipc.and_then(|number| usize::try_from(number).ok())
    }

    /// Whether messages are V8's serialisation and not JSON.
    pub(super) fn is_advanced(&self) -> bool {
        self.serialization.as_deref() == Some("advanced")
    }

    /// As the kernel takes it.
    pub(super) fn spawn(&self, own: &Environment, ends: &Ends) -> Result<Spawn, Errno> {
        let environment = self.environment(own)?;
        let first = self.argv0.as_ref().unwrap_or(&self.cmd);
        let arguments = std::iter::once(first).chain(self.args.get()?);
        let arguments: Strings = strings(arguments);
        let everything = arguments.iter().chain(environment.iter()).any(|word| word.contains(&0));
        let paths = [Some(&self.cmd), self.cwd.as_ref()].into_iter().flatten().any(|path| path.contains('\0'));
        if everything || paths {
            return Err(Errno::EINVAL);
        }
        let search = environment.iter().find_map(|entry| entry.strip_prefix(b"PATH=")).unwrap_or(DEFAULT_SEARCH);
        let identity = |id: Option<i64>| id.map(u32::try_from).transpose().map_err(|_| Errno::EINVAL);
        Ok(Spawn {
            command: self.cmd.as_bytes().into(),
            search: Some(search.into()),
            arguments,
            cwd: self.cwd.as_ref().map(|path| path.as_bytes().into()),
            actions: ends.actions(),
            attributes: Attributes {
                new_session: self.detached,
                default_signals: Some(SignalSet(u64::MAX)),
                blocked_signals: Some(SignalSet::default()),
                uid: identity(self.uid)?.map(Uid),
                gid: identity(self.gid)?.map(Gid),
                ..Attributes::default()
            },
            environment,
        })
    }

    fn environment(&self, own: &Environment) -> Result<Strings, Errno> {
        let mut entries: Vec<Arc<[u8]>> = Vec::new();
        let given = self.env.get()?;
        if !self.clear_env {
            let is_given = |entry: &[u8]| {
                given
                    .iter()
                    .any(|(name, _)| entry.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
            };
            entries.extend(own.strings().iter().filter(|entry| !is_given(entry)).cloned());
        }
        entries.extend(given.iter().map(|(name, value)| Arc::from(format!("{name}={value}").into_bytes())));
        if let Some(channel) = self.channel() {
            let mode = if self.is_advanced() { "advanced" } else { "json" };
            entries.push(Arc::from(format!("{}={channel}", crate::ops::channel::NUMBER).into_bytes()));
            entries.push(Arc::from(format!("{}={mode}", crate::ops::channel::MODE).into_bytes()));
        }
        Ok(entries.into())
    }
}
