// Encryption over our handles. The native class computes; what it made is written to the handle here, and what the handle
// reads is given to it.
//
//   handle.onread -> receive -> decrypted        written -> encrypted -> pump -> handle.writeBuffer
import { core, internals } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const { op_get_env, op_get_root_certificates, op_node_get_ca_certificates, op_set_default_ca_certificates } = core.ops;
const { queueMicrotask } = globalThis;
const kReadBytesOrError = 0;
const kLastWriteWasAsync = 3;
const stateOf = () => deno.whole.loadExtScript("ext:deno_node/internal_binding/stream_wrap.ts").streamBaseState;

const EMPTY = new Uint8Array(0);
const EOF = -4095;
const timers = deno.whole.createLazyLoader("node:timers");

// What came with its end is told of in a turn of its own, as if each had come alone: whoever waits for the one by a promise
// can then wait for the other.
function tellEndLater(wrap) {
  const { onread } = wrap;
  if (typeof onread !== "function" || onread === wrap.tells) return;
  let told = false;
  wrap.tells = wrap.onread = function (bytes) {
    const count = stateOf()[kReadBytesOrError];
    if (count > 0) told = wrap.receiving === true;
    if (count !== EOF || !told) return onread.call(this, bytes);
    timers().setImmediate(() => {
      stateOf()[kReadBytesOrError] = EOF;
      onread.call(this, undefined);
    });
  };
}

// Takes what a handle reads as encrypted.
function readEncrypted(wrap, handle) {
  handle.onread = (bytes) => {
    const count = stateOf()[kReadBytesOrError];
    if (count > 0 && bytes) {
      wrap.receiving = true;
      wrap.receive(new Uint8Array(bytes, 0, count));
      wrap.receiving = false;
    } else if (count < 0) {
      handle.readStop();
      handle.encryptedEnded = true;
      wrap.emitEof();
    }
    wrap._flushEncOut?.();
  };
}

// Puts a TLS connection on a handle.
function attachEncrypted(wrap, handle) {
  const error = wrap.attachJsStream();
  if (error !== 0) throw new Error(`TLS wrap attach failed: ${error}`);
  readEncrypted(wrap, handle);
  wrap._nativeTcpHandle = handle;
  if (wrap._flushEncOut !== undefined) return;

  let flushing = false;
  let writing = false;
  let ending = null;
  const current = () => wrap._nativeTcpHandle;
  const take = () => {
    const bytes = wrap.drainEncOut();
    if (bytes.byteLength > 0) return bytes;
    // Nothing is left of what was written: those who wrote it are told, and may write more.
    wrap.readBuffer(EMPTY);
    return wrap.drainEncOut();
  };
  const pump = () => {
    while (!writing && current()) {
      const bytes = take();
      if (bytes.byteLength === 0) {
        if (ending !== null && wrap._owner?._secureEstablished !== false) finish();
        return;
      }
      writing = true;
      const request = {
        oncomplete: (status) => {
          writing = false;
          if (status < 0) wrap.cancelWrite();
          else pump();
        },
      };
      const failed = current().writeBuffer(request, bytes);
      if (failed) {
        writing = false;
        wrap.cancelWrite();
        return;
      }
      if (stateOf()[kLastWriteWasAsync]) return;
      writing = false;
    }
  };
  const finish = () => {
    ending = null;
    current().shutdown({ oncomplete() {} });
  };
  // Later, since whoever writes looks first at how it went.
  const flush = () => {
    if (flushing) return;
    flushing = true;
    queueMicrotask(() => {
      flushing = false;
      pump();
    });
  };
  wrap._flushEncOut = flush;

  const { shutdown, readStart, readStop } = wrap;
  wrap.shutdown = (request) => {
    const error = shutdown.call(wrap, request);
    ending = true;
    flush();
    return error;
  };
  // What nobody takes is not read either, once the connection is there.
  wrap.readStop = () => {
    if (wrap._owner?._secureEstablished) current()?.readStop();
    return readStop.call(wrap);
  };
  wrap.readStart = () => {
    tellEndLater(wrap);
    const error = readStart.call(wrap);
    const handle = current();
    if (handle && handle.fd >= 0 && !handle.encryptedEnded && !wrap._owner?.connecting) handle.readStart();
    flush();
    return error;
  };
}

// Trusts what NODE_EXTRA_CA_CERTS names, beside the roots that are built in, before the first connection is made.
function trustExtra() {
  if (internals.trusted) return;
  internals.trusted = true;
  if (!op_get_env("NODE_EXTRA_CA_CERTS")) return;
  op_set_default_ca_certificates([...op_get_root_certificates(), ...op_node_get_ca_certificates("extra")]);
}

Object.assign(internals, { attachEncrypted, readEncrypted, trustExtra });
