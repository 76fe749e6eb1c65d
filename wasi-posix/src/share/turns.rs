//! A process's turns on the processor: the task that runs it is polled when it has a slot, and not before.
//!
//! ```text
//! a pipe, a timer, a signal ─wake─▶ Turns ─ready─▶ tree ─a slot─▶ the executor's waker ─▶ poll ─▶ end: the slot goes on
//! ```
//! The executor (tokio) only ever has as many guests to run as it has threads, so a task of the host's that shares it
//! waits behind few. Which guest that is, is decided when something happens to it, not when the executor comes to it.

use super::entry::{News, TaskId, Turn};
use super::{SLICE, SessionShare};
use crate::system::thread_cpu_nanos;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use warren_kernel::signal::Doom;

/// CPU time that is charged to a process before its slice is over.
const CHARGED_AT_ONCE: Duration = Duration::from_millis(1);

/// A process as the tree knows it.
#[derive(Debug)]
pub(crate) struct Turns {
    id: TaskId,
    share: Arc<SessionShare>,
    /// Its mark, once it has begun or was kept waiting: what is to end goes before all.
    doom: OnceLock<Arc<Doom>>,
    /// The executor's, from the first poll on: it stays the same.
    waker: OnceLock<Waker>,
    /// Its slice is to end at once.
    asked: AtomicBool,
    /// It ends its slice by itself.
    gives_way: AtomicBool,
    /// Its last turn is over.
    is_over: AtomicBool,
    /// The ticker's count when the slice began, or was last looked at.
    tick: AtomicU64,
    meter: Meter,
}

/// The only owner of a process's place in the tree: it ends with it.
pub(crate) struct Place(Arc<Turns>);

impl Place {
    /// A place for a new process, which is ready. Its mark is asked for if it has to wait.
    pub(crate) fn new(share: &Arc<SessionShare>, doom: impl FnOnce() -> Option<Arc<Doom>>) -> Place {
        let mut tree = share.core.tree();
        let turns = tree.add_task(share.session, |id| {
            Arc::new(Turns {
                id,
                share: share.clone(),
                doom: OnceLock::new(),
                waker: OnceLock::new(),
                asked: AtomicBool::new(false),
                gives_way: AtomicBool::new(false),
                is_over: AtomicBool::new(false),
                tick: AtomicU64::new(0),
                meter: Meter::default(),
            })
        });
        drop(tree);
        let has_slot = turns.ready();
        if !has_slot && let Some(doom) = doom() {
            turns.watch(doom);
        }
        Place(turns)
    }

    /// What the process runs with.
    pub(crate) fn turns(&self) -> Arc<Turns> {
        self.0.clone()
    }

    /// Runs the process in its turns, to its end.
    pub(crate) async fn take_turns(self, guest: impl Future<Output = ()>) {
        let turns = &self.0;
        let waker = Waker::from(turns.clone());
        let mut guest = pin!(guest);
        poll_fn(|context| {
            if !turns.begin(context.waker()) {
                return Poll::Pending;
            }
            let polled = guest.as_mut().poll(&mut Context::from_waker(&waker));
            turns.end(if polled.is_ready() { Turn::Ends } else { Turn::Waits });
            polled
        })
        .await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let turns = &self.0;
        if turns.is_over.load(Ordering::Acquire) {
            return;
        }
        let core = &turns.share.core;
        let news = core.change(|tree, now| tree.remove(turns.id, now));
        core.tell(news, |waker| waker.wake_by_ref());
    }
}

impl Turns {
    /// Looks at this mark from now on.
    pub(crate) fn watch(&self, doom: Arc<Doom>) {
        let _ = self.doom.set(doom);
    }

    /// CPU time not yet charged to the process.
    pub(crate) fn take_used(&self) -> Duration {
        self.meter.count();
        self.meter.take()
    }

    /// The same, once it is worth the kernel's while.
    pub(crate) fn take_used_if_much(&self) -> Option<Duration> {
        self.meter.count();
        self.meter.has(CHARGED_AT_ONCE).then(|| self.meter.take())
    }

    /// Whether a slice that runs is to end; asked at each epoch.
    pub(crate) fn slice_is_over(&self) -> bool {
        if self.asked.load(Ordering::Acquire) {
            return true;
        }
        let tick = self.share.core.ticks();
        if tick == self.tick.load(Ordering::Relaxed) {
            return false;
        }
        self.tick.store(tick, Ordering::Relaxed);
        // The first tick may come a moment after the slice began.
        self.meter.count();
        self.meter.turn() >= SLICE / 2
    }

