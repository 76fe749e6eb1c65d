//! Sockets as a guest meets them: texts of addresses, lengths, options and descriptors on their way.

use crate::harness::errno::*;
use crate::harness::{Arg, Place, Script, at, i};
use warren_kernel::policy::{Effect, Rule};

const STREAM: u32 = 6;
const DATAGRAM: u32 = 5;
const INET: u32 = 1;
const INET6: u32 = 2;
const UNIX: u32 = 3;
const NONBLOCK: u32 = 0x4000;

/// WASI's numbers that only sockets have.
const EAGAIN: i64 = 6;
const EADDRINUSE: i64 = 3;
const EADDRNOTAVAIL: i64 = 4;
const EAFNOSUPPORT: i64 = 5;
const ECONNREFUSED: i64 = 14;
const EDESTADDRREQ: i64 = 17;
const EDOM: i64 = 18;
const EISCONN: i64 = 30;
const ENOTCONN: i64 = 53;
const EPROTONOSUPPORT: i64 = 66;

const PEEK: u32 = 2;
const TRUNC: u32 = 0x20;
const DONTWAIT: u32 = 0x40;
const WAITALL: u32 = 0x100;

fn socket(script: &mut Script, domain: u32, kind: u32) -> Arg {
    let out = script.room(4);
    script.expect("host_net.net_socket", &[i(domain), i(kind), i(0), i(out)], OK);
    at(out)
}

/// A call whose last arguments are a text.
fn with_text(script: &mut Script, name: &str, fd: Arg, text: &str, want: i64) {
    let [text, len] = script.text(text);
    script.expect(name, &[fd, text, len], want);
}

fn bind(script: &mut Script, fd: Arg, text: &str, want: i64) {
    with_text(script, "host_net.net_bind", fd, text, want);
}

fn connect(script: &mut Script, fd: Arg, text: &str, want: i64) {
    with_text(script, "host_net.net_connect", fd, text, want);
}

fn send(script: &mut Script, fd: Arg, text: &str, want: i64) {
    let ([text, len], out) = (script.text(text), script.room(4));
    script.expect("host_net.net_send", &[fd, text, len, i(0x4000), i(out)], want);
}

/// A receive, and where its bytes and their count are shown.
fn receive(script: &mut Script, fd: Arg, cap: u32, flags: u32, want: i64) -> (usize, usize) {
    let (buf, out) = (script.room(cap.max(8)), script.room(4));
    script.expect("host_net.net_recv", &[fd, i(buf), i(cap), i(flags), i(out)], want);
    (script.dump(buf, cap), script.dump(out, 4))
}

/// Asks for a name, with this much room; shows the text and its length.
fn name(script: &mut Script, which: &str, fd: Arg, room: u32, want: i64) -> (usize, usize) {
    let (out, len) = (script.room(128), script.words(&[room]));
    script.expect(which, &[fd, i(out), i(len)], want);
    (script.dump(out, 128), script.dump(len, 4))
}

fn text_of(found: &crate::harness::Found, shown: (usize, usize)) -> String {
    let len = found.word(shown.1) as usize;
    String::from_utf8(found.dumps[shown.0][..len].to_vec()).unwrap()
}

