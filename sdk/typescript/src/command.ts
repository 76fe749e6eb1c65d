/**
 * Commands: run to their end, or started and held.
 *
 * ```text
 * exec:   POST ─────────────────────────────▶ outcome              broken off: the same again, with the same key
 * spawn:  POST ──▶ number ──▶ output?offset=  ──▶ bytes, bytes …    broken off: again from the byte that is missing
 *                         ◀── stdin, signal, resize, each with a key: what is sent again is not done again
 * ```
 * A command belongs to its session: it goes on when its client does not.
 */

import { type ByteSource, type Bytes, bytesOf, given, joined, streamOf, textOf, toBase64 } from "./bytes.js";
import { WarrenError } from "./errors.js";
import { sleep } from "./patience.js";
import type { End, Exec, Finished, NewExec, Started, WindowSize } from "./schema.js";
import { type CallOptions, type KeyedOptions, type Transport, path } from "./transport.js";

/** Bytes of input that are sent at a time. */
const PART = 64 * 1024;
/** Bytes of input that go into the request itself; more follow it. */
const INLINE_MAX = 1 << 20;
/**
 * Bytes of each stream that a result holds, when it is streamed. The server's own bound is
 * `sessions.output_bytes_max`.
 */
const RESULT_MAX = 1 << 20;

/** How a command is run. */
export interface RunOptions extends KeyedOptions {
  cwd?: string | undefined;
  /** Environment entries beside the session's own; they win. */
  env?: Record<string, string> | undefined;
  /** It is killed after this long: milliseconds, or text as in `90s`. */
  timeout?: number | string | undefined;
  /** A terminal of this size instead of pipes. */
  terminal?: WindowSize | undefined;
}

export interface ExecOptions extends RunOptions {
  /** Its standard input; without it there is none. */
  stdin?: Bytes | ByteSource | undefined;
  /** Called with output as it comes; the next is asked for when it is done. */
  onStdout?: ((bytes: Uint8Array) => void | Promise<void>) | undefined;
  onStderr?: ((bytes: Uint8Array) => void | Promise<void>) | undefined;
}

/** How a command ended. */
export interface Outcome {
  /** Its number in its session. */
  exec: number;
  /** `interrupted`: its session was put to rest or its server died, and what it did until then nobody can say. */
  end: End;
  /** What a shell would call it; `null` when nobody can say. */
  exitCode: number | null;
  /** The signal that ended it. */
  signal: string | null;
  /** Why it was not started. */
  errno: string | null;
  /** CPU time it and what it waited for used. */
  cpuMs: number | null;
  /** Where the event of its end stands. */
  position: string | null;
}

export interface ExecResult extends Outcome {
  /** As text; what is no UTF-8 becomes U+FFFD. */
  stdout: string;
  stderr: string;
  stdoutBytes: Uint8Array;
  stderrBytes: Uint8Array;
  /** There was more, or some is no longer kept: `session.attach(exec)` reads by offset. */
  cut: boolean;
}

/** A line for the shell, or a program and its arguments. */
export type Words = string | readonly string[];

/** Runs a command to its end. */
export async function exec(
  transport: Transport,
  session: string,
  words: Words,
  options: ExecOptions,
): Promise<ExecResult> {
  const { stdin, onStdout, onStderr } = options;
  const input = typeof stdin === "string" || stdin instanceof Uint8Array ? bytesOf(stdin) : undefined;
  const inline = stdin === undefined || (input !== undefined && input.length <= INLINE_MAX);
  if (!inline || onStdout !== undefined || onStderr !== undefined) {
    return streamed(await start(transport, session, words, options, inline ? input : "open"), options, inline);
  }
  const finished = await transport.json<Finished>({
    method: "POST",
    path: path`/v1/sessions/${session}/exec`,
    json: request(words, options, input),
    idempotencyKey: options.idempotencyKey,
    signal: options.signal,
  });
  const stdoutBytes = given(finished.stdout, finished.stdout_base64);
  const stderrBytes = given(finished.stderr, finished.stderr_base64);
  return result(outcome(finished), stdoutBytes, stderrBytes, finished.cut);
}

/** Starts a command with its standard input open. */
export function spawn(transport: Transport, session: string, words: Words, options: RunOptions): Promise<Command> {
  return start(transport, session, words, options, "open");
}

