// What Node's modules take for libuv's streams: handles of the kernel's descriptors. They have the methods of the native
// classes they stand for, and a guest that reaches them reaches descriptors of its own process, nothing else.
//
//   readStart -> wait until there is something -> read it -> onread, again       readStop: the wait holds nobody any more
//   write     -> what fits at once -> the rest in a queue, one after the other -> oncomplete
//   listen    -> wait until somebody comes -> accept -> onconnection, again
import { core } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const { queueMicrotask } = globalThis;
const {
  HandleWrap,
  op_node_guess_handle_type,
  op_warren_accept,
  op_warren_bind,
  op_warren_bind_unix,
  op_warren_cancel,
  op_warren_adopt,
  op_warren_chmod,
  op_warren_close,
  op_warren_connect,
  op_warren_connect_unix,
  op_warren_listen,
  op_warren_name,
  op_warren_option,
  op_warren_raw_mode,
  op_warren_read,
  op_warren_read_into,
  op_warren_shutdown,
  op_warren_socket,
  op_warren_unlink,
  op_warren_wait,
  op_warren_window_size,
  op_warren_write,
  op_warren_write_all,
  op_warren_write_parked,
  op_warren_write_text,
} = core.ops;
const { createLazyLoader, loadExtScript } = deno.whole;
const report = (error) => loadExtScript("ext:deno_web/02_event.js").reportException(error);
const bufferModule = createLazyLoader("node:buffer");
const timers = createLazyLoader("node:timers");

// What streams tell Node's modules beside what they return, and where in it.
let streamBaseState;
const kReadBytesOrError = 0;
const kArrayBufferOffset = 1;
const kBytesWritten = 2;
const kLastWriteWasAsync = 3;

const ENOENT = -2;
const EBADF = -9;
const EAGAIN = -11;
const EACCES = -13;
const EEXIST = -17;
const EINVAL = -22;
const ENFILE = -23;
const EMFILE = -24;
const EADDRINUSE = -98;
const ENOTCONN = -107;
const ECANCELED = -125;
const EOF = -4095;

// Kinds of socket, as the operations number them.
const INET = 0;
const INET6 = 1;
const UNIX = 2;
const OPTION_NO_DELAY = 0;
const OPTION_KEEP_ALIVE = 1;
const OPTION_RESET = 2;

// What one read gives at most, and how many reads follow each other before others have their turn.
const READ_BYTES_MAX = 65536;
const READS_MAX = 8;
// Connections that are accepted before others have their turn.
const ACCEPTS_MAX = 64;
// How long a server waits that has no descriptor left, in milliseconds.
const NO_DESCRIPTOR_DELAY = 50;

// Numbers of the guest's waits.
let waits = 0;
function nextWait() {
  waits = waits + 1 >>> 0;
  return waits;
}

// Descriptors that belong to a handle: each has one, which closes it.
const held = new Set();

const length = new Uint32Array(1);
const size = new Uint32Array(2);
const failure = new Uint32Array(1);

// Calls what a program gave us, from the event loop: what it throws is nobody's, and what it put off comes next.
function deliver(receiver, callback, ...given) {
  try {
    if (typeof callback === "function") callback.apply(receiver, given);
  } catch (error) {
    report(error);
  }
  core.runNextTicks();
}

// Where a socket or its peer is.
function place(name, fd, peer, out) {
  const found = name(fd, peer, failure);
  if (found) Object.assign(out, found);
  return -failure[0];
}

// A wait of a handle: the event loop goes on for it while the handle is referred to.
class Waiting {
  constructor(start, then) {
    this.id = nextWait();
    this.promise = start(this.id);
    this.promise.then(then, report);
  }

  refer(on) {
    if (on) core.refOpPromise(this.promise);
    else core.unrefOpPromise(this.promise);
  }

  cancel() {
    op_warren_cancel(this.id);
  }
}

// A handle of a descriptor.
class Descriptor extends HandleWrap {
  #fd = -1;
  #referred = true;
  #closed = false;
  // What is waited for and may be given up with the handle.
  #input = null;

  constructor(provider) {
    super(loadExtScript("ext:deno_node/internal_binding/async_wrap.ts").providerType[provider], null);
    streamBaseState ??= loadExtScript("ext:deno_node/internal_binding/stream_wrap.ts").streamBaseState;
  }

  get fd() {
    return this.#fd;
  }

  // Takes a descriptor that is this handle's from now on.
  take(fd) {
    this.#fd = fd;
    held.add(fd);
  }

