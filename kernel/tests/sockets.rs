//! TCP inside the session: who meets whom, what is said, how it ends.

#[cfg(test)]
mod common;

use common::network::{END, STREAM, inet};
use common::{Machine, Proc};
use std::time::Duration;
use warren_kernel::event::What;
use warren_kernel::host::Monotonic;
use warren_kernel::id::Fd;
use warren_kernel::policy::{Domain, Policy};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::signal::{Disposition, Signal};
use warren_kernel::socket::{BUFFER_BYTES, Family, MessageFlags, Shutdown, SocketOption};
use warren_kernel::{Errno, Kernel};

const IN: PollEvents = PollEvents::IN.union(PollEvents::RDNORM);
const OUT: PollEvents = PollEvents::OUT.union(PollEvents::WRNORM);

fn nothing_left(machine: &Machine) {
    let usage = machine.usage();
    assert_eq!(
        (usage.sockets, usage.socket_bytes, usage.rights_in_flight, usage.waiting_calls, usage.open_files),
        (0, 0, 0, 0, 0),
        "{usage:?}"
    );
}

#[test]
fn an_echo_over_loopback() {
    let machine = Machine::new();
    let process = machine.agent();
    let server = process.tcp();
    assert_eq!(process.bind(server, &inet("127.0.0.1", 8080)), Ok(()));
    assert_eq!(process.listen(server, 5), Ok(()));
    let mut accept = process.accepting(server);
    assert!(accept.poll().is_none(), "nobody came yet");
    let client = process.tcp();
    assert_eq!(process.connect(client, &inet("localhost", 8080)), Ok(()));
    assert_eq!(accept.rings(), 1);
    let Some(Ok(accepted)) = accept.poll() else { panic!("somebody came") };
    assert_eq!(process.name(accepted), "127.0.0.1:8080");
    assert_eq!(process.peer(accepted), Ok(process.name(client)));
    assert_eq!(process.peer(client).as_deref(), Ok("127.0.0.1:8080"));
    assert!(process.port(client) >= 32_768);
    let mut read = process.receiving(accepted, 100);
    assert!(read.poll().is_none());
    assert_eq!(process.write(client, b"hello"), Ok(5));
    assert_eq!(read.poll(), Some(Ok(b"hello".to_vec())));
    assert_eq!(process.send(accepted, b"and back"), Ok(8));
    assert_eq!(process.read(client, 3).as_deref(), Ok(&b"and"[..]));
    assert_eq!(process.receive(client, 100).as_deref(), Ok(&b" back"[..]));
    for fd in [client, accepted, server] {
        process.close(fd).unwrap();
    }
    nothing_left(&machine);
}

#[test]
fn ipv6_and_its_wildcard_take_each_other_and_ipv4() {
    let machine = Machine::new();
    let process = machine.agent();
    let server = process.socket(Family::Inet6, STREAM);
    assert_eq!(process.name(server), "[::]:0");
    process.bind(server, &inet("::", 7000)).unwrap();
    process.listen(server, 9).unwrap();
    for (family, to, from) in [
        (Family::Inet6, "::1", "[::1]:"),
        (Family::Inet6, "::", "[::1]:"),
        (Family::Inet, "127.0.0.1", "[::ffff:127.0.0.1]:"),
        (Family::Inet, "0.0.0.0", "[::ffff:127.0.0.1]:"),
        (Family::Inet6, "::ffff:127.0.0.1", "[::ffff:127.0.0.1]:"),
    ] {
        let client = process.socket(family, STREAM);
        assert_eq!(process.connect(client, &inet(to, 7000)), Ok(()), "{to}");
        let (accepted, peer) = process.accept_named(server).unwrap();
        assert!(common::network::shown(&peer).starts_with(from), "{peer:?} is not {from}");
        assert!(process.name(accepted).ends_with(":7000"));
    }
    let four = process.tcp();
    assert_eq!(process.connect(four, &inet("::1", 7000)), Err(Errno::EAFNOSUPPORT));
}

