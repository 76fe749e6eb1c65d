//! `/proc/net`: the session's sockets and its one interface, loopback. Every process has the same network.

use crate::kernel::Kernel;
use crate::socket::status::{Phase, Row};
use crate::socket::{Family, SocketKind};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

type Text = fn(&Kernel) -> Vec<u8>;

/// Every file of `/proc/<pid>/net`.
pub(super) const FILES: &[(&str, Text)] = &[
    ("arp", |_| b"IP address       HW type     Flags       HW address            Mask     Device\n".to_vec()),
    ("dev", |_| DEVICES.as_bytes().to_vec()),
    ("if_inet6", |_| b"00000000000000000000000000000001 01 80 10 80       lo\n".to_vec()),
    ("ipv6_route", |_| Vec::new()),
    ("netlink", |_| {
        b"sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n".to_vec()
    }),
    ("raw", |_| table(UDP_HEAD, 127, &[])),
    ("raw6", |_| table(INET6_HEAD, 0, &[])),
    ("route", |_| {
        format!("{:<127}\n", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT")
            .into_bytes()
    }),
    ("sockstat", Kernel::sockstat),
    ("tcp", |kernel| table(TCP_HEAD, 149, &kernel.inet_rows(Family::Inet, SocketKind::Stream))),
    ("tcp6", |kernel| table(TCP6_HEAD, 0, &kernel.inet_rows(Family::Inet6, SocketKind::Stream))),
    ("udp", |kernel| table(UDP_HEAD, 127, &kernel.inet_rows(Family::Inet, SocketKind::Datagram))),
    ("udp6", |kernel| table(INET6_HEAD, 0, &kernel.inet_rows(Family::Inet6, SocketKind::Datagram))),
    ("unix", Kernel::unix_table),
];

const TCP_HEAD: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const TCP6_HEAD: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const UDP_HEAD: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
const INET6_HEAD: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
const DEVICES: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
";

/// The place of a file.
pub(super) fn place(name: &[u8]) -> Option<u8> {
    FILES.iter().position(|(file, _)| file.as_bytes() == name).map(|at| at as u8)
}

/// Lines padded to `width`, as Linux pads those of IPv4.
fn table(head: &str, width: usize, rows: &[String]) -> Vec<u8> {
    let lines = std::iter::once(head).chain(rows.iter().map(String::as_str));
    lines.flat_map(|line| format!("{line:<width$}\n").into_bytes()).collect()
}

/// An address and port: each 32 bits of the address as a little-endian machine shows them, the port as it is said.
fn address(at: Option<SocketAddr>, family: Family) -> String {
    let octets: Vec<u8> = match at.map(|at| at.ip()) {
        Some(IpAddr::V4(ip)) if family == Family::Inet => ip.octets().to_vec(),
        Some(IpAddr::V4(ip)) => ip.to_ipv6_mapped().octets().to_vec(),
        Some(IpAddr::V6(ip)) => ip.octets().to_vec(),
        None => vec![0; if family == Family::Inet { 4 } else { 16 }],
    };
    let words = octets.chunks(4).map(|word| word.iter().rev().map(|byte| format!("{byte:02X}")).collect::<String>());
    format!("{}:{:04X}", words.collect::<String>(), at.map_or(0, |at| at.port()))
}

/// The number of a state in the tables of TCP and UDP (Linux's tcp_states.h).
const fn inet_state(phase: Phase) -> u8 {
    match phase {
        Phase::Connected => 1,
        Phase::Connecting => 2,
        Phase::WriteShut => 5,
        Phase::Idle | Phase::Closed => 7,
        Phase::PeerEnded => 8,
        Phase::Listening => 10,
    }
}

/// The number of a state in the table of Unix sockets (Linux's net.h).
const fn unix_state(phase: Phase) -> u8 {
    match phase {
        Phase::Idle | Phase::Listening => 1,
        Phase::Connecting => 2,
        Phase::Connected | Phase::WriteShut | Phase::PeerEnded | Phase::Closed => 3,
    }
}

/// Whether a socket has a line in the tables of TCP and UDP: one of TCP that is only bound has none, as on Linux.
fn has_line(row: &Row) -> bool {
    match row.kind {
        SocketKind::Stream => row.phase != Phase::Idle,
        SocketKind::Datagram | SocketKind::SequencedPacket => row.local.is_some(),
    }
}

impl Kernel {
    /// Every socket, in order of its number.
    fn socket_rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.sockets.rows().collect();
        rows.sort_by_key(|row| row.number);
        rows
    }

    /// The lines of a table of TCP or UDP: sockets that have an address.
    fn inet_rows(&self, family: Family, kind: SocketKind) -> Vec<String> {
        let rows = self.socket_rows();
        let shown = rows.iter().filter(|row| row.family == family && row.kind == kind && has_line(row));
        let line = |(at, row): (usize, &Row)| {
            let (local, remote) = (address(row.local, family), address(row.remote, family));
            let (state, received, inode) = (inet_state(row.phase), row.received, row.number);
            let rest = match kind {
                SocketKind::Stream => "1 0000000000000000 100 0 0 10 0",
                _ => "2 0000000000000000 0",
            };
            format!(
                "{at:>4}: {local} {remote} {state:02X} 00000000:{received:08X} 00:00000000 00000000     0        0 {inode} {rest}"
            )
        };
        shown.enumerate().map(line).collect()
    }

    fn unix_table(&self) -> Vec<u8> {
        let mut text = b"Num       RefCount Protocol Flags    Type St Inode Path\n".to_vec();
        for row in self.socket_rows().iter().filter(|row| row.family == Family::Unix) {
            let flags = if row.phase == Phase::Listening { 0x10000 } else { 0 };
            let kind = match row.kind {
                SocketKind::Stream => 1,
                SocketKind::Datagram => 2,
                SocketKind::SequencedPacket => 5,
            };
            // A Vec takes whatever is written.
            let _ = write!(
                text,
                "0000000000000000: 00000002 00000000 {flags:08X} {kind:04X} {:02X} {:>5}",
                unix_state(row.phase),
                row.number
            );
            if !row.name.is_empty() {
                text.push(b' ');
                text.extend(row.name.iter().map(|byte| if matches!(byte, b'\n' | 0) { b'@' } else { *byte }));
            }
            text.push(b'\n');
        }
        text
    }

    fn sockstat(&self) -> Vec<u8> {
        let rows = self.socket_rows();
        let count = |kind: SocketKind| {
            rows.iter().filter(|row| row.family == Family::Inet && row.kind == kind && has_line(row)).count()
        };
        format!(
            "sockets: used {}\nTCP: inuse {} orphan 0 tw 0 alloc {} mem 0\nUDP: inuse {} mem 0\nUDPLITE: inuse 0\n\
             RAW: inuse 0\nFRAG: inuse 0 memory 0\n",
            rows.len(),
            count(SocketKind::Stream),
            rows.iter().filter(|row| row.family != Family::Unix && row.kind == SocketKind::Stream).count(),
            count(SocketKind::Datagram),
        )
        .into_bytes()
    }
}
