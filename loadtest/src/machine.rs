//! What this process used, and what it runs on: read from /proc, which has no seconds-wide rounding where it matters.

use crate::bed::Failure;
use std::fs::read_to_string;
use std::time::Duration;

/// Ticks a second in /proc/PID/stat: USER_HZ, the same on every architecture Rust's Linux targets have.
const USER_HZ: u64 = 100;

/// CPU time of this process, all threads.
pub(crate) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of children that were waited for, in ticks of 10 ms: callers let several run.
pub(crate) fn children_cpu_time() -> Result<Duration, Failure> {
    let stat = read_to_string("/proc/self/stat")?;
    // The command's name may have spaces; what follows its parenthesis has not. cutime and cstime are fields 16, 17.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let mut ticks = 0;
    for field in behind.split_whitespace().skip(13).take(2) {
        ticks += field.parse::<u64>()?;
    }
    Ok(Duration::from_millis(ticks * 1000 / USER_HZ))
}

/// Resident bytes of this process. Not VmRSS of /proc/self/status, which lags by pages counted per CPU.
pub(crate) fn resident_bytes() -> Result<u64, Failure> {
    resident_bytes_of("self")
}

/// The same of another process, by its number.
pub(crate) fn resident_bytes_of(pid: &str) -> Result<u64, Failure> {
    let rollup = read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("smaps_rollup has no Rss")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// How often threads of this process have begun to run again after they waited for something.
pub(crate) fn wake_ups() -> Result<u64, Failure> {
    let mut sum = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let status = read_to_string(thread?.path().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.ok_or("a thread's status has no voluntary_ctxt_switches")?.trim().parse::<u64>()?;
    }
    Ok(sum)
}

/// What the numbers were measured on.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Machine {
    pub cores: usize,
    pub cpu: String,
    pub kernel: String,
    /// Average of the last minute when the benchmarks began: more than about 0 means that others ran too.
    pub load: String,
    pub debug_assertions: bool,
}

impl Machine {
    pub(crate) fn look() -> Machine {
        let read = |path: &str| read_to_string(path).unwrap_or_default();
        let model = read("/proc/cpuinfo");
        let model = model.lines().find(|line| line.starts_with("model name"));
        Machine {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: model.and_then(|line| line.split_once(": ")).map_or("?", |(_, name)| name).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or("?").to_owned(),
            debug_assertions: cfg!(debug_assertions),
        }
    }
}