#[test]
fn nobody_listens() {
    let machine = Machine::new();
    let process = machine.agent();
    let client = process.tcp();
    assert_eq!(process.connect(client, &inet("127.0.0.1", 1)), Err(Errno::ECONNREFUSED));
    let bound = process.tcp();
    process.bind(bound, &inet("127.0.0.1", 5000)).unwrap();
    assert_eq!(process.connect(client, &inet("127.0.0.1", 5000)), Err(Errno::ECONNREFUSED), "bound is not listening");
    process.listen(bound, 0).unwrap();
    assert_eq!(process.connect(client, &inet("127.0.0.1", 5000)), Ok(()), "and it may be tried again");
    assert_eq!(process.connect(client, &inet("127.0.0.1", 5000)), Err(Errno::EISCONN));
    assert_eq!(process.connect(bound, &inet("127.0.0.1", 5000)), Err(Errno::EISCONN), "it listens");
    assert_eq!(process.connect(client, &common::network::path("/tmp/x")), Err(Errno::EAFNOSUPPORT));
    assert_eq!(process.connect(Fd(99), &inet("127.0.0.1", 1)), Err(Errno::EBADF));
    let (pipe, _) = process.pipe();
    assert_eq!(process.connect(pipe, &inet("127.0.0.1", 1)), Err(Errno::ENOTSOCK));
}

#[test]
fn the_outside_is_refused_and_noted() {
    let machine = Machine::new();
    let process = machine.agent();
    let client = process.tcp();
    for (host, subject) in [("93.184.216.34", "93.184.216.34:80"), ("Example.com.", "example.com:80")] {
        assert_eq!(process.connect(client, &inet(host, 80)), Err(Errno::EACCES));
        let denied = What::Denied { domain: Domain::Connect, subject: subject.to_owned() };
        assert_eq!(machine.events().last(), Some(&denied));
    }
    let mut policy = Policy::session();
    policy.connect.default = warren_kernel::policy::Effect::Allow;
    let machine = Machine::with(Default::default(), policy);
    let process = machine.agent();
    let client = process.tcp();
    assert_eq!(process.connect(client, &inet("93.184.216.34", 80)), Err(Errno::ENETUNREACH), "nothing carries it");
    let machine = Machine::with(
        Default::default(),
        Policy { connect: Policy::default().connect, listen: Policy::default().listen, ..Policy::session() },
    );
    let process = machine.agent();
    let client = process.tcp();
    assert_eq!(process.connect(client, &inet("127.0.0.1", 80)), Err(Errno::EACCES), "the inside is asked too");
    assert_eq!(process.bind(client, &inet("127.0.0.1", 8080)), Err(Errno::EACCES));
    assert_eq!(process.listen(client, 1), Err(Errno::EACCES));
}

#[test]
fn addresses_that_meet_are_in_use() {
    let machine = Machine::new();
    let process = machine.agent();
    let bind = |family, host: &str, port| {
        let fd = process.socket(family, STREAM);
        process.bind(fd, &inet(host, port)).map(|()| fd)
    };
    let first = bind(Family::Inet, "127.0.0.1", 9000).unwrap();
    assert_eq!(bind(Family::Inet, "127.0.0.1", 9000), Err(Errno::EADDRINUSE));
    assert_eq!(bind(Family::Inet, "0.0.0.0", 9000), Err(Errno::EADDRINUSE));
    assert_eq!(bind(Family::Inet6, "::", 9000), Err(Errno::EADDRINUSE));
    assert!(bind(Family::Inet6, "::1", 9000).is_ok());
    assert!(bind(Family::Inet, "127.0.0.2", 9000).is_ok());
    assert_eq!(process.bind(first, &inet("127.0.0.1", 9001)), Err(Errno::EINVAL), "it has a name");
    assert_eq!(bind(Family::Inet, "10.0.0.1", 80), Err(Errno::EADDRNOTAVAIL));
    assert_eq!(bind(Family::Inet, "127.0.0.1", 80), Err(Errno::EACCES));
    let root = machine.root();
    assert_eq!(root.bind(root.tcp(), &inet("127.0.0.1", 80)), Ok(()));
    process.close(first).unwrap();
    assert!(bind(Family::Inet, "127.0.0.1", 9000).is_ok(), "there is no TIME_WAIT");
}

