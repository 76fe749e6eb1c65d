//! Unix sockets: their names, streams, sequenced packets and datagrams.

#[cfg(test)]
mod common;

use common::network::{DATAGRAM, END, PACKET, STREAM, hidden, path};
use common::{Machine, Proc, R, W};
use warren_kernel::event::What;
use warren_kernel::id::Fd;
use warren_kernel::policy::{Domain, Effect, Policy, Rule};
use warren_kernel::poll::PollEvents;
use warren_kernel::socket::address::UNIX_PATH_MAX;
use warren_kernel::socket::send::UNIX_MESSAGE_MAX;
use warren_kernel::socket::{Address, Family, MessageFlags, Shutdown};
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Errno, socket::SocketKind};

/// A listener at a path, and its descriptor.
fn listening(process: &Proc<'_>, kind: SocketKind, at: &Address) -> Fd {
    let fd = process.unix(kind);
    process.bind(fd, at).expect("a name");
    process.listen(fd, 4).expect("it is bound");
    fd
}

#[test]
fn a_path_is_a_file_of_kind_socket() {
    let machine = Machine::new();
    let process = machine.agent();
    let server = process.unix(STREAM);
    assert_eq!(process.name(server), "unnamed");
    assert_eq!(process.listen(server, 1), Err(Errno::EINVAL), "there is no name of the kernel's choice");
    assert_eq!(process.bind(server, &path("sock")), Ok(()));
    let stat = process.stat("sock").unwrap();
    assert_eq!((stat.kind, stat.mode), (FileKind::Socket, Mode::new(0o755)), "by umask");
    assert_eq!(process.open("sock", R), Err(Errno::ENXIO));
    assert_eq!(process.bind(process.unix(STREAM), &path("sock")), Err(Errno::EADDRINUSE));
    assert_eq!(process.bind(server, &path("other")), Err(Errno::EINVAL));
    let client = process.unix(STREAM);
    assert_eq!(process.connect(client, &path("sock")), Err(Errno::ECONNREFUSED), "nobody listens yet");
    process.listen(server, 1).unwrap();
    assert_eq!(process.connect(client, &path("/home/agent/sock")), Ok(()));
    let (accepted, peer) = process.accept_named(server).unwrap();
    assert_eq!((common::network::shown(&peer).as_str(), process.peer(client).as_deref()), ("unnamed", Ok("sock")));
    assert_eq!(process.name(accepted), "sock");
    assert_eq!(process.write(client, b"hi"), Ok(2));
    assert_eq!(process.read(accepted, 9).as_deref(), Ok(&b"hi"[..]));
    process.rename("sock", "moved").unwrap();
    assert_eq!(process.connect(process.unix(STREAM), &path("moved")), Ok(()), "it is the file, not the path");
    process.unlink("moved").unwrap();
    assert_eq!(process.connect(process.unix(STREAM), &path("moved")), Err(Errno::ENOENT));
    let held = machine.usage().held_inodes;
    process.close(server).unwrap();
    assert_eq!(machine.usage().held_inodes, held - 1);
}

#[test]
fn a_path_without_its_socket_refuses() {
    let machine = Machine::new();
    let process = machine.agent();
    let server = listening(&process, STREAM, &path("sock"));
    process.close(server).unwrap();
    let client = process.unix(STREAM);
    assert_eq!(process.connect(client, &path("sock")), Err(Errno::ECONNREFUSED));
    process.put("plain", b"x");
    assert_eq!(process.connect(client, &path("plain")), Err(Errno::ECONNREFUSED));
    assert_eq!(process.connect(client, &path("none")), Err(Errno::ENOENT));
    assert_eq!(process.connect(client, &path("plain/x")), Err(Errno::ENOTDIR));
    assert_eq!(process.bind(client, &path("sock")), Err(Errno::EADDRINUSE), "the file stays");
    assert_eq!(process.bind(client, &path("none/x")), Err(Errno::ENOENT));
    assert_eq!(process.bind(client, &path(&"x".repeat(UNIX_PATH_MAX + 1))), Err(Errno::EINVAL));
    assert_eq!(process.bind(client, &path(&"x".repeat(UNIX_PATH_MAX))), Ok(()));
    assert_eq!(process.connect(client, &Address::Autobind), Err(Errno::EINVAL));
}

