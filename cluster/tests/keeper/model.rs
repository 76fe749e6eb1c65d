//! A session beside what it may be after its machine failed.
//!
//! ```text
//! Slot ── owner ──▶ append, checkpoint, rest, fork, delete ──▶ Keeper ──▶ a disk that is cut off at any operation
//!      └─ states: what it was after each batch ──▶ after the cut it must be one of those, none before the last it was sure of
//! ```
//! A state is noted before it is acknowledged, since what is on its way may be there afterwards. A `scratch` session has a
//! state at each of its points only.
#![allow(unreachable_pub, reason = "each test file uses its part")]

use crate::world::{Owner, new_session, tenant, try_shown};
use bytes::Bytes;
use std::collections::BTreeMap;
use warren_cluster::keeper::Keeper;
use warren_kernel::host::Timestamp;
use warren_session::durability::{
    Batch, Counters, Durability, DurabilityError, Keep, KeyedCommand, Level, NewSession, Point,
};
use warren_session::event::{End, Event, Stream, What};
use warren_session::id::{CommandKey, ExecId, SessionId, SessionName};
use warren_session::position::Position;
use warren_session::spec::Tier;

/// What was found to be wrong.
pub type Wrong = String;

/// Random numbers, the same for a seed on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }
}

type Keys = BTreeMap<CommandKey, KeyedCommand>;

/// A session after a batch.
#[derive(Clone)]
struct State {
    /// Its last event.
    last: u64,
    files: [u8; 32],
    keys: Keys,
    counters: Counters,
}

/// What a machine's failure may not take.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Sure {
    exists: bool,
    /// The first of the states it may be in.
    state: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deleted {
    No,
    /// It was tried, and nobody knows.
    Perhaps,
    Yes,
}

/// One session at a time, under one name.
pub struct Slot {
    pub tier: Tier,
    pub dice: Dice,
    name: String,
    pub id: Option<SessionId>,
    pub owner: Option<Owner>,
    keys: Keys,
    states: Vec<State>,
    events: Vec<Event>,
    if_process_dies: Sure,
    if_power_fails: Sure,
    /// What a `scratch` session was told of its keys, beyond its points.
    told: Keys,
    tried: Vec<(CommandKey, KeyedCommand)>,
    deleted: Deleted,
    /// Sessions that began as this one was.
    forks: Vec<Fork>,
    /// Sessions that are gone for ever.
    graves: Vec<SessionId>,
    pub done: u64,
}

struct Fork {
    id: SessionId,
    files: [u8; 32],
    if_process_dies: bool,
    if_power_fails: bool,
}

impl Slot {
    pub fn new(tier: Tier, number: u64, seed: u64) -> Slot {
        Slot {
            tier,
            dice: Dice(seed),
            name: format!("slot-{number}"),
            id: None,
            owner: None,
            keys: Keys::new(),
            states: Vec::new(),
            events: Vec::new(),
            if_process_dies: Sure::default(),
            if_power_fails: Sure::default(),
            told: Keys::new(),
            tried: Vec::new(),
            deleted: Deleted::No,
            forks: Vec::new(),
            graves: Vec::new(),
            done: 0,
        }
    }

    /// Whether a session is sure to be there.
    pub fn is_sure(&self) -> bool {
        self.if_process_dies.exists && self.deleted == Deleted::No
    }

    /// One thing that a session's owner may do.
    pub async fn step(&mut self, keeper: &Keeper) -> Result<(), DurabilityError> {
        if self.id.is_none() {
            self.create(keeper).await?;
        } else if self.owner.is_none() {
            self.claim_again(keeper).await?;
        }
        let number = self.done;
        self.done += 1;
        match self.dice.below(24) {
            0..=5 => {
                let bytes = vec![number as u8; self.dice.below(3000) as usize];
                self.write(&format!("f{}", number % 5), &bytes);
                self.say().await
            }
            6 => {
                let bytes = self.noise(300_000 + self.dice.0 as usize % 100_000);
                self.write("large", &bytes);
                self.say().await
            }
            7..=8 => {
                self.write("behind", &number.to_le_bytes());
                self.background().await
            }
            9..=10 => self.say_twice().await,
            11..=14 => self.keyed(number).await,
            15..=16 => self.checkpoint(number).await,
            17 => self.rest().await,
            18 => {
                self.owner = None;
                Ok(())
            }
            19..=20 => self.fork(keeper).await,
            21 => self.read(keeper).await,
            22 if self.dice.below(3) == 0 => self.delete().await,
            _ => {
                keeper.tidy().await;
                Ok(())
            }
        }
    }

