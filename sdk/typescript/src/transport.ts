/**
 * Requests, and when they are sent again.
 *
 * ```text
 * refused with Retry-After ──▶ nothing was done: again, when the server says
 * broken off ──▶ GET, or with an Idempotency-Key: again; nobody took the connection: again; anything else: the caller's
 * ```
 */

import { abortable } from "./abort.js";
import { type ByteSource, Upload } from "./bytes.js";
import { ConnectionLost, WarrenError, refused } from "./errors.js";
import { Patience } from "./patience.js";

/** What every call takes beside what it is about. */
export interface CallOptions {
  /** Ends the call. What the server has begun goes on. */
  signal?: AbortSignal | undefined;
}

/** What a call that makes or starts something takes. */
export interface KeyedOptions extends CallOptions {
  /**
   * Done at most once with this key, also when the program itself was started again; for 24 hours the same request is
   * answered as the first was. Without one each call has a key of its own.
   */
  idempotencyKey?: string | undefined;
}

/** Each of several values is said under the same name. */
export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

export interface Call extends KeyedOptions {
  method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Escaped: made with {@link path}. */
  path: string;
  query?: Query | undefined;
  headers?: Record<string, string> | undefined;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is; a stream can be sent once. */
  body?: Uint8Array | Blob | ByteSource | undefined;
  /** Doing it twice is as good as once, though it is neither a GET nor has a key. */
  repeatable?: boolean | undefined;
}

export interface TransportOptions {
  url: string;
  key: string | undefined;
  fetch: typeof globalThis.fetch;
  /** Milliseconds for which failures in a row are borne. */
  patience: number;
}

/** Codes of refusals that came after it was done. */
const DONE = new Set(["audit_unavailable"]);
/** Failures of Node's fetch before the server has anything. */
const UNREACHED = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);
/** Failures of Node's fetch after the server was silent for minutes. */
const SILENT = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"]);

/** The way to a server. */
export class Transport {
  readonly url: string;
  readonly key: string | undefined;
  readonly patience: number;
  readonly #fetch: typeof globalThis.fetch;
  /** A server answered: it is worth waiting for. One that was never seen is not. */
  #seen = false;

  constructor(options: TransportOptions) {
    this.url = options.url.replace(/\/+$/, "");
    this.key = options.key;
    this.patience = options.patience;
    this.#fetch = options.fetch;
  }

  /** What a JSON answer says. */
  json<T>(call: Call): Promise<T> {
    return this.call(call, (answer) => answer.json() as Promise<T>);
  }

  /** Something that has no answer. */
  async done(call: Call): Promise<void> {
    await this.call(call, (answer) => answer.arrayBuffer());
  }

  /**
   * A request, sent until there is an answer or it is not worth while; `read` takes the answer in, and is part of it.
   */
  async call<T>(call: Call, read: (answer: Response) => Promise<T> | T): Promise<T> {
    const { body } = call;
    if (body === undefined || body instanceof Uint8Array || body instanceof Blob) {
      return this.#persist(call, this.#request(call, body), read);
    }
    const upload = new Upload(body);
    try {
      return await this.#persist(call, this.#request(call, upload.body), read);
    } finally {
      upload.stop();
    }
  }

  async #persist<T>(call: Call, request: Prepared, read: (answer: Response) => Promise<T> | T): Promise<T> {
    const keyed = request.headers.has("idempotency-key");
    const repeatable = call.repeatable === true || keyed || call.method === "GET" || call.method === "HEAD";
    const replayable = !(request.init.body instanceof ReadableStream);
    const patience = new Patience(this.patience);
    let broken = false;
    for (;;) {
      try {
        return await this.#attempt(request, read);
      } catch (error) {
        call.signal?.throwIfAborted();
        if (!(error instanceof WarrenError)) throw error;
        // The attempt that broke off may have done it.
        if (broken && call.method === "DELETE" && (error.status === 404 || error.status === 410)) {
          return undefined as T;
        }
        if (!replayable) throw error;
        if (error instanceof ConnectionLost) {
          const reached = error.code !== "unreachable";
          if (reached ? !repeatable : !this.#seen) throw error;
          if (error.code === "silent") patience.renew();
          broken ||= reached;
        } else if (!again(error)) {
          throw error;
        }
        // The attempt before is still being done: as long as that takes.
        if (error.code === "key_running") patience.renew();
        await patience.rest(error, error.retryAfter, call.signal);
      }
    }
  }

