/** A server of a folder of its own, which can be killed, and a way to it that can be cut. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, type Server as NetServer, type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Warren, type WarrenOptions } from "warren-sdk";

/** `warren serve` with nothing of this machine's configuration; `WARREN_BIN` is the binary. */
export class Server {
  url = "";
  key = "";
  readonly dir = mkdtempSync(join(tmpdir(), "warren-sdk-"));
  #child: ChildProcess | undefined;

  static async start(): Promise<Server> {
    const server = new Server();
    await server.start("127.0.0.1:0");
    return server;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  client(options: WarrenOptions = {}): Warren {
    return new Warren({ url: this.url, key: this.key, ...options });
  }

  /** Ends it as a power switch would. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** Starts it again where it was. */
  async again(): Promise<void> {
    await this.kill();
    await this.start(`127.0.0.1:${this.port}`);
  }

  /** Asks it to end, and starts it again where it was. */
  async restart(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGTERM");
    if (child !== undefined) await once(child, "exit");
    await this.start(`127.0.0.1:${this.port}`);
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private async start(listen: string): Promise<void> {
    const binary = process.env["WARREN_BIN"];
    if (binary === undefined) throw new Error("WARREN_BIN has to name the `warren` binary");
    const env: NodeJS.ProcessEnv = { ...process.env, XDG_CONFIG_HOME: this.dir, WARREN_LOG__LEVEL: "warn" };
    for (const name of ["WARREN_BIN", "WARREN_CONFIG", "WARREN_URL", "WARREN_KEY"]) delete env[name];
    const child = spawn(binary, ["serve", "--listen", listen, "--dir", this.dir], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      const url = /http:\/\/[^\s,]+/.exec(line)?.[0];
      if (url === undefined) throw new Error(`the server does not say where it is: ${line}`);
      this.url = url;
      break;
    }
    child.stdout.resume();
    if (this.url === "") throw new Error("the server did not start");
    this.key = readFileSync(join(this.dir, "client.key"), "utf8").trim();
  }
}

/** A way to a server. */
export class Way {
  url = "";
  /** Answers that are yet to be lost: their requests were done, and the client's connection breaks instead. */
  swallow = 0;
  /** Connections that there were. */
  connections = 0;
  readonly #listener: NetServer;
  readonly #open = new Set<Socket>();

  private constructor(server: Server) {
    this.#listener = createServer((client) => {
      this.connections += 1;
      const behind = connect(server.port, "127.0.0.1");
      for (const [from, to] of [
        [client, behind],
        [behind, client],
      ] as const) {
        this.#open.add(from);
        from.on("error", () => to.destroy());
        from.on("close", () => {
          this.#open.delete(from);
          to.destroy();
        });
      }
      client.pipe(behind);
      behind.on("data", (bytes) => {
        if (this.swallow > 0) {
          this.swallow -= 1;
          client.resetAndDestroy();
        } else if (!client.write(bytes)) {
          behind.pause();
          client.once("drain", () => behind.resume());
        }
      });
      behind.on("end", () => client.end());
    });
  }

  static async to(server: Server): Promise<Way> {
    const way = new Way(server);
    way.#listener.listen(0, "127.0.0.1");
    await once(way.#listener, "listening");
    way.url = `http://127.0.0.1:${(way.#listener.address() as AddressInfo).port}`;
    return way;
  }

  /** Breaks all that is connected; others may come. */
  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy();
  }

  close(): void {
    this.#listener.close();
    this.cut();
  }
}

/** Bytes that are no text and do not repeat. */
export function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** Whether both are the same bytes; comparing them one by one in an assertion takes long, and says little. */
export function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
