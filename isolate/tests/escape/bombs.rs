//! More memory than there is, of every kind.

use crate::answers;
use crate::harness::{Ended, Place};
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

/// Some of a list, so that the suite takes no minutes; all of it if `LONG_TESTS` is set.
fn chosen<'a>(scripts: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let most = if std::env::var_os("LONG_TESTS").is_some() { scripts.len() } else { 2 };
    scripts.iter().copied().take(most)
}

/// It ends with a word about memory, or with an error of its own; and others go on.
fn bounded(script: &str) -> Ended {
    let ended = Place::new().node_killed_after(&["-e", script], Duration::from_secs(40));
    let limit = ended.status == ExitStatus::Signaled(Signal::ABRT) && ended.err.contains("out of memory");
    let error = ended.status == ExitStatus::Exited(1) && ended.err.contains("Error");
    assert!(limit || error, "{script}: {:?} {} {}", ended.status, ended.out, ended.err);
    answers(&Place::new());
    ended
}

#[test]
fn strings_have_a_bound() {
    for script in chosen(&[
        "const all = []; for (;;) all.push(Buffer.from('x'.repeat(2 ** 28)).toString('latin1'))",
        "const s = 'x'.repeat(2 ** 29 - 25); s.charCodeAt(1); const all = [s]; for (;;) { const t = s + all.length; t.charCodeAt(5); all.push(t); }",
        "for (const all = [];;) all.push(('x'.repeat(2 ** 24) + all.length).split(''))",
        "let s = 'ab'; for (;;) s = s.replaceAll('a', s)",
        "const all = []; for (;;) all.push(Symbol('x'.repeat(1000) + all.length))",
        "let n = 2n; for (;;) n = n * n",
    ]) {
        bounded(script);
    }
}

#[test]
fn arrays_have_a_bound() {
    for script in chosen(&[
        "new Array(2 ** 31).fill(0)",
        "const a = []; for (;;) a.push(a.length)",
        "const a = {}; for (let n = 0;; n++) a['k' + n] = n",
        "const a = [1]; for (;;) a.push(...a)",
        "Array.from({ length: 2 ** 32 - 1 }, (x, n) => ({ n }))",
        "[...(function* () { for (;;) yield {}; })()]",
    ]) {
        bounded(script);
    }
}

#[test]
fn buffers_are_refused_before_they_are_there() {
    for script in chosen(&[
        "const all = []; for (;;) all.push(new Uint8Array(300e6).fill(1))",
        "new Uint8Array(20e9).fill(1)",
        "Buffer.alloc(20e9, 1)",
        "new SharedArrayBuffer(20e9); new Uint8Array(new SharedArrayBuffer(1e9)).fill(1)",
        "const all = []; for (;;) all.push(new SharedArrayBuffer(1 << 20))",
        "const all = []; for (;;) all.push(new ArrayBuffer(1 << 16))",
        "const b = new ArrayBuffer(8); for (let n = 8;; n *= 2) globalThis.x = b.transfer(n), new Uint8Array(globalThis.x).fill(1), globalThis.x.transfer(8)",
        "Buffer.concat(Array(100).fill(Buffer.alloc(16 << 20)))",
        "const all = []; for (;;) all.push(structuredClone(new Uint8Array(16 << 20)))",
        "const all = []; for (;;) all.push(new Blob(['x'.repeat(1 << 24)]).arrayBuffer(), Buffer.alloc(1 << 24))",
    ]) {
        bounded(script);
    }
}

#[test]
fn webassembly_has_a_bound() {
    for script in chosen(&[
        "const all = []; for (;;) all.push(new WebAssembly.Memory({ initial: 1000, maximum: 65536 }))",
        "const all = []; for (;;) { const m = new WebAssembly.Memory({ initial: 1, maximum: 65536 }); m.grow(4000); new Uint8Array(m.buffer).fill(1); all.push(m); }",
        "new WebAssembly.Memory({ initial: 65536 })",
        "const all = []; for (;;) all.push(structuredClone(new SharedArrayBuffer(1 << 20)))",
        "const all = []; for (;;) all.push(new WebAssembly.Table({ initial: 1e7, element: 'anyfunc' }))",
        "const t = new WebAssembly.Table({ initial: 1, element: 'externref' }); for (;;) t.grow(1e6, {})",
        "const head = [0, 97, 115, 109, 1, 0, 0, 0]; const all = []; for (;;) all.push(new WebAssembly.Module(new Uint8Array([...head, 0, 0x80, 0x80, 0x40, 1, 120, ...Array((1 << 20) - 2).fill(0)])))",
    ]) {
        bounded(script);
    }
}

#[test]
fn bombs_that_are_packed_are_bounded_where_they_are_unpacked() {
    for script in chosen(&[
        "const z = require('zlib'); const bomb = z.gzipSync(Buffer.alloc(100 << 20)); const all = []; for (;;) all.push(z.gunzipSync(bomb))",
        "const z = require('zlib'); const bomb = z.brotliCompressSync(Buffer.alloc(100 << 20), { params: { [z.constants.BROTLI_PARAM_QUALITY]: 1 } }); const all = []; for (;;) all.push(z.brotliDecompressSync(bomb))",
        "const all = []; for (;;) all.push(Promise.resolve().then(() => {}), new Error('x'), () => {}, Symbol(), new Map([[{}, []]]))",
        "const e = new (require('events'))(); e.setMaxListeners(0); for (;;) e.on('x', () => {})",
        "for (;;) setTimeout(() => {}, 1e9, 'x'.repeat(100) + Math.random())",
        "for (let n = 0;; n++) require('vm').runInNewContext('globalThis.a = Array(1e5).fill({})'), (globalThis['k' + n] = require('vm').createContext({ a: Array(1e4).fill(n) }))",
        "let f = () => {}; for (;;) { const g = f; f = () => g(); globalThis.f = f.bind(null, f, Array(100).fill(f)); }",
    ]) {
        bounded(script);
    }
}
