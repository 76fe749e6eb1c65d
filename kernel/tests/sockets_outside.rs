//! Connections to the outside, with a way out whose far ends the test holds.

#[cfg(test)]
mod common;

use common::network::{END, inet};
use common::{Machine, Proc, block_on, template};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use warren_kernel::event::What;
use warren_kernel::id::Fd;
use warren_kernel::limits::Limits;
use warren_kernel::policy::{Domain, Effect, Policy, Rule};
use warren_kernel::poll::PollEvents;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::socket::egress::{Egress, FarEnd, Outbound, Unreached};
use warren_kernel::socket::{BUFFER_BYTES, Family, Host, Shutdown, SocketOption};
use warren_kernel::{CallError, Errno, Kernel};

/// Keeps what it is to carry until the test takes it.
#[derive(Default)]
struct World {
    dialled: Mutex<VecDeque<Outbound>>,
}

impl Egress for World {
    fn resolve(&self, name: &str) -> Result<Arc<[IpAddr]>, Unreached> {
        match name {
            "two.example" => Ok(Arc::from([ip("2001:db8::1"), ip("192.0.2.1"), ip("192.0.2.2")])),
            "six.example" => Ok(Arc::from([ip("2001:db8::6")])),
            "inner.example" => Err(Unreached::Refused("it is not public".into())),
            _ => Err(Errno::ENOENT.into()),
        }
    }

    fn carry(&self, outbound: Outbound) {
        self.dialled.lock().expect("no test panics with it").push_back(outbound);
    }
}

impl World {
    fn next(&self) -> Outbound {
        self.dialled.lock().expect("no test panics with it").pop_front().expect("something was dialled")
    }

    fn is_quiet(&self) -> bool {
        self.dialled.lock().expect("no test panics with it").is_empty()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

fn machine_with(limits: Limits, policy: Policy) -> (Machine, Arc<World>) {
    let world = Arc::new(World::default());
    let template = template(limits, policy);
    let machine = Machine::behind(template.clone(), Some(world.clone()), |world| Kernel::new(world, template));
    (machine, world)
}

fn machine() -> (Machine, Arc<World>) {
    machine_with(Limits::default(), Policy::with_way_out())
}

/// A connection to 192.0.2.1:80.
fn connection(process: &Proc<'_>, world: &World) -> (Fd, FarEnd) {
    let near = process.tcp();
    process.nonblock(near);
    assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Err(Errno::EINPROGRESS));
    let far = world.next().end;
    far.connected(at("192.0.2.1:80")).expect("it is wanted");
    assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Ok(()));
    (near, far)
}

fn received(far: &FarEnd, want: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    block_on(far.receive(want, &mut bytes)).map(|_| bytes)
}

/// Nothing is left of any connection, and no call waits.
fn is_clean(machine: &Machine) {
    let usage = machine.usage();
    assert_eq!((usage.sockets, usage.outbound, usage.socket_bytes, usage.waiting_calls), (0, 0, 0, 0));
}

#[test]
fn a_waiting_connect_ends_when_the_connection_is_there() {
    let (machine, world) = machine();
    let process = machine.agent();
    let near = process.tcp();
    let mut connecting = process.connecting(near, &inet("192.0.2.1", 80));
    assert!(connecting.poll().is_none());
    let Outbound { pid, host, names, addresses, port, end } = world.next();
    assert_eq!((pid, host.to_string(), port), (process.pid, "192.0.2.1".to_owned(), 80));
    assert_eq!((names.len(), addresses), (0, vec![ip("192.0.2.1")]));
    assert_eq!(process.peer(near), Err(Errno::ENOTCONN));
    assert!(!process.ready(near).contains(PollEvents::OUT));
    assert!(connecting.poll().is_none(), "nobody said anything");
    assert_eq!(end.connected(at("192.0.2.1:80")), Ok(()));
    assert!(matches!(connecting.poll(), Some(Ok(()))));
    assert_eq!(process.peer(near), Ok("192.0.2.1:80".to_owned()));
    assert!(process.name(near).starts_with("10.0.2.15:"));
    assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Err(Errno::EISCONN));
    assert_eq!(process.send(near, b"ping"), Ok(4));
    assert_eq!(received(&end, 100), Ok(b"ping".to_vec()));
    assert_eq!(block_on(end.send_all(b"pong")), Ok(()));
    assert_eq!(process.receive(near, 100), Ok(b"pong".to_vec()));
    process.close(near).unwrap();
    assert!(end.is_closed());
    drop(end);
    is_clean(&machine);
}

