//! Who may come in now: rates of requests, and shares of what all requests hold.
//!
//! ```text
//! connection ─▶ share of its address        (serve/listener.rs)
//! request    ─▶ rate of the address ─▶ key looked at ─┬▶ not valid: counts against the address
//!                                                     └▶ rate of the key ─▶ rate of the tenant ─▶ Flight ─▶ route
//! Flight: one request under way, perhaps a stream, bytes of a JSON body; given back when the answer has been sent
//! SocketPlace: one WebSocket; given back when its task ends
//! ```
//! Everything is counted in memory and begins anew with the server. Tables are bounded: see [`addresses`]. Rates are GCRA
//! ([`rate`]), eight bytes a bucket; governor, which does the same, keeps one rate for all keys of a table and lets the table
//! grow, where here each tenant has a rate of its own that its operator changes, and addresses are as many as a client likes.

mod addresses;
mod rate;

pub(crate) use addresses::Network;

use super::problem::Problem;
use addresses::Addresses;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use rate::{Bucket, Rate};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use warren_cluster::registry::{Caller, KeyId};
use warren_config::Config;
use warren_session::account::{Account, Accounts};
use warren_session::id::TenantId;
use warren_session::quota::{Quota, QuotaError, Quotas};

/// Buckets of keys that are remembered, at most; those that are full again are forgotten first, then all.
const KEYS_MAX: usize = 16 * 1024;
/// How many seconds' worth of requests may come at once where nothing else is said.
const BURST_SECONDS: u64 = 10;
/// Connections of a server that are not shared out between tenants.
const FEW: u64 = 16;
/// Bytes of JSON bodies of one tenant at once, unless the configuration says otherwise, as multiples of the largest.
const BODIES: u64 = 32;
/// What may wait to be collected of one tenant, unless the configuration says otherwise.
const UNCOLLECTED_BYTES: u64 = 16 << 30;
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Counts what comes in.
pub(crate) struct Admission {
    begun: Instant,
    accounts: Arc<Accounts>,
    address_rate: Option<Rate>,
    refusal_rate: Rate,
    key_rate: Option<Rate>,
    addresses: Addresses,
    keys: Mutex<HashMap<KeyId, Bucket>>,
    tenants: Mutex<HashMap<TenantId, Arc<Door>>>,
}

/// What requests of one tenant hold.
pub(crate) struct Door {
    account: Arc<Account>,
    bucket: Mutex<Bucket>,
    requests: AtomicU64,
    streams: AtomicU64,
    sockets: AtomicU64,
    body_bytes: AtomicU64,
}

/// One request that was let in. What it holds is given back when it is dropped.
pub(crate) struct Flight {
    door: Arc<Door>,
    streams: bool,
    body_bytes: AtomicU64,
    /// What its answer says of rates.
    limits: Vec<Said>,
}

/// A place among a tenant's WebSockets, until it is dropped.
pub(crate) struct SocketPlace(Arc<Door>);

/// A rate, as an answer tells it.
#[derive(Clone, Copy, Debug)]
struct Said {
    name: &'static str,
    rate: Rate,
    left: u64,
    reset: Duration,
}

/// What every tenant may take that has no number of its own: the configuration's, and shares of the server.
pub(crate) fn node_quotas(config: &Config) -> Quotas {
    let places = config.server.connections_max as u64;
    let mut quotas = Quotas {
        // Others always find a place, unless there are so few that shares of them would be none.
        connections: Some((places.div_ceil(4) * 3).max(places.min(FEW))),
        streams: Some(places.div_ceil(2).max(places.min(FEW))),
        websockets: Some((config.server.websockets_max as u64).div_ceil(4) * 3),
        body_bytes: Some(config.server.request_bytes_max.0.saturating_mul(BODIES)),
        uncollected_bytes: Some(UNCOLLECTED_BYTES),
        ..Quotas::default()
    };
    for (name, most) in &config.quotas {
        let quota: Quota = name.parse().expect("the names were checked when the configuration was read");
        quotas.set(quota, Some(most.0));
    }
    quotas
}

impl Admission {
    pub(crate) fn new(config: &Config, accounts: Arc<Accounts>) -> Admission {
        let rate = |per_s: usize| Rate::new(per_s as u64, per_s as u64 * BURST_SECONDS);
        let server = &config.server;
        Admission {
            begun: Instant::now(),
            accounts,
            address_rate: rate(server.requests_per_address),
            refusal_rate: rate(server.refusals_per_address.max(1)).expect("it is at least 1"),
            key_rate: rate(server.requests_per_key),
            addresses: Addresses::default(),
            keys: Mutex::default(),
            tenants: Mutex::default(),
        }
    }

    /// One request of an address, before anything is known of it.
    ///
    /// # Errors
    /// There were too many.
    pub(crate) fn address(&self, address: IpAddr) -> Result<(), Problem> {
        let Some(rate) = self.address_rate else { return Ok(()) };
        let now = self.now();
        let taken = self.addresses.with(address, now, |counts| counts.requests.take(rate, now));
        taken.map(drop).map_err(|wait| too_many("address", wait))
    }

    /// Whether an address has shown so many keys that are not valid that no more are looked for in the store.
    pub(crate) fn is_refused(&self, address: IpAddr) -> Option<Duration> {
        let now = self.now();
        self.addresses.known(address, |counts| counts.refusals.wait(self.refusal_rate, now)).flatten()
    }

    /// An address has shown a key that is not valid.
    pub(crate) fn refused(&self, address: IpAddr) {
        let now = self.now();
        let _ = self.addresses.with(address, now, |counts| counts.refusals.take(self.refusal_rate, now));
    }