  // Opens the handle on a descriptor of the process.
  open(fd) {
    fd = fd | 0;
    if (this.#closed || this.#fd >= 0) return EINVAL;
    if (fd > 2 && held.has(fd)) return EEXIST;
    const error = op_warren_adopt(fd);
    if (error === 0) this.take(fd);
    return error;
  }

  get closed() {
    return this.#closed;
  }

  get waitingForInput() {
    return this.#input !== null;
  }

  // Calls back when there is something to read or accept, once.
  awaitInput(callback) {
    if (this.#input === null) {
      const fd = this.#fd;
      this.#input = new Waiting((id) => op_warren_wait(id, fd, false), () => {
        this.#input = null;
        if (!this.#closed) callback.call(this);
      });
    }
    this.#input.refer(this.#referred);
  }

  // What comes may come; nobody stays for it.
  ignoreInput() {
    this.#input?.refer(false);
  }

  ref() {
    this.#referred = true;
    if (this.wantsInput) this.#input?.refer(true);
  }

  unref() {
    this.#referred = false;
    this.#input?.refer(false);
  }

  hasRef() {
    return this.#referred && !this.#closed;
  }

  close(callback) {
    if (this.#closed) return;
    this.#closed = true;
    this.#input?.cancel();
    this.released();
    const fd = this.#fd;
    this.#fd = -1;
    held.delete(fd);
    // The standard ones are the process's, as libuv has it.
    if (fd > 2) op_warren_close(fd);
    super.close(callback);
  }

  // What else a kind of handle gives back.
  released() {}
}

// A stream over a descriptor of the process.
class Stream extends Descriptor {
  isStreamBase = true;
  wantsInput = false;
  #buffer = null;
  #parser = null;
  #blocking = false;
  #read = 0;
  #written = 0;
  // Writes that wait for room: the first is on its way.
  #queue = [];
  #writing = null;
  #shutdown = null;
  #connecting = null;

  getBytesRead() {
    return this.#read;
  }
  getBytesWritten() {
    return this.#written;
  }
  get bytesRead() {
    return this.#read;
  }
  get bytesWritten() {
    return this.#written;
  }
  get writeQueueSize() {
    return this.#queue.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  setHandle() {}

  setBlocking(on) {
    this.#blocking = Boolean(on);
    return 0;
  }

  useUserBuffer(buffer) {
    this.#buffer = buffer;
  }

  // Hands what is read to a parser of HTTP, which the socket above sees nothing of.
  consumeBy(parser) {
    this.#parser = parser;
  }

  readStart() {
    if (this.fd < 0) return this.closed ? EBADF : ENOTCONN;
    this.wantsInput = true;
    this.awaitInput(this.#take);
    return 0;
  }

  readStop() {
    this.wantsInput = false;
    this.ignoreInput();
    return 0;
  }

  #take() {
    for (let reads = 0; this.wantsInput && reads < READS_MAX; reads++) {
      const buffer = this.#buffer;
      let bytes;
      let count;
      if (buffer === null) {
        bytes = op_warren_read(this.fd);
        count = typeof bytes === "number" ? bytes : bytes.byteLength;
      } else {
        count = op_warren_read_into(this.fd, buffer);
      }
      if (count === EAGAIN) break;
      if (count <= 0) {
        this.wantsInput = false;
        this.#emit(count === 0 ? EOF : count, undefined);
        return;
      }
      this.#read += count;
      this.#emit(count, bytes);
      if (count < (buffer === null ? READ_BYTES_MAX : buffer.byteLength)) break;
    }
    if (this.wantsInput) this.awaitInput(this.#take);
  }

  #emit(count, bytes) {
    if (this.#parser !== null && count > 0 && bytes !== undefined) {
      deliver(this.#parser, this.#parser.consumed, new Uint8Array(bytes));
      return;
    }
    streamBaseState[kReadBytesOrError] = count;
    streamBaseState[kArrayBufferOffset] = 0;
    deliver(this, this.onread, bytes);
  }

  // Whether nothing is in the way of writing at once.
  #isFree() {
    return this.#writing === null && this.#connecting === null;
  }

  #begin(total) {
    this.#written += total;
    streamBaseState[kBytesWritten] = total;
    streamBaseState[kLastWriteWasAsync] = 0;
  }

  // What is left of a write waits for room.
  #enqueue(request, bytes) {
    streamBaseState[kLastWriteWasAsync] = 1;
    this.#queue.push({ request, bytes });
    if (this.#isFree()) this.#next();
    return 0;
  }

  #next() {
    const first = this.#queue[0];
    if (first === undefined) {
      if (this.#shutdown !== null) this.#finish();
      return;
    }
    const fd = this.fd;
    this.#writing = new Waiting((id) => op_warren_write_all(id, fd, first.bytes), (status) => {
      this.#writing = null;
      if (this.closed) return;
      this.#queue.shift();
      streamBaseState[kBytesWritten] = first.bytes.byteLength;
      deliver(first.request, first.request.oncomplete, status, this, undefined);
      if (!this.closed && this.#isFree()) this.#next();
    });
  }