#[test]
fn one_that_does_not_wait_learns_by_poll_and_so_error() {
    let (machine, world) = machine();
    let process = machine.agent();
    for (errno, refused) in [(Errno::ECONNREFUSED, false), (Errno::ETIMEDOUT, false), (Errno::EACCES, true)] {
        let near = process.tcp();
        process.nonblock(near);
        assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Err(Errno::EINPROGRESS));
        assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Err(Errno::EALREADY));
        assert_eq!(process.ready(near), PollEvents::empty());
        let end = world.next().end;
        if refused {
            end.refused("no rule")
        } else {
            end.failed(errno)
        }
        assert!(process.ready(near).contains(PollEvents::OUT | PollEvents::ERR));
        assert_eq!(process.error(near), Some(errno));
        assert_eq!(process.error(near), None, "it is told once");
        // It may be tried again, and the first attempt's end has nothing to say to the second.
        assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Err(Errno::EINPROGRESS));
        let end = world.next().end;
        assert_eq!(end.connected(at("192.0.2.1:80")), Ok(()));
        assert_eq!(process.ready(near), PollEvents::OUT | PollEvents::WRNORM);
        assert_eq!(process.error(near), None);
        process.close(near).unwrap();
    }
    is_clean(&machine);
    let told = What::Refused { subject: "192.0.2.1:80".to_owned(), reason: "no rule".to_owned(), skipped: 0 };
    assert_eq!(machine.events(), [told]);
}

#[test]
fn a_waiting_connect_gets_the_errno() {
    let (machine, world) = machine();
    let process = machine.agent();
    for errno in [Errno::ECONNREFUSED, Errno::EHOSTUNREACH, Errno::ETIMEDOUT] {
        let near = process.tcp();
        let mut connecting = process.connecting(near, &inet("192.0.2.1", 80));
        assert!(connecting.poll().is_none());
        world.next().end.failed(errno);
        assert!(matches!(connecting.poll(), Some(Err(CallError::Failed(found))) if found == errno));
        process.close(near).unwrap();
    }
    // Whoever lets the far end go without a word has given up.
    let near = process.tcp();
    let mut connecting = process.connecting(near, &inet("192.0.2.1", 80));
    assert!(connecting.poll().is_none());
    drop(world.next());
    assert!(matches!(connecting.poll(), Some(Err(CallError::Failed(Errno::ECONNABORTED)))));
    process.close(near).unwrap();
    drop(connecting);
    is_clean(&machine);
}

#[test]
fn an_end_that_was_dropped_late_does_not_touch_the_next_attempt() {
    let (machine, world) = machine();
    let process = machine.agent();
    let near = process.tcp();
    process.nonblock(near);
    assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Err(Errno::EINPROGRESS));
    let first = world.next().end;
    assert_eq!(process.shutdown(near, Shutdown::Both), Ok(()), "the attempt is taken back");
    assert!(first.is_closed());
    assert_eq!(first.connected(at("192.0.2.1:80")), Err(Errno::ECONNABORTED));
    assert_eq!(process.connect(near, &inet("192.0.2.2", 80)), Err(Errno::EINPROGRESS));
    let second = world.next().end;
    assert_eq!(second.connected(at("192.0.2.2:80")), Ok(()));
    drop(first);
    assert_eq!(process.send(near, b"x"), Ok(1));
    assert_eq!(received(&second, 10), Ok(b"x".to_vec()));
    process.close(near).unwrap();
    drop(second);
    is_clean(&machine);
}

