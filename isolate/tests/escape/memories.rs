//! Memory that the engine counts nowhere, and what a session may have in all.

use crate::harness::{Ended, Place};
use crate::{answers, gets};
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

/// Makes `wasm`: it defines a memory of 32 MiB that may grow, `fill` writes to all it begins with, `grow` doubles it.
const MODULE: &str = "
    const text = [0,97,115,109,1,0,0,0, 1,8,2,0x60,0,0,0x60,0,1,0x7f, 3,3,2,0,1, 5,4,1,0,0x80,4,
      7,15,2,4,0x66,0x69,0x6c,0x6c,0,0,4,0x67,0x72,0x6f,0x77,0,1,
      10,23,2, 14,0,0x41,0,0x41,1,0x41,0x80,0x80,0x80,0x10,0xfc,11,0,11, 6,0,0x3f,0,0x40,0,11];
    const wasm = new WebAssembly.Module(new Uint8Array(text));";

fn ended(script: &str) -> Ended {
    let ended = Place::new().node_killed_after(&["-e", script], Duration::from_secs(40));
    answers(&Place::new());
    ended
}

/// It ends with a word about memory, or an error of its own.
fn bounded(script: &str) {
    let ended = ended(script);
    let limit = ended.status == ExitStatus::Signaled(Signal::ABRT) && ended.err.contains("out of memory");
    let error = ended.status == ExitStatus::Exited(1) && ended.err.contains("Error");
    assert!(limit || error, "{script}: {:?} {} {}", ended.status, ended.out, ended.err);
}

#[test]
fn memories_that_modules_define_are_counted_together() {
    for attack in [
        "const all = []; for (;;) { const one = new WebAssembly.Instance(wasm); one.exports.fill(); all.push(one); }",
        "const all = []; for (let n = 0; n < 8; n++) { const one = new WebAssembly.Instance(wasm); all.push(one); } for (;;) for (const one of all) { one.exports.grow(); one.exports.fill(); }",
        "const all = []; (async () => { for (;;) all.push((await WebAssembly.instantiate(new Uint8Array(text))).instance); })()",
        "const all = []; (async () => { const wasm = await WebAssembly.compile(new Uint8Array(text)); for (;;) all.push(await WebAssembly.instantiate(wasm)); })()",
        "Promise.prototype.then = null; WeakMap.prototype.get = () => {}; Reflect.construct = null; const all = []; for (;;) all.push(new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(text))))",
    ] {
        bounded(&format!("{MODULE} {attack}"));
    }
}

#[test]
fn memories_in_other_contexts_are_counted_too() {
    for attack in [
        "const all = []; for (;;) all.push(require('vm').runInNewContext('new WebAssembly.Memory({ initial: 1024 })'))",
        "const all = []; for (;;) all.push(require('vm').runInNewContext('new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(text)))', { text }))",
        "const vm = require('vm'), box = { WebAssembly: 1 }; vm.createContext(box); delete box.WebAssembly; const all = []; for (;;) all.push(vm.runInContext('new WebAssembly.Memory({ initial: 1024 })', box))",
        "const vm = require('vm'), all = []; for (;;) all.push(vm.runInContext('new WebAssembly.Memory({ initial: 1024 })', vm.createContext(vm.constants.DONT_CONTEXTIFY)))",
        "const all = []; for (;;) all.push(require('vm').runInNewContext('const b = new SharedArrayBuffer(8, { maxByteLength: 2 ** 28 }); b.grow(2 ** 28); new Uint8Array(b).fill(1); b'))",
        "const all = []; for (;;) all.push(require('vm').runInNewContext('new ArrayBuffer(8, { maxByteLength: 2 ** 28 })'))",
    ] {
        bounded(&format!("{MODULE} {attack}"));
    }
}

#[test]
fn address_space_is_not_a_guests_to_take() {
    for attack in [
        "new ArrayBuffer(0, { maxByteLength: 2 ** 45 })",
        "const all = []; for (;;) all.push(new ArrayBuffer(1, { maxByteLength: 8192 }))",
        "const all = []; for (;;) all.push(new SharedArrayBuffer(1, { maxByteLength: 2 ** 29 }))",
        "const all = []; for (;;) all.push(new WebAssembly.Memory({ initial: 0 }))",
        "const all = []; for (;;) all.push(new WebAssembly.Memory({ initial: 0, maximum: 1, shared: true }))",
        "let asked = 0; const all = []; for (;;) all.push(new ArrayBuffer(0, { get maxByteLength() { return asked++ % 2 ? 2 ** 40 : 8; } }))",
    ] {
        bounded(attack);
    }
}

