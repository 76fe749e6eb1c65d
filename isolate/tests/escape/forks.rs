//! Programs that begin programs without end.

use crate::answers;
use crate::harness::{Ended, Place};
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

/// A session that may have fewer processes, so that the suite needs no memory of a server's.
fn small() -> Place {
    Place::with(|template| template.limits.processes = 48)
}

/// How a bomb ends, while which other sessions are served.
fn others_are_served_during(bomb: impl Fn() -> Ended + Send) -> Ended {
    std::thread::scope(|scope| {
        let bomb = scope.spawn(bomb);
        for _ in 0..3 {
            answers(&Place::new());
        }
        bomb.join().unwrap()
    })
}

/// The same of one that has no end.
fn others_are_served_until_it_is_killed(place: &Place, script: &str) {
    let ended = others_are_served_during(|| place.node_killed_after(&["-e", script], Duration::from_secs(4)));
    assert_eq!(ended.status, ExitStatus::Signaled(Signal::KILL), "{script}: {ended:?}");
}

#[test]
fn a_thousand_programs_at_once_keep_no_other_session_waiting() {
    let place = small();
    let script = "
        const { spawn } = require('child_process'), all = []; let refused = 0;
        for (let n = 0; n < 1000; n++) all.push(spawn('node', ['-e', 'setInterval(() => {}, 1000)']).on('error', (e) => refused += e.code === 'EAGAIN'));
        setTimeout(() => { console.log(refused > 900); for (const one of all) one.kill('SIGKILL'); process.exit(); }, 1000)";
    let ended = others_are_served_during(|| place.node(&["-e", script]));
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(0), "true\n"), "{}", ended.err);
    answers(&place);
}

#[test]
fn programs_that_begin_two_of_themselves_keep_no_other_session_waiting() {
    let place = small();
    place.file(
        "/home/agent/bomb.js",
        "const { spawn } = require('child_process'); for (let n = 0; n < 2; n++) spawn('node', ['bomb.js'], { stdio: 'ignore' }).on('error', () => {}); setInterval(() => {}, 1000)",
    );
    others_are_served_until_it_is_killed(&place, "require('./bomb.js')");
}

#[test]
fn programs_one_after_the_other_keep_no_other_session_waiting() {
    let script = "const { spawnSync } = require('child_process'); for (;;) spawnSync('node', ['-e', '1'])";
    others_are_served_until_it_is_killed(&small(), script);
}

#[test]
fn work_that_is_left_behind_keeps_nobody_waiting() {
    let place = small();
    let script = "const { pbkdf2 } = require('crypto'); for (let n = 0; n < 4; n++) pbkdf2('x', 'y', 2e7, 64, 'sha512', () => {}); setTimeout(() => process.exit(3), 100)";
    let ended = place.node(&["-e", script]);
    assert_eq!(ended.status, ExitStatus::Exited(3), "{ended:?}");
    answers(&place);
}