#[test]
fn a_connection_inside_one_guest() {
    let place = Place::new();
    let mut script = Script::posix();
    let server = socket(&mut script, INET, STREAM);
    bind(&mut script, server, "127.0.0.1:8080", OK);
    script.expect("host_net.net_listen", &[server, i(1)], OK);
    let own = name(&mut script, "host_net.net_getsockname", server, 128, OK);
    let client = socket(&mut script, INET, STREAM);
    connect(&mut script, client, "localhost:8080", OK);
    connect(&mut script, client, "localhost:8080", EISCONN);
    let (fd, addr, len) = (script.room(4), script.room(64), script.words(&[64]));
    script.expect("host_net.net_accept", &[server, i(fd), i(addr), i(len)], OK);
    let peer = (script.dump(addr, 64), script.dump(len, 4));
    let accepted = at(fd);
    let of_client = name(&mut script, "host_net.net_getsockname", client, 128, OK);
    let cut = name(&mut script, "host_net.net_getpeername", client, 5, OK);
    send(&mut script, client, "hello", OK);
    let look = receive(&mut script, accepted, 3, PEEK, OK);
    let vector_at = script.room(8);
    let vector = script.vector(vector_at, 2);
    let count = script.room(4);
    script.expect("wasi_snapshot_preview1.fd_read", &[accepted, i(vector), i(1), i(count)], OK);
    let by_read = script.dump(vector_at, 2);
    let rest = receive(&mut script, accepted, 99, 0, OK);
    script.expect("wasi_snapshot_preview1.sock_shutdown", &[client, i(9)], EINVAL);
    script.expect("wasi_snapshot_preview1.sock_shutdown", &[client, i(2)], OK);
    let end = receive(&mut script, accepted, 99, 0, OK);
    script.expect("host_net.net_close", &[client], OK);
    script.expect("host_net.net_set_nonblock", &[server, i(1)], OK);
    script.expect("host_net.net_accept", &[server, i(fd), i(addr), i(len)], EAGAIN);
    script.expect("host_net.net_tls_connect", &[accepted, i(0), i(0)], EOPNOTSUPP);
    let found = script.run(&place);
    assert_eq!(text_of(&found, own), "127.0.0.1:8080");
    assert_eq!(text_of(&found, peer), text_of(&found, of_client));
    assert_eq!(text_of(&found, cut), "127.0", "as much as there is room for");
    assert_eq!((&found.dumps[look.0][..], found.word(look.1)), (&b"hel"[..], 3));
    assert_eq!(found.dumps[by_read], b"he");
    assert_eq!((&found.dumps[rest.0][..3], found.word(rest.1)), (&b"llo"[..], 3));
    assert_eq!(found.word(end.1), 0);
    place.assert_clean();
}

#[test]
fn addresses_say_what_is_wrong() {
    let place = Place::new();
    let mut script = Script::posix();
    let (four, six) = (socket(&mut script, INET, STREAM), socket(&mut script, INET6, STREAM));
    let unix = socket(&mut script, UNIX, STREAM);
    connect(&mut script, four, "127.0.0.1:1", ECONNREFUSED);
    connect(&mut script, four, "127.0.0.1", EAFNOSUPPORT);
    connect(&mut script, four, "127.0.0.1:x", EINVAL);
    connect(&mut script, four, "[::1]:1", EAFNOSUPPORT);
    connect(&mut script, four, "93.184.216.34:80", EACCES);
    connect(&mut script, six, "[::1]:1", ECONNREFUSED);
    connect(&mut script, unix, "unix:/none", ENOENT);
    connect(&mut script, unix, "unix:/etc/passwd", EACCES);
    connect(&mut script, unix, "unix-abstract:00", ECONNREFUSED);
    connect(&mut script, unix, "127.0.0.1:1", EINVAL);
    bind(&mut script, four, "10.0.0.1:1", EADDRNOTAVAIL);
    bind(&mut script, four, "127.0.0.1:80", EACCES);
    bind(&mut script, four, "127.0.0.1:9000", OK);
    bind(&mut script, four, "127.0.0.1:9000", EINVAL);
    bind(&mut script, six, "[::]:9000", EADDRINUSE);
    let out = script.room(8);
    script.expect("host_net.net_socket", &[i(INET), i(7), i(0), i(out)], EPROTONOSUPPORT);
    script.expect("host_net.net_socket", &[i(INET), i(STREAM | 0x10000), i(0), i(out)], EINVAL);
    script.expect("host_process.fd_socketpair", &[i(4), i(0), i(0), i(out), i(out)], EPROTONOSUPPORT);
    script.expect("host_net.net_getpeername", &[four, i(out), i(out)], ENOTCONN);
    script.expect("host_net.net_tls_connect", &[four, i(0), i(0)], ENOTCONN);
    script.run(&place);
}

