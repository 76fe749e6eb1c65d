//! A connection that is made again when it breaks, and says of each request whether it may have been done.
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, RedisError, ScriptInvocation, ServerErrorKind, Value,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Where, and how long things may take.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/db]`, `redis-sentinel://[user:password@]host[:port],.../service[/db]` or
    /// `redis-cluster://[user:password@]host[:port],...`; with `rediss` for TLS.
    pub url: String,
    /// What all keys begin with, in braces. Letters, digits, `-`, `_`. Default `warren`.
    pub namespace: String,
    /// A connection may take this long. Default 1 s.
    pub connect: Duration,
    /// An answer may take this long, unless said otherwise of a request. Default 1 s.
    pub answer: Duration,
}

impl RedisOptions {
    /// The defaults for an address.
    pub fn new(url: impl Into<String>) -> RedisOptions {
        RedisOptions {
            url: url.into(),
            namespace: "warren".to_owned(),
            connect: Duration::from_secs(1),
            answer: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions").field("url", &without_password(&self.url)).finish_non_exhaustive()
    }
}

/// Why an address is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is none of the forms.
    #[error(
        "{0:?} is no address of a Redis: redis://host:port/db, redis-sentinel://host:port,.../service or \
         redis-cluster://host:port,..., and rediss for TLS"
    )]
    Form(String),
    /// It cannot be in keys.
    #[error("{0:?} is no namespace: 1 to 64 of A-Z a-z 0-9 - _")]
    Namespace(String),
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
    target: Target,
    options: RedisOptions,
    link: Mutex<Option<Link>>,
}

enum Target {
    One(Box<Client>),
    Sentinel(Box<Mutex<SentinelClient>>),
    Cluster(Box<(ClusterClient, Client)>),
}

#[derive(Clone)]
enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Target::One(_) => "One",
            Target::Sentinel(_) => "Sentinel",
            Target::Cluster(_) => "Cluster",
        })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

impl Redis {
    /// Checks the address. Connects at the first request.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(options: RedisOptions) -> Result<Redis, UrlError> {
        let name = &options.namespace;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
            return Err(UrlError::Namespace(name.clone()));
        }
        let target = target(&options)?;
        Ok(Redis(Arc::new(Inner { target, options, link: Mutex::new(None) })))
    }

    /// A key of the namespace.
    pub(super) fn key(&self, rest: &str) -> String {
        format!("{{{}}}:{rest}", self.0.options.namespace)
    }

    pub(super) fn answer_in(&self) -> Duration {
        self.0.options.answer
    }

    /// Runs a script, once.
    pub(super) async fn run(&self, script: &ScriptInvocation<'_>, limit: Duration) -> Result<Value, Trouble> {
        let link = self.link().await?;
        let asked = async {
            match link {
                Link::One(mut link) => script.invoke_async(&mut link).await,
                Link::Cluster(mut link) => script.invoke_async(&mut link).await,
            }
        };
        self.judge(tokio::time::timeout(limit, asked).await, limit).await
    }

    /// Runs a command, once.
    pub(super) async fn command(&self, command: &redis::Cmd, limit: Duration) -> Result<Value, Trouble> {
        let link = self.link().await?;
        let asked = async {
            match link {
                Link::One(mut link) => command.query_async(&mut link).await,
                Link::Cluster(mut link) => command.query_async(&mut link).await,
            }
        };
        self.judge(tokio::time::timeout(limit, asked).await, limit).await
    }

    async fn judge<T>(&self, done: Result<Result<Value, RedisError>, T>, limit: Duration) -> Result<Value, Trouble> {
        let (trouble, broken) = match done {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => judged(&error),
            Err(_) => (Trouble::Doubt(format!("no answer within {} ms", limit.as_millis())), true),
        };
        if broken {
            self.0.link.lock().await.take();
        }
        Err(trouble)
    }

    /// The connection, or a new one; who waits for another to make it, waits no longer than for one.
    async fn link(&self) -> Result<Link, Trouble> {
        let limit = self.0.options.connect;
        let connected = async {
            let mut held = self.0.link.lock().await;
            if let Some(link) = &*held {
                return Ok(link.clone());
            }
            let link = self.connect().await.map_err(|error| error.to_string())?;
            Ok(held.insert(link).clone())
        };
        let done = tokio::time::timeout(limit, connected).await;
        done.unwrap_or_else(|_| Err(format!("no connection within {} ms", limit.as_millis()))).map_err(|said| {
            let at = without_password(&self.0.options.url);
            Trouble::Refused(format!("cannot connect to {at}: {said}"))
        })
    }

    fn config(&self) -> AsyncConnectionConfig {
        // The limit is the request's own.
        AsyncConnectionConfig::new().set_connection_timeout(Some(self.0.options.connect)).set_response_timeout(None)
    }

    async fn connect(&self) -> Result<Link, RedisError> {
        Ok(match &self.0.target {
            Target::One(client) => {
                Link::One(client.get_multiplexed_async_connection_with_config(&self.config()).await?)
            }
            Target::Sentinel(sentinels) => {
                let client = sentinels.lock().await.async_get_client().await?;
                Link::One(client.get_multiplexed_async_connection_with_config(&self.config()).await?)
            }
            Target::Cluster(both) => Link::Cluster(both.0.get_async_connection().await?),
        })
    }

    /// A connection that listens to channels.
    pub(super) async fn listen(&self) -> Result<redis::aio::PubSub, Trouble> {
        let connect = async {
            match &self.0.target {
                Target::One(client) => client.get_async_pubsub().await,
                // A notice reaches all nodes of a cluster, whichever it is given to.
                Target::Cluster(both) => both.1.get_async_pubsub().await,
                Target::Sentinel(sentinels) => {
                    sentinels.lock().await.async_get_client().await?.get_async_pubsub().await
                }
            }
        };
        match tokio::time::timeout(self.0.options.connect, connect).await {
            Ok(Ok(listening)) => Ok(listening),
            Ok(Err(error)) => Err(Trouble::Refused(error.to_string())),
            Err(_) => Err(Trouble::Refused("no connection in time".to_owned())),
        }
    }
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

