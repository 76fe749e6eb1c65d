//! What a long operation tells its caller while it runs, so that a command line can draw bars.

/// One report. `done` and `total` are bytes, but for [`Progress::Compiling`], where they count modules. Reports come
/// often (once a buffer); a caller that draws should throttle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Another process is using what we need; the operation goes on when that one is done.
    Waiting {
        what: &'a str,
    },
    Downloading {
        package: &'a str,
        done: u64,
        total: Option<u64>,
    },
    /// A connection failed and is tried again after a pause.
    Retrying {
        package: &'a str,
        attempt: u32,
        reason: &'a str,
    },
    Verifying {
        package: &'a str,
    },
    Unpacking {
        package: &'a str,
        done: u64,
        total: u64,
    },
    /// Reported by the compiler that runs after an installation, not by this module.
    Compiling {
        package: &'a str,
        done: u64,
        total: u64,
    },
}

/// Where reports go. Called on the thread that does the work.
pub type Report<'a> = &'a dyn Fn(Progress<'_>);
