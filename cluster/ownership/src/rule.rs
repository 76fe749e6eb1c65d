//! The rules safety rests on, by name, each of which a core for tests can break.
//!
//! A rule that nothing notices the absence of is not known to be needed, nor known to be kept. So each decision that
//! matters asks [`Rules::keep`], the simulator runs cores that break one rule each, and every one of them must be caught.

use std::fmt;

/// Which rule a core breaks: none, outside tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules(Option<Rule>);

impl Rules {
    /// All rules are kept.
    pub const ALL: Rules = Rules(None);

    /// All but this one, to see that it is noticed.
    pub fn breaking(rule: Rule) -> Rules {
        Rules(Some(rule))
    }

    /// Whether the rule is kept.
    pub fn keep(self, rule: Rule) -> bool {
        self.0 != Some(rule)
    }

    /// The one that is broken.
    pub fn broken(self) -> Option<Rule> {
        self.0
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// A rule. Its text says what holds, and what a core does that breaks it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($(#[doc = $doc])+ $name),+ }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Rule] = &[$(Rule::$name),+];

            /// What it says.
            pub fn text(self) -> &'static str {
                match self { $(Rule::$name => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

rules! {
    /// What is acknowledged by the store is followed by a read of the record that still names us. Broken: acknowledged as soon as the segment is written.
    RereadBeforeAck,
    /// Who speaks because the record named it, or Redis took an entry, has heard that just now. Broken: whenever.
    FreshAnswer,
    /// Each owner has an epoch of its own. Broken: a take-over keeps the epoch.
    EpochPerOwner,
    /// A dead owner's entries are looked for after its record was taken. Broken: listed before, then taken.
    ClaimBeforeList,
    /// A conditional write without an answer may have happened. Broken: it is taken not to have, and the session goes on.
    UnknownIsNotFailure,
    /// A write without an answer may not have happened. Broken: it is taken to have.
    UnknownIsNotSuccess,
    /// A conditional write that was refused changed nothing. Broken: it is taken for the answer to an earlier try that succeeded.
    RefusedIsNotSuccess,
    /// A segment that is written again has the same bytes. Broken: what came meanwhile is added, and 412 taken for its success.
    RetrySameSegment,
    /// What is acknowledged is as durable as its tier says. Broken: acknowledged when it is sent.
    AckAfterDurable,
    /// What followers see is as durable as its tier says. Broken: they see it when it is made.
    ShowAfterDurable,
    /// A lease ends for its holder a margin before it ends in Redis. Broken: no margin.
    LeaseMargin,
    /// The end of a lease is kept on the monotonic clock. Broken: on the wall clock.
    MonotonicClock,
    /// The lease is compared with the time at each act. Broken: a timer says that it ended, late after a pause.
    LeaseAtEachAct,
    /// A lease counts from when its renewal was sent. Broken: from when the answer came.
    LeaseFromSend,
    /// Each try to begin a lease's term has a number of its own. Broken: tried again under the same, so that one that is late hides a lapse.
    TermPerGrant,
    /// After a lapse a session's record is written before the lease is good for it again. Broken: at once.
    ReaffirmAfterLapse,
    /// An owner's lease is looked at after the record that names it. Broken: what was known of it before is used.
    RecordBeforeLease,
    /// Who does not hold a session takes it only when its owner's lease has ended. Broken: always.
    OwnerMustBeDead,
    /// No lease of a Redis that lost what it knew is missed before all have ended that it may have known. Broken: at once.
    GraceAfterRedisLoss,
    /// The hot journal is fenced before it is read. Broken: only read.
    FenceJournalFirst,
    /// A journal that forgot its fence is used again only after the record was read. Broken: it is fenced anew without.
    ReverifyAfterRedisLoss,
    /// Appends name the Redis whose fence was verified. Broken: any Redis is as good.
    AppendNamesHome,
    /// What only a Redis had that is gone is brought into the store. Broken: it is taken to be there still.
    FlushAfterRedisLoss,
    /// A session is served after its record says where the new epoch begins. Broken: after its record was taken.
    SettleBeforeServe,
    /// A journal that is seeded again by the same epoch keeps what was appended behind that. Broken: emptied, by a seed that was late.
    LateSeedKeeps,
    /// Of the hot journal, entries of the open epoch count. Broken: all of them.
    JournalOfOpenEpoch,
    /// Of the local log, entries of the open epoch count. Broken: all of them.
    LocalOfOpenEpoch,
    /// A session goes to rest when all of it is in the store. Broken: at once.
    FlushBeforeRest,
    /// A session that is handed over takes no more commands. Broken: it goes on until the record is written.
    FreezeBeforeMove,
    /// Once the write that lets a session go was sent, nothing more is said for it. Broken: a lease still speaks.
    SilentOnceLeaving,
    /// A deleted session's record stays as a tombstone. Broken: it is removed.
    Tombstone,
    /// Event numbers go on across owners. Broken: each begins with 1.
    CursorsGoOn,
    /// Where a session is, its record says. Broken: placement is computed again.
    RecordOverPlacement,
    /// An epoch is served once. Broken: who finds itself in the record serves that epoch again.
    EpochServedOnce,
    /// A keyed command runs when its start is durable. Broken: at once.
    StartBeforeRun,
    /// A start without an outcome is told as interrupted. Broken: it is run again.
    InterruptedIsNotRerun,
    /// A node restores few sessions at once. Broken: all that are asked for.
    RestoreAdmission,
    /// Tenants take turns with restores. Broken: first come, first served.
    RestoreFairness,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
