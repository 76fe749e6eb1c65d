//! Changes of the scripts of `node:fs`.

use super::Patch;

const FS: &str = "ext:deno_node/fs.ts";
const COPY: &str = "ext:deno_node/_fs/_fs_copy.ts";
const DIR: &str = "ext:deno_node/_fs/_fs_dir.ts";
const HANDLE: &str = "ext:deno_node/internal/fs/handle.ts";
const READDIR: &str = "ext:deno_node/_fs/_fs_readdir.ts";
const UTILS: &str = "ext:deno_node/internal/fs/utils.mjs";

pub(super) const PATCHES: &[Patch] = &[
    // `writeSync(fd, text, position, encoding)`.
    (
        FS,
        "  validateEncoding(buffer, length);\n  buffer = Buffer.from(buffer, length);\n  \
         return innerWriteSync(fd, buffer, 0, buffer.length, position);",
        "  validateEncoding(buffer, length);\n  buffer = Buffer.from(buffer, length);\n  \
         return innerWriteSync(fd, buffer, 0, buffer.length, offset);",
    ),
    // Whoever writes a text is told the text.
    (
        FS,
        "  innerWrite(fd, buffer, 0, buffer.length, offset).then(\n    (nwritten) => {\n      \
         callback(null, nwritten, buffer);",
        "  innerWrite(fd, buffer, 0, buffer.length, offset).then(\n    (nwritten) => {\n      \
         callback(null, nwritten, str);",
    ),
    // A path that is looked up piece by piece is made absolute first.
    (
        FS,
        "        denoErrorToNodeError(err as Error, {\n          syscall,\n          path: validatedPath,\n        }),",
        "        denoErrorToNodeError(err as Error, realpathFailed(err, syscall, validatedPath)),",
    ),
    (
        FS,
        "    throw denoErrorToNodeError(err as Error, {\n      syscall,\n      path: validatedPath,\n    });\n  }\n}\n\n\
         function realpathSync(",
        "    throw denoErrorToNodeError(err as Error, realpathFailed(err, syscall, validatedPath));\n  }\n}\n\n\
         function realpathFailed(err: any, syscall: string, path: string) {\n  \
         if (syscall !== \"lstat\") return { syscall, path };\n  \
         return { syscall: err?.code === \"ELOOP\" ? \"stat\" : syscall, path: pathModule.resolve(path) };\n}\n\n\
         function realpathSync(",
    ),
    (
        FS,
        "    cb = optOrCallback;\n  } else {\n    cb = callback;\n  }\n\n  const options = getOptions<FileOptions>(\n    optOrCallback,",
        "    cb = optOrCallback;\n  } else {\n    cb = callback;\n  }\n  validateFunction(cb, \"cb\");\n\n  \
         const options = getOptions<FileOptions>(\n    optOrCallback,",
    ),
    // A directory opens, and cannot be read.
    (
        FS,
        "          denoErrorToNodeError(err, {\n            path: typeof pathOrRid === \"string\" ? pathOrRid : undefined,\n            \
         syscall: \"open\",\n          }),",
        "          denoErrorToNodeError(err, readFileFailed(err, pathOrRid, options)),",
    ),
    (
        FS,
        "      data = op_fs_read_file_sync(path, flagsNumber);\n    } catch (err) {\n      \
         throw denoErrorToNodeError(err, { path, syscall: \"open\" });",
        "      data = op_fs_read_file_sync(path, flagsNumber);\n    } catch (err) {\n      \
         throw denoErrorToNodeError(err, readFileFailed(err, path, options));",
    ),
    (
        FS,
        "function readFilePromise(\n",
        "function readFileFailed(err: any, path: any, options: any) {\n  \
         if (err?.code === \"EISDIR\" && (options?.flag ?? \"r\") === \"r\") return { syscall: \"read\" };\n  \
         return { syscall: \"open\", path: typeof path === \"string\" ? path : undefined };\n}\n\nfunction readFilePromise(\n",
    ),
    // What is aborted ends with Node's error.
    (
        FS,
        "    options.signal.throwIfAborted();\n    cancelRid",
        "    readFileCheckAborted(options.signal);\n    cancelRid",
    ),
    (
        FS,
        "      // always throw the abort error when aborted\n      options.signal.throwIfAborted();",
        "      readFileCheckAborted(options.signal);",
    ),
    (
        FS,
        "  encoding: string | null,\n): string | Uint8Array {\n",
        "  encoding: string | null,\n): string | Uint8Array {\n  return encodeRealpathResult(data, { encoding } as any) as any;\n",
    ),
    (
        FS,
        "  if (!optOrCallback || typeof optOrCallback === \"function\") {\n    return null;\n  } else {\n    \
         if (optOrCallback.encoding) {",
        "  if (!optOrCallback || typeof optOrCallback === \"function\") {\n    return null;\n  } else {\n    \
         return getOptions(optOrCallback as any)?.encoding ?? null;\n    if (optOrCallback.encoding) {",
    ),
    // A directory is not removed by unlink().
    (FS, "    Deno.remove(path),\n    () => callback(),", "    Deno.unlink(path),\n    () => callback(),"),
    (
        FS,
        "    Deno.removeSync(path);\n  } catch (err) {\n    throw denoErrorToNodeError(err as Error, { syscall: \"unlink\", path });",
        "    Deno.unlinkSync(path);\n  } catch (err) {\n    throw denoErrorToNodeError(err as Error, { syscall: \"unlink\", path });",
    ),
    // Once for open files, once for paths.
    (
        FS,
        "  if (\n    typeof time === \"number\" &&\n    (NumberIsNaN(time) || !NumberIsFinite(time))\n  ) {",
        "  return toUnixTimestamp(time);\n  if (false) {",
    ),
    (FS, "  if (typeof time === \"string\") {\n    time = Number(time);\n  }\n\n", ""),
    (
        FS,
        "  if (\n    typeof time === \"number\" &&\n    (NumberIsNaN(time) || !NumberIsFinite(time))\n  ) {",
        "  return toUnixTimestamp(time);\n  if (false) {",
    ),
    (FS, "  if (typeof time === \"string\") {\n    time = Number(time);\n  }\n\n", ""),
    (
        FS,
        "    err = denoErrorToNodeError(error as Error, { syscall: \"opendir\" });",
        "    err = denoErrorToNodeError(error as Error, { syscall: \"opendir\", path });",
    ),
    (READDIR, "            syscall: \"readdir\",", "            syscall: \"scandir\","),
    (READDIR, "        syscall: \"readdir\",", "        syscall: \"scandir\","),
    (
        READDIR,
        "  if (!callback) throw new Error(\"No callback function supplied\");",
        "  core.loadExtScript(\"ext:deno_node/_fs/_fs_common.ts\").makeCallback(callback);",
    ),
    // A directory that is closed is not closed again.
    (
        DIR,
        "    return new Promise((resolve) => {\n      this.#closed = true;\n",
        "    return new Promise((resolve, reject) => {\n      if (this.#closed) {\n        \
         const closed = new ERR_DIR_CLOSED();\n        if (callback) callback(closed);\n        else reject(closed);\n        \
         return;\n      }\n      this.#closed = true;\n",
    ),
    (
        DIR,
        "  closeSync() {\n    this.#closed = true;\n",
        "  closeSync() {\n    if (this.#closed) throw new ERR_DIR_CLOSED();\n    this.#closed = true;\n",
    ),
    (
        DIR,
        "  [SymbolDispose]() {\n    this.closeSync();",
        "  [SymbolDispose]() {\n    if (!this.#closed) this.closeSync();",
    ),
    (
        DIR,
        "  [SymbolAsyncDispose](): Promise<void> {\n    return this.close();",
        "  async [SymbolAsyncDispose](): Promise<void> {\n    if (!this.#closed) await this.close();",
    ),
    // A copy that is to make its file.
    (
        COPY,
        "      const e: any = new Error(\n        `EEXIST: file already exists, copyfile '${srcStr}' -> '${destStr}'`,\n      );\n      \
         e.syscall = \"copyfile\";\n      e.errno = codeMap.get(\"EEXIST\");\n      e.code = \"EEXIST\";\n      cb(e);",
        "      cb(alreadyThere(srcStr, destStr));",
    ),
    (
        COPY,
        "      throw new Error(`A file exists at the destination: ${destStr}`);",
        "      throw alreadyThere(srcStr, destStr);",
    ),
    (
        COPY,
        "export const copyFilePromise",
        "function alreadyThere(path: string, dest: string) {\n  \
         const { uvException } = core.loadExtScript(\"ext:deno_node/internal/errors.ts\");\n  \
         return uvException({ errno: codeMap.get(\"EEXIST\"), syscall: \"copyfile\", path, dest });\n}\n\n\
         export const copyFilePromise",
    ),
    (
        UTILS,
        "must be a string or Uint8Array without null bytes",
        "must be a string, Uint8Array, or URL without null bytes",
    ),
    // Dates are made when they are asked for.
    (
        UTILS,
        "  this.atime = dateFromMs(this.atimeMs);\n  this.mtime = dateFromMs(this.mtimeMs);\n  this.ctime = dateFromMs(this.ctimeMs);\n",
        "",
    ),
    (
        UTILS,
        "  this.atime = dateFromMs(atimeMs);\n  this.mtime = dateFromMs(mtimeMs);\n  this.ctime = dateFromMs(ctimeMs);\n",
        "",
    ),
    // What was made first is named as the path was.
    (
        FS,
        "function findFirstNonExistent(path: string): string | undefined {\n",
        "function findFirstNonExistent(path: string): string | undefined {\n  const found = findFirstMissing(path);\n  \
         return found === undefined || pathModule.isAbsolute(path) ? found : pathModule.relative(resolve(\"\"), found);\n}\n\n\
         function findFirstMissing(path: string): string | undefined {\n",
    ),
    (
        "ext:deno_node/internal/fs/promises.ts",
        "    if (opts.signal?.aborted) opts.signal.throwIfAborted();\n    const fh = await openPromise(path",
        "    if (opts.signal?.aborted) throw new (core.loadExtScript(\"ext:deno_node/internal/errors.ts\").AbortError)(undefined, { cause: opts.signal.reason });\n    \
         const fh = await openPromise(path",
    ),
    (
        "ext:deno_node/internal/fs/promises.ts",
        "    if (opts.signal?.aborted) opts.signal.throwIfAborted();\n    const fh = await openPromise(\n      pathOrRid",
        "    if (opts.signal?.aborted) throw new (core.loadExtScript(\"ext:deno_node/internal/errors.ts\").AbortError)(undefined, { cause: opts.signal.reason });\n    \
         const fh = await openPromise(\n      pathOrRid",
    ),
    (HANDLE, "resolve({ buffer, bytesRead })", "resolve({ __proto__: null, bytesRead, buffer })"),
    (HANDLE, "resolve({ buffer, bytesRead })", "resolve({ __proto__: null, bytesRead, buffer })"),
    (HANDLE, "resolve({ buffer, bytesRead })", "resolve({ __proto__: null, bytesRead, buffer })"),
    (HANDLE, "resolve({ buffer, bytesWritten })", "resolve({ __proto__: null, bytesWritten, buffer })"),
    (HANDLE, "resolve({ buffer, bytesWritten })", "resolve({ __proto__: null, bytesWritten, buffer })"),
    // Where the links of a tree lead is found from its whole path.
    (
        "ext:deno_node/_fs/cp/cp_sync.ts",
        "    op_node_cp_sync(\n      src,\n",
        "    op_node_cp_sync(\n      wholePath(src, opts),\n",
    ),
    (
        "ext:deno_node/_fs/cp/cp_sync.ts",
        "const { throwCpError } = core.loadExtScript(",
        "const { throwCpError, wholePath } = core.loadExtScript(",
    ),
    (
        "ext:deno_node/_fs/cp/cp.ts",
        "      await op_node_cp_fast(src, dest, opts.recursive);",
        "      await op_node_cp_fast(wholePath(src, opts), dest, opts.recursive);",
    ),
    (
        "ext:deno_node/_fs/cp/cp.ts",
        "async function cpFn(\n",
        "function wholePath(path, opts) {\n  if (opts.filter || opts.verbatimSymlinks) return path;\n  try {\n    \
         if (!Deno.lstatSync(path).isFile) return lazyPath().default.resolve(path);\n  } catch {\n    \
         // It is told of by whoever copies.\n  }\n  return path;\n}\n\nasync function cpFn(\n",
    ),
    ("ext:deno_node/_fs/cp/cp.ts", "return { throwCpError, cpFn };", "return { throwCpError, cpFn, wholePath };"),
    // Names that are old.
    (
        FS,
        "const fsExports = {\n",
        "const fsExports: any = {\n  F_OK: 0,\n  R_OK: 4,\n  W_OK: 2,\n  X_OK: 1,\n  \
         get FileReadStream() {\n    return fsExports.ReadStream;\n  },\n  \
         get FileWriteStream() {\n    return fsExports.WriteStream;\n  },\n",
    ),
];
