//! What the host's scripts keep to themselves: their operations, their loader, each other.

use crate::harness::Place;
use crate::{answers, attack, gets, gets_in};
use warren_kernel::process::ExitStatus;

#[test]
fn no_binding_is_given_out_that_has_operations() {
    let script = "
        const names = ['fs', 'uv', 'util', 'natives', 'config', 'process_wrap', 'spawn_sync', 'tcp_wrap', 'pipe_wrap', 'tty_wrap', 'udp_wrap', 'stream_wrap', 'contextify', 'v8', 'os',
          'crypto', 'buffer', 'constants', 'inspector', 'worker', 'wasi', 'module_wrap', 'js_stream', 'http_parser', 'zlib', 'async_wrap', 'cares_wrap', 'errors', 'types', 'symbols', 'timers',
          'trace_events', 'credentials', 'process_methods', 'report', 'performance', 'mksnapshot', 'builtins', 'modules', 'permission', 'sea', 'internal_only_v8', '__proto__', 'constructor', ''];
        const found = [];
        for (const get of [process.binding, process._linkedBinding, globalThis.internalBinding, process.internalBinding]) for (const name of names) {
          let binding; try { binding = get(name); } catch { continue; }
          if (binding === null || binding === undefined) continue;
          for (const key of Reflect.ownKeys(Object(binding))) if (String(key).startsWith('op_') || ['core', 'internals', 'primordials', 'internalBinding', 'compileFunction'].includes(key)) found.push(name + '.' + String(key));
        }
        for (const name of ['Deno', '__bootstrap', 'bootstrap', 'internalBinding', 'primordials', 'nodeBootstrap', 'core']) if (name in globalThis) found.push(name);
        for (const name of ['internal/bootstrap/loaders', 'internal/test/binding', 'internal/process', 'node:internal/util', 'ext:core/mod.js', 'ext:core/ops', 'ext:warren/deno.js', 'ext:deno_node/_utils.ts', '_http_nothing']) {
          try { require(name); found.push(name); } catch {}
        }
        console.log(JSON.stringify(found))";
    assert_eq!(gets(script), "[]\n");
}

#[test]
fn internal_modules_cannot_be_imported() {
    let place = Place::new();
    for name in [
        "ext:core/mod.js",
        "ext:core/ops",
        "ext:warren/deno.js",
        "ext:warren/bootstrap.js",
        "ext:deno_node/00_globals.js",
        "ext:deno_fs/30_fs.js",
        "EXT:core/mod.js",
        " ext:core/mod.js",
        "ext%3Acore/mod.js",
        "checkin:async",
        "node:internal/process",
        "node:../ext:core/mod.js",
        "blob:null/1",
        "npm:chalk",
        "jsr:@std/fs",
        "http://127.0.0.1/x.mjs",
        "https://example.com/x.mjs",
        "file://host/etc/passwd",
        "file:///../../etc/passwd",
        "vbscript:x",
    ] {
        let script = format!(
            "import({name:?}).then((m) => console.log('loaded', Object.keys(m)), (e) => console.log('refused')); \
             import('data:text/javascript,' + encodeURIComponent('import {name:?}')).then((m) => console.log('loaded'), () => console.log('refused'))"
        );
        let out = gets_in(&place, &script);
        assert_eq!(out, "refused\nrefused\n", "{name}");
    }
    place.file("/home/agent/a.mjs", "import * as m from 'ext:core/ops'; console.log(Object.keys(m))");
    let ended = place.node(&["a.mjs"]);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(1), ""), "{}", ended.err);
    answers(&place);
}

#[test]
fn whoever_replaces_what_scripts_are_made_of_is_handed_nothing_internal() {
    let place = Place::new();
    place.file("/home/agent/hunt.js", include_str!("hunt.js"));
    let ended = place.node(&["hunt.js"]);
    answers(&place);
    assert_eq!(ended.out, "nothing\n", "{:?} {}", ended.status, ended.err);
}

