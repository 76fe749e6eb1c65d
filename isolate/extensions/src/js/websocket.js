// `WebSocket`, over node:http and node:https of the same program (RFC 6455, without extensions).
import { core } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const { createLazyLoader, loadExtScript } = deno.whole;
const buffers = createLazyLoader("node:buffer");
const http = createLazyLoader("node:http");
const https = createLazyLoader("node:https");
const timers = createLazyLoader("node:timers");
const crypto = createLazyLoader("node:crypto");
const event = loadExtScript("ext:deno_web/02_event.js");
const { Blob } = loadExtScript("ext:deno_web/09_file.js");
const { DOMException } = loadExtScript("ext:deno_web/01_dom_exception.js");

const { queueMicrotask } = globalThis;
const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
// Bytes of a message, at most; a longer one ends the connection.
const MESSAGE_BYTES_MAX = 128 << 20;
// How long the other end has to answer that it closes too, in milliseconds.
const CLOSING_TIME = 3000;
const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3];
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

// One frame of a client, which masks what it sends.
function frame(opcode, payload) {
  const { Buffer } = buffers();
  const size = payload.byteLength;
  const extended = size < 126 ? 0 : size < 65536 ? 2 : 8;
  const out = Buffer.allocUnsafe(2 + extended + 4 + size);
  out[0] = 0x80 | opcode;
  out[1] = 0x80 | (extended === 0 ? size : extended === 2 ? 126 : 127);
  if (extended === 2) out.writeUInt16BE(size, 2);
  if (extended === 8) out.writeBigUInt64BE(BigInt(size), 2);
  const mask = crypto().randomBytes(4);
  mask.copy(out, 2 + extended);
  const at = 6 + extended;
  for (let index = 0; index < size; index++) out[at + index] = payload[index] ^ mask[index & 3];
  return out;
}

class WebSocket extends event.EventTarget {
  #url;
  #state = CONNECTING;
  #protocol = "";
  #binaryType = "blob";
  #buffered = 0;
  #request;
  #socket = null;
  // What was read and is no whole frame yet.
  #input = [];
  #held = 0;
  // The parts of a message, and what it is made of.
  #parts = [];
  #partBytes = 0;
  #kind = CONTINUATION;
  #closing = { code: 1006, reason: "", clean: false };
  #timer;

  constructor(url, protocols = []) {
    super();
    const options = typeof protocols === "object" && !Array.isArray(protocols) && protocols !== null ? protocols : {};
    const wanted = [].concat(options === protocols ? options.protocols ?? [] : protocols).map(String);
    let address;
    try {
      address = new URL(String(url));
    } catch (error) {
      throw new DOMException(error.message, "SyntaxError");
    }
    address.protocol = address.protocol.replace(/^http/, "ws");
    if (address.protocol !== "ws:" && address.protocol !== "wss:") {
      throw new DOMException(`Expected a ws: or wss: URL, received ${address.protocol}`, "SyntaxError");
    }
    if (address.hash !== "") throw new DOMException("Got fragment", "SyntaxError");
    if (new Set(wanted).size !== wanted.length || wanted.some((name) => !TOKEN.test(name))) {
      throw new DOMException("Invalid Sec-WebSocket-Protocol value", "SyntaxError");
    }
    this.#url = address.href;
    this.#connect(address, wanted, options.headers);
  }

  get url() {
    return this.#url;
  }
  get readyState() {
    return this.#state;
  }
  get protocol() {
    return this.#protocol;
  }
  get extensions() {
    return "";
  }
  get bufferedAmount() {
    return this.#buffered;
  }
  get binaryType() {
    return this.#binaryType;
  }
  set binaryType(type) {
    if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
  }