    /// A session in this slot, made or taken, that keeps what it is told.
    pub async fn works(&mut self, keeper: &Keeper) -> Result<(), DurabilityError> {
        if self.id.is_none() {
            self.create(keeper).await?;
        } else if self.owner.is_none() {
            self.claim_again(keeper).await?;
        }
        self.write("works", b"again");
        self.say().await?;
        self.checkpoint(0).await
    }

    async fn create(&mut self, keeper: &Keeper) -> Result<(), DurabilityError> {
        let new = new_session(self.tier, Some(&self.name));
        *self = Slot {
            dice: Dice(self.dice.roll()),
            name: self.name.clone(),
            done: self.done,
            id: Some(new.id),
            forks: std::mem::take(&mut self.forks),
            graves: std::mem::take(&mut self.graves),
            ..Slot::new(self.tier, 0, 0)
        };
        let files = digest(&crate::world::layer()).expect("the layer is in memory");
        self.states.push(State { last: 0, files, keys: Keys::new(), counters: Counters::default() });
        let owner = Owner::of(keeper.create(new).await?);
        self.if_process_dies.exists = true;
        self.if_power_fails.exists = self.tier >= Tier::Journal;
        self.owner = Some(owner);
        Ok(())
    }

    async fn claim_again(&mut self, keeper: &Keeper) -> Result<(), DurabilityError> {
        let Some(id) = self.id else { return Ok(()) };
        let claimed = keeper.claim(&tenant(), id).await?;
        self.if_power_fails.exists = true;
        // What was on its way when the owner before was given up happened or did not: now that is known.
        let last = claimed.last.seq;
        let sure = self.if_process_dies.state;
        let found = self.states.iter().rposition(|state| state.last == last).filter(|found| *found >= sure);
        let Some(found) = found else { return Err(DurabilityError::Unavailable(format!("{last} is no state of it"))) };
        self.states.truncate(found + 1);
        self.events.retain(|event| event.position.seq <= last);
        self.keys = claimed.keys.iter().cloned().collect();
        self.owner = Some(Owner::of(claimed));
        Ok(())
    }

    fn owner(&mut self) -> &mut Owner {
        self.owner.as_mut().expect("taken before each step")
    }

    fn noise(&mut self, len: usize) -> Vec<u8> {
        noise(self.dice.roll(), len)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) {
        let owner = self.owner();
        owner.execs += 1;
        owner.counters.execs = owner.execs;
        owner.put(name, bytes);
        let exec = ExecId(owner.execs);
        let bytes = Bytes::copy_from_slice(name.as_bytes());
        owner.note(What::Output { exec, stream: Stream::Stdout, offset: 0, bytes });
    }

    /// The state that a batch or a point leads to, before anybody knows whether it will be kept.
    fn note_state(&mut self) -> Result<usize, DurabilityError> {
        let owner = self.owner.as_ref().expect("taken before each step");
        let unread = || DurabilityError::Unavailable("its files cannot be read".to_owned());
        let files = digest(owner.tree.inodes()).ok_or_else(unread)?;
        let state = State { last: owner.last.seq, files, keys: self.keys.clone(), counters: owner.counters };
        self.states.push(state);
        Ok(self.states.len() - 1)
    }

    fn batch(&mut self) -> Result<(Batch, usize), DurabilityError> {
        let state = self.note_state()?;
        let batch = self.owner().batch();
        self.events.extend(batch.events.iter().cloned());
        Ok((batch, state))
    }

    fn acknowledged(&mut self, state: usize, level: Level) {
        self.if_process_dies.state = self.if_process_dies.state.max(state);
        if level >= Level::Synced {
            self.if_power_fails = Sure { exists: true, state: self.if_power_fails.state.max(state) };
        }
    }

    /// A call is acknowledged as the tier says; a `scratch` session keeps nothing of it.
    async fn say(&mut self) -> Result<(), DurabilityError> {
        let Some(level) = self.tier.level() else { return Ok(()) };
        let (batch, state) = self.batch()?;
        self.owner().claim.append(batch, level).await?;
        self.acknowledged(state, level);
        Ok(())
    }