/** A command of a session that was started, by whomever. */
export class Command {
  /** Its number in its session. */
  readonly exec: number;
  readonly stdin: Stdin;
  /** Of a command on a terminal, all it shows. */
  readonly stdout: Output;
  readonly stderr: Output;
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, session: string, exec: number, offsets: Offsets = {}) {
    this.#transport = transport;
    this.#path = path`/v1/sessions/${session}/execs/${exec}`;
    this.exec = exec;
    this.stdin = new Stdin(transport, this.#path);
    this.stdout = new Output(transport, this.#path, "stdout", offsets);
    this.stderr = new Output(transport, this.#path, "stderr", offsets);
  }

  /** As it is now. */
  info(options: CallOptions = {}): Promise<Exec> {
    return this.#transport.json<Exec>({ method: "GET", path: this.#path, signal: options.signal });
  }

  /** Sends a signal, `INT` or `SIGINT` or `2`, to its process group. */
  signal(signal: string, options: KeyedOptions = {}): Promise<void> {
    return this.#transport.done({ method: "POST", path: `${this.#path}/signal`, json: { signal }, ...options });
  }

  /** Sets its terminal's window. */
  resize(size: WindowSize, options: KeyedOptions = {}): Promise<void> {
    const { rows, columns } = size;
    return this.#transport.done({ method: "POST", path: `${this.#path}/resize`, json: { rows, columns }, ...options });
  }

  /** Waits until it has ended. Its output is not read by that, and can be read before, meanwhile and after. */
  async wait(options: CallOptions = {}): Promise<Outcome> {
    // Behind all there will ever be is the end, and nothing before it.
    const end = new Output(this.#transport, this.#path, "stdout", { stdout: Number.MAX_SAFE_INTEGER });
    await end.next(options.signal);
    for (let pause = 1; ; pause = Math.min(pause * 2, 100)) {
      const info = await this.info(options);
      if (!info.running) return outcome(info);
      await sleep(pause, options.signal);
    }
  }
}

/** Bytes of a stream the caller has. */
export interface Offsets {
  stdout?: number | undefined;
  stderr?: number | undefined;
}

/**
 * A stream of a command, to be iterated. Only what is asked for is fetched. Whoever iterates it again, after a
 * `break` or an error, goes on where it was.
 */
export class Output implements AsyncIterable<Uint8Array> {
  /** Bytes of the stream before the next ones; a {@link Command} made with it goes on here. */
  offset: number;
  /** Bytes that were no longer kept when their turn came, and were left out. */
  lost = 0;
  /** Nothing follows. */
  ended = false;
  readonly #transport: Transport;
  readonly #path: string;
  readonly #stream: "stdout" | "stderr";

  constructor(transport: Transport, command: string, stream: "stdout" | "stderr", offsets: Offsets) {
    this.#transport = transport;
    this.#path = `${command}/output`;
    this.#stream = stream;
    this.offset = offsets[stream] ?? 0;
  }

  /** Waits for the next bytes; `undefined` at the end. */
  async next(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    while (!this.ended) {
      const query = { stream: this.#stream, offset: this.offset, wait: true };
      const call = { method: "GET" as const, path: this.#path, query, signal };
      const part = await this.#transport.call(call, async (answer) => ({
        offset: Number(answer.headers.get("warren-offset") ?? query.offset),
        ended: answer.headers.get("warren-end") === "true",
        bytes: new Uint8Array(await answer.arrayBuffer()),
      }));
      this.lost += part.offset - this.offset;
      this.offset = part.offset + part.bytes.length;
      this.ended = part.ended;
      if (part.bytes.length > 0) return part.bytes;
    }
    return undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (let bytes = await this.next(); bytes !== undefined; bytes = await this.next()) {
      yield bytes;
    }
  }

  /** The rest of it as text. All of it is held. */
  async text(): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const bytes of this) parts.push(bytes);
    return textOf(joined(parts));
  }

  /** The rest of it as a stream, as {@link Response} and others take it. */
  stream(): ReadableStream<Uint8Array> {
    return streamOf(this);
  }
}