#[test]
fn either_side_may_end_its_half_first() {
    let (machine, world) = machine();
    let process = machine.agent();
    let (near, far) = connection(&process, &world);
    assert_eq!(process.send(near, b"question"), Ok(8));
    assert_eq!(process.shutdown(near, Shutdown::Write), Ok(()));
    assert_eq!(received(&far, 100), Ok(b"question".to_vec()));
    assert_eq!(received(&far, 100), Ok(END));
    assert!(!far.is_closed(), "it still listens");
    assert_eq!(block_on(far.send_all(b"answer")), Ok(()));
    far.finish();
    assert_eq!(process.receive(near, 100), Ok(b"answer".to_vec()));
    assert_eq!(process.receive(near, 100), Ok(END));
    drop(far);
    assert_eq!(process.error(near), None, "it ended well");
    process.close(near).unwrap();

    let (near, far) = connection(&process, &world);
    far.finish();
    assert!(process.ready(near).contains(PollEvents::IN | PollEvents::RDHUP | PollEvents::OUT));
    assert_eq!(process.receive(near, 100), Ok(END));
    assert_eq!(process.send(near, b"late"), Ok(4));
    process.close(near).unwrap();
    assert_eq!(received(&far, 100), Ok(b"late".to_vec()), "what was sent before it was closed is not lost");
    assert_eq!(received(&far, 100), Ok(END));
    assert!(far.is_closed());
    drop(far);
    is_clean(&machine);
}

#[test]
fn a_connection_may_be_broken_off_by_either_side() {
    let (machine, world) = machine();
    let process = machine.agent();
    let (near, far) = connection(&process, &world);
    far.reset();
    assert_eq!(process.receive(near, 10), Err(Errno::ECONNRESET));
    process.close(near).unwrap();

    let (near, far) = connection(&process, &world);
    drop(far);
    assert_eq!(process.error(near), Some(Errno::ECONNRESET), "it was not finished");
    process.close(near).unwrap();

    let (near, far) = connection(&process, &world);
    process.option(near, SocketOption::Linger(Some(0)));
    process.close(near).unwrap();
    assert_eq!(received(&far, 10), Err(Errno::ECONNRESET));
    assert_eq!(block_on(far.send_all(b"x")), Err(Errno::EPIPE));
    drop(far);

    let (near, far) = connection(&process, &world);
    assert_eq!(block_on(far.send_all(b"never read")), Ok(()));
    process.close(near).unwrap();
    assert_eq!(received(&far, 10), Err(Errno::ECONNRESET));
    drop(far);
    is_clean(&machine);
}

#[test]
fn a_killed_process_closes_what_it_had() {
    let (machine, world) = machine();
    let process = machine.agent();
    let (_, open) = connection(&process, &world);
    let near = process.tcp();
    let mut connecting = process.connecting(near, &inet("192.0.2.9", 80));
    assert!(connecting.poll().is_none());
    let making = world.next().end;
    machine.session.with(|kernel| kernel.signal_process(process.pid, Signal::KILL));
    assert!(matches!(connecting.poll(), Some(Err(CallError::Doomed(_)))));
    drop(connecting);
    assert!(!making.is_closed(), "its runtime has yet to end it");
    machine.session.with(|kernel| kernel.exit(process.pid, ExitStatus::Signaled(Signal::KILL)));
    block_on(open.closed());
    block_on(making.closed());
    assert_eq!(making.connected(at("192.0.2.9:80")), Err(Errno::ECONNABORTED));
    drop((open, making));
    is_clean(&machine);
}

#[test]
fn a_signal_ends_the_wait_and_the_attempt_goes_on() {
    let (machine, world) = machine();
    let process = machine.agent();
    let catch = Disposition::Catch { mask: SignalSet::default(), flags: 0 };
    process.now(|kernel, call| kernel.sigaction(call, Signal::USR1, catch)).unwrap();
    let near = process.tcp();
    let mut connecting = process.connecting(near, &inet("192.0.2.1", 80));
    assert!(connecting.poll().is_none());
    machine.session.with(|kernel| kernel.signal_process(process.pid, Signal::USR1));
    assert!(matches!(connecting.poll(), Some(Err(CallError::Interrupted { .. }))));
    drop(connecting);
    let far = world.next().end;
    assert_eq!(far.connected(at("192.0.2.1:80")), Ok(()));
    assert_eq!(process.send(near, b"x"), Ok(1));
    assert!(world.is_quiet(), "it was dialled once");
}

