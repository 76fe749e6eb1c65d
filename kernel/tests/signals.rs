//! Signals: who may send them, what is held back, what ends a process and wakes its waiting call.

#[cfg(test)]
mod common;

use common::{Machine, Pending, Proc, reading, spawn};
use std::time::Duration;
use warren_kernel::host::Monotonic;
use warren_kernel::id::{Pgid, Pid};
use warren_kernel::process::delivery::Delivery;
use warren_kernel::process::group::Target;
use warren_kernel::process::spawn::{Attributes, Spawn};
use warren_kernel::process::{Resource, ResourceLimit};
use warren_kernel::signal::{Disposition, SA_NODEFER, SA_RESETHAND, SA_RESTART, Signal, SignalSet};
use warren_kernel::{CallError, Errno};

fn kill(process: Proc<'_>, target: Target, signal: Option<Signal>) -> Result<(), Errno> {
    process.now(|kernel, call| kernel.kill(call, target, signal))
}

fn doom(process: Proc<'_>) -> Option<Signal> {
    process.now(|kernel, call| kernel.process(call.pid).expect("it is there").doom.get())
}

fn pending(process: Proc<'_>) -> SignalSet {
    process.now(|kernel, call| kernel.process(call.pid).expect("it is there").signals.pending)
}

fn set(signals: &[Signal]) -> SignalSet {
    signals.iter().fold(SignalSet::default(), |set, signal| set.with(*signal))
}

#[test]
fn a_waiting_call_of_a_killed_process_ends() {
    let machine = Machine::new();
    let (victim, killer) = (machine.agent(), machine.agent());
    let (reader, _) = victim.pipe();
    let mut read = reading(victim, reader, 1);
    assert!(read.poll().is_none());
    kill(killer, Target::Process(victim.pid), Some(Signal::TERM)).unwrap();
    assert_eq!(read.rings(), 1);
    assert_eq!(read.poll(), Some(Err(CallError::Doomed(Signal::TERM))));
    assert_eq!(machine.usage().waiting_calls, 0);
    let mut another = reading(victim, reader, 1);
    assert_eq!(another.poll(), Some(Err(CallError::Doomed(Signal::TERM))), "what would wait ends at once");
    kill(killer, Target::Process(victim.pid), Some(Signal::INT)).unwrap();
    assert_eq!(doom(victim), Some(Signal::TERM), "the first counts");
    kill(killer, Target::Process(victim.pid), Some(Signal::KILL)).unwrap();
    assert_eq!(doom(victim), Some(Signal::KILL), "but KILL always does");
}

#[test]
fn default_ignored_caught_and_blocked() {
    let machine = Machine::new();
    let process = machine.agent();
    let send = |signal| kill(process, Target::Process(process.pid), Some(signal)).unwrap();
    let action = |signal, what| process.now(|kernel, call| kernel.sigaction(call, signal, what));
    for signal in [Signal::CHLD, Signal::URG, Signal::WINCH, Signal::CONT, Signal::TSTP] {
        send(signal);
    }
    assert_eq!((doom(process), pending(process)), (None, set(&[])));
    action(Signal::INT, Disposition::Ignore).unwrap();
    send(Signal::INT);
    let catch = Disposition::Catch { mask: SignalSet::default(), flags: 0 };
    action(Signal::USR1, catch).unwrap();
    send(Signal::USR1);
    assert_eq!((doom(process), pending(process)), (None, set(&[Signal::USR1])));
    action(Signal::USR1, Disposition::Ignore).unwrap();
    assert_eq!(pending(process), set(&[]), "ignoring discards what is pending");
    let block = |signals| process.now(|kernel, call| kernel.set_blocked(call, signals)).unwrap();
    assert_eq!(block(SignalSet(u64::MAX)), set(&[]));
    send(Signal::TERM);
    assert_eq!((doom(process), pending(process)), (None, set(&[Signal::TERM])));
    let blocked = block(set(&[Signal::HUP]));
    assert!(!blocked.contains(Signal::KILL) && !blocked.contains(Signal::STOP) && blocked.contains(Signal::TERM));
    assert_eq!((doom(process), pending(process)), (Some(Signal::TERM), set(&[])), "unblocked is delivered");
    for signal in [Signal::KILL, Signal::STOP] {
        assert_eq!(action(signal, Disposition::Ignore), Err(Errno::EINVAL));
        assert_eq!(action(signal, catch), Err(Errno::EINVAL));
        assert_eq!(action(signal, Disposition::Default), Ok(()));
    }
}

