//! A connection that is made again when it breaks, and says of each request whether it may have been done.
use super::address::{self, Target, UrlError, without_password};
use super::link::{self, Limits, Link, Slot};
use redis::{ErrorKind, RedisError, RedisResult, Script, ScriptInvocation, ServerErrorKind, Value, cmd};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Writes that wait for replicas at a time, each on a connection of its own.
const WAITING_MAX: usize = 8;

/// Where, and how long things may take.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/db]`, `redis-sentinel://[user:password@]host[:port],.../service[/db]` or
    /// `redis-cluster://[user:password@]host[:port],...`; with `rediss` for TLS.
    pub url: String,
    /// What all keys begin with, in braces. Letters, digits, `-`, `_`. Default `warren`.
    pub namespace: String,
    /// A connection may take this long, whatever of several hosts is dead. Default 2 s.
    pub connect: Duration,
    /// A connection to one of several hosts may take this long. Default 300 ms.
    pub connect_host: Duration,
    /// An answer may take this long, the connection included, unless said otherwise of a request. Default 1 s.
    pub answer: Duration,
}

impl RedisOptions {
    /// The defaults for an address.
    pub fn new(url: impl Into<String>) -> RedisOptions {
        RedisOptions {
            url: url.into(),
            namespace: "warren".to_owned(),
            connect: Duration::from_secs(2),
            connect_host: Duration::from_millis(300),
            answer: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions").field("url", &without_password(&self.url)).finish_non_exhaustive()
    }
}

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It was not done, and may be if it is asked again.
    #[error("{0}; nothing was done")]
    Refused(String),
    /// Nothing is known: it may have been done, may yet be, or may never.
    #[error("{0}; whether it was done is not known")]
    Doubt(String),
    /// It was not done: Redis has no memory left.
    #[error("the Redis has no memory left")]
    Full,
    /// It was not done, and will not be. Says what to do.
    #[error("{0}")]
    Hopeless(String),
}

/// A Redis. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Redis(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Arc<Target>,
    options: RedisOptions,
    link: Slot,
    waiting: Waiting,
}

/// Connections of writes that wait for replicas. While one waits, its connection does nothing else.
#[derive(Debug)]
struct Waiting {
    turns: Semaphore,
    idle: Mutex<Vec<Link>>,
}

/// A script with its keys and arguments.
pub(super) struct Call<'a> {
    pub(super) script: &'a Script,
    pub(super) source: &'static str,
    pub(super) keys: Vec<String>,
    pub(super) args: Vec<&'a [u8]>,
}

/// How many replicas have to have a write, and how long to wait for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copies {
    pub(super) many: u32,
    pub(super) within: Duration,
}

enum Request<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a redis::Cmd),
}

impl Call<'_> {
    fn invocation(&self) -> ScriptInvocation<'_> {
        let mut invocation = self.script.prepare_invoke();
        self.keys.iter().for_each(|key| {
            invocation.key(key);
        });
        self.args.iter().for_each(|arg| {
            invocation.arg(*arg);
        });
        invocation
    }

    /// With its text, for a pipeline: nothing in it can be asked again for a script that is not loaded.
    fn eval(&self) -> redis::Cmd {
        let mut eval = cmd("EVAL");
        eval.arg(self.source).arg(self.keys.len()).arg(&self.keys);
        self.args.iter().for_each(|arg| {
            eval.arg(*arg);
        });
        eval
    }
}