    /// Lets a request of a tenant in.
    ///
    /// # Errors
    /// It comes too fast, or the tenant has as many under way as it may. Nothing is held then.
    pub(crate) fn enter(&self, caller: &Caller, streams: bool) -> Result<Flight, Problem> {
        let now = self.now();
        let mut limits = Vec::new();
        if let Some(rate) = self.key_rate {
            let (left, reset) = self.take_of_key(caller.key, rate, now).map_err(|wait| too_many("key", wait))?;
            limits.push(Said { name: "key", rate, left, reset });
        }
        let door = self.door(&caller.tenant);
        let quotas = door.account.terms().quotas;
        if let Some(rate) = tenant_rate(&quotas) {
            let taken = lock(&door.bucket).take(rate, now);
            let (left, reset) = taken.map_err(|wait| too_many("tenant", wait))?;
            limits.push(Said { name: "tenant", rate, left, reset });
        }
        take(&door.requests, 1, Quota::Connections, quotas.connections)?;
        let mut flight = Flight { door, streams: false, body_bytes: AtomicU64::new(0), limits };
        if streams {
            take(&flight.door.streams, 1, Quota::Streams, quotas.streams)?;
            flight.streams = true;
        }
        Ok(flight)
    }

    /// What requests of a tenant hold, where that is counted here.
    pub(crate) fn under_way(&self, tenant: &TenantId, quota: Quota) -> Option<u64> {
        let door = self.door(tenant);
        let count = match quota {
            Quota::Connections => &door.requests,
            Quota::Streams => &door.streams,
            Quota::Websockets => &door.sockets,
            Quota::BodyBytes => &door.body_bytes,
            _ => return None,
        };
        Some(count.load(Ordering::Relaxed))
    }

    fn take_of_key(&self, key: KeyId, rate: Rate, now: u64) -> Result<(u64, Duration), Duration> {
        let mut keys = lock(&self.keys);
        if keys.len() >= KEYS_MAX && !keys.contains_key(&key) {
            keys.retain(|_, bucket| !bucket.is_full(now));
            if keys.len() >= KEYS_MAX {
                keys.clear();
            }
        }
        keys.entry(key).or_default().take(rate, now)
    }

    /// There are as many as tenants.
    fn door(&self, tenant: &TenantId) -> Arc<Door> {
        let mut tenants = lock(&self.tenants);
        if let Some(door) = tenants.get(tenant) {
            return door.clone();
        }
        let door = Arc::new(Door {
            account: self.accounts.of(tenant),
            bucket: Mutex::default(),
            requests: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            sockets: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
        });
        tenants.insert(tenant.clone(), door.clone());
        door
    }

    /// Nanoseconds since the server began.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Flight {
    /// It reads so many bytes more of a JSON body.
    ///
    /// # Errors
    /// The tenant has as many under way as it may.
    pub(crate) fn read(&self, bytes: u64) -> Result<(), Problem> {
        take(&self.door.body_bytes, bytes, Quota::BodyBytes, self.door.account.terms().quotas.body_bytes)?;
        self.body_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// A place for the WebSocket that it becomes.
    ///
    /// # Errors
    /// The tenant has as many open as it may.
    pub(crate) fn socket(&self) -> Result<SocketPlace, Problem> {
        take(&self.door.sockets, 1, Quota::Websockets, self.door.account.terms().quotas.websockets)?;
        Ok(SocketPlace(self.door.clone()))
    }

    /// Says in an answer what is left of the rates.
    pub(crate) fn say(&self, headers: &mut HeaderMap) {
        if self.limits.is_empty() {
            return;
        }
        let list = |text: &dyn Fn(&Said) -> String| {
            let all: Vec<String> = self.limits.iter().map(text).collect();
            HeaderValue::from_str(&all.join(", ")).expect("names and numbers are visible text")
        };
        headers
            .insert(POLICY, list(&|said| format!("\"{}\";q={};w={}", said.name, said.rate.burst, said.rate.window())));
        headers.insert(LIMIT, list(&|said| format!("\"{}\";r={};t={}", said.name, said.left, seconds(said.reset))));
    }
}

/// The answer, holding the request's place until it has been sent.
pub(crate) fn held(response: Response, flight: Arc<Flight>) -> Response {
    // One that is in memory is sent without its route.
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let held = body.into_data_stream().map(move |part| {
        let _held = &flight;
        part
    });
    Response::from_parts(parts, Body::from_stream(held))
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.door.requests.fetch_sub(1, Ordering::Relaxed);
        self.door.body_bytes.fetch_sub(self.body_bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        if self.streams {
            self.door.streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

fn tenant_rate(quotas: &Quotas) -> Option<Rate> {
    let per_s = quotas.requests_per_s?;
    // None at all is a rate too: one in a very long time would be let in.
    Rate::new(per_s.max(1), quotas.requests_burst.unwrap_or(per_s.saturating_mul(BURST_SECONDS)))
}

/// Counts so many more, unless that is more than there may be.
fn take(count: &AtomicU64, asked: u64, quota: Quota, limit: Option<u64>) -> Result<(), QuotaError> {
    let most = limit.unwrap_or(u64::MAX);
    let more = |used: u64| used.checked_add(asked).filter(|after| *after <= most);
    let taken = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    let retry_after = Some(Duration::from_secs(1));
    taken.map(drop).map_err(|used| QuotaError { quota, limit: most, used, asked, retry_after })
}

fn too_many(whose: &'static str, wait: Duration) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        format!("there were too many requests of this {whose}"),
        "wait as long as Retry-After says; docs/limits.md has the rates",
    )
    .retry_after(wait)
}

/// The problem of an address that has shown too many keys that are not valid.
pub(crate) fn refused_too_often(wait: Duration) -> Problem {
    too_many("address", wait)
}

fn seconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