    async fn background(&mut self) -> Result<(), DurabilityError> {
        if self.tier.level().is_none() {
            return Ok(());
        }
        let (batch, state) = self.batch()?;
        self.owner().claim.append(batch, Level::Buffered).await?;
        self.acknowledged(state, Level::Buffered);
        Ok(())
    }

    /// Two batches on their way at once, the first large.
    async fn say_twice(&mut self) -> Result<(), DurabilityError> {
        let Some(level) = self.tier.level() else { return Ok(()) };
        let bytes = self.noise(270_000);
        self.write("first", &bytes);
        let (batch, one) = self.batch()?;
        let first = self.owner().claim.append(batch, level);
        self.write("second", b"small");
        let (batch, two) = self.batch()?;
        let second = self.owner().claim.append(batch, level);
        let (first, second) = (first.await, second.await);
        first?;
        self.acknowledged(one, level);
        second?;
        self.acknowledged(two, level);
        Ok(())
    }

    /// A command that must not run twice: its start is kept before it runs, its end with what it did.
    async fn keyed(&mut self, number: u64) -> Result<(), DurabilityError> {
        let key: CommandKey = format!("key-{number}").parse().expect("a key");
        self.owner().execs += 1;
        let exec = ExecId(self.owner().execs);
        self.owner().counters.execs = exec.0;
        let after = self.owner().last;
        let mut command = KeyedCommand { exec, after, request: [number as u8; 16], end: None };
        self.keep_key(&key, &command, false).await?;
        if self.dice.below(4) == 0 {
            return Ok(()); // It runs for long.
        }
        if self.dice.below(4) == 0 {
            self.checkpoint(number).await?;
        }
        command.end = Some(End::TimedOut);
        self.write("keyed", &number.to_le_bytes());
        self.keep_key(&key, &command, true).await
    }

    async fn keep_key(&mut self, key: &CommandKey, command: &KeyedCommand, ends: bool) -> Result<(), DurabilityError> {
        self.keys.insert(key.clone(), command.clone());
        self.tried.push((key.clone(), command.clone()));
        let kept = vec![(key.clone(), command.clone())];
        let Some(level) = self.tier.level() else {
            let batch = Batch { keys: kept, counters: self.owner().counters, ..Batch::default() };
            self.owner().claim.append(batch, Level::Buffered).await?;
            self.told.insert(key.clone(), command.clone());
            return Ok(());
        };
        if !ends {
            let exec = command.exec;
            let command = vec!["true".to_owned()];
            self.owner().note(What::Started { exec, pid: warren_kernel::id::Pid(7), command });
        }
        let (batch, state) = self.batch()?;
        self.owner().claim.append(Batch { keys: kept, ..batch }, level).await?;
        self.acknowledged(state, level);
        Ok(())
    }

    fn point(&mut self) -> Result<(Point, usize), DurabilityError> {
        let state = self.note_state()?;
        let keys = self.keys.iter().map(|(key, command)| (key.clone(), command.clone())).collect();
        let point = Point { keys, ..self.owner().point() };
        self.events.extend(point.events.iter().cloned());
        Ok((point, state))
    }

    /// A point, after everything that leads to it is on its way, as a session makes them.
    async fn point_behind(&mut self) -> Result<(Point, usize), DurabilityError> {
        self.background().await?;
        self.point()
    }

    async fn checkpoint(&mut self, number: u64) -> Result<(), DurabilityError> {
        let (point, state) = self.point_behind().await?;
        let keep = (number % 3 == 1).then_some(Keep { number, name: None, time: Timestamp(1) });
        match self.owner().claim.checkpoint(point, keep).await {
            Err(DurabilityError::TooManyCheckpoints(..)) => Ok(()),
            made => {
                made?;
                self.acknowledged(state, Level::Stored);
                Ok(())
            }
        }
    }

    async fn rest(&mut self) -> Result<(), DurabilityError> {
        let (point, state) = self.point_behind().await?;
        self.owner().claim.hibernate(point).await?;
        self.owner = None;
        self.acknowledged(state, Level::Stored);
        Ok(())
    }

