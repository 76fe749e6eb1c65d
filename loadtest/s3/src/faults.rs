//! What goes wrong, and when: once each as a test asks for it, or by chance from a seed.
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// GET and HEAD of an object.
    Read,
    /// PUT of an object or a part, POST of an upload.
    Write,
    /// POST that completes an upload; it is a write, too.
    Complete,
    /// DELETE.
    Delete,
    /// GET of a bucket.
    List,
}

/// One thing that goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An answer of this status, and nothing done: 503 is `SlowDown`, 429 `TooManyRequests`, 409
    /// `ConditionalRequestConflict`, others `InternalError`.
    Status(u16),
    /// The request is done, and answered with 500.
    ErrorAfterApply,
    /// It is done this much later.
    Slow(Duration),
    /// It is done, and the connection ends without an answer.
    LostAfterApply,
    /// The connection ends, and nothing is done.
    Reset,
    /// Nothing is done, and nothing is answered for this long; then the connection ends.
    Stall(Duration),
    /// It is done, and answered this much later: the client may have gone.
    StallAfterApply(Duration),
    /// Half of the answer's body is sent, then the connection ends.
    Cut,
    /// A list is as it was so many changes ago.
    Behind(usize),
    /// A page of something between that knows no S3: 404 in HTML, and nothing done.
    Page,
    /// An upload is completed with 200 and an error in it; nothing is done.
    ErrorInside,
    /// The range of a read is not looked at: 200, and all of it.
    Whole,
    /// A read of a range answers with the one that begins a byte later.
    Shifted,
}

/// What to do wrong next.
#[derive(Debug)]
pub struct Script {
    once: VecDeque<(Option<Operation>, Fault)>,
    weather: Vec<Chance>,
    random: u64,
    done: u64,
    asked: [u64; 5],
}

/// How often a fault happens by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance {
    /// Of a thousand requests.
    pub per_mille: u16,
    /// What.
    pub fault: Fault,
}

impl Default for Script {
    fn default() -> Script {
        Script::new(0, Vec::new())
    }
}

impl Script {
    /// Faults by chance: the same seed and the same requests have the same ones.
    pub fn new(seed: u64, weather: Vec<Chance>) -> Script {
        Script { once: VecDeque::new(), weather, random: seed, done: 0, asked: [0; 5] }
    }

    /// The next request of this kind, or of any, has this fault; after those that were asked for before.
    pub fn once(&mut self, operation: Option<Operation>, fault: Fault) {
        self.once.push_back((operation, fault));
    }

    /// Faults that were asked for and did not happen yet.
    pub fn waiting(&self) -> usize {
        self.once.len()
    }

    /// Faults that happened.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Requests there were of a kind; writes with those that complete uploads.
    pub fn asked(&self, operation: Operation) -> u64 {
        let completed = if operation == Operation::Write { self.asked[Operation::Complete as usize] } else { 0 };
        self.asked[operation as usize] + completed
    }

    /// The fault of this request.
    pub fn next(&mut self, operation: Operation) -> Option<Fault> {
        self.asked[operation as usize] += 1;
        let fits = |(wanted, _): &(Option<Operation>, Fault)| wanted.is_none_or(|wanted| operation.is(wanted));
        let fault = match self.once.iter().position(fits) {
            Some(at) => self.once.remove(at).map(|(_, fault)| fault),
            None => self.chance(operation),
        };
        self.done += u64::from(fault.is_some());
        fault
    }

