/**
 * A session's log, and what becomes of its files, followed over as many connections as it takes.
 *
 * ```text
 * GET events ──▶ event, event, event ──╳ broken off or silent: again, with Last-Event-ID ──▶ event, …
 * ```
 * The server counts events without gaps, so what is behind the last one that was seen is all that is missing.
 */

import { Ending } from "./abort.js";
import { given } from "./bytes.js";
import { ConnectionLost, WarrenError, parsed, refusal } from "./errors.js";
import { Patience } from "./patience.js";
import type { Event, FileWatch, Problem, Resync } from "./schema.js";
import { type Sent, parse } from "./sse.js";
import { type CallOptions, type Query, type Transport } from "./transport.js";

/** Milliseconds after which a stream that says nothing is gone. The server says something every 15 seconds. */
const SILENCE_MAX = 45_000;

/** Something that happened to a session. Pass over types you do not know: there may come more. */
export type SessionEvent = Event;
/**
 * Events from number `from` to `to` can no longer be had, or were lost with a server and these numbers are given
 * again: what was made of events before may be wrong, so read the session's state anew.
 */
export type ResyncEvent = Resync;

export interface EventsOptions extends CallOptions {
  /** Those behind this position, `EPOCH.SEQ`; from the first that is kept without it. */
  after?: string | undefined;
  /** `false` ends at the event that is the last now. */
  follow?: boolean | undefined;
  /** Those of one command, until it ends. */
  exec?: number | undefined;
}

export interface WatchOptions extends CallOptions {
  /** Not only what lies in it, but all beneath. */
  recursive?: boolean | undefined;
  /** What becomes of files behind this position; from now on without it. */
  after?: string | undefined;
}

/** The bytes of an `output` event. */
export function outputOf(event: Extract<SessionEvent, { type: "output" }>): Uint8Array {
  return given(event.data, event.data_base64);
}

export async function* follow(
  transport: Transport,
  path: string,
  { after, follow, exec, signal }: EventsOptions,
): AsyncGenerator<SessionEvent | ResyncEvent, void, undefined> {
  const which = { path, query: { after, follow, exec }, signal };
  for await (const event of resumed<SessionEvent | ResyncEvent>(transport, which)) {
    yield event;
    if (event.type === "exited" && event.exec === exec) return;
  }
}

/** What becomes of a file, or of what lies in a directory. */
export async function* watch(
  transport: Transport,
  path: string,
  file: string,
  { recursive, after, signal }: WatchOptions,
): AsyncGenerator<FileWatch, void, undefined> {
  let begun = false;
  const which = { path, query: { path: file, recursive, after }, signal };
  for await (const told of resumed<FileWatch>(transport, which)) {
    // Each connection begins with where it does; who listens began once.
    if (told.type !== "watching" || !begun) yield told;
    begun = true;
  }
}

/** What is sent of where. */
interface Which extends CallOptions {
  path: string;
  query: Query;
}

/** What is sent, over as many connections as it takes. */
async function* resumed<T>(transport: Transport, which: Which): AsyncGenerator<T, void, undefined> {
  const patience = new Patience(transport.patience);
  let last: string | undefined;
  for (;;) {
    let failure: WarrenError;
    const stream = new Stream(transport, which, last);
    try {
      for await (const sent of stream.open()) {
        patience.renew();
        if (sent.event === "error") {
          throw problem(sent);
        }
        if (sent.event === "end") return;
        const event = parsed(sent.data) as T | undefined;
        if (event === undefined) continue;
        last = sent.id ?? last;
        yield event;
      }
      // The server stopped: an end that was asked for is told.
      failure = transport.lost(undefined);
    } catch (error) {
      which.signal?.throwIfAborted();
      failure = error instanceof WarrenError ? error : transport.lost(error);
      const passing = failure instanceof ConnectionLost || (failure.status === 503 && stream.began);
      if (!passing || !stream.began) throw failure;
    } finally {
      stream.close();
    }
    await patience.rest(failure, undefined, which.signal);
  }
}

/** One connection. */
class Stream {
  /** The server took the request; before that the transport had patience enough. */
  began = false;
  readonly #over: Ending;
  readonly #transport: Transport;
  readonly #which: Which;
  readonly #last: string | undefined;

  constructor(transport: Transport, which: Which, last: string | undefined) {
    this.#over = new Ending(which.signal);
    this.#transport = transport;
    this.#which = which;
    this.#last = last;
  }

  async *open(): AsyncGenerator<Sent, void, undefined> {
    const { path, query } = this.#which;
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (this.#last !== undefined) headers["last-event-id"] = this.#last;
    const answer = await this.#transport.call(
      {
        method: "GET",
        path,
        query,
        headers,
        signal: this.#over.signal,
      },
      (answer) => answer,
    );
    this.began = true;
    if (answer.body !== null) yield* parse(this.#heard(answer.body));
  }

  close(): void {
    this.#over.end();
  }

  /** The bytes of a stream, until it is silent for too long. */
  async *#heard(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = body.getReader();
    try {
      for (;;) {
        const silence = setTimeout(() => this.#over.end(), SILENCE_MAX);
        const next = await reader.read().finally(() => clearTimeout(silence));
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }
}

/** A stream that has begun cannot be answered with a status; it says why it ends. */
function problem(sent: Sent): WarrenError {
  const said = parsed(sent.data) as Problem | undefined;
  return refusal(said ?? { code: "strange_answer", status: 0, detail: "the stream ended with an error" });
}