#[test]
fn a_path_follows_its_rights() {
    let machine = Machine::new();
    let (owner, other) = (machine.agent(), machine.user(2000));
    let _server = listening(&owner, STREAM, &path("/tmp/sock"));
    let client = other.unix(STREAM);
    assert_eq!(other.connect(client, &path("/tmp/sock")), Err(Errno::EACCES), "it may not be written");
    owner.chmod("/tmp/sock", 0o666).unwrap();
    assert_eq!(other.connect(client, &path("/tmp/sock")), Ok(()));
    assert_eq!(other.bind(other.unix(STREAM), &path("/home/agent/sock")), Err(Errno::EACCES));
    assert_eq!(other.bind(other.unix(STREAM), &path("/proc/sock")), Err(Errno::EACCES));
    machine.session.with(|kernel| {
        let mut call = warren_kernel::Call::new(warren_kernel::id::Pid::INIT);
        kernel.remount(&mut call, b"/", true).expect("root may");
    });
    assert_eq!(owner.bind(owner.unix(STREAM), &path("/tmp/late")), Err(Errno::EROFS));
}

#[test]
fn the_policy_is_asked_for_a_listener_by_its_real_path() {
    let mut policy = Policy::session();
    let deny = |pattern: &str| Rule { effect: Effect::Deny, pattern: pattern.to_owned() };
    policy.listen.rules = vec![deny("/home/agent/no*"), deny("@no*")];
    let machine = Machine::with(Default::default(), policy);
    let process = machine.agent();
    assert_eq!(process.bind(process.unix(STREAM), &path("./nothing")), Err(Errno::EACCES));
    let denied = What::Denied { domain: Domain::Listen, subject: "/home/agent/nothing".to_owned() };
    assert_eq!(machine.events(), [denied]);
    assert_eq!(process.stat("nothing").map(|_| ()), Err(Errno::ENOENT), "and nothing was made");
    assert_eq!(process.bind(process.unix(STREAM), &hidden("nothing")), Err(Errno::EACCES));
    assert_eq!(process.bind(process.unix(STREAM), &hidden("yes")), Ok(()));
}

#[test]
fn names_outside_the_file_system() {
    let machine = Machine::new();
    let process = machine.agent();
    let server = listening(&process, STREAM, &hidden("a\0b"));
    assert_eq!(process.name(server), "@a\0b");
    assert_eq!(process.bind(process.unix(STREAM), &hidden("a\0b")), Err(Errno::EADDRINUSE));
    assert_eq!(process.connect(process.unix(STREAM), &hidden("a\0b")), Ok(()));
    assert_eq!(process.connect(process.unix(STREAM), &hidden("a")), Err(Errno::ECONNREFUSED));
    process.close(server).unwrap();
    assert_eq!(process.bind(process.unix(STREAM), &hidden("a\0b")), Ok(()), "free again");
    let (first, second) = (process.unix(STREAM), process.unix(DATAGRAM));
    assert_eq!(process.bind(first, &Address::Autobind), Ok(()));
    assert_eq!(process.bind(second, &Address::Autobind), Ok(()));
    assert_eq!((process.name(first).as_str(), process.name(second).as_str()), ("@00000", "@00001"));
    assert_eq!(process.bind(process.unix(STREAM), &hidden(&"x".repeat(UNIX_PATH_MAX))), Err(Errno::EINVAL));
}

#[test]
fn a_full_queue_holds_back_or_says_again() {
    let machine = Machine::new();
    let process = machine.agent();
    let server = process.unix(STREAM);
    process.bind(server, &hidden("s")).unwrap();
    process.listen(server, 0).unwrap();
    let (first, second, third) = (process.unix(STREAM), process.unix(STREAM), process.unix(STREAM));
    assert_eq!(process.connect(first, &hidden("s")), Ok(()));
    process.nonblock(second);
    assert_eq!(process.connect(second, &hidden("s")), Err(Errno::EAGAIN));
    let mut waits = process.connecting(third, &hidden("s"));
    assert!(waits.poll().is_none());
    process.accept(server).unwrap();
    assert_eq!(waits.poll(), Some(Ok(())));
    assert_eq!(process.connect(third, &hidden("s")), Err(Errno::EISCONN));
    assert_eq!(process.connect(server, &hidden("s")), Err(Errno::EINVAL));
    assert_eq!(process.connect(process.unix(DATAGRAM), &hidden("s")), Err(Errno::EPROTOTYPE));
    assert_eq!(process.connect(process.unix(PACKET), &hidden("s")), Err(Errno::EPROTOTYPE));
    process.close(server).unwrap();
    assert_eq!(process.receive(third, 1), Err(Errno::ECONNRESET), "it was never accepted");
}