  #connect(address, wanted, headers) {
    const module = address.protocol === "wss:" ? https() : http();
    const target = new URL(address.href.replace(/^ws/, "http"));
    const key = crypto().randomBytes(16).toString("base64");
    const request = module.request(target, {
      agent: false,
      headers: {
        ...headers,
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        ...(wanted.length > 0 ? { "Sec-WebSocket-Protocol": wanted.join(", ") } : {}),
      },
    });
    this.#request = request;
    request.on("upgrade", (answer, socket, head) => {
      const expected = crypto().createHash("sha1").update(key + MAGIC).digest("base64");
      const chosen = answer.headers["sec-websocket-protocol"];
      if (answer.headers["sec-websocket-accept"] !== expected || chosen !== undefined && !wanted.includes(chosen)) {
        socket.destroy();
        return this.#fail("The server's answer to the opening is wrong");
      }
      this.#open(socket, head, chosen ?? "");
    });
    request.on("response", (answer) => {
      answer.destroy();
      this.#fail(`Received network error or non-101 status code ${answer.statusCode}.`);
    });
    request.on("error", (error) => this.#fail(error.message, error));
    request.end();
  }

  #open(socket, head, protocol) {
    if (this.#state !== CONNECTING) return socket.destroy();
    this.#socket = socket;
    this.#protocol = protocol;
    this.#state = OPEN;
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.on("data", (bytes) => this.#take(bytes));
    socket.on("error", (error) => this.#closing.error ??= error);
    socket.on("end", () => socket.end());
    socket.on("close", () => this.#end());
    this.dispatchEvent(new event.Event("open"));
    if (head.byteLength > 0) this.#take(head);
  }

  #take(bytes) {
    this.#input.push(bytes);
    this.#held += bytes.byteLength;
    while (this.#state !== CLOSED && this.#next());
  }

  // Takes one whole frame out of what was read; whether there was one.
  #next() {
    const { Buffer } = buffers();
    if (this.#held < 2) return false;
    const all = this.#input.length === 1 ? this.#input[0] : Buffer.concat(this.#input);
    this.#input = [all];
    let size = all[1] & 0x7f;
    let at = 2;
    if (size === 126) {
      if (all.byteLength < 4) return false;
      size = all.readUInt16BE(2);
      at = 4;
    } else if (size === 127) {
      if (all.byteLength < 10) return false;
      size = Number(all.readBigUInt64BE(2));
      at = 10;
    }
    const [last, opcode] = [(all[0] & 0x80) !== 0, all[0] & 0x0f];
    const control = opcode >= CLOSE;
    if ((all[0] & 0x70) !== 0 || (all[1] & 0x80) !== 0 || control && (!last || size > 125)) return this.#break(1002);
    if (size + this.#partBytes > MESSAGE_BYTES_MAX) return this.#break(1009);
    if (all.byteLength < at + size) return false;
    const payload = all.subarray(at, at + size);
    const rest = all.subarray(at + size);
    this.#input = rest.byteLength > 0 ? [rest] : [];
    this.#held = rest.byteLength;
    if (control) this.#control(opcode, payload);
    else this.#part(opcode, payload, last);
    return true;
  }

  #control(opcode, payload) {
    if (opcode === PING) return this.#write(PONG, payload);
    if (opcode !== CLOSE) return opcode === PONG || this.#break(1002);
    this.#closing = {
      code: payload.byteLength >= 2 ? payload.readUInt16BE(0) : 1005,
      reason: payload.subarray(2).toString(),
      clean: true,
    };
    if (this.#state === OPEN) this.#write(CLOSE, payload.subarray(0, 2));
    this.#state = CLOSING;
    this.#socket.end();
  }

  #part(opcode, payload, last) {
    if ((opcode === CONTINUATION) === (this.#kind === CONTINUATION) || opcode > BINARY) return this.#break(1002);
    if (opcode !== CONTINUATION) this.#kind = opcode;
    this.#parts.push(payload);
    this.#partBytes += payload.byteLength;
    if (!last) return;
    const { Buffer } = buffers();
    const whole = Buffer.concat(this.#parts);
    const kind = this.#kind;
    [this.#parts, this.#partBytes, this.#kind] = [[], 0, CONTINUATION];
    if (this.#state !== OPEN) return;
    let data;
    if (kind === TEXT) {
      try {
        data = new (loadExtScript("ext:deno_web/08_text_encoding.js").TextDecoder)("utf-8", { fatal: true, ignoreBOM: true })
          .decode(whole);
      } catch {
        return this.#break(1007);
      }
    } else {
      data = this.#binaryType === "blob" ? new Blob([whole]) : new Uint8Array(whole).buffer;
    }
    this.dispatchEvent(new event.MessageEvent("message", { data, origin: new URL(this.#url).origin }));
  }

  #write(opcode, payload) {
    if (!this.#socket?.writable) return;
    const bytes = frame(opcode, payload);
    const counted = opcode === TEXT || opcode === BINARY ? payload.byteLength : 0;
    this.#buffered += counted;
    this.#socket.write(bytes, () => this.#buffered -= counted);
  }

  // The other end did what it must not: it is told, and nothing more is read.
  #break(code) {
    const { Buffer } = buffers();
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    if (this.#state === OPEN) this.#write(CLOSE, payload);
    this.#state = CLOSING;
    this.#closing.error ??= new Error(`closed for ${code}`);
    [this.#input, this.#held] = [[], 0];
    this.#socket.destroySoon();
    return false;
  }

  send(data) {
    const { Buffer } = buffers();
    if (this.#state === CONNECTING) throw new DOMException("Sent before connected.", "InvalidStateError");
    if (this.#state !== OPEN) return;
    if (data instanceof Blob) {
      data.arrayBuffer().then((bytes) => this.#write(BINARY, new Uint8Array(bytes)));
    } else if (ArrayBuffer.isView(data)) {
      this.#write(BINARY, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    } else if (core.isAnyArrayBuffer(data)) {
      this.#write(BINARY, new Uint8Array(data));
    } else {
      this.#write(TEXT, Buffer.from(String(data)));
    }
  }

  close(code = undefined, reason = "") {
    const { Buffer } = buffers();
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException("invalid code", "InvalidAccessError");
    }
    const text = Buffer.from(String(reason));
    if (text.byteLength > 123) throw new DOMException("Reason must be less than 123 bytes", "SyntaxError");
    if (this.#state >= CLOSING) return;
    if (this.#state === CONNECTING) return this.#fail("WebSocket was closed before it was open");
    const payload = Buffer.alloc(code === undefined ? 0 : 2 + text.byteLength);
    if (code !== undefined) {
      payload.writeUInt16BE(code);
      text.copy(payload, 2);
    }
    this.#write(CLOSE, payload);
    this.#state = CLOSING;
    this.#timer = timers().setTimeout(() => this.#socket.destroy(), CLOSING_TIME);
  }

  #fail(message, error = new Error(message)) {
    if (this.#state === CLOSED) return;
    this.#closing = { code: 1006, reason: "", clean: false, error };
    this.#request.destroy();
    if (this.#socket === null) queueMicrotask(() => this.#end());
    else this.#socket.destroy();
  }

  #end() {
    if (this.#state === CLOSED) return;
    this.#state = CLOSED;
    timers().clearTimeout(this.#timer);
    const { code, reason, clean, error } = this.#closing;
    if (!clean) this.dispatchEvent(new event.ErrorEvent("error", { message: error?.message ?? "", error }));
    this.dispatchEvent(new event.CloseEvent("close", { code, reason, wasClean: clean }));
  }
}

for (const name of ["open", "message", "close", "error"]) event.defineEventHandler(WebSocket.prototype, name);
const states = { CONNECTING, OPEN, CLOSING, CLOSED };
for (const name of Object.keys(states)) {
  const state = { value: states[name], enumerable: true };
  Object.defineProperty(WebSocket, name, state);
  Object.defineProperty(WebSocket.prototype, name, state);
}

export { WebSocket };
