//! Shares of the processor: which tenant's guests run when more want to than there are threads, and how much they may.
//!
//! ```text
//! Shares ── tenant: weight, quota ── session ── process ─▶ a slot (one for each thread of the guests' executor)
//! ```
//! Read in this order. [`tree`] decides, as plain state: of those that wait, the tenant that had least for its weight, of
//! its sessions the one that had least, of its processes likewise. [`entry`] is what it has of each, [`level`] one such
//! order, [`bucket`] a quota, and
//! [`turns`] makes the executor do what was decided. While fewer want to run than there are threads, whoever wants to
//! runs, and none of it costs more than a short lock.
//!
//! A guest that runs holds no lock of this. The lock here is taken after all others, and nothing is called under it.

mod bucket;
mod clock;
mod entry;
mod level;
mod ticker;
mod tree;
mod turns;

pub use clock::{add_thread_cpu_nanos, thread_cpu_nanos};
pub use turns::{GiveWay, Place, Turns, in_turn};

use entry::News;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::task::Waker;
use std::time::Duration;
use tree::Tree;

/// How long a guest runs while others wait.
pub const SLICE: Duration = Duration::from_millis(5);

/// The weight of a tenant nobody gave another.
pub const WEIGHT_USUAL: u32 = 100;
/// The greatest weight.
pub const WEIGHT_MAX: u32 = 10_000;

/// What a tenant has of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its part beside other tenants that want the processor, from 1 to [`WEIGHT_MAX`]: three times the weight is three
    /// times the time.
    pub weight: u32,
    /// Milliseconds of processor time a second, over all threads, however idle the machine is; `None` is no quota. A
    /// second's worth can be saved up. What is over it waits.
    pub cpu_ms_per_s: Option<NonZeroU32>,
}

impl Default for Share {
    fn default() -> Share {
        Share { weight: WEIGHT_USUAL, cpu_ms_per_s: None }
    }
}

/// What a tenant or a session has used since it is known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Processor time: of its processes, and of what the host did for them and counts.
    pub cpu: Duration,
    /// Time its processes were ready and others ran; of several that wait at once, the sum.
    pub waited: Duration,
    /// Time its quota kept something of it waiting. Of a tenant, by the clock; of a session, the sum over its processes.
    pub throttled: Duration,
    /// How often that was: of a tenant, how often its quota was used up; of a session, how often a process waited for it.
    pub throttles: u64,
}

/// The shares of all tenants of an engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shares {
    core: Arc<Core>,
}

/// A session's part of its tenant's share. Its processes keep it.
#[derive(Debug)]
pub struct SessionShare {
    core: Arc<Core>,
    tenant: Arc<str>,
    session: usize,
}

/// What all of it shares.
struct Core {
    state: Mutex<State>,
    /// How often the ticker has ticked.
    ticks: AtomicU64,
    /// Each makes guests of its kind that run look whether their slice is over.
    kicks: RwLock<Vec<Box<dyn Fn() + Send + Sync>>>,
    /// Whether anything runs or wants to, for the ticker.
    busy: AtomicBool,
    asleep: AtomicBool,
    stopped: AtomicBool,
    ticker: OnceLock<std::thread::Thread>,
}

struct State {
    tree: Tree<Arc<Turns>>,
    tenants: HashMap<Arc<str>, Tenant>,
}

struct Tenant {
    index: usize,
    sessions: usize,
    /// To be let go with its last session.
    forgotten: bool,
}

impl Shares {
    /// Shares of so many threads, with a thread that ticks while guests run: each tick calls `kick`, which makes those that
    /// run look whether their slice is over.
    pub fn start(slots: usize, kick: impl Fn() + Send + Sync + 'static) -> Shares {
        let shares = Shares::new(slots, kick);
        ticker::start(&shares.core);
        shares
    }

