/** What goes wrong: refusals of the server with their stable codes, and connections that break. */

import type { Problem } from "./schema.js";

/** A refusal, as problem details (RFC 9457) say it. Nothing was done then, unless `hint` says otherwise. */
export class WarrenError extends Error {
  /** Stable: programs go by it. `docs/api.md` lists those of the server. */
  readonly code: string;
  /** Of the answer; 0 when there was none. */
  readonly status: number;
  /** What is wrong. */
  readonly detail: string;
  /** What to do. */
  readonly hint: string | undefined;
  /** Finds the request in the audit log. */
  readonly requestId: string | undefined;
  /** Of a refusal that is about a file: `ENOENT`. */
  readonly errno: string | undefined;
  /** Of a batch: the index of the operation it is about. */
  readonly operation: number | undefined;
  /** Milliseconds after which the server says it is worth asking again. */
  readonly retryAfter: number | undefined;

  constructor(problem: Refusal, options?: ErrorOptions) {
    super(`${problem.detail} (${problem.code})${problem.hint ? `; ${problem.hint}` : ""}`, options);
    this.name = new.target.name;
    this.code = problem.code;
    this.status = problem.status;
    this.detail = problem.detail;
    this.hint = problem.hint ?? undefined;
    this.errno = problem.errno ?? undefined;
    this.operation = problem.operation ?? undefined;
    this.requestId = problem.requestId;
    this.retryAfter = problem.retryAfter;
  }
}

/** 401: there is no valid key. */
export class Unauthorized extends WarrenError {}
/** 403: the key or token may not do this. */
export class Forbidden extends WarrenError {}
/** 404 and 410: what was asked for is not there, or not any more. */
export class NotFound extends WarrenError {}
/** 409 and 412: it is not in the state for this, or is there already. */
export class Conflict extends WarrenError {}
/** 429 and 507 of code `quota_exceeded`: the tenant has taken all it may. */
export class QuotaExceeded extends WarrenError {
  /** Which quota. */
  readonly quota: string | undefined;
  /** How much it is. */
  readonly limit: number | undefined;
  /** How much is in use. */
  readonly used: number | undefined;

  constructor(problem: Refusal, options?: ErrorOptions) {
    super(problem, options);
    this.quota = problem.quota ?? undefined;
    this.limit = problem.limit ?? undefined;
    this.used = problem.used ?? undefined;
  }
}
/** 429: too much at once. */
export class RateLimited extends WarrenError {}
/** 503: the server, or the session, cannot do it now. */
export class Unavailable extends WarrenError {}
/** The way to the server broke, or nobody answers there. Whether the request was done is not known. */
export class ConnectionLost extends WarrenError {}

/** A problem and what came beside it. */
export interface Refusal extends Omit<Problem, "title" | "type" | "hint"> {
  hint?: string | null | undefined;
  requestId?: string | undefined;
  retryAfter?: number | undefined;
}

/** The error of a problem. */
export function refusal(problem: Refusal): WarrenError {
  if (problem.code === "quota_exceeded") return new QuotaExceeded(problem);
  switch (problem.status) {
    case 401:
      return new Unauthorized(problem);
    case 403:
      return new Forbidden(problem);
    case 404:
    case 410:
      return new NotFound(problem);
    case 409:
    case 412:
      return new Conflict(problem);
    case 429:
      return new RateLimited(problem);
    case 503:
      return new Unavailable(problem);
    default:
      return new WarrenError(problem);
  }
}

/** The error of an answer that is no success. */
export async function refused(answer: Response): Promise<WarrenError> {
  const seconds = Number(answer.headers.get("retry-after") ?? "none");
  const beside = {
    requestId: answer.headers.get("x-request-id") ?? undefined,
    retryAfter: Number.isFinite(seconds) ? seconds * 1000 : undefined,
  };
  const text = await answer.text();
  const problem = parsed(text) as Partial<Problem> | undefined;
  if (typeof problem?.code === "string" && typeof problem.detail === "string") {
    return refusal({ ...problem, ...beside, status: answer.status, code: problem.code, detail: problem.detail });
  }
  const detail = `status ${answer.status}, and not the words of a warren server`;
  return refusal({ ...beside, status: answer.status, code: "strange_answer", detail });
}

/** What a JSON text says, if it says an object. */
export function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