#[test]
fn unix_names_in_every_form() {
    let place = Place::new();
    let mut script = Script::posix();
    let mut shown = Vec::new();
    for (bound, told) in [
        ("unix:/tmp/sock", "unix:/tmp/sock"),
        ("unix-path-hex:2f746d702ff3", "unix-path-hex:2f746d702ff3"),
        ("/tmp/plain", "unix:/tmp/plain"),
        ("unix-abstract:6100", "unix-abstract:6100"),
        ("unix-autobind", "unix-abstract:3030303030"),
    ] {
        let fd = socket(&mut script, UNIX, STREAM);
        bind(&mut script, fd, bound, OK);
        script.expect("host_net.net_listen", &[fd, i(0)], OK);
        let client = socket(&mut script, UNIX, STREAM);
        connect(&mut script, client, told, OK);
        shown.push((told, name(&mut script, "host_net.net_getsockname", fd, 128, OK)));
        shown.push((told, name(&mut script, "host_net.net_getpeername", client, 128, OK)));
        shown.push(("unix-unnamed", name(&mut script, "host_net.net_getsockname", client, 128, OK)));
    }
    let found = script.run(&place);
    for (told, shown) in shown {
        assert_eq!(text_of(&found, shown), told);
    }
    assert!(place.exists("/tmp/sock"));
}

#[test]
fn datagrams_have_lengths_and_senders() {
    let place = Place::new();
    let mut script = Script::posix();
    let server = socket(&mut script, INET, DATAGRAM);
    bind(&mut script, server, "127.0.0.1:5353", OK);
    let client = socket(&mut script, INET, DATAGRAM | NONBLOCK);
    bind(&mut script, client, "127.0.0.1:6000", OK);
    send(&mut script, client, "x", EDESTADDRREQ);
    let ([data, len], [to, to_len], out) = (script.text("datagram"), script.text("127.0.0.1:5353"), script.room(4));
    for _ in 0..3 {
        script.expect("host_net.net_sendto", &[client, data, len, i(0), to, to_len, i(out)], OK);
    }
    let (buf, addr, addr_len) = (script.room(16), script.room(64), script.words(&[64]));
    let args = [server, i(buf), i(16), i(0), i(out), i(addr), i(addr_len)];
    script.expect("host_net.net_recvfrom", &args, OK);
    let (count, from) = (script.dump(out, 4), (script.dump(addr, 64), script.dump(addr_len, 4)));
    let (_, whole) = receive(&mut script, server, 4, TRUNC, OK);
    let vector = script.vector(buf, 4);
    let flags = script.room(8);
    let args = [server, i(vector), i(1), i(0), i(out), i(flags)];
    script.expect("wasi_snapshot_preview1.sock_recv", &args, OK);
    let cut = script.dump(flags, 2);
    receive(&mut script, server, 4, DONTWAIT, EAGAIN);
    receive(&mut script, client, 4, 0, EAGAIN);
    connect(&mut script, client, "127.0.0.1:1", OK);
    send(&mut script, client, "lost", OK);
    let (value, room) = (script.room(4), script.words(&[4]));
    script.expect("host_net.net_getsockopt", &[client, i(1), i(4), i(value), i(room)], OK);
    let error = script.dump(value, 4);
    let found = script.run(&place);
    assert_eq!((found.word(whole), found.dumps[cut][0]), (8, 1));
    assert_eq!(found.word(error), ECONNREFUSED as u32);
    // The dumps are of the end: the count is the last receive's, the sender the first's.
    assert_eq!((found.word(count), text_of(&found, from).as_str()), (4, "127.0.0.1:6000"));
}

