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
    let words = ["could not allocate", "allocation failed", "Unable to grow", "too large", "out of range"];
    let error = ended.status == ExitStatus::Exited(1)
        && ended.err.contains("RangeError")
        && words.iter().any(|word| ended.err.contains(word));
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
    ] {
        bounded(&format!("{MODULE} {attack}"));
    }
}

#[test]
fn address_space_is_not_a_guests_to_take() {
    for attack in [
        "const all = []; for (;;) all.push(new WebAssembly.Memory({ initial: 0 }))",
        "const all = []; for (;;) all.push(new WebAssembly.Memory({ initial: 0 }).buffer)",
        "new WebAssembly.Memory({ initial: 0, maximum: 1, shared: true })",
        "new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 4, 1, 3, 1, 1])))",
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
        "const all = [], blob = new Blob(['x'.repeat(1 << 20)]); for (;;) all.push(blob.slice(1))",
    ] {
        bounded(attack);
    }
    let script = "
        const { scryptSync } = require('crypto'), all = [];
        for (const [N, r, p] of [[2 ** 24, 8, 1], [2, 1, 2 ** 29], [2 ** 10, 8, 1]])
          try { all.push(scryptSync('x', 'y', 8, { N, r, p, maxmem: 2 ** 40 }).length); } catch (e) { all.push(e.code); }
        const crypto = require('crypto'), far = 2 ** 31 - 1, done = () => {};
        for (const ask of [
          () => crypto.scrypt('x', 'y', far, done), () => crypto.pbkdf2('x', 'y', 1, far, 'sha1', done), () => crypto.createHash('shake256', { outputLength: far }),
          () => crypto.generateKey('hmac', { length: far }, done), () => crypto.generatePrime(far, done), () => crypto.generateKeyPair('rsa', { modulusLength: far }, done),
          () => crypto.createDiffieHellman(far),
        ]) try { ask(); all.push('done'); } catch (e) { all.push(e.name); }
        console.log(all.join());
        const { port1, port2 } = new MessageChannel();
        port2.on('message', (m) => { console.log(m.b.byteLength, m.text); port2.close(); });
        port1.postMessage({ text: 'well', b: new ArrayBuffer(8) });";
    let wrong = "ERR_CRYPTO_INVALID_SCRYPT_PARAMS";
    let far = ["RangeError"; 7].join(",");
    assert_eq!(gets(script), format!("{wrong},{wrong},8,{far}\n8 well\n"));
}

#[test]
fn contexts_have_what_is_counted_and_nothing_else() {
    let script = "
        const vm = require('vm'), kept = { SharedArrayBuffer: 1 }, frozen = Object.freeze({});
        const all = [vm.runInNewContext('typeof SharedArrayBuffer'), vm.runInNewContext('SharedArrayBuffer', kept), kept.SharedArrayBuffer];
        all.push(vm.runInNewContext('typeof SharedArrayBuffer', frozen), vm.runInNewContext('WebAssembly.Memory') === WebAssembly.Memory);
        all.push(vm.runInNewContext('new ArrayBuffer(8).byteLength'), Object.keys(vm.createContext({})).length);
        console.log(all.join());";
    assert_eq!(gets(script), "undefined,1,1,undefined,true,8,0\n");
}

/// A buffer that grows is counted nowhere, and one that shrinks is taken from under native code that reads it.
#[test]
fn no_buffer_grows_wherever_it_is_made() {
    let script = "
        const vm = require('vm'), v8 = require('v8'), all = [], grows = { maxByteLength: 64 };
        const plain = vm.createContext(vm.constants.DONT_CONTEXTIFY), boxed = vm.createContext({});
        const realms = [(text) => (0, eval)(text), (text) => vm.runInContext(text, boxed), (text) => vm.runInContext(text, plain)];
        for (const run of realms) {
          all.push(run('new ArrayBuffer(8, { maxByteLength: 64 })').resizable, run('ArrayBuffer.prototype.resize'));
          const f = run('(function () {})'); f.prototype = null;
          for (const kind of [ArrayBuffer, SharedArrayBuffer]) {
            const made = Reflect.construct(kind, [8, grows], f), { constructor } = Object.getPrototypeOf(made);
            all.push(made.byteLength, made.grow ?? made.resize, (({ resizable, growable }) => resizable ?? growable)(new constructor(8, grows)));
          }
        }
        all.push(structuredClone(new SharedArrayBuffer(8, grows)).growable, new WebAssembly.Memory({ initial: 1 }).toResizableBuffer);
        console.log(all.join());";
    // Of each realm: no resizable, no resize; 8 bytes, no way to grow, and what made it makes none that grows.
    let realm = ",,8,,,8,,,";
    assert_eq!(gets(script), format!("{realm}{realm}{realm},\n"));
}

