/** Files of a session. Paths are absolute there. */

import { type ByteSource, type Bytes, bytesOf, streamOf, textOf } from "./bytes.js";
import { Conflict } from "./errors.js";
import type { File, FileList } from "./schema.js";
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
