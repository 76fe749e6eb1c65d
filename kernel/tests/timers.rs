//! ITIMER_REAL: when it rings, what is left of it, and what keeps and loses it.

#[cfg(test)]
mod common;

use common::{Machine, Proc};
use std::sync::atomic::Ordering;
use std::time::Duration;
use warren_kernel::process::exec::ExecImage;
use warren_kernel::process::strings;
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::timer::{INTERVAL_MIN, Remaining};

const SECOND: Duration = Duration::from_secs(1);

fn set(process: Proc<'_>, value: Duration, interval: Duration) -> Remaining {
    process.now(|kernel, call| kernel.setitimer(call, value, interval)).expect("it runs")
}

fn left(process: Proc<'_>) -> Remaining {
    process.now(|kernel, call| kernel.getitimer(call)).expect("it runs")
}

fn rings(process: Proc<'_>) -> bool {
    process.now(|kernel, call| kernel.next_delivery(call.pid)).is_some_and(|delivery| {
        assert_eq!(delivery.signal, Signal::ALRM);
        process.now(|kernel, call| kernel.set_blocked(call, delivery.before)).expect("it runs");
        true
    })
}

fn catching(machine: &Machine) -> Proc<'_> {
    let process = machine.agent();
    let catch = Disposition::Catch { mask: SignalSet(0), flags: 0 };
    process.now(|kernel, call| kernel.sigaction(call, Signal::ALRM, catch)).expect("it can be caught");
    process
}

fn pass(machine: &Machine, time: Duration) {
    machine.host.monotonic.fetch_add(time.as_nanos() as u64, Ordering::SeqCst);
    machine.session.tick();
}

#[test]
fn it_rings_once_or_again_and_again() {
    let machine = Machine::new();
    let process = catching(&machine);
    assert_eq!(set(process, SECOND, Duration::ZERO), Remaining::default());
    assert_eq!(machine.driver.armed.lock().unwrap().len(), 1, "who drives the session was told");
    pass(&machine, SECOND - Duration::from_nanos(1));
    assert!(!rings(process));
    assert_eq!(left(process), Remaining { value: Duration::from_micros(1), interval: Duration::ZERO }, "not yet zero");
    pass(&machine, Duration::from_nanos(1));
    assert!(rings(process) && !rings(process));
    assert_eq!(left(process), Remaining::default());
    set(process, SECOND, 2 * SECOND);
    pass(&machine, SECOND);
    assert!(rings(process));
    pass(&machine, SECOND);
    assert_eq!((rings(process), left(process).value), (false, SECOND));
    pass(&machine, 100 * SECOND);
    assert!(rings(process) && !rings(process), "rings that were missed are one");
    assert_eq!(set(process, Duration::ZERO, SECOND).interval, 2 * SECOND, "cleared, and what it was");
    pass(&machine, 1000 * SECOND);
    assert!(!rings(process));
}

#[test]
fn a_tiny_interval_is_not_as_tiny() {
    let machine = Machine::new();
    let process = catching(&machine);
    set(process, Duration::from_nanos(1), Duration::from_nanos(1));
    pass(&machine, SECOND);
    assert!(rings(process));
    assert_eq!(machine.session.with(|kernel| kernel.next_deadline()), {
        let now = machine.session.with(|kernel| kernel.monotonic());
        Some(now + INTERVAL_MIN)
    });
}

#[test]
fn exec_keeps_it_children_and_the_dead_have_none() {
    let machine = Machine::new();
    let process = catching(&machine);
    set(process, SECOND, SECOND);
    let child = process.child();
    assert_eq!(left(child), Remaining::default());
    let image = ExecImage::Path(b"/bin/prog".as_slice().into());
    process.call(|kernel, call| kernel.exec(call, &image, strings(["prog"]), strings::<&str>([]), &[])).unwrap();
    assert_eq!(left(process).interval, SECOND);
    process.exit(0);
    assert_eq!(machine.session.with(|kernel| kernel.next_deadline()), None);
    pass(&machine, 5 * SECOND);
}
