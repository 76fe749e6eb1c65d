//! Job control: what stops, what continues, who is told, and what happens to those nobody could continue.

#[cfg(test)]
mod common;

use common::{Machine, Pending, Proc, reading};
use warren_kernel::id::{Pgid, Pid};
use warren_kernel::process::group::Target;
use warren_kernel::process::wait::{Change, Patience, Watch, Which};
use warren_kernel::process::{ExitStatus, State};
use warren_kernel::signal::{Disposition, SA_NOCLDSTOP, SA_NOCLDWAIT, Signal, SignalSet};
use warren_kernel::{CallError, Errno};

const BOTH: Watch = Watch { stopped: true, continued: true };

fn state(process: Proc<'_>) -> State {
    process.now(|kernel, call| kernel.process(call.pid).expect("it is there").state)
}

fn pending(process: Proc<'_>) -> SignalSet {
    process.now(|kernel, call| kernel.process(call.pid).expect("it is there").signals.pending)
}

fn on(process: Proc<'_>, signal: Signal, what: Disposition) {
    process.now(|kernel, call| kernel.sigaction(call, signal, what)).expect("it can be set");
}

fn own_group(process: Proc<'_>) {
    process.now(|kernel, call| kernel.setpgid(call, Pid(0), Pgid(0))).expect("it leads no session");
}

const fn catch(flags: u32) -> Disposition {
    Disposition::Catch { mask: SignalSet(0), flags }
}

#[test]
fn a_stopped_processs_call_goes_on_when_it_continues() {
    let machine = Machine::new();
    let parent = machine.agent();
    let child = parent.child();
    let (reader, writer) = child.pipe();
    let mut read = reading(child, reader, 5);
    assert!(read.poll().is_none());
    child.signal(Signal::STOP);
    assert_eq!(state(child), State::Stopped(Signal::STOP));
    assert!(read.poll().is_none());
    parent
        .machine
        .session
        .with(|kernel| {
            let open = kernel.process(child.pid).unwrap().descriptors.get(writer).unwrap().open;
            kernel.write_open(&mut warren_kernel::Call::new(Pid::INIT), open, None, &[b"hello"]).map_err(|_| ())
        })
        .unwrap();
    assert!(read.poll().is_none(), "bytes came, and it is stopped");
    assert!(reading(child, reader, 1).poll().is_none(), "nor does a new call begin");
    child.signal(Signal::CONT);
    assert_eq!(state(child), State::Running);
    assert_eq!(read.poll(), Some(Ok(b"hello".to_vec())));
}

#[test]
fn a_parent_learns_of_stop_and_continuation_once() {
    let machine = Machine::new();
    let parent = machine.agent();
    let child = parent.child();
    assert_eq!(parent.wait(Which::Any, BOTH, false), Ok(None));
    let mut waiting = Pending::new(
        machine
            .session
            .call(parent.pid, |kernel, call| kernel.waitpid(call, Which::Child(child.pid), BOTH, Patience::Forever)),
    );
    assert!(waiting.poll().is_none());
    child.signal(Signal::STOP);
    assert_eq!(waiting.poll(), Some(Ok(Some((child.pid, Change::Stopped(Signal::STOP))))));
    assert_eq!(parent.wait(Which::Any, BOTH, false), Ok(None), "once");
    child.signal(Signal::CONT);
    assert_eq!(parent.wait(Which::Any, Watch { stopped: true, continued: false }, false), Ok(None));
    assert_eq!(parent.wait(Which::Any, BOTH, false), Ok(Some((child.pid, Change::Continued))));
    child.signal(Signal::CONT);
    assert_eq!(parent.wait(Which::Any, BOTH, false), Ok(None), "it was not stopped");
    child.signal(Signal::STOP);
    child.exit(3);
    assert_eq!(parent.wait(Which::Any, BOTH, true), Ok(Some((child.pid, Change::Ended(ExitStatus::Exited(3))))));
    assert_eq!(Change::Stopped(Signal::TSTP).raw(), 0x147f);
    assert_eq!(Change::Continued.raw(), 0xffff);
}

#[test]
fn what_a_stopped_process_acts_on() {
    let machine = Machine::new();
    let child = machine.agent().child();
    child.signal(Signal::STOP);
    child.signal(Signal::TERM);
    assert_eq!(state(child), State::Stopped(Signal::STOP), "not before it continues");
    child.signal(Signal::CONT);
    let doom = |process: Proc<'_>| process.now(|kernel, call| kernel.process(call.pid).unwrap().doom.get());
    assert_eq!(doom(child), Some(Signal::TERM));
    let other = machine.agent().child();
    other.signal(Signal::STOP);
    let (reader, _) = other.pipe();
    let mut read = reading(other, reader, 1);
    assert!(read.poll().is_none());
    other.signal(Signal::KILL);
    assert_eq!(read.poll(), Some(Err(CallError::Doomed(Signal::KILL))), "KILL needs no CONT");
}

