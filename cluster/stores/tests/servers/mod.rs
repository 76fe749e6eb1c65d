//! Servers that tests start for themselves, each on a free port, and what opens a store on them.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod moto;
pub(crate) mod proxy;
pub(crate) mod redis;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use warren_s3_double::server::{ACCESS_KEY, SECRET_KEY};
use warren_s3_double::{Double, Options};
use warren_stores::retry::Limits;
use warren_stores::s3::{S3Credentials, S3Options, S3Store};

/// A port nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Options for a bucket named `bucket` at this address, each call under a prefix of its own.
pub(crate) fn options(endpoint: &str) -> S3Options {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut options = S3Options::new("bucket");
    options.prefix = format!("test-{}/", COUNT.fetch_add(1, Ordering::Relaxed));
    options.endpoint = Some(endpoint.to_owned());
    options.credentials = Some(S3Credentials {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        session_token: None,
    });
    options
}

/// A store that gives up soon.
pub(crate) fn hasty(endpoint: &str) -> S3Options {
    let limits = Limits { attempt: Duration::from_millis(400), deadline: Duration::from_secs(4), ..Limits::default() };
    S3Options { limits, ..options(endpoint) }
}

pub(crate) async fn double() -> Double {
    Double::start(Options::default()).await.unwrap()
}

pub(crate) async fn open(options: S3Options) -> Arc<S3Store> {
    Arc::new(S3Store::open(options).await.unwrap())
}

/// Waits until something holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1200 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{what}: not within 30 s");
}
