//! Who runs next, as plain state: tenants by weight, the sessions of each alike, the processes of each alike.
//!
//! ```text
//! tenants that wait ─first─▶ its sessions ─first─▶ its processes ─first─▶ a slot, for a slice
//!                                                                             │
//!              each of the three is charged what was used, and stands behind ◀┘
//! ```
//! Start-time fair queueing. Whatever runs moves on in virtual time by the processor time it used, a tenant by that
//! divided by its weight; who stands furthest back is next. Who slept comes back no further back than [`CREDIT`], so it
//! goes on at once and cannot have saved up more than that. While a slice runs, its tenant and session are placed as if
//! it had been used up, so that several slots that come free at once are not all given to one of them.
//!
//! A tenant whose quota is used up waits beside its level until its bucket has something again. A process that is to
//! end goes before all, whatever its tenant owes: unwinding it is short, and gives back what it holds.
//!
//! Nothing here knows a clock or a thread: `now` is in nanoseconds of a clock that does not go back.

use super::bucket::Bucket;
use super::entry::{News, Session, State, Task, TaskId, Tenant, Turn};
use super::level::{Level, Slab, Virtual};
use super::{Figures, SLICE, Share};
use std::collections::VecDeque;
use std::time::Duration;

/// How far back who slept may stand: so much processor time it has before those that did not sleep, at most.
const CREDIT: Duration = Duration::from_millis(10);
/// How far ahead of the others work of the host's, charged at its end, may put a tenant or a session.
const DEBT: Duration = Duration::from_secs(10);
/// How much further back a newcomer of another tenant must stand to end a slice early.
const AHEAD_OF_TENANT: Duration = Duration::from_millis(1);
/// The same for one of another session of the same tenant; processes of one session never end each other's slices.
const AHEAD_OF_SESSION: Duration = Duration::from_millis(3);

/// All there is to decide on. `T` is what is told; in tests a name.
#[derive(Debug)]
pub(super) struct Tree<T> {
    slots: usize,
    taken: usize,
    tenants: Slab<Tenant>,
    sessions: Slab<Session>,
    tasks: Slab<Task<T>>,
    level: Level,
    /// Those that are to end.
    express: VecDeque<usize>,
    /// Those that have a slot.
    holders: Vec<usize>,
    waiting: usize,
    made: u64,
    longest: Duration,
}

impl<T: Clone> Tree<T> {
    /// One of so many slots.
    pub(super) fn new(slots: usize) -> Tree<T> {
        Tree {
            slots: slots.max(1),
            taken: 0,
            tenants: Slab::default(),
            sessions: Slab::default(),
            tasks: Slab::default(),
            level: Level::default(),
            express: VecDeque::new(),
            holders: Vec::with_capacity(slots),
            waiting: 0,
            made: 0,
            longest: Duration::ZERO,
        }
    }

    /// Whether any process has a slot or waits for one.
    pub(super) fn is_busy(&self) -> bool {
        self.taken > 0 || self.waiting > 0
    }

    /// The longest turn there was.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// Processes that wait for a slot.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The values of those.
    pub(super) fn waiters(&self) -> impl Iterator<Item = (TaskId, &T)> {
        let waits = |task: &Task<T>| matches!(task.state, State::Waiting { .. }) && !task.express;
        let waiting = self.tasks.iter().filter(move |(_, task)| waits(task));
        waiting.map(|(index, task)| (TaskId { index, number: task.number }, &task.value))
    }

    pub(super) fn add_tenant(&mut self, share: Share, now: u64) -> usize {
        let bucket = share.cpu_ms_per_s.map(|rate| Bucket::new(rate.get(), now));
        let tenant = Tenant {
            share,
            bucket,
            at: self.level.now(),
            place: None,
            holding: 0,
            level: Level::default(),
            figures: Figures::default(),
            throttled: None,
        };
        self.tenants.add(tenant)
    }

    /// Changes what a tenant has, from now on.
    pub(super) fn set(&mut self, tenant: usize, share: Share, now: u64) -> News<T> {
        let it = &mut self.tenants[tenant];
        it.bucket = match (it.bucket, share.cpu_ms_per_s) {
            (_, None) => None,
            (None, Some(rate)) => Some(Bucket::new(rate.get(), now)),
            (Some(bucket), Some(rate)) => Some(bucket.with_rate(rate.get(), now)),
        };
        it.share = share;
        self.refill(tenant, now);
        self.place_tenant(tenant);
        self.dispatch(now)
    }

