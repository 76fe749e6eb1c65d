/** Waiting between attempts. */

/** Before the first attempt to come back, in milliseconds; doubled with each. */
const PAUSE = 100;
const PAUSE_MAX = 5_000;

/** How long failures in a row are borne. */
export class Patience {
  readonly #limit: number;
  #pause = PAUSE;
  #since: number | undefined;

  /** @param limit milliseconds from the first failure to the last attempt */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Something came: the next failure is a first one. */
  renew(): void {
    this.#pause = PAUSE;
    this.#since = undefined;
  }

  /**
   * Waits before the next attempt, as long as the server asked for at least.
   *
   * @throws the failure itself, when it was borne long enough
   */
  async rest(failure: Error, atLeast: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    const now = performance.now();
    this.#since ??= now;
    // Clients that lost the same server do not come back all at once.
    const pause = Math.max(atLeast ?? 0, this.#pause * (0.5 + Math.random() / 2));
    if (now - this.#since + pause > this.#limit) throw failure;
    this.#pause = Math.min(this.#pause * 2, PAUSE_MAX);
    await sleep(pause, signal);
  }
}

/** @throws the signal's reason, when it is aborted */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const aborted = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