    fn chance(&mut self, operation: Operation) -> Option<Fault> {
        if self.weather.is_empty() {
            return None;
        }
        let mut left = u16::try_from(self.random() % 1000).expect("below 1000");
        for chance in &self.weather {
            if left < chance.per_mille {
                return fits(chance.fault, operation).then_some(chance.fault);
            }
            left -= chance.per_mille;
        }
        None
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Operation {
    fn is(self, wanted: Operation) -> bool {
        self == wanted || (self == Operation::Complete && wanted == Operation::Write)
    }
}

fn fits(fault: Fault, operation: Operation) -> bool {
    match fault {
        Fault::Behind(_) => operation == Operation::List,
        Fault::Status(409) => operation.is(Operation::Write),
        Fault::ErrorInside => operation == Operation::Complete,
        Fault::Whole | Fault::Shifted => operation == Operation::Read,
        _ => true,
    }
}

/// Why a text is no script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError(String);

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no fault: NAME:PER_MILLE[:NUMBER], NAME one of 409 429 500 503, error-after-apply, slow (NUMBER: ms), \
             lost, reset, stall (ms), stall-after-apply (ms), cut, behind (changes), page, error-inside, \
             whole, shifted",
            self.0
        )
    }
}

impl std::error::Error for ScriptError {}

impl FromStr for Chance {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Chance, ScriptError> {
        let wrong = || ScriptError(text.to_owned());
        let mut parts = text.split(':');
        let name = parts.next().ok_or_else(wrong)?;
        let per_mille =
            parts.next().and_then(|part| part.parse().ok()).filter(|many| *many <= 1000).ok_or_else(wrong)?;
        let number = parts.next().map(|part| part.parse::<u32>().map_err(|_| wrong())).transpose()?;
        let millis = |default: u32| Duration::from_millis(number.unwrap_or(default).into());
        let fault = match name {
            "409" | "429" | "500" | "503" => Fault::Status(name.parse().map_err(|_| wrong())?),
            "error-after-apply" => Fault::ErrorAfterApply,
            "slow" => Fault::Slow(millis(300)),
            "lost" => Fault::LostAfterApply,
            "reset" => Fault::Reset,
            "stall" => Fault::Stall(millis(60_000)),
            "stall-after-apply" => Fault::StallAfterApply(millis(60_000)),
            "cut" => Fault::Cut,
            "behind" => Fault::Behind(number.unwrap_or(8) as usize),
            "page" => Fault::Page,
            "error-inside" => Fault::ErrorInside,
            "whole" => Fault::Whole,
            "shifted" => Fault::Shifted,
            _ => return Err(wrong()),
        };
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Chance { per_mille, fault })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::{Chance, Fault, Operation, Script};
    use std::time::Duration;

    #[test]
    fn a_seed_has_its_faults() {
        let weather = || vec!["503:100".parse().unwrap(), "slow:100:5".parse().unwrap(), "409:50".parse().unwrap()];
        let run = |seed| {
            let mut script = Script::new(seed, weather());
            (0..1000).map(|_| script.next(Operation::Read)).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let (slow, busy) = (Fault::Slow(Duration::from_millis(5)), Fault::Status(503));
        let count = |fault| run(7).into_iter().filter(|one| *one == Some(fault)).count();
        assert!(
            (60..140).contains(&count(slow)) && (60..140).contains(&count(busy)),
            "{} {}",
            count(slow),
            count(busy)
        );
        assert_eq!(count(Fault::Status(409)), 0, "a read has no conflict");
    }

    #[test]
    fn what_is_asked_for_comes_in_order_and_once() {
        let mut script = Script::default();
        script.once(Some(Operation::Write), Fault::Reset);
        script.once(None, Fault::Cut);
        assert_eq!(script.next(Operation::Read), Some(Fault::Cut));
        assert_eq!((script.waiting(), script.next(Operation::List)), (1, None));
        assert_eq!(script.next(Operation::Write), Some(Fault::Reset));
        assert_eq!((script.next(Operation::Write), script.done()), (None, 2));
    }

    #[test]
    fn nonsense_is_no_fault() {
        for wrong in ["", "503", "503:1001", "504:1", "slow:1:x", "slow:1:2:3", "reset:-1"] {
            assert!(wrong.parse::<Chance>().is_err(), "{wrong}");
        }
    }
}
