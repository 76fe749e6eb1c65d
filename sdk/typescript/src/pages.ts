/** Lists, part by part. */

import type { CallOptions, Query, Transport } from "./transport.js";

export interface PageOptions extends CallOptions {
  /** Those behind this one, by its id. */
  after?: string | number | undefined;
  /** How many are asked for at a time, 1 to 1000. */
  pageSize?: number | undefined;
}

/** All of a list. */
export async function* pages<T>(
  transport: Transport,
  path: string,
  query: Query,
  { after, pageSize, signal }: PageOptions,
): AsyncGenerator<T, void, undefined> {
  do {
    const call = { method: "GET" as const, path, query: { ...query, after, limit: pageSize }, signal };
    const part = await transport.json<{ items: T[]; next?: string }>(call);
    yield* part.items;
    after = part.next;
  } while (after !== undefined);
}

/** A time as the server reads it. */
export function time(at: Date | string | undefined): string | undefined {
  return at instanceof Date ? at.toISOString() : at;
}
