//! Descriptors sent over Unix sockets: who gets them, what holds them, and that none is lost.

#[cfg(test)]
mod common;

use common::network::{DATAGRAM, PACKET, STREAM, hidden};
use common::{Machine, Pending, R};
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::socket::receive::Incoming;
use warren_kernel::socket::{MessageFlags, RIGHTS_MAX};

fn nothing_left(machine: &Machine) {
    let usage = machine.usage();
    assert_eq!(
        (usage.sockets, usage.rights_in_flight, usage.socket_bytes, usage.open_files, usage.pipes),
        (0, 0, 0, 0, 0),
        "{usage:?}"
    );
}

#[test]
fn a_descriptor_arrives_and_shares_its_offset() {
    let machine = Machine::new();
    let process = machine.agent();
    process.put("file", b"abcdef");
    for kind in [STREAM, DATAGRAM, PACKET] {
        let (left, right) = process.pair(kind);
        let file = process.open("file", R).unwrap();
        process.read(file, 2).unwrap();
        assert_eq!(process.send_rights(left, b"take", &[file]), Ok(4));
        process.close(file).unwrap();
        assert_eq!(machine.usage().rights_in_flight, 1, "it is held on its way");
        let (bytes, received) = process.receive_rights(right, 4).unwrap();
        assert_eq!((bytes.as_slice(), received.rights.len(), received.rights_truncated), (&b"take"[..], 1, false));
        assert_eq!(process.read(received.rights[0], 9).as_deref(), Ok(&b"cdef"[..]), "where the other left off");
        for fd in [left, right, received.rights[0]] {
            process.close(fd).unwrap();
        }
        nothing_left(&machine);
    }
}

#[test]
fn a_child_gets_what_its_parent_opens_later() {
    let machine = Machine::new();
    let parent = machine.agent();
    let (left, right) = parent.pair(STREAM);
    let child = parent.child();
    let mut waits = Pending::new(machine.session.call(child.pid, move |kernel, call| {
        let wanted = Incoming { want: 9, rights: Some(1), flags: MessageFlags::CMSG_CLOEXEC };
        Ok(kernel.receive(call, right, &wanted, &mut |_| ())?.rights)
    }));
    assert!(waits.poll().is_none());
    let (reader, writer) = parent.pipe();
    parent.send_rights(left, b"x", &[reader]).unwrap();
    let Some(Ok(rights)) = waits.poll() else { panic!("they came") };
    parent.write(writer, b"through").unwrap();
    assert_eq!(child.read(rights[0], 99).as_deref(), Ok(&b"through"[..]));
    let closes = child.now(|kernel, call| {
        kernel.process(call.pid).and_then(|process| process.descriptors.get(rights[0])).map(|fd| fd.close_on_exec)
    });
    assert_eq!(closes, Ok(true));
}

#[test]
fn a_receive_stops_at_the_bytes_rights_came_with() {
    let machine = Machine::new();
    let process = machine.agent();
    let (left, right) = process.pair(STREAM);
    let (reader, _writer) = process.pipe();
    process.send(left, b"before ").unwrap();
    process.send_rights(left, b"with ", &[reader]).unwrap();
    process.send_rights(left, b"again ", &[reader, reader]).unwrap();
    let peek = Incoming { want: 99, rights: Some(9), flags: MessageFlags::PEEK };
    let (bytes, seen) = process.receive_with(right, &peek).unwrap();
    assert_eq!((bytes.as_slice(), seen.rights.len()), (&b"before with "[..], 1), "looking gives them too");
    assert_eq!(machine.usage().rights_in_flight, 3, "and leaves them");
    let (bytes, received) = process.receive_rights(right, 9).unwrap();
    assert_eq!((bytes.as_slice(), received.rights.len()), (&b"before with "[..], 1));
    let (bytes, received) = process.receive_rights(right, 9).unwrap();
    assert_eq!((bytes.as_slice(), received.rights.len()), (&b"again "[..], 2));
    assert_eq!(machine.usage().rights_in_flight, 0);
}