#[test]
fn prototypes_that_throw_or_lie_end_their_own_program_at_most() {
    for holder in [
        "Array",
        "Object",
        "Promise",
        "Function",
        "Map",
        "WeakMap",
        "Set",
        "String",
        "RegExp",
        "ArrayBuffer",
        "Uint8Array",
        "Error",
    ] {
        for change in [
            "() => { throw 1; }",
            "() => undefined",
            "() => -1",
            "() => ({ length: 2 ** 53 })",
            "function () { return this; }",
            "new Proxy(function () {}, { apply() { return new Proxy({}, {}); } })",
        ] {
            let script = format!(
                "const fs = require('fs'), cp = require('child_process'), net = require('net'), exit = process.reallyExit; \
                 setTimeout(() => exit(0), 100).unref; \
                 for (const key of Reflect.ownKeys({holder}.prototype)) try {{ if (key !== 'constructor') {holder}.prototype[key] = {change}; }} catch {{}} \
                 const tries = [() => fs.readFileSync('/etc/hosts'), () => fs.readFile('/etc/hosts', () => {{}}), () => cp.spawnSync('node', ['-v']), () => cp.spawn('node', ['-v']), \
                   () => net.createServer().listen(0), () => process.cwd(), () => process.env.X, () => console.log(1), () => fetch('http://localhost'), () => require('zlib'), () => Buffer.from('x')]; \
                 for (let i = 0; i < 11; i++) try {{ tries[i](); }} catch {{}}"
            );
            let ended = Place::new().node_killed_after(&["-e", &script], std::time::Duration::from_secs(3));
            assert!(!ended.err.contains("panicked"), "{holder} {change}: {}", ended.err);
        }
    }
    answers(&Place::new());
}

#[test]
fn getters_and_setters_of_every_object_end_their_own_program_at_most() {
    for trap in [
        "get() { throw 1; }",
        "set() { throw 1; }, get() {}",
        "get() { return this; }, set(v) {}",
        "value: 0, writable: false",
    ] {
        let script = format!(
            "const fs = require('fs'), cp = require('child_process'), net = require('net'); \
             for (const key of ['fd', 'path', 'length', 'then', 'constructor', 'default', 'message', 'stack', 'code', 'name', 'value', 'done', 'next', 'get', 'set', 'handle', 'pid', 'status', 'stdin', 0, 1, Symbol.iterator, Symbol.toStringTag]) \
               try {{ Object.defineProperty(Object.prototype, key, {{ configurable: true, {trap} }}); }} catch {{}} \
             for (const t of [() => fs.readFileSync('/etc/hosts'), () => cp.spawnSync('node', ['-v']), () => net.createServer().listen(0), () => process.memoryUsage(), () => console.log(1)]) try {{ t(); }} catch {{}} \
             process.reallyExit(0)"
        );
        let ended = Place::new().node_killed_after(&["-e", &script], std::time::Duration::from_secs(3));
        assert!(!ended.err.contains("panicked"), "{trap}: {}", ended.err);
    }
    answers(&Place::new());
}

#[test]
fn frames_of_the_hosts_scripts_give_no_function_and_no_receiver() {
    let script = "
        const fs = require('fs'), found = [];
        Error.stackTraceLimit = 100;
        Error.prepareStackTrace = (error, frames) => {
          for (const frame of frames) {
            const name = String(frame.getFileName());
            if (name.startsWith('file:') || name === '[eval]' || name === 'evalmachine.<anonymous>') continue;
            for (const method of ['getThis', 'getFunction', 'getEvalOrigin']) {
              const value = frame[method]();
              if (value !== undefined && value !== null && value !== globalThis && (typeof value === 'function' || typeof value === 'object')) found.push(method + ' ' + name + ' ' + String(value.name));
            }
          }
          return '';
        };
        const see = () => new Error().stack;
        [1].map(see); new (require('events'))().on('x', see).emit('x'); require('util').inspect({ get x() { return see(); }, [require('util').inspect.custom]: see });
        fs.readFile('/etc/hosts', see); setTimeout(see, 1); setImmediate(see); process.nextTick(see); queueMicrotask(see); Promise.resolve().then(see);
        process.on('exit', () => { see(); fs.writeSync(1, JSON.stringify([...new Set(found)])); });
        new (require('stream').Readable)({ read: see }).read(); JSON.stringify({ toJSON: see }); require('vm').runInNewContext('see()', { see });
        try { fs.readFileSync({ toString: see }); } catch {} try { new URL({ toString: see }); } catch {} try { Buffer.from({ valueOf: see }); } catch {}
        const caller = function caller() { const c = caller.caller; if (c && !/see|caller/.test(c.name)) found.push('caller ' + c.name); };
        new (require('events'))().on('y', caller).emit('y'); setTimeout(caller, 1); fs.stat('/', caller); process.nextTick(caller);
        try { fs.readFileSync('/none'); } catch (e) { e.stack; } Buffer.alloc(1).map(see)";
    assert_eq!(gets(script), "[]");
}