    async fn fork(&mut self, keeper: &Keeper) -> Result<(), DurabilityError> {
        if self.forks.len() > 3 {
            return self.bury_fork(keeper).await;
        }
        let (point, state) = self.point_behind().await?;
        let new = NewSession { forked_from: self.id, ..new_session(self.tier, None) };
        let files = self.states[state].files;
        self.forks.push(Fork { id: new.id, files, if_process_dies: false, if_power_fails: false });
        let forked = self.owner().claim.fork(point, new).await?;
        self.acknowledged(state, Level::Stored);
        let fork = self.forks.last_mut().expect("just put there");
        fork.if_process_dies = true;
        fork.if_power_fails = self.tier >= Tier::Journal;
        drop(forked);
        Ok(())
    }

    async fn bury_fork(&mut self, keeper: &Keeper) -> Result<(), DurabilityError> {
        let fork = self.forks.remove(0);
        match keeper.delete(&tenant(), fork.id).await {
            Err(DurabilityError::Missing(_) | DurabilityError::Deleted(_)) if !fork.if_process_dies => Ok(()),
            deleted => deleted,
        }
    }

    async fn delete(&mut self) -> Result<(), DurabilityError> {
        self.deleted = Deleted::Perhaps;
        self.owner().claim.delete().await?;
        self.deleted = Deleted::Yes;
        self.graves.extend(self.id.take());
        self.owner = None;
        Ok(())
    }

    /// What a client reads meanwhile has no gap and no event twice.
    async fn read(&mut self, keeper: &Keeper) -> Result<(), DurabilityError> {
        let Some(id) = self.id else { return Ok(()) };
        let past = keeper.events(&tenant(), id, Position::START, usize::MAX).await?;
        self.check_events(&past.events).unwrap_or_else(|wrong| panic!("{}: {wrong}", self.name));
        Ok(())
    }

    /// A failure of the machine: owners are gone, and of a scratch session what was not kept by a point.
    pub fn fail(&mut self, power: bool) {
        self.owner = None;
        if power {
            self.if_process_dies = self.if_power_fails;
            self.told.clear();
            self.forks.iter_mut().for_each(|fork| fork.if_process_dies = fork.if_power_fails);
        }
    }

    /// Compares the session with what it may be, and takes it.
    ///
    /// # Errors
    /// What is wrong; `Ok(false)` when the disk failed before it could be known.
    pub async fn verify(&mut self, keeper: &Keeper, is_off: &dyn Fn() -> bool) -> Result<bool, Wrong> {
        if !self.verify_forks(keeper, is_off).await? {
            return Ok(false);
        }
        for id in &self.graves {
            match keeper.claim(&tenant(), *id).await {
                Err(_) if is_off() => return Ok(false),
                Err(DurabilityError::Missing(_) | DurabilityError::Deleted(_)) => {}
                other => return Err(format!("a session that was deleted is back: {other:?}")),
            }
        }
        let Some(id) = self.id else { return Ok(true) };
        let claimed = match keeper.claim(&tenant(), id).await {
            Err(_) if is_off() => return Ok(false),
            Err(DurabilityError::Missing(_)) if !self.is_sure() => return Ok(self.vacate()),
            Err(DurabilityError::Deleted(_)) if self.deleted != Deleted::No => return Ok(self.vacate()),
            claimed => claimed.map_err(|error| format!("it cannot be taken: {error}"))?,
        };
        let (last, counters) = (claimed.last, claimed.counters);
        let keys: Keys = claimed.keys.iter().cloned().collect();
        let owner = Owner::try_of(claimed).ok_or("its files do not fit together")?;
        let Some(files) = digest(owner.tree.inodes()) else {
            return if is_off() { Ok(false) } else { Err("its files cannot be read".into()) };
        };
        let found = (self.if_process_dies.state..self.states.len())
            .rev()
            .find(|at| (self.states[*at].last, self.states[*at].files) == (last.seq, files));
        let Some(found) = found else {
            let known: Vec<u64> = self.states.iter().map(|state| state.last).collect();
            let sure = self.if_process_dies.state;
            let alike = self.states.iter().position(|state| state.files == files);
            return Err(format!(
                "it is at event {last}, its files those of state {alike:?}; its states are {known:?}, surely {sure} or later"
            ));
        };
        let state = if self.tier == Tier::Scratch { self.if_process_dies.state } else { found };
        self.check_keys(&self.states[state], &keys, counters)?;
        self.states.truncate(found + 1);
        self.events.retain(|event| event.position.seq <= last.seq);
        let past = match keeper.events(&tenant(), id, Position::START, usize::MAX).await {
            Err(_) if is_off() => return Ok(false),
            past => past.map_err(|error| format!("its events cannot be read: {error}"))?,
        };
        self.check_events(&past.events)?;
        if past.lost.is_some() || past.events.len() as u64 != last.seq {
            return Err(format!("{} of {} events are there, lost {:?}", past.events.len(), last.seq, past.lost));
        }
        let name: SessionName = self.name.parse().expect("a name");
        match keeper.find(&tenant(), &name).await {
            Err(_) if is_off() => return Ok(false),
            Ok(Some(found)) if found == id => {}
            found => return Err(format!("its name leads to {found:?}")),
        }
        (self.keys, self.told) = (keys.clone(), if self.tier == Tier::Scratch { keys } else { Keys::new() });
        self.if_process_dies = Sure { exists: true, state: found };
        self.if_power_fails = self.if_process_dies;
        self.deleted = Deleted::No;
        self.owner = Some(owner);
        Ok(true)
    }