#[test]
fn both_ways_wait_when_nobody_takes() {
    let (machine, world) = machine();
    let process = machine.agent();
    let (near, far) = connection(&process, &world);
    let block = vec![7; BUFFER_BYTES * 2];
    assert_eq!(process.send(near, &block), Ok(BUFFER_BYTES));
    assert_eq!(process.send(near, &block), Err(Errno::EAGAIN));
    assert!(!process.ready(near).contains(PollEvents::OUT));
    assert_eq!(received(&far, BUFFER_BYTES).map(|bytes| bytes.len()), Ok(BUFFER_BYTES));
    assert!(process.ready(near).contains(PollEvents::OUT));

    let mut sending = common::Pending::new(async { Ok(far.send_all(&block).await) });
    assert!(sending.poll().is_none());
    assert!(machine.usage().socket_bytes <= 2 * BUFFER_BYTES as u64);
    assert_eq!(process.receive(near, block.len()).map(|bytes| bytes.len()), Ok(BUFFER_BYTES));
    assert!(matches!(sending.poll(), Some(Ok(Ok(())))), "the rest has room now");
    assert_eq!(process.receive(near, block.len()).map(|bytes| bytes.len()), Ok(BUFFER_BYTES));
}

#[test]
fn a_name_is_dialled_with_all_its_addresses_of_the_family() {
    let (machine, world) = machine();
    let process = machine.agent();
    let near = process.tcp();
    process.nonblock(near);
    assert_eq!(process.connect(near, &inet("Two.example", 443)), Err(Errno::EINPROGRESS));
    let four = world.next();
    assert_eq!(
        (four.host, four.addresses),
        (Host::Name("two.example".to_owned()), vec![ip("192.0.2.1"), ip("192.0.2.2")])
    );
    assert_eq!(four.end.subject(), "two.example:443");
    assert_eq!(four.end.connected(at("192.0.2.2:443")), Ok(()));
    assert_eq!(process.peer(near), Ok("192.0.2.2:443".to_owned()), "the one that answered");

    let near = process.socket(Family::Inet6, common::network::STREAM);
    process.nonblock(near);
    assert_eq!(process.connect(near, &inet("two.example", 443)), Err(Errno::EINPROGRESS));
    let six = world.next();
    assert_eq!(six.addresses.len(), 3);
    assert_eq!(six.end.connected(at("192.0.2.1:443")), Ok(()));
    assert_eq!(process.peer(near), Ok("[::ffff:192.0.2.1]:443".to_owned()));
    assert_eq!(process.connect(process.tcp(), &inet("six.example", 443)), Err(Errno::EAFNOSUPPORT));
    assert_eq!(process.connect(process.tcp(), &inet("none.example", 443)), Err(Errno::ENOENT));
}

#[test]
fn an_address_that_was_looked_up_is_known_by_its_name() {
    let mut policy = Policy::session();
    policy.connect.rules.push(Rule { effect: Effect::Allow, pattern: "two.example:*".to_owned() });
    let (machine, world) = machine_with(Limits::default(), policy);
    let process = machine.agent();
    machine.root().put("/etc/hosts", b"192.0.2.77 two.example.\n192.0.2.77 two.example\n");
    let denied = |subject: &str| What::Denied { domain: Domain::Connect, subject: subject.to_owned() };
    // The session calls another address by that name: it counts as the address.
    assert_eq!(process.connect(process.tcp(), &inet("two.example", 443)), Err(Errno::EACCES));
    assert_eq!(machine.events(), [denied("192.0.2.77:443")]);
    machine.root().put("/etc/hosts", b"");
    assert_eq!(process.connect(process.tcp(), &inet("192.0.2.1", 443)), Err(Errno::EACCES), "not looked up yet");
    let host = Host::parse("two.example").expect("a name");
    process.call(|kernel, call| kernel.resolve(call, &host, "443")).expect("addresses");
    let near = process.tcp();
    process.nonblock(near);
    assert_eq!(process.connect(near, &inet("192.0.2.1", 443)), Err(Errno::EINPROGRESS));
    let dialled = world.next();
    assert_eq!(dialled.names.iter().map(|name| &**name).collect::<Vec<_>>(), ["two.example"]);
    assert_eq!(dialled.end.subject(), "two.example:443");
    assert_eq!(process.connect(process.tcp(), &inet("192.0.2.3", 443)), Err(Errno::EACCES));
    assert_eq!(machine.events().last(), Some(&denied("192.0.2.3:443")));
}

