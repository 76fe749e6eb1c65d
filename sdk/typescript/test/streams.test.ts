/** Events and terminals at their edges. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  NotFound,
  type Session,
  type SessionEvent,
  type TerminalEvent,
  Unauthorized,
  WarrenError,
  type models,
  outputOf,
} from "warren-sdk";
import { parse } from "../dist/sse.js";
import { Server, Way, collect } from "./server.js";

const timeout = 30_000;
type Of<T extends TerminalEvent["type"]> = Extract<TerminalEvent, { type: T }>;

describe("streams", { timeout: 180_000 }, () => {
  let server: Server;
  let way: Way;
  let session: Session;

  before(async () => {
    server = await Server.start();
    way = await Way.to(server);
    session = await server.client({ url: way.url }).sessions.create({ durability: "journal" });
  });
  after(async () => {
    way.close();
    await server.close();
  });

  it("of events are read wherever they are cut", { timeout }, async () => {
    const first = ': hello\n\nid: 1.1\nevent: output\ndata: {"a":"ü"}\n\n';
    const text = `${first}event:resync\r\ndata: {}\r\n\r\nid: 1.2\ndata: lost`;
    const bytes = Buffer.from(text);
    const wanted = [
      { id: "1.1", event: "output", data: '{"a":"ü"}' },
      { id: undefined, event: "resync", data: "{}" },
    ];
    for (const size of [1, 2, 3, 7, bytes.length]) {
      async function* parts(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      }
      assert.deepEqual(await collect(parse(parts())), wanted);
    }
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(1 << 16, "x");
    }
    await assert.rejects(collect(parse(endless())), WarrenError);
  });

  it("of events begin and end where they should", { timeout }, async () => {
    const { exec } = await session.exec("echo one; printf '\\377'");
    const all = await collect(session.events({ follow: false }));
    assert.equal(all[0]?.type, "epoch_began");
    const third = all[2];
    assert.ok(third !== undefined && third.type !== "resync");
    const rest = await collect(session.events({ follow: false, after: third.position }));
    assert.deepEqual(rest, all.slice(3));
    const own = await collect(session.events({ exec }));
    assert.deepEqual([own[0]?.type, own.at(-1)?.type], ["started", "exited"]);
    const output = own.flatMap((event) => (event.type === "output" ? [outputOf(event)] : []));
    assert.deepEqual(Buffer.concat(output), Buffer.from([...Buffer.from("one\n"), 0xff]));
    await assert.rejects(collect(session.events({ after: "nonsense" })), { code: "invalid_request" });
    const nowhere = server.client().sessions.at("nowhere");
    await assert.rejects(collect(nowhere.events()), NotFound);
  });

  it("of files tell what becomes of them, over connections that are cut", { timeout }, async () => {
    // A write that breaks off is not sent again: it goes beside the connections that are cut.
    const { files } = server.client().sessions.at(session.ref);
    await files.mkdir("/tmp/w/d", { parents: true });
    const changes: models.FileChange[] = [];
    let begun = 0;
    for await (const told of session.files.watch("/tmp/w", { recursive: true })) {
      if (told.type === "watching") {
        begun += 1;
        await files.write("/tmp/w/a", "1");
        continue;
      }
      assert.ok(told.type === "changes");
      changes.push(...told.changes);
      // What is done while there is no connection is told when there is one again.
      way.cut();
      if (changes.length === 1) await files.write("/tmp/w/a", "2");
      else if (changes.length === 2) await files.move("/tmp/w/a", "/tmp/w/d/b");
      else if (changes.length === 3) await files.remove("/tmp/w/d", { recursive: true });
      else break;
    }
    assert.deepEqual(changes.map(({ change, path, from }) => [change, path, from]), [
      ["created", "/tmp/w/a", undefined],
      ["modified", "/tmp/w/a", undefined],
      ["moved", "/tmp/w/d/b", "/tmp/w/a"],
      ["removed", "/tmp/w/d", undefined],
    ]);
    assert.equal(begun, 1);
    await assert.rejects(collect(files.watch("/tmp/../etc")), { code: "invalid_request" });
  });

  it("of events that are cut before their end are asked for again", { timeout }, async () => {
    await session.exec("true");
    const whole = await collect(session.events({ follow: false }));
    let asked = 0;
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const answer = await globalThis.fetch(input, init);
      asked += 1;
      if (asked > 1) return answer;
      const two = (await answer.text()).split("\n\n").slice(0, 2);
      return new Response(`${two.join("\n\n")}\n\n`, answer);
    };
    const short = server.client({ fetch }).sessions.at(session.ref);
    assert.deepEqual(await collect(short.events({ follow: false })), whole);
    assert.equal(asked, 2);
    const last = (await session.refresh()).position;
    assert.deepEqual(await collect(session.events({ follow: false, after: last })), []);
  });

  it("of events say what was lost with a server", { timeout }, async () => {
    // As one has it who saw more than the server kept: the numbers behind are given again.
    const last = (await session.refresh()).position;
    const [epoch, seq] = last.split(".").map(Number);
    const ahead = `${epoch}.${(seq ?? 0) + 100}`;
    await server.again();
    await session.exec("true");
    for await (const event of session.events({ after: ahead })) {
      assert.equal(event.type, "resync");
      assert.ok(event.type === "resync" && event.to >= event.from);
      break;
    }
  });

  it("of events go on over many connections, and end when nobody follows them", { timeout }, async () => {
    const seen: SessionEvent[] = [];
    for (let index = 0; index < 5; index += 1) await session.exec("echo x");
    for await (const event of session.events()) {
      assert.ok(event.type !== "resync");
      seen.push(event);
      if (seen.length % 5 === 0) way.cut();
      // The last of them come while they are waited for.
      if (seen.length === 15) for (let index = 0; index < 5; index += 1) await session.exec("echo x");
      if (seen.length === 25) break;
    }
    const numbers = seen.map(({ position }) => Number(position.split(".")[1]));
    assert.deepEqual(numbers, Array.from(numbers.keys(), (index) => index + 1));
    const over = new AbortController();
    const waiting = collect(session.events({ signal: over.signal }));
    over.abort(new RangeError("given up"));
    await assert.rejects(waiting, RangeError);
    await session.files.write("/home/agent/zeros", new Uint8Array(32 << 20));
    // In the middle too, when all that nobody holds is gone.
    const later = new AbortController();
    const events = session.events({ signal: later.signal });
    for (let index = 0; index < 20; index += 1) await events.next();
    const file = await session.files.stream("/home/agent/zeros", { signal: later.signal });
    const pending = collect(events);
    setFlagsFromString("--expose-gc");
    for (let index = 0; index < 5; index += 1) {
      (runInNewContext("gc") as () => void)();
      await session.exec("true");
    }
    later.abort(new RangeError("given up"));
    await assert.rejects(pending, RangeError);
    await assert.rejects(collect(file), RangeError);
    await server.restart();
    assert.equal((await session.exec("echo back")).stdout, "back\n");
  });

  it("of events end when their key does", { timeout }, async () => {
    const operator = server.client();
    const made = await operator.keys.create({ name: "short", role: "viewer" });
    const events = server.client({ key: made.key }).sessions.at(session.ref).events();
    assert.equal((await events.next()).done, false);
    await operator.keys.revoke(made.id);
    await assert.rejects(collect(events), Unauthorized);
  });

  it("of a terminal have names, and one that is there is not opened again", { timeout }, async () => {
    const one = await session.terminal({ argv: ["cat"], rows: 10, columns: 40 });
    assert.equal(one.name, "1");
    const same = await session.terminal({ name: "1" });
    assert.deepEqual([same.rows, same.columns], [10, 40]);
    const view = await session.terminal({ name: "1", view: true });
    await one.write("hello\n");
    for (const terminal of [one, same, view]) {
      let text = "";
      for await (const bytes of terminal.data) {
        text += Buffer.from(bytes).toString();
        if (text.includes("hello\r\nhello\r\n")) break;
      }
      assert.ok(text.includes("hello\r\nhello\r\n"));
    }
    await assert.rejects(session.terminal({ view: true }), WarrenError);
    await assert.rejects(session.terminal({ name: "none", view: true }), { code: "terminal_not_found" });
    await assert.rejects(session.terminal({ name: "No" }), { code: "invalid_request" });
    const { token } = await session.token({ scopes: ["sessions:read"] });
    const looks = server.client({ key: token }).sessions.at(session.ref);
    await assert.rejects(looks.terminal({ name: "1" }), { code: "scope_missing" });
    const seen = await (await looks.terminal({ name: "1", view: true }))[Symbol.asyncIterator]().next();
    assert.equal(seen.value?.type, "attached");
  });

  it("of a terminal end with it", { timeout }, async () => {
    const terminal = await session.terminal({ name: "ends", argv: ["sh", "-c", "read x; exit 3"] });
    await terminal.write("\r");
    const last = (await collect(terminal)).at(-1) as Of<"exit">;
    assert.deepEqual([last.type, last.end, last.exitCode], ["exit", "exited", 3]);
    await assert.rejects(terminal.write("x"), { code: "detached" });
    const again = await session.terminal({ name: "ends" });
    await again.resize({ rows: 0, columns: 10 });
    const events = again[Symbol.asyncIterator]();
    for (let refused = false; !refused; ) {
      const { value } = await events.next();
      assert.ok(value !== undefined);
      refused = value.type === "error" && value.error.code === "invalid_request";
    }
    await again.hangUp();
    const rest: TerminalEvent[] = [];
    for (let next = await events.next(); next.done !== true; next = await events.next()) rest.push(next.value);
    assert.equal(rest.at(-1)?.type, "closed");
    assert.deepEqual((await session.terminals()).filter(({ terminal }) => terminal === "ends"), []);
  });

  it("of a terminal outlive a server that is stopped", { timeout }, async () => {
    const terminal = await session.terminal({ name: "stays" });
    let text = "";
    let attaches = 0;
    const reading = (async () => {
      for await (const event of terminal) {
        assert.ok(event.type !== "exit" && event.type !== "closed", event.type);
        if (event.type === "attached") attaches += 1;
        if ("bytes" in event) text += Buffer.from(event.bytes).toString();
        if (event.type === "screen") await terminal.write("echo o''ne\r");
        if (text.includes("[warren: a new shell") && text.includes("two\r\n")) return;
        if (attaches === 2) await terminal.write("echo t''wo\r");
      }
    })();
    await server.restart();
    await reading;
    assert.ok(attaches >= 1);
  });

  it("of a terminal wait for who is slow, without holding all of it", { timeout: 60_000 }, async () => {
    const line = "read x; seq 1 600000; echo the end; read x";
    const terminal = await session.terminal({ name: "slow", argv: ["sh", "-c", line] });
    await terminal.write("\r");
    const command = (await terminal.screen()).exec;
    assert.ok(command !== null);
    // Nothing is read here until all of it was written.
    const log = session.attach(command);
    let tail = "";
    for await (const bytes of log.stdout) {
      tail = (tail + Buffer.from(bytes).toString()).slice(-100);
      if (tail.includes("the end")) break;
    }
    let next: number | undefined;
    let gaps = 0;
    let bytes = 0;
    let shown = "";
    for await (const event of terminal) {
      if (event.type === "gap") gaps += 1;
      if (event.type !== "screen" && event.type !== "data") continue;
      if (event.type === "data") assert.equal(event.offset, next ?? event.offset);
      next = event.type === "data" ? event.offset + event.bytes.length : event.offset;
      bytes += event.bytes.length;
      shown = (event.type === "screen" ? "" : shown.slice(-200)) + Buffer.from(event.bytes).toString();
      if (shown.includes("the end")) break;
    }
    assert.ok(gaps > 0, "what was too much was not sent");
    assert.ok(bytes < 3 << 20, `${bytes}`);
  });
});
