/** The way in. */

import { Keys, type TenantOptions, Tenants, type UsageOptions, audit, quotas, usage } from "./admin.js";
import { usualKey, usualUrl } from "./local.js";
import type { PageOptions } from "./pages.js";
import type { AuditRecord, NamedTemplate, NamedTemplateList, Quotas, Usage } from "./schema.js";
import { Sessions } from "./session.js";
import type { SocketClass } from "./socket.js";
import { type CallOptions, Transport } from "./transport.js";

/** For how long failures in a row are borne, unless said otherwise. */
const PATIENCE = 30_000;

export interface WarrenOptions {
  /** The server; by default `$WARREN_URL`, else one on this machine. */
  url?: string | undefined;
  /** A key or a token; by default `$WARREN_KEY`, else the one that this user's own server keeps in its data folder. */
  key?: string | undefined;
  /**
   * For how many milliseconds a server that is gone or busy is asked again; 0 never. 30 seconds unless said
   * otherwise.
   */
  patience?: number | undefined;
  /** Another fetch than the global one. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Another class of WebSockets than the global one; where there is none, the package `ws` is looked for. */
  webSocket?: SocketClass | undefined;
}

/** A client of a server. It holds no connection of its own, and needs not be closed. */
export class Warren {
  readonly url: string;
  readonly sessions: Sessions;
  readonly keys: Keys;
  readonly tenants: Tenants;
  readonly #transport: Transport;

  constructor(options: WarrenOptions = {}) {
    const url = options.url ?? usualUrl();
    if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) {
      throw new TypeError(`\`${url}\` is no URL of a server; give http://ADDRESS:PORT`);
    }
    this.#transport = new Transport({
      url,
      key: options.key ?? usualKey(url),
      fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      patience: options.patience ?? PATIENCE,
    });
    this.url = this.#transport.url;
    this.sessions = new Sessions({ transport: this.#transport, webSocket: options.webSocket });
    this.keys = new Keys(this.#transport);
    this.tenants = new Tenants(this.#transport);
  }

  /** Templates that sessions can be made from, without the values in them. */
  async templates({ signal }: CallOptions = {}): Promise<NamedTemplate[]> {
    return (await this.#transport.json<NamedTemplateList>({ method: "GET", path: "/v1/templates", signal })).items;
  }

  /** What the tenant may take, and has taken. */
  quotas(options: TenantOptions = {}): Promise<Quotas> {
    return quotas(this.#transport, options);
  }

  /** What the tenant used, by hour or by session. */
  usage(options: UsageOptions = {}): Promise<Usage[]> {
    return usage(this.#transport, options);
  }

  /** Who did what, oldest first. */
  audit(options: PageOptions & TenantOptions = {}): AsyncGenerator<AuditRecord, void, undefined> {
    return audit(this.#transport, options);
  }
}
