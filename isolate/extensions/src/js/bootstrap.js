// What the snapshot ends with, and what each program begins with.
import { core, internals } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";
import "ext:warren/channel.js";
import "ext:warren/handles.js";
import "ext:warren/datagram.js";
import "ext:warren/names.js";
import "ext:warren/watch.js";
import "ext:warren/files.js";
import "ext:warren/identity.js";
import "ext:warren/tls.js";
import "ext:warren/histogram.js";
import "ext:warren/captured.js";
import { boundMemories } from "ext:warren/memories.js";
import "ext:warren/bounds.js";
import "ext:warren/wire.js";
import { event, performance } from "ext:warren/globals.js";
import {
  caught, checkFile, describe, evaluate, fail, findMain, installConsole, isUnsettled, prepare, rejected, requireAll, runFile,
  runModule, uncaught,
} from "ext:warren/main.js";
import { rehearse } from "ext:warren/rehearsal.js";

const { op_ppid } = core.ops;
const { bound, growing } = globalThis;
delete globalThis.bound;
delete globalThis.growing;
const { setNoColorFns } = deno.whole.loadExtScript("ext:deno_web/01_console.js");
setNoColorFns(() => !core.isTerminal(1), () => !core.isTerminal(2));

// What Deno's scripts tell of errors and rejections: an event target of its own, since Node's global object is none.
const program = new event.EventTarget();
event.saveGlobalThisReference(program);
deno.program = program;

function processUnhandledPromiseRejection(promise, reason) {
  const rejection = new event.PromiseRejectionEvent("unhandledrejection", { cancelable: true, promise, reason });
  program.dispatchEvent(rejection);
  if (!rejection.defaultPrevented && internals.nodeProcessUnhandledRejectionCallback !== undefined) {
    internals.nodeProcessUnhandledRejectionCallback(rejection);
  }
  return rejection.defaultPrevented || rejected(reason);
}

function processRejectionHandled(promise, reason) {
  const handled = new event.PromiseRejectionEvent("rejectionhandled", { promise, reason });
  program.dispatchEvent(handled);
  internals.nodeProcessRejectionHandledCallback?.(handled);
}

core.setUnhandledPromiseRejectionHandler(processUnhandledPromiseRejection);
core.setHandledPromiseRejectionHandler(processRejectionHandled);

// Begins a program. `options`: argv0, main, argv, execArgv, pid, and what the command line says of it. Answers the main file's
// whole path, if there is one.
function begin(options) {
  performance.setTimeOrigin();
  deno.pid = options.pid;
  Object.defineProperty(deno, "ppid", { configurable: true, get: op_ppid });
  deno.mainModule = options.mainModule;
  deno.args = options.argv;
  deno.whole.loadExtScript("ext:deno_node/internal_binding/node_options.ts").setOptionSourceExecArgv(options.execArgv);
  internals.takeProcess(options.argv0);
  const main = prepare(options);
  requireAll(options.require, `${deno.cwd()}/`);
  return main;
}

// Node's modules are loaded here, once: a program finds them as they are, and none is run in the middle of one, where it could
// be stopped halfway. Each by a module that imports it: only what is imported is kept with its text.
for (const name of core.ops.op_warren_early_modules()) deno.whole.createLazyLoader(`ext:warren/early/${name}.js`)();
internals.nodeBootstrap = globalThis.nodeBootstrap;
delete globalThis.nodeBootstrap;
installConsole(deno.whole.createLazyLoader("node:process")().default);
rehearse();

// What no snapshot can hold and needs no program yet. `target`: of this build; `v8`: the engine's version.
function warm(target, v8) {
  // Its frames stand for those of errors that have none: see the host's part.
  void new Error().stack;
  deno.whole.createLazyLoader("node:crypto")();
  delete globalThis.__bootstrap;
  delete globalThis.bootstrap;
  delete globalThis.Deno;
  // The engine makes what they replace with the context, after the snapshot.
  boundMemories(bound, growing);
  core.setReportExceptionCallback((error) => uncaught(error, false));
  core.setBuildInfo(target);
  deno.version = { v8 };
  // What is loaded later has its own view of them; nothing else needs their names.
  for (const name of Object.keys(core.ops)) delete core.ops[name];
  internals.nodeBootstrap({ usesLocalNodeModulesDir: true, runningOnMainThread: true, argv0: "node", nodeDebug: "" });
}

globalThis.bootstrap = {
  warm,
  begin,
  findMain,
  checkFile,
  evaluate,
  runFile,
  runModule,
  isUnsettled,
  caught,
  describe,
  dispatchBeforeExit: () => internals.dispatchProcessBeforeExitEvent?.(),
  dispatchExit: () => {
    internals.dispatchProcessExitEvent?.();
    core.runMicrotasks();
  },
  fail,
  endNatives: internals.endNatives,
};
