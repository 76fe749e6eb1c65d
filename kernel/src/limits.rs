//! What one session may hold, each with a name, a default and the error that says it is full.

use crate::errno::Errno;
use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident = $default:expr, $errno:ident;)*) => {
        /// The limits of a session. Every queue, table and allocation a guest can grow counts against one.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Limits { $($(#[doc = $doc])* pub $name: u64,)* }

        impl Default for Limits {
            fn default() -> Limits {
                Limits { $($name: $default,)* }
            }
        }

        impl Limits {
            /// Name, default, meaning and error of every limit: the documentation of `--limit`.
            pub const TABLE: &[Limit] = &[$(Limit {
                name: stringify!($name),
                default: $default,
                about: concat!($($doc),*),
                errno: Errno::$errno,
            },)*];

            /// One limit by name.
            ///
            /// # Errors
            /// The name is none of [`Limits::TABLE`].
            pub fn get(&self, name: &str) -> Result<u64, UnknownLimit> {
                match name {
                    $(stringify!($name) => Ok(self.$name),)*
                    _ => Err(UnknownLimit { name: name.to_owned() }),
                }
            }

            /// Sets one limit by name.
            ///
            /// # Errors
            /// The name is none of [`Limits::TABLE`].
            pub fn set(&mut self, name: &str, value: u64) -> Result<(), UnknownLimit> {
                match name {
                    $(stringify!($name) => self.$name = value,)*
                    _ => return Err(UnknownLimit { name: name.to_owned() }),
                }
                Ok(())
            }
        }
    };
}

/// One limit, for the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// As `--limit` takes it.
    pub name: &'static str,
    /// What holds unless set.
    pub default: u64,
    /// What is counted.
    pub about: &'static str,
    /// What a guest gets at the limit.
    pub errno: Errno,
}

/// No limit has this name.
#[derive(Debug, thiserror::Error)]
#[error("no limit is called `{name}`; there are: {}", Limits::TABLE.iter().map(|limit| limit.name).collect::<Vec<_>>().join(", "))]
pub struct UnknownLimit {
    /// As given.
    pub name: String,
}

limits! {
    /// Processes alive or not yet waited for.
    processes = 256, EAGAIN;
    /// Descriptors of one process (the initial RLIMIT_NOFILE, soft and hard).
    descriptors = 1024, EMFILE;
    /// Open file descriptions of the session.
    open_files = 8192, ENFILE;
    /// Pipes and open FIFOs of the session; each may hold 64 KiB.
    pipes = 512, ENFILE;
    /// flock() locks and ranges of record locks of the session.
    locks = 1024, ENOLCK;
    /// Terminals of the session; each may hold about 200 KiB.
    ptys = 64, ENOSPC;
    /// Sockets of the session, those that wait to be accepted included.
    sockets = 512, ENFILE;
    /// Bytes in all sockets. At the limit messages fail, and streams hold 4 KiB each.
    socket_bytes = 16 << 20, ENOBUFS;
    /// Connections to the outside, those being made included; each is two of `sockets`.
    outbound = 64, ENOBUFS;
    /// Datagrams that wait at one socket; more are lost (UDP) or held back (Unix).
    datagrams = 512, EAGAIN;
    /// Descriptors on their way through Unix sockets.
    rights_in_flight = 1024, ETOOMANYREFS;
    /// Bytes of files the session wrote, in whole pages.
    file_bytes = 1 << 30, EDQUOT;
    /// Files the session made or changed.
    inodes = 262_144, EDQUOT;
    /// Bytes of memory of all processes together.
    memory_bytes = 2 << 30, ENOMEM;
    /// Bytes of memory of one process.
    process_memory_bytes = 1 << 30, ENOMEM;
    /// Bytes of arguments and environment of one exec.
    argument_bytes = 1 << 20, E2BIG;
    /// CPU milliseconds of one process; 0 is no limit. Past it the process gets SIGXCPU's default action.
    cpu_ms = 0, EAGAIN;
    /// Bytes of one file (the initial RLIMIT_FSIZE).
    file_size = 1 << 40, EFBIG;
}
