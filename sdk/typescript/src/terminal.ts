/**
 * A terminal of a session: a shell with a name and a screen, which goes on without viewers.
 *
 * ```text
 * attach ──▶ size, screen ──▶ data by offset ──╳ broken off, or left by a slow reader: attach?offset=N
 *        ◀── keys, resize                      ──▶ what is missing; when it is too much: gap, size, screen
 * ```
 */

import { type Bytes, bytesOf, joined } from "./bytes.js";
import { ConnectionLost, type Refusal, WarrenError, refusal } from "./errors.js";
import { Patience } from "./patience.js";
import { Gate, Queue } from "./queue.js";
import type { End, NewTerminal, Screen, Terminal as TerminalInfo } from "./schema.js";
import { type Said, Socket, type SocketClass, socketClass } from "./socket.js";
import { type CallOptions, type Transport, path } from "./transport.js";

/** Bytes that wait for a slow reader, at most: what follows is left with the server until they are read. */
const HELD_MAX = 1 << 20;
/** Codes of a close: the client is no longer let in, something went wrong, the server stops. */
const [REFUSED, FAILED, RESTART] = [1008, 1011, 1012];
/** The stream of a screen; the terminal's own is 1. */
const SCREEN = 3;
/** What makes a terminal empty: the first screen, no margins, no colours, the cursor in its corner. */
const EMPTY = "\x1b[?1049l\x1b[r\x1b[m\x1b[H\x1b[2J";

/** What happens at a terminal. */
export type TerminalEvent =
  /** There is a connection: the first, or the next after one that broke. */
  | { type: "attached"; running: boolean }
  /** It wrote these bytes, the first of them at `offset` of its stream. */
  | { type: "data"; offset: number; bytes: Uint8Array }
  /** An empty terminal of this size shows what it shows after these bytes; its stream goes on at `offset`. */
  | { type: "screen"; offset: number; rows: number; columns: number; bytes: Uint8Array }
  /** Its size, for everybody. */
  | { type: "size"; rows: number; columns: number }
  /** These bytes are no longer there; a screen follows. */
  | { type: "gap"; from: number; to: number }
  /** Its command has ended. Whoever attaches next starts it anew. */
  | { type: "exit"; end: End | null; exitCode: number | null; signal: string | null }
  /** It was closed. */
  | { type: "closed" }
  /** Something that was asked of it was refused; it goes on. */
  | { type: "error"; error: WarrenError };

export interface TerminalOptions extends CallOptions, NewTerminal {
  /** Only looks: opens nothing, starts nothing, types nothing. */
  view?: boolean | undefined;
  /** Bytes of its stream the caller has: what is missing follows, if that is among the last 256 KiB, else a screen. */
  offset?: number | undefined;
}

/**
 * A terminal, attached to. Iterate it once: over its events, or with {@link data} over bytes for a terminal of your
 * own.
 */
export class Terminal implements AsyncIterable<TerminalEvent> {
  readonly name: string;
  /** Bytes of its stream that came so far. */
  offset: number | undefined;
  rows = 0;
  columns = 0;
  readonly #transport: Transport;
  readonly #type: SocketClass;
  readonly #path: string;
  readonly #mode: "view" | "write";
  readonly #over = new AbortController();
  readonly #events = new Queue<TerminalEvent>((event) => ("bytes" in event ? event.bytes.length : 0) + 64);
  #socket: Socket | undefined;
  readonly #attached = new Gate();
  /** Parts of a screen that is being sent. */
  #screen: { offset: number; missing: number; parts: Uint8Array[] } | undefined;