#[test]
fn a_port_is_shared_by_those_who_say_so_until_one_listens() {
    let machine = Machine::new();
    let process = machine.agent();
    let shared = || {
        let fd = process.tcp();
        process.option(fd, SocketOption::ReuseAddress(true));
        process.bind(fd, &inet("127.0.0.1", 9000)).map(|()| fd)
    };
    let (first, second) = (shared().unwrap(), shared().unwrap());
    assert_eq!(process.bind(process.tcp(), &inet("127.0.0.1", 9000)), Err(Errno::EADDRINUSE));
    assert_eq!(process.listen(first, 0), Ok(()));
    assert_eq!(process.listen(second, 0), Err(Errno::EADDRINUSE));
    assert_eq!(shared(), Err(Errno::EADDRINUSE));
    assert_eq!(process.listen(first, 3), Ok(()), "again, with another backlog");
}

#[test]
fn a_full_backlog_holds_connections_back() {
    let machine = Machine::new();
    let process = machine.agent();
    let (listener, at) = process.listener(1);
    let (first, second, third) = (process.tcp(), process.tcp(), process.tcp());
    assert_eq!(process.connect(first, &at), Ok(()));
    assert_eq!(process.connect(second, &at), Ok(()), "one more than the backlog");
    let mut waits = process.connecting(third, &at);
    assert!(waits.poll().is_none());
    let later = process.tcp();
    process.nonblock(later);
    assert_eq!(process.connect(later, &at), Err(Errno::EINPROGRESS));
    assert_eq!(process.connect(later, &at), Err(Errno::EALREADY));
    assert_eq!(process.ready(later), PollEvents::empty());
    assert_eq!(process.send(later, b"x"), Err(Errno::EAGAIN));
    let accepted = process.accept(listener).unwrap();
    assert_eq!(process.peer(accepted), Ok(process.name(first)));
    assert_eq!(process.ready(later), OUT, "it came first");
    assert_eq!((process.error(later), process.connect(later, &at)), (None, Ok(())));
    assert_eq!(process.connect(later, &at), Err(Errno::EISCONN));
    assert!(waits.poll().is_none(), "full again");
    process.accept(listener).unwrap();
    assert_eq!(waits.poll(), Some(Ok(())));
}

#[test]
fn a_listener_that_goes_refuses_and_resets_who_waits() {
    let machine = Machine::new();
    let process = machine.agent();
    let (listener, at) = process.listener(0);
    let (queued, waits, later) = (process.tcp(), process.tcp(), process.tcp());
    process.connect(queued, &at).unwrap();
    let mut waiting = process.connecting(waits, &at);
    assert!(waiting.poll().is_none());
    process.nonblock(later);
    assert_eq!(process.connect(later, &at), Err(Errno::EINPROGRESS));
    process.close(listener).unwrap();
    assert_eq!(waiting.poll(), Some(Err(Errno::ECONNREFUSED.into())));
    assert!(process.ready(later).contains(PollEvents::ERR | PollEvents::HUP));
    assert_eq!(process.error(later), Some(Errno::ECONNREFUSED));
    assert_eq!(process.receive(queued, 1), Err(Errno::ECONNRESET));
    assert_eq!(process.receive(queued, 1), Ok(END));
    assert_eq!(process.peer(queued), Err(Errno::ENOTCONN));
    for fd in [queued, waits, later] {
        process.close(fd).unwrap();
    }
    nothing_left(&machine);
}

#[test]
fn a_half_that_ends_and_the_other_that_goes_on() {
    let machine = Machine::new();
    let process = machine.agent();
    let (client, server) = process.connection();
    let mut read = process.receiving(server, 10);
    assert!(read.poll().is_none());
    assert_eq!(process.shutdown(client, Shutdown::Write), Ok(()));
    assert_eq!(read.poll(), Some(Ok(END)));
    assert_eq!(process.ready(server), IN | OUT | PollEvents::RDHUP);
    assert_eq!(process.send(client, b"x"), Err(Errno::EPIPE));
    assert_eq!(process.send(server, b"still"), Ok(5));
    assert_eq!(process.receive(client, 10).as_deref(), Ok(&b"still"[..]));
    assert_eq!(process.shutdown(server, Shutdown::Both), Ok(()));
    assert_eq!(process.ready(server), IN | OUT | PollEvents::RDHUP | PollEvents::HUP);
    assert_eq!(process.receive(client, 10), Ok(END));
    assert_eq!(process.shutdown(process.tcp(), Shutdown::Both), Err(Errno::ENOTCONN));
}