#[test]
fn kill_cannot_be_blocked() {
    let machine = Machine::new();
    let process = machine.agent();
    process.now(|kernel, call| kernel.set_blocked(call, SignalSet(u64::MAX))).unwrap();
    kill(process, Target::Process(process.pid), Some(Signal::KILL)).unwrap();
    assert_eq!(doom(process), Some(Signal::KILL));
}

#[test]
fn a_caught_signal_ends_a_waiting_call_that_is_then_made_again_or_not() {
    let machine = Machine::new();
    let process = machine.agent();
    let (reader, writer) = process.pipe();
    process.now(|kernel, call| kernel.sigaction(call, Signal::ALRM, catch(SA_RESTART))).unwrap();
    let mut read = reading(process, reader, 1);
    assert!(read.poll().is_none());
    kill(process, Target::Process(process.pid), Some(Signal::ALRM)).unwrap();
    assert_eq!(read.rings(), 1);
    assert_eq!(read.poll(), Some(Err(CallError::Interrupted { restarts: true })));
    assert_eq!(machine.usage().waiting_calls, 0);
    let mut again = reading(process, reader, 1);
    assert_eq!(again.poll(), Some(Err(CallError::Interrupted { restarts: true })), "as long as it is not handled");
    let sleep = machine.session.call(process.pid, |kernel, _| kernel.sleep_until(Monotonic(u64::MAX)));
    assert_eq!(Pending::new(sleep).poll(), Some(Err(CallError::Interrupted { restarts: false })));
    assert_eq!(process.write(writer, b"x"), Ok(1), "what need not wait is not interrupted");
    assert_eq!(process.read(reader, 1), Ok(b"x".to_vec()));
    let delivery = take(process).expect("it is handled now");
    assert_eq!((delivery.signal, delivery.restarts), (Signal::ALRM, true));
    assert!(reading(process, reader, 1).poll().is_none(), "its own handler's time blocks it");
}

#[test]
fn handlers_run_in_order_with_their_masks() {
    let machine = Machine::new();
    let process = machine.agent();
    let action = |signal, what| process.now(|kernel, call| kernel.sigaction(call, signal, what)).unwrap();
    let blocked = || process.now(|kernel, call| kernel.process(call.pid).unwrap().signals.blocked);
    action(Signal::USR2, Disposition::Catch { mask: set(&[Signal::INT, Signal::KILL]), flags: 0 });
    action(Signal::USR1, catch(SA_NODEFER));
    action(Signal::SEGV, catch(SA_RESETHAND));
    process.now(|kernel, call| kernel.set_blocked(call, set(&[Signal::HUP]))).unwrap();
    for signal in [Signal::USR2, Signal::USR1, Signal::SEGV, Signal::USR1] {
        process.signal(signal);
    }
    let first = take(process).unwrap();
    assert_eq!((first.signal, first.before), (Signal::SEGV, set(&[Signal::HUP])), "a fault comes first");
    assert_eq!(blocked(), set(&[Signal::HUP, Signal::SEGV]));
    let second = take(process).unwrap();
    assert_eq!((second.signal, blocked()), (Signal::USR1, set(&[Signal::HUP, Signal::SEGV])), "not deferred");
    let third = take(process).unwrap();
    assert_eq!(third.signal, Signal::USR2);
    assert_eq!(blocked(), set(&[Signal::HUP, Signal::SEGV, Signal::INT, Signal::USR2]), "but never KILL");
    assert_eq!(take(process), None, "two of one kind are one");
    for delivery in [third, second, first] {
        process.now(|kernel, call| kernel.set_blocked(call, delivery.before)).unwrap();
    }
    assert_eq!(blocked(), set(&[Signal::HUP]));
    process.signal(Signal::SEGV);
    assert_eq!(doom(process), Some(Signal::SEGV), "SA_RESETHAND: the second time it is fatal");
}

#[test]
fn who_launched_may_spare_a_process_a_signals_default_and_it_alone() {
    let machine = Machine::new();
    let shell = Spawn {
        attributes: Attributes { shielded_signals: set(&[Signal::INT, Signal::KILL]), ..Attributes::default() },
        ..spawn("/bin/prog")
    };
    let shell = machine.agent().spawn(&shell).unwrap();
    let child = shell.child();
    shell.signal(Signal::INT);
    assert_eq!((doom(shell), pending(shell)), (None, set(&[])));
    child.signal(Signal::INT);
    assert_eq!(doom(child), Some(Signal::INT), "not inherited");
    shell.now(|kernel, call| kernel.sigaction(call, Signal::INT, catch(0))).unwrap();
    shell.signal(Signal::INT);
    assert_eq!(take(shell).map(|delivery| delivery.signal), Some(Signal::INT), "a handler runs even so");
    shell.signal(Signal::KILL);
    assert_eq!(doom(shell), Some(Signal::KILL), "nothing spares KILL");
}

