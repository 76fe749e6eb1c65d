// How a program begins: a script given as text, a file of CommonJS, or a module; and how one ends that nobody catches an error of.
import { core, internals, primordials } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const {
  ArrayPrototypePush, Error, FunctionPrototypeToString, MathMax, ObjectPrototypeIsPrototypeOf, ObjectPrototypeToString, SafeMap,
  SafeWeakMap, String, StringPrototypeIncludes, StringPrototypeSlice, StringPrototypeSplit, StringPrototypeStartsWith,
  SyntaxErrorPrototype,
} = primordials;
const {
  op_node_has_child_ipc_pipe, op_node_parse_env, op_require_can_parse_as_esm, op_require_read_file, op_warren_check,
  op_warren_compile, op_warren_is_error, op_warren_place, op_warren_run,
} = core.ops;
const nodeProcess = deno.whole.createLazyLoader("node:process");
const nodeModule = deno.whole.createLazyLoader("node:module");
const nodePath = deno.whole.createLazyLoader("node:path");

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
  const main = options.main === undefined ? [] : [nodePath().default.resolve(options.main)];
  process.argv.splice(0, process.argv.length, process.execPath, ...main, ...options.argv);
  process.argv0 = options.argv0;
  process.execArgv = options.execArgv;
  setVariables(process.env, options.envFiles);
  if (options.stackTraceLimit !== undefined) globalThis.Error.stackTraceLimit = options.stackTraceLimit;
  for (const name of ["noDeprecation", "throwDeprecation", "traceDeprecation", "traceProcessWarnings"]) {
    if (options[name]) process[name] = true;
  }
  rejections = options.unhandledRejections;
  const { NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE } = process.env;
  if (NODE_COMPILE_CACHE && !NODE_DISABLE_COMPILE_CACHE) compileCache = compileCacheIn(NODE_COMPILE_CACHE);
  nodeModule().default._initPaths();
  if (op_node_has_child_ipc_pipe()) {
    deno.whole.loadExtScript("ext:deno_node/child_process.ts");
    internals.__setupChildProcessIpcChannel();
  }
  return main[0];
}

// The variables of `--env-file`: a later file's over an earlier one's, and those the process has over all.
function setVariables(env, files) {
  const all = new SafeMap();
  for (let index = 0; index < files.length; index++) {
    const parsed = op_node_parse_env(files[index]);
    for (const key in parsed) all.set(key, parsed[key]);
  }
  all.forEach((value, key) => {
    if (env[key] === undefined) env[key] = value;
  });
}

internals.loadEnvFile = (path) => {
  const text = deno.whole.createLazyLoader("node:fs")().readFileSync(path, "utf8");
  setVariables(nodeProcess().default.env, [text]);
};

// The resolver's error of a package has its code before its message, quotes and who asked after it.
internals.notExported = (error) => {
  const { code, message } = error;
  if (code !== "ERR_PACKAGE_PATH_NOT_EXPORTED" || !StringPrototypeStartsWith(message, `[${code}] `)) return error;
  const { 0: text } = StringPrototypeSplit(StringPrototypeSlice(message, code.length + 3), "' imported from '");
  const { 0: what, 1: where } = StringPrototypeSplit(text, " in '");
  if (where !== undefined) error.message = `${what} in ${where}`;
  return error;
};

// Folders where `require` looks last.
internals.globalPaths = () => {
  const { env } = nodeProcess().default;
  const paths = [];
  const named = StringPrototypeSplit(env.NODE_PATH ?? "", ":");
  for (let index = 0; index < named.length; index++) {
    if (named[index] !== "") ArrayPrototypePush(paths, named[index]);
  }
  if (env.HOME) ArrayPrototypePush(paths, `${env.HOME}/.node_modules`, `${env.HOME}/.node_libraries`);
  ArrayPrototypePush(paths, "/usr/lib/node");
  return paths;
};

function requireAll(names, from) {
  const require = nodeModule().createRequire(from);
  for (const name of names) require(name);
}

// `module.enableCompileCache`: what is compiled is kept by the host whether a program asks for it or not, and never in its files.
// It is told what Node tells.
const status = Object.freeze({ __proto__: null, FAILED: 0, ENABLED: 1, ALREADY_ENABLED: 2, DISABLED: 3 });
let compileCache;

function compileCacheIn(folder) {
  const { env, version, arch, getuid } = nodeProcess().default;
  const { join, resolve } = nodePath().default;
  return join(resolve(folder ?? join(env.TMPDIR || "/tmp", "node-compile-cache")), `${version}-${arch}-${getuid()}`);
}