    /// Lets a tenant go; none of its sessions is left.
    pub(super) fn remove_tenant(&mut self, tenant: usize) {
        if let Some(gone) = self.tenants.take(tenant) {
            assert!(gone.place.is_none() && gone.holding == 0, "a tenant that is let go has no process");
        }
    }

    pub(super) fn add_session(&mut self, tenant: usize) -> usize {
        let at = self.tenants[tenant].level.now();
        self.sessions.add(Session {
            tenant,
            at,
            place: None,
            holding: 0,
            level: Level::default(),
            figures: Figures::default(),
        })
    }

    /// Lets a session go; none of its processes is left.
    pub(super) fn remove_session(&mut self, session: usize) {
        if let Some(gone) = self.sessions.take(session) {
            assert!(gone.place.is_none() && gone.holding == 0, "a session that is let go has no process");
        }
    }

    /// A new process, which has nothing to do yet; `make` gives what is told of it.
    pub(super) fn add_task(&mut self, session: usize, make: impl FnOnce(TaskId) -> T) -> T {
        self.made += 1;
        let id = TaskId { index: self.tasks.vacant(), number: self.made };
        let (value, at) = (make(id), self.sessions[session].level.now());
        let (number, told) = (id.number, value.clone());
        let state = State::Idle;
        self.tasks.add(Task { number, session, at, place: None, state, asked: false, express: false, value });
        told
    }

    /// A process has something to do.
    pub(super) fn ready(&mut self, id: TaskId, now: u64) -> News<T> {
        let Some(task) = self.task(id) else { return News::none() };
        match &mut task.state {
            State::Idle => {}
            State::Running { again, .. } => {
                *again = true;
                return News::none();
            }
            State::Waiting { .. } | State::Granted { .. } => return News::none(),
        }
        self.admit(id.index);
        let mut news = News::none();
        if self.is_next_at_once(id.index, now) {
            news.granted = Some(self.grant(id.index, true));
            return news;
        }
        self.wait(id.index, now);
        news = self.dispatch(now);
        if news.granted.is_none() && self.revoke_for(id.index, now) {
            news = self.dispatch(now);
        }
        if news.granted.is_none() {
            news.asked = self.victims_for(id.index, now);
        }
        news
    }

    /// A process is about to run, if it has a slot.
    pub(super) fn begin(&mut self, id: TaskId, now: u64) -> bool {
        let Some(task) = self.task(id) else { return false };
        match task.state {
            State::Granted { .. } => {
                task.state = State::Running { since: now, again: false };
                true
            }
            _ => false,
        }
    }

    /// A process has run for so much processor time.
    pub(super) fn end(&mut self, id: TaskId, used: Duration, turn: Turn, now: u64) -> News<T> {
        let Some(task) = self.task(id) else { return News::none() };
        let again = matches!(task.state, State::Running { again: true, .. });
        self.give_back(id.index, used, now);
        match turn {
            Turn::Ends => self.drop_task(id.index),
            Turn::Waits if again => {
                self.admit(id.index);
                self.wait(id.index, now);
            }
            Turn::Waits => self.tasks[id.index].state = State::Idle,
        }
        self.dispatch(now)
    }

    /// A process is gone, whatever it was at.
    pub(super) fn remove(&mut self, id: TaskId, now: u64) -> News<T> {
        let Some(task) = self.task(id) else { return News::none() };
        match task.state {
            State::Idle => {}
            State::Waiting { .. } => self.stop_waiting(id.index, now),
            State::Granted { .. } | State::Running { .. } => self.give_back(id.index, Duration::ZERO, now),
        }
        self.drop_task(id.index);
        self.dispatch(now)
    }

    /// A process is to end: it goes before all.
    pub(super) fn hurry(&mut self, id: TaskId, now: u64) -> News<T> {
        let Some(task) = self.task(id) else { return News::none() };
        if !matches!(task.state, State::Waiting { .. }) || task.express {
            return News::none();
        }
        task.express = true;
        let session = task.session;
        self.express.push_back(id.index);
        self.place_task(id.index, None);
        self.place_session(session);
        self.dispatch(now)
    }

