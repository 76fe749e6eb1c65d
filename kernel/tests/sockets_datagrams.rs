//! UDP inside the session: who gets a datagram, and what becomes of one that nobody takes.

#[cfg(test)]
mod common;

use common::network::{DATAGRAM, END, inet, shown};
use common::{Machine, Proc};
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::poll::PollEvents;
use warren_kernel::socket::send::UDP_BYTES_MAX;
use warren_kernel::socket::{Family, MessageFlags, Shutdown, SocketOption};

const OUT: PollEvents = PollEvents::OUT.union(PollEvents::WRNORM);

/// A socket bound to a port, and what is waiting there, with its sender.
fn bound(process: &Proc<'_>, host: &str, port: u16) -> Fd {
    let fd = process.udp();
    process.bind(fd, &inet(host, port)).expect("a free port");
    fd
}

fn take(process: &Proc<'_>, fd: Fd) -> Result<(Vec<u8>, String), Errno> {
    let (bytes, received) = process.receive_flags(fd, 70_000, MessageFlags::DONTWAIT)?;
    Ok((bytes, shown(&received.from.expect("a datagram has a sender"))))
}

#[test]
fn a_datagram_comes_whole_with_its_sender() {
    let machine = Machine::new();
    let process = machine.agent();
    let (server, client) = (bound(&process, "127.0.0.1", 5353), process.udp());
    let mut read = process.receiving(server, 99);
    assert!(read.poll().is_none());
    assert_eq!(process.send_to(client, b"query", &inet("127.0.0.1", 5353)), Ok(5));
    assert_eq!(read.poll(), Some(Ok(b"query".to_vec())));
    let port = process.port(client);
    assert!(port >= 32_768, "it got one to be answered at");
    assert_eq!(process.name(client), format!("0.0.0.0:{port}"));
    process.send_to(client, b"a", &inet("localhost", 5353)).unwrap();
    process.send_to(client, b"", &inet("0.0.0.0", 5353)).unwrap();
    assert_eq!(take(&process, server), Ok((b"a".to_vec(), format!("127.0.0.1:{port}"))));
    assert_eq!(take(&process, server), Ok((END, format!("127.0.0.1:{port}"))), "an empty one is one");
    assert_eq!(take(&process, server), Err(Errno::EAGAIN));
    assert_eq!(process.send_to(server, b"answer", &inet("127.0.0.1", port)), Ok(6));
    let (bytes, received) = process.receive_flags(client, 3, MessageFlags::PEEK).unwrap();
    assert_eq!((bytes.as_slice(), received.count, received.whole), (&b"ans"[..], 3, 6));
    assert_eq!(process.receive(client, 3).as_deref(), Ok(&b"ans"[..]));
    assert_eq!(process.ready(client), OUT, "the rest is gone");
}

#[test]
fn sizes_at_and_past_the_border() {
    let machine = Machine::new();
    let process = machine.agent();
    let (server, client) = (bound(&process, "127.0.0.1", 5000), process.udp());
    let to = inet("127.0.0.1", 5000);
    assert_eq!(process.send_to(client, &vec![1; UDP_BYTES_MAX], &to), Ok(UDP_BYTES_MAX));
    assert_eq!(process.send_to(client, &vec![1; UDP_BYTES_MAX + 1], &to), Err(Errno::EMSGSIZE));
    assert_eq!(take(&process, server).map(|(bytes, _)| bytes.len()), Ok(UDP_BYTES_MAX));
    assert_eq!(process.send(client, b"x"), Err(Errno::EDESTADDRREQ));
    assert_eq!(process.send_to(client, b"x", &inet("127.0.0.1", 0)), Err(Errno::EINVAL));
    assert_eq!(process.send_to(client, b"x", &inet("93.184.216.34", 53)), Err(Errno::EACCES));
    assert_eq!(process.send_to(client, b"x", &inet("::1", 53)), Err(Errno::EAFNOSUPPORT));
}

#[test]
fn a_connected_socket_takes_from_its_peer_and_hears_refusals() {
    let machine = Machine::new();
    let process = machine.agent();
    let (server, client, stranger) = (bound(&process, "127.0.0.1", 5000), process.udp(), process.udp());
    assert_eq!(process.connect(client, &inet("127.0.0.1", 5000)), Ok(()));
    assert_eq!(process.peer(client).as_deref(), Ok("127.0.0.1:5000"));
    let port = process.port(client);
    assert_eq!(process.name(client), format!("127.0.0.1:{port}"));
    process.send_to(stranger, b"not from your peer", &inet("127.0.0.1", port)).unwrap();
    assert_eq!(take(&process, client), Err(Errno::EAGAIN));
    assert_eq!(process.send(client, b"hello"), Ok(5));
    process.send_to(server, b"back", &inet("127.0.0.1", port)).unwrap();
    assert_eq!(process.receive(client, 9).as_deref(), Ok(&b"back"[..]));
    process.close(server).unwrap();
    assert_eq!(process.send(client, b"lost"), Ok(4));
    assert_eq!(process.ready(client), OUT | PollEvents::ERR);
    assert_eq!(process.error(client), Some(Errno::ECONNREFUSED));
    assert_eq!(process.send(client, b"lost"), Ok(4));
    assert_eq!(process.send(client, b"lost"), Err(Errno::ECONNREFUSED), "told by the next call");
    assert_eq!(process.send_to(stranger, b"x", &inet("127.0.0.1", 5000)), Ok(1), "nobody tells a stranger");
    assert_eq!(process.error(stranger), None);
    assert_eq!(process.connect(client, &inet("127.0.0.1", 5001)), Ok(()), "to another one");
}

