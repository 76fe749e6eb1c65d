/** What is shipped: exact versions, no hosts, no dependencies. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const text = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), "utf8");

test("the lock file names no host", () => {
  // A registry is the user's own choice. `npm run lock` takes out what else is there.
  assert.doesNotMatch(text("package-lock.json"), /:\/\//);
});

test("nothing is needed at run time, and what is needed to build is exact", () => {
  const made = JSON.parse(text("package.json")) as Record<string, Record<string, string> | undefined>;
  assert.equal(made["dependencies"], undefined);
  for (const [name, version] of Object.entries(made["devDependencies"] ?? {})) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  }
});