fn target(options: &RedisOptions) -> Result<Target, UrlError> {
    let url = &options.url;
    let wrong = || UrlError::Form(without_password(url));
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let tls = scheme.starts_with("rediss");
    if tls {
        // Of the two that are compiled in, the one that is used elsewhere.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let plain = if tls { "rediss" } else { "redis" };
    let kind = scheme.strip_prefix(plain).ok_or_else(wrong)?;
    if kind.is_empty() {
        return Ok(Target::One(Box::new(Client::open(url.as_str()).map_err(|_| wrong())?)));
    }
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let with = |host: &str, user: Option<&str>, path: &str| {
        let user = user.map_or(String::new(), |user| format!("{user}@"));
        format!("{plain}://{user}{host}/{path}")
    };
    if hosts.split(',').any(str::is_empty) {
        return Err(wrong());
    }
    let first = hosts.split(',').next().ok_or_else(wrong)?;
    match kind {
        "-sentinel" => {
            let (service, db) = path.split_once('/').unwrap_or((path, ""));
            if service.is_empty() {
                return Err(wrong());
            }
            // What is behind the sentinels has the user and the database; they themselves have neither.
            let behind = with(first, user, db).into_connection_info().map_err(|_| wrong())?;
            let mut info =
                SentinelNodeConnectionInfo::default().set_redis_connection_info(behind.redis_settings().clone());
            if tls {
                info = info.set_tls_mode(redis::TlsMode::Secure);
            }
            let sentinels: Vec<String> = hosts.split(',').map(|host| with(host, None, "")).collect();
            let client = SentinelClient::build(sentinels, service, Some(info), SentinelServerType::Master);
            Ok(Target::Sentinel(Box::new(Mutex::new(client.map_err(|_| wrong())?))))
        }
        "-cluster" if path.is_empty() => {
            let nodes: Vec<String> = hosts.split(',').map(|host| with(host, user, "")).collect();
            let first = Client::open(nodes[0].as_str()).map_err(|_| wrong())?;
            let builder = ClusterClient::builder(nodes).connection_timeout(options.connect);
            // Nothing is tried again beneath: that would hide that it may have been done twice.
            let client = builder.retries(0).overall_response_timeout(None).build().map_err(|_| wrong())?;
            Ok(Target::Cluster(Box::new((client, first))))
        }
        _ => Err(wrong()),
    }
}

/// An address as it may be printed.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::{Redis, RedisOptions, UrlError, without_password};

    #[test]
    fn addresses_have_three_forms() {
        for good in [
            "redis://localhost",
            "redis://me:secret@127.0.0.1:6379/2",
            "rediss://host:6380",
            "redis-sentinel://a:26379,b:26379/main",
            "redis-sentinel://:secret@a,b,c/main/1",
            "rediss-sentinel://a/main",
            "redis-cluster://a:7000,b:7001",
            "rediss-cluster://me:secret@a",
        ] {
            assert!(Redis::new(RedisOptions::new(good)).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "localhost",
            "http://localhost",
            "redis-sentinel://a:26379",
            "redis-sentinel:///main",
            "redis-cluster://a,,b",
            "redis-cluster://a/1",
            "redis-other://a",
            "redis://host:port",
        ] {
            assert!(matches!(Redis::new(RedisOptions::new(wrong)), Err(UrlError::Form(_))), "{wrong}");
        }
        let namespace = RedisOptions { namespace: "a}b".to_owned(), ..RedisOptions::new("redis://localhost") };
        assert!(matches!(Redis::new(namespace), Err(UrlError::Namespace(_))));
    }

    #[test]
    fn passwords_are_not_printed() {
        assert_eq!(without_password("redis://me:p@ss@host:1/2"), "redis://host:1/2");
        let options = RedisOptions::new("redis-cluster://me:secret@a,b");
        assert!(!format!("{options:?}").contains("secret"));
        let UrlError::Form(text) = Redis::new(RedisOptions::new("redis-odd://me:secret@a")).unwrap_err() else {
            panic!()
        };
        assert_eq!(text, "redis-odd://a");
    }
}
