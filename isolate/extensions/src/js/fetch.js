// `fetch`, over node:http and node:https of the same program: each hop is a connection of its own, which the session's policy
// is asked for. Requests, responses and headers are the extension's classes.
import { core } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const { createLazyLoader, loadExtScript } = deno.whole;
const buffers = createLazyLoader("node:buffer");
const http = createLazyLoader("node:http");
const https = createLazyLoader("node:https");
const zlib = createLazyLoader("node:zlib");
const load = (specifier) => () => loadExtScript(specifier);
const requests = load("ext:deno_fetch/23_request.js");
const responses = load("ext:deno_fetch/23_response.js");
const bodies = load("ext:deno_fetch/22_body.js");
const streams = load("ext:deno_web/06_streams.js");

// As the fetch standard has it.
const REDIRECTS_MAX = 20;
// Bytes of an answer that wait for their reader before the connection does.
const ANSWER_BYTES_MAX = 64 * 1024;
const BODY_HEADERS = ["content-encoding", "content-language", "content-location", "content-type", "content-length"];
const SECRET_HEADERS = ["authorization", "proxy-authorization", "cookie", "host"];
const BAD_PORTS = new Set(
  ("0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 " +
    "137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 " +
    "1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080").split(" "),
);

let agents = null;
function agentOf(protocol) {
  agents ??= {
    "http:": new (http().Agent)({ keepAlive: true, scheduling: "lifo" }),
    "https:": new (https().Agent)({ keepAlive: true, scheduling: "lifo" }),
  };
  return agents[protocol];
}

function failed(cause) {
  return new TypeError("fetch failed", { cause });
}

// What is to be sent: bytes that can be sent again, or a stream that cannot.
function bodyOf(inner) {
  if (inner.body === null || inner.body === undefined) return null;
  const { streamOrStatic } = inner.body;
  if (streamOrStatic instanceof streams().ReadableStream) return { stream: streamOrStatic, bytes: null };
  const { body } = streamOrStatic;
  return { stream: null, bytes: typeof body === "string" ? core.encode(body) : body };
}

async function send(message, body, abort) {
  if (body === null) return message.end();
  if (body.bytes !== null) return message.end(body.bytes);
  const reader = body.stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (message.destroyed) return;
      if (done) return message.end();
      if (!(value instanceof Uint8Array)) throw new TypeError("Received non-Uint8Array chunk");
      if (!message.write(value)) await new Promise((resolve) => message.once("drain", resolve).once("close", resolve));
    }
  } catch (error) {
    abort(error);
  }
}

// One request and the head of its answer.
function exchange(url, method, headers, body, signal) {
  return new Promise((resolve, reject) => {
    const module = url.protocol === "https:" ? https() : http();
    const message = module.request(url, { method, headers, agent: agentOf(url.protocol) });
    const abort = (reason) => {
      reject(reason);
      message.destroy(reason instanceof Error ? reason : undefined);
    };
    const onAbort = () => abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    message.on("close", () => signal.removeEventListener("abort", onAbort));
    message.on("error", (error) => {
      // A connection that was kept and had ended meanwhile: nobody has seen the request.
      const again = message.reusedSocket && error.code === "ECONNRESET" && (body === null || body.bytes !== null);
      if (!again || signal.aborted) return reject(failed(error));
      exchange(url, method, headers, body, signal).then(resolve, reject);
    });
    message.on("upgrade", (_, socket) => {
      socket.destroy();
      reject(failed(new Error("bad upgrade")));
    });
    message.on("response", resolve);
    send(message, body, abort);
  });
}

function decoders(answer) {
  const { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress, constants } = zlib();
  const codings = String(answer.headers["content-encoding"] ?? "").toLowerCase().split(",").map((name) => name.trim());
  const lenient = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
  const made = [];
  for (const coding of codings.filter((name) => name !== "" && name !== "identity").reverse()) {
    if (coding === "gzip" || coding === "x-gzip") made.push(createGunzip(lenient));
    else if (coding === "deflate") made.push(createInflate(lenient));
    else if (coding === "br") made.push(createBrotliDecompress());
    else if (coding === "zstd" && createZstdDecompress) made.push(createZstdDecompress());
    // What is not known is given as it came.
    else return [];
  }
  return made;
}

// The body of an answer as a stream that holds the connection back while nobody reads it.
function streamOf(answer, signal) {
  const chain = [answer, ...decoders(answer)];
  const last = chain[chain.length - 1];
  let ended = false;
  return new (streams().ReadableStream)({
    type: "bytes",
    start(controller) {
      const end = (error) => {
        if (ended) return;
        ended = true;
        signal.removeEventListener("abort", onAbort);
        if (error === undefined) {
          controller.close();
          controller.byobRequest?.respond(0);
        } else {
          controller.error(error);
          for (const part of chain) part.destroy();
        }
      };
      const onAbort = () => end(signal.reason);
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      const broken = (error) => end(new TypeError("terminated", { cause: error }));
      for (const part of chain) part.on("error", broken);
      answer.on("close", () => answer.complete || broken(new Error("other side closed")));
      for (let at = 1; at < chain.length; at++) chain[at - 1].pipe(chain[at]);
      last.on("data", (chunk) => {
        if (ended || chunk.byteLength === 0) return;
        controller.enqueue(new Uint8Array(chunk));
        if (controller.desiredSize <= 0) last.pause();
      });
      last.on("end", () => end());
      last.pause();
    },
    pull() {
      last.resume();
    },
    cancel() {
      ended = true;
      for (const part of chain) part.destroy();
    },
  }, { highWaterMark: ANSWER_BYTES_MAX });
}