  private constructor(transport: Transport, type: SocketClass, at: string, name: string, options: TerminalOptions) {
    this.#transport = transport;
    this.#type = type;
    this.#path = at;
    this.name = name;
    this.#mode = options.view === true ? "view" : "write";
    this.offset = options.offset;
    options.signal?.addEventListener("abort", () => this.#end(options.signal?.reason), { once: true });
  }

  /** Opens a terminal, unless one of this name is there, and attaches to it. */
  static async attach(
    transport: Transport,
    own: SocketClass | undefined,
    session: string,
    options: TerminalOptions,
  ): Promise<Terminal> {
    const { view, offset: _, signal, ...asked } = options;
    let name = asked.name ?? undefined;
    if (view !== true) {
      const at = path`/v1/sessions/${session}/terminals`;
      const opening = transport.json<TerminalInfo>({ method: "POST", path: at, json: asked, signal });
      const opened = await opening.catch((error: unknown) => {
        if (error instanceof WarrenError && error.code === "terminal_exists") return undefined;
        throw error;
      });
      name = opened?.terminal ?? name;
    }
    if (name === undefined) {
      throw new WarrenError({ status: 0, code: "invalid_request", detail: "to look at a terminal takes its name" });
    }
    const at = path`/v1/sessions/${session}/terminals/${name}`;
    const terminal = new Terminal(transport, await socketClass(own), at, name, options);
    void terminal.#run();
    await terminal.#attached.passed();
    return terminal;
  }

  /** What happens, in order. Ends when the terminal does, or after {@link detach}. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TerminalEvent, void, undefined> {
    try {
      for (let event = await this.#events.take(); event !== undefined; event = await this.#events.take()) {
        yield event;
      }
    } finally {
      this.detach();
    }
  }

  /** Bytes that show on another terminal what this one shows. */
  get data(): AsyncIterable<Uint8Array> {
    return this.#data();
  }

  async *#data(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const event of this) {
      if (event.type === "data") yield event.bytes;
      if (event.type === "screen") yield joined([bytesOf(EMPTY), event.bytes]);
    }
  }

  /**
   * Types. Waits until the terminal is attached; a key that is typed while the connection breaks may be lost, and is
   * never typed twice.
   */
  async write(data: Bytes): Promise<void> {
    await this.#attached.passed();
    await this.#socket?.input(bytesOf(data));
  }

  /** Sets its size, for everybody. */
  async resize(size: { rows: number; columns: number }): Promise<void> {
    await this.#attached.passed();
    this.#socket?.say({ type: "resize", rows: size.rows, columns: size.columns });
  }

  /** Its screen as lines of text, and where its cursor is. */
  screen(options: CallOptions = {}): Promise<Screen> {
    return this.#transport.json<Screen>({ method: "GET", path: this.#path, signal: options.signal });
  }

  /** Leaves it; it goes on. */
  detach(): void {
    this.#end(undefined);
  }

  /** Hangs it up. */
  hangUp(options: CallOptions = {}): Promise<void> {
    return this.#transport.done({ method: "DELETE", path: this.#path, signal: options.signal });
  }

  #end(error: unknown): void {
    if (error === undefined) this.#events.close();
    else this.#events.fail(error);
    const detail = `the terminal ${this.name} was left, or is over`;
    this.#attached.fail(error ?? new ConnectionLost({ status: 0, code: "detached", detail }));
    this.#over.abort();
    this.#socket?.close();
  }

  /** Attaches, and comes back as often as the connection breaks. */
  async #run(): Promise<void> {
    const patience = new Patience(this.#transport.patience);
    try {
      for (;;) {
        let failure: WarrenError;
        try {
          if (await this.#attend(patience)) break;
          failure = this.#transport.lost(undefined);
        } catch (error) {
          if (!(error instanceof ConnectionLost)) throw error;
          failure = error;
          await this.#refusal();
        }
        await patience.rest(failure, undefined, this.#over.signal);
      }
      this.#end(undefined);
    } catch (error) {
      if (!this.#over.signal.aborted) this.#end(error);
    }
  }

  /** One connection, until it ends; whether the terminal did. */
  async #attend(patience: Patience): Promise<boolean> {
    const at = `${this.#path}/attach?mode=${this.#mode}${this.offset === undefined ? "" : `&offset=${this.offset}`}`;
    const socket = await Socket.open(this.#transport, this.#type, at, this.#over.signal);
    this.#socket = socket;
    this.#screen = undefined;
    let end: TerminalEvent | undefined;
    let problem: WarrenError | undefined;
    let left: Left | undefined;
    for (let said = await socket.said.take(); said !== undefined; said = await socket.said.take()) {
      patience.renew();
      const from = this.offset;
      const event = this.#heard(said);
      if (event?.type === "error") problem = event.error;
      if (event?.type === "exit" || event?.type === "closed") {
        end = event;
      } else if (left !== undefined && event?.type !== "error") {
        // Kept by the server: it comes again, from where the reader is.
        if (event?.type === "data") left.to = event.offset + event.bytes.length;
        this.offset = left.from;
      } else if (event !== undefined) {
        this.#events.put(event);
      }
      if (left === undefined && this.#events.held > HELD_MAX) {
        left = { from: this.offset ?? from ?? 0, to: this.offset ?? 0 };
        void this.#events.drained().then(() => socket.close());
      }
    }
    this.#attached.shut();
    this.#socket = undefined;
    // What ends because its server does goes on with the next.
    if (end !== undefined && socket.code !== RESTART) {
      if (left !== undefined && left.to > left.from) this.#events.put({ type: "gap", from: left.from, to: left.to });
      this.#events.put(end);
      return true;
    }
    const refused = socket.code === REFUSED || (socket.code === FAILED && problem?.status !== 503);
    if (refused) throw problem ?? refusal({ status: 401, code: "unauthorized", detail: "the key is let in no more" });
    return false;
  }

  #heard(said: Said): TerminalEvent | undefined {
    if (said.kind === "bytes") return this.#bytes(said);
    const { message } = said;
    switch (message.type) {
      case "attached":
        this.rows = Number(message["rows"]);
        this.columns = Number(message["columns"]);
        this.#attached.open();
        return { type: "attached", running: message["running"] === true };
      case "size": {
        this.rows = Number(message["rows"]);
        this.columns = Number(message["columns"]);
        return { type: "size", rows: this.rows, columns: this.columns };
      }
      case "screen":
        this.#screen = { offset: Number(message["offset"]), missing: Number(message["bytes"]), parts: [] };
        return this.#shown();
      case "gap":
        return { type: "gap", from: Number(message["from"]), to: Number(message["to"]) };
      case "exit": {
        const { end, status, signal } = message as { end?: End; status?: number; signal?: string };
        return { type: "exit", end: end ?? null, exitCode: status ?? null, signal: signal ?? null };
      }
      case "closed":
        return { type: "closed" };
      case "error":
        return { type: "error", error: refusal({ status: 0, code: "error", detail: "", ...message } as Refusal) };
      default:
        return undefined;
    }
  }

  #bytes({ stream, offset, bytes }: Extract<Said, { kind: "bytes" }>): TerminalEvent | undefined {
    if (stream === SCREEN && this.#screen !== undefined) {
      this.#screen.parts.push(bytes);
      this.#screen.missing -= bytes.length;
      return this.#shown();
    }
    if (stream !== 1) return undefined;
    this.offset = offset + bytes.length;
    return { type: "data", offset, bytes };
  }

  /** The screen, when all of it is there. */
  #shown(): TerminalEvent | undefined {
    const screen = this.#screen;
    if (screen === undefined || screen.missing > 0) return undefined;
    this.#screen = undefined;
    this.offset = screen.offset;
    const { rows, columns } = this;
    return { type: "screen", offset: screen.offset, rows, columns, bytes: joined(screen.parts) };
  }

  /**
   * A WebSocket does not say why it is not opened; the same asked without one does. Nothing, for a reason that
   * passes.
   */
  async #refusal(): Promise<void> {
    const { signal } = this.#over;
    const read = (answer: Response): Promise<unknown> => answer.arrayBuffer();
    await this.#transport.call({ method: "GET", path: this.#path, signal }, read);
    const query = { mode: this.#mode };
    const attach = this.#transport.call({ method: "GET", path: `${this.#path}/attach`, query, signal }, read);
    await attach.catch((error: unknown) => {
      if (!(error instanceof WarrenError && error.code === "upgrade_required")) throw error;
    });
  }
}

/** What a slow reader was not given: bytes of the stream. */
interface Left {
  from: number;
  to: number;
}