    /// Makes guests of another kind look, too.
    pub fn also_kick(&self, kick: impl Fn() + Send + Sync + 'static) {
        self.core.kicks.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(kick));
    }

    /// No guest runs any more: the thread that ticks ends.
    pub fn stop(&self) {
        self.core.stop();
    }

    fn new(slots: usize, kick: impl Fn() + Send + Sync + 'static) -> Shares {
        let state = State { tree: Tree::new(slots), tenants: HashMap::new() };
        let core = Core {
            state: Mutex::new(state),
            ticks: AtomicU64::new(0),
            kicks: RwLock::new(vec![Box::new(kick)]),
            busy: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            ticker: OnceLock::new(),
        };
        Shares { core: Arc::new(core) }
    }

    /// Gives a tenant this share from now on; a weight out of range is the nearest in range. Those who run are charged
    /// by it when their slice ends.
    pub fn set(&self, tenant: &str, share: Share) {
        let share = Share { weight: share.weight.clamp(1, WEIGHT_MAX), ..share };
        let core = &self.core;
        let news = {
            let mut state = core.state();
            let now = core.now();
            let index = state.tenant(tenant, now).index;
            state.tree.set(index, share, now)
        };
        core.tell(news, |waker| waker.wake_by_ref());
    }

    /// What a tenant is given: the usual if nobody said otherwise.
    pub fn get(&self, tenant: &str) -> Share {
        let state = self.core.state();
        state.tenants.get(tenant).map_or_else(Share::default, |known| state.tree.share(known.index))
    }

    /// What a tenant has used since the engine began; `None` if it never had a session nor a share.
    pub fn figures(&self, tenant: &str) -> Option<Figures> {
        let state = self.core.state();
        Some(state.tree.tenant_figures(state.tenants.get(tenant)?.index, self.core.now()))
    }

    /// The figures of all tenants that are known.
    pub fn all(&self) -> Vec<(Arc<str>, Figures)> {
        let (state, now) = (self.core.state(), self.core.now());
        let known = state.tenants.iter();
        known.map(|(name, tenant)| (name.clone(), state.tree.tenant_figures(tenant.index, now))).collect()
    }

    /// The most processor time a guest has had in one turn: a slice is 5 ms, and a call into the kernel that is longer ends
    /// it late.
    pub fn longest_turn(&self) -> Duration {
        self.core.state().tree.longest()
    }

    /// Lets a tenant's share and figures go, now or with its last session. There are as many tenants here as were given a
    /// share or had a session, until they are forgotten.
    pub fn forget(&self, tenant: &str) {
        let mut state = self.core.state();
        if let Some(known) = state.tenants.get_mut(tenant) {
            known.forgotten = true;
        }
        state.clear_away(tenant);
    }

    /// A share for a new session of a tenant.
    pub fn session(&self, tenant: &str) -> Arc<SessionShare> {
        let core = &self.core;
        let mut state = core.state();
        let now = core.now();
        let known = state.tenant(tenant, now);
        known.sessions += 1;
        known.forgotten = false;
        let index = known.index;
        let session = state.tree.add_session(index);
        let name = state.tenants.get_key_value(tenant).map_or_else(|| tenant.into(), |(name, _)| name.clone());
        drop(state);
        Arc::new(SessionShare { core: core.clone(), tenant: name, session })
    }
}

impl SessionShare {
    /// Whose it is.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// What the session has used since it is here: since it was made or woke last.
    pub fn figures(&self) -> Figures {
        self.core.state().tree.session_figures(self.session)
    }

    /// Charges work the host did for the session: a module compiled, a snapshot made.
    pub fn charge(&self, used: Duration) {
        let mut state = self.core.state();
        state.tree.charge(self.session, used, self.core.now());
    }
}

impl Drop for SessionShare {
    fn drop(&mut self) {
        let mut state = self.core.state();
        state.tree.remove_session(self.session);
        if let Some(known) = state.tenants.get_mut(&self.tenant) {
            known.sessions -= 1;
        }
        state.clear_away(&self.tenant);
    }
}