  writeBuffer(request, bytes) {
    if (this.fd < 0) return EBADF;
    const total = bytes.byteLength;
    this.#begin(total);
    let done = 0;
    if (this.#isFree()) {
      done = this.#blocking ? op_warren_write_parked(this.fd, bytes) : op_warren_write(this.fd, bytes);
      if (done === total) return 0;
      if (done < 0 && done !== EAGAIN) return done;
      if (done < 0) done = 0;
    }
    return this.#enqueue(request, bytes.subarray(done));
  }

  #writeText(request, text, latin1) {
    if (this.fd < 0) return EBADF;
    if (!this.#isFree() || this.#blocking) {
      return this.writeBuffer(request, encode(text, latin1 ? "latin1" : "utf8"));
    }
    let done = op_warren_write_text(this.fd, text, latin1, length);
    this.#begin(length[0]);
    if (done === length[0]) return 0;
    if (done < 0 && done !== EAGAIN) return done;
    if (done < 0) done = 0;
    return this.#enqueue(request, encode(text, latin1 ? "latin1" : "utf8").subarray(done));
  }

  writeUtf8String(request, text) {
    return this.#writeText(request, text, false);
  }
  writeLatin1String(request, text) {
    return this.#writeText(request, text, true);
  }
  writeAsciiString(request, text) {
    return this.#writeText(request, text, true);
  }
  writeUcs2String(request, text) {
    return this.writeBuffer(request, encode(text, "utf16le"));
  }

  writev(request, chunks, allBuffers) {
    const { Buffer } = bufferModule();
    if (allBuffers) return this.writeBuffer(request, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    let text = "";
    let latin1 = false;
    let same = true;
    for (let at = 0; at < chunks.length && same; at += 2) {
      const coding = typeof chunks[at] === "string" ? chunks[at + 1] : "";
      const narrow = coding === "latin1" || coding === "binary" || coding === "ascii";
      same = (narrow || coding === "utf8" || coding === "utf-8") && (at === 0 || narrow === latin1);
      latin1 = narrow;
      if (same) text += chunks[at];
    }
    if (same) return this.#writeText(request, text, latin1);
    const parts = [];
    for (let at = 0; at < chunks.length; at += 2) {
      parts.push(typeof chunks[at] === "string" ? Buffer.from(chunks[at], chunks[at + 1]) : chunks[at]);
    }
    return this.writeBuffer(request, Buffer.concat(parts));
  }

  shutdown(request) {
    if (this.fd < 0) return ENOTCONN;
    this.#shutdown = request;
    if (this.#isFree() && this.#queue.length === 0) this.#finish();
    return 0;
  }

  #finish() {
    const request = this.#shutdown;
    this.#shutdown = null;
    const status = op_warren_shutdown(this.fd);
    queueMicrotask(() => deliver(request, request.oncomplete, status));
  }

  // Connects by an operation; what is written meanwhile waits.
  begin(request, operation) {
    this.#connecting = new Waiting(operation, (status) => {
      this.#connecting = null;
      if (this.closed) return;
      deliver(request, request.oncomplete, status, this, request, true, true);
      if (!this.closed && this.#isFree()) this.#next();
    });
    this.#connecting.request = request;
    return 0;
  }

  released() {
    this.wantsInput = false;
    const lost = this.#queue.map(({ request }) => [request, [ECANCELED, this, undefined]]);
    this.#queue = [];
    this.#writing?.cancel();
    if (this.#connecting !== null) {
      this.#connecting.cancel();
      const { request } = this.#connecting;
      lost.push([request, [ECANCELED, this, request, false, false]]);
    }
    if (this.#shutdown !== null) lost.push([this.#shutdown, [ECANCELED]]);
    this.#shutdown = null;
    for (const [request, given] of lost) queueMicrotask(() => deliver(request, request.oncomplete, ...given));
  }
}

function encode(text, coding) {
  return bufferModule().Buffer.from(text, coding);
}

// A stream that others can connect to.
class Listening extends Stream {
  #accepted = -1;

