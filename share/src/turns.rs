//! A process's turns on the processor: the task that runs it is polled when it has a slot, and not before.
//!
//! ```text
//! a pipe, a timer, a signal ─wake─▶ Turns ─ready─▶ tree ─a slot─▶ the executor's waker ─▶ poll ─▶ end: the slot goes on
//! ```
//! The executor (tokio) only ever has as many guests to run as it has threads, so a task of the host's that shares it
//! waits behind few. Which guest that is, is decided when something happens to it, not when the executor comes to it.

use crate::clock::thread_cpu_nanos;
use crate::entry::{News, TaskId, Turn};
use crate::{SLICE, SessionShare};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinError};
use warren_kernel::signal::Doom;

/// CPU time that is charged to a process before its slice is over.
const CHARGED_AT_ONCE: Duration = Duration::from_millis(1);

/// A process as the tree knows it.
#[derive(Debug)]
pub struct Turns {
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
    /// It has begun a turn.
    is_running: AtomicBool,
    /// Its last turn is over.
    is_over: AtomicBool,
    /// Something happened to it while it was paused.
    again: AtomicBool,
    /// The ticker's count when the slice began, or was last looked at.
    tick: AtomicU64,
    meter: Meter,
}

/// The only owner of a process's place in the tree: it ends with it.
#[derive(Debug)]
pub struct Place(Arc<Turns>);

impl Place {
    /// A place for a new process, which is ready. Its mark is asked for if it has to wait.
    pub fn new(share: &Arc<SessionShare>, doom: impl FnOnce() -> Option<Arc<Doom>>) -> Place {
        let mut tree = share.core.tree();
        let turns = tree.add_task(share.session, |id| {
            Arc::new(Turns {
                id,
                share: share.clone(),
                doom: OnceLock::new(),
                waker: OnceLock::new(),
                asked: AtomicBool::new(false),
                gives_way: AtomicBool::new(false),
                is_running: AtomicBool::new(false),
                is_over: AtomicBool::new(false),
                again: AtomicBool::new(false),
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
    pub fn turns(&self) -> Arc<Turns> {
        self.0.clone()
    }

    /// Runs the process in its turns, to its end.
    pub async fn take_turns(self, guest: impl Future<Output = ()>) {
        let turns = &self.0;
        let waker = Waker::from(turns.clone());
        let mut guest = pin!(guest);
        poll_fn(|context| {
            if !turns.begin(context.waker()) {
                return Poll::Pending;
            }
            let polled = guest.as_mut().poll(&mut Context::from_waker(&waker));
            turns.end(if polled.is_ready() { Turn::Ends } else { Turn::Waits });
            if polled.is_pending() && turns.again.swap(false, Ordering::AcqRel) {
                turns.ready();
            }
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
    pub fn watch(&self, doom: Arc<Doom>) {
        let _ = self.doom.set(doom);
    }

    /// Whether it is in the middle of a turn.
    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    /// CPU time not yet charged to the process.
    pub fn take_used(&self) -> Duration {
        self.meter.count();
        self.meter.take()
    }

    /// The same, once it is worth the kernel's while.
    pub fn take_used_if_much(&self) -> Option<Duration> {
        self.meter.count();
        self.meter.has(CHARGED_AT_ONCE).then(|| self.meter.take())
    }

    /// Whether a slice that runs is to end; asked at each epoch.
    pub fn slice_is_over(&self) -> bool {
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
    pub fn give_way(self: &Arc<Self>) -> GiveWay {
        GiveWay { turns: self.clone(), given: false }
    }

    /// Ends the turn in the middle of a poll: the thread, which is the process's own, is about to wait for something. The
    /// waker of the first poll has to unpark it.
    pub fn pause(&self) {
        // What woke it so far in this poll is used up by the turn it resumes with: it is polled once more for that.
        self.again.store(true, Ordering::Release);
        self.end(Turn::Waits);
    }

    /// While paused, after the thread was unparked and waits on: what was given to it meanwhile goes to others, and it is
    /// polled again for it.
    pub fn stay_paused(&self) {
        if self.begin_again() {
            self.again.store(true, Ordering::Release);
            self.end(Turn::Waits);
        }
    }

    /// After [`Turns::pause`]: parks the thread until the process has its turn, and begins it.
    pub fn resume(&self) {
        self.ready();
        while !self.begin_again() {
            std::thread::park();
        }
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
        self.begin_again()
    }

    fn begin_again(&self) -> bool {
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
            self.is_running.store(true, Ordering::Release);
        }
        begins
    }

    fn end(&self, turn: Turn) {
        self.is_running.store(false, Ordering::Release);
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

/// Does work in a turn of its own, as a process of this share runs; it waits while others are owed more or the quota
/// is used up, and its CPU time is charged. `None` if it was given up before it began.
///
/// # Errors
/// It panics.
pub async fn in_turn<T: Send + 'static>(
    executor: &Handle,
    share: &Arc<SessionShare>,
    work: impl FnOnce() -> T + Send + 'static,
    given_up: impl Future<Output = ()>,
) -> Result<Option<T>, JoinError> {
    let (reply, mut done) = oneshot::channel();
    let place = Place::new(share, || None);
    let turns = place.turns();
    let mut task = executor.spawn(place.take_turns(async move {
        let worked = work();
        // What a turn used that is somebody's last is counted by whoever had it.
        turns.take_used();
        let _ = reply.send(worked);
    }));
    let queued = Queued(task.abort_handle());
    let ended = tokio::select! {
        biased;
        ended = &mut task => ended,
        () = given_up => {
            drop(queued);
            task.await
        }
    };
    // Whether it was done is not what the task says: it may have been told to end while it did it.
    match (done.try_recv(), ended) {
        (Ok(worked), _) => Ok(Some(worked)),
        (Err(_), Err(error)) if error.is_panic() => Err(error),
        (Err(_), _) => Ok(None),
    }
}

/// Work that is taken out of the queue when nobody wants it any more. What has begun is not stopped.
struct Queued(AbortHandle);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ends a slice.
#[must_use = "nothing ends until it is awaited"]
#[derive(Debug)]
pub struct GiveWay {
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
