// Classes of native objects, as all scripts that come after this one find them: as Node's are, none is called without `new`. Native code
// would take whatever it is called on for an object of its own.
import { core, primordials } from "ext:core/mod.js";

const {
  FunctionPrototype, MapPrototypeGet, MapPrototypeSet, ObjectDefineProperty, ObjectGetPrototypeOf, ObjectKeys, ObjectSetPrototypeOf, Proxy,
  SafeMap, StringPrototypeStartsWith, TypeError,
} = primordials;
const { ops } = core;
const known = new SafeMap();

// What stands for a class, and for those that it extends: they are found by way of it.
function standIn(native) {
  const before = MapPrototypeGet(known, native);
  if (before !== undefined) return before;
  const stands = new Proxy(native, {
    __proto__: null,
    apply() {
      throw new TypeError("Class constructors cannot be invoked without 'new'");
    },
  });
  MapPrototypeSet(known, native, stands);
  const base = ObjectGetPrototypeOf(native);
  if (typeof base === "function" && base !== FunctionPrototype) ObjectSetPrototypeOf(native, standIn(base));
  ObjectDefineProperty(native.prototype, "constructor", {
    __proto__: null, configurable: true, enumerable: false, value: stands, writable: true,
  });
  return stands;
}

const names = ObjectKeys(ops);
for (let at = 0; at < names.length; at++) {
  const name = names[at], native = ops[name];
  const isClass = typeof native === "function" && native.prototype !== undefined && !StringPrototypeStartsWith(name, "op_");
  if (isClass) ops[name] = standIn(native);
}
