// Sessions and streams of node:http2, which programs find (`session[kHandle]`). The native ones keep pointers into each other, trust the
// order they are called in, and copy into memory that the engine does not count. Programs have ours alone: these know what may be called
// now, what has to wait until native code is done with what it looks at, and how much is waiting.
import { core, primordials } from "ext:core/mod.js";
import "ext:warren_first/classes.js";

const { byteLength, ops } = core;
const { Http2Session: NativeSession, Http2Stream: NativeStream } = ops;
const { op_http2_callbacks, op_http2_http_state, op_warren_hold, op_warren_let_go } = ops;
const {
  Error, MathMax, MathMin, ObjectDefineProperty, RangeError, ReflectApply, ReflectConstruct, SafeFinalizationRegistry, SafeSet,
  SafeWeakMap, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeGetByteOffset, Uint8Array,
  WeakMapPrototypeGet, WeakMapPrototypeSet,
} = primordials;

const KiB = 1024, MiB = 1024 * KiB;
// What a session takes, and what may wait to be sent in it before more is held for that; what may at most; steps in between.
const SESSION = 128 * KiB, FIRST = 64 * KiB, QUEUE_MAX = 64 * MiB, LUMP = 256 * KiB;
// A frame that waits, besides what is in it, and a header. A block of headers, at most.
const FRAME = 512, HEADER = 40, BLOCK_MAX = 4 * MiB;
// Settings that nobody has acknowledged. A table headers are compressed with; how many of them a message has; acknowledgements that wait.
const ACKS_MAX = 1024, TABLE_MAX = 64 * KiB, PAIRS_MAX = 4096, PONGS_MAX = 10000, SETTINGS_MAX = 4096;
// Numbers of libuv, and of nghttp2.
const ENOMEM = -12, ECANCELED = -125, STREAM_CLOSED = -510, INVALID_STATE = -519;

// Native sessions and what is known of them; native streams and the same.
const sessions = new SafeWeakMap(), streams = new SafeWeakMap();
// Those that have not been closed.
const open = new SafeSet();

// Calls a program. Native code is not the one to find out that it failed: who called that code is, once it is done.
function attempt(of, called, self, given) {
  if (of.muted || typeof called !== "function") return undefined;
  try {
    return ReflectApply(called, self, given);
  } catch (error) {
    if (!of.failed) of.error = error;
    of.failed = true;
    return false;
  }
}

// The same of what a program has put at one of its objects.
function inform(of, object, name, given) {
  const told = () => {
    const called = object[name];
    if (typeof called === "function") ReflectApply(called, object, given);
  };
  // Native code that is not to be entered again tells it afterwards.
  if (of.quiet > 0) of.later.add(told);
  else attempt(of, told, undefined, []);
}

// What was added first, and is taken out. Programs may see to it that nothing can be put into an array.
function first(set) {
  for (const one of set) {
    set.delete(one);
    return one;
  }
}

// What had to wait.
function settle(of) {
  if (of.busy > 0 || of.quiet > 0 || of.settling) return;
  of.settling = true;
  try {
    for (;;) {
      if (of.soon.size > 0) first(of.soon)();
      else if (of.ending && open.has(of)) {
        // It may have put this off until now, or there was no stack left to call it.
        of.native.sendPending();
        if (of.native.getState().nextStreamId !== 0) of.native.destroy();
        open.delete(of);
        op_warren_let_go(of.held);
      } else if (of.later.size > 0) attempt(of, first(of.later), undefined, []);
      else break;
    }
  } finally {
    of.settling = false;
  }
  if (!of.failed) return;
  const { error } = of;
  of.failed = false;
  of.error = undefined;
  throw error;
}

// Code that is in the middle of nghttp2 while it calls programs.
function busily(of, work) {
  of.busy++;
  try {
    return work(of.native);
  } finally {
    of.busy--;
  }
}

