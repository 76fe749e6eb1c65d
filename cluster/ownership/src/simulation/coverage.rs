//! What runs went through: changes of records, steps of openings, refusals, proofs, faults, and where processes died.

use crate::message::{Effect, HotRequest, LocalRequest, StoreRequest};
use std::collections::BTreeMap;
use std::fmt;

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<(&'static str, String), u64>);

impl Coverage {
    /// Once more.
    pub fn count(&mut self, table: &'static str, line: impl Into<String>) {
        *self.0.entry((table, line.into())).or_default() += 1;
    }

    /// With what other runs went through.
    pub fn add(&mut self, other: &Coverage) {
        for (line, times) in &other.0 {
            *self.0.entry(line.clone()).or_default() += times;
        }
    }

    /// How often a line of a table happened.
    pub fn times(&self, table: &'static str, line: &str) -> u64 {
        self.0.get(&(table, line.to_owned())).copied().unwrap_or(0)
    }

    /// The lines of a table.
    pub fn lines(&self, table: &'static str) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().filter(move |((name, _), _)| *name == table).map(|((_, line), times)| (line.as_str(), *times))
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for ((table, line), times) in &self.0 {
            if *table != last {
                writeln!(f, "{table}")?;
                last = table;
            }
            writeln!(f, "  {line:<48} {times:>10}")?;
        }
        Ok(())
    }
}

/// Effects by kind: the places a process can die at.
pub const EFFECTS: &[&str] = &[
    "store read",
    "store write",
    "store put",
    "store list",
    "store remove",
    "redis renew",
    "redis grant",
    "redis lease",
    "redis raise",
    "redis peek",
    "redis seed",
    "redis append",
    "redis trim",
    "local append",
    "local read",
    "reply",
    "serve",
    "stop",
    "run",
];

/// The kind of an effect, of [`EFFECTS`].
pub fn kind(effect: &Effect) -> &'static str {
    let index = match effect {
        Effect::Store(_, request) => match request {
            StoreRequest::Read(_) => 0,
            StoreRequest::Write(..) => 1,
            StoreRequest::Put(..) => 2,
            StoreRequest::List(..) => 3,
            StoreRequest::Remove(..) => 4,
        },
        Effect::Hot(_, request) => match request {
            HotRequest::Renew(..) => 5,
            HotRequest::Grant(..) => 6,
            HotRequest::Lease(_) => 7,
            HotRequest::Raise(..) => 8,
            HotRequest::Peek(_) => 9,
            HotRequest::Seed(..) => 10,
            HotRequest::Append(..) => 11,
            HotRequest::Trim(..) => 12,
        },
        Effect::Local(_, LocalRequest::Append(..)) => 13,
        Effect::Local(_, LocalRequest::Read(_)) => 14,
        Effect::Reply(..) => 15,
        Effect::Serve(..) => 16,
        Effect::Stop(..) => 17,
        Effect::Run(..) => 18,
    };
    EFFECTS[index]
}
