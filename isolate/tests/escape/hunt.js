// Puts itself between the scripts of the host and what they call, and looks through whatever it is handed for what no program is to have.
'use strict';
const found = new Set();
const seen = new Set();
const native = { apply: Reflect.apply, keys: Reflect.ownKeys, get: Reflect.getOwnPropertyDescriptor, of: Reflect.getPrototypeOf };
const add = Set.prototype.add, has = Set.prototype.has, slice = String.prototype.slice, test = RegExp.prototype.test;
const call = (f, self, ...given) => native.apply(f, self, given);
const secret = ['__bootstrap', 'createLazyLoader', 'loadExtScript', 'primordials', 'op_print', 'setUnhandledPromiseRejectionHandler', 'nodeBootstrap', 'channelOf'];
let inside = false;
function look(value, path, depth) {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || call(has, seen, value) || depth > 6) return;
  call(add, seen, value);
  let keys;
  try { keys = native.keys(value); } catch { return; }
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (typeof key === 'string') {
      for (let s = 0; s < secret.length; s++) if (key === secret[s]) call(add, found, path + '.' + key);
      if (key.length > 3 && call(slice, key, 0, 3) === 'op_') call(add, found, path + '.' + key);
    }
    let property;
    try { property = native.get(value, key); } catch { continue; }
    const next = path + '.' + (typeof key === 'string' ? key : 'symbol');
    if (property) { look(property.value, next, depth + 1); look(property.get, next, depth + 1); look(property.set, next, depth + 1); }
  }
  try { look(native.of(value), path + '.__proto__', depth + 1); } catch {}
}
function wrap(holder, name) {
  for (const key of native.keys(holder)) {
    const property = native.get(holder, key);
    if (!property || !property.configurable || typeof property.value !== 'function' || key === 'constructor') continue;
    const before = property.value;
    const label = name + '.' + String(key);
    try {
      holder[key] = function (...given) {
        if (!inside) {
          inside = true;
          try {
            look(this, label + ':this', 0);
            for (let i = 0; i < given.length; i++) look(given[i], label + ':' + i, 0);
          } finally { inside = false; }
        }
        return new.target ? Reflect.construct(before, given, new.target) : native.apply(before, this, given);
      };
    } catch {}
  }
}
const fs = require('fs'), cp = require('child_process'), net = require('net'), http = require('http'), util = require('util'), events = require('events');
const stream = require('stream'), zlib = require('zlib'), crypto = require('crypto'), dns = require('dns'), os = require('os'), vm = require('vm');
// Own properties of functions that the host's scripts make are looked at too: what is exported, and what it is made of.
look(globalThis, 'globalThis', 0);
for (const module of [fs, cp, net, http, util, events, stream, zlib, crypto, dns, os, vm, process, require, require('module'), require('v8'), require('internal/timers'), require('internal/url'), require('internal/child_process'), require('internal/fs/utils'), require('_tls_wrap'), require('internal/net'), require('perf_hooks'), require('worker_threads')]) look(module, 'module', 0);
const holders = {
  Array: Array.prototype, Function: Function.prototype, Promise: Promise.prototype, Map: Map.prototype, WeakMap: WeakMap.prototype,
  Set: Set.prototype, WeakSet: WeakSet.prototype, String: String.prototype, RegExp: RegExp.prototype, ArrayBuffer: ArrayBuffer.prototype,
  TypedArray: Object.getPrototypeOf(Uint8Array.prototype), DataView: DataView.prototype, Error: Error.prototype, Symbol: Symbol.prototype,
  ArrayIterator: Object.getPrototypeOf([][Symbol.iterator]()), Generator: Object.getPrototypeOf(function* () {}.prototype), Date: Date.prototype,
  Object, Reflect, JSON, ArrayC: Array, PromiseC: Promise, SymbolC: Symbol, StringC: String, Number, Math, BigInt,
};
for (const name of Object.keys(holders)) if (name !== 'Reflect') wrap(holders[name], name);
const define = Object.defineProperty;
for (const name of ['fd', 'handle', 'request', 'core', 'ops', 'internals', 'default', 'stdio', 'env', 'cwd', 'signal', 'encoding', 'oncomplete', 'onread']) {
  define(Object.prototype, name, {
    __proto__: null,
    configurable: true,
    get() { if (!inside) { inside = true; try { look(this, 'Object.prototype.' + name, 0); } finally { inside = false; } } return undefined; },
    set(value) { if (!inside) { inside = true; try { look(this, 'Object.prototype.' + name, 0); look(value, name, 0); } finally { inside = false; } } define(this, name, { __proto__: null, configurable: true, enumerable: true, writable: true, value }); },
  });
}
const attempts = [
  () => fs.readFileSync('/etc/hosts', 'utf8'), () => fs.readFile('/etc/hosts', () => {}), () => fs.promises.readFile('/etc/hosts'), () => fs.readdirSync('/', { withFileTypes: true }),
  () => fs.createReadStream('/etc/hosts').on('data', () => {}).on('error', () => {}), () => fs.statSync('/'), () => fs.mkdtempSync('/tmp/x'), () => fs.writeFileSync('/tmp/y', 'z'), () => fs.cpSync('/tmp/y', '/tmp/z'),
  () => cp.spawnSync('node', ['-v']), () => cp.exec('node -v', () => {}), () => cp.spawn('node', ['-v']).on('error', () => {}),
  () => net.createServer((s) => s.end('x')).listen(4001, () => net.connect(4001).on('data', () => {}).on('error', () => {})).unref(),
  () => http.createServer((q, r) => r.end('x')).listen(4002, () => http.get('http://127.0.0.1:4002', (r) => r.resume()).on('error', () => {})).unref(),
  () => fetch('http://127.0.0.1:4002').catch(() => {}), () => dns.lookup('localhost', () => {}), () => new WebSocket('ws://127.0.0.1:4002').addEventListener('error', () => {}),
  () => util.inspect(new Map([[{}, []]])), () => util.inspect(new Proxy({}, {}), { showProxy: true }), () => console.error.name, () => structuredClone({ a: [1] }), () => new URL('http://a/b?c').searchParams.get('c'),
  () => crypto.createHash('sha256').update('x').digest('hex'), () => crypto.randomBytes(8, () => {}), () => zlib.gzipSync('x'), () => zlib.gzip('x', () => {}),
  () => new events().on('x', () => {}).emit('x'), () => process.emitWarning.name, () => process.cwd(), () => process.memoryUsage(), () => process.hrtime(), () => process.kill(process.pid, 0),
  () => { try { require('./none'); } catch {} }, () => import('./none.mjs').catch(() => {}), () => vm.runInNewContext('[1].map((x) => x)'), () => new vm.Script('1').runInThisContext(), () => vm.compileFunction('return 1')(),
  () => setTimeout(() => {}, 1), () => setImmediate(() => {}), () => queueMicrotask(() => {}), () => new BroadcastChannel('x').close(), () => new MessageChannel().port1.close(), () => Buffer.from('abc').toString('base64'),
  () => new ReadableStream({ start(c) { c.close(); } }).getReader().read(), () => new Response('x').text(), () => new Blob(['x']).text(), () => new TextDecoder().decode(new Uint8Array(2)), () => performance.mark('x'),
  () => { try { null.x; } catch (e) { e.stack; } }, () => Promise.reject(new Error('x')).catch(() => {}), () => process.binding && process.binding('fs'),
];
for (const attempt of attempts) {
  try {
    const made = attempt();
    look(made, 'made:' + attempt, 0);
    if (made && made instanceof Promise) made.catch(() => {});
  } catch {}
}
setTimeout(() => {
  let text = '';
  for (const path of found) text += path + '\n';
  inside = true;
  fs.writeSync(1, text === '' ? 'nothing\n' : text);
  process.reallyExit(0);
}, 400);
