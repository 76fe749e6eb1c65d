// What node:v8 reads and writes. The engine is given what was looked through, and calls functions of ours, which are always functions:
// those of a program may be anything by the time they are called.
import { core, internals, primordials } from "ext:core/mod.js";

const {
  op_v8_get_wire_format_version, op_v8_new_deserializer, op_v8_new_serializer, op_v8_read_raw_bytes, op_v8_read_value, op_warren_wire,
  op_warren_wire_object,
} = core.ops;
const {
  DataViewPrototypeGetBuffer, DataViewPrototypeGetByteLength, DataViewPrototypeGetByteOffset, Error, ReflectApply, SafeWeakMap, TypeError,
  TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeGetByteOffset,
  TypedArrayPrototypeGetSymbolToStringTag, Uint8Array, WeakMapPrototypeGet, WeakMapPrototypeSet,
} = primordials;

// Versions of the format that are known.
const [OLDEST, NEWEST] = [13, 16];
// Of each deserializer its bytes, which nobody else has.
const texts = new SafeWeakMap();

function copyOf(view) {
  const typed = TypedArrayPrototypeGetSymbolToStringTag(view) !== undefined;
  return new Uint8Array(new Uint8Array(
    typed ? TypedArrayPrototypeGetBuffer(view) : DataViewPrototypeGetBuffer(view),
    typed ? TypedArrayPrototypeGetByteOffset(view) : DataViewPrototypeGetByteOffset(view),
    typed ? TypedArrayPrototypeGetByteLength(view) : DataViewPrototypeGetByteLength(view),
  ));
}

const damaged = () => new Error("Unable to deserialize cloned data: it is damaged, or has a buffer that can grow.");

// Of a deserializer: where it reads next.
const place = (handle) => op_v8_read_raw_bytes(handle, 0);

internals.newDeserializer = (program, view) => {
  const text = copyOf(view);
  const handle = op_v8_new_deserializer({
    __proto__: null,
    _readHostObject() {
      const from = place(handle);
      const read = program._readHostObject;
      if (typeof read !== "function") throw new TypeError("_readHostObject is not a function");
      const object = ReflectApply(read, program, []);
      if (!op_warren_wire_object(text, from, place(handle))) throw damaged();
      return object;
    },
    _getSharedArrayBufferFromId() {
      return undefined;
    },
  }, text);
  WeakMapPrototypeSet(texts, handle, text);
  return handle;
};

internals.readValue = (handle) => {
  const text = WeakMapPrototypeGet(texts, handle);
  if (text === undefined) throw new TypeError("Illegal invocation");
  const version = op_v8_get_wire_format_version(handle);
  if (version < OLDEST || version > NEWEST) {
    throw new Error("Unable to deserialize cloned data due to invalid or unsupported version.");
  }
  if (!op_warren_wire(text, place(handle))) throw damaged();
  return op_v8_read_value(handle);
};

internals.newSerializer = (program) => {
  const call = (name, given) => {
    const method = program[name];
    if (typeof method !== "function") throw new TypeError(`${name} is not a function`);
    return ReflectApply(method, program, [given]);
  };
  return op_v8_new_serializer({
    __proto__: null,
    // What it throws is as good as what it returns.
    _getDataCloneError(message) {
      try {
        return call("_getDataCloneError", message);
      } catch (error) {
        return error;
      }
    },
    _getSharedArrayBufferId: (buffer) => call("_getSharedArrayBufferId", buffer),
    _writeHostObject: (object) => call("_writeHostObject", object),
  });
};
