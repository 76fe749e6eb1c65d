//! What a guest learns of the machine: the session's virtual one.

use crate::errno::io_error;
use crate::guest::Guest;
use crate::ops::environment::variable;
use crate::sys::Environment;
use deno_core::{OpState, ToV8, op2, v8};
use warren_kernel::Errno;
use warren_kernel::id::Pid;

/// Processors a session is told of: what runs at a time is its tenant's share.
const PROCESSORS: usize = 2;
/// Memory a session is told of.
const MEMORY: u64 = 4 << 30;

#[op2]
#[string]
pub fn op_exec_path() -> &'static str {
    crate::NODE_PATH
}

#[op2]
#[string]
pub fn op_hostname(state: &mut OpState) -> String {
    state.borrow::<Guest>().with(|kernel, _| kernel.hostname().to_owned())
}

#[op2]
#[string]
pub fn op_os_release() -> &'static str {
    "6.8.0"
}

#[op2(fast)]
pub fn op_os_uptime(state: &mut OpState) -> f64 {
    // In hundredths of a second, as Linux tells it; never 0.
    let hundredths = state.borrow::<Guest>().with(|kernel, _| kernel.uptime().as_millis() / 10);
    hundredths.max(1) as f64 / 100.0
}

#[op2]
pub fn op_loadavg() -> (f64, f64, f64) {
    (0.0, 0.0, 0.0)
}

#[derive(ToV8)]
pub struct Memory {
    pub total: u64,
    pub free: u64,
    pub available: u64,
    pub buffers: u64,
    pub cached: u64,
    pub swap_total: u64,
    pub swap_free: u64,
}

#[op2]
pub fn op_system_memory_info() -> Memory {
    let free = MEMORY / 2;
    Memory { total: MEMORY, free, available: free, buffers: 0, cached: 0, swap_total: 0, swap_free: 0 }
}

#[derive(ToV8)]
pub struct Interface {
    pub family: &'static str,
    pub name: &'static str,
    pub address: &'static str,
    pub netmask: &'static str,
    pub scopeid: Option<u32>,
    pub cidr: &'static str,
    pub mac: &'static str,
}

#[op2]
pub fn op_network_interfaces() -> Vec<Interface> {
    let v4 = Interface {
        family: "IPv4",
        name: "lo",
        address: "127.0.0.1",
        netmask: "255.0.0.0",
        scopeid: None,
        cidr: "127.0.0.1/8",
        mac: "00:00:00:00:00:00",
    };
    let v6 = Interface {
        family: "IPv6",
        name: "lo",
        address: "::1",
        netmask: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        scopeid: Some(0),
        cidr: "::1/128",
        mac: "00:00:00:00:00:00",
    };
    vec![v4, v6]
}

#[derive(ToV8)]
pub struct Times {
    pub user: u64,
    pub nice: u64,
    pub sys: u64,
    pub idle: u64,
    pub irq: u64,
}

#[derive(ToV8)]
pub struct Processor {
    pub model: &'static str,
    pub speed: u64,
    pub times: Times,
}

#[op2]
pub fn op_cpus() -> Vec<Processor> {
    let one = || Processor { model: "virtual", speed: 0, times: Times { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } };
    (0..PROCESSORS).map(|_| one()).collect()
}

#[op2]
#[string]
pub fn op_homedir(state: &mut OpState) -> Option<String> {
    variable(state.borrow::<Environment>(), "HOME")
}

#[derive(ToV8)]
pub struct User {
    pub username: String,
    pub homedir: String,
    pub shell: Option<String>,
}

#[op2]
pub fn op_node_os_user_info(state: &mut OpState, #[smi] _uid: u32) -> User {
    let environment = state.borrow::<Environment>();
    User {
        username: variable(environment, "USER").unwrap_or_else(|| "agent".to_owned()),
        homedir: variable(environment, "HOME").unwrap_or_else(|| "/".to_owned()),
        shell: variable(environment, "SHELL").or_else(|| Some("/bin/sh".to_owned())),
    }
}

/// Every process has the same priority; of one that is not there it is `ESRCH`.
fn priority(state: &OpState, pid: i32) -> Result<i32, std::io::Error> {
    let guest = state.borrow::<Guest>();
    let found = guest.with(|kernel, call| {
        let pid = if pid == 0 { Ok(call.pid) } else { u32::try_from(pid).map(Pid).map_err(|_| Errno::ESRCH) };
        pid.and_then(|pid| kernel.process(pid).map(|_| ()))
    });
    found.map(|()| 0).map_err(|_| io_error(Errno::ESRCH))
}

#[op2(fast)]
#[smi]
pub fn op_node_os_get_priority(state: &mut OpState, #[smi] pid: i32) -> Result<i32, std::io::Error> {
    priority(state, pid)
}

/// It stays as it is: what else is asked for is refused.
#[op2(fast)]
pub fn op_node_os_set_priority(state: &mut OpState, #[smi] pid: i32, #[smi] wanted: i32) -> Result<(), std::io::Error> {
    let is = priority(state, pid)?;
    if wanted == is { Ok(()) } else { Err(io_error(Errno::EACCES)) }
}

/// Milliseconds of the system's and of its own.
#[op2(fast)]
pub fn op_runtime_cpu_usage(state: &mut OpState, #[buffer] out: &mut [f64]) {
    let guest = state.borrow::<Guest>();
    let used = guest.with(|kernel, call| kernel.process(call.pid).map(|process| process.cpu)).unwrap_or_default();
    if let [system, user, ..] = out {
        (*system, *user) = (0.0, used.as_secs_f64() * 1e6);
    }
}

/// Of this isolate alone: what it holds counts as what is resident.
#[op2(fast)]
pub fn op_runtime_memory_usage(scope: &mut v8::PinScope<'_, '_>, #[buffer] out: &mut [f64]) {
    let heap = scope.get_heap_statistics();
    if let [rss, total, used, external] = out {
        *external = heap.external_memory() as f64;
        *total = heap.total_heap_size() as f64;
        *used = heap.used_heap_size() as f64;
        *rss = *total + *external;
    }
}

#[op2(fast)]
pub fn op_node_process_resource_usage(state: &mut OpState, #[buffer] out: &mut [f64]) {
    let guest = state.borrow::<Guest>();
    let used = guest.with(|kernel, call| kernel.process(call.pid).map(|process| process.cpu)).unwrap_or_default();
    out.fill(0.0);
    if let Some(user) = out.first_mut() {
        *user = used.as_secs_f64() * 1e6;
    }
}

#[op2(fast)]
#[number]
pub fn op_node_process_constrained_memory() -> u64 {
    MEMORY
}
