// What nearly every program calls is called once when the snapshot is made, on things that nobody keeps: what was called has its
// compiled code there.
import { deno } from "ext:warren/deno.js";

const load = (name) => deno.whole.createLazyLoader(name)();

function rehearse() {
  const { createWritableStdioStream } = load("ext:deno_node/_process/streams.mjs");
  const nothing = { isTerminal: () => false, writeSync: (data) => data.byteLength };
  const out = createWritableStdioStream(nothing, "stdout");
  void [out.isTTY, out.columns];
  out.write("a line\n");
  out.write(new Uint8Array(8));
  const { Console } = deno.whole.loadExtScript("ext:deno_node/internal/console/constructor.mjs");
  const console = new Console(out, out);
  const values = [1, 2n, "text", true, null, undefined, [1, "two"], { three: 3, four: { five: [] } }, new Map([[1, 2]]), new Set([1])];
  console.log("hello");
  console.log("%s %d %j %o", ...values);
  console.log(...values, new Error("an error"), Symbol("s"), new Date(0), /x/, () => 1, new Uint8Array(2), Promise.resolve(1));
  console.error("an error");

  const { default: events } = load("node:events");
  const emitter = new events();
  const listener = () => {};
  emitter.on("event", listener).once("event", listener).emit("event", 1);
  emitter.off("event", listener);

  const { default: path } = load("node:path");
  path.dirname(path.join("/a", "..", path.relative("/a/b", "/a/c"), path.basename("/x/y.js", path.extname("y.js"))));
  path.resolve("/a", "./b");
  const { default: url } = load("node:url");
  url.fileURLToPath(url.pathToFileURL("/a/b.js"));
  const { Buffer } = load("node:buffer");
  Buffer.concat([Buffer.from("text"), Buffer.alloc(2), Buffer.from([1, 2])]).subarray(1).toString("base64");
  const { default: process } = load("node:process");
  process.nextTick(() => {});
  process.emit("an event");
}

export { rehearse };
