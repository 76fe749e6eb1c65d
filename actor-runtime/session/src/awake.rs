//! A session that is awake: its kernel, its scribe, its commands, and the gate its requests come in by.
//!
//! ```text
//! request ─enter─▶ inside … leave          a turn of its life closes the gate, waits until nobody is inside, and
//!                                          opens it again or ends it; who waits then looks at the seat anew
//! ```

use crate::account::AwakePlace;
use crate::durability::{Claimed, Files};
use crate::error::SessionError;
use crate::event::What;
use crate::exec::Execs;
use crate::id::{SessionId, TenantId};
use crate::meter::Measured;
use crate::metrics::{self, Counted};
use crate::node::Node;
use crate::scribe::{Record, Scribe, Urgency};
use crate::seat::Seat;
use crate::spec::SessionSpec;
use crate::terminal::Terminals;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use warren_egress::Way;
use warren_kernel::id::{Lsn, Pid};
use warren_kernel::signal::Signal;
use warren_kernel::vfs::change::apply;
use warren_kernel::vfs::inodes::Inodes;
use warren_kernel::{Session, Template};
use warren_wasi_posix::share::SessionShare;

/// How long processes that were killed may take to be gone: they end at their next safe point.
const KILLED_WITHIN: Duration = Duration::from_secs(10);
/// How long what they sent outside may take to be sent on.
const DRAINED_WITHIN: Duration = Duration::from_secs(1);

/// A session that is awake.
pub(crate) struct Awake {
    pub(crate) id: SessionId,
    pub(crate) tenant: TenantId,
    /// What its kernel was made by; see [`Awake::choices`] for what commands start with.
    pub(crate) template: Template,
    pub(crate) session: Session,
    /// Its part of its tenant's share of the processor.
    pub(crate) share: Arc<SessionShare>,
    /// Its way out.
    pub(crate) way: Way,
    pub(crate) scribe: Arc<Scribe>,
    pub(crate) execs: Execs,
    pub(crate) terminals: Terminals,
    pub(crate) node: Weak<Node>,
    pub(crate) seat: Weak<Seat>,
    /// What ends now was interrupted, and did not end by itself.
    pub(crate) killing: AtomicBool,
    /// A deletion waits: nobody is given grace.
    pub(crate) hurry: Notify,
    /// Its files may not grow for now.
    pub(crate) growth_stopped: AtomicBool,
    choices: Mutex<Arc<Choices>>,
    /// Its place among what its tenant may have awake.
    place: Mutex<Option<(AwakePlace, Counted)>>,
    /// What was measured of it last.
    pub(crate) measured: Mutex<Measured>,
    gate: Mutex<Gate>,
    /// The gate was closed.
    closed: Notify,
    left: Notify,
}

/// What a session is made of, and what its commands start with.
pub(crate) struct Choices {
    pub(crate) spec: Arc<SessionSpec>,
    pub(crate) template: Template,
}

#[derive(Debug)]
struct Gate {
    open: bool,
    inside: usize,
    used: Instant,
}

/// A request inside a session that is awake: no turn of its life is made until it leaves.
pub(crate) struct Pass(Arc<Awake>);

/// A kernel and the files that are kept of it.
pub(crate) struct Built {
    pub(crate) template: Template,
    pub(crate) session: Session,
    pub(crate) share: Arc<SessionShare>,
    pub(crate) way: Way,
    pub(crate) layer: Inodes,
    /// The files as they are kept.
    pub(crate) kept: (Inodes, Lsn),
    /// The files of the snapshot they were made of.
    pub(crate) base: Inodes,
}

