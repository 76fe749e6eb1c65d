// Native objects that programs find (`stream._handle`, `parser._native`) and that trust whoever calls them. Each is behind one of ours,
// which keeps to the order of calls they rely on, and to memory that stays where it is while they use it.
import { core, internals, primordials } from "ext:core/mod.js";
import "ext:warren_first/classes.js";
import { endSessions } from "ext:warren_first/guards_http2.js";

const { ops } = core;
const { op_warren_cache_key, op_warren_hold, op_warren_let_go } = ops;
const {
  ArrayPrototypePush, BigInt, Error, MathCeil, MathLog2, MathMax, Number, ObjectDefineProperty, Proxy, RangeError, ReflectApply,
  ReflectConstruct, SafeFinalizationRegistry, SafeMap, SafeSet, SafeWeakMap, SafeWeakRef, TypeError, TypedArrayPrototypeGetBuffer,
  TypedArrayPrototypeGetByteLength, TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeSet, TypedArrayPrototypeSubarray, Uint32Array, Uint8Array, WeakMapPrototypeGet, WeakMapPrototypeSet,
} = primordials;

// What is compressed with, and has not been closed. Nothing else ends them when their isolate does.
const open = new SafeMap();

function end(native) {
  const held = open.get(native);
  if (held === undefined) return;
  open.delete(native);
  try {
    native.close();
  } finally {
    op_warren_let_go(held.bytes);
  }
}

// Whether there is room for so many bytes more, once what nobody has any more is ended.
function hold(bytes) {
  if (op_warren_hold(bytes)) return true;
  for (const { 0: native, 1: { itself } } of open) if (itself.deref() === undefined) end(native);
  return op_warren_hold(bytes);
}

// Made when it is needed: a snapshot holds none.
let lost;
const whenLost = () => lost ??= new SafeFinalizationRegistry(end);

internals.endNatives = () => {
  endSessions();
  for (const { 0: native } of open) {
    try {
      end(native);
    } catch {
      // The others are ended all the same.
    }
  }
};

const MiB = 1024 * 1024;
const UNSET = 0xffffffff;
const set = (params, name, otherwise) => params[name] === undefined || params[name] === UNSET ? otherwise : params[name];

// As many parameters as there are, those that are not given unset.
const PARAMS = 256;

function paramsOf(given) {
  const params = new Uint32Array(PARAMS), from = new Uint32Array(given), length = TypedArrayPrototypeGetByteLength(from) / 4;
  for (let at = 0; at < PARAMS; at++) params[at] = at < length ? from[at] : UNSET;
  return params;
}

// What each takes at most, by what it begins with. Windows that no common program makes are refused with it.
const weights = {
  __proto__: null,
  Zlib: (mode) => mode % 2 === 1 && mode < 7 ? 300 * 1024 : 64 * 1024,
  BrotliEncoder: (_mode, { 0: params }) => set(params, 6, 0) ? Infinity : 2 ** set(params, 2, 22) * (set(params, 1, 11) < 10 ? 4 : 12) + MiB,
  BrotliDecoder(_mode, { 0: params }) {
    // The native one takes what is unset for set.
    params[0] = set(params, 0, 0);
    params[1] = set(params, 1, 0);
    return params[1] ? Infinity : 17 * MiB;
  },
  ZstdCompress(_mode, { 0: params }) {
    // Threads are not a program's to have.
    params[240] = UNSET;
    const level = set(params, 100, 3) | 0;
    const log = MathMax(set(params, 101, 0), set(params, 102, 0), set(params, 103, 0), set(params, 161, 0));
    return 8 * 2 ** MathMax(log, level > 19 ? 27 : level > 15 ? 23 : 20);
  },
  ZstdDecompress(_mode, { 0: params }) {
    params[100] = set(params, 100, 0) || 25;
    return 2 ** params[100] + MiB;
  },
};

