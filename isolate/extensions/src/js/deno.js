// The object that the extensions' scripts call `Deno`. Each of them that uses it has it as a binding of its own (see
// transpile.rs); it is no global, so a program finds Node and nothing else.
import { core, internals } from "ext:core/mod.js";

const errorNames = [
  "NotFound", "PermissionDenied", "ConnectionRefused", "ConnectionReset", "ConnectionAborted", "NotConnected",
  "AddrInUse", "AddrNotAvailable", "BrokenPipe", "AlreadyExists", "InvalidData", "TimedOut", "WriteZero",
  "WouldBlock", "UnexpectedEof", "Http", "Busy", "NotSupported", "FilesystemLoop", "IsADirectory",
  "NetworkUnreachable", "NotADirectory",
];
const errors = { BadResource: core.BadResource, Interrupted: core.Interrupted, NotCapable: core.NotCapable };
for (const name of errorNames) {
  errors[name] = {
    [name]: class extends Error {
      constructor(message, options) {
        super(message, options);
        this.name = name;
      }
    },
  }[name];
  core.registerErrorClass(name, errors[name]);
}

function lazily(load, names) {
  const properties = {};
  for (const name of names) {
    properties[name] = {
      configurable: true,
      enumerable: true,
      get: () => load()[name],
    };
  }
  return properties;
}

const fs = () => core.loadExtScript("ext:deno_fs/30_fs.js");
const os = () => core.loadExtScript("ext:deno_os/30_os.js");
const signals = () => core.loadExtScript("ext:deno_os/40_signals.js");
const io = () => core.loadExtScript("ext:deno_io/12_io.js");

const {
  op_runtime_cpu_usage, op_runtime_memory_usage, op_warren_unlink_file, op_warren_unlink_file_sync,
} = core.ops;
const usage = new Float64Array(4);
const deno = Object.defineProperties({ __proto__: null }, {
  ...lazily(fs, [
    "chmod", "chmodSync", "cwd", "chdir", "link", "linkSync", "lstat",
    "lstatSync", "makeTempDir", "makeTempDirSync", "open", "openSync", "readDir", "readDirSync",
    "readFile", "readFileSync", "readLink", "readLinkSync", "realPath", "realPathSync", "remove", "removeSync", "rename",
    "renameSync", "stat", "statSync", "truncate", "truncateSync", "umask",
    "writeFile", "writeFileSync", "FsFile",
  ]),
  ...lazily(os, [
    "env", "exit", "execPath", "loadavg", "osRelease", "osUptime", "hostname", "systemMemoryInfo", "networkInterfaces",
    "gid", "uid",
  ]),
  ...lazily(signals, ["addSignalListener", "removeSignalListener"]),
  ...lazily(io, ["stdin", "stdout", "stderr", "SeekMode"]),
});

// Errors of these are not made Node's by whoever calls them.
const failed = (error, syscall, path, dest) =>
  deno.whole.loadExtScript("ext:deno_node/internal/errors.ts").denoErrorToNodeError(error, { syscall, path, dest });
for (
  const [name, syscall, twoPaths] of
    [["copyFile", "copyfile", true], ["symlink", "symlink", true], ["chown", "chown"], ["utime", "utime"]]
) {
  deno[name] = async (path, second, third) => {
    try {
      return await fs()[name](path, second, third);
    } catch (error) {
      throw failed(error, syscall, path, twoPaths ? second : undefined);
    }
  };
  const atOnce = `${name}Sync`;
  deno[atOnce] = (path, second, third) => {
    try {
      return fs()[atOnce](path, second, third);
    } catch (error) {
      throw failed(error, syscall, path, twoPaths ? second : undefined);
    }
  };
}
deno.unlink = (path) => op_warren_unlink_file(path);
deno.unlinkSync = (path) => op_warren_unlink_file_sync(path);
// A directory without a name is there when a tree is copied into it, and only then.
deno.mkdir = (path, options) => fs().mkdir(path, path === "" ? undefined : options);
deno.mkdirSync = (path, options) => fs().mkdirSync(path, path === "" ? undefined : options);

// Scripts that are loaded later are loaded whole: what ends a program waits for them.
const { op_warren_loads } = core.ops;
const loaded = { __proto__: null };
function whole(load) {
  op_warren_loads(true);
  try {
    return load();
  } finally {
    op_warren_loads(false);
  }
}
deno.whole = {
  __proto__: null,
  createLazyLoader(specifier) {
    const load = core.createLazyLoader(specifier);
    let module;
    return () => module ??= whole(load);
  },
  loadExtScript(specifier) {
    return loaded[specifier] ??= whole(() => core.loadExtScript(specifier));
  },
};

deno.errors = errors;
deno.build = core.build;
deno.version = { deno: undefined, v8: undefined, typescript: undefined };
deno.args = [];
deno.internal = Symbol("internal");
deno[deno.internal] = internals;
deno.cpuUsage = () => {
  op_runtime_cpu_usage(usage);
  return { user: usage[1], system: usage[0] };
};
deno.memoryUsage = () => {
  op_runtime_memory_usage(usage);
  return { rss: usage[0], heapTotal: usage[1], heapUsed: usage[2], external: usage[3] };
};
internals.deno = deno;

for (
  const [name, type] of [
    ["OperationError", "OperationError"], ["NotSupportedError", "NotSupportedError"],
    ["NetworkError", "NetworkError"], ["AbortError", "AbortError"],
    ["InvalidCharacterError", "InvalidCharacterError"], ["DataError", "DataError"],
    ["InvalidStateError", "InvalidStateError"], ["QuotaExceededError", "QuotaExceededError"], ["SyntaxError", "SyntaxError"], ["IndexSizeError", "IndexSizeError"],
    ["TypeMismatchError", "TypeMismatchError"], ["InvalidAccessError", "InvalidAccessError"],
  ]
) {
  core.registerErrorBuilder(`DOMException${name}`, (message) => {
    const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
    // What `atob` and `btoa` say.
    return new DOMException(name === "InvalidCharacterError" ? "Invalid character" : message, type);
  });
}

export { deno };