#[test]
fn what_the_way_out_refuses_is_told_and_not_without_end() {
    let (machine, _world) = machine();
    let process = machine.agent();
    assert_eq!(process.connect(process.tcp(), &inet("inner.example", 80)), Err(Errno::EACCES));
    let refused = |skipped| What::Refused {
        subject: "inner.example:80".to_owned(),
        reason: "it is not public".to_owned(),
        skipped,
    };
    assert_eq!(machine.events(), [refused(0)]);
    for port in 1..100 {
        assert_eq!(process.connect(process.tcp(), &inet("inner.example", port)), Err(Errno::EACCES));
    }
    assert_eq!(machine.events().len(), 32);
    machine.set_time(61_000_000_000);
    assert_eq!(process.connect(process.tcp(), &inet("inner.example", 80)), Err(Errno::EACCES));
    assert_eq!(machine.events().last(), Some(&refused(68)));
}

#[test]
fn datagrams_stay_inside() {
    let (machine, world) = machine();
    let process = machine.agent();
    let socket = process.udp();
    assert_eq!(process.send_to(socket, b"x", &inet("192.0.2.1", 53)), Err(Errno::ENETUNREACH));
    assert_eq!(process.connect(socket, &inet("two.example", 53)), Err(Errno::ENETUNREACH));
    assert!(world.is_quiet());
    assert!(matches!(&machine.events()[..], [What::Refused { subject, .. }, _] if subject == "192.0.2.1:53"));
}

#[test]
fn there_are_so_many_and_no_more() {
    let limits = Limits { outbound: 2, ..Limits::default() };
    let (machine, world) = machine_with(limits, Policy::with_way_out());
    let process = machine.agent();
    let (first, far) = connection(&process, &world);
    let (second, _other) = connection(&process, &world);
    let near = process.tcp();
    assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Err(Errno::ENOBUFS));
    assert_eq!(machine.limits_reached(), [("outbound".to_owned(), Errno::ENOBUFS)]);
    process.close(first).unwrap();
    assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Err(Errno::ENOBUFS), "its far end is still held");
    drop(far);
    process.nonblock(near);
    assert_eq!(process.connect(near, &inet("192.0.2.1", 80)), Err(Errno::EINPROGRESS));
    process.close(second).unwrap();
}

#[test]
fn what_cannot_leave_does_not() {
    let (machine, world) = machine();
    let process = machine.agent();
    assert_eq!(process.connect(process.tcp(), &inet("192.0.2.1", 0)), Err(Errno::ECONNREFUSED));
    let bound = process.tcp();
    process.bind(bound, &inet("127.0.0.1", 0)).unwrap();
    assert_eq!(process.connect(bound, &inet("192.0.2.1", 80)), Err(Errno::EINVAL));
    assert_eq!(process.connect(process.tcp(), &inet("2001:db8::1", 80)), Err(Errno::EAFNOSUPPORT));
    let any = process.tcp();
    process.bind(any, &inet("0.0.0.0", 4000)).unwrap();
    process.nonblock(any);
    assert_eq!(process.connect(any, &inet("192.0.2.1", 80)), Err(Errno::EINPROGRESS));
    assert_eq!(process.name(any), "10.0.2.15:4000");
    drop(world.next());
    assert!(world.is_quiet());
}

#[test]
fn the_table_of_connections_shows_one_end() {
    let (machine, world) = machine();
    let process = machine.agent();
    let (_near, _far) = connection(&process, &world);
    let table = process.text("/proc/net/tcp").unwrap();
    let lines: Vec<_> = table.lines().skip(1).collect();
    assert_eq!(lines.len(), 1, "{table}");
    assert!(lines[0].contains(" 010200C0:0050 01 "), "192.0.2.1:80, connected: {table}");
}

/// What a process, and whoever holds its far ends, may do next; the number says with which of several.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Connect(u8),
    Send(u8, u32),
    Receive(u8, u32),
    Shutdown(u8, u8),
    Close(u8),
    Connected(u8),
    Failed(u8),
    Refused(u8),
    Reset(u8),
    Finish(u8),
    Drop(u8),
    FarSend(u8, u32),
    FarReceive(u8, u32),
}

fn deed() -> impl Strategy<Value = Deed> {
    let size = 0..300_000_u32;
    prop_oneof![
        6 => any::<u8>().prop_map(Deed::Connect),
        3 => (any::<u8>(), size.clone()).prop_map(|(at, size)| Deed::Send(at, size)),
        3 => (any::<u8>(), size.clone()).prop_map(|(at, size)| Deed::Receive(at, size)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(at, how)| Deed::Shutdown(at, how)),
        2 => any::<u8>().prop_map(Deed::Close),
        6 => any::<u8>().prop_map(Deed::Connected),
        1 => any::<u8>().prop_map(Deed::Failed),
        1 => any::<u8>().prop_map(Deed::Refused),
        1 => any::<u8>().prop_map(Deed::Reset),
        2 => any::<u8>().prop_map(Deed::Finish),
        1 => any::<u8>().prop_map(Deed::Drop),
        3 => (any::<u8>(), size.clone()).prop_map(|(at, size)| Deed::FarSend(at, size)),
        3 => (any::<u8>(), size).prop_map(|(at, size)| Deed::FarReceive(at, size)),
    ]
}