/// Its traps are a program's, and could look at the context before it is ready.
#[test]
fn a_sandbox_is_asked_nothing_before_its_context_is_ready() {
    let script = "
        const vm = require('vm'), asked = [], traps = {};
        for (const name of Object.getOwnPropertyNames(Reflect)) traps[name] = (...words) => { asked.push(name); return Reflect[name](...words); };
        const box = vm.createContext(new Proxy({}, traps));
        console.log(asked.join(), vm.runInContext('[typeof SharedArrayBuffer, typeof unknown].join()', box), asked.length > 0);";
    assert_eq!(gets(script), " undefined,undefined true\n");
}

/// What the engine reads of a program's making reserves what it says.
#[test]
fn a_text_of_a_buffer_that_grows_is_not_deserialized() {
    let script = "
        const v8 = require('v8'), all = [];
        const huge = [0x7e, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], head = [0xff, 0x0f];
        const read = (...bytes) => { try { return v8.deserialize(Buffer.from(bytes)); } catch (e) { return e.message.slice(0, 36); } };
        all.push(read(...head, ...huge), read(...head, 0x41, 1, ...huge, 0x24, 0, 1), read(...head, 0x5c, 10, 1, 0x7e), read(...head, 0x22, 1, 0x7e));
        class Odd extends v8.Deserializer { _readHostObject() { return {}; } }
        const odd = new Odd(Buffer.from([...head, 0x41, 2, 0x5c, 10, 8, ...huge, 0x30, 0x24, 0, 2])); odd.readHeader();
        try { all.push(odd.readValue()); } catch (e) { all.push(e.message.slice(0, 36)); }
        const late = Buffer.from([...head, 0x41, 2, 0x5c, 10, 0, 0x30, 0x24, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
        class Late extends v8.DefaultDeserializer { _readHostObject() { late.set(huge, 7); return super._readHostObject(); } }
        const reads = new Late(late); reads.readHeader(); try { all.push(reads.readValue().length); } catch (e) { all.push(e.message.slice(0, 36)); }
        const value = { a: [1, , 'x~y', new Map([[1, new Set(['~'])]])], b: Buffer.from('~~'), c: new Uint8Array([126, 0, 1]), d: new Error('~'), e: /~/g, f: 10n ** 30n, g: new Date(0) };
        const back = v8.deserialize(v8.serialize(value)); require('assert').deepStrictEqual(back, value);
        console.log(all.map(String).join('|'));";
    let refused = "Unable to deserialize cloned data: i";
    assert_eq!(gets(script), format!("{refused}|{refused}|~|~|{refused}|2\n"));
}

/// Methods that the engine calls are whatever a program put there.
#[test]
fn a_serializer_whose_methods_are_none_is_an_error_of_its_program() {
    let script = "
        const v8 = require('v8'), all = [];
        for (const wrong of [5, undefined, null, () => { throw new Error('mine'); }, { call() {} }]) {
          const writer = new v8.Serializer(); writer.writeHeader(); writer._getDataCloneError = wrong;
          try { writer.writeValue(() => {}); all.push('written'); } catch (e) { all.push(e.message); }
        }
        const writer = new v8.Serializer(); writer._setTreatArrayBufferViewsAsHostObjects(true); writer._writeHostObject = 1;
        try { writer.writeValue(new Uint8Array(1)); all.push('written'); } catch (e) { all.push(e.name); }
        const reader = new v8.Deserializer(Buffer.from([0xff, 0x0f, 0x5c])); reader.readHeader(); reader._readHostObject = 'none';
        try { reader.readValue(); all.push('read'); } catch (e) { all.push(e.name); }
        console.log(all.join());";
    let none = "_getDataCloneError is not a function";
    assert_eq!(gets(script), format!("{none},{none},{none},mine,{none},TypeError,TypeError\n"));
}

#[test]
fn what_nobody_has_any_more_counts_for_nothing() {
    let script = format!(
        "{MODULE} for (let n = 0; n < 600; n++) {{ new WebAssembly.Instance(wasm); new WebAssembly.Memory({{ initial: 1 }}); }} console.log('well')"
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
        const { spawn } = require('child_process'); const said = [], all = []; let left = 6;
        const end = () => { for (const one of all) one.kill('SIGKILL'); };
        for (let n = 0; n < left; n++) {
          const one = spawn('node', ['-e', 'const all = []; for (let n = 0; n < 60; n++) all.push(Buffer.alloc(1 << 20, 1)); setTimeout(() => {}, 1e9)']);
          all.push(one);
          one.stderr.on('data', (data) => { said.push(String(data)); if (said.length === 1) setTimeout(end, 100); });
        }
        process.on('exit', () => console.log(said.join().includes('out of memory: the session has no more')))";
    assert_eq!(place.node(&["-e", script]).out, "true\n");
    answers(&place);
}
