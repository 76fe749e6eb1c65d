/** The example of the README, as it stands there. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Server } from "./server.js";

test("the example runs", { timeout: 60_000 }, async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const example = /```js\n([^]*?)```/.exec(readme)?.[1];
  assert.ok(example !== undefined);
  const file = fileURLToPath(new URL("example.mjs", import.meta.url));
  writeFileSync(file, example);
  const server = await Server.start();
  try {
    const env = { ...process.env, WARREN_URL: server.url, WARREN_KEY: server.key };
    const { stdout } = await promisify(execFile)(process.execPath, [file], { env });
    const wanted = "0 hi\n\nnotes.txt 8\n     1\tone\n     2\ttwo\n exited\none\ntwo\n\n";
    assert.equal(stdout, wanted);
  } finally {
    await server.close();
  }
});