#[test]
fn contexts_have_nothing_of_the_host() {
    let script = "
        const vm = require('vm'), found = [];
        const names = vm.runInNewContext('Object.getOwnPropertyNames(globalThis)');
        for (const name of ['Deno', '__bootstrap', 'process', 'require', 'bootstrap', 'core', 'setTimeout']) if (names.includes(name)) found.push(name);
        const inner = vm.createContext({});
        for (const text of ['this.constructor.constructor(\"return typeof Deno\")()', 'new Function(\"return typeof __bootstrap\")()', 'typeof globalThis.require']) {
          found.push(vm.runInContext(text, inner));
        }
        try { new vm.SourceTextModule('import \"ext:core/mod.js\"'); found.push('module made'); } catch {}
        vm.runInNewContext('import(\"ext:core/ops\")').then(() => found.push('loaded'), () => {}).then(() => console.log(JSON.stringify(found)))";
    let out = gets(script);
    assert!(!out.contains("loaded") && !out.contains("\"Deno\"") && !out.contains("__bootstrap\""), "{out}");
    assert!(out.starts_with("[\"undefined\",\"undefined\",\"undefined\""), "{out}");
}

#[test]
fn native_code_debuggers_and_other_runtimes_are_refused() {
    let place = Place::new();
    place.file("/home/agent/addon.node", "\x7fELF");
    let script = "
        const says = (f) => { try { f(); return 'done'; } catch (e) { return e.code ?? e.name; } };
        console.log(says(() => require('./addon.node')), says(() => process.dlopen({ exports: {} }, '/home/agent/addon.node')), says(() => process.dlopen({ exports: {} }, '/lib/x86_64-linux-gnu/libc.so.6')));
        const got = [];
        got.push(says(() => { const { WASI } = require('wasi'); const w = new WASI({ version: 'preview1', preopens: { '/': '/' } }); if (w.wasiImport && Object.keys(w.wasiImport).length) throw Object.assign(new Error, { code: 'works' }); }));
        got.push(says(() => { new (require('worker_threads').Worker)('1', { eval: true }); }));
        got.push(says(() => require('inspector').open()));
        got.push(says(() => new (require('inspector').Session)().connect()));
        got.push(says(() => new (require('node:sqlite').DatabaseSync)('/etc/passwd')));
        got.push(says(() => require('v8').writeHeapSnapshot('/tmp/h')));
        got.push(says(() => require('v8').setFlagsFromString('--allow-natives-syntax') ?? eval('%DebugPrint(1)')));
        got.push(says(() => require('cluster').fork()));
        process.stdout.write(JSON.stringify(got.map((g) => g !== 'done' && g !== 'works')))";
    let ended = place.node(&["-e", script]);
    answers(&place);
    assert_eq!(
        ended.out, "ERR_DLOPEN_FAILED ERR_DLOPEN_FAILED ERR_DLOPEN_FAILED\n[true,true,true,true,true,true,true,true]",
        "{}",
        ended.err
    );
}

#[test]
fn signals_and_ends_reach_the_session_alone() {
    let host = std::process::id();
    let script = format!(
        "const got = []; for (const pid of [{host}, -{host}, 2 ** 31 - 1, 99999]) try {{ process.kill(pid, 'SIGKILL'); got.push(pid); }} catch (e) {{ if (e.code !== 'ESRCH' && e.code !== 'EPERM') got.push(e.code); }} \
         console.log(JSON.stringify(got))"
    );
    assert_eq!(gets(&script), "[]\n");
    for script in [
        "process.kill(1, 'SIGKILL')",
        "process.kill(-1, 'SIGKILL')",
        "process.kill(0, 'SIGKILL')",
        "process.abort()",
        "process.reallyExit(3)",
        "process.exit(3)",
    ] {
        attack(script);
    }
}
