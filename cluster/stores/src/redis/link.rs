//! How a connection is made, and that many who want it make one.
use super::address::{Sentinels, Target};
use futures_util::future::{BoxFuture, FutureExt, Shared};
use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::aio::{MultiplexedConnection, PubSub};
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, Value, cmd};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// From a connection that could not be made to the next try.
const BACK_OFF: Duration = Duration::from_millis(50);

/// A connection. Its clones share it.
#[derive(Clone)]
pub(super) enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

/// How long connecting may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// In all.
    pub(super) whole: Duration,
    /// To one of several hosts.
    pub(super) host: Duration,
}

type Making = Shared<BoxFuture<'static, Result<Link, Arc<str>>>>;

/// The connection that all share: made when somebody wants it, once for all who wait.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Which connection `made` is.
    generation: u64,
    made: Option<Making>,
    failed: Option<Instant>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics holding a connection")
    }

    /// The connection and its number, within `limit`.
    pub(super) async fn link(
        &self,
        target: &Arc<Target>,
        limits: Limits,
        limit: Duration,
    ) -> Result<(Link, u64), String> {
        let (making, generation) = {
            let mut state = self.lock();
            if state.made.is_none() {
                let pause = state.failed.map_or(Duration::ZERO, |at| BACK_OFF.saturating_sub(at.elapsed()));
                let target = target.clone();
                // In a task of its own: it goes on when who asked first gives up.
                let task = tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    connect(&target, limits).await.map_err(Arc::from)
                });
                state.generation += 1;
                state.made =
                    Some(async { task.await.unwrap_or_else(|_| Err("it was given up".into())) }.boxed().shared());
            }
            (state.made.clone().expect("made above"), state.generation)
        };
        match tokio::time::timeout(limit, making).await {
            Ok(Ok(link)) => Ok((link, generation)),
            Ok(Err(said)) => {
                let mut state = self.lock();
                if state.generation == generation && state.made.take().is_some() {
                    state.failed = Some(Instant::now());
                }
                Err(said.to_string())
            }
            Err(_) => Err(format!("no connection within {} ms", limit.as_millis())),
        }
    }

    /// A connection is done with; one that was made since stays.
    pub(super) fn broken(&self, generation: u64) {
        let mut state = self.lock();
        if state.generation == generation {
            state.made = None;
        }
    }
}

/// A new connection.
pub(super) async fn connect(target: &Target, limits: Limits) -> Result<Link, String> {
    let connecting = async {
        match target {
            Target::One(client) => Ok(Link::One(open(client, limits.whole).await?)),
            Target::Sentinel(sentinels) => {
                let client = primary(sentinels, limits.host).await?;
                Ok(Link::One(open(&client, limits.host).await?))
            }
            Target::Cluster(cluster) => Ok(Link::Cluster(cluster.client.get_async_connection().await?)),
        }
    };
    in_time(limits.whole, connecting).await
}

/// A connection that listens to a channel.
pub(super) async fn listen(target: &Target, limits: Limits, channel: &str) -> Result<PubSub, String> {
    let connecting = async {
        match target {
            Target::One(client) => subscribed(client, channel).await,
            // A notice reaches all nodes of a cluster, whichever it is given to.
            Target::Cluster(cluster) => {
                first(cluster.seeds.iter().map(|seed| subscribed(seed, channel).boxed()), limits.host * 2).await
            }
            Target::Sentinel(sentinels) => subscribed(&primary(sentinels, limits.host).await?, channel).await,
        }
    };
    in_time(limits.whole, connecting).await
}

async fn subscribed(client: &Client, channel: &str) -> Result<PubSub, RedisError> {
    let mut listening = client.get_async_pubsub().await?;
    listening.subscribe(channel).await?;
    Ok(listening)
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, RedisError>>) -> Result<T, String> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no connection within {} ms", limit.as_millis())),
    }
}

async fn open(client: &Client, limit: Duration) -> Result<MultiplexedConnection, RedisError> {
    // How long an answer may take is said by each request.
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// The first of several hosts that does something. All are asked at once: one that is dead holds up nobody.
async fn first<'a, T>(
    asked: impl Iterator<Item = BoxFuture<'a, Result<T, RedisError>>>,
    limit: Duration,
) -> Result<T, RedisError> {
    let mut asked: FuturesUnordered<_> = asked.map(|one| tokio::time::timeout(limit, one)).collect();
    let mut failed = RedisError::from((ErrorKind::InvalidClientConfig, "no host is named"));
    while let Some(done) = asked.next().await {
        match done {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = odd("no answer in time"),
        }
    }
    Err(failed)
}

/// The server that a sentinel says is the primary, and that says so itself.
async fn primary(sentinels: &Sentinels, limit: Duration) -> Result<Client, RedisError> {
    // Each step has its own limit; a sentinel and then a server make four.
    first(sentinels.seeds.iter().map(|sentinel| named(sentinels, sentinel, limit).boxed()), limit * 4).await
}

async fn named(sentinels: &Sentinels, sentinel: &Client, limit: Duration) -> Result<Client, RedisError> {
    let mut link = open(sentinel, limit).await?;
    let mut which = cmd("SENTINEL");
    which.arg("get-master-addr-by-name").arg(&sentinels.service);
    let place: Option<(String, String)> = which.query_async(&mut link).await?;
    let (host, port) = place.ok_or_else(|| odd("the sentinel does not know the service"))?;
    let server = sentinels.server(&host, &port)?;
    let mut link = open(&server, limit).await?;
    let role: Value = cmd("ROLE").query_async(&mut link).await?;
    match role {
        Value::Array(role) if matches!(role.first(), Some(Value::BulkString(name)) if name == b"master") => Ok(server),
        _ => Err(odd("the sentinel names a server that is not the primary")),
    }
}

fn odd(said: &'static str) -> RedisError {
    RedisError::from((ErrorKind::Io, said))
}