internals.compileCache = {
  status,
  directory: () => compileCache,
  enable(options) {
    const { env } = nodeProcess().default;
    if (env.NODE_DISABLE_COMPILE_CACHE) {
      return { status: status.DISABLED, message: "Disabled by NODE_DISABLE_COMPILE_CACHE" };
    }
    if (compileCache !== undefined) return { status: status.ALREADY_ENABLED, directory: compileCache };
    const named = typeof options === "object" && options !== null ? options.directory : options;
    if (named !== undefined && typeof named !== "string") {
      const { ERR_INVALID_ARG_TYPE } = deno.whole.loadExtScript("ext:deno_node/internal/errors.ts");
      throw new ERR_INVALID_ARG_TYPE("cacheDir", "string", named);
    }
    compileCache = compileCacheIn(named ?? (env.NODE_COMPILE_CACHE || undefined));
    return { status: status.ENABLED, directory: compileCache };
  },
};

// What a module only can have, as the engine says it of a script.
const onlyInModules = [
  "Cannot use import statement outside a module", "Unexpected token 'export'",
  "Cannot use 'import.meta' outside a module",
];
const mayBeOfModules = [
  "Identifier '__filename' has already been declared", "Identifier '__dirname' has already been declared",
  "Identifier 'module' has already been declared", "Identifier 'exports' has already been declared",
  "Identifier 'require' has already been declared", "Unexpected reserved word",
  "await is only valid in async functions and the top level bodies of modules", "missing ) after argument list",
];

function isOfModule(error, text) {
  if (!ObjectPrototypeIsPrototypeOf(SyntaxErrorPrototype, error)) return false;
  const { message } = error;
  for (let index = 0; index < onlyInModules.length; index++) {
    if (StringPrototypeIncludes(message, onlyInModules[index])) return true;
  }
  for (let index = 0; index < mayBeOfModules.length; index++) {
    if (StringPrototypeIncludes(message, mayBeOfModules[index])) return op_require_can_parse_as_esm(text);
  }
  return false;
}

// The main file, which is read and compiled before it is known to be CommonJS.
let ahead;

internals.readSource = (filename) => ahead?.filename === filename ? ahead.text : op_require_read_file(filename);
internals.compileFile = (text, filename) => {
  if (ahead?.filename === filename && ahead.text === text) {
    const { compiled } = ahead;
    ahead = undefined;
    return compiled;
  }
  return op_warren_compile(text, filename);
};

// The file a name on the command line means, as `require` finds it.
function findMain(path) {
  return nodeModule().default._findPath(path, null, true) || undefined;
}

// Runs a file of CommonJS. Whether it is a module instead, when it may be one.
function runFile(path, mayBeModule) {
  if (mayBeModule) {
    const text = op_require_read_file(path);
    try {
      ahead = { filename: path, text, compiled: op_warren_compile(text, path) };
    } catch (error) {
      if (isOfModule(error, text)) return true;
      throw error;
    }
  }
  nodeModule().default._load(path, null, true);
  return false;
}

// `--check`: whether it is a module instead, when it may be one. Throws what is wrong with it.
function checkFile(path, mayBeModule, isModule) {
  const text = op_require_read_file(path);
  try {
    if (isModule) op_warren_check(text, `file://${path}`, true);
    else op_warren_compile(text, path);
  } catch (error) {
    if (!mayBeModule || !isOfModule(error, text)) throw error;
  }
}

// A module that is begun, until it has been evaluated.
let unsettled = false;

// The host turns the event loop until it is evaluated.
function runModule(url) {
  unsettled = true;
  import(url).then(
    () => unsettled = false,
    (error) => {
      unsettled = false;
      uncaught(error, true);
    },
  );
}

// `-e`, `-p` and a script on standard input: with `require` and the rest as globals, as Node has it. Whether it is a module
// instead, when it may be one.
function evaluate(options) {
  const { name, source, mayBeModule } = options;
  if (mayBeModule) {
    try {
      op_warren_check(source, name, false);
    } catch (error) {
      if (isOfModule(error, source)) return true;
      throw error;
    }
  }
  const Module = nodeModule().default;
  const process = nodeProcess().default;
  // A child that is forked is not to be given it.
  process._eval = source;
  const module = new Module(name);
  module.filename = nodePath().default.join(process.cwd(), name);
  module.paths = Module._nodeModulePaths(process.cwd());
  const define = (key, value) =>
    Object.defineProperty(globalThis, key, { configurable: true, enumerable: true, writable: true, value });
  define("module", module);
  define("exports", module.exports);
  define("require", nodeModule().createRequire(module.filename));
  define("__filename", name);
  define("__dirname", ".");
  const result = op_warren_run(source, name);
  if (options.print) globalThis.console.log(result);
  return false;
}

// The error that ends the program, until it is told.
let fatal;
// `--unhandled-rejections`.
let rejections;

