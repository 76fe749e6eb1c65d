//! Changes of the scripts of `node:child_process`.

use super::Patch;

const CHILD: &str = "ext:deno_node/internal/child_process.ts";
const MODULE: &str = "ext:deno_node/child_process.ts";

pub(super) const PATCHES: &[Patch] = &[
    // A child that has ended before it was waited for has been spawned first.
    (
        CHILD,
        "const status = await this.#process.status;",
        "const ended = this.#process.status; await new Promise((done) => nextTick(done)); const status = await ended;",
    ),
    // A shell is given the words as they are.
    (
        CHILD,
        "        escapeShellArg(stripShellArgQuotes(file)),\n        ...new SafeArrayIterator(ArrayPrototypeMap(\n          \
         args,\n          (arg) => escapeShellArg(stripShellArgQuotes(arg)),\n        )),\n",
        "        file,\n        ...new SafeArrayIterator(args),\n",
    ),
    // Arguments are looked at as Node looks at them.
    (
        MODULE,
        "  const args = ArrayIsArray(argsOrOptions) ? argsOrOptions : [];\n  \
         let options = !ArrayIsArray(argsOrOptions) && argsOrOptions != null\n    ? argsOrOptions\n    \
         : maybeOptions as SpawnOptions;\n\n  options = normalizeSpawnArguments(command, args, options);",
        "  const options: any = normalizeSpawnArguments(command, argsOrOptions, maybeOptions);",
    ),
    (
        MODULE,
        "  validateTimeout(options?.timeout);\n\n  const child",
        "  validateTimeout(options?.timeout);\n  sanitizeKillSignal(options.killSignal);\n\n  const child",
    ),
    (
        MODULE,
        "  const args = ArrayIsArray(argsOrOptions) ? argsOrOptions : [];\n  \
         let options = !ArrayIsArray(argsOrOptions) && argsOrOptions\n    ? argsOrOptions\n    \
         : maybeOptions as SpawnSyncOptions;\n\n  options = {",
        "  const options: any = {",
    ),
    (
        MODULE,
        "    ...normalizeSpawnArguments(command, args, options),\n  } as typeof options;",
        "    ...normalizeSpawnArguments(command, argsOrOptions, maybeOptions),\n  };",
    ),
    (
        MODULE,
        "    validateInteger(timeout, \"timeout\", 0);",
        "    if (!(typeof timeout === \"number\" && timeout % 1 === 0 && timeout >= 0)) {\n      \
         throw new ERR_OUT_OF_RANGE(\"timeout\", \"an unsigned integer\", timeout);\n    }",
    ),
    (
        MODULE,
        "    validateNumber(maxBuffer, \"options.maxBuffer\", 0);",
        "    if (!(typeof maxBuffer === \"number\" && maxBuffer >= 0)) {\n      \
         throw new ERR_OUT_OF_RANGE(\"options.maxBuffer\", \"a positive number\", maxBuffer);\n    }",
    ),
    (
        CHILD,
        "        notImplemented(\n          `normalizeStdioOption stdio=${typeof stdio} (${stdio})`,\n        );",
        "        throw new ERR_INVALID_ARG_VALUE(\"stdio\", stdio);",
    ),
    (
        CHILD,
        "    const normalizedStdio = normalizeStdioOption(stdio);\n    const stdin = normalizedStdio[0] === undefined",
        "    const normalizedStdio = normalizeStdioOption(stdio);\n    for (let i = 0; i < normalizedStdio.length; i++) {\n      \
         const one = normalizedStdio[i];\n      \
         if (typeof one === \"string\" && one !== \"ipc\" && !ArrayPrototypeIncludes(validStdioStrings, one)) {\n        \
         const { inspect } = core.loadExtScript(\"ext:deno_node/internal/util/inspect.mjs\");\n        \
         throw new ERR_INVALID_SYNC_FORK_INPUT(inspect(one));\n      }\n    }\n    \
         const stdin = normalizedStdio[0] === undefined",
    ),
    // The results of a child that was waited for, in Node's order.
    (CHILD, "    result.pid = output.pid;\n    // When killed", "    // When killed"),
    (
        CHILD,
        "    result.stdout = stdout;\n    result.stderr = stderr;\n    result.output = [output.signal, stdout, stderr];",
        "    result.output = [null, stdout, stderr];\n    for (let i = 0; i < output.more.length; i++) {\n      \
         const bytes = output.more[i] ? Buffer.from(output.more[i]) : null;\n      \
         const text = bytes && encoding && encoding !== \"buffer\" ? bytes.toString(encoding) : bytes;\n      \
         ArrayPrototypePush(result.output, text);\n    }\n    result.pid = output.pid;\n    \
         result.stdout = stdout;\n    result.stderr = stderr;",
    ),
    (
        CHILD,
        "  } catch (err) {\n    if (ObjectPrototypeIsPrototypeOf(Deno.errors.NotFound.prototype, err)) {\n      \
         result.error = _createSpawnError(\"ENOENT\", command, args, true);\n    }\n  }",
        "  } catch (err) {\n    if (!codeMap.has(err?.code)) throw err;\n    \
         result.error = _createSpawnError(err.code, command, args, true);\n    \
         Object.assign(result, { status: null, signal: null, output: null, pid: 0, stdout: undefined, stderr: undefined });\n  }",
    ),
    // Whether it has a channel is known before it is there; one that could not be started closes with its error's number.
    (CHILD, "  exitCode = null;\n", "  exitCode = null;\n  connected = false;\n"),
    (
        CHILD,
        "      this.#_handleError(e);\n",
        "      this.exitCode = e?.errno ?? null;\n      this.#_handleError(e);\n",
    ),
    // Messages that are none; and a channel that is closed is not closed again.
    (
        CHILD,
        "      typeof message !== \"boolean\" &&\n      typeof message !== \"bigint\"\n",
        "      typeof message !== \"boolean\"\n",
    ),
    (
        CHILD,
        "    if (!target.connected) {\n      throw new ERR_IPC_DISCONNECTED();\n    }\n\n    target.connected = false;",
        "    if (!target.connected) {\n      target.emit(\"error\", new ERR_IPC_DISCONNECTED());\n      return;\n    }\n\n    \
         target.connected = false;",
    ),
    (
        "ext:deno_process/40_process.js",
        "    pid: result.pid,\n    killedByTimeout: result.killedByTimeout,",
        "    pid: result.pid,\n    more: result.more,\n    killedByTimeout: result.killedByTimeout,",
    ),
    (
        CHILD,
        "    validateInt32(options.uid, \"options.uid\");",
        "    if (typeof options.uid !== \"number\") throw new ERR_INVALID_ARG_TYPE(\"options.uid\", \"int32\", options.uid);\n    \
         validateInt32(options.uid, \"options.uid\");",
    ),
    (
        CHILD,
        "    validateInt32(options.gid, \"options.gid\");",
        "    if (typeof options.gid !== \"number\") throw new ERR_INVALID_ARG_TYPE(\"options.gid\", \"int32\", options.gid);\n    \
         validateInt32(options.gid, \"options.gid\");",
    ),
    (
        MODULE,
        "  let callback: ExecFileCallback | undefined = maybeCallback;\n\n  if (typeof optionsOrCallback",
        "  validateString(command, \"command\");\n  let callback: ExecFileCallback | undefined = maybeCallback;\n\n  \
         if (typeof optionsOrCallback",
    ),
    (
        MODULE,
        "  validateString(modulePath, \"modulePath\");",
        "  if (typeof modulePath !== \"string\") {\n    \
         throw new ERR_INVALID_ARG_TYPE(\"modulePath\", [\"string\", \"Buffer\", \"URL\"], modulePath);\n  }",
    ),
    (
        MODULE,
        "    if (typeof arguments[pos] !== \"object\" || ArrayIsArray(arguments[pos])) {\n      throw",
        "    if (pos === 1 && typeof arguments[pos] !== \"object\") {\n      \
         throw new ERR_INVALID_ARG_TYPE(\"args\", \"Array\", arguments[pos]);\n    }\n    \
         if (typeof arguments[pos] !== \"object\" || ArrayIsArray(arguments[pos])) {\n      throw",
    ),
];