impl Built {
    /// The kernel of a session as its owner finds it.
    ///
    /// # Errors
    /// What is kept does not fit its layer.
    pub(crate) fn of(
        (tenant, id): (&TenantId, SessionId),
        node: &warren_wasi_posix::node::Node,
        way: Way,
        template: Template,
        files: &Files,
        next_pid: u32,
    ) -> Result<Built, SessionError> {
        let layer = template.layer.inodes();
        let damaged = |errno: warren_kernel::Errno| {
            let reason = format!("its files do not fit the software it is made of ({})", errno.name());
            SessionError::Durability(crate::durability::DurabilityError::Damaged { id, reason })
        };
        let (base, tree, lsn) = match files {
            Files::Fresh => (layer.clone(), layer.clone(), Lsn::ZERO),
            Files::Live { inodes, lsn } => (inodes.clone(), inodes.clone(), *lsn),
            Files::Stored { delta, blobs, then } => {
                let base = apply(&layer, delta, blobs).map_err(damaged)?;
                let mut tree = base.clone();
                for delta in then {
                    tree = apply(&tree, delta, blobs).map_err(damaged)?;
                }
                (base, tree, then.last().map_or(delta.to, |last| last.to))
            }
        };
        let share = node.shares().session(tenant.as_str());
        let node = node.through(Arc::new(way.clone()));
        let session = match files {
            Files::Fresh => node.session_of(&share, template.clone()),
            Files::Live { .. } | Files::Stored { .. } => node.resume(&share, template.clone(), tree, lsn, next_pid),
        };
        let kept = session.with(|kernel| (kernel.root().snapshot(), kernel.root().log().newest()));
        Ok(Built { template, session, share, way, layer, kept, base })
    }
}

impl Awake {
    /// The session of a new owner.
    pub(crate) fn new(
        node: &Arc<Node>,
        seat: &Arc<Seat>,
        claimed: &Claimed,
        built: Built,
        place: AwakePlace,
    ) -> Arc<Awake> {
        let memory = node.accounts.of(&seat.tenant).memory();
        built.session.with(|kernel| kernel.share_memory(memory));
        built.way.belongs_to(&claimed.summary.id.to_string());
        claimed.claim.attach(built.layer.clone(), built.base, built.kept.0.clone());
        let share = built.share.clone();
        claimed.claim.charge_to(Arc::new(move |used| share.charge(used)));
        let scribe = Scribe::new(
            claimed,
            built.session.clone(),
            built.layer,
            built.kept,
            seat.log.clone(),
            node.runtime.clone(),
        );
        Arc::new(Awake {
            id: claimed.summary.id,
            tenant: seat.tenant.clone(),
            choices: Mutex::new(Arc::new(Choices { spec: claimed.spec.clone(), template: built.template.clone() })),
            template: built.template,
            session: built.session,
            share: built.share,
            way: built.way,
            scribe,
            execs: Execs::default(),
            terminals: Terminals::new(&claimed.terminals),
            node: Arc::downgrade(node),
            seat: Arc::downgrade(seat),
            killing: AtomicBool::new(false),
            hurry: Notify::new(),
            growth_stopped: AtomicBool::new(false),
            place: Mutex::new(Some((place, Counted::new(metrics::AWAKE)))),
            measured: Mutex::new(Measured::begin(Instant::now(), claimed.last.seq)),
            gate: Mutex::new(Gate { open: true, inside: 0, used: Instant::now() }),
            closed: Notify::new(),
            left: Notify::new(),
        })
    }

    /// What it is made of now.
    pub(crate) fn choices(&self) -> Arc<Choices> {
        self.choices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it is made of from now on.
    pub(crate) fn choose(&self, choices: Choices) {
        *self.choices.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(choices);
    }

    /// Lets a request in, unless the gate is closed.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Pass> {
        let mut gate = self.gate();
        if !gate.open {
            return None;
        }
        gate.inside += 1;
        gate.used = Instant::now();
        drop(gate);
        Some(Pass(self.clone()))
    }

