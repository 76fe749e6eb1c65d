// What node:dgram takes for libuv's UDP handle. A session has no other network than its own, so groups have nobody in them.
import { core } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";
import { deliver, Descriptor, place, Waiting } from "ext:warren/handles.js";

const {
  op_warren_bind,
  op_warren_name,
  op_warren_receive_from,
  op_warren_send_to,
  op_warren_send_to_waiting,
  op_warren_socket,
} = core.ops;
const { queueMicrotask } = globalThis;
const bufferModule = deno.whole.createLazyLoader("node:buffer");

const EBADF = -9;
const EAGAIN = -11;
const ENODEV = -19;
const EINVAL = -22;
const ENOTCONN = -107;
const ECANCELED = -125;
const INET_DATAGRAM = 3;
const INET6_DATAGRAM = 4;
const UV_UDP_REUSEADDR = 4;
const DATAGRAM_BYTES_MAX = 65536;
const RECEIVES_MAX = 32;

// Every guest's datagrams are read one after the other, and copied to what they need.
let input = null;

class UDP extends Descriptor {
  #remote = null;
  #sizes = [212992, 212992];
  #sending = new Map();

  constructor() {
    super("UDPWRAP");
  }

  #bind(kind, address, port, flags) {
    if (this.closed) return EBADF;
    if (this.fd >= 0) return EINVAL;
    const fd = op_warren_socket(kind);
    if (fd < 0) return fd;
    this.take(fd);
    return op_warren_bind(fd, String(address), port >>> 0, (flags & UV_UDP_REUSEADDR) !== 0);
  }

  bind(address, port, flags) {
    return this.#bind(INET_DATAGRAM, address, port, flags);
  }
  bind6(address, port, flags) {
    return this.#bind(INET6_DATAGRAM, address, port, flags);
  }

  connect(address, port) {
    this.#remote = { address, port, family: "IPv4" };
    return 0;
  }
  connect6(address, port) {
    this.#remote = { address, port, family: "IPv6" };
    return 0;
  }
  disconnect() {
    if (this.#remote === null) return ENOTCONN;
    this.#remote = null;
    return 0;
  }

  getsockname(out) {
    return place(op_warren_name, this.fd, false, out);
  }
  getpeername(out) {
    if (this.#remote === null) return ENOTCONN;
    Object.assign(out, this.#remote);
    return 0;
  }

  recvStart() {
    if (this.fd < 0) return EBADF;
    this.wantsInput = true;
    this.awaitInput(this.#receive);
    return 0;
  }
  recvStop() {
    this.wantsInput = false;
    this.ignoreInput();
    return 0;
  }

  #receive() {
    input ??= new Uint8Array(DATAGRAM_BYTES_MAX);
    const { Buffer } = bufferModule();
    for (let count = 0; this.wantsInput && !this.closed && count < RECEIVES_MAX; count++) {
      const received = op_warren_receive_from(this.fd, input);
      if (received.count === EAGAIN) break;
      if (received.count < 0) {
        deliver(this, this.onmessage, received.count, this, undefined, undefined);
        break;
      }
      const from = received.from ?? undefined;
      const remote = this.#remote;
      if (remote !== null && from !== undefined && from.port !== remote.port) continue;
      deliver(this, this.onmessage, received.count, this, Buffer.from(input.subarray(0, received.count)), from);
    }
    if (this.wantsInput && !this.closed) this.awaitInput(this.#receive);
  }

  #send(request, parts, _count, ...rest) {
    const { Buffer } = bufferModule();
    const to = rest.length === 3 ? { port: rest[0], address: rest[1] } : this.#remote;
    const tells = rest[rest.length - 1];
    if (this.fd < 0) return EBADF;
    if (to === null) return ENOTCONN;
    const bytes = Buffer.concat(parts.map((part) => typeof part === "string" ? Buffer.from(part) : part));
    const sent = op_warren_send_to(this.fd, bytes, String(to.address), to.port >>> 0);
    const done = (sent) => {
      if (tells) deliver(request, request.oncomplete, sent < 0 ? sent : null, sent < 0 ? 0 : sent);
    };
    if (sent !== EAGAIN) {
      if (sent < 0) return sent;
      queueMicrotask(() => done(sent));
      return 0;
    }
    const fd = this.fd;
    const wait = new Waiting(
      (id) => op_warren_send_to_waiting(id, fd, bytes, String(to.address), to.port >>> 0),
      (sent) => {
        if (this.#sending.delete(wait)) done(sent);
      },
    );
    this.#sending.set(wait, done);
    return 0;
  }
  send(...given) {
    return this.#send(...given);
  }
  send6(...given) {
    return this.#send(...given);
  }

  bufferSize(size, receives) {
    const at = receives ? 0 : 1;
    if (size !== 0) this.#sizes[at] = size * 2;
    return this.#sizes[at];
  }

  setBroadcast() {
    return this.fd < 0 ? EBADF : 0;
  }
  setTTL(ttl) {
    return ttl < 1 || ttl > 255 ? EINVAL : this.setBroadcast();
  }
  setMulticastTTL(ttl) {
    return ttl < 0 || ttl > 255 ? EINVAL : this.setBroadcast();
  }
  setMulticastLoopback() {
    return this.setBroadcast();
  }
  setMulticastInterface() {
    return ENODEV;
  }
  addMembership() {
    return ENODEV;
  }
  dropMembership() {
    return ENODEV;
  }
  addSourceSpecificMembership() {
    return ENODEV;
  }
  dropSourceSpecificMembership() {
    return ENODEV;
  }
  getSendQueueSize() {
    return 0;
  }
  getSendQueueCount() {
    return this.#sending.size;
  }

  released() {
    this.wantsInput = false;
    for (const [wait, done] of this.#sending) {
      wait.cancel();
      queueMicrotask(() => done(ECANCELED));
    }
    this.#sending.clear();
  }
}

core.ops.UDPWrap = UDP;