// Code that is not to be entered again.
function quietly(of, work) {
  of.quiet++;
  let result;
  try {
    result = work(of.native);
  } finally {
    of.quiet--;
  }
  settle(of);
  return result;
}

// Room for a frame that waits. How much has been sent meanwhile is looked up when it seems to be too much.
function room(of, bytes) {
  bytes += FRAME;
  if (of.queued + bytes > of.granted) {
    of.queued = MathMin(of.queued, of.native.getState().outboundQueueSize * of.largest);
    if (of.queued === 0) of.largest = 0;
    const wanted = of.queued + bytes;
    if (wanted <= FIRST && of.granted > FIRST) {
      op_warren_let_go(of.granted - FIRST);
      of.held -= of.granted - FIRST;
      of.granted = FIRST;
    }
    while (wanted > of.granted) {
      if (of.granted + LUMP > QUEUE_MAX || !op_warren_hold(LUMP)) throw new RangeError("http2: too much waits to be sent");
      of.granted += LUMP;
      of.held += LUMP;
    }
  }
  of.queued += bytes;
  of.largest = MathMax(of.largest, bytes);
}

// How many headers of a block native code is to make room for, which there cannot be more of than this.
function headersOf(of, block, count) {
  if (typeof block !== "string") throw new TypeError("http2: headers that are no string");
  if (block.length > BLOCK_MAX) throw new RangeError("http2: too many headers");
  count = MathMin(count, block.length / 3 >>> 0);
  room(of, block.length + count * HEADER);
  return count;
}

// What native objects look for at themselves is ours, whatever else a program puts where they would find it.
function called(prototype, names, told) {
  for (let at = 0; at < names.length; at++) {
    const name = names[at];
    ObjectDefineProperty(prototype, name, {
      __proto__: null, configurable: false, enumerable: false, writable: false,
      value(...given) {
        told(this, name, given);
      },
    });
  }
}
called(NativeSession.prototype, ["ondone", "ongracefulclosecomplete", "onstreamclose"], (native, name, given) => {
  const of = WeakMapPrototypeGet(sessions, native);
  if (of !== undefined) inform(of, of.guard, name, given);
});
called(NativeStream.prototype, ["onread"], (native, name, given) => {
  const it = WeakMapPrototypeGet(streams, native);
  if (it !== undefined && !it.gone) inform(it.of, it.guard, name, given);
});

// What both sides write to that says what sessions are made with, and their settings. A program's sizes are in them.
let shared;
ops.op_http2_http_state = () => shared = op_http2_http_state();

function atMost(numbers, at, most) {
  if (numbers[at] > most) numbers[at] = most;
}

const forStream = (callback) => function () {
  const it = WeakMapPrototypeGet(streams, this);
  return it === undefined || it.gone ? undefined : attempt(it.of, callback, it.guard, []);
};
const forSession = (callback) => function (...given) {
  const of = WeakMapPrototypeGet(sessions, this);
  return of === undefined ? undefined : attempt(of, callback, of.guard, given);
};
ops.op_http2_callbacks = (failed, priority, settings, ping, headers, frameError, goaway, altsvc, origin, trailers, close) => {
  op_http2_callbacks(
    function (...given) {
      const of = WeakMapPrototypeGet(sessions, this);
      if (of === undefined) return;
      if (of.quiet > 0) of.later.add(() => ReflectApply(failed, of.guard, given));
      else attempt(of, failed, of.guard, given);
    },
    forSession(priority), forSession(settings), forSession(ping),
    function (...given) {
      const of = WeakMapPrototypeGet(sessions, this);
      if (of === undefined) return;
      const it = known(of, given[0]);
      given[0] = it.guard;
      // Who has put this one away is not told of it as of another.
      if (!it.gone) attempt(of, headers, of.guard, given);
    },
    forSession(frameError), forSession(goaway), forSession(altsvc), forSession(origin), forStream(trailers),
    function (code) {
      const it = WeakMapPrototypeGet(streams, this);
      if (it === undefined) return false;
      // It is about to be freed: nothing may be attached to it any more.
      it.closed = true;
      return it.gone ? false : attempt(it.of, close, it.guard, [code]);
    },
  );
};