impl State {
    fn tenant(&mut self, name: &str, now: u64) -> &mut Tenant {
        if !self.tenants.contains_key(name) {
            let index = self.tree.add_tenant(Share::default(), now);
            self.tenants.insert(name.into(), Tenant { index, sessions: 0, forgotten: false });
        }
        self.tenants.get_mut(name).expect("it was put there if it was not")
    }

    fn clear_away(&mut self, name: &str) {
        if let Some(known) = self.tenants.get(name)
            && known.forgotten
            && known.sessions == 0
        {
            self.tree.remove_tenant(known.index);
            self.tenants.remove(name);
        }
    }
}

impl Core {
    /// Makes guests that run look whether their slice is over.
    pub(crate) fn kick(&self) {
        self.kicks.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|kick| kick());
    }

    /// How often the ticker has ticked.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Acquire)
    }

    /// Whether anything runs or wants to.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
    }

    /// The thread that ticks; it is told when there is something to tick for.
    pub(crate) fn set_ticker(&self, thread: std::thread::Thread) {
        let _ = self.ticker.set(thread);
    }

    /// The ticker goes to sleep, unless something has come up meanwhile.
    pub(crate) fn sleep_if_idle(&self, time: Duration) {
        self.asleep.store(true, Ordering::SeqCst);
        if !self.is_busy() {
            std::thread::park_timeout(time);
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// The engine is gone: nothing needs a tick any more.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(ticker) = self.ticker.get() {
            ticker.unpark();
        }
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// A tick: what a quota let wait goes on if it may, and what is to end goes before all.
    pub(crate) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::AcqRel);
        let mut hurried = Vec::new();
        let news = {
            let mut state = self.state();
            if state.tree.waiting() == 0 {
                return;
            }
            let now = self.now();
            let doomed: Vec<_> =
                state.tree.waiters().filter(|(_, turns)| turns.is_doomed()).map(|(id, _)| id).collect();
            for id in doomed {
                hurried.push(state.tree.hurry(id, now));
            }
            state.tree.tick(now)
        };
        for news in hurried.into_iter().chain([news]) {
            self.tell(news, |waker| waker.wake_by_ref());
        }
    }

    fn now(&self) -> u64 {
        clock::monotonic_nanos()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing of anybody else's is called while it is held; an assertion that failed is told by whoever failed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tree(&self) -> impl std::ops::DerefMut<Target = Tree<Arc<Turns>>> + '_ {
        TreeGuard(self.state())
    }

    /// Changes the tree, and says whom to tell.
    fn change(&self, change: impl FnOnce(&mut Tree<Arc<Turns>>, u64) -> News<Arc<Turns>>) -> News<Arc<Turns>> {
        let mut state = self.state();
        let news = change(&mut state.tree, self.now());
        news.asked.iter().flatten().for_each(|asked| asked.ask());
        let busy = state.tree.is_busy();
        if busy != self.busy.load(Ordering::Relaxed) {
            self.busy.store(busy, Ordering::SeqCst);
            if busy
                && self.asleep.load(Ordering::SeqCst)
                && let Some(ticker) = self.ticker.get()
            {
                drop(state);
                ticker.unpark();
            }
        }
        news
    }

    /// Wakes those who have a slot now, and has one asked to end its slice look.
    fn tell(&self, news: News<Arc<Turns>>, wake: impl Fn(&Waker)) {
        for turns in news.granted.iter().chain(&news.more) {
            if let Some(waker) = turns.waker() {
                wake(waker);
            }
        }
        if news.asked.iter().any(Option::is_some) {
            self.kick();
        }
    }
}

struct TreeGuard<'a>(MutexGuard<'a, State>);

impl std::ops::Deref for TreeGuard<'_> {
    type Target = Tree<Arc<Turns>>;

    fn deref(&self) -> &Tree<Arc<Turns>> {
        &self.0.tree
    }
}

impl std::ops::DerefMut for TreeGuard<'_> {
    fn deref_mut(&mut self) -> &mut Tree<Arc<Turns>> {
        &mut self.0.tree
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
