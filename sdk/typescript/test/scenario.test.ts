/**
 * One program from the beginning to the end of a session, through a server that is killed. The Python client runs the
 * same.
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  Conflict,
  Forbidden,
  NotFound,
  QuotaExceeded,
  type ResyncEvent,
  type Session,
  type SessionEvent,
  type Terminal,
  type TerminalEvent,
  Warren,
  WarrenError,
} from "warren-sdk";
import { Server, Way, collect, noise, assertSame } from "./server.js";

const timeout = 20_000;

describe("the scenario", { timeout: 300_000 }, () => {
  let server: Server;
  let way: Way;
  let warren: Warren;
  let session: Session;
  let terminal: Terminal;
  const big = noise(5 * 1024 * 1024 + 1);

  before(async () => {
    server = await Server.start();
    way = await Way.to(server);
    warren = server.client({ url: way.url });
  });
  after(async () => {
    way.close();
    await server.close();
  });

  it("makes a session", { timeout }, async () => {
    session = await warren.sessions.create({ name: "scenario", durability: "journal", labels: { suite: "sdk" } });
    assert.equal(session.data?.state, "active");
    assert.deepEqual((await warren.sessions.get("scenario")).data?.labels, { suite: "sdk" });
    assert.deepEqual((await collect(warren.sessions.list())).map(({ id }) => id), [session.id]);
  });

  it("runs a command", { timeout }, async () => {
    const result = await session.exec("echo hi");
    assert.deepEqual([result.exitCode, result.stdout, result.stderr, result.end], [0, "hi\n", "", "exited"]);
    const other = await session.exec(["sh", "-c", 'echo "$A" >&2; pwd; cat; exit 3'], {
      cwd: "/tmp",
      env: { A: "b" },
      stdin: "in",
    });
    assert.deepEqual([other.exitCode, other.stdout, other.stderr], [3, "/tmp\nin", "b\n"]);
  });

  it("writes files and reads them back", { timeout }, async () => {
    const { files } = session;
    await files.write("/home/agent/text", "grüße\n", { mode: 0o600 });
    assert.equal(await files.readText("/home/agent/text"), "grüße\n");
    async function* parts(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < big.length; at += 100_000) yield big.subarray(at, at + 100_000);
    }
    assert.equal((await files.write("/home/agent/deep/er/big", parts(), { parents: true })).size, big.length);
    const back = Buffer.concat(await collect(await files.stream("/home/agent/deep/er/big")));
    assertSame(back, big);
    const some = await files.read("/home/agent/deep/er/big", { start: 1_000_000, end: 1_000_010 });
    assertSame(some, big.subarray(1_000_000, 1_000_010));
  });

  it("lists and shows files", { timeout }, async () => {
    const { files } = session;
    const names = (await collect(files.list("/home/agent", { pageSize: 1 }))).map(({ name }) => name);
    assert.deepEqual(names, ["deep", "text"]);
    const stat = await files.stat("/home/agent/text");
    assert.deepEqual([stat.kind, stat.size, stat.mode], ["file", 8, "0600"]);
    await files.mkdir("/home/agent/made/there", { parents: true });
    await files.move("/home/agent/text", "/home/agent/made/there/text");
    assert.equal(await files.readText("/home/agent/made/there/text"), "grüße\n");
    await assert.rejects(files.remove("/home/agent/made"), Conflict);
    await files.remove("/home/agent/made", { recursive: true });
    await assert.rejects(files.stat("/home/agent/made"), NotFound);
  });

  it("feeds a command and reads it while it runs, over a connection that breaks", { timeout }, async () => {
    const command = await session.spawn("while read line; do echo got $line; echo to $line >&2; done; exit 5");
    const stdout = command.stdout[Symbol.asyncIterator]();
    await command.stdin.write("one\n");
    assert.equal(Buffer.from((await stdout.next()).value ?? []).toString(), "got one\n");
    way.cut();
    await command.stdin.write("two\n");
    assert.equal(Buffer.from((await stdout.next()).value ?? []).toString(), "got two\n");
    const waiting = command.wait();
    way.cut();
    await command.stdin.end("three\n");
    assert.equal(await command.stdout.text(), "got three\n");
    assert.equal(await command.stderr.text(), "to one\nto two\nto three\n");
    const outcome = await waiting;
    assert.deepEqual([outcome.end, outcome.exitCode], ["exited", 5]);
    // Another who comes later reads it from wherever they like.
    assert.equal(await session.attach(command.exec, { stdout: 8 }).stdout.text(), "got two\ngot three\n");
  });

  it("signals a command", { timeout }, async () => {
    const command = await session.spawn(["sleep", "600"]);
    await command.signal("TERM");
    const outcome = await command.wait();
    assert.deepEqual([outcome.end, outcome.signal, outcome.exitCode], ["signaled", "SIGTERM", 143]);
  });

  it("follows the log through a server that is killed: no gap, nothing twice", { timeout }, async () => {
    const seen: (SessionEvent | ResyncEvent)[] = [];
    const over = new AbortController();
    let began = (): void => undefined;
    const first = new Promise<void>((resolve) => (began = resolve));
    const following = (async () => {
      for await (const event of session.events({ signal: over.signal })) {
        seen.push(event);
        if (seen.length === 5) began();
        if (event.type === "output" && event.data?.endsWith("last\n")) return;
      }
    })();
    await first;
    way.cut();
    await session.exec("echo between");
    await server.again();
    const after = await session.exec("echo after; echo last");
    assert.equal(after.exitCode, 0);
    await following;
    over.abort();
    const events = seen.map((event) => {
      assert.ok(event.type !== "resync", "a journal loses nothing");
      return event;
    });
    const numbers = events.map(({ position }) => Number(position.split(".")[1]));
    assert.deepEqual(numbers, Array.from(numbers.keys(), (index) => index + 1));
    assert.equal(events.filter(({ type }) => type === "epoch_began").length, 2);
    const said = events.flatMap((event) => (event.type === "output" ? [event.data] : []));
    assert.ok(said.includes("hi\n") && said.includes("between\n"), JSON.stringify(said));
  });

  it("types into a terminal, and comes back to it by offset", { timeout }, async () => {
    terminal = await session.terminal({ name: "main", rows: 20, columns: 60 });
    assert.deepEqual([terminal.rows, terminal.columns], [20, 60]);
    const screen = new Shown(terminal);
    await screen.attached();
    await terminal.write('echo be""fore\r');
    await screen.sees("before\r\n");
    const screens = screen.screens;
    way.cut();
    await screen.attached();
    await terminal.write('echo af""ter\r');
    await screen.sees("after\r\n");
    assert.equal(screen.screens, screens, "what was missing came, and not all of it again");
    await terminal.resize({ rows: 30, columns: 90 });
    await screen.until("its size", () => terminal.rows === 30 && terminal.columns === 90);
    // Without its server, its shell is another one, with what was shown above.
    await server.again();
    await screen.sees("[warren: a new shell");
    await terminal.write('echo a""new\r');
    await screen.sees("anew\r\n");
    assert.match((await terminal.screen()).screen.join("\n"), /anew/);
    terminal.detach();
    await assert.rejects(terminal.write("x"), { code: "detached" });
    assert.deepEqual((await session.terminals()).map((one) => one.terminal), ["main"]);
    await terminal.hangUp();
  });

  it("forks, and neither sees the other's changes", { timeout }, async () => {
    const fork = await session.fork({ name: "child" });
    assert.equal(fork.data?.forked_from, session.id);
    await fork.files.write("/home/agent/own", "child");
    assert.equal((await fork.files.stat("/home/agent/deep/er/big")).size, big.length);
    await assert.rejects(session.files.stat("/home/agent/own"), { code: "file_not_found", errno: "ENOENT" });
    await fork.delete();
    await assert.rejects(fork.refresh(), { code: "session_deleted" });
    await assert.rejects(fork.exec("true"), NotFound);
  });

  it("goes back to a checkpoint", { timeout }, async () => {
    await session.files.write("/home/agent/state", "good");
    const { checkpoint } = await session.checkpoint({ name: "before" });
    await session.exec("rm -r deep; echo bad > state");
    await session.rollback(checkpoint);
    assert.equal(await session.files.readText("/home/agent/state"), "good");
    assertSame(await session.files.read("/home/agent/deep/er/big"), big);
    assert.deepEqual((await session.checkpoints()).map(({ name }) => name), ["before"]);
  });

  it("rests and wakes", { timeout }, async () => {
    assert.equal((await session.hibernate()).state, "hibernated");
    assert.equal((await session.refresh()).state, "hibernated");
    assert.equal((await session.wake()).state, "active");
    assert.equal((await session.exec("cat state")).stdout, "good");
  });

  it("travels as an archive", { timeout }, async () => {
    const copy = await warren.sessions.import(await session.export(), { name: "copy" });
    assertSame(await copy.files.read("/home/agent/deep/er/big"), big);
    await copy.delete();
  });

  it("is refused with errors that have types", { timeout }, async () => {
    await assert.rejects(warren.sessions.get("nowhere"), (error) => {
      assert.ok(error instanceof NotFound && error instanceof WarrenError);
      assert.deepEqual([error.name, error.code, error.status], ["NotFound", "session_not_found", 404]);
      assert.ok(error.hint !== undefined && error.requestId !== undefined && error.message.includes("nowhere"));
      return true;
    });
    await assert.rejects(warren.sessions.create({ name: "scenario" }), (error) => {
      return error instanceof Conflict && error.code === "name_taken" && error.status === 409;
    });
    await warren.tenants.create({ id: "small" });
    await warren.tenants.update("small", { quotas: { sessions: 1 } });
    const { key } = await warren.keys.create({ name: "small", role: "member" }, { tenant: "small" });
    const small = new Warren({ url: way.url, key });
    await small.sessions.create();
    await assert.rejects(small.sessions.create(), (error) => {
      assert.ok(error instanceof QuotaExceeded);
      assert.deepEqual([error.quota, error.limit, error.used, error.status], ["sessions", 1, 1, 429]);
      return true;
    });
    // What is another tenant's is nothing.
    await assert.rejects(small.sessions.at(session.ref).exec("true"), NotFound);
  });

  it("does once what it had to ask for twice", { timeout }, async () => {
    way.swallow = 1;
    const made = await warren.sessions.create({ name: "once" });
    assert.equal(way.swallow, 0, "an answer was lost");
    assert.deepEqual((await collect(warren.sessions.list())).filter(({ name }) => name === "once").length, 1);
    way.swallow = 1;
    assert.equal((await made.exec("echo line >> log; cat log")).stdout, "line\n");
    assert.equal(way.swallow, 0);
    // With a key of one's own, also what another program asked for.
    const again = { idempotencyKey: "the-key" };
    const first = await made.exec("echo line >> log; cat log", again);
    assert.deepEqual(await server.client().sessions.at("once").exec("echo line >> log; cat log", again), first);
    await assert.rejects(made.exec("another", again), { code: "key_reused" });
    await made.delete();
  });

  it("gives a token that reaches one session", { timeout }, async () => {
    const other = await warren.sessions.create({ name: "other" });
    const { token } = await session.token({ scopes: ["exec", "files:read"], life: "5m" });
    const holder = new Warren({ url: way.url, key: token });
    assert.equal((await holder.sessions.at("scenario").exec("cat state")).stdout, "good");
    assert.equal(await holder.sessions.at("scenario").files.readText("/home/agent/state"), "good");
    await assert.rejects(holder.sessions.at("scenario").files.write("/home/agent/state", ""), Forbidden);
    await assert.rejects(holder.sessions.at("other").exec("true"), WarrenError);
    await assert.rejects(holder.sessions.create(), Forbidden);
    await other.delete();
  });

  it("is deleted", { timeout }, async () => {
    await session.delete();
    await assert.rejects(session.exec("true"), (error) => error instanceof NotFound && error.status === 410);
    await assert.rejects(session.delete(), NotFound);
  });
});

/**
 * What a terminal shows, as it comes. Every byte of its stream comes once and in order, but for what a screen stands
 * for.
 */
