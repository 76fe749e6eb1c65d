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
}

impl Device {
    /// Path below /dev, device and permission bits of every node a session begins with.
    pub const NODES: &[(&str, Device, u32)] = &[
        ("null", Device::Null, 0o666),
        ("zero", Device::Zero, 0o666),
        ("full", Device::Full, 0o666),
        ("random", Device::Random, 0o666),
        ("urandom", Device::Random, 0o666),
        ("tty", Device::Tty, 0o666),
    ];

    /// The device of a node's number (Linux's numbers); `None` for one that is not there.
    pub const fn of(rdev: u64) -> Option<Device> {
        Some(match rdev {
            0x103 => Device::Null,
            0x105 => Device::Zero,
            0x107 => Device::Full,
            0x108 | 0x109 => Device::Random,
            0x500 => Device::Tty,
            _ => return None,
        })
    }

    /// The number of its node.
    pub const fn rdev(self) -> u64 {
        match self {
            Device::Null => makedev(1, 3),
            Device::Zero => makedev(1, 5),
            Device::Full => makedev(1, 7),
            Device::Random => makedev(1, 9),
            Device::Tty => makedev(5, 0),
        }
    }
}
