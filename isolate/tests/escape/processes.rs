//! Children that stall, and parents that wait for them.

use crate::answers;
use crate::harness::Place;
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

#[test]
fn a_wait_for_a_child_that_never_ends_can_be_ended() {
    for script in [
        "require('child_process').spawnSync('node', ['-e', 'setInterval(() => {}, 1000)'])",
        "require('child_process').execSync('node -e \"for (;;);\"')",
        "require('child_process').spawnSync('node', [], { stdio: ['inherit', 'inherit', 'inherit'], input: undefined })",
        "require('child_process').spawnSync('node', ['-e', 'process.stdin.pause(); setInterval(() => {}, 9)'], { input: Buffer.alloc(8 << 20) })",
        "require('child_process').spawnSync('node', ['-e', 'process.on(\"SIGTERM\", () => {}); setInterval(() => {}, 9)'], { timeout: 50, killSignal: 'SIGCONT' })",
    ] {
        let place = Place::new();
        let ended = place.node_killed_after(&["-e", script], Duration::from_millis(500));
        assert!(
            matches!(ended.status, ExitStatus::Signaled(Signal::KILL) | ExitStatus::Exited(_)),
            "{script}: {ended:?}"
        );
        answers(&place);
    }
}

#[test]
fn a_child_whose_output_has_no_end_is_ended_at_its_bound() {
    let place = Place::new();
    let script = "const r = require('child_process').spawnSync('node', ['-e', 'const b = \"x\".repeat(1 << 16); (function more() { process.stdout.write(b, more); })()'], { maxBuffer: 1 << 20 }); console.log(r.error?.code, r.stdout.length < 1 << 22)";
    let ended = place.node(&["-e", script]);
    assert_eq!(ended.out, "ENOBUFS true\n", "{}", ended.err);
    answers(&place);
}
