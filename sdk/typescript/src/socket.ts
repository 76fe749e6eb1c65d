/**
 * WebSockets of the subprotocol `warren.v1`.
 *
 * ```text
 * binary: stream u8 | offset u64, big endian | bytes        text: one JSON object with a `type`
 * ```
 */

import { WarrenError, parsed } from "./errors.js";
import { Queue } from "./queue.js";
import type { Transport } from "./transport.js";

const PROTOCOL = "warren.v1";
/** Bytes before those of a binary frame. */
const HEADER = 9;
/** Bytes of a frame behind those, at most. */
const PART = 65_536;
/** Bytes that wait to be sent, at most; then a writer waits. */
const SENDING_MAX = 1 << 20;
/** How long a server may take to answer. */
const WITHIN = 10_000;
const OPEN = 1;

/** What of a WebSocket is used: that of browsers, of Node 22 and of `ws`. */
export interface SocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: SocketEvent) => void): void;
}
export interface SocketEvent {
  readonly data?: unknown;
  readonly code?: number;
}
export type SocketClass = new (url: string, protocols: string[]) => SocketLike;

/** What a server says. */
export type Said =
  | { kind: "bytes"; stream: number; offset: number; bytes: Uint8Array }
  | { kind: "message"; message: { type?: string } & Record<string, unknown> };

/** The class of WebSockets there is. */
export async function socketClass(own: SocketClass | undefined): Promise<SocketClass> {
  const here = own ?? (globalThis as { WebSocket?: unknown }).WebSocket;
  if (here !== undefined) return here as SocketClass;
  try {
    // A name that is not seen by what makes bundles: there, there is one.
    const name = "ws";
    return ((await import(name)) as { WebSocket: SocketClass }).WebSocket;
  } catch (cause) {
    const detail = "this version of Node has no WebSocket";
    const hint = "use Node 22 or newer, or add the package `ws`, or give `webSocket` to the client";
    throw new WarrenError({ status: 0, code: "no_websocket", detail, hint }, { cause });
  }
}

/** An open WebSocket. */
export class Socket {
  /** What was said and not taken yet. */
  readonly said = new Queue<Said>((said) => (said.kind === "bytes" ? said.bytes.length : 0) + HEADER);
  /** Why it was closed; 1006 when it broke off. */
  code: number | undefined;
  readonly #socket: SocketLike;

  private constructor(socket: SocketLike) {
    this.#socket = socket;
  }

  /**
   * Opens a WebSocket at a path of the server.
   *
   * @throws `ConnectionLost`, whatever the reason: a WebSocket does not say which
   */
  static async open(transport: Transport, type: SocketClass, path: string, signal: AbortSignal): Promise<Socket> {
    signal.throwIfAborted();
    // A browser can set no header on it, so the key is among the subprotocols; it is never sent back.
    const protocols = transport.key === undefined ? [PROTOCOL] : [PROTOCOL, `bearer.${transport.key}`];
    const like = new type(transport.url.replace(/^http/, "ws") + path, protocols);
    like.binaryType = "arraybuffer";
    const socket = new Socket(like);
    await new Promise<void>((resolve, reject) => {
      // Closing one that is not open is a failure again, in the same breath.
      let settled = false;
      const settle = (end: () => void): void => {
        if (settled) return;
        settled = true;
        clearTimeout(late);
        signal.removeEventListener("abort", failed);
        end();
      };
      const failed = (): void => {
        settle(() => {
          reject(signal.aborted ? signal.reason : transport.lost(undefined));
          like.close();
        });
      };
      const late = setTimeout(failed, WITHIN);
      signal.addEventListener("abort", failed, { once: true });
      like.addEventListener("open", () => settle(resolve));
      like.addEventListener("error", failed);
      like.addEventListener("close", ({ code }) => {
        failed();
        socket.code = code ?? 1006;
        socket.said.close();
      });
      like.addEventListener("message", ({ data }) => socket.#take(data));
    });
    return socket;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === OPEN;
  }

  say(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** Sends input, as fast as it is taken. Nothing is sent of what is left when the socket closes. */
  async input(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += PART) {
      const part = bytes.subarray(at, at + PART);
      const frame = new Uint8Array(HEADER + part.length);
      frame.set(part, HEADER);
      this.#socket.send(frame);
      while (this.isOpen && this.#socket.bufferedAmount > SENDING_MAX) {
        // There is no event for this.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  close(): void {
    this.#socket.close(1000);
  }

  #take(data: unknown): void {
    if (typeof data === "string") {
      const message = parsed(data);
      if (message !== undefined) this.said.put({ kind: "message", message: message as Record<string, unknown> });
    } else if (data instanceof ArrayBuffer && data.byteLength >= HEADER) {
      const view = new DataView(data);
      const bytes = new Uint8Array(data, HEADER);
      this.said.put({ kind: "bytes", stream: view.getUint8(0), offset: Number(view.getBigUint64(1)), bytes });
    }
  }
}