#[test]
fn descriptors_go_through_a_pair() {
    let place = Place::new();
    place.file("/tmp/file", 0o666, b"content");
    let mut script = Script::posix();
    let (a, b) = (script.room(4), script.room(4));
    script.expect("host_process.fd_socketpair", &[i(1), i(0), i(1), i(a), i(b)], OK);
    let (pipe_read, pipe_write) = (script.room(4), script.room(4));
    script.expect("host_process.fd_pipe", &[i(pipe_read), i(pipe_write)], OK);
    let (rights, out) = (script.room(16), script.room(4));
    let [text, len] = script.text("through");
    let vector = {
        let bytes = script.bytes(b"piped");
        script.vector(bytes, 5)
    };
    script.expect("wasi_snapshot_preview1.fd_write", &[at(pipe_write), i(vector), i(1), i(out)], OK);
    let own = script.words(&[0]);
    script.expect("host_process.fd_sendmsg_rights", &[at(a), text, len, i(own), i(1), i(0), i(out)], OK);
    script.expect("host_process.fd_sendmsg_rights", &[at(a), text, len, i(own), i(254), i(0), i(out)], EINVAL);
    let bad = script.words(&[99]);
    script.expect("host_process.fd_sendmsg_rights", &[at(a), text, len, i(bad), i(1), i(0), i(out)], EBADF);
    let (data, count, flags) = (script.room(64), script.room(4), script.room(4));
    let args = [at(b), i(data), i(3), i(rights), i(4), i(0x4000_0000), i(out), i(count), i(flags)];
    script.expect("host_process.fd_recvmsg_rights", &args, OK);
    let closes = script.room(4);
    script.expect("host_process.fd_getfd", &[at(rights), i(closes)], OK);
    let (closes, count_shown, flags_shown) = (script.dump(closes, 4), script.dump(count, 4), script.dump(flags, 4));
    script.expect("host_net.net_send", &[at(b), text, len, i(0), i(out)], OK);
    let all = receive(&mut script, at(a), 7, WAITALL, OK);
    // What has addresses is for sendto() and recvfrom().
    let tcp = socket(&mut script, INET, STREAM);
    script.expect("host_process.fd_sendmsg_rights", &[tcp, text, len, i(0), i(0), i(0), i(out)], ENOTSOCK);
    let args = [tcp, i(data), i(3), i(rights), i(4), i(0), i(out), i(count), i(flags)];
    script.expect("host_process.fd_recvmsg_rights", &args, ENOTSOCK);
    let found = script.run(&place);
    assert_eq!((found.word(closes), found.word(count_shown), found.word(flags_shown)), (1, 1, 3 << 2));
    assert_eq!((&found.dumps[all.0][..], found.word(all.1)), (&b"through"[..], 7));
    place.assert_clean();
}