    /// Work of the host's was done for a session.
    pub(super) fn charge(&mut self, session: usize, used: Duration, now: u64) {
        let Some(it) = self.sessions.get_mut(session) else { return };
        let (tenant, debt) = (it.tenant, Virtual::of(DEBT));
        it.at = self.tenants[tenant].level.charged(it.at, Virtual::of(used), debt);
        it.figures.cpu += used;
        let it = &mut self.tenants[tenant];
        it.at = self.level.charged(it.at, Virtual::weighted(used, it.share.weight), debt);
        it.figures.cpu += used;
        if let Some(bucket) = &mut it.bucket {
            bucket.charge(used);
        }
        self.place_session(session);
        self.throttle(tenant, now);
    }

    /// Time has passed: those whose bucket has something again go on.
    pub(super) fn tick(&mut self, now: u64) -> News<T> {
        let throttled: Vec<usize> =
            self.tenants.iter().filter(|(_, it)| it.throttled.is_some()).map(|(index, _)| index).collect();
        for tenant in throttled {
            self.refill(tenant, now);
        }
        self.dispatch(now)
    }

    /// What a tenant has used.
    pub(super) fn tenant_figures(&self, tenant: usize, now: u64) -> Figures {
        let it = &self.tenants[tenant];
        Figures { throttled: Duration::from_nanos(it.throttled_nanos(now)), ..it.figures }
    }

    /// What a tenant is given.
    pub(super) fn share(&self, tenant: usize) -> Share {
        self.tenants[tenant].share
    }

    /// What a session has used.
    pub(super) fn session_figures(&self, session: usize) -> Figures {
        self.sessions[session].figures
    }

    fn task(&mut self, id: TaskId) -> Option<&mut Task<T>> {
        self.tasks.get_mut(id.index).filter(|task| task.number == id.number)
    }

    /// A process has something to do: it stands before nobody by more than the credit.
    fn admit(&mut self, index: usize) {
        let credit = Virtual::of(CREDIT);
        let task = &mut self.tasks[index];
        let session = task.session;
        let tenant = self.sessions[session].tenant;
        task.at = self.sessions[session].level.admit(task.at, credit);
        // Who has others running never slept, and stands where they put it.
        let it = &mut self.sessions[session];
        if it.holding == 0 {
            it.at = self.tenants[tenant].level.admit(it.at, credit);
        }
        let it = &mut self.tenants[tenant];
        if it.holding == 0 {
            it.at = self.level.admit(it.at, credit);
        }
    }

    /// Whether a slot is free and nobody is before it: nearly always so while the machine is not busy.
    fn is_next_at_once(&mut self, index: usize, now: u64) -> bool {
        if self.taken >= self.slots || !self.level.is_empty() || !self.express.is_empty() {
            return false;
        }
        let tenant = self.sessions[self.tasks[index].session].tenant;
        let it = &mut self.tenants[tenant];
        it.throttled.is_none() && it.bucket.as_mut().is_none_or(|bucket| bucket.has_some(now))
    }

    /// A process begins to wait for a slot.
    fn wait(&mut self, index: usize, now: u64) {
        let session = self.tasks[index].session;
        let tenant = self.sessions[session].tenant;
        let throttled_before = self.tenants[tenant].throttled_nanos(now);
        let task = &mut self.tasks[index];
        task.state = State::Waiting { since: now, throttled_before };
        let at = task.at;
        self.waiting += 1;
        self.place_task(index, Some(at));
        self.place_session(session);
        self.throttle(tenant, now);
    }

    /// A process waits no longer, with or without a slot.
    fn stop_waiting(&mut self, index: usize, now: u64) {
        let task = &mut self.tasks[index];
        let State::Waiting { since, throttled_before } = task.state else { return };
        task.state = State::Idle;
        let was_express = std::mem::take(&mut task.express);
        let session = task.session;
        let tenant = self.sessions[session].tenant;
        self.waiting -= 1;
        if was_express {
            self.express.retain(|other| *other != index);
        }
        self.place_task(index, None);
        self.place_session(session);
        let passed = now.saturating_sub(since);
        let throttled = self.tenants[tenant].throttled_nanos(now).saturating_sub(throttled_before).min(passed);
        let (throttled, waited) = (Duration::from_nanos(throttled), Duration::from_nanos(passed - throttled));
        let figures = &mut self.sessions[session].figures;
        figures.throttled += throttled;
        figures.waited += waited;
        figures.throttles += u64::from(!throttled.is_zero());
        let it = &mut self.tenants[tenant];
        it.figures.waited += waited;
        if it.level.is_empty() {
            self.lift(tenant, now);
        }
    }

