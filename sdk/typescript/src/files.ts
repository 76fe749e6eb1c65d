/** Files of a session. Paths are absolute there. */

import { type ByteSource, type Bytes, bytesOf, given, joined, streamOf, textOf, toBase64 } from "./bytes.js";
import { Conflict, ConnectionLost, type Refusal, WarrenError, parsed, refusal } from "./errors.js";
import { type WatchOptions, watch } from "./events.js";
import type { File, FileBatchDone, FileList, FileWatch } from "./schema.js";
import { type CallOptions, type KeyedOptions, type Transport, path } from "./transport.js";

export interface ReadOptions extends CallOptions {
  /** The first byte that is read; 0 unless said otherwise. */
  start?: number | undefined;
  /** The byte behind the last one that is read; the file's end unless said otherwise. */
  end?: number | undefined;
}

export interface WriteOptions extends CallOptions {
  /** Permission bits of a new file, as `0o644`. */
  mode?: number | undefined;
  /** Makes directories on the way. */
  parents?: boolean | undefined;
  /** Written behind what is there, rather than in its place. */
  append?: boolean | undefined;
  /** Does not replace a file: then it is a {@link Conflict}. */
  exclusive?: boolean | undefined;
}

export interface ListOptions extends CallOptions {
  /** Entries behind this name. */
  after?: string | undefined;
  /** Entries that are asked for at a time, 1 to 1000. */
  pageSize?: number | undefined;
}

/** A change of files; a batch does them in order, all or none. */
export type FileOperation =
  | {
      op: "write";
      path: string;
      content?: Bytes | undefined;
      mode?: number | undefined;
      parents?: boolean | undefined;
      exclusive?: boolean | undefined;
    }
  | { op: "mkdir"; path: string; mode?: number | undefined; parents?: boolean | undefined }
  | { op: "move"; path: string; to: string; exclusive?: boolean | undefined }
  | { op: "remove"; path: string; recursive?: boolean | undefined }
  | { op: "chmod"; path: string; mode: number }
  | { op: "symlink"; path: string; target: string };

export interface ReadManyOptions extends CallOptions {
  /** Bytes of all of them together, after which the rest is cut; 16 MiB unless said otherwise. */
  bytesMax?: number | undefined;
}

/** A file of those that were read together. */
export interface FileContent {
  /** As it was asked for. */
  path: string;
  /** What is there; nothing when it cannot be said. */
  file: File | undefined;
  data: Uint8Array;
  /** Bytes behind these are left out: as many were asked for, or it was cut short meanwhile. */
  cut: boolean;
  /** Why it was not read, or not to its end. */
  error: WarrenError | undefined;
}

/** Characters of a line of an answer, at most. */
const LINE_MAX = 1 << 23;

export class Files {
  readonly #transport: Transport;
  readonly #session: string;

  constructor(transport: Transport, session: string) {
    this.#transport = transport;
    this.#session = session;
  }

