/** Sessions: made, found, and all that one can do. */

import type { ByteSource } from "./bytes.js";
import { streamOf } from "./bytes.js";
import {
  Command,
  type ExecOptions,
  type ExecResult,
  type Offsets,
  type RunOptions,
  type Words,
  exec,
  spawn,
} from "./command.js";
import { type EventsOptions, type ResyncEvent, type SessionEvent, follow } from "./events.js";
import { Files } from "./files.js";
import { type PageOptions, pages, time } from "./pages.js";
import type {
  Checkpoint,
  CheckpointList,
  Exec,
  ExecList,
  NewCheckpoint,
  NewSession,
  NewToken,
  SessionChange,
  Process,
  ProcessList,
  Terminal as TerminalData,
  TerminalList,
  Session as SessionData,
  State,
  Token,
} from "./schema.js";
import type { SocketClass } from "./socket.js";
import { Terminal, type TerminalOptions } from "./terminal.js";
import { type Call, type CallOptions, type KeyedOptions, type Transport, path } from "./transport.js";

/** What the sessions of a client share. */
export interface Shared {
  transport: Transport;
  webSocket: SocketClass | undefined;
}

/** Which sessions: those of which all that is said is true. */
export interface SessionsOptions extends PageOptions {
  state?: State | undefined;
  /** How the name begins. */
  namePrefix?: string | undefined;
  /** Labels that are all to be there, with these values. */
  labels?: { readonly [name: string]: string } | undefined;
  template?: string | undefined;
  /** Times as they are shown, or in RFC 3339. */
  createdAfter?: Date | string | undefined;
  createdBefore?: Date | string | undefined;
}

/** The sessions of the key's tenant. */
export class Sessions {
  readonly #shared: Shared;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** Makes one. All of it is optional, and as `POST /v1/sessions` takes it. */
  create(session: NewSession = {}, options: KeyedOptions = {}): Promise<Session> {
    return this.#one({ method: "POST", path: "/v1/sessions", json: session, ...options });
  }

  /** The one of this name or id, without waking it. */
  async get(session: string, options: CallOptions = {}): Promise<Session> {
    return this.#one({ method: "GET", path: path`/v1/sessions/${session}`, signal: options.signal });
  }

