//! The thread that advances the engine's epoch while guests run, and sleeps while none does.

use crate::Core;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long a guest runs before it lets others run, and how soon a killed busy loop ends.
const TICK: Duration = crate::SLICE;
/// Idle ticks after which the ticker sleeps.
const IDLE_TICKS: u32 = 20;
/// How long it sleeps unless it is told that there is something to tick for.
const SLEEP: Duration = Duration::from_secs(60);

/// Begins to tick for as long as the core is there.
pub(crate) fn start(core: &Arc<Core>) {
    let own = Arc::downgrade(core);
    let spawned = std::thread::Builder::new().name("warren-ticker".to_owned()).spawn(move || run(&own));
    if let Ok(join) = spawned {
        core.set_ticker(join.thread().clone());
    }
}

fn run(core: &Weak<Core>) {
    let mut idle = 0;
    while let Some(core) = core.upgrade() {
        if core.has_stopped() {
            return;
        }
        if core.is_busy() {
            idle = 0;
            core.tick();
            core.kick();
        } else if idle >= IDLE_TICKS {
            core.sleep_if_idle(SLEEP);
            idle = 0;
            continue;
        } else {
            idle += 1;
        }
        drop(core);
        std::thread::sleep(TICK);
    }
}
