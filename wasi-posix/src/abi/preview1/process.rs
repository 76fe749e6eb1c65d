//! Arguments, environment, clocks, randomness, exit.

use crate::abi::cx::{Cx, Never, Stop};
use crate::guest::End;
use crate::memory;
use warren_kernel::Errno;
use warren_kernel::process::Strings;
use warren_kernel::signal::Signal;

type Done = Result<(), Stop>;

/// Bytes random_get fills in one lock hold.
const RANDOM_CHUNK: usize = 64 * 1024;

pub async fn args_get(cx: &mut Cx<'_>, argv: u32, buf: u32) -> Done {
    let list = cx.guest().arguments.clone();
    put_strings(cx, &list, argv, buf)
}

pub async fn args_sizes_get(cx: &mut Cx<'_>, count: u32, size: u32) -> Done {
    let list = cx.guest().arguments.clone();
    put_sizes(cx, &list, count, size)
}

pub async fn environ_get(cx: &mut Cx<'_>, environ: u32, buf: u32) -> Done {
    let list = cx.guest().environment.clone();
    put_strings(cx, &list, environ, buf)
}

pub async fn environ_sizes_get(cx: &mut Cx<'_>, count: u32, size: u32) -> Done {
    let list = cx.guest().environment.clone();
    put_sizes(cx, &list, count, size)
}

fn put_sizes(cx: &mut Cx<'_>, list: &Strings, count: u32, size: u32) -> Done {
    cx.check(&[(count, 4), (size, 4)])?;
    memory::put_u32(cx.memory(), count, list.len() as u32)?;
    Ok(memory::put_u32(cx.memory(), size, bytes_of(list))?)
}

fn put_strings(cx: &mut Cx<'_>, list: &Strings, table: u32, buf: u32) -> Done {
    cx.check(&[(table, list.len() as u32 * 4), (buf, bytes_of(list))])?;
    let memory = cx.memory();
    let mut at = buf;
    for (index, item) in list.iter().enumerate() {
        memory::put_u32(memory, table + index as u32 * 4, at)?;
        memory::put(memory, at, item)?;
        memory::put(memory, at + item.len() as u32, &[0])?;
        at += item.len() as u32 + 1;
    }
    Ok(())
}

/// With a NUL behind each; bounded by the session's `argument_bytes`, which fits 32 bits many times.
fn bytes_of(list: &Strings) -> u32 {
    list.iter().map(|item| item.len() as u32 + 1).sum()
}

pub async fn clock_res_get(cx: &mut Cx<'_>, clock: u32, out: u32) -> Done {
    cx.check(&[(out, 8)])?;
    if clock > 3 {
        return Err(Errno::EINVAL.into());
    }
    Ok(memory::put_u64(cx.memory(), out, 1)?)
}

pub async fn clock_time_get(cx: &mut Cx<'_>, clock: u32, _precision: u64, out: u32) -> Done {
    cx.check(&[(out, 8)])?;
    let pid = cx.guest().pid;
    let time = match clock {
        0 => cx.with(|kernel, _| kernel.now().0 as u64),
        1 => cx.with(|kernel, _| kernel.uptime().as_nanos() as u64),
        // Process and thread CPU time: a guest has one thread. Charged at each tick, so as coarse as one.
        2 | 3 => cx.with(|kernel, _| kernel.process(pid).map_or(0, |process| process.cpu.as_nanos() as u64)),
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(memory::put_u64(cx.memory(), out, time)?)
}

pub async fn random_get(cx: &mut Cx<'_>, buf: u32, len: u32) -> Done {
    cx.check(&[(buf, len)])?;
    let mut at = buf as usize;
    let end = at + len as usize;
    while at < end {
        let stop = end.min(at + RANDOM_CHUNK);
        cx.call(|kernel, _, memory| {
            kernel.fill_random(&mut memory[at..stop]);
            Ok(())
        })
        .await?;
        at = stop;
    }
    Ok(())
}

pub async fn sched_yield(cx: &mut Cx<'_>) -> Done {
    cx.guest().turns.give_way().await;
    Ok(())
}

pub async fn proc_exit(_cx: &mut Cx<'_>, code: u32) -> Result<Never, Stop> {
    Err(Stop::End(End::Exited(code)))
}

pub async fn proc_raise(cx: &mut Cx<'_>, signal: u32) -> Done {
    // WASI's numbers: 0 is none, and up to SIGSYS (30) they are Linux's without the gap for SIGSTKFLT.
    let signal = match signal {
        0 => return Ok(()),
        1..=15 => Signal::new(signal),
        16..=30 => Signal::new(signal + 1),
        _ => Err(Errno::EINVAL),
    }?;
    cx.with(|kernel, call| kernel.signal_process(call.pid, signal));
    Ok(())
}