#[test]
fn what_was_sent_is_read_after_the_sender_closed() {
    let machine = Machine::new();
    let process = machine.agent();
    let (client, server) = process.connection();
    process.send(client, b"last words").unwrap();
    process.close(client).unwrap();
    assert_eq!(process.receive(server, 4).as_deref(), Ok(&b"last"[..]));
    assert_eq!(process.receive(server, 100).as_deref(), Ok(&b" words"[..]));
    assert_eq!(process.receive(server, 100), Ok(END));
    assert_eq!(process.send(server, b"hello?"), Ok(6), "only sending finds out");
    assert_eq!(process.ready(server), IN | OUT | PollEvents::RDHUP | PollEvents::HUP | PollEvents::ERR);
    assert_eq!(process.send(server, b"hello?"), Err(Errno::EPIPE));
    assert_eq!(process.receive(server, 1), Ok(END));
}

#[test]
fn closing_with_bytes_unread_or_without_lingering_resets() {
    let machine = Machine::new();
    let process = machine.agent();
    let (client, server) = process.connection();
    process.send(client, b"never read").unwrap();
    process.send(server, b"read").unwrap();
    process.close(server).unwrap();
    assert_eq!(process.receive(client, 100).as_deref(), Ok(&b"read"[..]), "what is here is here");
    assert_eq!(process.receive(client, 100), Err(Errno::ECONNRESET));
    assert_eq!(process.receive(client, 100), Ok(END));
    assert_eq!(process.send(client, b"x"), Err(Errno::EPIPE));
    let (client, server) = process.connection();
    process.option(server, SocketOption::Linger(Some(0)));
    process.close(server).unwrap();
    assert_eq!(process.error(client), Some(Errno::ECONNRESET));
    let (client, server) = process.connection();
    process.option(server, SocketOption::Linger(Some(5)));
    process.close(server).unwrap();
    assert_eq!((process.error(client), process.receive(client, 1)), (None, Ok(END)));
}

#[test]
fn a_broken_stream_signals_its_writer_unless_told_not_to() {
    let machine = Machine::new();
    let process = machine.agent();
    let (client, _server) = process.connection();
    process.shutdown(client, Shutdown::Write).unwrap();
    assert_eq!(process.send_with(client, b"x", None, &[], MessageFlags::NOSIGNAL), Err(Errno::EPIPE));
    let doomed = |kernel: &mut Kernel, pid| kernel.process(pid).map(|process| process.doom.get());
    assert_eq!(process.now(|kernel, call| doomed(kernel, call.pid)), Ok(None));
    process.now(|kernel, call| kernel.sigaction(call, Signal::PIPE, Disposition::Ignore)).unwrap();
    assert_eq!(process.write(client, b"x"), Err(Errno::EPIPE));
    process.now(|kernel, call| kernel.sigaction(call, Signal::PIPE, Disposition::Default)).unwrap();
    let written = process.now(|kernel, call| {
        let mut call = warren_kernel::Call::new(call.pid);
        kernel.write(&mut call, client, &[b"x"]).map_err(|_| ())
    });
    assert_eq!(written, Err(()));
    assert_eq!(process.now(|kernel, call| doomed(kernel, call.pid)), Ok(Some(Signal::PIPE)));
}

#[test]
fn calls_on_what_is_not_connected() {
    let machine = Machine::new();
    let process = machine.agent();
    let (idle, (listener, _)) = (process.tcp(), process.listener(0));
    for fd in [idle, listener] {
        assert_eq!(process.receive(fd, 1), Err(Errno::ENOTCONN));
        assert_eq!(process.send(fd, b"x"), Err(Errno::EPIPE), "as Linux");
        assert_eq!(process.peer(fd), Err(Errno::ENOTCONN));
    }
    assert_eq!(process.accept(idle), Err(Errno::EINVAL));
    assert_eq!(process.ready(idle), OUT | PollEvents::HUP);
    assert_eq!(process.ready(listener), PollEvents::empty());
    process.nonblock(listener);
    assert_eq!(process.accept(listener), Err(Errno::EAGAIN));
    let (client, _server) = process.connection();
    assert_eq!(process.listen(client, 1), Err(Errno::EINVAL));
    assert_eq!(process.accept(process.udp()), Err(Errno::EOPNOTSUPP));
    assert_eq!(process.seek(client, 0, warren_kernel::seek::Whence::Set), Err(Errno::ESPIPE));
}