// An error nobody caught: told to its listeners, or the program ends.
function uncaught(error, fromPromise) {
  if (caught(error, fromPromise)) return;
  fatal ??= { error, place: op_warren_place(error, !fromPromise) };
  core.reportUnhandledException(error);
}

// Whether a listener took it.
function caught(error, fromPromise) {
  const process = nodeProcess().default;
  if (typeof process._fatalException === "function") return process._fatalException(error, fromPromise) === true;
  process.exitCode = 6;
  return false;
}

// A promise was rejected and nobody cares: whether that is the end of it.
function rejected(reason) {
  if (rejections === "none") return true;
  const error = op_warren_is_error(reason) ? reason : unhandled(reason);
  if (rejections === "warn") {
    const process = nodeProcess().default;
    process.emitWarning(error.stack ?? String(error), "UnhandledPromiseRejectionWarning");
    return true;
  }
  fatal ??= { error, place: op_warren_place(error, false) };
  return false;
}

const { toString } = Object.prototype;

// As the engine names a value without calling anything of it.
function withoutEffects(value) {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return String(value);
  if (typeof value === "function") return FunctionPrototypeToString(value);
  if (value.toString !== toString) return ObjectPrototypeToString(value);
  return `#<${value.constructor?.name || "Object"}>`;
}

function unhandled(reason) {
  let text;
  try {
    text = withoutEffects(reason);
  } catch {
    text = "<unknown>";
  }
  const error = new Error(
    "This error originated either by throwing inside of an async function without a catch block, or by rejecting a " +
      `promise which was not handled with .catch(). The promise rejected with the reason "${text}".`,
  );
  Object.defineProperty(error, "name", { configurable: true, value: "UnhandledPromiseRejection", writable: true });
  error.code = "ERR_UNHANDLED_REJECTION";
  return error;
}

// An error that no script threw, such as one of finding a module, is told as if one had.
function withoutFrames(error, text) {
  const { stack } = error;
  if (!op_warren_is_error(error) || typeof stack !== "string" || !StringPrototypeStartsWith(text, `[${stack}]`)) return text;
  return stack + StringPrototypeSlice(text, stack.length + 2);
}

// Errors that were emitted and nobody listened for: their stacks with where that was.
const emitted = new SafeWeakMap();
internals.emittedAt = (error, stack) => emitted.set(error, stack);

function withEmission(error) {
  const stack = emitted.get(error);
  if (stack === undefined) return false;
  try {
    error.stack = stack();
  } catch {
    // The program's own stack cannot be set.
  }
  return true;
}

// What is told of the error that ends the program: the one that was remembered, or this.
function describe(error, place) {
  if (fatal === undefined && place === undefined) return undefined;
  const told = fatal ?? { error, place };
  const above = withEmission(told.error) ? "" : told.place ?? "";
  if ((typeof told.error !== "object" || told.error === null) && typeof told.error !== "function") {
    const hint = "(Use `node --trace-uncaught ...` to show where the exception was thrown)";
    return `${above === "" ? "Uncaught:" : `\n${above}`}\n${String(told.error)}\n${hint}\n`;
  }
  const { inspect, inspectDefaultOptions } = deno.whole.loadExtScript("ext:deno_node/internal/util/inspect.mjs");
  let text;
  try {
    const depth = MathMax(inspectDefaultOptions?.depth ?? 2, 5);
    text = inspect(told.error, { customInspect: false, depth });
  } catch {
    text = String(told.error.stack);
  }
  if (above !== "" && !StringPrototypeStartsWith(above, "[") && !op_warren_is_error(told.error)) return `\n${above}\n${text}\n`;
  text = withoutFrames(told.error, text);
  // An error of linking modules has its place in its stack.
  const linked = ObjectPrototypeIsPrototypeOf(SyntaxErrorPrototype, told.error) &&
    StringPrototypeStartsWith(above, "file:") && StringPrototypeStartsWith(String(told.error.message), "The requested module");
  return `${above}${above === "" ? "" : linked ? "\n" : "\n\n"}${text}\n`;
}

// Whether the main module waits for something that never happens. That is how it ends then.
function isUnsettled() {
  if (!unsettled || fatal !== undefined) return false;
  nodeProcess().default.exitCode ??= 13;
  return true;
}

// The program ends with an error nobody caught: its listeners of the end are told, and may choose its code.
function fail() {
  const process = nodeProcess().default;
  process.exitCode ??= 1;
  internals.dispatchProcessExitEvent?.();
  core.runMicrotasks();
}

export {
  caught, checkFile, describe, evaluate, fail, findMain, installConsole, isUnsettled, prepare, rejected, requireAll, runFile, runModule, uncaught,
};
