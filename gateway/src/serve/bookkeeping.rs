//! What is counted while the server runs: what sessions use, what is stored, what is left of the disk, who did what.
//!
//! ```text
//! each second   audit log written · what is stored, and what is left of the disk, told to the accounts
//! each 5 s      sessions measured
//! each 30 s     usage written, with what was stored since
//! each hour     what is kept too long forgotten
//! ```

use crate::http::App;
use crate::metrics::DISK_FREE;
use std::time::{Duration, Instant};
use warren_cluster::keeper::Keeper;
use warren_cluster::usage::{Amounts, FLUSH_EVERY, Hour};
use warren_kernel::host::{Host, Timestamp};
use warren_session::account::Stored;
use warren_wasi_posix::system::SystemHost;

const SECOND: Duration = Duration::from_secs(1);
const MEASURE_EVERY: Duration = Duration::from_secs(5);
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Hours for which usage is kept: some two years.
const USAGE_HOURS: u64 = 24 * 366 * 2;
/// A disk that was low is no longer when it has this many times the reserve: it must not go to and fro.
const AGAIN: u64 = 2;

/// Goes on until it is dropped.
pub(super) async fn run(app: App, keeper: Keeper) {
    tokio::join!(
        each(SECOND, || async {
            if let Err(error) = app.audit.flush_all().await {
                tracing::error!(%error, "the audit log could not be written");
            }
        }),
        each(SECOND, || async {
            note_stored(&app, &keeper);
            note_disk(&app).await;
        }),
        each(MEASURE_EVERY, || async {
            app.sessions.measure(None);
            app.metrics.tidy();
        }),
        write_usage(&app, &keeper),
        each(PRUNE_EVERY, || prune(&app)),
    );
}

/// Writes what is left when the server stops.
pub(super) async fn end(app: &App) {
    if let Err(error) = app.audit.flush_all().await {
        tracing::error!(%error, "the end of the audit log could not be written");
    }
    if let Err(error) = app.usage.flush().await {
        tracing::error!(%error, "what was used last could not be written");
    }
}

async fn each<F: Future<Output = ()>>(every: Duration, work: impl Fn() -> F) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work().await;
    }
}

fn note_stored(app: &App, keeper: &Keeper) {
    for (tenant, stored) in keeper.stored() {
        let stored = Stored { bytes: stored.bytes, uncollected: stored.uncollected };
        app.sessions.accounts().of(&tenant).set_stored(stored);
    }
}

async fn note_disk(app: &App) {
    let (dir, reserve) = (app.config.data.dir.clone(), app.config.data.reserve.0);
    let free = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&dir).map(|disk| disk.f_bavail * disk.f_frsize));
    let Ok(Ok(free)) = free.await else { return };
    metrics::gauge!(DISK_FREE).set(free as f64);
    let accounts = app.sessions.accounts();
    let was_low = accounts.is_disk_low();
    let low = free < if was_low { reserve.saturating_mul(AGAIN) } else { reserve };
    if low != was_low {
        accounts.set_disk_low(low);
        match low {
            true => tracing::error!(free, reserve, "the disk is nearly full: nothing new is begun"),
            false => tracing::info!(free, "the disk has space again"),
        }
    }
}

async fn write_usage(app: &App, keeper: &Keeper) {
    let mut since = Instant::now();
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        let seconds = since.elapsed().as_secs();
        since += Duration::from_secs(seconds);
        for (tenant, stored) in keeper.stored() {
            let bytes = stored.bytes.saturating_add(stored.uncollected);
            let amounts = Amounts { stored_byte_s: bytes.saturating_mul(seconds), ..Amounts::default() };
            if amounts != Amounts::default() {
                app.usage.add(&tenant, None, amounts);
            }
        }
        if let Err(error) = app.usage.flush().await {
            tracing::error!(%error, "what was used could not be written");
        }
    }
}

async fn prune(app: &App) {
    let now = Hour::of(Timestamp(SystemHost.realtime().0));
    let Ok(tenants) = app.registry.all_tenants().await else { return };
    for tenant in tenants {
        if let Err(error) = app.audit.prune(&tenant).await {
            tracing::warn!(%tenant, %error, "old parts of the audit log could not be forgotten");
        }
        if let Err(error) = app.usage.prune(&tenant, Hour(now.0.saturating_sub(USAGE_HOURS))).await {
            tracing::warn!(%tenant, %error, "old usage could not be forgotten");
        }
    }
}
