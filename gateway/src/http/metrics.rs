//! `GET /metrics`: the figures of the node, for Prometheus. They are those of all tenants together.

use super::App;
use super::openapi::As;
use crate::metrics::{BEGUN, CPU, DESCRIPTORS, DESCRIPTORS_MAX, DISK_RESERVE, RESIDENT, TASKS, TASKS_QUEUED, THREADS};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use metrics::gauge;
use rustix::process::{Resource, getrlimit};
use std::path::Path;
use tokio::runtime::Handle;

/// Prometheus' text exposition format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`.
pub(crate) async fn get(State(app): State<App>) -> As<&'static str> {
    gauge!(DISK_RESERVE).set(app.config.data.reserve.0 as f64);
    of_executor("clients", &Handle::current());
    of_executor("guests", &app.guests);
    let rendered = tokio::task::spawn_blocking(move || {
        of_process();
        app.metrics.render()
    });
    ([(CONTENT_TYPE, MEDIA_TYPE)], rendered.await.unwrap_or_default()).into_response().into()
}

fn of_executor(name: &'static str, handle: &Handle) {
    let metrics = handle.metrics();
    gauge!(TASKS, "executor" => name).set(metrics.num_alive_tasks() as f64);
    gauge!(TASKS_QUEUED, "executor" => name).set(metrics.global_queue_depth() as f64);
}

/// What the system says of the process. What it does not say is left as it was.
fn of_process() {
    if let Some(most) = getrlimit(Resource::Nofile).current {
        gauge!(DESCRIPTORS_MAX).set(most as f64);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // One of them is the look itself.
        gauge!(DESCRIPTORS).set(open.count().saturating_sub(1) as f64);
    }
    let Some(stat) = Stat::read(Path::new("/proc/self/stat")) else { return };
    gauge!(CPU).set(stat.cpu_ticks as f64 / ticks_per_second());
    gauge!(RESIDENT).set(stat.resident_pages as f64 * rustix::param::page_size() as f64);
    gauge!(THREADS).set(stat.threads as f64);
    if let Some(boot) = boot_time() {
        gauge!(BEGUN).set(boot + stat.begun_ticks as f64 / ticks_per_second());
    }
}

/// Some fields of proc_pid_stat(5).
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    begun_ticks: u64,
    resident_pages: u64,
}

impl Stat {
    fn read(path: &Path) -> Option<Stat> {
        let text = std::fs::read_to_string(path).ok()?;
        // The name of the program may have anything in it, but the last parenthesis is the end of it.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Stat {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            begun_ticks: field(22)?,
            resident_pages: field(24)?,
        })
    }
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

fn boot_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