/// Polled once: whether it had an answer. One that waits is taken back.
fn at_once<T: 'static>(future: impl Future<Output = Result<T, Errno>> + Send) -> bool {
    common::Pending::new(async { Ok(future.await.is_ok()) }).poll().is_some()
}

fn done(process: &Proc<'_>, world: &World, near: &mut Vec<Fd>, far: &mut Vec<FarEnd>, deed: Deed) {
    let pick = |at: u8, len: usize| (len > 0).then(|| usize::from(at) % len);
    let bytes = |size: u32| vec![1; size as usize];
    let to = at("192.0.2.1:80");
    match deed {
        Deed::Connect(at) => {
            // A new socket, or one that may have been connected before.
            let fd = match pick(at, near.len() + 1) {
                Some(at) if at < near.len() => near[at],
                _ => {
                    let fd = process.tcp();
                    process.nonblock(fd);
                    near.push(fd);
                    fd
                }
            };
            let _ = process.connect(fd, &inet("192.0.2.1", 80));
            far.extend(world.dialled.lock().expect("no test panics with it").drain(..).map(|outbound| outbound.end));
        }
        Deed::Send(at, size) => _ = pick(at, near.len()).map(|at| process.send(near[at], &bytes(size))),
        Deed::Receive(at, size) => _ = pick(at, near.len()).map(|at| process.receive(near[at], size as usize)),
        Deed::Shutdown(at, how) => {
            let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][usize::from(how % 3)];
            pick(at, near.len()).map(|at| process.shutdown(near[at], how));
        }
        Deed::Close(at) => _ = pick(at, near.len()).map(|at| process.close(near.swap_remove(at))),
        Deed::Connected(number) => _ = pick(number, far.len()).map(|it| far[it].connected(to)),
        Deed::Failed(at) => _ = pick(at, far.len()).map(|at| far.swap_remove(at).failed(Errno::ETIMEDOUT)),
        Deed::Refused(at) => _ = pick(at, far.len()).map(|at| far.swap_remove(at).refused("no rule")),
        Deed::Reset(at) => _ = pick(at, far.len()).map(|at| far.swap_remove(at).reset()),
        Deed::Finish(at) => _ = pick(at, far.len()).map(|at| far[at].finish()),
        Deed::Drop(at) => _ = pick(at, far.len()).map(|at| drop(far.swap_remove(at))),
        Deed::FarSend(at, size) => _ = pick(at, far.len()).map(|at| at_once(far[at].send_all(&bytes(size)))),
        Deed::FarReceive(at, size) => {
            pick(at, far.len()).map(|at| {
                let mut taken = Vec::new();
                at_once(async { far[at].receive(size as usize, &mut taken).await })
            });
        }
    }
}

proptest! {
    #![proptest_config(common::config(256))]

    /// Whatever both sides do, in whatever order: what is held stays within the limits, and nothing is left.
    #[test]
    fn any_order_of_deeds_leaves_nothing(deeds in proptest::collection::vec(deed(), 1..60)) {
        let limits = Limits { outbound: 6, sockets: 24, socket_bytes: 1 << 20, ..Limits::default() };
        let (machine, world) = machine_with(limits.clone(), Policy::with_way_out());
        let process = machine.agent();
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for deed in deeds {
            if near.len() == 12 && matches!(deed, Deed::Connect(_)) {
                continue;
            }
            done(&process, &world, &mut near, &mut far, deed);
            let usage = machine.usage();
            prop_assert!(usage.outbound as u64 <= limits.outbound && usage.outbound == far.len());
            prop_assert!(usage.socket_bytes <= limits.socket_bytes + 24 * 4096, "{usage:?}");
            for fd in &near {
                process.ready(*fd);
            }
        }
        far.clear();
        near.iter().for_each(|fd| process.close(*fd).expect("open"));
        is_clean(&machine);
    }
}
