/**
 * A client of a Warren server.
 *
 * Read in this order. A `Warren` reaches a server through a `transport`, which knows when to ask again; its
 * `session`s run a `command`, have `files`, `events` and a `terminal`. The types of what is sent and answered,
 * `schema`, are made of the server's OpenAPI document and have its names.
 */

export { Warren, type WarrenOptions } from "./client.js";
export { Session, Sessions, type SessionsOptions } from "./session.js";
export {
  Command,
  Output,
  Stdin,
  type ExecOptions,
  type ExecResult,
  type Outcome,
  type RunOptions,
  type Words,
} from "./command.js";
export type { Offsets } from "./command.js";
export {
  Files,
  type FileContent,
  type FileOperation,
  type ListOptions,
  type ReadManyOptions,
  type ReadOptions,
  type WriteOptions,
} from "./files.js";
export { outputOf, type EventsOptions, type ResyncEvent, type SessionEvent, type WatchOptions } from "./events.js";
export { Terminal, type TerminalEvent, type TerminalOptions } from "./terminal.js";
export { Keys, Tenants, type TenantOptions, type TenantUpdate, type UsageOptions } from "./admin.js";
export type { Bytes, ByteSource } from "./bytes.js";
export type { PageOptions } from "./pages.js";
export type { SocketClass, SocketLike } from "./socket.js";
export type { CallOptions, KeyedOptions } from "./transport.js";
export {
  Conflict,
  ConnectionLost,
  Forbidden,
  NotFound,
  QuotaExceeded,
  RateLimited,
  Unauthorized,
  Unavailable,
  WarrenError,
} from "./errors.js";
export type * as models from "./schema.js";