    /// Takes the slot of a process and charges what it used.
    fn give_back(&mut self, index: usize, used: Duration, now: u64) {
        let task = &mut self.tasks[index];
        if !matches!(task.state, State::Granted { .. } | State::Running { .. }) {
            return;
        }
        task.state = State::Idle;
        task.asked = false;
        task.at += Virtual::of(used);
        let session = task.session;
        self.taken -= 1;
        self.longest = self.longest.max(used);
        self.holders.retain(|holder| *holder != index);
        let it = &mut self.sessions[session];
        it.holding -= 1;
        it.at += Virtual::of(used);
        it.figures.cpu += used;
        let tenant = it.tenant;
        let it = &mut self.tenants[tenant];
        it.holding -= 1;
        it.at += Virtual::weighted(used, it.share.weight);
        it.figures.cpu += used;
        if let Some(bucket) = &mut it.bucket {
            bucket.take(used);
        }
        self.place_session(session);
        self.throttle(tenant, now);
    }

    fn drop_task(&mut self, index: usize) {
        self.tasks.take(index);
    }

    /// Gives free slots to whoever is next.
    fn dispatch(&mut self, now: u64) -> News<T> {
        let mut news = News::none();
        while self.taken < self.slots {
            let Some(index) = self.next(now) else { break };
            let is_in_turn = !self.tasks[index].express;
            self.stop_waiting(index, now);
            news.grant(self.grant(index, is_in_turn));
        }
        news
    }

    /// Gives a free slot. One that went before all (not `in_turn`) says nothing of where the others stand.
    fn grant(&mut self, index: usize, in_turn: bool) -> T {
        let task = &mut self.tasks[index];
        task.state = State::Granted { in_turn };
        let (session, at, value) = (task.session, task.at, task.value.clone());
        self.taken += 1;
        self.holders.push(index);
        let it = &mut self.sessions[session];
        it.holding += 1;
        let (tenant, session_at) = (it.tenant, it.at);
        let it = &mut self.tenants[tenant];
        it.holding += 1;
        if in_turn {
            self.level.advance(it.at);
            it.level.advance(session_at);
            self.sessions[session].level.advance(at);
        }
        self.place_session(session);
        value
    }

    fn next(&mut self, now: u64) -> Option<usize> {
        if let Some(index) = self.express.front() {
            return Some(*index);
        }
        loop {
            let tenant = self.level.first()?;
            // What it had may have been used since it was placed.
            self.throttle(tenant, now);
            let it = &self.tenants[tenant];
            if it.throttled.is_none() {
                return self.sessions[it.level.first()?].level.first();
            }
        }
    }

    /// Keeps a tenant waiting if it has used up its quota and something of it waits.
    fn throttle(&mut self, tenant: usize, now: u64) {
        let it = &mut self.tenants[tenant];
        if it.throttled.is_none()
            && !it.level.is_empty()
            && it.bucket.as_mut().is_some_and(|bucket| !bucket.has_some(now))
        {
            it.throttled = Some(now);
            it.figures.throttles += 1;
        }
        self.place_tenant(tenant);
    }

    /// Lets a tenant go on if its bucket has something again.
    fn refill(&mut self, tenant: usize, now: u64) {
        let it = &mut self.tenants[tenant];
        if it.throttled.is_some() && it.bucket.as_mut().is_none_or(|bucket| bucket.has_some(now)) {
            self.lift(tenant, now);
        }
    }

    fn lift(&mut self, tenant: usize, now: u64) {
        let it = &mut self.tenants[tenant];
        if let Some(since) = it.throttled.take() {
            it.figures.throttled += Duration::from_nanos(now.saturating_sub(since));
            // It stands where it stood; what others had meanwhile it does not get back beyond the credit.
            if it.holding == 0 {
                it.at = self.level.admit(it.at, Virtual::of(CREDIT));
            }
        }
        self.place_tenant(tenant);
    }

    fn place_task(&mut self, index: usize, to: Option<Virtual>) {
        let task = &mut self.tasks[index];
        self.sessions[task.session].level.move_to(index, &mut task.place, to);
    }

