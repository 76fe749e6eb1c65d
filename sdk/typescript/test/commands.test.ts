/** Commands at their edges: much output, much input, what is no text, ends of every kind. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Conflict, type Session, WarrenError } from "warren-sdk";
import { Server, Way, noise, same } from "./server.js";

const timeout = 30_000;

describe("commands", { timeout: 120_000 }, () => {
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

  it("end in every way", { timeout }, async () => {
    const late = await session.exec(["sleep", "600"], { timeout: 50 });
    assert.deepEqual([late.end, late.exitCode], ["timed_out", 124]);
    const killed = await session.exec("kill -KILL $$");
    assert.deepEqual([killed.end, killed.signal, killed.exitCode], ["signaled", "SIGKILL", 137]);
    const none = await session.exec(["/no/such/program"]);
    assert.deepEqual([none.end, none.errno, none.exitCode], ["not_started", "ENOENT", 127]);
    await assert.rejects(session.exec([]), { code: "invalid_request", status: 422 });
    await assert.rejects(session.attach(4711).wait(), { code: "exec_not_found" });
  });

  it("are interrupted when their server dies, and say so", { timeout }, async () => {
    const command = await session.spawn("echo begun; exec sleep 600");
    assert.equal(Buffer.from((await command.stdout.next()) ?? []).toString(), "begun\n");
    const running = session.exec("sleep 600");
    const waiting = command.wait();
    // It runs when a second one is seen.
    while ((await session.execs()).filter(({ running }) => running).length < 2);
    await server.again();
    assert.deepEqual([(await waiting).end, (await waiting).exitCode], ["interrupted", null]);
    assert.equal((await running).end, "interrupted");
    assert.equal(await command.stdout.next(), undefined);
  });

  it("write what is no text", { timeout }, async () => {
    const { stdout, stdoutBytes } = await session.exec("cat", { stdin: Uint8Array.of(0xff, 0x41, 0x00) });
    assert.deepEqual([...stdoutBytes], [0xff, 0x41, 0x00]);
    assert.equal(stdout, "\ufffdA\0");
    const empty = await session.exec("cat");
    assert.deepEqual([empty.stdout, empty.stdoutBytes.length, empty.exitCode], ["", 0, 0]);
  });

  it("write more than an answer holds", { timeout }, async () => {
    const result = await session.exec("seq 1 300000");
    assert.deepEqual([result.cut, result.exitCode, result.stdoutBytes.length], [true, 0, 1 << 20]);
    const all = await session.attach(result.exec).stdout.text();
    assert.ok(all.startsWith("1\n2\n") && all.endsWith("\n300000\n"));
    assert.ok(all.startsWith(result.stdout));
  });

  it("take more input than a request holds, while they write", { timeout }, async () => {
    const much = noise(3 << 20);
    async function* parts(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < much.length; at += 1 << 19) yield much.subarray(at, at + (1 << 19));
    }
    const seen: Uint8Array[] = [];
    const onStdout = (bytes: Uint8Array): void => void seen.push(bytes);
    const result = await session.exec("cat; echo done >&2", { stdin: parts(), onStdout });
    assert.ok(same(Buffer.concat(seen), much));
    assert.deepEqual([result.cut, result.stdoutBytes.length, result.stderr], [true, 1 << 20, "done\n"]);
    // One that does not want it all is no error.
    const some = await session.exec("head -c 3; exit 7", { stdin: much });
    assert.deepEqual([[...some.stdoutBytes], some.exitCode], [[...much.subarray(0, 3)], 7]);
  });

  it("call back with output in order, and end with a call that fails", { timeout }, async () => {
    const seen: string[] = [];
    const result = await session.exec("echo one; read x; echo $x; echo err >&2; exit 2", {
      stdin: "two\n",
      onStdout: (bytes) => void seen.push(Buffer.from(bytes).toString()),
    });
    assert.equal(seen.join(""), "one\ntwo\n");
    assert.deepEqual([result.stdout, result.stderr, result.exitCode, result.cut], ["one\ntwo\n", "err\n", 2, false]);
    const failing = session.exec("echo x; exec sleep 600", {
      onStdout: () => {
        throw new RangeError("enough");
      },
    });
    await assert.rejects(failing, RangeError);
  });

  it("are read from the byte that is missing when connections break", { timeout }, async () => {
    const command = await session.spawn("seq 1 400000");
    const parts: Uint8Array[] = [];
    for await (const part of command.stdout) {
      parts.push(part);
      way.cut();
    }
    const wanted = Array.from({ length: 400_000 }, (_, index) => `${index + 1}\n`).join("");
    assert.ok(parts.length > 1 && same(Buffer.concat(parts), Buffer.from(wanted)));
    assert.deepEqual([command.stdout.offset, command.stdout.lost, command.stdout.ended], [wanted.length, 0, true]);
    assert.equal((await command.wait()).exitCode, 0);
  });

  it("take each part of their input once, in order", { timeout }, async () => {
    const command = await session.spawn("cat");
    const lines = Array.from({ length: 20 }, (_, index) => `line ${index}\n`);
    // Not waited for one by one; every third answer is lost, and its part sent again.
    const writes = lines.map((line, index) => {
      return command.stdin.write(line).then(() => void (index % 3 === 0 && (way.swallow = 1)));
    });
    await Promise.all(writes);
    way.swallow = 0;
    await command.stdin.end();
    assert.equal(await command.stdout.text(), lines.join(""));
    await assert.rejects(command.stdin.write("more"), (error) => {
      return error instanceof Conflict && error.code === "no_input";
    });
  });

  it("that do not read yet are waited for, over connections that give up", { timeout }, async () => {
    // As Node's fetch does after five minutes of silence.
    let silent = 0;
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const over = new AbortController();
      const late = setTimeout(() => over.abort(), 300);
      try {
        return await globalThis.fetch(input, { ...init, signal: over.signal });
      } catch (error) {
        if (!over.signal.aborted) throw error;
        silent += 1;
        throw new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "UND_ERR_HEADERS_TIMEOUT" }) });
      } finally {
        clearTimeout(late);
      }
    };
    const hurried = server.client({ fetch, patience: 2000 }).sessions.at(session.ref);
    await session.exec("mkfifo gate");
    const command = await hurried.spawn("read x < gate; wc -c");
    const fed = command.stdin.end(new Uint8Array(1 << 20));
    while (silent === 0) await session.refresh();
    await session.exec("echo > gate");
    await fed;
    assert.equal((await command.stdout.text()).trim(), String(1 << 20));
  });

  it("have a window", { timeout }, async () => {
    const command = await session.spawn(["cat"], { terminal: { rows: 10, columns: 40 } });
    await command.resize({ rows: 20, columns: 80 });
    await command.stdin.write("hello\n\x04");
    assert.equal(await command.stdout.text(), "hello\r\nhello\r\n");
    assert.equal((await command.wait()).exitCode, 0);
    const piped = await session.spawn("cat");
    await assert.rejects(piped.resize({ rows: 20, columns: 80 }), WarrenError);
    await piped.stdin.end();
  });

  it("go on when a call is given up", { timeout }, async () => {
    const over = new AbortController();
    const command = await session.spawn("read line; echo $line");
    const waiting = command.wait({ signal: over.signal });
    over.abort(new RangeError("given up"));
    await assert.rejects(waiting, RangeError);
    await assert.rejects(session.exec("true", { signal: over.signal }), RangeError);
    await command.stdin.end("still here\n");
    assert.equal(await command.stdout.text(), "still here\n");
  });

  it("are seen as processes", { timeout }, async () => {
    const command = await session.spawn(["sleep", "601"]);
    const [one] = (await session.processes()).filter(({ command }) => command.includes("601"));
    assert.ok(one !== undefined);
    await session.kill(one.pid, "KILL");
    assert.equal((await command.wait()).signal, "SIGKILL");
    await assert.rejects(session.kill(9999, "TERM"), WarrenError);
  });
});
