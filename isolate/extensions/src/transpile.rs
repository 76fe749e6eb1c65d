//! The extensions' scripts as the snapshot takes them: TypeScript made JavaScript, and what they call `Deno` made an object
//! that guests cannot see.

mod children;
mod files;
mod memory;
mod programs;
mod web;

use deno_ast::{
    EmitOptions, ImportsNotUsedAsValues, MediaType, ParseParams, SourceMapOption, TranspileModuleOptions,
    TranspileOptions,
};
use deno_core::{ModuleCodeString, ModuleName, SourceMapData};
use deno_error::JsErrorBox;
use std::path::Path;

/// Where process.version comes from.
const NODE_VERSION: &str = "__NODE_VERSION__";

/// One script of an extension.
///
/// # Errors
/// It is no script.
pub fn transpile(
    name: ModuleName,
    source: ModuleCodeString,
) -> Result<(ModuleCodeString, Option<SourceMapData>), JsErrorBox> {
    let specifier = name.to_string();
    let text = patched(&specifier, source.as_str().to_owned());
    let kind = if specifier.starts_with("node:") {
        MediaType::TypeScript
    } else {
        MediaType::from_path(Path::new(&specifier))
    };
    if !matches!(kind, MediaType::TypeScript) {
        return Ok((escaped(text).into(), None));
    }
    let url = deno_core::url::Url::parse(&specifier).map_err(JsErrorBox::from_err)?;
    let parsed = deno_ast::parse_module(ParseParams {
        specifier: url,
        text: text.into(),
        media_type: kind,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    });
    let parsed = parsed.map_err(|error| JsErrorBox::generic(format!("{specifier}: {error}")))?;
    let options = TranspileOptions { imports_not_used_as_values: ImportsNotUsedAsValues::Remove, ..Default::default() };
    let emit = EmitOptions { source_map: SourceMapOption::None, ..Default::default() };
    let transpiled = parsed
        .transpile(&options, &TranspileModuleOptions::default(), &emit)
        .map_err(|error| JsErrorBox::generic(format!("{specifier}: {error}")))?;
    Ok((escaped(transpiled.into_source().text).into(), None))
}

