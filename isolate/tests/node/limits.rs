//! What a guest may have, and how it ends when it wants more: alone, and with a word about why.

use crate::harness::{Ended, Place};
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

/// Runs it, ends it with SIGKILL after a while, and sees that another program still runs.
fn killed(script: &str) -> Ended {
    let place = Place::new();
    let ended = place.node_killed_after(&["-e", script], Duration::from_millis(200));
    assert_eq!(Place::new().node(&["-p", "1"]).out, "1\n");
    ended
}

#[test]
fn endless_loops_of_every_kind_of_callback_can_be_ended() {
    for script in [
        "for (;;);",
        "for (;;) new Array(1000).fill({})",
        "for (;;) { for (let n = 0; n < 1000; n++); }",
        "setTimeout(() => { for (;;); }, 1)",
        "setImmediate(() => { for (;;); })",
        "Promise.resolve().then(() => { for (;;); })",
        "process.nextTick(() => { for (;;); })",
        "queueMicrotask(function again() { queueMicrotask(again); })",
        "process.nextTick(function again() { process.nextTick(again); })",
        "process.on('exit', () => { for (;;); })",
        "new Proxy({}, { get() { for (;;); } }).x",
        "({ toString() { for (;;); } }) + ''",
        "[1, 2].sort(() => { for (;;); })",
        "JSON.stringify({ toJSON() { for (;;); } })",
        "class A { static { for (;;); } }",
        "require('fs').readFile('/etc/hosts', () => { for (;;); })",
        "/(a+)+$/.test('a'.repeat(40) + 'b')",
        "Error.prepareStackTrace = () => { for (;;); }; new Error().stack",
        "eval('for (;;);')",
        "new Function('for (;;);')()",
        "require('vm').runInNewContext('for (;;);')",
        "process.on('uncaughtException', () => { for (;;); }); throw 1",
        "setInterval(() => {}, 1)",
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
    ] {
        let ended = killed(script);
        let by_limit = ended.status == ExitStatus::Signaled(Signal::ABRT);
        assert!(
            ended.status == ExitStatus::Signaled(Signal::KILL) || by_limit || !ended.err.is_empty(),
            "{script}: {ended:?}"
        );
    }
}

#[test]
fn a_heap_has_a_limit_that_ends_its_guest_alone() {
    for script in [
        "const all = []; for (;;) all.push(new Array(1000).fill({}))",
        "let s = 'x'; for (;;) s += s + Math.random()",
        "const all = []; for (;;) all.push('x'.repeat(1 << 20) + all.length)",
        "const m = new Map(); for (let n = 0; ; n++) m.set(n, { n })",
        "(function f() { f(); f(); })()",
        "const all = []; for (;;) all.push(new Promise(() => {}))",
    ] {
        let ended = Place::new().node(&["-e", script]);
        let limit = ended.status == ExitStatus::Signaled(Signal::ABRT) && ended.err.contains("out of memory");
        let error = ended.status == ExitStatus::Exited(1) && ended.err.contains("RangeError");
        assert!(limit || error, "{script}: {:?} {}", ended.status, ended.err);
    }
    assert_eq!(Place::new().node(&["-p", "1"]).out, "1\n");
}

#[test]
fn buffers_are_counted_as_memory() {
    for script in [
        "const all = []; for (;;) all.push(new ArrayBuffer(64 << 20))",
        "const all = []; for (;;) all.push(Buffer.alloc(64 << 20, 1))",
        "const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(7))",
    ] {
        let ended = Place::new().node(&["-e", script]);
        let limit = ended.status == ExitStatus::Signaled(Signal::ABRT) && ended.err.contains("memory");
        let error = ended.status == ExitStatus::Exited(1) && ended.err.contains("RangeError");
        assert!(limit || error, "{script}: {:?} {}", ended.status, ended.err);
    }
}

#[test]
fn recursion_ends_in_an_error_and_not_in_the_host() {
    for script in [
        "let n = 0; function f() { n++; f(); } try { f(); } catch (e) { console.log(e instanceof RangeError, n > 100); }",
        "let a = []; for (let i = 0; i < 1e6; i++) a = [a]; let fits = false; try { JSON.stringify(a); fits = true; } catch (e) { fits = e instanceof RangeError; } console.log(fits, true)",
        "try { eval('('.repeat(1e6)); } catch (e) { console.log(e instanceof RangeError || e instanceof SyntaxError, true); }",
        "try { new RegExp('('.repeat(1e6)); } catch (e) { console.log(e instanceof SyntaxError, true); }",
        "try { structuredClone(Array(1e5).fill().reduce((a) => [a], [])); console.log(true, true); } catch (e) { console.log(true, true); }",
    ] {
        let ended = Place::new().node(&["-e", script]);
        assert_eq!(
            (ended.status, ended.out.as_str()),
            (ExitStatus::Exited(0), "true true\n"),
            "{script}: {}",
            ended.err
        );
    }
}