#[test]
fn a_runtime_that_can_handle_nothing_is_not_asked_again() {
    let machine = Machine::new();
    let process = machine.agent().child();
    let clear = || process.now(|kernel, call| kernel.process(call.pid).expect("it is there").doom.is_clear());
    let attended = || process.now(|kernel, call| kernel.attended(call.pid));
    assert!(clear());
    process.signal(Signal::STOP);
    attended();
    assert!(!clear(), "it is stopped still");
    process.signal(Signal::CONT);
    attended();
    assert!(clear());
    on(process, Signal::USR1, catch(0));
    process.signal(Signal::USR1);
    attended();
    assert!(!clear(), "there is something to handle, when it can");
}

#[test]
fn stop_and_continue_cancel_each_other_while_pending() {
    let machine = Machine::new();
    let process = machine.agent().child();
    on(process, Signal::CONT, catch(0));
    let block = |set| process.now(|kernel, call| kernel.set_blocked(call, SignalSet(set))).unwrap();
    block(u64::MAX);
    process.signal(Signal::TSTP);
    assert!(pending(process).contains(Signal::TSTP));
    process.signal(Signal::CONT);
    assert!(!pending(process).contains(Signal::TSTP) && pending(process).contains(Signal::CONT));
    process.signal(Signal::TTIN);
    assert!(!pending(process).contains(Signal::CONT) && pending(process).contains(Signal::TTIN));
    process.signal(Signal::STOP);
    assert_eq!(state(process), State::Stopped(Signal::STOP), "STOP cannot be blocked");
    process.signal(Signal::CONT);
    assert_eq!(state(process), State::Running, "even while CONT is blocked");
}

#[test]
fn a_caught_or_ignored_stop_signal_does_not_stop() {
    let machine = Machine::new();
    let leader = machine.agent();
    let process = leader.child();
    own_group(process);
    on(process, Signal::TSTP, catch(0));
    on(process, Signal::TTIN, Disposition::Ignore);
    process.signal(Signal::TSTP);
    process.signal(Signal::TTIN);
    assert_eq!(state(process), State::Running);
    let delivery = process.now(|kernel, call| kernel.next_delivery(call.pid)).unwrap();
    assert_eq!(delivery.signal, Signal::TSTP);
    process.signal(Signal::TTOU);
    assert_eq!(state(process), State::Stopped(Signal::TTOU));
}

#[test]
fn an_orphaned_group_is_not_stopped_by_the_terminals_signals() {
    let machine = Machine::new();
    let orphan = machine.agent();
    assert!(machine.session.with(|kernel| kernel.is_orphaned(orphan.pid.as_group())));
    for signal in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
        orphan.signal(signal);
        assert_eq!((state(orphan), pending(orphan)), (State::Running, SignalSet(0)), "{signal}");
    }
    orphan.signal(Signal::STOP);
    assert_eq!(state(orphan), State::Stopped(Signal::STOP));
}

#[test]
fn a_group_that_becomes_orphaned_with_stopped_members_is_hung_up() {
    let machine = Machine::new();
    let shell = machine.agent();
    let (job, idle) = (shell.child(), shell.child());
    let member = job.child();
    own_group(job);
    for process in [member, idle] {
        process
            .now(|kernel, call| {
                let group = if call.pid == idle.pid { idle.pid } else { job.pid };
                kernel.setpgid(call, Pid(0), group.as_group())
            })
            .unwrap();
    }
    on(job, Signal::HUP, catch(0));
    on(member, Signal::HUP, catch(0));
    job.signal(Signal::STOP);
    shell.exit(0);
    assert_eq!(state(job), State::Running, "continued");
    assert!(pending(job).contains(Signal::HUP) && pending(member).contains(Signal::HUP), "and hung up");
    let doom = idle.now(|kernel, call| kernel.process(call.pid).unwrap().doom.get());
    assert_eq!((doom, state(idle)), (None, State::Running), "a group without stopped members is left alone");
}

#[test]
fn sigchld_says_what_the_parent_asked_for() {
    let machine = Machine::new();
    let parent = machine.agent();
    on(parent, Signal::CHLD, catch(SA_NOCLDSTOP));
    let child = parent.child();
    child.signal(Signal::STOP);
    child.signal(Signal::CONT);
    assert_eq!(pending(parent), SignalSet(0));
    on(parent, Signal::CHLD, catch(0));
    child.signal(Signal::STOP);
    assert!(pending(parent).contains(Signal::CHLD));
    on(parent, Signal::CHLD, catch(SA_NOCLDWAIT));
    child.exit(0);
    assert_eq!(parent.wait(Which::Any, BOTH, false), Err(Errno::ECHILD), "no zombie");
}

#[test]
fn sigcont_may_go_to_anyone_of_the_session() {
    let machine = Machine::new();
    let root = machine.root();
    let child = root.child();
    child.become_user(1000);
    let kill = |target, signal| child.now(|kernel, call| kernel.kill(call, Target::Process(target), Some(signal)));
    assert_eq!(kill(root.pid, Signal::CONT), Ok(()));
    assert_eq!(kill(root.pid, Signal::TERM), Err(Errno::EPERM));
    assert_eq!(kill(machine.root().pid, Signal::CONT), Err(Errno::EPERM), "another session");
}
