//! Changes of the scripts of `process`, `os`, `events`, `net` and others that are no files, children or web interfaces.

use super::Patch;

const ERRORS: &str = "ext:deno_node/internal/errors.ts";
const STREAMS: &str = "ext:deno_node/_process/streams.mjs";
const WARNING: &str = "ext:deno_node/internal/process/warning.ts";
const PROCESS: &str = "node:process";
const ZLIB: &str = "ext:deno_node/zlib.js";
const OS: &str = "ext:deno_node/os.ts";

pub(super) const PATCHES: &[Patch] = &[
    (
        "ext:deno_node/_events.mjs",
        "          `MaxListeners is ${m}.`,\n",
        "          `MaxListeners is ${m}. Use emitter.setMaxListeners() to increase limit`,\n",
    ),
    // Where an error was emitted that nobody listened for.
    (
        "ext:deno_node/_events.mjs",
        "const { core, primordials } = __bootstrap;",
        "const { core, internals, primordials } = __bootstrap;",
    ),
    (
        "ext:deno_node/_events.mjs",
        "        // ObjectDefineProperty(er, kEnhanceStackBeforeInspector, {\n        //   value: enhanceStackTrace.bind(this, er, capture),\n        \
         //   configurable: true\n        // });\n",
        "        internals.emittedAt(er, () => FunctionPrototypeCall(enhanceStackTrace, this, er, capture));\n",
    ),
    // Once, how to learn where a warning comes from.
    (
        WARNING,
        "  process.stderr.write(msg + \"\\n\");",
        "  if (!trace && !hinted) {\n    hinted = true;\n    \
         const flag = isDeprecation ? \"--trace-deprecation\" : \"--trace-warnings\";\n    \
         const { basename } = core.createLazyLoader(\"node:path\")().default;\n    \
         msg += `\\n(Use \\`${basename(process.argv0 || \"node\", \".exe\")} ${flag} ...\\` to show where the warning was created)`;\n  \
         }\n  process.stderr.write(msg + \"\\n\");",
    ),
    (WARNING, "let disableWarningSet;\n", "let disableWarningSet;\nlet hinted = false;\n"),
    (
        ERRORS,
        "    const portStr = typeof port === \"symbol\"\n      ? SymbolPrototypeToString(port)\n      : typeof port === \"bigint\"\n      \
         ? `${port}n`\n      : String(port);\n",
        "    const portStr = determineSpecificType(port);\n",
    ),
    // Only a terminal says whether it is one.
    (STREAMS, "      get: () => getIsTTY(),", "      get: () => getIsTTY() || undefined,"),
    (STREAMS, "      return getStdinIsTTY();", "      return getStdinIsTTY() || undefined;"),
    // Identities are the kernel's.
    (
        PROCESS,
        "    try {\n      fn(id);\n    } catch (err) {\n      throw denoErrorToNodeError(err as Error, { syscall });\n    }\n",
        "    internals.setId(syscall, id);\n",
    ),
    (
        PROCESS,
        "        throw new ERR_INVALID_ARG_TYPE(\"code\", \"integer\", code);\n      }\n      parsedCode = Number(code);",
        "        throw new ERR_INVALID_ARG_TYPE(\"code\", \"number\", code);\n      }\n      parsedCode = Number(code);",
    ),
    (
        PROCESS,
        "    } else {\n      throw new ERR_INVALID_ARG_TYPE(\"code\", \"integer\", code);",
        "    } else {\n      throw new ERR_INVALID_ARG_TYPE(\"code\", \"number\", code);",
    ),
    (
        PROCESS,
        "process.emit(\"rejectionHandled\", event.reason, event.promise);",
        "process.emit(\"rejectionHandled\", event.promise);",
    ),
    (OS, "  return navigator.hardwareConcurrency;\n", "  return cpus().length;\n"),
    (
        OS,
        "  return {\n    uid,\n    gid,\n    homedir: hd,\n    shell,\n    username,\n  };",
        "  return {\n    uid,\n    gid,\n    username,\n    homedir: hd,\n    shell,\n  };",
    ),
    (
        "ext:deno_node/internal/console/constructor.mjs",
        "      args[0] = `Assertion failed${args.length === 0 ? \"\" : `: ${args[0]}`}`;\n",
        "      if (typeof args[0] === \"string\") args[0] = `Assertion failed: ${args[0]}`;\n      \
         else args = [\"Assertion failed\", ...args];\n",
    ),
    // Nobody is let in when nobody may be.
    (
        "ext:deno_node/net.ts",
        "  if (self.maxConnections && self._connections",
        "  if (self.maxConnections != null && self._connections",
    ),
    (
        "ext:deno_node/internal/dns/utils.ts",
        "getOptionValue(\"--dns-result-order\") || \"ipv4first\"",
        "getOptionValue(\"--dns-result-order\") || \"verbatim\"",
    ),
    ("ext:deno_node/internal/buffer.mjs", "Buffer.poolSize = 8 * 1024;", "Buffer.poolSize = 64 * 1024;"),
    // All that is there, as Node 24 has it.
    (
        "ext:deno_node/internal/streams/readable.js",
        "    // Fast path for buffers.\n    if ((state[kState] & kDecoder) === 0 && state.length) {\n      \
         return state.buffer[state.bufferIndex].length;\n    }\n",
        "",
    ),
    (
        "ext:deno_node/async_hooks.ts",
        "  asyncId() {\n    return this.#asyncId;\n  }\n\n  runInAsyncScope(",
        "  asyncId() {\n    return this.#asyncId;\n  }\n\n  triggerAsyncId() {\n    return this.#triggerAsyncId;\n  }\n\n  runInAsyncScope(",
    ),
    (
        "ext:deno_node/async_hooks.ts",
        "  #asyncId: number;\n\n  constructor(type: string) {\n    this.type = type;",
        "  #asyncId: number;\n  #triggerAsyncId: number;\n\n  constructor(type: string, options?: any) {\n    \
         if (typeof type !== \"string\") {\n      \
         const { ERR_INVALID_ARG_TYPE } = core.loadExtScript(\"ext:deno_node/internal/errors.ts\");\n      \
         throw new ERR_INVALID_ARG_TYPE(\"type\", \"string\", type);\n    }\n    \
         const given = typeof options === \"number\" ? options : options?.triggerAsyncId;\n    \
         this.#triggerAsyncId = given ?? internalExecutionAsyncId();\n    this.type = type;",
    ),
    (
        "ext:deno_node/dgram.ts",
        "    if (!state.handle) {\n      return this;\n    }\n\n    stopReceiving(this);\n\n    state.handle!.close(",
        "    healthCheck(this);\n    stopReceiving(this);\n\n    state.handle!.close(",
    ),
    (
        "node:_http_server",
        "  statusCode |= 0;\n  if (statusCode < 100 || statusCode > 999) {\n    throw new ERR_INVALID_ARG_TYPE(\n      \
         \"statusCode\",\n      \"integer [100, 999]\",\n      statusCode,\n    );\n  }",
        "  const givenStatusCode = statusCode;\n  statusCode |= 0;\n  if (statusCode < 100 || statusCode > 999) {\n    \
         const { ERR_HTTP_INVALID_STATUS_CODE } = core.loadExtScript(\"ext:deno_node/internal/errors.ts\");\n    \
         throw new ERR_HTTP_INVALID_STATUS_CODE(givenStatusCode);\n  }",
    ),
    (
        ERRORS,
        "    super(\"ERR_INVALID_URL\", `Invalid URL: ${input}`);",
        "    super(\"ERR_INVALID_URL\", \"Invalid URL\");",
    ),
    (
        "ext:deno_node/path/_posix.ts",
        "  assertPath(from);\n  assertPath(to);\n\n  if (from === to) return \"\";",
        "  if (typeof from !== \"string\") throw new ERR_INVALID_ARG_TYPE(\"from\", [\"string\"], from);\n  \
         if (typeof to !== \"string\") throw new ERR_INVALID_ARG_TYPE(\"to\", [\"string\"], to);\n\n  if (from === to) return \"\";",
    ),
    (
        "ext:deno_node/path/_posix.ts",
        "throw new ERR_INVALID_ARG_TYPE(\"ext\", [\"string\"], ext);",
        "throw new ERR_INVALID_ARG_TYPE(\"suffix\", [\"string\"], ext);",
    ),
    (
        "ext:deno_node/internal/buffer.mjs",
        "    throw new RangeError(\"Buffer size must be a multiple of 16-bits\");",
        "    throw new (core.loadExtScript(\"ext:deno_node/internal/errors.ts\").ERR_INVALID_BUFFER_SIZE)(\"16-bits\");",
    ),
    (
        "ext:deno_node/internal/buffer.mjs",
        "    throw new RangeError(\"Buffer size must be a multiple of 32-bits\");",
        "    throw new (core.loadExtScript(\"ext:deno_node/internal/errors.ts\").ERR_INVALID_BUFFER_SIZE)(\"32-bits\");",
    ),
    (
        "ext:deno_node/internal/buffer.mjs",
        "    throw new RangeError(\"Buffer size must be a multiple of 64-bits\");",
        "    throw new (core.loadExtScript(\"ext:deno_node/internal/errors.ts\").ERR_INVALID_BUFFER_SIZE)(\"64-bits\");",
    ),
    // A number is a value of a variable as well.
    (
        "ext:deno_node/_process/process.ts",
        "      if (typeof value !== \"string\") {\n        nodeProcess ??= loadProcess();",
        "      if (false) {\n        nodeProcess ??= loadProcess();",
    ),
    (
        "ext:deno_node/_process/process.ts",
        "          enumerable: true,\n          configurable: true,\n          value,\n",
        "          writable: true,\n          enumerable: true,\n          configurable: true,\n          value,\n",
    ),
    (
        "ext:deno_node/net.ts",
        "let autoSelectFamilyAttemptTimeoutDefault = 500;",
        "let autoSelectFamilyAttemptTimeoutDefault = 250;",
    ),
    (
        "ext:deno_node/net.ts",
        "  let err;\n\n  if (localAddress || localPort) {",
        "  if (addressType === 4 || addressType === 6) socket.emit(\"connectionAttempt\", address, port, addressType);\n  \
         let err;\n\n  if (localAddress || localPort) {",
    ),
    // A value of the engine's embedder is none that a program can have.
    (
        "ext:deno_node/internal/util/types.ts",
        "return {\n  isCryptoKey:",
        "return {\n  isExternal: function isExternal() {\n    return false;\n  },\n  isCryptoKey:",
    ),
    (
        "ext:deno_node/internal/url.ts",
        "    options.port = Number(url.port);\n  }\n",
        "    options.port = Number(url.port);\n  }\n  \
         delete options[core.loadExtScript(\"ext:deno_webidl/00_webidl.js\").brand];\n",
    ),
    // Names of ciphers are the same in capitals.
    (
        "ext:deno_node/internal/crypto/cipher.ts",
        "    return new Cipheriv(cipher, key, iv, options);\n  }\n",
        "    return new Cipheriv(cipher, key, iv, options);\n  }\n  \
         if (typeof cipher === \"string\") cipher = primordials.StringPrototypeToLowerCase(cipher);\n",
    ),
    (
        "ext:deno_node/internal/crypto/cipher.ts",
        "    return new Decipheriv(cipher, key, iv, options);\n  }\n",
        "    return new Decipheriv(cipher, key, iv, options);\n  }\n  \
         if (typeof cipher === \"string\") cipher = primordials.StringPrototypeToLowerCase(cipher);\n",
    ),
    (
        "ext:deno_node/util.ts",
        "  const result = ObjectCreate(null);\n  const keys = ObjectKeys(parsed);",
        "  const result: any = {};\n  const keys = ObjectKeys(parsed);",
    ),
    // What Brotli cannot read is an error at once too, and so is what ends too early: a byte more is taken then.
    (
        ZLIB,
        "    handle[kNativeWriteSync](\n      flushFlag,\n      chunk, // in",
        "    handle[handle.decodesBrotli ? kNativeWrite : kNativeWriteSync](\n      flushFlag,\n      chunk, // in",
    ),
    (
        ZLIB,
        "  let error;\n  self.on(\"error\", function onError(er) {\n    error = er;\n  });\n\n  // The native binding",
        "  let error;\n  self.on(\"error\", function onError(er) {\n    error = er;\n  });\n  handle.atOnce = true;\n\n  // The native binding",
    ),
    (
        ZLIB,
        "  self.bytesWritten = inputRead;\n",
        "  self.bytesWritten = inputRead;\n  if (handle.decodesBrotli && availInAfter === 0 && flushFlag === BROTLI_OPERATION_FINISH) {\n    \
         handle[kNativeWrite](flushFlag, new Uint8Array(1), 0, 1, new Uint8Array(1), 0, 1, state);\n    \
         if (self[kError] || state[1] === 0) {\n      \
         const cut = new Error(\"unexpected end of file\");\n      cut.errno = constants.Z_BUF_ERROR;\n      cut.code = \"Z_BUF_ERROR\";\n      \
         _close(self);\n      throw cut;\n    }\n  }\n",
    ),
    (
        ZLIB,
        "    brotliInitParamsArray,\n    processCallback,\n",
        "    brotliInitParamsArray,\n    mode === BROTLI_DECODE\n      ? function () {\n        \
         if (!handle.atOnce) ReflectApply(processCallback, this, []);\n      }\n      : processCallback,\n",
    ),
    (
        ZLIB,
        "  ReflectApply(ZlibBase, this, [opts, mode, handle, brotliDefaultOpts]);",
        "  handle.decodesBrotli = mode === BROTLI_DECODE;\n  ReflectApply(ZlibBase, this, [opts, mode, handle, brotliDefaultOpts]);",
    ),
    // A server's port is free as soon as it is closed.
    (
        "ext:deno_node/net.ts",
        "  core.createSystemTimer(\n    () => {\n      _emitCloseNT(self);\n    },\n    0,\n    true,\n  );",
        "  nextTick(_emitCloseNT, self);",
    ),
    (
        "ext:deno_node/internal/crypto/cipher.ts",
        "        throw new ERR_CRYPTO_UNKNOWN_CIPHER();\n      }\n      throw e;",
        "        throw new ERR_CRYPTO_UNKNOWN_CIPHER();\n      }\n      \
         if (e?.message === \"Invalid key length\") e.code = \"ERR_CRYPTO_INVALID_KEYLEN\";\n      \
         if (e?.message === \"Invalid initialization vector\") e.code = \"ERR_CRYPTO_INVALID_IV\";\n      throw e ;",
    ),
    (
        "ext:deno_node/internal/crypto/cipher.ts",
        "        throw new ERR_CRYPTO_UNKNOWN_CIPHER();\n      }\n      throw e;",
        "        throw new ERR_CRYPTO_UNKNOWN_CIPHER();\n      }\n      \
         if (e?.message === \"Invalid key length\") e.code = \"ERR_CRYPTO_INVALID_KEYLEN\";\n      \
         if (e?.message === \"Invalid initialization vector\") e.code = \"ERR_CRYPTO_INVALID_IV\";\n      throw e ;",
    ),
    (
        ERRORS,
        "      `${protocol} is not a valid ${x} TLS protocol version`,",
        "      `\"${protocol}\" is not a valid ${x === \"minVersion\" ? \"minimum\" : x === \"maxVersion\" ? \"maximum\" : x} TLS protocol version`,",
    ),
    // What a package does not export is told in Node's words.
    (
        "node:module",
        "  return op_require_resolve_exports(\n    usesLocalNodeModulesDir,\n    modulesPath,\n    request,\n    name,\n    expansion,\n    \
         parentPath ?? \"\",\n  ) ?? false;",
        "  try {\n    return op_require_resolve_exports(\n      usesLocalNodeModulesDir,\n      modulesPath,\n      request,\n      \
         name,\n      expansion,\n      parentPath ?? \"\",\n    ) ?? false;\n  } catch (error) {\n    \
         throw internals.notExported(error);\n  }",
    ),
];