    /// Closes the gate and waits until nobody is inside.
    pub(crate) async fn close(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            self.shut();
            if self.gate().inside == 0 {
                return;
            }
            left.await;
        }
    }

    /// Waits until the gate is closed: whoever is inside and has not begun should leave.
    pub(crate) async fn closing(&self) {
        let closed = self.closed.notified();
        tokio::pin!(closed);
        closed.as_mut().enable();
        if self.gate().open {
            closed.await;
        }
    }

    /// It does not count as awake any more.
    pub(crate) fn gave_up_place(&self) {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Closes the gate for good.
    pub(crate) fn shut(&self) {
        self.gate().open = false;
        self.closed.notify_waiters();
    }

    /// Opens the gate again.
    pub(crate) fn open(&self) {
        self.killing.store(false, Ordering::Release);
        let mut gate = self.gate();
        gate.open = true;
        gate.used = Instant::now();
        drop(gate);
        if let Some(seat) = self.seat.upgrade() {
            seat.changed.notify_waiters();
        }
    }

    /// Since when nothing was asked of it and no command runs; `None` while something is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let gate = self.gate();
        (gate.open && gate.inside == 0 && self.execs.running() == 0).then_some(gate.used)
    }

    /// Writes down what a request did, and waits until that is as safe as the session promises.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) async fn acknowledge(&self, events: Vec<What>) -> Result<(), SessionError> {
        self.scribe.acknowledge(events).await.map(|_| ())
    }

    /// Writes down something nobody waits for.
    pub(crate) fn note(&self, events: Vec<What>) {
        let _ = self.scribe.record(Record { events, files: true, ..Record::default() }, Urgency::Background);
    }

    /// Tells all processes to end, gives them `grace`, and kills what is left.
    ///
    /// # Errors
    /// `Busy` when killed processes are not gone after ten seconds.
    pub(crate) async fn end_processes(&self, grace: Duration) -> Result<(), SessionError> {
        if !grace.is_zero() && self.processes() > 0 {
            self.signal_all(Signal::TERM);
            self.signal_all(Signal::CONT);
            tokio::select! {
                () = self.gone() => {}
                () = tokio::time::sleep(grace) => {}
                () = self.hurry.notified() => {}
            }
        }
        self.killing.store(true, Ordering::Release);
        self.signal_all(Signal::KILL);
        let gone = async {
            self.gone().await;
            self.execs.ended().await;
        };
        match tokio::time::timeout(KILLED_WITHIN, gone).await {
            Ok(()) => {
                // What they sent last is on its way out.
                let _ = tokio::time::timeout(DRAINED_WITHIN, self.way.drained()).await;
                Ok(())
            }
            Err(_) => Err(SessionError::Busy { id: self.id, left: self.processes() }),
        }
    }

    /// Ends it without a word: what it holds belongs to another owner, or to nobody.
    pub(crate) fn abandon(&self, error: SessionError) {
        self.shut();
        self.scribe.halt(error.clone());
        self.execs.fail(&error);
        self.killing.store(true, Ordering::Release);
        self.signal_all(Signal::KILL);
        self.way.close();
    }

    /// Processes there are, but init.
    pub(crate) fn processes(&self) -> usize {
        self.session.with(|kernel| kernel.processes().count()).saturating_sub(1)
    }

    fn signal_all(&self, signal: Signal) {
        self.session.with(|kernel| {
            let all: Vec<Pid> = kernel.processes().map(|process| process.pid).filter(|pid| *pid != Pid::INIT).collect();
            for pid in all {
                kernel.signal_process(pid, signal);
            }
        });
    }

    /// Waits until no process is left. Those a client launched are collected by whoever waits for them.
    async fn gone(&self) {
        let gone = self.session.call(Pid::INIT, |kernel, _| {
            if kernel.processes().count() <= 1 {
                return Ok(());
            }
            // A zombie is collected a moment after its exit, which nobody is told.
            let soon = kernel.monotonic() + Duration::from_millis(1);
            Err(warren_kernel::Halt::Wait(warren_kernel::wait::Wait {
                keys: vec![warren_kernel::wait::WaitKey::Exits],
                until: kernel.processes().skip(1).all(|process| process.is_zombie()).then_some(soon),
                restarts: true,
            }))
        });
        let _ = gone.await;
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::ops::Deref for Pass {
    type Target = Arc<Awake>;

    fn deref(&self) -> &Arc<Awake> {
        &self.0
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut gate = self.0.gate();
        gate.inside -= 1;
        gate.used = Instant::now();
        let last = gate.inside == 0 && !gate.open;
        drop(gate);
        if last {
            self.0.left.notify_waiters();
        }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        // Guests hold the kernel's session: without its owner nobody would end them.
        self.signal_all(Signal::KILL);
        self.way.close();
    }
}

impl std::fmt::Debug for Awake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Awake").field("id", &self.id).finish_non_exhaustive()
    }
}
