/** Keys, tenants, and what they used and did. `tenant` means another tenant's, and needs the scope `tenants:manage`. */

import { type PageOptions, pages, time } from "./pages.js";
import type {
  AuditRecord,
  Key,
  KeyList,
  KeyWithText,
  NewKey,
  NewTenant,
  Quotas,
  Rotate,
  Tenant,
  TenantChange,
  Usage,
  UsageList,
} from "./schema.js";
import { type CallOptions, type KeyedOptions, type Transport, path } from "./transport.js";

export interface TenantOptions extends CallOptions {
  tenant?: string | undefined;
}

export interface UsageOptions extends TenantOptions {
  /** 24 hours before `to`, unless said otherwise. */
  from?: Date | string | undefined;
  to?: Date | string | undefined;
  by?: "hour" | "session" | undefined;
}

export class Keys {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Also those that work no more. */
  async list({ tenant, signal }: TenantOptions = {}): Promise<Key[]> {
    const call = { method: "GET" as const, path: "/v1/keys", query: { tenant }, signal };
    return (await this.#transport.json<KeyList>(call)).items;
  }

  /** Makes one. Its text, `key`, is in this answer and nowhere else. */
  async create(key: NewKey, { tenant, ...options }: KeyedOptions & TenantOptions = {}): Promise<KeyWithText> {
    const call = { method: "POST" as const, path: "/v1/keys", query: { tenant }, json: key };
    return this.#transport.json<KeyWithText>({ ...call, ...options });
  }

  async get(id: string, { tenant, signal }: TenantOptions = {}): Promise<Key> {
    return this.#transport.json<Key>({ method: "GET", path: path`/v1/keys/${id}`, query: { tenant }, signal });
  }

  /** A new secret, in `key`; the old one works on for a grace. */
  async rotate(id: string, options: KeyedOptions & TenantOptions & Rotate = {}): Promise<KeyWithText> {
    const { tenant, grace, ...rest } = options;
    const json = grace === undefined ? {} : { grace };
    const call = { method: "POST" as const, path: path`/v1/keys/${id}/rotate`, query: { tenant }, json };
    return this.#transport.json<KeyWithText>({ ...call, ...rest });
  }

  /** Ends one at once. */
  async revoke(id: string, { tenant, signal }: TenantOptions = {}): Promise<void> {
    const call = { method: "DELETE" as const, path: path`/v1/keys/${id}`, query: { tenant }, signal };
    return this.#transport.done({ ...call, repeatable: true });
  }
}

export class Tenants {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** In the order of their ids. */
  list(options: PageOptions = {}): AsyncGenerator<Tenant, void, undefined> {
    return pages<Tenant>(this.#transport, "/v1/tenants", {}, options);
  }

  async create(tenant: NewTenant, options: KeyedOptions = {}): Promise<Tenant> {
    return this.#transport.json<Tenant>({ method: "POST", path: "/v1/tenants", json: tenant, ...options });
  }

  async get(id: string, { signal }: CallOptions = {}): Promise<Tenant> {
    return this.#transport.json<Tenant>({ method: "GET", path: path`/v1/tenants/${id}`, signal });
  }

  /** Changes what is named, all of it or nothing; `null` is what the server says for all. */
  async update(id: string, change: TenantUpdate, { signal }: CallOptions = {}): Promise<Tenant> {
    const call = { method: "PATCH" as const, path: path`/v1/tenants/${id}`, json: change, signal };
    return this.#transport.json<Tenant>(call);
  }

  /** Its keys work no more; its sessions stay. */
  async disable(id: string, { signal }: CallOptions = {}): Promise<void> {
    return this.#transport.done({ method: "DELETE", path: path`/v1/tenants/${id}`, signal });
  }
}

/** A change of a tenant. */
export type TenantUpdate = Omit<TenantChange, "quotas" | "limits_max"> & {
  quotas?: { [name: string]: number | string | null };
  limits_max?: { [name: string]: number | string | null };
};

/** What a tenant may take, and has taken. */
export function quotas(transport: Transport, { tenant, signal }: TenantOptions): Promise<Quotas> {
  return transport.json<Quotas>({ method: "GET", path: "/v1/quotas", query: { tenant }, signal });
}

/** What a tenant used. */
export async function usage(transport: Transport, options: UsageOptions): Promise<Usage[]> {
  const { from, to, by, tenant, signal } = options;
  const query = { from: time(from), to: time(to), by, tenant };
  return (await transport.json<UsageList>({ method: "GET", path: "/v1/usage", query, signal })).items;
}

/** Who did what, oldest first. */
export function audit(
  transport: Transport,
  { tenant, ...options }: PageOptions & TenantOptions,
): AsyncGenerator<AuditRecord, void, undefined> {
  return pages<AuditRecord>(transport, "/v1/audit", { tenant }, options);
}