    fn place_session(&mut self, session: usize) {
        let it = &mut self.sessions[session];
        let to = (!it.level.is_empty()).then(|| it.at + Virtual::of(SLICE).times(it.holding));
        let tenant = it.tenant;
        self.tenants[tenant].level.move_to(session, &mut it.place, to);
        self.place_tenant(tenant);
    }

    fn place_tenant(&mut self, tenant: usize) {
        let it = &mut self.tenants[tenant];
        let waits = !it.level.is_empty() && it.throttled.is_none();
        let to = waits.then(|| it.at + it.slice().times(it.holding));
        self.level.move_to(tenant, &mut it.place, to);
    }

    /// Whose slices end early for a process that has begun to wait: of those that stand far enough ahead of it, the two
    /// that stand furthest. One may be in the middle of a call that takes a while; the other, if it is not needed, goes on.
    fn victims_for(&mut self, index: usize, now: u64) -> [Option<T>; 2] {
        let session = self.tasks[index].session;
        let tenant = self.sessions[session].tenant;
        let Some((newcomer, ..)) = self.tenants[tenant].place else { return [None, None] };
        let of_session = self.sessions[session].place.map_or(Virtual::default(), |place| place.0);
        let none = Virtual::default();
        let mut furthest: [(Virtual, Option<usize>); 2] = [(none, None); 2];
        for &holder in &self.holders {
            if !matches!(self.tasks[holder].state, State::Running { .. }) {
                continue;
            }
            let lead = self.lead(holder, (tenant, newcomer), (session, of_session), now);
            if lead > furthest[0].0 {
                furthest = [(lead, Some(holder)), furthest[0]];
            } else if lead > furthest[1].0 {
                furthest[1] = (lead, Some(holder));
            }
        }
        furthest.map(|(_, holder)| {
            let task = &mut self.tasks[holder?];
            task.asked = true;
            Some(task.value.clone())
        })
    }

    /// Takes back the slot of one that was not seen to run yet, if it stands far enough ahead of a process that has begun
    /// to wait; whether there was one. Asked to end its slice, it would have its waker's way to the processor before it.
    fn revoke_for(&mut self, index: usize, now: u64) -> bool {
        let session = self.tasks[index].session;
        let tenant = self.sessions[session].tenant;
        let Some((newcomer, ..)) = self.tenants[tenant].place else { return false };
        let of_session = self.sessions[session].place.map_or(Virtual::default(), |place| place.0);
        let ahead = |holder: usize| self.lead(holder, (tenant, newcomer), (session, of_session), now);
        let idle = self.holders.iter().copied();
        let idle = idle.filter(|holder| matches!(self.tasks[*holder].state, State::Granted { in_turn: true }));
        let furthest = idle.map(|holder| (ahead(holder), holder)).max();
        let Some((_, holder)) = furthest.filter(|(lead, _)| *lead > Virtual::default()) else { return false };
        self.give_back(holder, Duration::ZERO, now);
        self.wait(holder, now);
        true
    }

    /// How much further ahead one that has a slot stands than it may without its slice ending for a newcomer.
    fn lead(
        &self,
        holder: usize,
        (tenant, of_tenant): (usize, Virtual),
        (session, of_session): (usize, Virtual),
        now: u64,
    ) -> Virtual {
        let task = &self.tasks[holder];
        let since = match task.state {
            State::Running { since, .. } => since,
            // It has had nothing yet.
            State::Granted { .. } => now,
            State::Idle | State::Waiting { .. } => return Virtual::default(),
        };
        if task.asked || task.session == session {
            return Virtual::default();
        }
        let elapsed = Duration::from_nanos(now.saturating_sub(since)).min(SLICE);
        let its = &self.sessions[task.session];
        if its.tenant == tenant {
            let at = its.at + Virtual::of(SLICE).times(its.holding - 1) + Virtual::of(elapsed);
            return at.less(of_session + Virtual::of(AHEAD_OF_SESSION));
        }
        let its = &self.tenants[its.tenant];
        let at = its.at + its.slice().times(its.holding - 1) + Virtual::weighted(elapsed, its.share.weight);
        at.less(of_tenant + Virtual::of(AHEAD_OF_TENANT))
    }
}

#[cfg(test)]
mod tests;