#[test]
fn what_there_is_no_room_for_is_closed_and_said() {
    let machine = Machine::new();
    let process = machine.agent();
    let (left, right) = process.pair(STREAM);
    let (reader, writer) = process.pipe();
    process.send_rights(left, b"x", &[reader, reader, writer]).unwrap();
    process.close(writer).unwrap();
    let (bytes, received) = process.receive_rights(right, 2).unwrap();
    assert_eq!((bytes.as_slice(), received.rights.len(), received.rights_truncated), (&b"x"[..], 2, true));
    assert_eq!(process.read(reader, 1).as_deref(), Ok(&b""[..]), "the only writer was dropped");
    process.send_rights(left, b"y", &[reader]).unwrap();
    assert_eq!(process.read(right, 9).as_deref(), Ok(&b"y"[..]), "read() has no room for any");
    assert_eq!(machine.usage().rights_in_flight, 0);
    let machine = Machine::limited(|limits| limits.descriptors = 5);
    let process = machine.agent();
    let (left, right) = process.pair(STREAM);
    process.send_rights(left, b"x", &[left; 9]).unwrap();
    let (bytes, received) = process.receive_rights(right, 9).unwrap();
    assert_eq!((bytes.as_slice(), received.rights.len(), received.rights_truncated), (&b"x"[..], 3, true));
    assert_eq!(machine.usage().rights_in_flight, 0);
}

#[test]
fn what_cannot_be_sent() {
    let machine = Machine::limited(|limits| limits.rights_in_flight = 300);
    let process = machine.agent();
    let (left, right) = process.pair(STREAM);
    assert_eq!(process.send_rights(left, b"x", &[left, Fd(99)]), Err(Errno::EBADF));
    assert_eq!(process.send_rights(left, b"x", &[left; RIGHTS_MAX + 1]), Err(Errno::EINVAL));
    assert_eq!(process.send_rights(left, b"x", &[left; RIGHTS_MAX]), Ok(1));
    assert_eq!(process.send_rights(left, b"x", &[left; 48]), Err(Errno::ETOOMANYREFS));
    assert_eq!(machine.limits_reached(), [("rights_in_flight".to_owned(), Errno::ETOOMANYREFS)]);
    assert_eq!(process.send_rights(left, b"x", &[left; 47]), Ok(1));
    assert_eq!(process.receive_rights(right, 0).map(|(bytes, _)| bytes), Ok(b"x".to_vec()));
    assert_eq!(machine.usage().rights_in_flight, 47);
    let (tcp, _other) = process.connection();
    assert_eq!(process.send_rights(tcp, b"x", &[left]), Err(Errno::EINVAL));
    process.exit(0);
    nothing_left(&machine);
}

#[test]
fn a_socket_sent_to_itself_is_let_go() {
    let machine = Machine::new();
    let process = machine.agent();
    let (left, right) = process.pair(STREAM);
    process.send_rights(left, b"x", &[right]).unwrap();
    process.close(right).unwrap();
    assert_eq!(machine.usage().sockets, 1, "nobody could ever receive it");
    assert_eq!(process.send(left, b"x"), Err(Errno::EPIPE));
    process.close(left).unwrap();
    nothing_left(&machine);
}

#[test]
fn a_socket_in_flight_to_itself_is_let_go_with_the_one_that_held_it() {
    // Whatever goes last with the holder: the socket, or something else.
    for socket_first in [true, false] {
        let machine = Machine::new();
        let process = machine.agent();
        let (reader, writer) = process.pipe();
        let (holder, to_holder) = process.pair(STREAM);
        let (inner, to_inner) = process.pair(STREAM);
        process.send_rights(to_inner, b"x", &[inner]).unwrap();
        let rights = if socket_first { [inner, writer] } else { [writer, inner] };
        process.send_rights(to_holder, b"x", &rights).unwrap();
        for fd in [inner, to_inner, to_holder, writer] {
            process.close(fd).unwrap();
        }
        assert_eq!(machine.usage().rights_in_flight, 3, "all of it is reached from the holder");
        process.close(holder).unwrap();
        assert_eq!(process.read(reader, 1).as_deref(), Ok(&b""[..]), "the writer is gone");
        process.close(reader).unwrap();
        nothing_left(&machine);
    }
}