// Made when it is needed: a snapshot holds none. Bytes that were not sent are there until their stream is not.
let lost;
const whenLost = () => lost ??= new SafeFinalizationRegistry((kept) => op_warren_let_go(kept.bytes));

// Streams are made with this, which programs do not have.
const MAKE = {};

function known(of, native) {
  let it = WeakMapPrototypeGet(streams, native);
  if (it === undefined) {
    it = { __proto__: null, native, of, guard: undefined, closed: false, gone: false, reset: false, kept: undefined };
    WeakMapPrototypeSet(streams, native, it);
    it.guard = new Http2Stream(MAKE, it);
  }
  return it;
}

function request(req) {
  if (typeof req !== "object" || req === null) throw new TypeError("http2: a request is an object");
}

class Http2Stream {
  #it;
  constructor(make, it) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#it = it;
  }
  // Whether native code may still look for it in its session.
  #usable() {
    return !this.#it.of.ending && !this.#it.gone;
  }
  #write(req, bytes, write) {
    const it = this.#it, { of } = it;
    request(req);
    if (!this.#usable()) return ECANCELED;
    if (!op_warren_hold(bytes)) return ENOMEM;
    if (it.kept === undefined) whenLost().register(it.native, it.kept = { __proto__: null, bytes: 0 });
    it.kept.bytes += bytes;
    const oncomplete = (status) => {
      if (status === 0) {
        it.kept.bytes -= bytes;
        op_warren_let_go(bytes);
      }
      inform(of, req, "oncomplete", [status]);
    };
    return quietly(of, () => write(it.native, { __proto__: null, oncomplete }));
  }
  id() {
    return this.#it.native.id();
  }
  // Submits a block of headers, unless its stream is not there any more.
  #submit(headers, count, otherwise, submit) {
    const it = this.#it;
    count >>>= 0;
    if (!this.#usable() || it.closed) return otherwise;
    count = headersOf(it.of, headers, count);
    return quietly(it.of, () => submit(it.native, count));
  }
  respond(headers, count, options) {
    options |= 0;
    return this.#submit(headers, count, undefined, (native, most) => native.respond(headers, most, options));
  }
  info(headers, count) {
    return this.#submit(headers, count, 0, (native, most) => native.info(headers, most));
  }
  trailers(headers, count) {
    count >>>= 0;
    // With none, it is data that ends here.
    const submit = (native, most) => native.trailers(headers, count === 0 ? 0 : MathMax(most, 1));
    return this.#submit(headers, count, count === 0 ? STREAM_CLOSED : 0, submit);
  }
  pushPromise(headers, count, options) {
    options |= 0;
    const pushed = this.#submit(headers, count, STREAM_CLOSED, (native, most) => native.pushPromise(headers, most, options));
    return typeof pushed === "number" ? pushed : known(this.#it.of, pushed).guard;
  }
  writeBuffer(req, data) {
    return this.#write(req, TypedArrayPrototypeGetByteLength(data), (native, own) => native.writeBuffer(own, data));
  }
  writeUtf8String(req, data) {
    if (typeof data !== "string") throw new TypeError("http2: a string is no string");
    return this.#write(req, byteLength(data), (native, own) => native.writeUtf8String(own, data));
  }
  markEnding() {
    this.#it.native.markEnding();
  }
  shutdown(req) {
    const { of, native } = this.#it;
    request(req);
    if (!this.#usable()) return 1;
    const oncomplete = (status) => inform(of, req, "oncomplete", [status]);
    return quietly(of, () => native.shutdown({ __proto__: null, oncomplete }));
  }
  rstStream(code) {
    const it = this.#it, { of } = it;
    code >>>= 0;
    if (!this.#usable() || it.reset) return;
    room(of, 0);
    const reset = () => {
      it.reset = false;
      it.native.rstStream(code);
    };
    // It would be lost while others are sent or received.
    it.reset = of.busy > 0;
    if (it.reset) of.soon.add(reset);
    else reset();
    settle(of);
  }
  destroy() {
    const it = this.#it;
    if (it.gone) return;
    it.gone = true;
    // Native code may be looking at it.
    if (it.of.busy > 0) it.of.soon.add(() => it.native.destroy());
    else it.native.destroy();
    settle(it.of);
  }
  priority(parent, weight, exclusive, silent) {
    const { of, native, closed } = this.#it;
    parent |= 0;
    weight |= 0;
    if (!this.#usable() || closed) return INVALID_STATE;
    room(of, 0);
    return quietly(of, () => native.priority(parent, weight, !!exclusive, !!silent));
  }
  readStart() {
    if (!this.#usable()) return 0;
    return this.#it.native.readStart();
  }
  readStop() {
    return this.#it.native.readStop();
  }
  getState() {
    if (!this.#it.of.ending) return this.#it.native.getState();
    return { state: 1, weight: 0, sumDependencyWeight: 0, localClose: 0, remoteClose: 0, localWindowSize: 0 };
  }
}

class Http2Session {
  #of;
  constructor(type, lenient) {
    if (type !== 0 && type !== 1) throw new TypeError("http2: a session of no kind");
    if (shared !== undefined) {
      const { optionsBuffer: options } = shared;
      atMost(options, 0, TABLE_MAX);
      atMost(options, 5, PAIRS_MAX);
      atMost(options, 6, PONGS_MAX);
      atMost(options, 9, SETTINGS_MAX);
    }
    if (!op_warren_hold(SESSION)) throw new RangeError("http2: there is no memory for another session");
    const native = new NativeSession(type, !!lenient);
    const of = this.#of = {
      __proto__: null, native, guard: this, busy: 0, quiet: 0, settling: false, ending: false, muted: false, failed: false,
      error: undefined, soon: new SafeSet(), later: new SafeSet(), acks: 0, queued: 0, largest: 0, granted: FIRST, held: SESSION,
    };
    WeakMapPrototypeSet(sessions, native, of);
    open.add(of);
  }
  // It would take a socket from whoever has it. That of a session is read and written in JavaScript.
  consumeStream() {
    throw new Error("http2: a session takes no native socket");
  }
  receive(data) {
    const of = this.#of;
    // Callbacks may do with these bytes what they like.
    const bytes = new Uint8Array(new Uint8Array(
      TypedArrayPrototypeGetBuffer(data), TypedArrayPrototypeGetByteOffset(data), TypedArrayPrototypeGetByteLength(data),
    ));
    if (of.ending) return;
    const receive = () => busily(of, (native) => native.receive(bytes));
    if (of.busy > 0) of.later.add(receive);
    else receive();
    settle(of);
  }
  sendPending() {
    const of = this.#of;
    of.native.sendPending();
    settle(of);
  }
  getOutgoingChunk() {
    const of = this.#of;
    const chunk = busily(of, (native) => native.getOutgoingChunk());
    settle(of);
    return chunk;
  }
  destroy() {
    const of = this.#of;
    of.ending = true;
    of.native.destroy();
    settle(of);
  }
  settings(callback) {
    const of = this.#of;
    if (typeof callback !== "function") throw new TypeError("http2: a callback is a function");
    if (of.ending || of.acks >= ACKS_MAX || shared === undefined) return false;
    const { settingsBuffer: numbers } = shared;
    if (numbers[7] & 1) atMost(numbers, 0, TABLE_MAX);
    atMost(numbers, 8, 10);
    for (let at = 9; at < 29; at += 2) if (numbers[at] === 1) atMost(numbers, at + 1, TABLE_MAX);
    room(of, 0);
    of.acks++;
    return quietly(of, (native) => native.settings((ack, duration) => {
      of.acks--;
      attempt(of, callback, undefined, [ack, duration]);
    }));
  }
  goaway(code, last, data) {
    const of = this.#of;
    code >>>= 0;
    last |= 0;
    if (of.ending) return;
    room(of, data === undefined || data === null ? 0 : MathMin(data.byteLength >>> 0, 16 * KiB));
    if (of.ending) return;
    of.native.goaway(code, last, data);
    settle(of);
  }
  ping(payload) {
    const of = this.#of;
    if (of.ending || TypedArrayPrototypeGetByteLength(payload) !== 8) return -1;
    room(of, 0);
    return quietly(of, (native) => native.ping(payload));
  }
  request(headers, count, options, parent, weight, exclusive) {
    const of = this.#of;
    count >>>= 0;
    options |= 0;
    parent |= 0;
    weight |= 0;
    if (of.ending) return -1;
    count = headersOf(of, headers, count);
    const made = quietly(of, (native) => native.request(headers, count, options, parent, weight, !!exclusive));
    return typeof made === "number" ? made : known(of, made).guard;
  }
  origin(origins, count) {
    const of = this.#of;
    count |= 0;
    if (typeof origins !== "string") throw new TypeError("http2: origins are a string");
    if (count < 0 || origins.length > 64 * KiB) throw new RangeError("http2: too many origins");
    if (of.ending) return -1;
    count = MathMin(count, origins.length);
    room(of, origins.length * 3 + count * HEADER);
    return quietly(of, (native) => native.origin(origins, count));
  }
  altsvc(stream, origin, value) {
    const of = this.#of;
    stream |= 0;
    if (typeof origin !== "string" || typeof value !== "string") throw new TypeError("http2: a service is given in strings");
    if (of.ending) return -1;
    room(of, 16 * KiB);
    return quietly(of, (native) => native.altsvc(stream, origin, value));
  }
  submitShutdownNotice() {
    const of = this.#of;
    if (of.ending) return;
    room(of, 0);
    quietly(of, (native) => native.submitShutdownNotice());
  }
  setLocalWindowSize(size) {
    const of = this.#of;
    size |= 0;
    if (of.ending) return -1;
    room(of, 0);
    return of.native.setLocalWindowSize(size);
  }
  setNextStreamID(id) {
    return this.#of.native.setNextStreamID(id | 0);
  }
  setMaxInvalidFrames(count) {
    this.#of.native.setMaxInvalidFrames(count >>> 0);
  }
  static {
    // These only look, or set what is looked at later.
    const names = [
      "activeStreamCount", "framesReceived", "framesSent", "getState", "hasPendingData", "isGracefulClosing", "lastSentGoawayCode",
      "localSettings", "remoteSettings", "setGracefulClose", "updateChunksSent",
    ];
    for (let at = 0; at < names.length; at++) {
      const name = names[at];
      ObjectDefineProperty(this.prototype, name, {
        __proto__: null, configurable: true, enumerable: false, writable: true,
        value: { [name]() {
          return Http2Session.#native(this)[name]();
        } }[name],
      });
    }
  }
  static #native(session) {
    return session.#of.native;
  }
}

// Once a snapshot is read, methods are put anew at the prototypes that are found here: those of the native classes have to be.
function stand(name, guard, native) {
  ops[name] = function (...given) {
    return ReflectConstruct(guard, given);
  };
  ops[name].prototype = native.prototype;
}
stand("Http2Session", Http2Session, NativeSession);
stand("Http2Stream", Http2Stream, NativeStream);

// Ends the sessions that are open when their isolate ends, and tells nobody.
export function endSessions() {
  for (const of of open) {
    of.muted = of.ending = true;
    try {
      of.native.destroy();
    } catch {
      // The others are ended all the same.
    }
  }
}