// A write of what is not there would be under way for ever.
function inside(given) {
  for (let at = 1; at < 7; at++) if (at % 3 !== 1) given[at] = given[at] >>> 0;
  for (let at = 1; at < 7; at += 3) {
    if (given[at + 1] + given[at + 2] > TypedArrayPrototypeGetByteLength(given[at])) throw new RangeError("a range beyond its buffer");
  }
}

function compressor(name) {
  const Native = ops[name], weigh = weights[name], isZlib = name === "Zlib";
  const none = new Uint8Array(1), scratch = new Uint8Array(65536), left = new Uint32Array(2);
  const called = isZlib ? 4 : 1;
  ops[name] = {
    [name]: class {
      #native;
      #mode;
      #state = "new";
      #quiet = { is: false };
      constructor(mode) {
        this.#mode = mode;
        this.#native = new Native(mode);
      }
      #ready() {
        if (this.#state !== "ready") throw new Error(this.#state === "new" ? "write before init" : "zlib binding closed");
        return this.#native;
      }
      init(...given) {
        if (this.#state !== "new") throw new Error("init after init");
        const callback = given[called];
        if (typeof callback !== "function") throw new TypeError("a handle is initialized with a function");
        // The native one keeps what it calls, and would keep this one by it.
        const native = this.#native, quiet = this.#quiet, itself = new SafeWeakRef(this);
        given[called] = () => ReflectApply(callback, itself.deref(), []);
        native.onerror = (message, code) => {
          const handle = itself.deref(), told = handle?.onerror;
          if (!quiet.is && typeof told === "function") ReflectApply(told, handle, [message, code]);
        };
        // It is looked at and used in between.
        if (!isZlib) given[0] = paramsOf(given[0]);
        const bytes = weigh(this.#mode, given);
        if (!hold(bytes)) throw new Error("zlib: there is no memory for another stream of this kind");
        open.set(native, { bytes, itself });
        let done = false;
        try {
          done = ReflectApply(native.init, native, given);
          if (isZlib) done = true;
          return done;
        } finally {
          if (done) {
            this.#state = "ready";
            whenLost().register(this, native, this.#quiet);
          } else {
            this.#state = "closed";
            end(native);
          }
        }
      }
      params(level, strategy) {
        const native = this.#ready();
        if (!isZlib) return native.params(level, strategy);
        if (this.#mode % 2 === 0 || this.#mode > 5) return undefined;
        // It would write where the last write did, which may be gone.
        this.#quiet.is = true;
        try {
          native.writeSync(0, none, 0, 0, scratch, 0, scratch.length, left);
        } finally {
          this.#quiet.is = false;
        }
        return native.params(level, strategy);
      }
      reset() {
        return this.#ready().reset();
      }
      setRejectGarbageAfterEnd(value) {
        return this.#ready().setRejectGarbageAfterEnd(value);
      }
      write(...given) {
        const native = this.#ready();
        inside(given);
        return ReflectApply(native.write, native, given);
      }
      writeSync(...given) {
        const native = this.#ready();
        inside(given);
        return ReflectApply(native.writeSync, native, given);
      }
      close() {
        if (this.#state === "ready") {
          whenLost().unregister(this.#quiet);
          end(this.#native);
        }
        this.#state = "closed";
      }
    },
  }[name];
}
for (const name in weights) compressor(name);

// Unpacks the bytes of a buffer or of a view, so many at a time, and tells of what that gives when it is about as much as this.
const TOLD_BYTES = 1 << 16;

internals.unpack = (source, step, write, tell) => {
  const bytes = core.isAnyArrayBuffer(source)
    ? new Uint8Array(source)
    : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  const length = TypedArrayPrototypeGetByteLength(bytes);
  let all = [], size = 0;
  const telling = () => {
    if (size === 0) return;
    const together = new Uint8Array(size);
    for (let at = 0, to = 0; at < all.length; at++) {
      TypedArrayPrototypeSet(together, all[at], to);
      to += TypedArrayPrototypeGetByteLength(all[at]);
    }
    all = [];
    size = 0;
    tell(together);
  };
  try {
    for (let at = 0; at < length; at += step) {
      const output = write(TypedArrayPrototypeSubarray(bytes, at, at + step)), more = TypedArrayPrototypeGetByteLength(output);
      if (more === 0) continue;
      ArrayPrototypePush(all, output);
      size += more;
      if (size >= TOLD_BYTES) telling();
    }
  } finally {
    telling();
  }
};

// A histogram has a counter for each step it tells apart. `add` reads one while it writes the other.
const Histogram = ops.BaseHistogram, { add } = Histogram.prototype;
let histograms;
Histogram.prototype.add = function (other) {
  return ReflectApply(add, this, [other === this ? undefined : other]);
};
ops.BaseHistogram = new Proxy(Histogram, {
  __proto__: null,
  construct(target, given, newTarget) {
    const lowest = BigInt(given[0]), highest = BigInt(given[1]), figures = given[2] | 0;
    const steps = 2 ** MathCeil(MathLog2(2 * 10 ** figures));
    const bytes = (MathMax(1, MathCeil(MathLog2(Number(highest) / (steps * Number(lowest))))) + 2) * steps * 4;
    if (!hold(bytes)) throw new RangeError("there is no memory for a histogram of this range and precision");
    let made;
    try {
      made = ReflectConstruct(target, [lowest, highest, figures], newTarget);
    } catch (error) {
      op_warren_let_go(bytes);
      throw error;
    }
    (histograms ??= new SafeFinalizationRegistry((held) => op_warren_let_go(held))).register(made, bytes);
    return made;
  },
});
ObjectDefineProperty(Histogram.prototype, "constructor", {
  __proto__: null, configurable: true, enumerable: false, value: ops.BaseHistogram, writable: true,
});

// Bytes of the head of a message, at most, for who sets no bound.
const HEAD_MAX = 16 * MiB;
const Parser = ops.HTTPParser;

ops.HTTPParser = class HTTPParser {
  #native = new Parser();
  #runs = 0;
  #execute(work) {
    const native = this.#native;
    this.#runs++;
    try {
      return work(native);
    } finally {
      if (native === this.#native) this.#runs--;
    }
  }
  initialize(type, headMax, lenient) {
    type |= 0;
    if (type < 0 || type > 2) throw new TypeError(`a parser of no kind: ${type}`);
    // What runs goes on with the one it has.
    if (this.#runs > 0) {
      this.#native = new Parser();
      this.#runs = 0;
    }
    headMax |= 0;
    this.#native.initialize(type, headMax > 0 && headMax < HEAD_MAX ? headMax : HEAD_MAX, lenient | 0);
  }
  // Callbacks may do with their message's bytes what they like: these are not the ones that are read.
  execute(callbacks, data) {
    const bytes = new Uint8Array(data);
    return this.#execute((native) => native.execute(callbacks, bytes));
  }
  finish(callbacks) {
    return this.#execute((native) => native.finish(callbacks));
  }
  pause() {
    this.#native.pause();
  }
  resume() {
    this.#native.resume();
  }
  close() {
    this.#native.close();
  }
  free() {
    this.#native.free();
  }
  remove() {}
  hasHeaderOverflow() {
    return this.#native.hasHeaderOverflow();
  }
  getLastBytesParsed() {
    return this.#native.getLastBytesParsed();
  }
  getLastErrorCode() {
    return this.#native.getLastErrorCode();
  }
  getLastErrorReason() {
    return this.#native.getLastErrorReason();
  }
  getCurrentBuffer() {
    return this.#native.getCurrentBuffer();
  }
  consume() {}
  unconsume() {}
};

// Modules of node:vm that can be reached from one, at most: their graph is walked on the stack.
const LINKED_MAX = 4000;
const { op_vm_is_context, op_vm_module_evaluate, op_vm_module_get_status, op_vm_module_instantiate, op_vm_module_link } = ops;
const links = new SafeWeakMap();

// A list that is what it is, whatever a program has put into the prototype of all.
function listOf(source) {
  const list = [];
  for (let at = 0; at < source.length; at++) {
    ObjectDefineProperty(list, at, { __proto__: null, configurable: true, enumerable: true, value: source[at], writable: true });
  }
  return list;
}

ops.op_vm_module_link = (module, specifiers, modules) => {
  const names = listOf(specifiers), all = listOf(modules);
  op_vm_module_link(module, names, all);
  WeakMapPrototypeSet(links, module, all);
};
ops.op_vm_module_instantiate = (module) => {
  const seen = new SafeSet();
  seen.add(module);
  for (const one of seen) {
    const next = WeakMapPrototypeGet(links, one);
    for (let each = 0; next !== undefined && each < next.length; each++) seen.add(next[each]);
    if (seen.size > LINKED_MAX) throw new RangeError(`more than ${LINKED_MAX} modules are linked with each other`);
  }
  return op_vm_module_instantiate(module);
};
// The engine ends the process over a module that is evaluated in the middle of that.
ops.op_vm_module_evaluate = (module) => {
  if (op_vm_module_get_status(module) === 3) throw new Error("the module is being evaluated");
  return op_vm_module_evaluate(module);
};

const { op_vm_create_context } = ops;
ops.op_vm_create_context = (sandbox, name, origin, strings, wasm, queue) => {
  if (op_vm_is_context(sandbox)) throw new TypeError("it has become a context meanwhile");
  op_vm_create_context(sandbox, name, origin, strings, wasm, queue);
};

// Places in a script are shown with as many spaces before them.
const COLUMN_MAX = 1 << 16;
const column = (given) => given < 0 ? 0 : given > COLUMN_MAX ? COLUMN_MAX : given;

// Code that was compiled before is run as it is: what a program gives as such must be what this isolate made of the same text.
const made = new SafeSet();
const MADE_MAX = 4096;
const texts = new SafeWeakMap();

function keep(bytes, text) {
  if (bytes === undefined || bytes === null) return;
  if (made.size >= MADE_MAX) made.clear();
  made.add(op_warren_cache_key(new Uint8Array(bytes), text));
}
function compiled(compile, text, code, wants) {
  let given;
  if (code !== undefined) {
    given = new Uint8Array(new Uint8Array(
      TypedArrayPrototypeGetBuffer(code), TypedArrayPrototypeGetByteOffset(code), TypedArrayPrototypeGetByteLength(code),
    ));
    if (!made.has(op_warren_cache_key(given, text))) given = undefined;
  }
  const result = compile(given);
  if (result === undefined || result === null) return result;
  if (code !== undefined && given === undefined) result.cachedDataRejected = true;
  if (wants) keep(result.cachedData, text);
  return result;
}

const { op_vm_create_script, op_vm_compile_function, op_vm_module_create_source_text_module, op_vm_script_create_cached_data } = ops;
ops.op_vm_create_script = (text, name, line, at, code, wants, context, imports) => {
  const compile = (given) => op_vm_create_script(text, name, line, column(at), given, wants, context, imports);
  const result = compiled(compile, text, code, wants);
  if (result) WeakMapPrototypeSet(texts, result.value, text);
  return result;
};
ops.op_vm_script_create_cached_data = (script) => {
  const bytes = op_vm_script_create_cached_data(script);
  keep(bytes, WeakMapPrototypeGet(texts, script) ?? "");
  return bytes;
};
ops.op_vm_compile_function = (text, name, line, at, code, wants, context, extensions, parameters, imports) => {
  const names = parameters === undefined ? undefined : [];
  let all = "";
  for (let each = 0; names !== undefined && each < parameters.length; each++) {
    ArrayPrototypePush(names, `${parameters[each]}`);
    all += `${names[each]}\0`;
  }
  const compile = (given) =>
    op_vm_compile_function(text, name, line, column(at), given, wants, context, extensions, names, imports);
  return compiled(compile, `${all}\n${text}`, code, wants);
};
ops.op_vm_module_create_source_text_module = (text, name, line, at, context, imports, meta) =>
  op_vm_module_create_source_text_module(text, name, line, column(at), context, imports, meta);
