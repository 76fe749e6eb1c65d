/**
 * Ending what streams.
 *
 * Node's fetch forgets the signal it was given once the answer has begun and memory is collected, so the body of an
 * answer is ended here, by a listener that the signal holds.
 */

/** A signal that follows another, and can be given by itself. */
export class Ending {
  readonly #own = new AbortController();
  readonly #other: AbortSignal | undefined;
  readonly #follow = (): void => this.#own.abort(this.#other?.reason);

  constructor(other: AbortSignal | undefined) {
    this.#other = other;
    if (other?.aborted === true) this.#follow();
    else other?.addEventListener("abort", this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  /** Gives it, and follows no more. */
  end(): void {
    this.#other?.removeEventListener("abort", this.#follow);
    this.#own.abort();
  }
}

/** A stream that fails with the signal's reason when that is given. */
export function abortable(body: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let aborted = (): void => undefined;
  const forget = (): void => signal.removeEventListener("abort", aborted);
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        aborted = () => {
          controller.error(signal.reason);
          reader.cancel(signal.reason).catch(() => undefined);
        };
        if (signal.aborted) aborted();
        else signal.addEventListener("abort", aborted, { once: true });
      },
      async pull(controller) {
        try {
          const next = await reader.read();
          if (signal.aborted) return;
          if (next.done) {
            forget();
            controller.close();
          } else {
            controller.enqueue(next.value);
          }
        } catch (error) {
          forget();
          throw error;
        }
      },
      async cancel(reason) {
        forget();
        await reader.cancel(reason);
      },
    },
    // Nothing is read before it is asked for.
    { highWaterMark: 0 },
  );
}
