//! `/proc/net` shows the sockets there are.

use crate::common::network::{DATAGRAM, PACKET, STREAM, hidden, inet, path};
use crate::common::{Machine, Proc};
use crate::parsers::{parsed, parsed_with_system};
use procfs_core::net::{TcpNetEntries, TcpNetEntry, TcpState, UdpNetEntries, UdpState, UnixNetEntries, UnixState};
use warren_kernel::id::Fd;
use warren_kernel::socket::{Family, Shutdown};

fn tcp(who: Proc<'_>, name: &str) -> Vec<TcpNetEntry> {
    parsed_with_system::<TcpNetEntries>(who, &format!("/proc/net/{name}")).0
}

fn inode(who: Proc<'_>, fd: Fd) -> u64 {
    who.fstat(fd).unwrap().ino.0
}

fn entry(who: Proc<'_>, fd: Fd) -> TcpNetEntry {
    let inode = inode(who, fd);
    tcp(who, "tcp").into_iter().find(|entry| entry.inode == inode).unwrap_or_else(|| panic!("{fd}"))
}

#[test]
fn tcp_shows_states_addresses_and_what_waits() {
    let machine = Machine::new();
    let agent = machine.agent();
    let listener = agent.tcp();
    agent.bind(listener, &inet("127.0.0.1", 8080)).unwrap();
    assert!(tcp(agent, "tcp").is_empty(), "only bound: Linux has no line for it");
    agent.listen(listener, 5).unwrap();
    let shown = entry(agent, listener);
    assert_eq!((shown.state.clone(), shown.local_address.to_string()), (TcpState::Listen, "127.0.0.1:8080".to_owned()));
    assert_eq!((shown.remote_address.to_string(), shown.rx_queue), ("0.0.0.0:0".to_owned(), 0));
    let text = agent.text("/proc/net/tcp").unwrap();
    assert!(
        text.lines().nth(1).unwrap().starts_with("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 "),
        "{text}"
    );
    assert!(text.lines().all(|line| line.len() == 149), "padded as Linux's: {text}");

    let client = agent.tcp();
    agent.connect(client, &inet("127.0.0.1", 8080)).unwrap();
    assert_eq!(entry(agent, listener).rx_queue, 1, "one waits to be accepted");
    assert_eq!(tcp(agent, "tcp").iter().filter(|entry| entry.inode == 0).count(), 1, "and has no file yet");
    let server = agent.accept(listener).unwrap();
    agent.send(client, b"hello").unwrap();
    let (near, far) = (entry(agent, client), entry(agent, server));
    assert_eq!((near.state, far.state, far.rx_queue), (TcpState::Established, TcpState::Established, 5));
    assert_eq!((near.local_address, near.remote_address), (far.remote_address, far.local_address));

    agent.shutdown(client, Shutdown::Write).unwrap();
    assert_eq!((entry(agent, client).state, entry(agent, server).state), (TcpState::FinWait2, TcpState::CloseWait));
    agent.close(client).unwrap();
    agent.close(server).unwrap();
    agent.close(listener).unwrap();
    assert!(tcp(agent, "tcp").is_empty());
}

#[test]
fn ipv6_and_udp_have_tables_of_their_own() {
    let machine = Machine::new();
    let agent = machine.agent();
    let listener = agent.socket(Family::Inet6, STREAM);
    agent.bind(listener, &inet("::1", 8081)).unwrap();
    agent.listen(listener, 0).unwrap();
    let shown = tcp(agent, "tcp6");
    assert_eq!((shown.len(), shown[0].local_address.to_string()), (1, "[::1]:8081".to_owned()));
    assert!(tcp(agent, "tcp").is_empty());
    let receiver = agent.udp();
    let udp = || parsed_with_system::<UdpNetEntries>(agent, "/proc/net/udp").0;
    assert!(udp().is_empty(), "it has no address");
    agent.bind(receiver, &inet("127.0.0.1", 5353)).unwrap();
    agent.udp_message(&inet("127.0.0.1", 5353));
    let shown = udp();
    assert_eq!(shown.len(), 2, "the sender was given a port");
    let own = shown.iter().find(|entry| entry.inode == inode(agent, receiver)).unwrap();
    assert_eq!((own.local_address.to_string(), own.state.clone()), ("127.0.0.1:5353".to_owned(), UdpState::Close));
    assert!(own.rx_queue > 0);
    let sockstat = agent.text("/proc/net/sockstat").unwrap();
    assert!(
        sockstat.starts_with("sockets: used 3\nTCP: inuse 0 ") && sockstat.contains("\nUDP: inuse 2 "),
        "{sockstat}"
    );
}

impl Proc<'_> {
    fn udp_message(&self, to: &warren_kernel::socket::Address) {
        let sender = self.udp();
        self.send_to(sender, b"to you", to).unwrap();
    }
}

#[test]
fn unix_sockets_are_shown_with_their_names() {
    let machine = Machine::new();
    let agent = machine.agent();
    let (listener, datagram) = (agent.unix(STREAM), agent.unix(DATAGRAM));
    agent.bind(listener, &path("/tmp/s")).unwrap();
    agent.listen(listener, 1).unwrap();
    agent.bind(datagram, &hidden("name")).unwrap();
    let (one, _) = agent.pair(PACKET);
    let shown: UnixNetEntries = parsed(agent, "/proc/net/unix");
    let of = |fd: Fd| {
        let entry = shown.0.iter().find(|entry| entry.inode == inode(agent, fd)).unwrap();
        let path = entry.path.as_ref().map(|path| path.display().to_string());
        (entry.socket_type, format!("{:?}", entry.state), path)
    };
    let state = |state: UnixState| format!("{state:?}");
    assert_eq!(of(listener), (1, state(UnixState::UNCONNECTED), Some("/tmp/s".to_owned())));
    assert_eq!(of(datagram), (2, state(UnixState::UNCONNECTED), Some("@name".to_owned())));
    assert_eq!(of(one), (5, state(UnixState::CONNECTED), None));
    assert_eq!(shown.0.len(), 4);
    let text = agent.text("/proc/net/unix").unwrap();
    assert!(text.lines().nth(1).unwrap().contains(" 00010000 0001 01 "), "it accepts: {text}");
}