/// The engine keeps a snapshot's scripts as bytes of one character each: others are written as escapes, which mean the same in
/// strings, expressions and names.
fn escaped(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

/// The script of `node:module`.
const REQUIRE: &str = "node:module";
/// The script of `node:child_process` that makes children.
const CHILD: &str = "ext:deno_node/internal/child_process.ts";

/// The script of `node:fs`.
const FS: &str = "ext:deno_node/fs.ts";

/// A place in one of the extensions' scripts that is ours: the script, what it has, and what it has here.
type Patch = (&'static str, &'static str, &'static str);

/// Those that are needed for a program to run in a session; [`children`] and the others have those that make it run as by Node.
const PATCHES: &[Patch] = &[
    ("node:console", "ext:runtime/98_global_scope_shared.js", "ext:warren/globals.js"),
    // A file of CommonJS is compiled by us: with the code that is kept, and under its path.
    (
        REQUIRE,
        "    [f, err] = core.compileFunction(\n      content,\n      url.pathToFileURL(filename).toString(),\n      \
         [format !== \"module\"],\n      [\n        \"exports\",\n        \"require\",\n        \"module\",\n        \
         \"__filename\",\n        \"__dirname\",\n      ],\n    );",
        "    f = internals.compileFile(content, filename);",
    ),
    (
        REQUIRE,
        "function loadMaybeCjs(module, filename) {\n  const content = op_require_read_file(filename);",
        "function loadMaybeCjs(module, filename) {\n  const content = internals.readSource(filename);",
    ),
    // Where an error of the main file was thrown is not lost: it is neither caught nor thrown again.
    (
        REQUIRE,
        "  } catch (err) {\n    // For a top-level CommonJS throw",
        "  } finally {\n    if (false) { let err; // For a top-level CommonJS throw",
    ),
    (
        REQUIRE,
        "    throw err;\n  }\n\n  if (isMain && parent === null) {",
        "    throw err; }\n  }\n\n  if (isMain && parent === null) {",
    ),
    // What is compiled is kept by the host, wherever a program says.
    (
        REQUIRE,
        "\nModule.stripTypeScriptTypes = stripTypeScriptTypes;\n",
        "\nModule.stripTypeScriptTypes = stripTypeScriptTypes;\nModule.register = register;\n\
         export const enableCompileCache = Module.enableCompileCache = (options) => internals.compileCache.enable(options);\n\
         export const getCompileCacheDir = Module.getCompileCacheDir = () => internals.compileCache.directory();\n\
         export const flushCompileCache = Module.flushCompileCache = () => {};\n\
         export const constants = Module.constants = Object.freeze({ __proto__: null, compileCacheStatus: \
         internals.compileCache.status });\n",
    ),
    // What needs no process yet is done before there is one; what is left is done with it.
    ("node:process", "    argv[1] = mainModuleArgv();\n", ""),
    ("node:process", "    pid = Deno.pid;\n    ppid = Deno.ppid;\n", ""),
    (
        "node:process",
        "    const title = getOptionValue(\"--title\");",
        "    internals.takeProcess = (name) => {\n    argv0 = name;\n    pid = Deno.pid;\n    ppid = Deno.ppid;\n    const title = getOptionValue(\"--title\");",
    ),
    (
        "node:process",
        "    // process.stdin lazily - initStdin() pulls the stream machinery",
        "    };\n\n    // process.stdin lazily - initStdin() pulls the stream machinery",
    ),
    // A file of variables is read and set here.
    (
        "node:process",
        "  try {\n    return op_node_load_env_file(path);\n  } catch (err) {",
        "  return internals.loadEnvFile(path);\n  try {\n  } catch (err) {",
    ),
    // Hooks on a thread of their own are not called: a program is told so.
    (
        REQUIRE,
        "  // TODO(@marvinhagemeister): Stub implementation for programs registering",
        "  process.emitWarning(\"module.register() has no effect here: use module.registerHooks()\");\n  // For programs registering",
    ),
    // Folders of `NODE_PATH` and of the home directory.
    (REQUIRE, "const paths = op_require_init_paths();", "const paths = internals.globalPaths();"),
    (
        REQUIRE,
        "    ArrayPrototypePush(paths, ...new SafeArrayIterator(lookupPathsResult));\n  }\n  return paths;",
        "    ArrayPrototypePush(paths, ...new SafeArrayIterator(lookupPathsResult));\n  }\n  \
         ArrayPrototypePush(paths, ...new SafeArrayIterator(modulePaths));\n  return paths;",
    ),
    // Text that is compiled where the name is not bound.
    (
        "ext:deno_fs/30_fs.js",
        "'const unix = Deno.build.os === \"darwin\" || Deno.build.os === \"linux\" || Deno.build.os === \"android\" || \
         Deno.build.os === \"openbsd\" || Deno.build.os === \"freebsd\";'",
        "'const unix = true;'",
    ),
    // What Node's streams, and libraries with streams like them, ask of a web stream.
    (
        "ext:deno_web/06_streams.js",
        "class ReadableStream {\n",
        "class ReadableStream {\n  get [SymbolFor(\"nodejs.stream.readable\")]() { return this[_state] === \"readable\"; }\n  \
         get [SymbolFor(\"nodejs.stream.errored\")]() { return this[_state] === \"errored\"; }\n  \
         get [SymbolFor(\"nodejs.stream.disturbed\")]() { return this[_disturbed]; }\n",
    ),
    (
        "ext:deno_web/06_streams.js",
        "class WritableStream {\n",
        "class WritableStream {\n  get [SymbolFor(\"nodejs.stream.writable\")]() { return this[_state] === \"writable\"; }\n  \
         get [SymbolFor(\"nodejs.stream.errored\")]() { return this[_state] === \"errored\"; }\n",
    ),
    // A program has no `unload` event.
    (
        "ext:deno_os/30_os.js",
        "FunctionPrototypeBind(\n  EventTarget.prototype.dispatchEvent,\n  globalThis,\n)",
        "() => {}",
    ),
    // Node's command line is the command line of a child: it is not another program's.
    (
        CHILD,
        "function buildCommand(\n  file,\n  args,\n  env,\n) {",
        "function buildCommand(file, args, env) {\n  return [file, args, false];",
    ),
    (
        "ext:deno_node/child_process.ts",
        "if (Deno.build.standalone) {",
        "if (true) { args = nodeArgs; } else if (false) {",
    ),
    // Every error of a spawn as Node has it: what may be otherwise soon is told, the rest is thrown.
    (
        CHILD,
        "let e = err;\n      if (",
        "let e = err;\n      if (codeMap.has(err?.code)) {\n        \
         if (!ArrayPrototypeIncludes([\"EACCES\", \"EAGAIN\", \"EMFILE\", \"ENFILE\", \"ENOENT\"], err.code)) {\n          \
         throw errnoException(codeMap.get(err.code), \"spawn\");\n        }\n        \
         e = _createSpawnError(err.code, command, ArrayPrototypeSlice(args, 1));\n      } else if (",
    ),
    // A child of `spawnSync` has the environment it is given, and the input.
    (CHILD, "clearEnv: false,", "clearEnv: true,"),
    (
        CHILD,
        "stdin: stdin_ == \"inherit\" ? \"inherit\" : \"null\",",
        "stdin: stdin_ == null || stdin_ === \"pipe\" || stdin_ === \"overlapped\" ? \"null\" : toDenoStdio(stdin_),",
    ),
    // Streams of files too have a descriptor that a child can be given.
    (
        CHILD,
        "    return handle.fd;\n  }\n  return -1;",
        "    return handle.fd;\n  }\n  return typeof stream.fd === \"number\" ? stream.fd : -1;",
    ),
    // A listener of a signal is told its number too, and is called as one of the process.
    (
        "node:process",
        "wrapper = () => listener(event);",
        "wrapper = () => FunctionPrototypeCall(listener, process, event, constants.os.signals[event]);",
    ),
    // Messages are made and read by ours.
    (CHILD, "op_node_ipc_buffer_constructor(Buffer, FastBuffer.prototype);", ""),
    (
        CHILD,
        "  const writeFn = serialization === \"json\"\n    ? op_node_ipc_write_json\n    : op_node_ipc_write_advanced;\n  \
         const readFn = serialization === \"json\"\n    ? op_node_ipc_read_json\n    : op_node_ipc_read_advanced;",
        "  const { decode, read: readFn, write: writeFn } = __bootstrap.internals.channelOf(serialization);",
    ),
    (CHILD, "// Channel closed.\n            target.disconnect();", "if (target.connected) target.disconnect();"),
    (CHILD, "const read = await prom;", "const read = decode(await prom);"),
    // What cannot be written to a standard stream is an error of that.
    (
        "ext:deno_node/_process/streams.mjs",
        "          cb(err);\n          return;\n        }\n        throw e;\n",
        "          cb(err);\n          return;\n        }\n        \
         const { denoErrorToNodeError } = core.loadExtScript(\"ext:deno_node/internal/errors.ts\");\n        \
         cb(denoErrorToNodeError(e, { syscall: \"write\" }));\n        return;\n",
    ),
    // A request is made once: whoever made it knows whether it may be made again.
    ("node:_http_client", "function canRetryRequest(req) {\n", "function canRetryRequest(req) {\n  return false;\n"),
    // None is sent to another process.
    (
        CHILD,
        "notImplemented(\"ChildProcess.send with handle on this platform\");",
        "throw new ERR_INVALID_HANDLE_TYPE();",
    ),
    // Who is turned away is told of.
    (
        "ext:deno_node/net.ts",
        "    clientHandle!.close();\n\n    return;\n  }\n\n  if (\n    self.blockList",
        "    const [local, remote] = [{}, {}] as any[];\n    clientHandle!.getsockname?.(local);\n    clientHandle!.getpeername?.(remote);\n    \
         clientHandle!.close();\n    self.emit(\"drop\", clientHandle!.getpeername ? {\n      \
         localAddress: local.address,\n      localPort: local.port,\n      localFamily: local.family,\n      \
         remoteAddress: remote.address,\n      remotePort: remote.port,\n      remoteFamily: remote.family,\n    } : undefined);\n    \
         return;\n  }\n\n  if (\n    self.blockList",
    ),
    // The class is none of the native ones, which are what this module is made of.
    (
        "ext:deno_node/internal/tty.js",
        "import { op_tty_check_fd_permission, TTY } from \"ext:core/ops\";",
        "import { op_tty_check_fd_permission } from \"ext:core/ops\"; const { TTY } = core.ops;",
    ),
    (
        "node:tty",
        "import { op_tty_check_fd_permission, TTY } from \"ext:core/ops\";",
        "import { op_tty_check_fd_permission } from \"ext:core/ops\"; const { TTY } = core.ops;",
    ),
    // Files are watched by ours, and a watch that is not to keep the program does not.
    (
        FS,
        "  // Open the underlying Deno.FsWatcher, but defer any failure to an\n",
        "  const given = typeof optionsOrListener === \"string\" ? { encoding: optionsOrListener } : options ?? {};\n  \
         validateAbortSignal(given.signal, \"options.signal\");\n  \
         return __bootstrap.internals.watch(watchPath, given, listener, ignoreMatcher);\n",
    ),
    (
        FS,
        "  const watcher = Deno.watchFs(watchPath, {\n    recursive,\n  });\n",
        "  return __bootstrap.internals.watchIterator(watchPath, options ?? {}, ignoreMatcher);\n  const watcher = undefined;\n",
    ),
    (
        FS,
        "    if (persistent) {\n      this.#refCount++;\n    }\n\n    const bigint",
        "    if (persistent) {\n      this.#refCount++;\n    }\n    this.#refed = persistent;\n\n    const bigint",
    ),
    // The mode is that of a file that is made; one that is there keeps its own.
    (
        FS,
        "async function _writeFileGetRid(\n  pathOrRid: string | number,\n  flag: string = \"w\",\n",
        "async function _writeFileGetRid(\n  pathOrRid: string | number,\n  flag: string = \"w\",\n  mode?: number,\n",
    ),
    (
        FS,
        "await op_node_open(pathOrRid, stringToFlags(flag), 0o666)",
        "await op_node_open(pathOrRid, stringToFlags(flag), parseFileMode(mode, \"mode\", 0o666))",
    ),
    (
        FS,
        "function _writeFileGetRidSync(\n  pathOrRid: string | number,\n  flag: string = \"w\",\n",
        "function _writeFileGetRidSync(\n  pathOrRid: string | number,\n  flag: string = \"w\",\n  mode?: number,\n",
    ),
    (
        FS,
        "op_node_open_sync(pathOrRid, stringToFlags(flag), 0o666)",
        "op_node_open_sync(pathOrRid, stringToFlags(flag), parseFileMode(mode, \"mode\", 0o666))",
    ),
    (
        FS,
        "await _writeFileGetRid(pathOrRid as string | number, flag)",
        "await _writeFileGetRid(pathOrRid as string | number, flag, mode)",
    ),
    (FS, "_writeFileGetRidSync(pathOrRid, flag)", "_writeFileGetRidSync(pathOrRid, flag, mode)"),
    (FS, "      if (!isRid && mode) {\n        await Deno.chmod(", "      if (false) {\n        await Deno.chmod("),
    (FS, "    if (!isRid && mode) {\n      Deno.chmodSync(", "    if (false) {\n      Deno.chmodSync("),
    // A handle nobody has any more is closed.
    (
        "ext:deno_node/internal/fs/handle.ts",
        "import { core, primordials } from \"ext:core/mod.js\";\n",
        "import { core, internals, primordials } from \"ext:core/mod.js\";\n",
    ),
    (
        "ext:deno_node/internal/fs/handle.ts",
        "    this[kRefs] = 1;\n",
        "    internals.tendHandle(this, rid);\n    this[kRefs] = 1;\n",
    ),
    (
        "ext:deno_node/internal/fs/handle.ts",
        "        op_node_fs_close(this.#rid);\n",
        "        internals.handleCloses(this);\n        op_node_fs_close(this.#rid);\n",
    ),
    // A native addon would be code of the host's.
    (
        "node:module",
        "  if (filename.endsWith(\"cpufeatures.node\")) {\n",
        "  const refused = new Error(`${filename}: native addons cannot be loaded in a session`);\n  refused.code = \"ERR_DLOPEN_FAILED\";\n  throw refused;\n  \
         if (filename.endsWith(\"cpufeatures.node\")) {\n",
    ),
    // Every binding by its name, for tests of Node's own.
    (
        "node:module",
        "  \"internal/test/binding\": () =>\n    core.loadExtScript(\"ext:deno_node/internal/test/binding.ts\"),\n",
        "",
    ),
    // An environment variable of the other runtime's, and its server's.
    (
        "ext:deno_node/internal/http/address_override.js",
        "  const result = op_http_serve_address_override();\n",
        "  const result = [0];\n",
    ),
    // Datagrams are our handles as well.
    (
        "ext:deno_node/internal_binding/udp_wrap.ts",
        "  default: { SendWrap, UDP },\n  SendWrap,\n  UDP,\n};",
        "  default: { SendWrap, UDP: core.ops.UDPWrap },\n  SendWrap,\n  UDP: core.ops.UDPWrap,\n};",
    ),
    // Names are looked up as the session knows them.
    (
        "ext:deno_node/internal_binding/cares_wrap.ts",
        "      netPermToken = await op_node_getaddrinfo(\n        hostname,\n        req.port || undefined,\n        family,\n      );\n",
        "      const found = await Deno.addressesOf(hostname, req.port || 0);\n      if (typeof found === \"number\") throw { uv_errcode: found };\n",
    ),
    (
        "ext:deno_node/internal_binding/cares_wrap.ts",
        "          op_net_get_ips_from_perm_token(netPermToken),\n",
        "          found,\n",
    ),
    (
        "ext:deno_node/internal_binding/cares_wrap.ts",
        "await op_node_getnameinfo(address, port)",
        "await Deno.nameOf(address, port)",
    ),
    ("ext:deno_node/internal_binding/cares_wrap.ts", "await op_dns_resolve({", "await Deno.queryName({"),
    (
        "ext:deno_node/internal_binding/cares_wrap.ts",
        "  systemDnsServers = op_net_get_system_dns_servers();\n",
        "  systemDnsServers = [];\n",
    ),
    // A connection under encryption is one of our handles.
    (
        "ext:deno_node/internal_binding/tls_wrap.ts",
        "function installNativeOnread(res: TLSWrap, nativeHandle: any) {\n",
        "function installNativeOnread(res: TLSWrap, nativeHandle: any) {\n  return __bootstrap.internals.readEncrypted(res, nativeHandle);\n",
    ),
    (
        "ext:deno_node/internal_binding/tls_wrap.ts",
        "function attachNativeHandle(res: TLSWrap, nativeHandle: any) {\n",
        "function attachNativeHandle(res: TLSWrap, nativeHandle: any) {\n  return __bootstrap.internals.attachEncrypted(res, nativeHandle);\n",
    ),
    (
        "ext:deno_node/internal_binding/tls_wrap.ts",
        "  const kind = isServer ? 1 : 0;\n",
        "  __bootstrap.internals.trustExtra();\n  const kind = isServer ? 1 : 0;\n",
    ),
    // What a program chose to trust is remembered here; the operation knows the session's files alone.
    (
        "ext:deno_node/tls.ts",
        "  op_set_default_ca_certificates(normalized);\n",
        "  __bootstrap.internals.trusted = normalized;\n  op_set_default_ca_certificates(normalized);\n",
    ),
    (
        "ext:deno_node/tls.ts",
        "op_node_get_ca_certificates(type)",
        "type === \"default\" ? __bootstrap.internals.trusted : op_node_get_ca_certificates(type)",
    ),
    // Standard input that is a pipe or a socket is one of our handles, which reads nothing before it is wanted.
    (
        "ext:deno_node/_process/streams.mjs",
        "const lazyTty = core.createLazyLoader(\"node:tty\");\n",
        "const lazyTty = core.createLazyLoader(\"node:tty\");\nconst lazyNet = core.createLazyLoader(\"node:net\");\n",
    ),
    (
        "ext:deno_node/_process/streams.mjs",
        "    case \"PIPE\":\n    case \"TCP\": {\n",
        "    case \"PIPE\":\n    case \"TCP\": {\n      stdin = new (lazyNet().Socket)({ fd, readable: true, writable: false, manualStart: true });\n      \
         stdin._type = \"pipe\";\n      break;\n    }\n    case \"none\": {\n",
    ),
    (
        "ext:deno_node/_process/streams.mjs",
        "    if (io.stdin?.isTerminal()) {\n      io.stdin.setRaw(enable);\n    }\n",
        "    stdin._handle?.setRawMode?.(enable);\n",
    ),
    // A server's parser takes what is read from our handles, past the socket's own stream.
    (
        "ext:deno_node/internal_binding/http_parser.ts",
        "  this._native.consume(this, handle);\n",
        "  if (typeof handle.consumeBy !== \"function\") return;\n  handle.consumeBy(this);\n  this._consumedHandle = handle;\n",
    ),
    (
        "ext:deno_node/internal_binding/http_parser.ts",
        "  this._native.unconsume();\n};\n",
        "  this._consumedHandle?.consumeBy(null);\n  this._consumedHandle = null;\n};\n\
         HTTPParser.prototype.consumed = function (this: any, bytes: Uint8Array) {\n  \
         const parsed = this.execute(bytes);\n  this[kOnExecute]?.(parsed, bytes);\n};\n",
    ),
];

/// A script with our changes.
///
/// # Panics
/// If a script is not as a patch of it expects: an upgrade has changed it.
fn patched(specifier: &str, mut text: String) -> String {
    let all = [PATCHES, children::PATCHES, files::PATCHES, memory::PATCHES, programs::PATCHES, web::PATCHES].concat();
    for (_, from, to) in all.iter().filter(|(of, ..)| *of == specifier) {
        assert!(text.contains(from), "{specifier} has no {from:?} any more; look at the patch of it");
        text = text.replacen(from, to, 1);
    }
    if text.contains(NODE_VERSION) {
        text = text.replace(NODE_VERSION, deno_node::NODE_VERSION);
    }
    // Scripts that are loaded later are loaded whole. The classic ones are given a `core` that does so.
    let is_classic = text.contains("\n(function () {") || text.starts_with("(function () {");
    if !is_classic && (specifier.contains("deno_node") || specifier.starts_with("node:")) {
        for loader in ["createLazyLoader", "loadExtScript"] {
            text = text.replace(&format!("core.{loader}("), &format!("Deno.whole.{loader}("));
        }
    }
    // Node's global object is no event target; the events of errors go to one that programs do not see.
    if specifier.contains("deno_node") || specifier.starts_with("node:") {
        for method in ["addEventListener", "removeEventListener", "dispatchEvent"] {
            text = text.replace(&format!("globalThis.{method}"), &format!("Deno.program.{method}"));
        }
    }
    // The name is a global of the runtime these scripts come from. Here it is a binding of each script that uses it.
    let names_it = text.contains("Deno.") && !specifier.starts_with("ext:warren/");
    if names_it {
        text = if is_classic {
            text.replacen("(function () {", "(function () { const Deno = __bootstrap.internals.deno;", 1)
        } else {
            format!(
                "import {{ internals as __internals }} from \"ext:core/mod.js\"; const Deno = __internals.deno; {text}"
            )
        };
    }
    text
}