#[test]
fn a_full_stream_holds_the_sender_back() {
    let machine = Machine::new();
    let process = machine.agent();
    let (client, server) = process.connection();
    assert_eq!(process.send(client, &vec![7; BUFFER_BYTES + 9]), Ok(BUFFER_BYTES), "what there is room for");
    assert_eq!(process.ready(client), PollEvents::empty());
    let mut send = process.sending(client, b"more");
    assert!(send.poll().is_none());
    assert_eq!(process.send_with(client, b"x", None, &[], MessageFlags::DONTWAIT), Err(Errno::EAGAIN));
    assert_eq!(process.receive(server, 1).as_deref(), Ok(&[7][..]));
    assert_eq!(send.rings(), 1);
    assert_eq!(send.poll(), Some(Ok(1)), "one byte of room");
    let mut left = 0;
    while left < BUFFER_BYTES {
        left += process.receive(server, 1 << 20).unwrap().len();
    }
    assert!(machine.usage().socket_bytes <= 1024, "given back: {:?}", machine.usage());
    let mut send = process.sending(client, &vec![0; BUFFER_BYTES]);
    assert!(matches!(send.poll(), Some(Ok(BUFFER_BYTES))));
    let mut send = process.sending(client, b"x");
    assert!(send.poll().is_none());
    process.shutdown(client, Shutdown::Write).unwrap();
    assert!(send.poll().is_some(), "it does not wait for what cannot come");
}

#[test]
fn a_look_leaves_the_bytes_and_trunc_drops_them() {
    let machine = Machine::new();
    let process = machine.agent();
    let (client, server) = process.connection();
    process.send(client, b"abcdef").unwrap();
    assert_eq!(process.receive_flags(server, 3, MessageFlags::PEEK).unwrap().0, b"abc");
    assert_eq!(process.receive_flags(server, 0, MessageFlags::empty()).unwrap().0, b"");
    let (bytes, received) = process.receive_flags(server, 2, MessageFlags::TRUNC).unwrap();
    assert_eq!((bytes, received.count), (END, 2));
    assert_eq!(process.receive(server, 9).as_deref(), Ok(&b"cdef"[..]));
    assert_eq!(process.receive_flags(server, 3, MessageFlags::PEEK | MessageFlags::DONTWAIT), Err(Errno::EAGAIN));
}

#[test]
fn a_receive_timeout_ends_the_wait() {
    let machine = Machine::new();
    let process = machine.agent();
    let (client, _server) = process.connection();
    process.option(client, SocketOption::ReceiveTimeout(Some(Duration::from_millis(5))));
    machine.set_time(1_000_000);
    let mut read = process.receiving(client, 1);
    assert!(read.poll().is_none());
    assert_eq!(machine.session.with(|kernel| kernel.next_deadline()), Some(Monotonic(6_000_000)));
    machine.set_time(5_999_999);
    assert!(read.poll().is_none(), "not yet, and the time it began counts");
    machine.set_time(6_000_000);
    machine.session.tick();
    assert_eq!(read.poll(), Some(Err(Errno::EAGAIN.into())));
    process.option(client, SocketOption::ReceiveTimeout(None));
    let mut read = process.receiving(client, 1);
    assert!(read.poll().is_none());
    assert_eq!(machine.session.with(|kernel| kernel.next_deadline()), None);
}

#[test]
fn poll_waits_for_a_socket_and_wakes_no_other() {
    let machine = Machine::new();
    let process = machine.agent();
    let ((client, server), (other, _peer)) = (process.connection(), process.connection());
    let polling = |process: Proc<'_>, fd| {
        let mut fds = [PollFd { fd: Some(fd), events: PollEvents::IN, found: PollEvents::empty() }];
        common::Pending::new(machine.session.call(process.pid, move |kernel, call| {
            kernel.poll(call, &mut fds, None)?;
            Ok(fds[0].found)
        }))
    };
    let (mut one, mut two) = (polling(process, server), polling(process, other));
    assert!(one.poll().is_none() && two.poll().is_none());
    process.send(client, b"x").unwrap();
    assert_eq!((one.rings(), two.rings()), (1, 0));
    assert_eq!(one.poll(), Some(Ok(PollEvents::IN)));
}

