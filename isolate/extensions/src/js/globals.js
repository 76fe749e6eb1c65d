// The globals a Node program finds. What is seldom used is loaded when it is first read.
import { core } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";
import { fetch } from "ext:warren/fetch.js";
import { WebSocket } from "ext:warren/websocket.js";

const event = deno.whole.loadExtScript("ext:deno_web/02_event.js");
const console = deno.whole.loadExtScript("ext:deno_web/01_console.js");
const performance = deno.whole.loadExtScript("ext:deno_web/15_performance.js");
// Brands web keys so that node:crypto knows them; before web crypto reads it.
deno.whole.loadExtScript("ext:deno_node/internal/crypto/constants.ts");
const crypto = deno.whole.loadExtScript("ext:deno_crypto/00_crypto.js");
deno.whole.loadExtScript("ext:deno_node/02_register_cloneable.js");
const url = deno.whole.loadExtScript("ext:deno_web/00_url.js");
const file = deno.whole.loadExtScript("ext:deno_web/09_file.js");
const messagePort = deno.whole.loadExtScript("ext:deno_web/13_message_port.js");
const { DOMException, QuotaExceededError } = deno.whole.loadExtScript("ext:deno_web/01_dom_exception.js");
const abortSignal = deno.whole.loadExtScript("ext:deno_web/03_abort_signal.js");

// What a program runs on, as web interfaces name it.
const own = Symbol("navigator");
const languages = Object.freeze(["en-US"]);
class Navigator {
  constructor(key) {
    if (key !== own) throw Object.assign(new TypeError("Illegal constructor"), { code: "ERR_ILLEGAL_CONSTRUCTOR" });
  }
  get hardwareConcurrency() {
    return deno.whole.loadExtScript("ext:deno_node/os.ts").availableParallelism();
  }
  get language() {
    return languages[0];
  }
  get languages() {
    return languages;
  }
  get userAgent() {
    return `Node.js/${"__NODE_VERSION__".split(".")[0]}`;
  }
  get platform() {
    return core.build.arch === "aarch64" ? "Linux aarch64" : "Linux x86_64";
  }
}
for (const name of ["hardwareConcurrency", "language", "languages", "userAgent", "platform"]) {
  Object.defineProperty(Navigator.prototype, name, { enumerable: true });
}
const navigator = new Navigator(own);

const script = (specifier) => () => deno.whole.loadExtScript(specifier);
const module = (specifier) => deno.whole.createLazyLoader(specifier);

const all = { __proto__: null };
function eager(from, names) {
  for (const name of names) all[name] = core.propNonEnumerable(from[name]);
}
function lazy(load, names, describe = core.propNonEnumerableLazyLoaded) {
  for (const name of names) all[name] = describe((loaded) => loaded[name], load);
}

eager(abortSignal, ["AbortController", "AbortSignal"]);
eager(file, ["Blob", "File"]);
eager(event, ["CloseEvent", "CustomEvent", "ErrorEvent", "Event", "EventTarget", "MessageEvent", "ProgressEvent"]);
eager(crypto, ["Crypto", "CryptoKey", "SubtleCrypto"]);
eager({ DOMException, QuotaExceededError }, ["DOMException", "QuotaExceededError"]);
eager(performance, [
  "Performance", "PerformanceEntry", "PerformanceMark", "PerformanceMeasure", "PerformanceObserver",
  "PerformanceObserverEntryList",
]);
eager(url, ["URL", "URLSearchParams"]);
eager(messagePort, ["MessageChannel", "MessagePort"]);
lazy(script("ext:deno_web/06_streams.js"), [
  "ByteLengthQueuingStrategy", "CountQueuingStrategy", "ReadableStream", "ReadableStreamDefaultReader",
  "ReadableByteStreamController", "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest",
  "ReadableStreamDefaultController", "TransformStream", "TransformStreamDefaultController", "WritableStream",
  "WritableStreamDefaultWriter", "WritableStreamDefaultController",
]);
lazy(script("ext:deno_web/14_compression.js"), ["CompressionStream", "DecompressionStream"]);
lazy(script("ext:deno_web/08_text_encoding.js"), [
  "TextDecoder", "TextEncoder", "TextDecoderStream", "TextEncoderStream",
]);
lazy(script("ext:deno_web/01_broadcast_channel.js"), ["BroadcastChannel"]);
lazy(script("ext:deno_web/01_urlpattern.js"), ["URLPattern"]);
lazy(script("ext:deno_fetch/21_formdata.js"), ["FormData"]);
lazy(script("ext:deno_fetch/20_headers.js"), ["Headers"]);
lazy(script("ext:deno_fetch/23_request.js"), ["Request"]);
lazy(script("ext:deno_fetch/23_response.js"), ["Response"]);
lazy(script("ext:deno_web/05_base64.js"), ["atob", "btoa"], core.propWritableLazyLoaded);
lazy(module("node:timers"), [
  "clearImmediate", "clearInterval", "clearTimeout", "setImmediate", "setInterval", "setTimeout",
], core.propWritableLazyLoaded);
lazy(module("node:buffer"), ["Buffer"]);
all.process = core.propWritableLazyLoaded((loaded) => loaded.default, module("node:process"));
all.console = core.propNonEnumerable(new console.Console((text, level) => core.print(text, level > 1)));
all.crypto = core.propGetterOnly(() => crypto.crypto);
all.fetch = core.propWritable(fetch);
all.WebSocket = core.propNonEnumerable(WebSocket);
all.global = core.propWritable(globalThis);
const { queueMicrotask } = globalThis;
const checked = {
  queueMicrotask(callback) {
    if (typeof callback !== "function") {
      const { ERR_INVALID_ARG_TYPE } = deno.whole.loadExtScript("ext:deno_node/internal/errors.ts");
      throw new ERR_INVALID_ARG_TYPE("callback", "Function", callback);
    }
    queueMicrotask(callback);
  },
};
all.queueMicrotask = core.propWritable(checked.queueMicrotask);
all.performance = core.propWritable(performance.performance);
all.structuredClone = core.propWritable(messagePort.structuredClone);
all.Navigator = core.propNonEnumerable(Navigator);
all.navigator = core.propGetterOnly(() => navigator);
all[Symbol.toStringTag] = { __proto__: null, value: "global", writable: false, enumerable: false, configurable: true };

core.defineGlobalProperties(globalThis, all);
Object.defineProperty(Object.getPrototypeOf(globalThis), "constructor", {
  __proto__: null, configurable: true, enumerable: false, writable: true, value: Object,
});

export { all as windowOrWorkerGlobalScope, event, performance };