#[test]
fn a_blocked_signal_stays_pending_even_if_it_is_ignored() {
    let machine = Machine::new();
    let process = machine.agent();
    process.now(|kernel, call| kernel.set_blocked(call, set(&[Signal::CHLD, Signal::USR1]))).unwrap();
    process.now(|kernel, call| kernel.sigaction(call, Signal::USR1, Disposition::Ignore)).unwrap();
    process.signal(Signal::CHLD);
    process.signal(Signal::USR1);
    process.signal(Signal::WINCH);
    assert_eq!(pending(process), set(&[Signal::CHLD, Signal::USR1]));
    process.now(|kernel, call| kernel.sigaction(call, Signal::CHLD, catch(0))).unwrap();
    process.now(|kernel, call| kernel.set_blocked(call, set(&[]))).unwrap();
    assert_eq!(pending(process), set(&[Signal::CHLD]));
    assert_eq!(take(process).map(|delivery| delivery.signal), Some(Signal::CHLD));
}

fn catch(flags: u32) -> Disposition {
    Disposition::Catch { mask: SignalSet::default(), flags }
}

fn take(process: Proc<'_>) -> Option<Delivery> {
    process.now(|kernel, call| kernel.next_delivery(call.pid))
}

#[test]
fn whom_one_may_signal() {
    let machine = Machine::new();
    let (agent, same, stranger, root) = (machine.agent(), machine.agent(), machine.user(7), machine.root());
    let to = |process: Proc<'_>| Target::Process(process.pid);
    assert_eq!(kill(agent, to(same), None), Ok(()));
    assert_eq!(kill(agent, to(stranger), None), Err(Errno::EPERM));
    assert_eq!(kill(agent, to(root), Some(Signal::KILL)), Err(Errno::EPERM));
    assert_eq!(kill(root, to(agent), None), Ok(()));
    assert_eq!(kill(agent, Target::Process(Pid(999)), None), Err(Errno::ESRCH));
    assert_eq!(kill(agent, Target::Group(Pgid(999)), None), Err(Errno::ESRCH));
    assert_eq!(kill(root, Target::Process(Pid::INIT), Some(Signal::KILL)), Ok(()));
    assert_eq!(machine.session.with(|kernel| kernel.process(Pid::INIT).unwrap().doom.get()), None, "init takes none");
    assert_eq!(doom(agent), None, "asking sends nothing");
    same.exit(0);
    assert_eq!(kill(agent, to(same), Some(Signal::KILL)), Ok(()), "a zombie is there still");
}

#[test]
fn groups_and_everyone() {
    let machine = Machine::new();
    let (agent, stranger) = (machine.agent(), machine.user(7));
    let (one, two) = (agent.child(), agent.child());
    two.now(|kernel, call| kernel.setpgid(call, Pid(0), Pgid(0))).unwrap();
    kill(agent, Target::Group(two.pid.as_group()), Some(Signal::HUP)).unwrap();
    assert_eq!((doom(one), doom(two), doom(agent)), (None, Some(Signal::HUP), None));
    kill(one, Target::OwnGroup, Some(Signal::INT)).unwrap();
    assert_eq!((doom(one), doom(agent), doom(stranger)), (Some(Signal::INT), Some(Signal::INT), None));
    let third = machine.agent();
    let fourth = machine.agent();
    kill(third, Target::Everyone, Some(Signal::TERM)).unwrap();
    assert_eq!((doom(fourth), doom(third), doom(stranger)), (Some(Signal::TERM), None, None));
    kill(stranger, Target::Everyone, None).unwrap_err();
}

#[test]
fn an_operators_cpu_limit_cannot_be_ignored() {
    let machine = Machine::limited(|limits| limits.cpu_ms = 1500);
    let process = machine.agent();
    process.now(|kernel, call| {
        kernel.sigaction(call, Signal::XCPU, Disposition::Ignore).unwrap();
        kernel.set_blocked(call, SignalSet(u64::MAX)).unwrap();
        kernel.charge_cpu(call.pid, Duration::from_millis(1499));
    });
    assert_eq!(doom(process), None);
    process.now(|kernel, call| kernel.charge_cpu(call.pid, Duration::from_millis(1)));
    assert_eq!(doom(process), Some(Signal::XCPU));
    assert_eq!(machine.limits_reached(), [("cpu_ms".to_owned(), Errno::EAGAIN)]);
}

