//! How long things take, on servers of this machine. Run by hand: `--ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use bytes::Bytes;
use servers::redis::Server;
use servers::{double, open, options};
use std::sync::Arc;
use std::time::{Duration, Instant};
use warren_ownership::name::SessionId;
use warren_ownership::position::Epoch;
use warren_storage::store::{Flush, Key, Store};
use warren_stores::redis::{Changed, Hot, RedisStore, RedisStoreOptions};

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!("{what:<44} p50 {:>9.1?}  p99 {:>9.1?}  of {}", at(50), at(99), times.len());
}

async fn measure(what: &str, many: usize, mut once: impl AsyncFnMut(usize)) {
    let mut times = Vec::with_capacity(many);
    for number in 0..many {
        let begun = Instant::now();
        once(number).await;
        times.push(begun.elapsed());
    }
    print(what, times);
}

async fn store(what: &str, store: Arc<dyn Store>) {
    let key = |number: usize| Key::new(&format!("m/{number}")).unwrap();
    for (bytes, many) in [(256, 500), (64 << 10, 300), (8 << 20, 20)] {
        let body = Bytes::from(vec![7; bytes]);
        let mut versions = Vec::new();
        measure(&format!("{what}: create {bytes}"), many, async |number| {
            versions.push(store.put_if_absent(&key(number), body.clone(), Flush::Now).await.unwrap());
        })
        .await;
        measure(&format!("{what}: read {bytes}"), many, async |number| {
            assert_eq!(store.get(&key(number)).await.unwrap().unwrap().bytes.len(), bytes);
        })
        .await;
        measure(&format!("{what}: replace {bytes}"), many, async |number| {
            store.put_if_match(&key(number), body.clone(), &versions[number], Flush::Now).await.unwrap();
        })
        .await;
        for number in 0..many {
            store.delete(&key(number)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn stores() {
    let double = double().await;
    store("S3 (double)", open(options(&double.endpoint())).await).await;
    let Some(server) = Server::start(&[]) else { return };
    store("Redis", Arc::new(RedisStore::new(server.client(), RedisStoreOptions::default()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn journals() {
    for (what, more) in [
        ("no log", &[][..]),
        ("appendfsync everysec", &["--appendonly", "yes"]),
        ("appendfsync always", &["--appendonly", "yes", "--appendfsync", "always"]),
    ] {
        let Some(server) = Server::start(more) else { return };
        let hot = Hot::new(server.client());
        let (id, epoch) = (SessionId(1), Epoch::FIRST);
        let home = hot.raise(id, epoch).await.unwrap().home;
        hot.seed(id, home, epoch, 0).await.unwrap();
        let entry = [Bytes::from(vec![7; 256])];
        measure(&format!("append 256, {what}"), 3000, async |number| {
            let first = number as u64 + 1;
            assert_eq!(hot.append(id, Some(home), epoch, first, &entry).await.unwrap().what, Changed::Done);
            if number % 100 == 99 {
                hot.trim(id, home, epoch, first).await.unwrap();
            }
        })
        .await;
    }
}