impl Redis {
    /// Checks the address. Connects at the first request.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(options: RedisOptions) -> Result<Redis, UrlError> {
        let target = Arc::new(address::target(&options)?);
        let waiting = Waiting { turns: Semaphore::new(WAITING_MAX), idle: Mutex::default() };
        Ok(Redis(Arc::new(Inner { target, options, link: Slot::default(), waiting })))
    }

    /// A key of the namespace.
    pub(super) fn key(&self, rest: &str) -> String {
        format!("{{{}}}:{rest}", self.0.options.namespace)
    }

    pub(super) fn answer_in(&self) -> Duration {
        self.0.options.answer
    }

    fn limits(&self) -> Limits {
        Limits { whole: self.0.options.connect, host: self.0.options.connect_host }
    }

    fn refused(&self, said: &str) -> Trouble {
        Trouble::Refused(format!("cannot connect to {}: {said}", without_password(&self.0.options.url)))
    }

    /// Runs a script, once.
    pub(super) async fn call(&self, call: &Call<'_>, limit: Duration) -> Result<Value, Trouble> {
        self.run(&call.invocation(), limit).await
    }

    /// Runs a script, once.
    pub(super) async fn run(&self, script: &ScriptInvocation<'_>, limit: Duration) -> Result<Value, Trouble> {
        self.shared(Request::Script(script), limit).await
    }

    /// Runs a command, once.
    pub(super) async fn command(&self, command: &redis::Cmd, limit: Duration) -> Result<Value, Trouble> {
        self.shared(Request::Command(command), limit).await
    }

    /// On the connection that all share.
    async fn shared(&self, request: Request<'_>, limit: Duration) -> Result<Value, Trouble> {
        let begun = Instant::now();
        let linked = self.0.link.link(&self.0.target, self.limits(), limit).await;
        let (link, generation) = linked.map_err(|said| self.refused(&said))?;
        let asked = async {
            match (request, link) {
                (Request::Script(script), Link::One(mut link)) => script.invoke_async(&mut link).await,
                (Request::Script(script), Link::Cluster(mut link)) => script.invoke_async(&mut link).await,
                (Request::Command(command), Link::One(mut link)) => command.query_async(&mut link).await,
                (Request::Command(command), Link::Cluster(mut link)) => command.query_async(&mut link).await,
            }
        };
        let left = limit.saturating_sub(begun.elapsed());
        let (trouble, broken) = match tokio::time::timeout(left, asked).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => judged(&error),
            Err(_) => (silence(limit), true),
        };
        if broken {
            self.0.link.broken(generation);
        }
        Err(trouble)
    }

    /// Runs a script that writes, once, and waits until replicas have what it wrote. The second: why it is not known that they
    /// have. `limit` is without the time they are waited for.
    ///
    /// `WAIT` counts what was written on its own connection, so all is one pipeline on one that nobody else has; and a server
    /// that lost its place between proves nothing, so it says before and after which it is.
    pub(super) async fn call_and_wait(
        &self,
        call: &Call<'_>,
        copies: Copies,
        limit: Duration,
    ) -> Result<(Value, Result<(), String>), Trouble> {
        let Waiting { turns, idle } = &self.0.waiting;
        let limit = limit + copies.within;
        let begun = Instant::now();
        let linked = tokio::time::timeout(limit, async {
            let turn = turns.acquire().await.expect("never closed");
            let kept = idle.lock().expect("nobody panics holding connections").pop();
            let link = match kept {
                Some(link) => Ok(link),
                None => link::connect(&self.0.target, self.limits()).await,
            };
            link.map(|link| (turn, link))
        });
        let linked = linked.await.unwrap_or_else(|_| Err(format!("no connection within {} ms", limit.as_millis())));
        let (_turn, link) = linked.map_err(|said| self.refused(&said))?;
        let which = || {
            let mut eval = cmd("EVAL");
            eval.arg(include_str!("scripts/which.lua")).arg(1).arg(&call.keys[0]);
            eval
        };
        let mut wait = cmd("WAIT");
        wait.arg(copies.many).arg(copies.within.as_millis() as u64);
        let mut all = redis::pipe();
        all.add_command(which()).add_command(call.eval()).add_command(wait).add_command(which()).ignore_errors();
        let asked = async {
            match link.clone() {
                Link::One(mut link) => all.query_async(&mut link).await,
                Link::Cluster(mut link) => all.query_async(&mut link).await,
            }
        };
        let left = limit.saturating_sub(begun.elapsed());
        let answers: Result<Vec<RedisResult<Value>>, RedisError> = match tokio::time::timeout(left, asked).await {
            Ok(answers) => answers,
            Err(_) => {
                self.forget_waiting();
                return Err(silence(limit));
            }
        };
        let answers = answers.and_then(|answers| {
            <[RedisResult<Value>; 4]>::try_from(answers)
                .map_err(|_| RedisError::from((ErrorKind::Parse, "other than four answers to four requests")))
        });
        let (before, done, have, after) = match answers {
            Ok([before, Ok(done), have, after]) => (before, done, have, after),
            Ok([_, Err(error), ..]) | Err(error) => {
                let (trouble, broken) = judged(&error);
                if broken {
                    self.forget_waiting();
                }
                return Err(trouble);
            }
        };
        let proof = match (before, have, after) {
            (Ok(before), Ok(Value::Int(have)), Ok(after)) => {
                if before != after {
                    Err("the server was another's replica meanwhile".to_owned())
                } else if have < i64::from(copies.many) {
                    Err(format!("{have} of {} replicas have it", copies.many))
                } else {
                    Ok(())
                }
            }
            (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => {
                self.forget_waiting();
                return Ok((done, Err(error.to_string())));
            }
            _ => Err("WAIT did not answer with a number".to_owned()),
        };
        idle.lock().expect("nobody panics holding connections").push(link);
        Ok((done, proof))
    }

    /// One of them broke: the others are no better.
    fn forget_waiting(&self) {
        self.0.waiting.idle.lock().expect("nobody panics holding connections").clear();
    }

    /// A connection that listens to a channel.
    pub(super) async fn listen(&self, channel: &str) -> Result<redis::aio::PubSub, Trouble> {
        link::listen(&self.0.target, self.limits(), channel).await.map_err(|said| self.refused(&said))
    }
}

fn silence(limit: Duration) -> Trouble {
    Trouble::Doubt(format!("no answer within {} ms", limit.as_millis()))
}

/// What an error says of the request, and whether the connection is done with.
fn judged(error: &RedisError) -> (Trouble, bool) {
    use ServerErrorKind as Said;
    let text = error.to_string();
    match (error.kind(), error.code()) {
        (_, Some("OOM")) => (Trouble::Full, false),
        (_, Some("NOREPLICAS" | "MISCONF" | "BUSY")) => (Trouble::Refused(text), false),
        // Another server has the data now: the next connection finds it.
        (
            ErrorKind::Server(
                Said::BusyLoading
                | Said::TryAgain
                | Said::ClusterDown
                | Said::MasterDown
                | Said::ReadOnly
                | Said::Moved
                | Said::Ask,
            ),
            _,
        ) => (Trouble::Refused(text), true),
        (ErrorKind::AuthenticationFailed | ErrorKind::Server(Said::NoPerm), _) => {
            (Trouble::Hopeless(format!("{text}; look at the user, its password and what it is allowed")), true)
        }
        (ErrorKind::Server(_) | ErrorKind::Extension, _) => (Trouble::Hopeless(text), false),
        (ErrorKind::InvalidClientConfig, _) => (Trouble::Hopeless(text), true),
        (ErrorKind::ClusterConnectionNotFound, _) => (Trouble::Refused(text), true),
        _ if error.is_connection_refusal() => (Trouble::Refused(text), true),
        _ => (Trouble::Doubt(text), true),
    }
}