function headersOf(list) {
  const headers = { __proto__: null };
  for (const [name, value] of list) {
    const key = name.toLowerCase();
    headers[key] = key in headers ? `${headers[key]}${key === "cookie" ? "; " : ", "}${value}` : value;
  }
  headers.accept ??= "*/*";
  headers["accept-language"] ??= "*";
  headers["sec-fetch-mode"] ??= "cors";
  headers["user-agent"] ??= "node";
  headers["accept-encoding"] ??= "br, gzip, deflate";
  return headers;
}

function pairs(raw) {
  const list = [];
  for (let at = 0; at < raw.length; at += 2) list.push([raw[at], raw[at + 1]]);
  return list;
}

function answerOf(status, statusMessage, headerList, urlList, body) {
  return responses().fromInnerResponse({
    type: "basic",
    status,
    statusMessage,
    headerList,
    body,
    urlList,
    aborted: false,
    bodyDecoded: false,
    url() {
      return this.urlList[this.urlList.length - 1] ?? null;
    },
  }, "immutable");
}

function bodyFrom(stream) {
  return new (bodies().InnerBody)(stream);
}

// `data:` and `blob:` are answered from what they are.
function local(inner, url, method) {
  if (url.protocol === "blob:" && inner.blobUrlEntry) {
    if (method !== "GET") throw failed(new Error("invalid method"));
    const blob = inner.blobUrlEntry;
    const headers = [["content-length", String(blob.size)], ["content-type", blob.type]];
    return answerOf(200, "OK", headers, [url.href], bodyFrom(blob.stream()));
  }
  const found = /^data:([^,]*?)(;\s*base64)?,(.*)$/is.exec(url.href.replace(/#.*$/s, ""));
  if (found === null) throw failed(new Error("invalid data: URL"));
  const [, type, base64, data] = found;
  const { Buffer } = buffers();
  let bytes = Buffer.from(data.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))), "latin1");
  if (base64) bytes = Buffer.from(bytes.toString("latin1"), "base64");
  const mime = type === "" || type.startsWith(";") ? `text/plain${type || ";charset=US-ASCII"}` : type;
  const body = bodyFrom({ body: new Uint8Array(bytes), consumed: false });
  return answerOf(200, "OK", [["content-type", mime]], [url.href], body);
}

// Where an answer sends the request on to, or nothing.
function nextHop(answer, url, mode) {
  const { location } = answer.headers;
  if (!responses().redirectStatus(answer.statusCode) || mode === "manual") return null;
  if (mode === "error") throw failed(new Error("unexpected redirect"));
  if (location === undefined) return null;
  let next;
  try {
    next = new URL(location, url);
  } catch (error) {
    throw failed(error);
  }
  if (next.protocol !== "http:" && next.protocol !== "https:") {
    throw failed(new Error("URL scheme must be a HTTP(S) scheme"));
  }
  if (next.hash === "") next.hash = url.hash;
  return next;
}

async function follow(request) {
  const inner = requests().toInnerRequest(request);
  const { signal } = request;
  signal.throwIfAborted();
  let url = new URL(inner.currentUrl());
  let { method } = inner;
  if (url.protocol === "data:" || url.protocol === "blob:") return local(inner, url, method);
  let body = bodyOf(inner);
  const headers = headersOf(inner.headerList);
  const visited = [url.href];
  for (let hops = 0;; hops++) {
    if (url.protocol !== "http:" && url.protocol !== "https:") throw failed(new Error("unknown scheme"));
    if (BAD_PORTS.has(url.port)) throw failed(new Error("bad port"));
    if (body === null && (method === "POST" || method === "PUT")) headers["content-length"] = "0";
    else if (body !== null && body.bytes !== null) headers["content-length"] = String(body.bytes.byteLength);
    const answer = await exchange(url, method, headers, body, signal);
    let next;
    try {
      next = nextHop(answer, url, inner.redirectMode);
    } catch (error) {
      answer.destroy();
      throw error;
    }
    const status = answer.statusCode;
    if (next === null) {
      let stream = null;
      if (method === "HEAD" || responses().nullBodyStatus(status)) answer.resume();
      else stream = streamOf(answer, signal);
      return answerOf(status, answer.statusMessage, pairs(answer.rawHeaders), visited, stream && bodyFrom(stream));
    }
    // What it says beside where to go is of no use to anybody.
    answer.resume();
    if (hops === REDIRECTS_MAX) throw failed(new Error("redirect count exceeded"));
    if (status !== 303 && body !== null && body.bytes === null) throw failed(new Error("a stream cannot be sent twice"));
    const becomesGet = (status === 303 && method !== "GET" && method !== "HEAD") ||
      ((status === 301 || status === 302) && method === "POST");
    if (becomesGet) {
      method = "GET";
      body = null;
      for (const name of BODY_HEADERS) delete headers[name];
    }
    if (next.origin !== url.origin) { for (const name of SECRET_HEADERS) delete headers[name]; }
    url = next;
    visited.push(url.href);
  }
}

export function fetch(input, init = undefined) {
  if (arguments.length === 0) {
    return Promise.reject(new TypeError("fetch: 1 argument required, but only 0 present."));
  }
  try {
    return follow(new (requests().Request)(input, init));
  } catch (error) {
    return Promise.reject(error);
  }
}
