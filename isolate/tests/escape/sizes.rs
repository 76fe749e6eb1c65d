//! Things larger than the engine can make, where it has no way to throw: it would end the server. Each attack runs in a process of its
//! own, so that this suite sees it if it does.

use crate::answers;
use crate::harness::Place;
use std::process::Command;
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

/// Names the script that is to be run, in the process of its own.
const SCRIPT: &str = "WARREN_ATTACK";

const SCRIPTS: [&str; 6] = [
    "'x'.repeat(2 ** 28).replaceAll(/x/g, 'y$&')",
    "'x'.repeat(2 ** 28).replace(/x/g, (all) => all)",
    "Object.getOwnPropertyNames(new Uint8Array(2 ** 28))",
    "Reflect.ownKeys(new Uint8Array(2 ** 27 + 5))",
    "const a = []; a.length = 2 ** 27 + 100; a.fill(1.5); a.concat(a)",
    "const all = []; for (;;) all.push(new WebAssembly.Memory({ initial: 0, maximum: 8192 }).buffer)",
];

#[test]
fn what_is_too_large_to_make_ends_its_guest_alone() {
    if let Some(number) = std::env::var_os(SCRIPT).and_then(|number| number.to_str()?.parse::<usize>().ok()) {
        return ends_alone(SCRIPTS[number]);
    }
    let long = std::env::var_os("LONG_TESTS").is_some();
    for (number, script) in SCRIPTS.iter().enumerate().filter(|(number, _)| long || [0, 5].contains(number)) {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "sizes::what_is_too_large_to_make_ends_its_guest_alone", "--nocapture"]);
        let ended = alone.env(SCRIPT, number.to_string()).output().unwrap();
        assert!(ended.status.success(), "{script}: {:?} {}", ended.status, String::from_utf8_lossy(&ended.stderr));
    }
}

/// In one process, it ends again and again with a word, and sessions answer meanwhile.
fn ends_alone(script: &str) {
    for _ in 0..2 {
        let ended = Place::new().node_killed_after(&["-e", script], Duration::from_secs(50));
        let limit = ended.status == ExitStatus::Signaled(Signal::ABRT) && ended.err.contains("out of memory");
        let error = ended.status == ExitStatus::Exited(1) && ended.err.contains("RangeError");
        assert!(limit || error, "{script}: {ended:?}");
        answers(&Place::new());
    }
}