class Shown {
  screens = 0;
  attaches = 0;
  #text = "";
  readonly #events: AsyncIterator<TerminalEvent>;
  #next: number | undefined;

  constructor(terminal: Terminal) {
    this.#events = terminal[Symbol.asyncIterator]();
  }

  /** Waits for a text, and passes over it. */
  async sees(text: string): Promise<void> {
    await this.until(text, () => this.#text.includes(text));
    this.#text = this.#text.slice(this.#text.indexOf(text) + text.length);
  }

  /** Waits for the next connection. */
  async attached(): Promise<void> {
    const before = this.attaches;
    await this.until("a connection", () => this.attaches > before);
  }

  async until(wanted: string, holds: () => boolean): Promise<void> {
    while (!holds()) await this.#step(wanted);
  }

  async #step(wanted: string): Promise<void> {
    const { value: event, done } = await this.#events.next();
    assert.ok(done !== true, `the terminal ended before ${JSON.stringify(wanted)}: ${JSON.stringify(this.#text)}`);
    switch (event.type) {
      case "attached":
        this.attaches += 1;
        return;
      case "size":
        return;
      case "screen":
        this.screens += 1;
        this.#next = event.offset;
        break;
      case "data":
        assert.equal(event.offset, this.#next ?? event.offset);
        this.#next = event.offset + event.bytes.length;
        break;
      default:
        assert.fail(`the terminal said ${event.type} before ${JSON.stringify(wanted)}`);
    }
    this.#text += Buffer.from(event.bytes).toString();
  }
}
