//! What an address of a Redis says: one server, sentinels, a cluster.
use super::connection::RedisOptions;
use redis::cluster::ClusterClient;
use redis::{Client, RedisError};
use std::fmt;

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

/// What is connected to.
pub(super) enum Target {
    One(Box<Client>),
    Sentinel(Box<Sentinels>),
    Cluster(Box<Cluster>),
}

/// Sentinels that know where a service's primary is.
pub(super) struct Sentinels {
    pub(super) seeds: Vec<Client>,
    pub(super) service: String,
    /// `redis` or `rediss`, and what is before and behind the host: the server's, not the sentinels'.
    scheme: &'static str,
    user: String,
    db: String,
}

/// Nodes of a cluster.
pub(super) struct Cluster {
    pub(super) client: ClusterClient,
    pub(super) seeds: Vec<Client>,
}

impl Sentinels {
    /// The server at a place that a sentinel named.
    pub(super) fn server(&self, host: &str, port: &str) -> Result<Client, RedisError> {
        let Sentinels { scheme, user, db, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Client::open(format!("{scheme}://{user}{host}:{port}/{db}"))
    }
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

pub(super) fn target(options: &RedisOptions) -> Result<Target, UrlError> {
    let name = &options.namespace;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
        return Err(UrlError::Namespace(name.clone()));
    }
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
    let user = user.map_or(String::new(), |user| format!("{user}@"));
    if hosts.split(',').any(str::is_empty) {
        return Err(wrong());
    }
    let seeds = |user: &str| -> Result<Vec<(String, Client)>, UrlError> {
        let seed = |host| {
            let url = format!("{plain}://{user}{host}/");
            Client::open(url.as_str()).map(|client| (url, client)).map_err(|_| wrong())
        };
        hosts.split(',').map(seed).collect()
    };
    match kind {
        "-sentinel" => {
            let (service, db) = path.split_once('/').unwrap_or((path, ""));
            if service.is_empty() {
                return Err(wrong());
            }
            // What is behind the sentinels has the user and the database; they themselves have neither.
            let seeds = seeds("")?.into_iter().map(|(_, client)| client).collect();
            let (service, db) = (service.to_owned(), db.to_owned());
            let sentinels = Sentinels { seeds, service, scheme: plain, user, db };
            sentinels.server("127.0.0.1", "6379").map_err(|_| wrong())?;
            Ok(Target::Sentinel(Box::new(sentinels)))
        }
        "-cluster" if path.is_empty() => {
            let (urls, seeds): (Vec<_>, Vec<_>) = seeds(&user)?.into_iter().unzip();
            let builder = ClusterClient::builder(urls).connection_timeout(options.connect_host);
            // Nothing is tried again beneath: that would hide that it may have been done twice.
            let client = builder.retries(0).overall_response_timeout(None).build().map_err(|_| wrong())?;
            Ok(Target::Cluster(Box::new(Cluster { client, seeds })))
        }
        _ => Err(wrong()),
    }
}

/// An address as it may be printed: nothing of what is before the last `@` but the scheme.
pub(crate) fn without_password(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains([':', '@']) => (format!("{scheme}://"), rest),
        _ => (String::new(), url),
    };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}{host}")
}

#[cfg(test)]
mod tests {
    use super::super::connection::{Redis, RedisOptions};
    use super::{UrlError, without_password};

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
            "redis-sentinel://a/main/x",
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
        for (url, printed) in [
            ("redis://me:p@ss@host:1/2", "redis://host:1/2"),
            ("redis-odd://me:secret@a", "redis-odd://a"),
            ("me:secret@host:6379", "host:6379"),
            ("me:secret@host://x", "host://x"),
            ("redis:/me:secret@host", "host"),
        ] {
            assert_eq!(without_password(url), printed);
            if let Err(error) = Redis::new(RedisOptions::new(url)) {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
        }
        let options = RedisOptions::new("redis-cluster://me:secret@a,b");
        assert!(!format!("{options:?}").contains("secret"));
    }
}
