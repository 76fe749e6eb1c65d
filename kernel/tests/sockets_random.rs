//! Sockets under whatever calls come: nothing panics, every bound holds at each step, and nothing is left.

#[cfg(test)]
mod common;

use common::network::{DATAGRAM, PACKET, STREAM, hidden, inet, path};
use common::{Machine, Pending, Proc};
use warren_kernel::id::{Fd, Pid};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::socket::receive::Incoming;
use warren_kernel::socket::send::Outgoing;
use warren_kernel::socket::{Address, Family, MessageFlags, Shutdown, SocketOption};
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::{Call, Kernel, Step};

const FDS: u32 = 12;
/// Calls [`perform`] knows, some by several numbers to come more often.
const CALLS: usize = 36;
const BYTES: u64 = 40_000;

/// Numbers from a seed (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

#[derive(Clone, Copy, Debug)]
struct Op {
    what: usize,
    fd: Fd,
    other: Fd,
    number: usize,
}

fn address(number: usize) -> Address {
    match number % 7 {
        0 => inet("127.0.0.1", 4000),
        1 => inet("0.0.0.0", 4000),
        2 => inet("::", 4001),
        3 => inet("::1", 4001),
        4 => path("/tmp/s"),
        5 => hidden("h"),
        _ => Address::Autobind,
    }
}

fn family(number: usize) -> Family {
    match number % 7 {
        0 | 1 => Family::Inet,
        2 | 3 => Family::Inet6,
        _ => Family::Unix,
    }
}

fn perform(kernel: &mut Kernel, call: &mut Call, op: Op) -> Step<()> {
    let Op { fd, other, number, .. } = op;
    let nonblock = if number.is_multiple_of(3) { OpenFlags::NONBLOCK } else { OpenFlags::empty() };
    let kind = [STREAM, DATAGRAM, PACKET][number % 3];
    match op.what {
        0 => kernel
            .socket(
                call,
                [Family::Inet, Family::Inet6, Family::Unix][number % 3],
                [STREAM, DATAGRAM][number % 2],
                nonblock,
            )
            .map(drop)?,
        1 => kernel.socket(call, Family::Unix, kind, nonblock).map(drop)?,
        2 => kernel.socket_pair(call, kind, nonblock).map(drop)?,
        3 | 4 => kernel.bind(call, fd, &address(number))?,
        5 | 6 => kernel.listen(call, fd, number as u32 % 3)?,
        7..=9 => kernel.connect(call, fd, &address(number))?,
        10 | 11 => kernel.accept(call, fd, nonblock).map(drop)?,
        12..=15 => {
            let data = vec![number as u8; [0, 1, 100, 5000, 70_000][number % 5]];
            let to = address(number);
            let rights = [fd, other, other];
            let message = Outgoing {
                data: &[&data],
                to: (number % 4 == 1).then_some(&to),
                rights: &rights[..if number.is_multiple_of(2) { number % 4 } else { 0 }],
                flags: MessageFlags::NOSIGNAL,
            };
            kernel.send(call, fd, &message).map(drop)?;
        }
        16..=19 => {
            let flags = [MessageFlags::empty(), MessageFlags::PEEK, MessageFlags::TRUNC, MessageFlags::DONTWAIT];
            let wanted =
                Incoming { want: number % 6000, rights: [None, Some(2)][number % 2], flags: flags[number % 4] };
            kernel.receive(call, fd, &wanted, &mut |_| ()).map(drop)?;
        }
        20 => kernel.shutdown(call, fd, [Shutdown::Read, Shutdown::Write, Shutdown::Both][number % 3])?,
        21..=24 => kernel.close(call, fd)?,
        25 => kernel.duplicate(call, fd, Fd(0), false).map(drop)?,
        26 => kernel.set_socket_option(call, fd, SocketOption::ReuseAddress(true))?,
        27 => kernel.set_socket_option(call, fd, SocketOption::Linger(Some(0)))?,
        28 => {
            let wants =
                |fd| PollFd { fd: Some(fd), events: PollEvents::IN | PollEvents::OUT, found: PollEvents::empty() };
            kernel.poll(call, &mut [wants(fd), wants(other)], None).map(drop)?;
        }
        29 => kernel.unlink(call, warren_kernel::vfs::open::At::Root, b"/tmp/s")?,
        30 => kernel.take_socket_error(call, fd).map(drop)?,
        31 => kernel.peer_name(call, fd).map(drop)?,
        // Alone, the steps of a meeting hardly ever come in order.
        32 => {
            let fd = kernel.socket(call, family(number), STREAM, nonblock)?;
            kernel.bind(call, fd, &address(number))?;
            kernel.listen(call, fd, number as u32 % 3)?;
        }
        _ => {
            let fd = kernel.socket(call, family(number), STREAM, OpenFlags::NONBLOCK)?;
            kernel.connect(call, fd, &address(number))?;
        }
    }
    Ok(())
}

fn check(machine: &Machine) {
    let usage = machine.usage();
    assert!(usage.sockets <= 14 && usage.rights_in_flight <= 9, "{usage:?}");
    // Streams hold 4 KiB each beyond the limit, in twice as much room at most; a message is charged beforehand.
    assert!(usage.socket_bytes <= BYTES * 2 + 14 * 8192, "{usage:?}");
}

/// Runs calls from a seed; returns which of them, by number, ever had a value.
fn run(seed: u64) -> u64 {
    let machine = Machine::limited(|limits| {
        (limits.sockets, limits.rights_in_flight, limits.socket_bytes) = (14, 9, BYTES);
        (limits.datagrams, limits.descriptors) = (4, u64::from(FDS));
    });
    let clean = machine.usage();
    let mut numbers = Numbers(seed);
    let processes = [machine.agent(), machine.user(2000)];
    let mut waiting: Vec<Pending<'_, ()>> = Vec::new();
    let mut done = 0;
    for _ in 0..600 {
        let what = numbers.below(CALLS);
        let (fd, other) = (Fd(numbers.below(FDS as usize) as u32), Fd(numbers.below(FDS as usize) as u32));
        let op = Op { what, fd, other, number: numbers.below(1 << 20) };
        let process: Proc<'_> = processes[numbers.below(2)];
        let mut pending =
            Pending::new(machine.session.call(process.pid, move |kernel, call| perform(kernel, call, op)));
        match pending.poll() {
            Some(answer) => done |= u64::from(answer.is_ok()) << what,
            None => waiting.push(pending),
        }
        if waiting.len() > 6 {
            drop(waiting.remove(0));
        }
        // Only who was woken looks again: one that is owed a value and was not woken would wait for ever.
        waiting.retain_mut(|pending| {
            let before = pending.rings();
            if before == 0 { true } else { pending.poll().is_none() && pending.rings() == before }
        });
        check(&machine);
    }
    drop(waiting);
    for process in processes {
        process.exit(0);
    }
    let left = machine.usage();
    assert_eq!(
        (left.sockets, left.socket_bytes, left.rights_in_flight, left.open_files, left.waiting_calls),
        (0, 0, 0, 0, 0),
        "{left:?}"
    );
    let _ = machine.block(Pid::INIT, |kernel, call| kernel.unlink(call, warren_kernel::vfs::open::At::Root, b"/tmp/s"));
    assert_eq!(machine.usage().held_inodes, clean.held_inodes);
    done
}

#[test]
fn nothing_panics_and_nothing_is_left() {
    let mut done = 0;
    for seed in 1..=300 {
        let ran = std::panic::catch_unwind(|| run(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed)));
        done |= ran.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert_eq!(done, (1 << CALLS) - 1, "a call that never has a value is not tested: {done:b}");
}
