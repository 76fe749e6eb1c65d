/** What is taken one by one, and what is waited for. */

/** Things that come when they come, and are taken one by one. */
export class Queue<T> {
  readonly #size: (item: T) => number;
  readonly #items: T[] = [];
  #held = 0;
  #closed = false;
  #failure: { error: unknown } | undefined;
  readonly #waiting: (() => void)[] = [];
  readonly #drained: (() => void)[] = [];

  /** @param size how much of the room an item takes */
  constructor(size: (item: T) => number) {
    this.#size = size;
  }

  /** How much is held. */
  get held(): number {
    return this.#held;
  }

  put(item: T): void {
    if (this.#closed) return;
    this.#items.push(item);
    this.#held += this.#size(item);
    this.#wake();
  }

  /** Nothing more comes; what is held can still be taken. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Nothing more comes but this error. */
  fail(error: unknown): void {
    if (this.#closed) return;
    this.#failure = { error };
    this.close();
  }

  /** The next; `undefined` at the end. */
  async take(): Promise<T | undefined> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#held -= this.#size(item);
        if (this.#items.length === 0) this.#drained.splice(0).forEach((wake) => wake());
        return item;
      }
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#closed) return undefined;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Waits until all of it was taken, or nothing more comes. */
  async drained(): Promise<void> {
    while (this.#items.length > 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
  }

  #wake(): void {
    this.#waiting.splice(0).forEach((wake) => wake());
    if (this.#closed) this.#drained.splice(0).forEach((wake) => wake());
  }
}

/** A door that is open or shut, and at last may be walled up. */
export class Gate {
  #open = false;
  #failure: { error: unknown } | undefined;
  readonly #waiting: (() => void)[] = [];

  open(): void {
    this.#open = true;
    this.#waiting.splice(0).forEach((wake) => wake());
  }

  shut(): void {
    this.#open = false;
  }

  /** It will not open again. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.open();
  }

  /** Waits until it is open. */
  async passed(): Promise<void> {
    while (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
