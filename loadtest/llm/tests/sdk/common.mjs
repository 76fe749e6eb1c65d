// Runs named tests one after the other, and says which passed. Usage: node FILE URL FOLDER-WITH-NODE_MODULES
import { createRequire } from "node:module";
import { join } from "node:path";

export const url = process.argv[2];
export const require = createRequire(join(process.argv[3], "test.js"));

/** A prompt that brings its own script. */
export const scripted = (script, prompt = "Do it.") => `${prompt} [[script: ${JSON.stringify(script)}]]`;

/** A text that no cut leaves alone: two, three and four bytes a character, quotes, escapes and lines. */
export const TEXT = 'Grüße, 世界 🐇🐇 "quoted" \\ and\na line.';

/** Paces with which every stream has to say the same. */
export const PACES = [
  {},
  { delta_chars: 1 },
  { wire_bytes: 1, delta_chars: 3 },
  { wire_bytes: 7, crlf: true },
  { ascii: true, delta_chars: 1, wire_bytes: 13 },
];

export async function test(name, body) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error?.stack ?? error}`);
    process.exitCode = 1;
  }
}