    /// Ends the slice: others of the node have their turn, and the executor looks at its clock and descriptors.
    pub(crate) fn give_way(self: &Arc<Self>) -> GiveWay {
        GiveWay { turns: self.clone(), given: false }
    }

    /// Something happened that lets the process go on; whether it was given a slot at once.
    fn ready(&self) -> bool {
        let core = &self.share.core;
        let is_doomed = self.is_doomed();
        let news = core.change(|tree, now| {
            let news = tree.ready(self.id, now);
            match is_doomed && news.granted.is_none() {
                true => tree.hurry(self.id, now),
                false => news,
            }
        });
        let has_slot = news.granted.is_some();
        core.tell(news, |waker| waker.wake_by_ref());
        has_slot
    }

    pub(super) fn is_doomed(&self) -> bool {
        self.doom.get().is_some_and(|doom| doom.get().is_some())
    }

    /// Called with the tree locked, so that it is not asked of a later slice.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// The executor's waker. Without one it has yet to be polled, and finds its slot then.
    pub(super) fn waker(&self) -> Option<&Waker> {
        self.waker.get()
    }

    fn begin(&self, waker: &Waker) -> bool {
        // Before the slot is looked for: whoever gives one later finds whom to wake.
        self.waker.get_or_init(|| waker.clone());
        let core = &self.share.core;
        let begins = {
            let mut tree = core.tree();
            let begins = tree.begin(self.id, core.now());
            if begins {
                self.asked.store(false, Ordering::Release);
            }
            begins
        };
        if begins {
            self.tick.store(core.ticks(), Ordering::Relaxed);
            self.meter.begin();
        }
        begins
    }

    fn end(&self, turn: Turn) {
        match turn {
            Turn::Waits => self.meter.count(),
            // What it used was counted when it was charged.
            Turn::Ends => self.is_over.store(true, Ordering::Release),
        }
        let (core, used) = (&self.share.core, self.meter.turn());
        let was_asked = self.asked.load(Ordering::Acquire);
        let news: News<_> = core.change(|tree, now| tree.end(self.id, used, turn, now));
        // Who is asked makes room for somebody who is owed it, and has been waiting since.
        if self.gives_way.swap(false, Ordering::AcqRel) && !was_asked {
            core.tell(news, wake_after_driver);
        } else {
            core.tell(news, |waker| waker.wake_by_ref());
        }
    }
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        self.ready();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready();
    }
}

/// Ends a slice.
#[must_use = "nothing ends until it is awaited"]
pub(crate) struct GiveWay {
    turns: Arc<Turns>,
    given: bool,
}

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.given, true) {
            return Poll::Ready(());
        }
        self.turns.gives_way.store(true, Ordering::Release);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Wakes a task once the executor has run what else it has, and looked at its timers: what yields to tokio is put where
/// that has been done. Outside an executor it is woken at once.
fn wake_after_driver(waker: &Waker) {
    let yielded = pin!(tokio::task::yield_now());
    let _ = yielded.poll(&mut Context::from_waker(waker));
}

/// CPU time of a guest: what its thread used during its turns, host functions included. A turn begins and ends on one
/// thread, so waiting for a core on a busy machine is not charged.
#[derive(Debug, Default)]
struct Meter {
    /// Not yet taken.
    used: AtomicU64,
    /// Of this turn so far.
    turn: AtomicU64,
    /// The thread's CPU clock when the present turn began, or was last counted.
    since: AtomicU64,
}

impl Meter {
    fn begin(&self) {
        self.since.store(thread_cpu_nanos(), Ordering::Relaxed);
        self.turn.store(0, Ordering::Relaxed);
    }

    /// Counts what was used up to now; on the thread the turn is on.
    fn count(&self) {
        let now = thread_cpu_nanos();
        let more = now.saturating_sub(self.since.swap(now, Ordering::Relaxed));
        self.used.fetch_add(more, Ordering::Relaxed);
        self.turn.fetch_add(more, Ordering::Relaxed);
    }

    fn take(&self) -> Duration {
        Duration::from_nanos(self.used.swap(0, Ordering::Relaxed))
    }

    fn has(&self, most: Duration) -> bool {
        u128::from(self.used.load(Ordering::Relaxed)) >= most.as_nanos()
    }

    fn turn(&self) -> Duration {
        Duration::from_nanos(self.turn.load(Ordering::Relaxed))
    }
}