    fn vacate(&mut self) -> bool {
        (self.id, self.deleted) = (None, Deleted::Yes);
        true
    }

    async fn verify_forks(&mut self, keeper: &Keeper, is_off: &dyn Fn() -> bool) -> Result<bool, Wrong> {
        for fork in std::mem::take(&mut self.forks) {
            match keeper.claim(&tenant(), fork.id).await {
                Err(_) if is_off() => return Ok(false),
                Err(DurabilityError::Missing(_)) if !fork.if_process_dies => {}
                Err(DurabilityError::Deleted(_)) if !fork.if_process_dies => {}
                Err(error) => return Err(format!("a fork cannot be taken: {error}")),
                Ok(claimed) => {
                    let owner = Owner::try_of(claimed).ok_or("the files of a fork do not fit together")?;
                    match digest(owner.tree.inodes()) {
                        None if is_off() => return Ok(false),
                        files if files != Some(fork.files) => return Err("a fork has other files".into()),
                        _ => {}
                    }
                    match owner.claim.delete().await {
                        Err(_) if is_off() => return Ok(false),
                        deleted => deleted.map_err(|error| format!("a fork cannot be deleted: {error}"))?,
                    }
                }
            }
        }
        Ok(true)
    }

    fn check_events(&self, found: &[Event]) -> Result<(), Wrong> {
        for (number, event) in found.iter().enumerate() {
            let said = self.events.get(number);
            if said != Some(event) {
                return Err(format!("event {} is {:?} and was {:?}", number + 1, event, said));
            }
        }
        Ok(())
    }

    fn check_keys(&self, state: &State, found: &Keys, counters: Counters) -> Result<(), Wrong> {
        if self.tier != Tier::Scratch {
            if *found != state.keys {
                return Err(format!("its keys are {found:?} and were {:?}", state.keys));
            }
            return if counters == state.counters { Ok(()) } else { Err(format!("its numbers are {counters:?}")) };
        }
        let sure = state.keys.iter().chain(&self.told);
        for (key, command) in sure {
            let known = found.get(key).ok_or_else(|| format!("{key:?} is forgotten: it would run again"))?;
            if command.end.is_some() && known.end.is_none() {
                return Err(format!("the end of {key:?} is forgotten"));
            }
        }
        for (key, command) in found {
            if !self.tried.iter().any(|tried| (&tried.0, &tried.1) == (key, command)) {
                return Err(format!("{key:?} is {command:?}, which nobody said"));
            }
            if counters.execs < command.exec.0 {
                return Err(format!("the number of {key:?} will be given again"));
            }
        }
        Ok(())
    }
}

/// All that a tree shows; `None` when it cannot be loaded.
fn digest(inodes: &warren_kernel::vfs::inodes::Inodes) -> Option<[u8; 32]> {
    let shown = try_shown(inodes)?;
    let mut hasher = blake3::Hasher::new();
    for (ino, image, bytes, names, charged) in shown {
        hasher.update(format!("{ino:?} {image:?} {names:?} {charged} {}", bytes.len()).as_bytes());
        hasher.update(&bytes);
    }
    Some(*hasher.finalize().as_bytes())
}

/// Bytes that cannot be packed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}
