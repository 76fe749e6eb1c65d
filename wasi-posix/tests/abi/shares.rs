//! The processor shared by guests of several tenants.

use crate::harness::{Place, assemble, bench, within};
use std::num::NonZeroU32;
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;
use warren_wasi_posix::node::{Command, Running};
use warren_wasi_posix::share::Share;

const BUSY: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $again (br $again))))"#;

/// A session of a tenant, with a program that never ends.
fn busy_place(tenant: &str) -> Place {
    let template = bench().node.template();
    let session = bench().node.session_of(&bench().node.shares().session(tenant), template.clone());
    let place = Place { session, template };
    place.file("/tmp/busy", 0o755, &assemble(BUSY));
    place
}

fn launch(place: &Place) -> Running {
    within(Command::new(&place.template, ["/tmp/busy"]).launch(&place.session)).unwrap()
}

fn kill(running: &Running) {
    running.session.with(|kernel| kernel.signal_process(running.pid, Signal::KILL));
    assert_eq!(within(running.wait()).unwrap().0, ExitStatus::Signaled(Signal::KILL));
}

#[test]
fn a_tenant_over_its_quota_waits_and_its_processes_can_be_ended_all_the_same() {
    let shares = bench().node.shares();
    // A tenth of a percent: once it is used up, the next slice is seconds away.
    shares.set("limited", Share { cpu_ms_per_s: NonZeroU32::new(1), ..Share::default() });
    let place = busy_place("limited");
    let running = [launch(&place), launch(&place)];
    within(async {
        while shares.figures("limited").unwrap().throttles == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    running.iter().for_each(kill);
    let figures = shares.figures("limited").unwrap();
    assert!(figures.cpu > Duration::ZERO && figures.throttled > Duration::ZERO, "{figures:?}");
    // A tenant without a quota is not kept waiting by it.
    let free = busy_place("free");
    kill(&launch(&free));
    assert_eq!(shares.figures("free").unwrap().throttles, 0);
}

#[test]
fn a_short_command_goes_on_beside_more_busy_loops_than_there_are_threads() {
    let noisy = busy_place("noisy");
    let loops: Vec<Running> = (0..12).map(|_| launch(&noisy)).collect();
    let quiet = Place::new();
    for _ in 0..50 {
        assert_eq!(quiet.status(r#"(module (memory (export "memory") 1) (func (export "_start")))"#), 0);
    }
    // They run on, and each can be ended though others want the processor.
    loops.iter().for_each(kill);
    drop(loops);
    noisy.assert_clean();
}

#[test]
fn a_compilation_is_charged_to_who_caused_it() {
    let node = &bench().node;
    let place = busy_place("compiles");
    let before = node.shares().figures("compiles").unwrap().cpu;
    // Long enough to be seen, and no other test's: each function adds its own constant.
    let functions: String =
        (0..300).map(|n| format!("(func (result i32) (i32.add (i32.const {n}) (i32.const 424242)))")).collect();
    place.file(
        "/tmp/long",
        0o755,
        &assemble(&format!(r#"(module (memory (export "memory") 1) {functions} (func (export "_start")))"#)),
    );
    let run = || {
        within(async {
            Command::new(&place.template, ["/tmp/long"]).launch(&place.session).await?.wait().await.map_err(Into::into)
        })
    };
    let first: Result<_, warren_kernel::CallError> = run();
    assert_eq!(first.unwrap().0, ExitStatus::Exited(0));
    let compiled = node.shares().figures("compiles").unwrap().cpu - before;
    assert!(compiled > Duration::from_millis(1), "{compiled:?}");
    // What the kernel counts for its processes has not got it.
    assert!(place.session.with(|kernel| kernel.cpu_used()) < compiled);
}