#[test]
fn the_nearest_name_gets_it() {
    let machine = Machine::new();
    let process = machine.agent();
    let shared = |host: &str| {
        let fd = process.udp();
        process.option(fd, SocketOption::ReuseAddress(true));
        process.bind(fd, &inet(host, 5000)).expect("shared");
        fd
    };
    let (any, exact) = (shared("0.0.0.0"), shared("127.0.0.1"));
    let sender = bound(&process, "127.0.0.1", 6000);
    let to = inet("127.0.0.1", 5000);
    process.send_to(sender, b"1", &to).unwrap();
    assert_eq!(process.receive(exact, 9).as_deref(), Ok(&b"1"[..]), "an address before a wildcard");
    let later = shared("127.0.0.1");
    process.send_to(sender, b"2", &to).unwrap();
    assert_eq!(process.receive(later, 9).as_deref(), Ok(&b"2"[..]), "who came last");
    process.connect(any, &inet("127.0.0.1", 6000)).unwrap();
    process.send_to(sender, b"3", &to).unwrap();
    assert_eq!(process.receive(any, 9).as_deref(), Ok(&b"3"[..]), "who is connected to the sender");
    let six = process.socket(Family::Inet6, DATAGRAM);
    process.bind(six, &inet("::", 7000)).unwrap();
    process.send_to(sender, b"4", &inet("127.0.0.1", 7000)).unwrap();
    assert_eq!(take(&process, six), Ok((b"4".to_vec(), "[::ffff:127.0.0.1]:6000".to_owned())));
    assert_eq!(process.bind(process.udp(), &inet("127.0.0.1", 7000)), Err(Errno::EADDRINUSE));
    let tcp = process.tcp();
    assert_eq!(process.bind(tcp, &inet("127.0.0.1", 7000)), Ok(()), "TCP has ports of its own");
}

#[test]
fn what_does_not_fit_is_lost_and_noted() {
    let machine = Machine::limited(|limits| limits.datagrams = 3);
    let process = machine.agent();
    let (server, client) = (bound(&process, "127.0.0.1", 5000), process.udp());
    for at in 0..100_u8 {
        assert_eq!(process.send_to(client, &[at], &inet("127.0.0.1", 5000)), Ok(1));
    }
    let came: Vec<u8> = std::iter::from_fn(|| take(&process, server).ok()).map(|(bytes, _)| bytes[0]).collect();
    assert_eq!(came, [0, 1, 2]);
    assert_eq!(machine.limits_reached(), [("datagrams".to_owned(), Errno::EAGAIN)]);
    for _ in 0..3 {
        process.send_to(client, &[1; 60_000], &inet("127.0.0.1", 5000)).unwrap();
    }
    assert!(machine.usage().socket_bytes < 212_992);
    process.close(server).unwrap();
    assert_eq!(machine.usage().socket_bytes, 0);
}

#[test]
fn halves_of_a_datagram_socket() {
    let machine = Machine::new();
    let process = machine.agent();
    let server = bound(&process, "127.0.0.1", 5000);
    let mut read = process.receiving(server, 9);
    assert!(read.poll().is_none());
    assert_eq!(process.shutdown(server, Shutdown::Read), Err(Errno::ENOTCONN), "and it is done all the same");
    assert_eq!(read.poll(), Some(Ok(END)));
    let client = process.udp();
    process.connect(client, &inet("127.0.0.1", 5000)).unwrap();
    assert_eq!(process.shutdown(client, Shutdown::Write), Ok(()));
    assert_eq!(process.send(client, b"x"), Err(Errno::EPIPE));
    assert_eq!(process.listen(client, 1), Err(Errno::EOPNOTSUPP));
}

#[test]
fn ports_run_out() {
    let machine = Machine::limited(|limits| {
        limits.sockets = 40_000;
        limits.descriptors = 40_000;
        limits.open_files = 40_000;
    });
    let process = machine.agent();
    let mut bound = 0;
    let refused = loop {
        match process.bind(process.udp(), &inet("127.0.0.1", 0)) {
            Ok(()) => bound += 1,
            Err(errno) => break errno,
        }
    };
    assert_eq!((refused, bound), (Errno::EADDRINUSE, 60_999 - 32_768 + 1));
    process.exit(0);
    assert_eq!(machine.usage().sockets, 0);
}