#[test]
fn options_are_set_and_told() {
    let place = Place::new();
    let mut script = Script::posix();
    let fd = socket(&mut script, INET, STREAM);
    let (value, len) = (script.room(16), script.room(4));
    let one = script.words(&[1]);
    let linger = script.words(&[1, 7]);
    let time = script.words(&[2, 0, 500_000, 0]);
    let wrong = script.words(&[2, 0, 1_000_000, 0]);
    script.expect("host_net.net_setsockopt", &[fd, i(1), i(2), i(one), i(4)], OK);
    script.expect("host_net.net_setsockopt", &[fd, i(0x7fff_ffff), i(13), i(linger), i(8)], OK);
    script.expect("host_net.net_setsockopt", &[fd, i(1), i(20), i(time), i(16)], OK);
    script.expect("host_net.net_setsockopt", &[fd, i(1), i(66), i(wrong), i(16)], EDOM);
    script.expect("host_net.net_setsockopt", &[fd, i(1), i(9), i(0), i(0)], OK);
    script.expect("host_net.net_setsockopt", &[fd, i(6), i(1), i(one), i(4)], OK);
    script.expect("host_net.net_setsockopt", &[fd, i(41), i(67), i(one), i(4)], OK);
    script.expect("host_net.net_setsockopt", &[fd, i(1), i(2), i(one), i(3)], EINVAL);
    script.expect("host_net.net_setsockopt", &[fd, i(1), i(99), i(one), i(4)], EINVAL);
    script.expect("host_net.net_setsockopt", &[fd, i(1), i(8), i(one), i(4)], EINVAL);
    script.expect("host_net.net_setsockopt", &[fd, i(1), i(2), i(u32::MAX - 2), i(4)], EFAULT);
    let mut wanted = Vec::new();
    for (level, option, words) in [
        (1, 2, &[1][..]),
        (1, 3, &[STREAM]),
        (1, 4, &[0]),
        (1, 8, &[212_992]),
        (1, 9, &[1]),
        (1, 13, &[1, 7]),
        (1, 20, &[2, 0, 500_000, 0]),
        (1, 21, &[0, 0, 0, 0]),
        (1, 30, &[0]),
        (6, 1, &[1]),
    ] {
        let (value, len) = (script.room(16), script.words(&[16]));
        script.expect("host_net.net_getsockopt", &[fd, i(level), i(option), i(value), i(len)], OK);
        wanted.push((option, words, script.dump(value, 16), script.dump(len, 4)));
    }
    script.expect("host_net.net_getsockopt", &[fd, i(1), i(13), i(value), i(len)], EINVAL);
    script.expect("host_net.net_getsockopt", &[fd, i(1), i(99), i(value), i(len)], EINVAL);
    script.expect("host_net.net_validate_accept", &[fd], OK);
    let found = script.run(&place);
    for (option, words, value, len) in wanted {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(found.word(len) as usize, bytes.len(), "option {option}");
        assert_eq!(found.dumps[value][..bytes.len()], bytes[..], "option {option}");
    }
}

#[test]
fn a_timeout_ends_a_receive() {
    let place = Place::new();
    let mut script = Script::posix();
    let (a, b) = (script.room(4), script.room(4));
    script.expect("host_process.fd_socketpair", &[i(1), i(0), i(0), i(a), i(b)], OK);
    let time = script.words(&[0, 0, 1000, 0]);
    script.expect("host_net.net_setsockopt", &[at(a), i(1), i(20), i(time), i(16)], OK);
    receive(&mut script, at(a), 4, 0, EAGAIN);
    let polls = script.bytes(&[0; 8]);
    let ready = script.room(4);
    script.expect("host_net.net_poll", &[i(polls), i(0), i(0), i(ready)], OK);
    script.run(&place);
}

#[test]
fn names_are_looked_up_inside() {
    let place = Place::with(|template| {
        let mut policy = (*template.policy).clone();
        policy.connect.rules.push(Rule { effect: Effect::Allow, pattern: "allowed.example:*".to_owned() });
        template.policy = policy.into();
    });
    let mut script = Script::posix();
    let ([service, service_len], out) = (script.text("80"), script.room(256));
    let mut shown = Vec::new();
    for (host, family, want, answer) in [
        ("localhost", 4, OK, r#"[{"addr":"127.0.0.1","family":4}]"#),
        ("10.0.0.1", 0, OK, r#"[{"addr":"10.0.0.1","family":4}]"#),
        ("10.0.0.1", 6, ENOENT, ""),
        ("denied.example", 0, EACCES, ""),
        ("allowed.example", 0, 23, ""),
    ] {
        let ([host, host_len], out, len) = (script.text(host), script.room(128), script.words(&[128]));
        let args = [host, host_len, service, service_len, i(family), i(out), i(len)];
        script.expect("host_net.net_getaddrinfo", &args, want);
        if want == OK {
            shown.push((answer, (script.dump(out, 128), script.dump(len, 4))));
        }
    }
    let ([host, host_len], len) = (script.text("localhost"), script.words(&[3]));
    let args = [host, host_len, service, service_len, i(0), i(out), i(len)];
    script.expect("host_net.net_getaddrinfo", &args, 42);
    let found = script.run(&place);
    for (answer, shown) in shown {
        assert_eq!(text_of(&found, shown), answer);
    }
}
