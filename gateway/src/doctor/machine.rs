//! This machine: whether it has what the configuration promises.

use super::Report;
use super::folder::Holder;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::process::{Resource, getrlimit};
use std::time::{Duration, SystemTime};
use warren_config::Config;
use warren_kernel::limits::Limits;

/// Descriptors that a server needs beside those of its clients.
const OWN_DESCRIPTORS: u64 = 256;
/// Memory of a session that is awake and does nothing.
const IDLE_SESSION: u64 = 64 << 10;
/// Memory that should be left for what comes.
const MEMORY_MIN: u64 = 256 << 20;
/// Mappings that an engine with all its guests may need; what Linux gives unless it is told otherwise.
const MAPPINGS_MIN: u64 = 65_530;
/// How far the clock may be behind what was written last.
const BACKWARDS: Duration = Duration::from_secs(600);
/// When this was written, as seconds since 1970. No clock that is right says less.
const WRITTEN: Duration = Duration::from_secs(1_767_225_600);

pub(super) fn check(report: &mut Report, config: &Config, holder: Option<&Holder>) {
    descriptors(report, config, holder);
    memory(report, config);
    clock(report, config);
    kernel(report);
}

/// How many files a process may have open: softly, and at most. Of the server itself where it runs and may be asked.
pub(super) fn open_files(holder: Option<&Holder>) -> (u64, u64) {
    let of_the_server = holder.and_then(|holder| {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", holder.pid?)).ok()?;
        let mut words = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace();
        let number = |word: &str| if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() };
        Some((number(words.next()?)?, number(words.next()?)?))
    });
    of_the_server.unwrap_or_else(|| {
        let own = getrlimit(Resource::Nofile);
        (own.current.unwrap_or(u64::MAX), own.maximum.unwrap_or(u64::MAX))
    })
}

fn descriptors(report: &mut Report, config: &Config, holder: Option<&Holder>) {
    let (soft, hard) = open_files(holder);
    let server = &config.server;
    let wanted = (server.connections_max as u64).saturating_add(server.websockets_max as u64) + OWN_DESCRIPTORS;
    let whose = if holder.is_some() { "the server" } else { "a server started here" };
    if soft >= wanted {
        return report.ok("descriptors", format!("{whose} may have {soft} files open, and wants {wanted}"));
    }
    let what = format!(
        "{whose} may have {soft} files open ({hard} at most): too few for server.connections_max = {} and \
         server.websockets_max = {}",
        server.connections_max, server.websockets_max
    );
    let mend =
        format!("`ulimit -n {wanted}` before `warren serve`, LimitNOFILE={wanted} in its unit, or smaller numbers");
    report.warning("descriptors", what, mend);
}

/// Bytes of memory that processes here can have together: the machine's, or what a control group leaves of them.
pub(super) fn memory_bytes() -> Option<(u64, &'static str)> {
    let machine = meminfo("MemTotal:").map(|bytes| (bytes, "the machine"));
    let group =
        control_group("memory.max").and_then(|text| text.parse().ok()).map(|bytes| (bytes, "the control group"));
    [machine, group].into_iter().flatten().min_by_key(|(bytes, _)| *bytes)
}

/// A file of this process's control group (version 2), or of the nearest above it that says something.
pub(super) fn control_group(file: &str) -> Option<String> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?.trim_start_matches('/').to_owned();
    let root = std::path::Path::new("/sys/fs/cgroup");
    let full = root.join(path);
    full.ancestors().take_while(|above| above.starts_with(root)).find_map(|folder| {
        let text = std::fs::read_to_string(folder.join(file)).ok()?;
        let text = text.trim();
        (!text.is_empty() && text != "max" && !text.starts_with("max ")).then(|| text.to_owned())
    })
}

