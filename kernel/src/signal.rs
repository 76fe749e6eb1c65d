//! Signals: numbers, default actions, and what a process has blocked, ignored and pending.
//!
//! ```text
//! kill() ──▶ signal_process ──▶ pending ──▶ act ──default──▶ Doom: the runtime unwinds, then exit
//!                                            ├────────────▶ stopped: no call goes on until SIGCONT
//!                                            └──caught────▶ stays pending, Doom asks for attention ──▶ next_delivery
//! ```
//! This file has the state; what is done with it is in [`crate::process::delivery`]. The guest's runtime sees a mark
//! without the kernel's lock at its next safe point (a host call, or the epoch deadline of a busy loop).

use crate::errno::Errno;
use crate::sync::AtomicU32;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::Ordering;

/// A signal with Linux's number, 1 to 31.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident = $number:literal, $default:ident;)*) => {
        impl Signal {
            $(#[doc = concat!("SIG", stringify!($name))] pub const $name: Signal = Signal($number);)*

            /// The name without `SIG`.
            pub const fn name(self) -> &'static str {
                match self.0 { $($number => stringify!($name),)* _ => "?" }
            }

            /// What happens when nobody changed it.
            pub const fn default_action(self) -> Action {
                match self.0 { $($number => Action::$default,)* _ => Action::Terminate }
            }
        }
    };
}

signals! {
    HUP = 1, Terminate; INT = 2, Terminate; QUIT = 3, Terminate; ILL = 4, Terminate; TRAP = 5, Terminate;
    ABRT = 6, Terminate; BUS = 7, Terminate; FPE = 8, Terminate; KILL = 9, Terminate; USR1 = 10, Terminate;
    SEGV = 11, Terminate; USR2 = 12, Terminate; PIPE = 13, Terminate; ALRM = 14, Terminate; TERM = 15, Terminate;
    STKFLT = 16, Terminate; CHLD = 17, Ignore; CONT = 18, Continue; STOP = 19, Stop; TSTP = 20, Stop;
    TTIN = 21, Stop; TTOU = 22, Stop; URG = 23, Ignore; XCPU = 24, Terminate; XFSZ = 25, Terminate;
    VTALRM = 26, Terminate; PROF = 27, Terminate; WINCH = 28, Ignore; IO = 29, Terminate; PWR = 30, Terminate;
    SYS = 31, Terminate;
}

/// What a signal does by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ends the process; a core dump is never made.
    Terminate,
    /// Nothing.
    Ignore,
    /// Stops it.
    Stop,
    /// Continues it.
    Continue,
}

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    /// The default action.
    Default,
    /// Discards it.
    Ignore,
    /// Calls the guest.
    Catch {
        /// Blocked while the handler runs.
        mask: SignalSet,
        /// SA_* flags, Linux's bits.
        flags: u32,
    },
}

/// A set of signals: bit n-1 is signal n, as the kernel ABI's 64-bit sigset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignalSet(pub u64);

/// SA_NOCLDSTOP: no SIGCHLD when a child stops or continues. Linux's bits, as the ABI has them.
pub const SA_NOCLDSTOP: u32 = 1;
/// SA_NOCLDWAIT: children leave no zombies.
pub const SA_NOCLDWAIT: u32 = 2;
/// SA_RESTART: a call the handler interrupted is made again, if it is one of those.
pub const SA_RESTART: u32 = 0x1000_0000;
/// SA_NODEFER: the signal is not blocked in its own handler.
pub const SA_NODEFER: u32 = 0x4000_0000;
/// SA_RESETHAND: the handler runs once.
pub const SA_RESETHAND: u32 = 0x8000_0000;

impl SignalSet {
    /// KILL and STOP, which nothing can block.
    pub const UNBLOCKABLE: SignalSet = SignalSet(1 << 8 | 1 << 18);
    /// STOP, TSTP, TTIN and TTOU.
    pub const STOPS: SignalSet = SignalSet(0xf << 18);
    /// What a fault of the program raises, delivered before anything else: ILL, TRAP, BUS, FPE, SEGV and SYS.
    pub const SYNCHRONOUS: SignalSet = SignalSet(1 << 3 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 30);

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & other.0)
    }

    /// The signal Linux would deliver first: a synchronous one, else the lowest number.
    pub fn first(self) -> Option<Signal> {
        let synchronous = self.and(SignalSet::SYNCHRONOUS);
        let from = if synchronous.is_empty() { self } else { synchronous };
        Signal::new(from.0.trailing_zeros() + 1).ok()
    }

    /// Whether `signal` is in it.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & signal.bit() != 0
    }

    /// With `signal`.
    #[must_use]
    pub const fn with(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 | signal.bit())
    }

    /// Without those of `other`.
    #[must_use]
    pub const fn minus(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & !other.0)
    }

    /// Those of both.
    #[must_use]
    pub const fn plus(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 | other.0)
    }
}

