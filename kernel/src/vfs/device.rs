//! Character devices: /dev/null and its kin.

use super::makedev;

/// A device the kernel knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// Reads end, writes vanish.
    Null,
    /// Reads zeros, writes vanish.
    Zero,
    /// Reads zeros, writes find no space.
    Full,
    /// Reads random bytes, writes vanish.
    Random,
    /// The controlling terminal; a process without one gets ENXIO.
    Tty,
    /// Makes a terminal and is its master.
    Ptmx,
}

impl Device {
    /// The number of /dev/ptmx.
    pub const PTMX: u64 = makedev(5, 2);

    /// Name below /dev, number and permission bits of every node a session begins with.
    pub const NODES: &[(&str, u64, u32)] = &[
        ("null", makedev(1, 3), 0o666),
        ("zero", makedev(1, 5), 0o666),
        ("full", makedev(1, 7), 0o666),
        ("random", makedev(1, 8), 0o666),
        ("urandom", makedev(1, 9), 0o666),
        ("tty", makedev(5, 0), 0o666),
        ("ptmx", Device::PTMX, 0o666),
    ];

    /// The device of a node's number (Linux's numbers); `None` for one that is not there.
    pub const fn of(rdev: u64) -> Option<Device> {
        Some(match rdev {
            0x103 => Device::Null,
            0x105 => Device::Zero,
            0x107 => Device::Full,
            0x108 | 0x109 => Device::Random,
            0x500 => Device::Tty,
            Device::PTMX => Device::Ptmx,
            _ => return None,
        })
    }
}
