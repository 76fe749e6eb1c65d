// A histogram of times between calls takes them from the clock that programs have.
import { core, primordials } from "ext:core/mod.js";

const { BaseHistogram, op_now } = core.ops;
const { BigInt, ReflectApply, ObjectDefineProperty, WeakMapPrototypeGet, WeakMapPrototypeSet } = primordials;
const { record } = BaseHistogram.prototype;
const last = new WeakMap();
const bytes = new Uint8Array(8);
const words = new Uint32Array(bytes.buffer);

function recordDelta() {
  op_now(bytes);
  const now = words[0] * 1e9 + words[1];
  const before = WeakMapPrototypeGet(last, this);
  // A histogram holds nothing less than one.
  if (before !== undefined) ReflectApply(record, this, [BigInt(now > before ? now - before : 1)]);
  WeakMapPrototypeSet(last, this, now);
}
ObjectDefineProperty(BaseHistogram.prototype, "recordDelta", {
  __proto__: null, configurable: true, enumerable: false, writable: true, value: recordDelta,
});