  async #attempt<T>(request: Prepared, read: (answer: Response) => Promise<T> | T): Promise<T> {
    let answer: Response;
    try {
      const fetch = this.#fetch;
      answer = await fetch(request.url, request.init);
      const { signal } = request.init;
      if (answer.ok && answer.body !== null && signal instanceof AbortSignal) {
        const { status, headers } = answer;
        answer = new Response(abortable(answer.body, signal), { status, headers });
      }
    } catch (error) {
      throw this.lost(error);
    }
    this.#seen = true;
    if (!answer.ok) throw await refused(answer).catch((error) => this.lost(error));
    try {
      return await read(answer);
    } catch (error) {
      if (error instanceof WarrenError) throw error;
      if (!(error instanceof SyntaxError)) throw this.lost(error);
      const detail = `${this.url} does not answer as a warren server does`;
      throw new WarrenError({ code: "strange_answer", status: answer.status, detail }, { cause: error });
    }
  }

  #request(call: Call, body: Uint8Array | Blob | ReadableStream<Uint8Array> | undefined): Prepared {
    const url = new URL(this.url + call.path);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value === undefined || value === null) continue;
      for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(one));
    }
    const headers = new Headers(call.headers);
    if (this.key !== undefined) headers.set("authorization", `Bearer ${this.key}`);
    if (call.method === "POST") headers.set("idempotency-key", call.idempotencyKey ?? crypto.randomUUID());
    const init: RequestInit & { duplex?: "half" } = { method: call.method, headers, redirect: "error" };
    if (call.json !== undefined) {
      headers.set("content-type", "application/json");
      init.body = JSON.stringify(call.json);
    } else if (body !== undefined) {
      if (!headers.has("content-type")) headers.set("content-type", "application/octet-stream");
      init.body = body as BodyInit;
      if (body instanceof ReadableStream) init.duplex = "half";
    }
    if (call.signal !== undefined) init.signal = call.signal;
    return { url, headers, init };
  }

  /** The error of a connection that broke. */
  lost(cause: unknown): ConnectionLost {
    const word = reason(cause);
    const code = UNREACHED.has(word) ? "unreachable" : SILENT.has(word) ? "silent" : "connection_lost";
    const what = code === "unreachable" ? `no server answers at ${this.url}` : `the connection to ${this.url} broke`;
    const detail = word === "" ? what : `${what}: ${word}`;
    const hint = code === "unreachable" ? "start one with `warren serve`, or say where it is by WARREN_URL" : undefined;
    return new ConnectionLost({ code, status: 0, detail, hint }, { cause });
  }
}

interface Prepared {
  url: URL;
  headers: Headers;
  init: RequestInit;
}

/** Whether the server says that it did nothing, and when to ask again. */
function again(error: WarrenError): boolean {
  const later = error.status === 429 || error.status === 503 || error.code === "key_running";
  return later && error.retryAfter !== undefined && !DONE.has(error.code);
}

/** The system's own word for a failure, wherever it is wrapped. */
function reason(error: unknown): string {
  for (let depth = 0; depth < 4 && error instanceof Error; depth += 1) {
    const { code, errors } = error as { code?: unknown; errors?: unknown };
    if (typeof code === "string") return code;
    error = Array.isArray(errors) ? errors[0] : error.cause;
  }
  return "";
}

/** A path of parts, each escaped so that it stays one part, whatever is in it. */
export function path(parts: TemplateStringsArray, ...values: (string | number)[]): string {
  return String.raw({ raw: parts }, ...values.map((value) => part(String(value))));
}

function part(text: string): string {
  // A URL takes these out on the way, and would mean another path.
  if (text === "" || text === "." || text === "..") {
    throw new WarrenError({ status: 0, code: "invalid_name", detail: `\`${text}\` cannot be a name` });
  }
  return encodeURIComponent(text);
}
