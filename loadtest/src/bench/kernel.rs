//! System calls on files, made by one thread on one session: the kernel without guests.
//!
//! Each call takes and lets go of the session's lock, as each call of a guest does. They are made as the session's
//! user, so permissions are checked.

use super::Effort;
use crate::bed::{Bed, Failure, done};
use crate::measure::{Measured, Timer};
use std::time::{Duration, Instant};
use warren_kernel::id::{Fd, Pid};
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{Call, Kernel, Session, Step};

/// Files that exist at once.
const FILES: usize = 1000;
const BYTES: usize = 1024;
/// Calls on each file.
const CALLS: [&str; 9] = ["create", "write", "close", "open", "read", "close again", "stat", "rename", "unlink"];

pub(crate) fn file_ops(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let session = bed.session();
    let user = bed.node().template().user;
    session.with(|kernel| {
        kernel.set_credentials(&Call::new(Pid::INIT), |credentials| {
            *credentials = user;
            Ok(())
        })
    })?;
    let names: Vec<(Vec<u8>, Vec<u8>)> = (0..FILES)
        .map(|index| {
            (format!("/home/agent/file-{index}").into_bytes(), format!("/home/agent/moved-{index}").into_bytes())
        })
        .collect();
    bed.drive(async move {
        round(&session, &names, &mut Timer::begin()?)?;
        let mut timer = Timer::begin()?;
        let mut spent = [Duration::ZERO; CALLS.len()];
        let rounds = effort.pick(100, 3);
        for _ in 0..rounds {
            for (sum, took) in spent.iter_mut().zip(round(&session, &names, &mut timer)?) {
                *sum += took;
            }
        }
        let mut measured = timer.end();
        let rate = measured.operations as f64 / measured.wall_ms * 1e3;
        measured = measured.with("rate", "calls/s", rate);
        for (name, spent) in CALLS.into_iter().zip(spent) {
            measured = measured.with(name, "us", spent.as_secs_f64() * 1e6 / (rounds * FILES) as f64);
        }
        Ok(measured)
    })
}

/// Every call once on every file, and what each kind of call took.
fn round(
    session: &Session,
    names: &[(Vec<u8>, Vec<u8>)],
    timer: &mut Timer,
) -> Result<[Duration; CALLS.len()], Failure> {
    let mut spent = [Duration::ZERO; CALLS.len()];
    let bytes = [b'x'; BYTES];
    let mode = Mode::new(0o644);
    for (name, _) in names {
        let fd = one(session, timer, &mut spent[0], |kernel, call| {
            kernel.open(call, At::Root, name, OpenFlags::WRITE | OpenFlags::CREATE, mode)
        })?;
        one(session, timer, &mut spent[1], |kernel, call| kernel.write(call, fd, &[&bytes]))?;
        close(session, timer, &mut spent[2], fd)?;
    }
    for (name, _) in names {
        let fd = one(session, timer, &mut spent[3], |kernel, call| {
            kernel.open(call, At::Root, name, OpenFlags::READ, mode)
        })?;
        let mut buffer = Vec::with_capacity(BYTES);
        let put = &mut |part: &[u8]| buffer.extend_from_slice(part);
        let read = one(session, timer, &mut spent[4], |kernel, call| kernel.read(call, fd, BYTES, put))?;
        if read != BYTES {
            return Err(format!("read {read} of {BYTES} bytes").into());
        }
        close(session, timer, &mut spent[5], fd)?;
    }
    for (name, _) in names {
        one(session, timer, &mut spent[6], |kernel, call| kernel.stat(call, At::Root, name, true))?;
    }
    for (name, moved) in names {
        one(session, timer, &mut spent[7], |kernel, call| {
            kernel.rename(call, At::Root, name, At::Root, moved, Replace::Yes)
        })?;
    }
    for (_, moved) in names {
        one(session, timer, &mut spent[8], |kernel, call| kernel.unlink(call, At::Root, moved))?;
    }
    Ok(spent)
}

fn close(session: &Session, timer: &mut Timer, spent: &mut Duration, fd: Fd) -> Result<(), Failure> {
    one(session, timer, spent, |kernel, call| Ok(kernel.close(call, fd)?))
}

/// One call, timed.
fn one<T>(
    session: &Session,
    timer: &mut Timer,
    spent: &mut Duration,
    op: impl FnOnce(&mut Kernel, &mut Call) -> Step<T>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    let step = session.with(|kernel| op(kernel, &mut Call::new(Pid::INIT)));
    *spent += timer.record(begun);
    done(step)
}