  /** The one of this name or id, without asking whether there is one: for a token, which may not be let see it. */
  at(session: string): Session {
    return new Session(this.#shared, session, undefined);
  }

  /** All of them, or those that are meant, in the order they were made. */
  async *list(options: SessionsOptions = {}): AsyncGenerator<Session, void, undefined> {
    const { state, namePrefix, labels, template, createdAfter, createdBefore, ...page } = options;
    const query = {
      state,
      name_prefix: namePrefix,
      label: Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`),
      template,
      created_after: time(createdAfter),
      created_before: time(createdBefore),
    };
    for await (const data of pages<SessionData>(this.#shared.transport, "/v1/sessions", query, page)) {
      yield new Session(this.#shared, data.id, data);
    }
  }

  /**
   * A new one of the files of a tar archive. A stream is sent as it comes, and cannot be sent again when a connection
   * breaks.
   */
  import(
    archive: Uint8Array | Blob | ByteSource,
    options: KeyedOptions & Pick<NewSession, "name" | "template" | "durability"> = {},
  ): Promise<Session> {
    const { name, template, durability, ...rest } = options;
    return this.#one({
      method: "POST",
      path: "/v1/sessions/import",
      query: { name, template, durability },
      headers: { "content-type": "application/x-tar" },
      body: archive,
      ...rest,
    });
  }

  async #one(call: Call): Promise<Session> {
    const data = await this.#shared.transport.json<SessionData>(call);
    return new Session(this.#shared, data.id, data);
  }
}

/** A session. */
export class Session {
  /** What it is reached by: its id, or what was given to {@link Sessions.at}. */
  readonly ref: string;
  /** What was last heard of it. */
  data: SessionData | undefined;
  readonly files: Files;
  readonly #shared: Shared;
  readonly #transport: Transport;

  constructor(shared: Shared, ref: string, data: SessionData | undefined) {
    // A reference that cannot be one is refused here, and not when it is first used.
    path`${ref}`;
    this.ref = ref;
    this.data = data;
    this.#shared = shared;
    this.#transport = shared.transport;
    this.files = new Files(shared.transport, ref);
  }

  /** Its id, which is never given again. Nothing before something was heard of it. */
  get id(): string | undefined {
    return this.data?.id;
  }

  /** Its name, which can pass to another session once this one is deleted. */
  get name(): string | undefined {
    return this.data?.name ?? undefined;
  }

  /** Asks how it is, without waking it. */
  refresh(options: CallOptions = {}): Promise<SessionData> {
    return this.#heard({ method: "GET", path: this.#path(""), signal: options.signal });
  }

  /** Changes what is named, all of it or nothing; `null` takes away, also a single label or entry. */
  update(change: SessionChange, options: CallOptions = {}): Promise<SessionData> {
    return this.#heard({ method: "PATCH", path: this.#path(""), json: change, signal: options.signal });
  }

  /**
   * Runs a command to its end: a line for the shell, or a program and its arguments. That it failed is no error here;
   * `exitCode` says so. A call that is ended by its signal leaves the command running.
   */
  exec(command: Words, options: ExecOptions = {}): Promise<ExecResult> {
    return exec(this.#transport, this.ref, command, options);
  }

  /** Starts a command with its standard input open, to be fed and read while it runs. */
  spawn(command: Words, options: RunOptions = {}): Promise<Command> {
    return spawn(this.#transport, this.ref, command, options);
  }

  /** A command that was started before, by its number; its streams go on behind the bytes the caller has. */
  attach(exec: number, offsets: Offsets = {}): Command {
    return new Command(this.#transport, this.ref, exec, offsets);
  }

  /** Commands that run, and those that ended last. */
  async execs(options: CallOptions = {}): Promise<Exec[]> {
    return (await this.#get<ExecList>("/execs", options)).items;
  }

  async processes(options: CallOptions = {}): Promise<Process[]> {
    return (await this.#get<ProcessList>("/processes", options)).items;
  }

  /** Sends a signal to one process. */
  kill(pid: number, signal: string, options: KeyedOptions = {}): Promise<void> {
    const at = path`/v1/sessions/${this.ref}/processes/${pid}/signal`;
    return this.#transport.done({ method: "POST", path: at, json: { signal }, ...options });
  }

  /** Attaches to a terminal; one with this name that is not there is opened, and without a name a new one. */
  terminal(options: TerminalOptions = {}): Promise<Terminal> {
    return Terminal.attach(this.#transport, this.#shared.webSocket, this.ref, options);
  }

  async terminals(options: CallOptions = {}): Promise<TerminalData[]> {
    return (await this.#get<TerminalList>("/terminals", options)).items;
  }

  /** Its log: first what was, then what comes, over as many connections as it takes. It is not woken. */
  events(options: EventsOptions = {}): AsyncGenerator<SessionEvent | ResyncEvent, void, undefined> {
    return follow(this.#transport, this.#path("/events"), options);
  }

  /** A copy of it as it is now. */
  async fork(options: KeyedOptions & { name?: string | undefined } = {}): Promise<Session> {
    const { name, ...rest } = options;
    const data = await this.#post<SessionData>("/fork", name === undefined ? {} : { name }, rest);
    return new Session(this.#shared, data.id, data);
  }

  /** A point to come back to. */
  checkpoint(options: KeyedOptions & NewCheckpoint = {}): Promise<Checkpoint> {
    const { name, ...rest } = options;
    return this.#post<Checkpoint>("/checkpoint", name === undefined ? {} : { name }, rest);
  }

  /** Oldest first. */
  async checkpoints(options: CallOptions = {}): Promise<Checkpoint[]> {
    return (await this.#get<CheckpointList>("/checkpoints", options)).items;
  }

  /** Ends its processes, and brings its files back to what they were. */
  rollback(checkpoint: number, options: KeyedOptions = {}): Promise<SessionData> {
    return this.#heard({ method: "POST", path: this.#path("/rollback"), json: { checkpoint }, ...options });
  }

  /** Puts it to rest: its processes end, its files stay. The next call wakes it. */
  hibernate(options: KeyedOptions = {}): Promise<SessionData> {
    return this.#heard({ method: "POST", path: this.#path("/hibernate"), ...options });
  }

  wake(options: KeyedOptions = {}): Promise<SessionData> {
    return this.#heard({ method: "POST", path: this.#path("/wake"), ...options });
  }

  /** Deletes it; its processes are killed. */
  delete(options: CallOptions = {}): Promise<void> {
    // A name can be another session's by the time it is said again; an id cannot.
    const repeatable = this.ref === this.id;
    return this.#transport.done({ method: "DELETE", path: this.#path(""), repeatable, signal: options.signal });
  }

  /** All its files as a tar archive. */
  export(options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const call = { method: "GET" as const, path: this.#path("/export"), signal: options.signal };
    return this.#transport.call(call, (answer) => answer.body ?? streamOf((async function* () {})()));
  }

  /** A token for this session, for a browser or another program: `new Warren({ url, key: token.token })`. */
  token(token: NewToken, options: KeyedOptions = {}): Promise<Token> {
    return this.#post<Token>("/tokens", token, options);
  }

  #path(rest: string): string {
    return path`/v1/sessions/${this.ref}` + rest;
  }

  #get<T>(rest: string, { signal }: CallOptions): Promise<T> {
    return this.#transport.json<T>({ method: "GET", path: this.#path(rest), signal });
  }

  #post<T>(rest: string, json: object, options: KeyedOptions): Promise<T> {
    return this.#transport.json<T>({ method: "POST", path: this.#path(rest), json, ...options });
  }

  async #heard(call: Call): Promise<SessionData> {
    this.data = await this.#transport.json<SessionData>(call);
    return this.data;
  }
}