#[test]
fn a_pair_talks_and_parts() {
    let machine = Machine::new();
    let process = machine.agent();
    let (left, right) = process.pair(STREAM);
    assert_eq!(process.send(left, b"to the right"), Ok(12));
    assert_eq!(process.receive(right, 6).as_deref(), Ok(&b"to the"[..]));
    assert_eq!(process.peer(left).as_deref(), Ok("unnamed"));
    assert_eq!(process.send_to(left, b"x", &hidden("s")), Err(Errno::EISCONN));
    process.close(right).unwrap();
    assert_eq!(process.ready(left), PollEvents::all() - PollEvents::NVAL, "something was lost");
    assert_eq!(process.send(left, b"x"), Err(Errno::EPIPE));
    assert_eq!(process.receive(left, 1), Err(Errno::ECONNRESET));
    assert_eq!(process.receive(left, 1), Ok(END));
    process.close(left).unwrap();
    let (left, right) = process.pair(STREAM);
    process.send(right, b"bye").unwrap();
    process.close(right).unwrap();
    assert_eq!(process.receive(left, 9).as_deref(), Ok(&b"bye"[..]));
    assert_eq!(process.receive(left, 9), Ok(END));
    let idle = process.unix(STREAM);
    assert_eq!(process.send(idle, b"x"), Err(Errno::ENOTCONN));
    assert_eq!(process.send_to(idle, b"x", &hidden("s")), Err(Errno::EOPNOTSUPP));
    assert_eq!(process.receive(idle, 1), Err(Errno::EINVAL));
    process.exit(0);
    assert_eq!((machine.usage().sockets, machine.usage().socket_bytes), (0, 0));
}

#[test]
fn each_half_is_shut_for_both() {
    let machine = Machine::new();
    let process = machine.agent();
    let (left, right) = process.pair(STREAM);
    assert_eq!(process.shutdown(left, Shutdown::Read), Ok(()));
    assert_eq!(process.send(right, b"x"), Err(Errno::EPIPE), "nobody reads");
    assert_eq!(process.receive(left, 1), Ok(END));
    assert_eq!(process.send(left, b"x"), Ok(1));
    assert_eq!(process.shutdown(left, Shutdown::Write), Ok(()));
    assert_eq!(process.receive(right, 9).as_deref(), Ok(&b"x"[..]));
    assert_eq!(process.receive(right, 9), Ok(END));
    assert_eq!(process.shutdown(process.unix(STREAM), Shutdown::Both), Ok(()), "as Linux");
}

#[test]
fn packets_keep_their_borders_over_a_connection() {
    let machine = Machine::new();
    let process = machine.agent();
    let server = listening(&process, PACKET, &path("packets"));
    let client = process.unix(PACKET);
    assert_eq!(process.send(client, b"x"), Err(Errno::ENOTCONN));
    assert_eq!(process.receive(client, 1), Err(Errno::ENOTCONN));
    process.connect(client, &path("packets")).unwrap();
    let accepted = process.accept(server).unwrap();
    process.send(client, b"first").unwrap();
    process.send(client, b"second").unwrap();
    let (bytes, received) = process.receive_flags(accepted, 3, MessageFlags::empty()).unwrap();
    assert_eq!((bytes.as_slice(), received.count, received.whole, received.from), (&b"fir"[..], 3, 5, None));
    assert_eq!(process.receive(accepted, 99).as_deref(), Ok(&b"second"[..]));
    process.close(client).unwrap();
    assert_eq!(process.receive(accepted, 99), Ok(END));
    assert_eq!(process.send(accepted, b"x"), Err(Errno::EPIPE));
    let (left, right) = process.pair(PACKET);
    assert_eq!(process.send(left, b""), Ok(0), "an empty one is one");
    assert_eq!(process.receive(right, 9), Ok(END));
    let refused =
        process.now(|kernel, call| kernel.socket(call, Family::Inet, SocketKind::SequencedPacket, Default::default()));
    assert_eq!(refused, Err(Errno::EPROTONOSUPPORT));
}

