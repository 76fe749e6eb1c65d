//! Waiting: poll_oneoff, and deadlines for the rest of the ABI.

use crate::abi::cx::{Cx, FdRef, Stop};
use crate::memory;
use std::time::Duration;
use warren_kernel::host::Monotonic;
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::{Errno, Halt, Step};

type Done = Result<(), Stop>;

/// Where the fields of a subscription and an event are.
struct Layout {
    subscription: u32,
    clock_id: u32,
    timeout: u32,
    clock_flags: u32,
    fd: u32,
}

const PREVIEW1: Layout = Layout { subscription: 48, clock_id: 16, timeout: 24, clock_flags: 40, fd: 16 };
/// `wasi_unstable` has an identifier before the clock's id.
const UNSTABLE: Layout = Layout { subscription: 56, clock_id: 24, timeout: 32, clock_flags: 48, fd: 16 };
const EVENT: u32 = 32;

pub async fn poll_oneoff(cx: &mut Cx<'_>, subscriptions: u32, events: u32, count: u32, out: u32) -> Done {
    poll(cx, &PREVIEW1, subscriptions, events, count, out).await
}

pub async fn poll_oneoff_old(cx: &mut Cx<'_>, subscriptions: u32, events: u32, count: u32, out: u32) -> Done {
    poll(cx, &UNSTABLE, subscriptions, events, count, out).await
}

struct Subscription {
    userdata: u64,
    what: Subject,
}

enum Subject {
    Clock(Monotonic),
    Fd(PollFd, u8),
    /// A clock there is none of, or a descriptor number that is a preopened directory.
    Never(u8, Errno),
}

async fn poll(cx: &mut Cx<'_>, layout: &Layout, subscriptions: u32, events: u32, count: u32, out: u32) -> Done {
    if count == 0 || count > memory::VECTORS_MAX {
        return Err(Errno::EINVAL.into());
    }
    cx.check(&[(subscriptions, count * layout.subscription), (events, count * EVENT), (out, 4)])?;
    let mut list = Vec::with_capacity(count as usize);
    for index in 0..count {
        list.push(subscription(cx, layout, subscriptions + index * layout.subscription)?);
    }
    let deadline = list.iter().filter_map(|one| if let Subject::Clock(at) = one.what { Some(at) } else { None }).min();
    let immediate = list.iter().any(|one| matches!(one.what, Subject::Never(..)));
    let mut fds: Vec<PollFd> =
        list.iter().filter_map(|one| if let Subject::Fd(poll, _) = one.what { Some(poll) } else { None }).collect();
    let now = cx
        .call(|kernel, call, _| {
            let until = if immediate { Some(kernel.monotonic()) } else { deadline };
            kernel.poll(call, &mut fds, until)?;
            Ok(kernel.monotonic())
        })
        .await?;
    let mut found = 0;
    let mut answers = fds.iter();
    for one in &list {
        let (kind, errno, flags) = match &one.what {
            Subject::Clock(at) if *at <= now => (0, 0, 0),
            Subject::Clock(_) => continue,
            Subject::Never(kind, errno) => (*kind, crate::errno::wasi(*errno), 0),
            Subject::Fd(_, kind) => match answers.next().map(|poll| poll.found) {
                Some(ready) if ready.contains(PollEvents::NVAL) => (*kind, crate::errno::wasi(Errno::EBADF), 0),
                Some(ready) if !ready.is_empty() => {
                    (*kind, 0, u16::from(ready.intersects(PollEvents::HUP | PollEvents::ERR)))
                }
                _ => continue,
            },
        };
        let at = events + found * EVENT;
        let memory = cx.memory();
        memory::put(memory, at, &[0; EVENT as usize])?;
        memory::put_u64(memory, at, one.userdata)?;
        memory::put_u16(memory, at + 8, errno)?;
        memory::put(memory, at + 10, &[kind])?;
        // How many bytes is not known; one says there is something.
        memory::put_u64(memory, at + 16, u64::from(kind != 0 && errno == 0))?;
        memory::put_u16(memory, at + 24, flags)?;
        found += 1;
    }
    Ok(memory::put_u32(cx.memory(), out, found)?)
}

fn subscription(cx: &mut Cx<'_>, layout: &Layout, at: u32) -> Result<Subscription, Stop> {
    let memory = cx.memory();
    let userdata = memory::get_u64(memory, at)?;
    let kind = memory::slice(memory, at + 8, 1)?[0];
    let what = match kind {
        0 => {
            let clock = memory::get_u32(memory, at + layout.clock_id)?;
            let timeout = memory::get_u64(memory, at + layout.timeout)?;
            let absolute = memory::slice(memory, at + layout.clock_flags, 1)?[0] & 1 != 0;
            match cx.with(|kernel, _| due(kernel, clock, timeout, absolute)) {
                Some(due) => Subject::Clock(due),
                None => Subject::Never(kind, Errno::EINVAL),
            }
        }
        1 | 2 => {
            let number = memory::get_u32(memory, at + layout.fd)?;
            match cx.fd(number) {
                FdRef::Preopened(_) => Subject::Never(kind, Errno::EBADF),
                FdRef::Real(fd) => {
                    let events = if kind == 1 { PollEvents::IN } else { PollEvents::OUT };
                    Subject::Fd(PollFd { fd: Some(fd), events, found: PollEvents::empty() }, kind)
                }
            }
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(Subscription { userdata, what })
}

/// When a clock subscription is due, on the kernel's monotonic clock.
fn due(kernel: &warren_kernel::Kernel, clock: u32, timeout: u64, absolute: bool) -> Option<Monotonic> {
    let elapsed = match (clock, absolute) {
        (0 | 1, false) => 0,
        (0, true) => kernel.now().0.max(0) as u64,
        (1, true) => kernel.uptime().as_nanos() as u64,
        _ => return None,
    };
    Some(kernel.monotonic() + Duration::from_nanos(timeout.saturating_sub(elapsed)))
}

/// A deadline `delay` from now, fixed before a call that may be made several times.
pub(crate) fn deadline_in(cx: &mut Cx<'_>, delay: Duration) -> Monotonic {
    cx.with(|kernel, _| kernel.monotonic() + delay)
}

/// Waits until `deadline`.
pub(crate) async fn sleep_until(cx: &mut Cx<'_>, deadline: Monotonic) -> Done {
    cx.call(|kernel, _, _| -> Step<()> { kernel.sleep_until(deadline).map_err(|halt: Halt| halt) }).await
}
