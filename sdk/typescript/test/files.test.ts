/** Files at their edges: names, parts, what is there already, what is no file. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Conflict, ConnectionLost, NotFound, type Session, WarrenError } from "warren-sdk";
import { Server, Way, collect, noise, assertSame } from "./server.js";

const timeout = 30_000;

describe("files", { timeout: 120_000 }, () => {
  let server: Server;
  let way: Way;
  let session: Session;

  before(async () => {
    server = await Server.start();
    way = await Way.to(server);
    session = await server.client({ url: way.url }).sessions.create();
  });
  after(async () => {
    way.close();
    await server.close();
  });

  it("have any name, and no name leaves the session", { timeout }, async () => {
    for (const name of ["a b", "%2F", "q?x=1#y", "ü€😀", "..x", "-", "a\\b", "+&=;:@,"]) {
      await session.files.write(`/tmp/${name}`, name);
      assert.equal(await session.files.readText(`/tmp/${name}`), name);
      assert.equal((await session.files.stat(`/tmp/${name}`)).name, `/tmp/${name}`);
    }
    // The dots are the session's, not the URL's.
    assert.equal(await session.files.readText("/tmp/../tmp/./-"), "-");
    assert.equal((await session.files.stat("/../../../..")).kind, "directory");
    assert.equal((await session.files.stat("/")).kind, "directory");
    assert.equal(await session.files.readText("tmp/-"), "-");
  });

  it("are read in parts", { timeout }, async () => {
    const { files } = session;
    await files.write("/tmp/part", "0123456789");
    const part = (start?: number, end?: number) => files.readText("/tmp/part", { start, end });
    assert.deepEqual(await Promise.all([part(), part(3), part(0, 3), part(2, 4), part(8, 99)]), [
      "0123456789",
      "3456789",
      "012",
      "23",
      "89",
    ]);
    assert.deepEqual([await part(4, 4), await part(5, 4)], ["", ""]);
    await assert.rejects(part(10), { code: "range_outside", status: 416 });
    await files.write("/tmp/empty", "");
    assert.equal((await files.read("/tmp/empty")).length, 0);
    assert.deepEqual(await collect(await files.stream("/tmp/empty")), []);
  });

  it("are written as it is asked", { timeout }, async () => {
    const { files } = session;
    await files.write("/tmp/log", "one\n", { mode: 0o640 });
    await files.write("/tmp/log", "two\n", { append: true });
    assert.equal(await files.readText("/tmp/log"), "one\ntwo\n");
    await assert.rejects(files.write("/tmp/log", "", { exclusive: true }), (error) => {
      return error instanceof Conflict && error.status === 412 && error.code === "file_exists";
    });
    assert.equal((await files.stat("/tmp/log")).mode, "0640");
    await files.write("/tmp/blob", new Blob(["a", "b"]));
    assert.equal(await files.readText("/tmp/blob"), "ab");
    await assert.rejects(files.write("/tmp/none/x", ""), (error) => {
      return error instanceof NotFound && error.errno === "ENOENT";
    });
    await assert.rejects(files.mkdir("/tmp/log"), Conflict);
  });

  it("and directories are told apart", { timeout }, async () => {
    const { files } = session;
    await files.mkdir("/tmp/dir");
    assert.deepEqual(await collect(files.list("/tmp/dir")), []);
    await files.write("/tmp/file", "{}");
    await assert.rejects(files.read("/tmp/dir"), (error) => {
      return error instanceof Conflict && error.code === "is_a_directory";
    });
    await assert.rejects(files.stream("/tmp/dir"), Conflict);
    await assert.rejects(collect(files.list("/tmp/file")), (error) => {
      return error instanceof Conflict && error.code === "not_a_directory";
    });
    await assert.rejects(collect(files.list("/tmp/nothing")), NotFound);
    await session.exec("mkfifo /tmp/fifo; ln -s log /tmp/link");
    await assert.rejects(files.read("/tmp/fifo"), { code: "not_a_file" });
    assert.equal((await files.stat("/tmp/link")).target, "log");
    assert.equal(await files.readText("/tmp/link"), await files.readText("/tmp/log"));
  });

  it("are many", { timeout }, async () => {
    await session.exec("mkdir /tmp/many; cd /tmp/many; for n in $(seq -w 0 249); do : > $n; done");
    const names = (await collect(session.files.list("/tmp/many", { pageSize: 100 }))).map(({ name }) => name);
    assert.deepEqual(names, Array.from({ length: 250 }, (_, index) => String(index).padStart(3, "0")));
    const rest = await collect(session.files.list("/tmp/many", { after: "247" }));
    assert.deepEqual(rest.map(({ name }) => name), ["248", "249"]);
  });

  it("are changed together, or not at all", { timeout }, async () => {
    const { files } = session;
    const done = await files.batch([
      { op: "mkdir", path: "/tmp/a/b", parents: true },
      { op: "write", path: "/tmp/a/run", content: "#!/bin/sh\necho ran\n", mode: 0o755 },
      { op: "write", path: "/tmp/a/bytes", content: new Uint8Array([255, 0]) },
      { op: "move", path: "/tmp/a/bytes", to: "/tmp/a/b/bytes" },
      { op: "symlink", path: "/tmp/a/link", target: "run" },
    ]);
    assert.deepEqual(done.map((file) => file?.kind), ["directory", "file", undefined, "file", "symlink"]);
    assert.equal((await session.exec("/tmp/a/link")).stdout, "ran\n");
    assert.deepEqual([...(await files.read("/tmp/a/b/bytes"))], [255, 0]);
    const wrong = files.batch([
      { op: "remove", path: "/tmp/a", recursive: true },
      { op: "remove", path: "/nowhere" },
    ]);
    await assert.rejects(wrong, { operation: 1, code: "file_not_found", name: "NotFound" });
    assert.equal((await session.exec("/tmp/a/run")).stdout, "ran\n");
    // An answer that is lost is asked for again, and given as it was.
    way.swallow = 1;
    const once = await files.batch([{ op: "write", path: "/tmp/a/once", content: "x", exclusive: true }]);
    assert.deepEqual([once[0]?.size, way.swallow], [1, 0]);
  });

  it("are read together", { timeout }, async () => {
    const { files } = session;
    const large = noise(700_000);
    await files.write("/tmp/large", large);
    await files.write("/tmp/text", "grüße\n");
    const paths = ["/tmp/text", "/tmp/none", "/tmp", "/tmp/large", "/tmp/text", "/tmp/text"];
    const read = await collect(files.readMany(paths));
    assert.deepEqual(read.map((one) => one.path), paths);
    assertSame(read[3]?.data ?? new Uint8Array(), large);
    assert.equal(Buffer.from(read[5]?.data ?? []).toString(), "grüße\n");
    assert.ok(read[1]?.error instanceof NotFound && read[1].file === undefined);
    assert.deepEqual([read[2]?.file?.kind, read[2]?.data.length], ["directory", 0]);
    const short = await collect(files.readMany(["/tmp/large", "/tmp/text"], { bytesMax: 300_000 }));
    assert.deepEqual(short.map(({ data, cut }) => [data.length, cut]), [[300_000, true], [0, true]]);
    assert.deepEqual(await collect(files.readMany([])), []);
  });

  it("that break off in the middle are errors, and go on where they were", { timeout }, async () => {
    const big = noise(32 << 20);
    await session.files.write("/tmp/big", big);
    const parts: Uint8Array[] = [];
    let held = 0;
    const stream = await session.files.stream("/tmp/big");
    await assert.rejects(async () => {
      for await (const part of stream) {
        parts.push(part);
        held += part.length;
        way.cut();
      }
    });
    assert.ok(held > 0 && held < big.length);
    parts.push(await session.files.read("/tmp/big", { start: held }));
    assertSame(Buffer.concat(parts), big);
    // One that is wanted whole is asked for again.
    const whole = session.files.read("/tmp/big");
    way.swallow = 1;
    assertSame(await whole, big);
    assert.equal(way.swallow, 0);
  });

  it("are not written twice when nobody knows whether they were", { timeout }, async () => {
    way.swallow = 1;
    await assert.rejects(session.files.write("/tmp/once", "x", { append: true }), (error) => {
      assert.ok(error instanceof ConnectionLost && error instanceof WarrenError);
      assert.deepEqual([error.status, error.code], [0, "connection_lost"]);
      return true;
    });
    assert.equal(await session.files.readText("/tmp/once"), "x");
    // An upload that is given up leaves what was there.
    const over = new AbortController();
    let stopped = (): void => undefined;
    const ends = new Promise<void>((resolve) => (stopped = resolve));
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (let part = 0; ; part += 1) {
          if (part === 3) over.abort(new RangeError("given up"));
          await new Promise(setImmediate);
          yield noise(1000);
        }
      } finally {
        stopped();
      }
    }
    await assert.rejects(session.files.write("/tmp/once", endless(), { signal: over.signal }), RangeError);
    await ends;
    assert.equal(await session.files.readText("/tmp/once"), "x");
  });
});