#[test]
fn a_listener_whose_reading_ends_listens_no_more() {
    let machine = Machine::new();
    let process = machine.agent();
    let (listener, at) = process.listener(4);
    let mut accept = process.accepting(listener);
    assert!(accept.poll().is_none());
    assert_eq!(process.shutdown(listener, Shutdown::Write), Ok(()));
    assert!(accept.poll().is_none());
    assert_eq!(process.shutdown(listener, Shutdown::Read), Ok(()));
    assert_eq!(accept.poll(), Some(Err(Errno::EINVAL.into())));
    assert_eq!(process.connect(process.tcp(), &at), Err(Errno::ECONNREFUSED));
}

#[test]
fn sockets_are_counted_and_their_limit_is_noted() {
    let machine = Machine::limited(|limits| limits.sockets = 4);
    let process = machine.agent();
    let (_listener, at) = process.listener(u32::MAX);
    let (first, second) = (process.tcp(), process.tcp());
    assert_eq!(process.connect(first, &at), Ok(()));
    assert_eq!(process.connect(second, &at), Err(Errno::ENOBUFS), "the other end would be the fifth");
    let refused = process.now(|kernel, call| kernel.socket(call, Family::Inet, STREAM, Default::default()));
    assert_eq!(refused, Err(Errno::ENFILE));
    let limit = |errno| ("sockets".to_owned(), errno);
    assert_eq!(machine.limits_reached(), [limit(Errno::ENOBUFS), limit(Errno::ENFILE)]);
    process.exit(0);
    nothing_left(&machine);
}

#[test]
fn a_hundred_thousand_connections_nobody_accepts() {
    let machine = Machine::new();
    let process = machine.agent();
    let (_listener, at) = process.listener(u32::MAX);
    let mut connected = 0;
    for _ in 0..100_000 {
        let made = process.now(|kernel, call| kernel.socket(call, Family::Inet, STREAM, Default::default()));
        let Ok(client) = made else { continue };
        connected += usize::from(process.connect(client, &at).is_ok());
    }
    assert!((1..=512).contains(&connected), "{connected}");
    assert_eq!(machine.usage().sockets, 512);
    process.exit(0);
    nothing_left(&machine);
}

#[test]
fn streams_go_on_slowly_when_the_session_holds_too_much() {
    let machine = Machine::limited(|limits| limits.socket_bytes = 100_000);
    let process = machine.agent();
    let ((full, _peer), (client, server)) = (process.connection(), process.connection());
    assert!(process.send(full, &vec![1; BUFFER_BYTES]).unwrap() <= 100_000);
    assert_eq!(process.send_with(full, b"x", None, &[], MessageFlags::DONTWAIT), Err(Errno::EAGAIN));
    assert_eq!(machine.limits_reached(), [("socket_bytes".to_owned(), Errno::EAGAIN)]);
    for _ in 0..10 {
        assert_eq!(process.send(client, &vec![2; 10_000]), Ok(4096));
        let mut send = process.sending(client, &[3; 100]);
        assert!(send.poll().is_none());
        assert_eq!(process.receive(server, 10_000).map(|bytes| bytes.len()), Ok(4096));
        assert_eq!(send.poll(), Some(Ok(100)));
        assert_eq!(process.receive(server, 10_000).map(|bytes| bytes.len()), Ok(100));
    }
}

#[test]
fn descriptors_that_run_out_leave_the_connection() {
    let machine = Machine::limited(|limits| limits.descriptors = 2);
    let process = machine.agent();
    let (listener, at) = process.listener(0);
    let client = process.tcp();
    process.connect(client, &at).unwrap();
    assert_eq!(process.accept(listener), Err(Errno::EMFILE));
    process.close(client).unwrap();
    let accepted = process.accept(listener).unwrap();
    assert_eq!(process.receive(accepted, 1), Ok(END), "it came, and went");
}
