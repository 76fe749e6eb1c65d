// fs.watch and fs.promises.watch, over a queue of the kernel's that tells what becomes of files: Linux's inotify, as libuv uses
// it. A program has one queue, open while something is watched.
import { core, internals } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";
import { deliver, Waiting } from "ext:warren/handles.js";

const {
  op_warren_close,
  op_warren_read,
  op_warren_wait,
  op_warren_watch_add,
  op_warren_watch_open,
  op_warren_watch_remove,
} = core.ops;
const { EventEmitter } = deno.whole.loadExtScript("ext:deno_node/_events.mjs");
const errors = () => deno.whole.loadExtScript("ext:deno_node/internal/errors.ts");
const bufferModule = deno.whole.createLazyLoader("node:buffer");
const fsModule = deno.whole.createLazyLoader("node:fs");
const nodeProcess = deno.whole.createLazyLoader("node:process");

// IN_MODIFY and IN_ATTRIB are changes; all else is told as `rename`.
const CHANGES = 0x6;
const MOVED_FROM = 0x40;
const MADE = 0x180;
const IGNORED = 0x8000;
const IS_DIRECTORY = 0x40000000;
const ENOSPC = -28;

const HEAD = 16;
const READS_MAX = 8;
// Events an iterator keeps that nobody asked for yet.
const QUEUE_MAX = 2048;

let queue = -1;
let waiting = null;
// By number of the watch: who has it, and what for.
const watches = new Map();
const watchers = new Set();

function add(path, entry) {
  if (queue < 0) {
    const opened = op_warren_watch_open();
    if (opened < 0) return opened;
    queue = opened;
  }
  const watch = op_warren_watch_add(queue, path);
  if (watch < 0) return watch;
  if (!watches.has(watch)) watches.set(watch, new Set());
  watches.get(watch).add(entry);
  return watch;
}

function drop(watch, entry) {
  const entries = watches.get(watch);
  if (!entries?.delete(entry) || entries.size > 0) return;
  watches.delete(watch);
  op_warren_watch_remove(queue, watch);
}

// The event loop goes on for those that are referred to; with the last watcher the queue goes.
function tend() {
  if (watchers.size === 0) {
    waiting?.cancel();
    waiting = null;
    if (queue >= 0) op_warren_close(queue);
    queue = -1;
    return;
  }
  if (waiting === null) {
    const fd = queue;
    const wait = new Waiting((id) => op_warren_wait(id, fd, false), () => {
      if (waiting !== wait) return;
      waiting = null;
      read();
    });
    waiting = wait;
  }
  let referred = false;
  for (const watcher of watchers) referred ||= watcher.isReferred;
  waiting.refer(referred);
}

function read() {
  for (let reads = 0; reads < READS_MAX && queue >= 0; reads++) {
    const bytes = op_warren_read(queue);
    if (typeof bytes === "number") break;
    const view = new DataView(bytes);
    for (let at = 0; at < bytes.byteLength && queue >= 0;) {
      const length = view.getUint32(at + 12, true);
      const name = new Uint8Array(bytes, at + HEAD, length);
      const end = name.indexOf(0);
      tell(view.getInt32(at, true), view.getUint32(at + 4, true), core.decode(end < 0 ? name : name.subarray(0, end)));
      at += HEAD + length;
    }
  }
  tend();
}

function tell(watch, what, name) {
  if (watch < 0) {
    for (const watcher of [...watchers]) watcher.lost();
    return;
  }
  const entries = watches.get(watch);
  if (entries === undefined) return;
  if (what & IGNORED) watches.delete(watch);
  for (const entry of [...entries]) {
    if (entries.has(entry)) entry.owner.heard(watch, entry, what, name);
  }
}

function base(path) {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.length > 0 ? parts[parts.length - 1] : path;
}

class FSWatcher extends EventEmitter {
  #path = "";
  #isOpen = false;
  #recursive = false;
  #encoding = "utf8";
  #ignores = null;
  // By number of the watch; `prefix` is what the names in that directory are told with.
  #entries = new Map();
  isReferred = true;

  constructor() {
    super();
    Object.defineProperty(this, "isReferred", { enumerable: false });
  }

  // 0, or the error's number.
  begin(path, { persistent, recursive, encoding }, ignores) {
    this.isReferred = persistent ?? true;
    this.#path = path;
    this.#recursive = recursive ?? false;
    this.#encoding = encoding ?? "utf8";
    this.#ignores = ignores;
    const error = this.#enter(path, "");
    if (error < 0) {
      tend();
      return error;
    }
    this.#isOpen = true;
    watchers.add(this);
    if (this.#recursive) this.#descend(path, "", false);
    tend();
    return 0;
  }

  #enter(path, prefix) {
    const entry = { owner: this, path, prefix };
    const watch = add(path, entry);
    if (watch < 0) return watch;
    this.#entries.set(watch, entry);
    return 0;
  }