  listenAt(backlog) {
    const error = op_warren_listen(this.fd, backlog);
    if (error !== 0) return error;
    this.wantsInput = true;
    this.awaitInput(this.#accept);
    return 0;
  }

  #accept() {
    for (let count = 0; count < ACCEPTS_MAX && !this.closed; count++) {
      const fd = op_warren_accept(this.fd);
      if (fd === EAGAIN) break;
      if (fd === EMFILE || fd === ENFILE) {
        deliver(this, this.onconnection, fd);
        const again = timers().setTimeout(() => this.closed || this.awaitInput(this.#accept), NO_DESCRIPTOR_DELAY);
        if (!this.hasRef()) again.unref();
        return;
      }
      if (fd < 0) {
        deliver(this, this.onconnection, fd);
        continue;
      }
      this.#accepted = fd;
      deliver(this, this.onconnection, 0);
      // Nobody took it.
      if (this.#accepted >= 0) op_warren_close(this.#accepted);
      this.#accepted = -1;
    }
    if (!this.closed) this.awaitInput(this.#accept);
  }

  // Gives the connection that was told of to the handle that was made for it.
  accept(client) {
    if (this.#accepted < 0) return EAGAIN;
    client.take(this.#accepted);
    this.#accepted = -1;
    return 0;
  }
}

class TCP extends Listening {
  #delayed = 0;

  constructor(type) {
    super(type === 1 ? "TCPSERVERWRAP" : "TCPWRAP");
  }

  #socket(kind) {
    if (this.closed) return EBADF;
    if (this.fd >= 0) return 0;
    const fd = op_warren_socket(kind);
    if (fd < 0) return fd;
    this.take(fd);
    return 0;
  }

  // As libuv has it, an address that is in use is told of when it is needed.
  #bind(kind, address, port) {
    const error = this.#socket(kind) || op_warren_bind(this.fd, String(address), port >>> 0, true);
    if (error !== EADDRINUSE) return error;
    this.#delayed = error;
    return 0;
  }

  bind(address, port) {
    return this.#bind(INET, address, port);
  }
  bindWithFlags(address, port) {
    return this.#bind(INET, address, port);
  }
  bind6(address, port) {
    return this.#bind(INET6, address, port);
  }

  listen(backlog) {
    return this.#delayed || this.#socket(INET6) || this.listenAt(backlog);
  }

  #connect(kind, request, address, port) {
    const error = this.#delayed || this.#socket(kind);
    if (error !== 0) return error;
    const fd = this.fd;
    return this.begin(request, (id) => op_warren_connect(id, fd, String(address), port >>> 0));
  }

  connect(request, address, port) {
    return this.#connect(INET, request, address, port);
  }
  connect6(request, address, port) {
    return this.#connect(INET6, request, address, port);
  }

  getsockname(out) {
    return place(op_warren_name, this.fd, false, out);
  }
  getpeername(out) {
    return place(op_warren_name, this.fd, true, out);
  }

  setNoDelay(on) {
    return op_warren_option(this.fd, OPTION_NO_DELAY, Boolean(on));
  }
  setKeepAlive(on) {
    return op_warren_option(this.fd, OPTION_KEEP_ALIVE, Boolean(on));
  }
  setSimultaneousAccepts() {
    return 0;
  }
  reset() {
    return op_warren_option(this.fd, OPTION_RESET, true);
  }
}

class Pipe extends Listening {
  #path = null;

  constructor(type) {
    super(type === 1 ? "PIPESERVERWRAP" : "PIPEWRAP");
  }

  #socket() {
    if (this.closed) return EBADF;
    if (this.fd >= 0) return 0;
    const fd = op_warren_socket(UNIX);
    if (fd < 0) return fd;
    this.take(fd);
    return 0;
  }

  bind(path) {
    const error = this.#socket() || op_warren_bind_unix(this.fd, String(path));
    if (error === 0 && !path.startsWith("\0")) this.#path = path;
    // As libuv has it.
    return error === ENOENT ? EACCES : error;
  }

  listen(backlog) {
    return this.fd < 0 ? EINVAL : this.listenAt(backlog);
  }

  connect(request, path) {
    const error = this.#socket();
    if (error !== 0) return error;
    const fd = this.fd;
    return this.begin(request, (id) => op_warren_connect_unix(id, fd, String(path)));
  }

  fchmod(mode) {
    return this.#path === null ? EBADF : op_warren_chmod(this.#path, mode >>> 0);
  }

  setPendingInstances() {}

  released() {
    super.released();
    if (this.#path !== null) op_warren_unlink(this.#path);
    this.#path = null;
  }
}

class TTY extends Stream {
  constructor(fd, context) {
    super("TTYWRAP");
    const error = TTY.isTTY(fd) ? this.open(fd) : EINVAL;
    if (error !== 0 && context) {
      Object.assign(context, { code: "EINVAL", message: "invalid argument", errno: error, syscall: "uv_tty_init" });
    }
  }

  static isTTY(fd) {
    return op_node_guess_handle_type(fd) === 1;
  }

  getWindowSize(out) {
    const error = op_warren_window_size(this.fd, size);
    if (error === 0) [out[0], out[1]] = size;
    return error;
  }

  setRawMode(on) {
    return op_warren_raw_mode(this.fd, Boolean(on));
  }
}

Object.assign(core.ops, { TCPWrap: TCP, PipeWrap: Pipe, TTY });

export { deliver, Descriptor, nextWait, place, Waiting };