fn meminfo(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib: u64 = text.lines().find_map(|line| line.strip_prefix(field))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

fn memory(report: &mut Report, config: &Config) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let Some((has, whose)) = memory_bytes() else {
        return report.warning("memory", "/proc/meminfo cannot be read", "mount /proc");
    };
    let mut limits = Limits::default();
    for (name, value) in &config.limits {
        let _ = limits.set(name, value.0);
    }
    let mut fine = true;
    let of_one = limits.get("memory_bytes").unwrap_or(0);
    if of_one > has {
        fine = false;
        let what = format!("{whose} has {} MiB; one session may take {} MiB", has >> 20, of_one >> 20);
        report.warning("memory", what, "set a smaller limits.memory_bytes, or quotas.memory_bytes for each tenant");
    }
    let idle = (config.sessions.awake_max as u64).saturating_mul(IDLE_SESSION);
    if idle > has {
        fine = false;
        let awake = config.sessions.awake_max;
        let what = format!("{awake} idle sessions take about {} MiB, {whose} has {}", idle >> 20, has >> 20);
        report.warning("memory", what, "set a smaller sessions.awake_max");
    }
    if let Some(left) = meminfo("MemAvailable:").filter(|left| *left < MEMORY_MIN) {
        fine = false;
        report.warning("memory", format!("only {} MiB are available now", left >> 20), "end what takes the rest");
    }
    if fine {
        report.ok("memory", format!("{} MiB, {cores} processors", has >> 20));
    }
}

fn clock(report: &mut Report, config: &Config) {
    let now = SystemTime::now();
    let mend = "set the clock, and keep it by NTP (`timedatectl set-ntp true`)";
    if now < SystemTime::UNIX_EPOCH + WRITTEN {
        let says = humantime::format_rfc3339_seconds(now.max(SystemTime::UNIX_EPOCH));
        return report.error(
            "clock",
            format!("the clock says {says}, which is past: keys do not expire as they should"),
            mend,
        );
    }
    // What was written last was written by a clock too.
    let folders = [config.data.dir.clone(), config.data.dir.join("journal")];
    let written = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
    let last = written.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max();
    match last.and_then(|last| last.duration_since(now).ok()).filter(|ahead| *ahead > BACKWARDS) {
        Some(ahead) => {
            let ahead = humantime::format_duration(Duration::from_secs(ahead.as_secs()));
            report.error(
                "clock",
                format!("the clock is {ahead} behind what was written in the data folder last"),
                mend,
            );
        }
        None => report.ok("clock", format!("{}", humantime::format_rfc3339_seconds(now))),
    }
}

fn kernel(report: &mut Report) {
    let number = |path: &str| std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let mut fine = true;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Err(error) = rustix::fs::openat2(CWD, ".", flags, Mode::empty(), resolve) {
        fine = false;
        let mend = "a Linux of 5.6 or later, and a sandbox that lets openat2() through";
        report.warning("kernel", format!("openat2(): {error}; folders of this machine cannot be mounted"), mend);
    }
    if let Some(most) = getrlimit(Resource::As).current {
        fine = false;
        let what =
            format!("a process may have {} MiB of addresses; guests are laid out in a space of many GiB", most >> 20);
        report.warning("kernel", what, "`ulimit -v unlimited` before `warren serve`");
    }
    if number("/proc/sys/vm/overcommit_memory") == Some(2) {
        fine = false;
        let what = "vm.overcommit_memory is 2: the space that guests are laid out in counts as if it were used";
        report.warning("kernel", what, "sysctl vm.overcommit_memory=0");
    }
    if let Some(most) = number("/proc/sys/vm/max_map_count").filter(|most| *most < MAPPINGS_MIN) {
        fine = false;
        let what = format!("vm.max_map_count is {most}: too few for many guests at once");
        report.warning("kernel", what, format!("sysctl vm.max_map_count={MAPPINGS_MIN}"));
    }
    if fine {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        report.ok("kernel", format!("Linux {} has what is used", release.trim()));
    }
}