#[test]
fn a_ring_of_sockets_is_let_go_and_no_sooner() {
    let machine = Machine::new();
    let process = machine.agent();
    let (reader, writer) = process.pipe();
    let pairs: Vec<(Fd, Fd)> = (0..5).map(|_| process.pair(DATAGRAM)).collect();
    for (at, (_, inside)) in pairs.iter().enumerate() {
        let (next, _) = pairs[(at + 1) % pairs.len()];
        process.send_rights(next, b"round", &[*inside, writer]).unwrap();
    }
    process.close(writer).unwrap();
    for (outside, inside) in &pairs[1..] {
        process.close(*outside).unwrap();
        process.close(*inside).unwrap();
    }
    let (outside, inside) = pairs[0];
    process.close(outside).unwrap();
    assert_eq!(machine.usage().rights_in_flight, 10, "all of it is reached from the one that is open");
    let (bytes, received) = process.receive_rights(inside, 9).unwrap();
    assert_eq!((bytes.as_slice(), received.rights.len()), (&b"round"[..], 2));
    process.close(received.rights[1]).unwrap();
    process.send_rights(received.rights[0], b"self", &[inside]).unwrap_err();
    process.close(received.rights[0]).unwrap();
    process.close(inside).unwrap();
    assert_eq!(process.read(reader, 1).as_deref(), Ok(&b""[..]), "every writer is gone");
    process.close(reader).unwrap();
    nothing_left(&machine);
}

#[test]
fn a_listener_in_flight_keeps_what_waits_at_it() {
    let machine = Machine::new();
    let process = machine.agent();
    let listener = process.unix(STREAM);
    process.bind(listener, &hidden("l")).unwrap();
    process.listen(listener, 3).unwrap();
    let client = process.unix(STREAM);
    process.connect(client, &hidden("l")).unwrap();
    process.send_rights(client, b"x", &[listener]).unwrap();
    let (left, right) = process.pair(STREAM);
    process.send_rights(left, b"l", &[listener]).unwrap();
    process.close(listener).unwrap();
    let (_, received) = process.receive_rights(right, 1).unwrap();
    let listener = received.rights[0];
    let accepted = process.accept(listener).unwrap();
    assert_eq!(process.receive_rights(accepted, 1).map(|(_, received)| received.rights.len()), Ok(1));
    process.connect(process.unix(STREAM), &hidden("l")).unwrap();
    process.exit(0);
    nothing_left(&machine);
    let process = machine.agent();
    let listener = process.unix(STREAM);
    process.bind(listener, &hidden("l")).unwrap();
    process.listen(listener, 3).unwrap();
    process.connect(process.unix(STREAM), &hidden("l")).unwrap();
    process.exit(0);
    nothing_left(&machine);
}

#[test]
fn a_chain_as_long_as_the_limit_is_let_go_without_depth() {
    let machine = Machine::limited(|limits| {
        limits.sockets = 2100;
        limits.rights_in_flight = 1000;
    });
    let process = machine.agent();
    let (first, mut inner) = process.pair(DATAGRAM);
    for _ in 0..1000 {
        let (outside, inside) = process.pair(DATAGRAM);
        process.send_rights(outside, b"x", &[inner]).unwrap();
        process.close(inner).unwrap();
        process.close(outside).unwrap();
        inner = inside;
    }
    assert_eq!(machine.usage().rights_in_flight, 1000);
    process.close(inner).unwrap();
    process.close(first).unwrap();
    nothing_left(&machine);
}
