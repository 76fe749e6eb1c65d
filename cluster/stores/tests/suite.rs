//! The suite of all stores, on every one there is.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use servers::moto::Moto;
use servers::redis::Server;
use servers::{double, open, options};
use std::sync::Arc;
use std::time::Duration;
use warren_storage::store::{DiskStore, MemoryStore, Store};
use warren_store_suite::conforms;
use warren_stores::probe::{Check, Outcome, PREFIX, ProbeOptions, probe, probe_bucket};
use warren_stores::redis::{RedisStore, RedisStoreOptions};
use warren_stores::retry::Limits;
use warren_stores::s3::{S3Options, S3Store};

/// The suite makes its stores without waiting; a bucket's is open at once where nothing has to be asked.
fn now(options: S3Options) -> Arc<dyn Store> {
    let opening = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(S3Store::open(options)).unwrap()
    });
    Arc::new(opening.join().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_double_conforms() {
    let double = double().await;
    conforms(&|| now(options(&double.endpoint()))).await;
}

/// The same when every object of more than a few bytes goes in parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_double_conforms_in_parts() {
    let double = double().await;
    conforms(&|| now(S3Options { multipart_bytes: 64, part_bytes: 5 << 20, ..options(&double.endpoint()) })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn moto_conforms() {
    let Some(moto) = Moto::start() else { return };
    // It does some forty requests a second, and its threads wait for each other.
    let limits = Limits { attempt: Duration::from_secs(30), deadline: Duration::from_secs(120), ..Limits::default() };
    conforms(&|| now(S3Options { limits, calls_max: 8, ..options(&moto.endpoint) })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_conforms() {
    let Some(server) = Server::start(&[]) else { return };
    conforms(&|| Arc::new(RedisStore::new(server.client(), RedisStoreOptions::default()))).await;
}

/// Every store passes the probe that is to tell those that are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_store_passes_the_probe() {
    let dir = tempfile::tempdir().unwrap();
    let double = double().await;
    let mut stores: Vec<(&str, Arc<dyn Store>)> = vec![
        ("memory", Arc::new(MemoryStore::default())),
        ("disk", Arc::new(DiskStore::open(dir.path()).unwrap())),
        ("double", open(options(&double.endpoint())).await),
    ];
    let server = Server::start(&[]);
    if let Some(server) = &server {
        stores.push(("redis", Arc::new(RedisStore::new(server.client(), RedisStoreOptions::default()))));
    }
    let moto = Moto::start();
    if let Some(moto) = &moto {
        stores.push(("moto", open(options(&moto.endpoint)).await));
    }
    let bucket = open(options(&double.endpoint())).await;
    let report = probe_bucket(&bucket, ProbeOptions::default()).await;
    assert_eq!(
        report.rows.last().map(|row| (row.check, row.outcome)),
        Some((Check::PartsRace, Outcome::Passed)),
        "{report}"
    );
    report.judge().unwrap_or_else(|refused| panic!("{refused}\n{report}"));
    for (name, store) in stores {
        let report = probe(store.clone(), ProbeOptions::default()).await;
        println!("{name}\n{report}");
        report.judge().unwrap_or_else(|refused| panic!("{name}: {refused}\n{report}"));
        let left = store.list(PREFIX, None, 10).await.unwrap();
        assert!(left.entries.is_empty(), "{name}: a probe leaves nothing behind");
    }
}
