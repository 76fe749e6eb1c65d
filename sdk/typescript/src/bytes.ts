/** Bytes as text, and text as bytes. */

/** What can be sent as bytes: text goes as UTF-8. */
export type Bytes = string | Uint8Array;
/** Bytes that come one after another. */
export type ByteSource = AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;

const encoder = new TextEncoder();

export function bytesOf(data: Bytes): Uint8Array {
  return typeof data === "string" ? encoder.encode(data) : data;
}

/** Text of UTF-8; what is none becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  // One call has an argument for each byte, so they go in parts.
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}

/** Bytes the server gives as text if they are UTF-8, else in base64. */
export function given(text: string | null | undefined, base64: string | null | undefined): Uint8Array {
  if (typeof text === "string") return encoder.encode(text);
  return typeof base64 === "string" ? fromBase64(base64) : new Uint8Array();
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A stream of what is taken part by part. */
export function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const from = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await from.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await from.return?.();
    },
  });
}

/** A source on its way out, which can be stopped: fetch goes on to take parts of what it no longer sends. */
export class Upload {
  readonly body: ReadableStream<Uint8Array>;
  readonly #from: AsyncIterator<Uint8Array>;
  #stopped = false;

  constructor(source: ByteSource) {
    this.#from = source[Symbol.asyncIterator]();
    this.body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const next = this.#stopped ? undefined : await this.#from.next();
        if (next === undefined || this.#stopped) controller.error(new Error("the upload was stopped"));
        else if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
    });
  }

  /** The source gives no more; it is told so, and not waited for. */
  stop(): void {
    this.#stopped = true;
    Promise.resolve(this.#from.return?.()).catch(() => undefined);
  }
}