  // Watches the directories beneath one that is watched; what is found in a new one is told.
  #descend(path, prefix, tells) {
    const below = [[path, prefix]];
    while (below.length > 0 && this.#isOpen) {
      const [path, prefix] = below.pop();
      let found = [];
      try {
        found = fsModule().readdirSync(path, { withFileTypes: true });
      } catch {
        // It is gone, may not be read, or is no directory.
      }
      for (const { name, ...kind } of found.map((one) => ({ name: one.name, isDirectory: one.isDirectory() }))) {
        if (tells) this.#emit("rename", prefix + name);
        if (!kind.isDirectory || !this.#isOpen) continue;
        const error = this.#enter(`${path}/${name}`, `${prefix}${name}/`);
        if (error === ENOSPC) return this.#fail(error);
        if (error === 0) below.push([`${path}/${name}`, `${prefix}${name}/`]);
      }
    }
  }

  #fail(error) {
    nodeProcess().default.nextTick(() => this.emit("error", failure(error, this.#path)));
  }

  heard(watch, entry, what, name) {
    const type = (what & ~CHANGES) !== 0 ? "rename" : "change";
    if (what & IGNORED) this.#entries.delete(watch);
    if (name === "") {
      // Of a directory beneath its own directory tells.
      if (entry.prefix === "") this.#emit(type, base(this.#path));
      return;
    }
    const filename = entry.prefix + name;
    this.#emit(type, filename);
    if (!this.#recursive || !this.#isOpen) return;
    if (what & MOVED_FROM) this.#leave(`${filename}/`);
    if (!(what & IS_DIRECTORY) || !(what & MADE)) return;
    const path = `${entry.path}/${name}`;
    const error = this.#enter(path, `${filename}/`);
    if (error === ENOSPC) this.#fail(error);
    if (error === 0) this.#descend(path, `${filename}/`, true);
  }

  // What was moved away is watched no more, nor what is in it.
  #leave(prefix) {
    for (const [watch, entry] of [...this.#entries]) {
      if (!entry.prefix.startsWith(prefix)) continue;
      this.#entries.delete(watch);
      drop(watch, entry);
    }
  }

  // More happened than the queue holds: nobody knows what.
  lost() {
    this.#emit("rename", null);
    if (this.#recursive && this.#isOpen) this.#descend(this.#path, "", false);
  }

  #emit(type, filename) {
    if (!this.#isOpen || (filename !== null && this.#ignores?.(filename))) return;
    let told = filename;
    if (filename !== null && this.#encoding !== "utf8" && this.#encoding !== "utf-8") {
      told = bufferModule().Buffer.from(filename);
      if (this.#encoding !== "buffer") told = told.toString(this.#encoding);
    }
    deliver(this, this.emit, "change", type, told);
  }

  start() {}

  close() {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const [watch, entry] of this.#entries) drop(watch, entry);
    this.#entries.clear();
    watchers.delete(this);
    tend();
    nodeProcess().default.nextTick(() => this.emit("close"));
  }

  ref() {
    this.isReferred = true;
    if (this.#isOpen) tend();
    return this;
  }

  unref() {
    this.isReferred = false;
    if (this.#isOpen) tend();
    return this;
  }
}

function failure(errno, path) {
  const message = errno === ENOSPC ? "System limit for number of file watchers reached" : "";
  const error = errors().uvException({ errno, syscall: "watch", path, message });
  error.filename = path;
  return error;
}

internals.watch = (path, options, listener, ignores) => {
  const watcher = new FSWatcher();
  const error = watcher.begin(path, options, ignores);
  if (error < 0) throw failure(error, path);
  const { signal } = options;
  if (signal?.aborted) {
    nodeProcess().default.nextTick(() => watcher.close());
  } else if (signal) {
    const close = () => watcher.close();
    signal.addEventListener("abort", close, { once: true });
    watcher.once("close", () => signal.removeEventListener("abort", close));
  }
  if (listener) watcher.on("change", listener);
  return watcher;
};

internals.watchIterator = async function* watch(path, options, ignores) {
  const { signal, maxQueue = QUEUE_MAX, overflow = "ignore" } = options;
  const aborted = () => new (errors().AbortError)(undefined, { cause: signal.reason });
  if (signal?.aborted) throw aborted();
  const watcher = new FSWatcher();
  const seen = [];
  let wake = () => {};
  let tooMany = null;
  watcher.on("change", (eventType, filename) => {
    if (seen.length < maxQueue) seen.push({ __proto__: null, eventType, filename });
    else if (overflow === "throw") tooMany ??= new (errors().ERR_FS_WATCH_QUEUE_OVERFLOW ?? Error)(maxQueue);
    wake();
  });
  watcher.on("error", (error) => {
    tooMany = error;
    wake();
  });
  const stop = () => wake();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const error = watcher.begin(path, options, ignores);
    if (error < 0) throw failure(error, path);
    for (;;) {
      if (signal?.aborted) throw aborted();
      if (tooMany !== null) throw tooMany;
      if (seen.length > 0) {
        yield seen.shift();
        continue;
      }
      await new Promise((resolve) => wake = resolve);
    }
  } finally {
    watcher.close();
    signal?.removeEventListener("abort", stop);
  }
};
