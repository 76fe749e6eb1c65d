// How a program begins: a script given as text, or a file of CommonJS. Modules are begun by the host.
import { core, internals } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const { op_node_has_child_ipc_pipe } = core.ops;
const nodeProcess = deno.whole.createLazyLoader("node:process");
const nodeModule = deno.whole.createLazyLoader("node:module");

// Node's console: over `process.stdout` and `process.stderr`, which are made when something is first written.
function installConsole(process) {
  const { Console, kBindProperties, kBindStreamsLazy } = deno.whole.loadExtScript(
    "ext:deno_node/internal/console/constructor.mjs",
  );
  const console = Object.create({});
  for (const key of Reflect.ownKeys(Console.prototype)) {
    if (key === "constructor") continue;
    const property = Reflect.getOwnPropertyDescriptor(Console.prototype, key);
    if (typeof property.value === "function") {
      const { name } = property.value;
      property.value = Object.defineProperty(property.value.bind(console), "name", { value: name });
    }
    Reflect.defineProperty(console, key, property);
  }
  console[kBindStreamsLazy](process);
  console[kBindProperties](true, "auto");
  console.Console = Console;
  const keep = { configurable: true, enumerable: false, writable: true };
  Object.defineProperty(globalThis, "console", { ...keep, value: console });
}

// Node's modules, and what `process` says of this program.
function prepare(options) {
  const { default: process } = nodeProcess();
  process.argv.splice(0, process.argv.length, options.argv0, ...options.argv);
  process.argv0 = options.argv0;
  process.execArgv = options.execArgv;
  installConsole(process);
  if (op_node_has_child_ipc_pipe()) {
    deno.whole.loadExtScript("ext:deno_node/child_process.ts");
    internals.__setupChildProcessIpcChannel();
  }
  return process;
}

function requireAll(names, from) {
  const require = nodeModule().createRequire(from);
  for (const name of names) require(name);
}

// `-e`, `-p` and a script on standard input: with `require` and the rest as globals, as Node has it.
function evaluate(options) {
  const Module = nodeModule().default;
  const path = deno.whole.createLazyLoader("node:path")().default;
  const process = nodeProcess().default;
  const name = options.name;
  // A child that is forked is not to be given it.
  process._eval = options.source;
  const module = new Module(name);
  module.filename = path.join(process.cwd(), name);
  module.paths = Module._nodeModulePaths(process.cwd());
  const define = (key, value) =>
    Object.defineProperty(globalThis, key, { configurable: true, enumerable: true, writable: true, value });
  define("module", module);
  define("exports", module.exports);
  define("require", nodeModule().createRequire(module.filename));
  define("__filename", name);
  define("__dirname", ".");
  const { runInThisContext } = deno.whole.createLazyLoader("node:vm")().default;
  guarded(() => {
    const result = runInThisContext(options.source, { filename: name, displayErrors: true });
    if (options.print) globalThis.console.log(result);
  });
}

// An error of a program's first script goes where every other goes: to its listeners, else to the host, which ends it.
function guarded(run) {
  try {
    run();
  } catch (error) {
    const process = nodeProcess().default;
    if (process.listenerCount("uncaughtException") === 0 || !process._fatalException(error)) throw error;
  }
}

function runFile(path) {
  guarded(() => nodeModule().default._load(path, null, true));
}

// The program ends with an error nobody caught: its listeners of the end are told, and may choose its code.
function fail() {
  const process = nodeProcess().default;
  process.exitCode ??= 1;
  internals.dispatchProcessExitEvent?.();
}

export { evaluate, fail, prepare, requireAll, runFile };
