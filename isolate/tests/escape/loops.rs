//! Loops without an end in every place a program's code is called from, and in the engine's own code.

use crate::answers;
use crate::harness::{Ended, Place};
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

fn killed(script: &str) -> Ended {
    Place::new().node_killed_after(&["-e", script], Duration::from_millis(300))
}

#[test]
fn loops_in_callbacks_of_every_kind_can_be_ended() {
    for script in [
        "require('fs').promises.stat('/').then(() => { for (;;); })",
        "require('fs').createReadStream('/etc/hosts').on('data', () => { for (;;); })",
        "new (require('events'))().on('x', () => { for (;;); }).emit('x')",
        "console.log({ get x() { for (;;); }, [require('util').inspect.custom]() { for (;;); } })",
        "require('util').inspect({ get x() { for (;;); } }, { getters: true })",
        "new Proxy(function () {}, { apply() { for (;;); } })()",
        "new Proxy(class {}, { construct() { for (;;); } }); Object.keys(new Proxy({}, { ownKeys() { for (;;); } }))",
        "function* g() { for (;;) yield 1; } for (const x of g());",
        "(async () => { for await (const x of (async function* () { for (;;) yield 1; })()); })()",
        "'x'.replace(/x/, () => { for (;;); })",
        "((strings) => { for (;;); })`x`",
        "[3, 1, 2].toSorted(() => { for (;;); })",
        "Array.from({ length: 2 }, () => { for (;;); })",
        "new Promise(() => { for (;;); })",
        "({ then() { for (;;); } }); Promise.resolve({ then() { for (;;); } })",
        "process.on('unhandledRejection', () => { for (;;); }); Promise.reject(1)",
        "process.on('beforeExit', () => { for (;;); })",
        "process.on('SIGUSR2', () => { for (;;); }); process.kill(process.pid, 'SIGUSR2'); setInterval(() => {}, 1000)",
        "const r = new FinalizationRegistry(() => { for (;;); }); setInterval(() => { for (let n = 0; n < 1000; n++) r.register({}, 1); new Array(1e6).fill({}); }, 1)",
        "structuredClone({ get x() { for (;;); } })",
        "new (require('stream').Transform)({ transform() { for (;;); } }).write('x')",
        "require('net').createServer(() => { for (;;); }).listen(0, function () { require('net').connect(this.address().port); })",
        "require('http').createServer(() => { for (;;); }).listen(0, function () { require('http').get({ port: this.address().port }); })",
        "require('child_process').exec('node -v', () => { for (;;); })",
        "require('zlib').gzip('x', () => { for (;;); })",
        "require('crypto').pbkdf2('x', 'y', 1, 8, 'sha1', () => { for (;;); })",
        "require('dns').lookup('localhost', () => { for (;;); })",
        "new Intl.NumberFormat({ get length() { for (;;); } })",
        "with ({ get x() { for (;;); } }) x",
        "label: for (;;) { continue label; }",
        "do {} while (true)",
        "import('data:text/javascript,for(;;);')",
        "import('data:text/javascript,await new Promise(()=>{});').then(() => {}); setInterval(() => {}, 10)",
        "new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11]))).exports.f()",
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Infinity)",
        "require('util').promisify(require('child_process').execFile)('sleep', ['1000'])",
        "(2n ** (2n ** 29n)) * (3n ** (2n ** 28n))",
        "/a*a*a*a*a*a*a*a*a*b/.test('a'.repeat(5000))",
        "const set = new Set([1]); for (const x of set) { set.delete(x); set.add(x); }",
        "const m = new Map([[1, 1]]); m.forEach((v, k) => { m.delete(k); m.set(k, v); })",
        "let a = {}; for (let n = 0; n < 60; n++) a = { a, b: a }; JSON.stringify(a)",
        "let a = []; for (let n = 0; n < 60; n++) a = [a, a]; a.flat(Infinity)",
    ] {
        let ended = killed(script);
        let well = ended.status == ExitStatus::Signaled(Signal::KILL)
            || ended.status == ExitStatus::Signaled(Signal::ABRT)
            || !ended.err.is_empty()
            || matches!(ended.status, ExitStatus::Exited(_));
        assert!(well, "{script}: {ended:?}");
    }
    answers(&Place::new());
}

#[test]
fn modules_that_never_end_to_evaluate_can_be_ended() {
    for (name, text) in [
        ("a.mjs", "for (;;);"),
        ("b.mjs", "await new Promise(() => setInterval(() => {}, 1000));"),
        ("c.mjs", "import './c2.mjs'; export {};"),
        ("d.cjs", "module.exports = (() => { for (;;); })();"),
        ("e.ts", "let x: number = 1; for (;;) x++;"),
    ] {
        let place = Place::new();
        place.file(&format!("/home/agent/{name}"), text).file("/home/agent/c2.mjs", "while (true);");
        let ended = place.node_killed_after(&[name], Duration::from_millis(300));
        assert_eq!(ended.status, ExitStatus::Signaled(Signal::KILL), "{name}: {}", ended.err);
        answers(&place);
    }
}

/// The engine looks at nothing in the middle of these. Their process ends all the same; their thread goes on behind all others.
#[test]
fn loops_of_the_engines_own_end_for_their_session() {
    let place = Place::new();
    for name in ["includes", "indexOf", "forEach", "reverse"] {
        let script = format!("Array.prototype.{name}.call({{ length: 2 ** 53 - 1 }}, () => {{}})");
        let script = script.as_str();
        let ended = place.node_killed_after(&["-e", script], Duration::from_millis(300));
        assert_eq!(ended.status, ExitStatus::Signaled(Signal::KILL), "{script}: {}", ended.err);
        answers(&Place::new());
    }
    // A session that does it again and again has no more of them, and others have. One that was killed before it began its loop is not lost.
    let again = "Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)";
    let refused = (0..8).any(|_| {
        let refused = place.node(&["-p", "1"]).status == ExitStatus::Signaled(Signal::KILL);
        if !refused {
            place.node_killed_after(&["-e", again], Duration::from_secs(2));
        }
        refused
    });
    assert!(refused);
    answers(&Place::new());
}