#[test]
fn what_the_host_holds_for_a_program_is_counted() {
    for attack in [
        "const { port1 } = new MessageChannel(); for (;;) port1.postMessage('x'.repeat(1 << 20))",
        "const { port1 } = new MessageChannel(); for (;;) port1.postMessage(new Uint8Array(1 << 16))",
        "const text = 'x'.repeat(1 << 20); for (;;) URL.createObjectURL(new Blob([text]))",
        "const all = [], text = 'x'.repeat(1 << 20); for (;;) all.push(new Blob([text]))",
        "const all = []; for (;;) all.push(new ArrayBuffer(0, { maxByteLength: 2 ** 29 }).transfer())",
    ] {
        bounded(attack);
    }
    let script = "
        const { scryptSync } = require('crypto'), all = [];
        for (const [N, r, p] of [[2 ** 24, 8, 1], [2, 1, 2 ** 29], [2 ** 10, 8, 1]])
          try { all.push(scryptSync('x', 'y', 8, { N, r, p, maxmem: 2 ** 40 }).length); } catch (e) { all.push(e.code); }
        console.log(all.join());
        const { port1, port2 } = new MessageChannel();
        port2.on('message', (m) => { console.log(m.b.byteLength, m.text); port2.close(); });
        port1.postMessage({ text: 'well', b: new ArrayBuffer(8) });";
    let wrong = "ERR_CRYPTO_INVALID_SCRYPT_PARAMS";
    assert_eq!(gets(script), format!("{wrong},{wrong},8\n8 well\n"));
}

#[test]
fn contexts_have_what_is_counted_and_nothing_else() {
    let script = "
        const vm = require('vm'), kept = { SharedArrayBuffer: 1 }, frozen = Object.freeze({});
        const all = [vm.runInNewContext('typeof SharedArrayBuffer'), vm.runInNewContext('SharedArrayBuffer', kept), kept.SharedArrayBuffer];
        all.push(vm.runInNewContext('typeof SharedArrayBuffer', frozen), vm.runInNewContext('WebAssembly.Memory') === WebAssembly.Memory);
        all.push(vm.runInNewContext('new ArrayBuffer(8).byteLength'), Object.keys(vm.createContext({})).length);
        const liar = new Proxy({ SharedArrayBuffer: 1 }, { deleteProperty: () => false });
        try { vm.createContext(liar); } catch (e) { all.push(e.name); }
        console.log(all.join());";
    assert_eq!(gets(script), "undefined,1,1,undefined,true,8,0,TypeError\n");
}

#[test]
fn what_nobody_has_any_more_counts_for_nothing() {
    let script = format!(
        "{MODULE} for (let n = 0; n < 600; n++) {{ new WebAssembly.Instance(wasm); new WebAssembly.Memory({{ initial: 1 }}); new ArrayBuffer(1, {{ maxByteLength: 1 << 20 }}); }} console.log('well')"
    );
    assert_eq!(gets(&script), "well\n");
}

#[test]
fn modules_with_memories_are_what_they_were() {
    let script = format!(
        "{MODULE}
        const all = [WebAssembly.Module.imports(wasm).length, WebAssembly.Module.exports(wasm).map((e) => e.name).join()];
        const one = new WebAssembly.Instance(wasm);
        all.push(one instanceof WebAssembly.Instance, wasm instanceof WebAssembly.Module, wasm.constructor === WebAssembly.Module);
        all.push(one.exports.grow(), one.exports.fill());
        WebAssembly.instantiate(new Uint8Array(text), {{ other: {{}} }}).then(({{ module, instance }}) => {{
          all.push(module instanceof WebAssembly.Module, instance.exports.grow());
          return WebAssembly.compile(new Uint8Array([0, 97]));
        }}).catch((e) => {{ all.push(e instanceof WebAssembly.CompileError); console.log(all.join(' ')); }});
        for (const wrong of [[], [1], [new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 3, 1, 8, 1])]])
          try {{ new WebAssembly.Module(...wrong); }} catch (e) {{ all.push(e.name); }}"
    );
    assert_eq!(gets(&script), "0 fill,grow true true true 512  TypeError TypeError CompileError true 512 true\n");
}

/// All programs of a session together have what the session may have.
#[test]
fn a_session_has_so_much_memory_in_all_its_programs() {
    let place = Place::with(|template| template.limits.memory_bytes = 256 << 20);
    let script = "
        const { spawn } = require('child_process'); const said = []; let left = 6;
        for (let n = 0; n < left; n++) {
          const one = spawn('node', ['-e', 'const all = []; for (let n = 0; n < 60; n++) all.push(Buffer.alloc(1 << 20, 1)); setTimeout(() => {}, 1e9)']);
          one.stderr.on('data', (data) => { said.push(String(data)); if (said.length === 1) setTimeout(() => process.exit(), 100); });
        }
        process.on('exit', () => console.log(said.join().includes('out of memory: the session has no more')))";
    assert_eq!(place.node(&["-e", script]).out, "true\n");
    answers(&place);
}