#[test]
fn a_processs_own_cpu_limit_is_a_signal() {
    let machine = Machine::new();
    let process = machine.agent();
    process.now(|kernel, call| {
        kernel.setrlimit(call, Resource::CPU, ResourceLimit { soft: 1, hard: 10 }).unwrap();
        kernel.charge_cpu(call.pid, Duration::from_millis(1000));
    });
    assert_eq!(doom(process), Some(Signal::XCPU));
}

#[test]
fn a_soft_cpu_limit_warns_each_second_and_the_hard_one_kills() {
    let machine = Machine::new();
    let process = machine.agent();
    process.now(|kernel, call| {
        kernel.setrlimit(call, Resource::CPU, ResourceLimit { soft: 1, hard: 3 }).unwrap();
        kernel.sigaction(call, Signal::XCPU, catch(0)).unwrap();
    });
    let charge = |millis| process.now(|kernel, call| kernel.charge_cpu(call.pid, Duration::from_millis(millis)));
    let warned = || {
        take(process).is_some_and(|delivery| {
            process.now(|kernel, call| kernel.set_blocked(call, delivery.before)).unwrap();
            delivery.signal == Signal::XCPU
        })
    };
    charge(999);
    assert!(!warned());
    charge(1);
    assert!(warned());
    charge(500);
    assert!(!warned(), "once a second");
    charge(500);
    assert!(warned());
    charge(1000);
    assert_eq!(doom(process), Some(Signal::KILL));
}

#[test]
fn a_file_too_long_is_a_signal_too() {
    let machine = Machine::new();
    let (ignoring, dying) = (machine.agent(), machine.agent());
    for process in [ignoring, dying] {
        process
            .now(|kernel, call| kernel.setrlimit(call, Resource::FSIZE, ResourceLimit::both(10)))
            .expect("it may be lowered");
    }
    ignoring.now(|kernel, call| kernel.sigaction(call, Signal::XFSZ, Disposition::Ignore)).unwrap();
    let fd = ignoring.open("f", common::NEW).unwrap();
    assert_eq!(ignoring.write(fd, b"12345678"), Ok(8));
    assert_eq!(ignoring.write(fd, b"12345678"), Ok(2));
    assert_eq!(ignoring.write(fd, b"x"), Err(Errno::EFBIG));
    assert_eq!(ignoring.set_len(fd, 11), Err(Errno::EFBIG));
    assert_eq!(doom(ignoring), None);
    let fd = dying.open("g", common::NEW).unwrap();
    assert_eq!(dying.set_len(fd, 11), Err(Errno::EFBIG));
    assert_eq!(doom(dying), Some(Signal::XFSZ));
    assert_eq!(machine.limits_reached()[0], ("file_size".to_owned(), Errno::EFBIG));
}

#[test]
fn limits_are_lowered_by_all_and_raised_by_root() {
    let machine = Machine::limited(|limits| limits.descriptors = 100);
    let (agent, root) = (machine.agent(), machine.root());
    let set = |who: Proc<'_>, resource, soft, hard| {
        who.now(|kernel, call| kernel.setrlimit(call, resource, ResourceLimit { soft, hard }))
    };
    assert_eq!(set(agent, Resource::NOFILE, 50, 80), Ok(()));
    assert_eq!(set(agent, Resource::NOFILE, 80, 80), Ok(()));
    assert_eq!(set(agent, Resource::NOFILE, 81, 80), Err(Errno::EINVAL));
    assert_eq!(set(agent, Resource::NOFILE, 50, 81), Err(Errno::EPERM));
    assert_eq!(set(root, Resource::NOFILE, 50, 80), Ok(()));
    assert_eq!(set(root, Resource::NOFILE, 50, 100), Ok(()));
    assert_eq!(set(root, Resource::NOFILE, 50, 101), Err(Errno::EPERM), "not above what the operator gave");
    assert_eq!(set(root, Resource::CPU, 5, ResourceLimit::INFINITE), Ok(()));
    let child = root.child();
    let limit = child.now(|kernel, call| kernel.process(call.pid).unwrap().limit(Resource::NOFILE));
    assert_eq!((limit.soft, limit.hard), (50, 100), "inherited");
    assert!(Resource::new(10).is_none() && Resource::new(9).is_some());
}