/** Standard input of a command. What is written goes in order, each part once. */
export class Stdin {
  readonly #transport: Transport;
  readonly #path: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(transport: Transport, command: string) {
    this.#transport = transport;
    this.#path = `${command}/stdin`;
  }

  /** Resolves when the session has it, which is before the command has read it. */
  write(data: Bytes | ByteSource, options: CallOptions = {}): Promise<void> {
    return this.#behind(async () => {
      if (typeof data !== "string" && !(data instanceof Uint8Array)) {
        for await (const bytes of data) await this.#send(bytes, options);
      } else {
        await this.#send(bytesOf(data), options);
      }
    });
  }

  /** Writes the last, if there is any, and ends it. */
  async end(data?: Bytes | ByteSource, options: CallOptions = {}): Promise<void> {
    if (data !== undefined) await this.write(data, options);
    const { signal } = options;
    const call = { method: "POST" as const, path: this.#path, query: { close: true }, body: new Uint8Array(), signal };
    return this.#behind(async () => {
      // A command that is over by now has nothing that could be ended.
      await this.#transport.done(call).catch(unlessOver);
    });
  }

  async #send(bytes: Uint8Array, { signal }: CallOptions): Promise<void> {
    for (let at = 0; at < bytes.length; at += PART) {
      const body = bytes.slice(at, at + PART);
      await this.#transport.done({ method: "POST", path: this.#path, body, signal });
    }
  }

  /** Does it when what was written before is there. */
  #behind<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

async function start(
  transport: Transport,
  session: string,
  words: Words,
  options: RunOptions,
  input: Uint8Array | "open" | undefined,
): Promise<Command> {
  const started = await transport.json<Started>({
    method: "POST",
    path: path`/v1/sessions/${session}/exec`,
    json: { ...request(words, options, input), detach: true },
    idempotencyKey: options.idempotencyKey,
    signal: options.signal,
  });
  return new Command(transport, session, started.exec);
}

function request(words: Words, options: RunOptions, input: Uint8Array | "open" | undefined): NewExec {
  const { cwd, env, timeout, terminal } = options;
  return {
    ...(typeof words === "string" ? { command: words } : { argv: [...words] }),
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env }),
    ...(timeout !== undefined && { timeout: typeof timeout === "number" ? `${Math.ceil(timeout)}ms` : timeout }),
    ...(terminal !== undefined && { terminal }),
    ...(input !== undefined && { stdin: input === "open" ? input : { base64: toBase64(input) } }),
  };
}

/** Feeds a command, reads what it says, and waits for its end. */
async function streamed(command: Command, options: ExecOptions, fed: boolean): Promise<ExecResult> {
  const { signal, stdin } = options;
  const stdout = new Kept();
  const stderr = new Kept();
  const all = new AbortController();
  const call = { signal: signal === undefined ? all.signal : AbortSignal.any([signal, all.signal]) };
  const read = async (output: Output, kept: Kept, seen: ExecOptions["onStdout"]): Promise<void> => {
    for (let bytes = await output.next(call.signal); bytes !== undefined; bytes = await output.next(call.signal)) {
      kept.add(bytes);
      await seen?.(bytes);
    }
  };
  const feed = async (): Promise<void> => {
    // A command that ends without reading all of it is none of its writer's business.
    await command.stdin.end(stdin, call).catch(unlessOver);
  };
  try {
    await Promise.all([
      read(command.stdout, stdout, options.onStdout),
      read(command.stderr, stderr, options.onStderr),
      fed ? undefined : feed(),
    ]);
    const cut = stdout.cut || stderr.cut || command.stdout.lost + command.stderr.lost > 0;
    return result(await command.wait(call), stdout.bytes(), stderr.bytes(), cut);
  } finally {
    // The first that fails ends the others.
    all.abort();
  }
}

/** Passes over the refusal of input because nobody is there to take it. */
function unlessOver(error: unknown): void {
  if (!(error instanceof WarrenError && error.code === "no_input")) throw error;
}

/** The beginning of a stream. */
class Kept {
  cut = false;
  #length = 0;
  readonly #parts: Uint8Array[] = [];

  add(bytes: Uint8Array): void {
    const room = RESULT_MAX - this.#length;
    this.cut ||= bytes.length > room;
    if (room <= 0) return;
    const part = bytes.subarray(0, room);
    this.#parts.push(part);
    this.#length += part.length;
  }

  bytes(): Uint8Array {
    return joined(this.#parts);
  }
}

function outcome(exec: Exec): Outcome {
  return {
    exec: exec.exec,
    end: exec.end ?? "interrupted",
    exitCode: exec.status ?? null,
    signal: exec.signal ?? null,
    errno: exec.errno ?? null,
    cpuMs: exec.cpu_ms ?? null,
    position: exec.position ?? null,
  };
}

function result(outcome: Outcome, stdoutBytes: Uint8Array, stderrBytes: Uint8Array, cut: boolean): ExecResult {
  return { ...outcome, stdout: textOf(stdoutBytes), stderr: textOf(stderrBytes), stdoutBytes, stderrBytes, cut };
}