#[test]
fn datagrams_have_senders_and_wait_for_room() {
    let machine = Machine::limited(|limits| limits.datagrams = 2);
    let process = machine.agent();
    let (server, client, nameless) = (process.unix(DATAGRAM), process.unix(DATAGRAM), process.unix(DATAGRAM));
    process.bind(server, &path("log")).unwrap();
    process.bind(client, &hidden("me")).unwrap();
    assert_eq!(process.send(client, b"x"), Err(Errno::ENOTCONN));
    assert_eq!(process.send_to(client, b"one", &path("log")), Ok(3));
    assert_eq!(process.send_to(nameless, b"two", &path("log")), Ok(3));
    let flags = MessageFlags::DONTWAIT;
    assert_eq!(process.send_with(client, b"three", Some(&path("log")), &[], flags), Err(Errno::EAGAIN));
    process.connect(client, &path("log")).unwrap();
    assert_eq!(process.ready(client), PollEvents::empty(), "there is no room");
    let mut waits = process.sending(client, b"three");
    assert!(waits.poll().is_none());
    let (bytes, received) = process.receive_flags(server, 99, MessageFlags::empty()).unwrap();
    assert_eq!(
        (bytes.as_slice(), received.from.map(|from| common::network::shown(&from)).as_deref()),
        (&b"one"[..], Some("@me"))
    );
    assert_eq!(waits.poll(), Some(Ok(5)));
    let (bytes, received) = process.receive_flags(server, 2, MessageFlags::TRUNC).unwrap();
    assert_eq!((bytes.as_slice(), received.whole), (&b"tw"[..], 3), "the rest is gone");
    assert_eq!(process.receive(server, 99).as_deref(), Ok(&b"three"[..]));
    assert_eq!(process.send_to(client, &vec![0; UNIX_MESSAGE_MAX + 1], &path("log")), Err(Errno::EMSGSIZE));
    assert_eq!(process.send_to(client, &vec![0; UNIX_MESSAGE_MAX], &path("log")), Ok(UNIX_MESSAGE_MAX));
    process.close(server).unwrap();
    assert_eq!(process.send(client, b"x"), Err(Errno::ECONNREFUSED));
    assert_eq!(process.send(client, b"x"), Err(Errno::ENOTCONN), "and then it is connected to nobody");
}

#[test]
fn a_connected_datagram_socket_takes_from_its_peer_alone() {
    let machine = Machine::new();
    let process = machine.agent();
    let (left, right) = (process.unix(DATAGRAM), process.unix(DATAGRAM));
    process.bind(left, &hidden("left")).unwrap();
    process.bind(right, &hidden("right")).unwrap();
    process.connect(left, &hidden("right")).unwrap();
    assert_eq!(process.send_to(process.unix(DATAGRAM), b"x", &hidden("left")), Err(Errno::EPERM));
    assert_eq!(process.connect(process.unix(DATAGRAM), &hidden("left")), Err(Errno::EPERM));
    assert_eq!(process.send_to(right, b"x", &hidden("left")), Ok(1));
    process.shutdown(left, Shutdown::Read).unwrap();
    assert_eq!(process.send_to(right, b"x", &hidden("left")), Err(Errno::EPIPE));
    let (one, two) = process.pair(DATAGRAM);
    assert_eq!((process.send(one, b"x"), process.receive(two, 9).as_deref()), (Ok(1), Ok(&b"x"[..])));
}

#[test]
fn a_flood_of_datagrams_is_bounded() {
    let machine = Machine::limited(|limits| limits.socket_bytes = 300_000);
    let process = machine.agent();
    let mut refused = Vec::new();
    for _ in 0..4 {
        let (one, _two) = process.pair(DATAGRAM);
        process.nonblock(one);
        let mut sent = 0;
        let errno = loop {
            match process.send(one, &[1; 1000]) {
                Ok(count) => sent += count,
                Err(errno) => break errno,
            }
        };
        assert!(sent <= 212_992, "{sent}");
        refused.push(errno);
    }
    assert_eq!(refused, [Errno::EAGAIN, Errno::ENOBUFS, Errno::ENOBUFS, Errno::ENOBUFS]);
    assert!(machine.usage().socket_bytes <= 300_000, "{:?}", machine.usage());
    assert_eq!(machine.limits_reached(), [("socket_bytes".to_owned(), Errno::ENOBUFS)]);
    process.exit(0);
    assert_eq!(machine.usage().socket_bytes, 0);
}

#[test]
fn what_a_descriptor_says_of_a_socket() {
    let machine = Machine::new();
    let process = machine.agent();
    let (left, right) = process.pair(STREAM);
    let stat = process.fstat(left).unwrap();
    assert_eq!(stat.kind, FileKind::Socket);
    assert_eq!(process.readlink(&format!("/proc/self/fd/{left}")).unwrap(), format!("socket:[{}]", stat.ino.0));
    assert_eq!(process.open(&format!("/proc/self/fd/{left}"), W), Err(Errno::ENXIO));
    let child = process.child();
    process.close(left).unwrap();
    process.send(right, b"inherited").unwrap();
    assert_eq!(child.receive(left, 99).as_deref(), Ok(&b"inherited"[..]));
    child.exit(0);
    assert_eq!(process.receive(right, 9), Ok(END), "now it is closed");
}
