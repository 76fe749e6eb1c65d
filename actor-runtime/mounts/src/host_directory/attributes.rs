//! What a session sees of a host file's attributes, and what the host gets of those it sets.

use rustix::fs;
use warren_kernel::Errno;
use warren_kernel::host::Timestamp;
use warren_kernel::id::{Gid, Ino, Uid};
use warren_kernel::vfs::driver::DriverStat;
use warren_kernel::vfs::{FileKind, Mode};

/// Permission bits a session sees and sets. Set-user-id, set-group-id and sticky are the host's own affair.
const PERMISSIONS: u32 = 0o777;

/// How attributes are shown, and whether anything may be changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    pub(super) read_only: bool,
}

impl View {
    /// The host's attributes with the session's owner: users and groups of the host do not exist in a session.
    pub(super) fn show(&self, stat: &fs::Stat) -> Result<DriverStat, Errno> {
        Ok(DriverStat {
            ino: ino(stat.st_dev, stat.st_ino),
            kind: kind(stat)?,
            mode: Mode::new(stat.st_mode & PERMISSIONS),
            links: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
            uid: self.uid,
            gid: self.gid,
            size: stat.st_size as u64,
            sectors: stat.st_blocks as u64,
            times: [
                timestamp(stat.st_atime, stat.st_atime_nsec),
                timestamp(stat.st_mtime, stat.st_mtime_nsec),
                timestamp(stat.st_ctime, stat.st_ctime_nsec),
            ],
        })
    }
}

/// What kind of file it is.
pub(super) fn kind(stat: &fs::Stat) -> Result<FileKind, Errno> {
    FileKind::from_bits(stat.st_mode).ok_or(Errno::EIO)
}

/// One number for a file's device and inode number. Files of one device, which is nearly always all of them, cannot
/// meet: each gets its own number xor a constant. 0 is no inode, so the one file that would have it gets another.
pub(super) fn ino(device: u64, ino: u64) -> Ino {
    let mixed = ino ^ mix(device);
    Ino(if mixed == 0 { u64::MAX } else { mixed })
}

/// SplitMix64's finalizer (Steele, Lea, Flood 2014): neighbouring device numbers become unlike constants.
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The bits a session asks for and those of the host to keep.
pub(super) fn host_mode(mode: Mode, kept: u32) -> fs::Mode {
    fs::Mode::from_raw_mode(mode.bits() & PERMISSIONS | kept)
}

/// Times to set; `None` stays.
pub(super) fn host_times(atime: Option<Timestamp>, mtime: Option<Timestamp>) -> fs::Timestamps {
    let host = |time: Option<Timestamp>| match time {
        Some(time) => fs::Timespec { tv_sec: time.seconds(), tv_nsec: time.0.rem_euclid(1_000_000_000) },
        None => fs::Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
    };
    fs::Timestamps { last_access: host(atime), last_modification: host(mtime) }
}

/// Nearest time a `Timestamp` can tell (years 1677 to 2262).
fn timestamp(seconds: i64, nanoseconds: u64) -> Timestamp {
    Timestamp(Timestamp::from_seconds(seconds).0.saturating_add(nanoseconds as i64))
}