impl Signal {
    /// Signals there are.
    pub const COUNT: usize = 31;

    /// The signal of this number.
    ///
    /// # Errors
    /// `EINVAL` unless it is 1 to 31.
    pub fn new(number: u32) -> Result<Signal, Errno> {
        match u8::try_from(number) {
            Ok(number @ 1..=31) => Ok(Signal(number)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    const fn bit(self) -> u64 {
        1 << (self.0 - 1)
    }
}

impl TryFrom<u8> for Signal {
    type Error = Errno;
    fn try_from(number: u8) -> Result<Signal, Errno> {
        Signal::new(u32::from(number))
    }
}

impl From<Signal> for u8 {
    fn from(signal: Signal) -> u8 {
        signal.0
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

/// The signal state of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signals {
    /// Held back until unblocked.
    pub blocked: SignalSet,
    /// Arrived and not yet acted on.
    pub pending: SignalSet,
    /// Whose default action this process is spared, by the wish of whoever launched it: an interactive shell that cannot
    /// catch a signal must survive Ctrl-C. Neither an image that follows nor a child inherits it.
    pub shielded: SignalSet,
    dispositions: [Disposition; Signal::COUNT],
}

impl Default for Signals {
    fn default() -> Signals {
        Signals {
            blocked: SignalSet(0),
            pending: SignalSet(0),
            shielded: SignalSet(0),
            dispositions: [Disposition::Default; Signal::COUNT],
        }
    }
}

impl Signals {
    /// What the process does with `signal`.
    pub fn disposition(&self, signal: Signal) -> Disposition {
        self.dispositions[usize::from(signal.0) - 1]
    }

    /// Changes what it does.
    ///
    /// # Errors
    /// `EINVAL` for KILL and STOP.
    pub fn set_disposition(&mut self, signal: Signal, disposition: Disposition) -> Result<(), Errno> {
        if SignalSet::UNBLOCKABLE.contains(signal) && disposition != Disposition::Default {
            return Err(Errno::EINVAL);
        }
        self.dispositions[usize::from(signal.0) - 1] = disposition;
        if self.ignores(signal) {
            self.pending = self.pending.minus(SignalSet::default().with(signal));
        }
        Ok(())
    }

    /// Whether the process ignores `signal`, by its own wish or by default. SIGCONT has an effect even so.
    pub fn ignores(&self, signal: Signal) -> bool {
        match self.disposition(signal) {
            Disposition::Ignore => true,
            Disposition::Default => {
                let spared = self.shielded.minus(SignalSet::UNBLOCKABLE).contains(signal);
                spared || matches!(signal.default_action(), Action::Ignore | Action::Continue)
            }
            Disposition::Catch { .. } => false,
        }
    }

    /// What has arrived and may be acted on.
    pub fn deliverable(&self) -> SignalSet {
        self.pending.minus(self.blocked)
    }

    /// What exec() leaves: caught signals return to default; ignored, blocked and pending ones stay.
    #[must_use]
    pub fn after_exec(&self) -> Signals {
        let mut after = Signals { shielded: SignalSet(0), ..self.clone() };
        for disposition in &mut after.dispositions {
            if matches!(disposition, Disposition::Catch { .. }) {
                *disposition = Disposition::Default;
            }
        }
        after
    }

    /// What a spawned child begins with: as after exec, and nothing pending.
    #[must_use]
    pub fn for_child(&self) -> Signals {
        Signals { pending: SignalSet(0), ..self.after_exec() }
    }
}

/// Marks on a process that its runtime sees without the kernel's lock: the signal that ends it, and whether it should
/// look at its signals at the next safe point.
#[derive(Debug, Default)]
pub struct Doom(AtomicU32);

impl Doom {
    /// The number of the signal that ends the process; 0 is none.
    const SIGNAL: u32 = 0xff;
    /// A caught signal is pending, or the process is stopped.
    const ATTENTION: u32 = 1 << 8;

    /// Marks the process; the first signal wins, but KILL always does.
    pub fn set(&self, signal: Signal) {
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |marks| {
            let first = marks & Doom::SIGNAL == 0 || signal == Signal::KILL;
            first.then_some(marks & !Doom::SIGNAL | u32::from(signal.0))
        });
    }

    /// The signal that ends the process, if it is marked.
    pub fn get(&self) -> Option<Signal> {
        Signal::new(self.0.load(Ordering::Acquire) & Doom::SIGNAL).ok()
    }

    /// Whether there is nothing to do at a safe point.
    pub fn is_clear(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// Asks the runtime to look at the process's signals; set and cleared with the kernel locked.
    pub(crate) fn ask_attention(&self, asked: bool) {
        if asked {
            self.0.fetch_or(Doom::ATTENTION, Ordering::AcqRel);
        } else {
            self.0.fetch_and(!Doom::ATTENTION, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests;