  /** A whole file, or a part of one. */
  async read(file: string, options: ReadOptions = {}): Promise<Uint8Array> {
    if (isEmpty(options)) return new Uint8Array();
    return this.#transport.call(this.#reading(file, options), async (answer) => {
      await refuseDirectory(file, answer);
      return new Uint8Array(await answer.arrayBuffer());
    });
  }

  /** A file as text; what is no UTF-8 becomes U+FFFD. */
  async readText(file: string, options: ReadOptions = {}): Promise<string> {
    return textOf(await this.read(file, options));
  }

  /**
   * A file's bytes as they come. A connection that breaks ends it with an error, since the file may be another one by
   * then;
   * `start` goes on where it was.
   */
  async stream(file: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    if (isEmpty(options)) return streamOf((async function* () {})());
    return this.#transport.call(this.#reading(file, options), async (answer) => {
      await refuseDirectory(file, answer);
      return answer.body ?? streamOf((async function* () {})());
    });
  }

  /**
   * Writes a file: whole, or not at all. A stream is sent as it comes, and cannot be sent again when a connection
   * breaks.
   */
  async write(file: string, data: Bytes | Blob | ByteSource, options: WriteOptions = {}): Promise<File> {
    const { mode, parents, append, exclusive, signal } = options;
    const body = typeof data === "string" ? bytesOf(data) : data;
    return this.#transport.json<File>({
      method: "PUT",
      path: this.#path(file),
      query: { mode: mode?.toString(8).padStart(4, "0"), parents, append },
      headers: exclusive === true ? { "if-none-match": "*" } : undefined,
      body,
      signal,
    });
  }

  /** Entries of a directory, in order of name. */
  async *list(directory: string, options: ListOptions = {}): AsyncGenerator<File, void, undefined> {
    let after = options.after;
    do {
      const part: FileList = await this.#transport.call(
        {
          method: "GET",
          path: this.#path(directory),
          query: { after, limit: options.pageSize },
          signal: options.signal,
        },
        async (answer) => {
          if (isJson(answer)) return (await answer.json()) as FileList;
          await answer.body?.cancel();
          throw conflict("not_a_directory", "ENOTDIR", `${directory} is a file, and has no entries`);
        },
      );
      yield* part.items;
      after = part.next;
    } while (after !== undefined);
  }

  /** A file's attributes; a link's own. */
  async stat(file: string, options: CallOptions = {}): Promise<File> {
    return this.#transport.json<File>({
      method: "GET",
      path: this.#path(file),
      query: { stat: true },
      signal: options.signal,
    });
  }

  /** Makes a directory. */
  async mkdir(directory: string, options: KeyedOptions & { parents?: boolean | undefined } = {}): Promise<File> {
    const { parents, ...rest } = options;
    const query = { op: "mkdir", parents };
    return this.#transport.json<File>({ method: "POST", path: this.#path(directory), query, ...rest });
  }

  /** Moves a file or directory; `to` is its new path, and what was there is replaced as rename() does. */
  async move(from: string, to: string, options: KeyedOptions = {}): Promise<File> {
    const query = { op: "rename", to };
    return this.#transport.json<File>({ method: "POST", path: this.#path(from), query, ...options });
  }

  /** Removes a file, or a directory; one that is not empty with `recursive` only. */
  async remove(file: string, options: CallOptions & { recursive?: boolean | undefined } = {}): Promise<void> {
    const { recursive, signal } = options;
    return this.#transport.done({ method: "DELETE", path: this.#path(file), query: { recursive }, signal });
  }

  /**
   * Does all of these or nothing, in order; what is at each place then, `null` where nothing is. What is refused is an
   * error whose `operation` is the index of the one it is about.
   */
  async batch(operations: readonly FileOperation[], options: KeyedOptions = {}): Promise<(File | null)[]> {
    const json = { operations: operations.map(told) };
    const call = { method: "POST" as const, path: path`/v1/sessions/${this.#session}/files:batch`, json };
    return (await this.#transport.json<FileBatchDone>({ ...call, ...options })).files;
  }

  /** Several files in one answer, one held at a time; what one cannot be read for is its `error`. */
  async *readMany(
    files: readonly string[],
    { bytesMax, signal }: ReadManyOptions = {},
  ): AsyncGenerator<FileContent, void, undefined> {
    const at = path`/v1/sessions/${this.#session}/files:read`;
    const json = { paths: files, bytes_max: bytesMax };
    const answer = await this.#transport.call({ method: "POST", path: at, json, signal }, (answer) => answer);
    let now: { index: number; content: FileContent; parts: Uint8Array[] } | undefined;
    try {
      for await (const line of lines(answer.body ?? streamOf((async function* () {})()))) {
        if (now !== undefined && line.index !== now.index) {
          yield { ...now.content, data: joined(now.parts) };
          now = undefined;
        }
        if (line.type === "end") return;
        const content = { path: line.path, file: line.file, data: new Uint8Array(), cut: false, error: undefined };
        now ??= { index: line.index, content, parts: [] };
        if (line.type === "data") now.parts.push(given(line.data, line.data_base64));
        else if (line.type === "cut") now.content.cut = true;
        else if (line.type === "error") now.content.error = refusal(line.error as Refusal);
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof WarrenError ? error : this.#transport.lost(error);
    }
    throw new ConnectionLost({ code: "connection_lost", status: 0, detail: "the answer broke off" });
  }

  /**
   * What becomes of a file, or of what lies in a directory, over as many connections as it takes. First comes `watching`
   * with a position: what is listed from then on is never too old. Then `changes`; `resync` says that more changed than
   * can be told, so list anew. The session is not woken.
   */
  watch(file = "/", options: WatchOptions = {}): AsyncGenerator<FileWatch, void, undefined> {
    return watch(this.#transport, path`/v1/sessions/${this.#session}/files:watch`, file, options);
  }

  #reading(file: string, { start = 0, end, signal }: ReadOptions) {
    const range = `bytes=${start}-${end === undefined ? "" : end - 1}`;
    const headers = start === 0 && end === undefined ? undefined : { range };
    return { method: "GET" as const, path: this.#path(file), headers, signal };
  }

  /** The whole of it is one part of the URL, so that no `..` of it is taken for one of the URL's own. */
  #path(file: string): string {
    return path`/v1/sessions/${this.#session}/files/${file.startsWith("/") ? file : `/${file}`}`;
  }
}

function isEmpty({ start = 0, end }: ReadOptions): boolean {
  return end !== undefined && end <= start;
}

function isJson(answer: Response): boolean {
  return answer.headers.get("content-type")?.startsWith("application/json") === true;
}

/** Of a directory the server sends the entries. */
async function refuseDirectory(file: string, answer: Response): Promise<void> {
  if (!isJson(answer)) return;
  await answer.body?.cancel();
  throw conflict("is_a_directory", "EISDIR", `${file} is a directory, and has no bytes`);
}

function conflict(code: string, errno: string, detail: string): Conflict {
  return new Conflict({ status: 409, code, errno, detail });
}

/** An operation as the server is told of it: bytes in base64, permission bits in octal. */
function told(operation: FileOperation): object {
  const mode = "mode" in operation ? { mode: operation.mode?.toString(8).padStart(4, "0") } : {};
  if (operation.op !== "write") return { ...operation, ...mode };
  const { content, ...rest } = operation;
  const data = content instanceof Uint8Array ? { content_base64: toBase64(content) } : { content };
  return { ...rest, ...mode, ...data };
}

/** A line of an answer of several files. */
interface Line {
  type: string;
  index: number;
  path: string;
  file?: File;
  data?: string;
  data_base64?: string;
  error?: unknown;
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<Line, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const part of body) {
    rest += decoder.decode(part, { stream: true });
    const whole = rest.split("\n");
    rest = whole.pop() ?? "";
    for (const line of whole) {
      const said = parsed(line) as Line | undefined;
      if (said === undefined) throw strange("a line of the answer is no JSON");
      yield said;
    }
    if (rest.length > LINE_MAX) throw strange("a line of the answer is too long");
  }
}

function strange(detail: string): WarrenError {
  return new WarrenError({ code: "strange_answer", status: 0, detail });
}
