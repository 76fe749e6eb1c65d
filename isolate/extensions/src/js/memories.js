// Memories of WebAssembly: the engine counts none of them, so the host does. Those that modules define for themselves are made here and
// imported by their modules, so that they are seen too.
import { core, internals, primordials } from "ext:core/mod.js";

const {
  op_vm_create_script, op_vm_script_run_in_context, op_warren_global, op_warren_has_room, op_warren_import_memories,
  op_warren_memories, op_warren_reserve,
} = core.ops;
const {
  ArrayBufferIsView, ArrayPrototypePush, BigInt, DataViewPrototypeGetBuffer, DataViewPrototypeGetByteLength,
  DataViewPrototypeGetByteOffset, ObjectDefineProperty, PromisePrototypeThen, PromiseReject, PromiseResolve, Proxy, RangeError,
  ReflectApply, ReflectConstruct, ReflectDeleteProperty, ReflectGetOwnPropertyDescriptor, ReflectGetPrototypeOf, SafeWeakMap, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeGetSymbolToStringTag, Uint8Array, WeakMapPrototypeGet, WeakMapPrototypeSet,
} = primordials;

const FROM = "\0warren:memory";
// What a shared buffer has that can grow.
const GROWING = ["grow", "growable", "maxByteLength"];
const noRoom = () => new RangeError("WebAssembly.Memory(): could not allocate memory");
const isObject = (value) => typeof value === "function" || (typeof value === "object" && value !== null);

// What a program is given in the place of the engine's; of a context of node:vm, too.
const bounded = { __proto__: null };

// A copy of a module's bytes; nothing if they are none.
function bytesOf(source) {
  if (ArrayBufferIsView(source)) {
    const typed = TypedArrayPrototypeGetSymbolToStringTag(source) !== undefined;
    const view = new Uint8Array(
      typed ? TypedArrayPrototypeGetBuffer(source) : DataViewPrototypeGetBuffer(source),
      typed ? TypedArrayPrototypeGetByteOffset(source) : DataViewPrototypeGetByteOffset(source),
      typed ? TypedArrayPrototypeGetByteLength(source) : DataViewPrototypeGetByteLength(source),
    );
    return new Uint8Array(view);
  }
  return core.isAnyArrayBuffer(source) ? new Uint8Array(new Uint8Array(source)) : undefined;
}

// A module that imports its memories, and what they are; nothing if it defines none.
function imported(source) {
  const bytes = bytesOf(source);
  const memories = bytes === undefined ? null : op_warren_memories(bytes);
  return memories === null ? undefined : { bytes: op_warren_import_memories(bytes), memories };
}

// The engine's shared buffer, and what bounds those of a context that has some of its own.
let EngineShared, boundBuffers;

// `bound` puts a constructor of buffers in the place of the engine's; `growing` are what those of the engine have to grow.
function boundMemories(bound, growing) {
  boundBuffers = (native, realm) => bound("ArrayBuffer", native, growing, realm);
  const { WebAssembly } = globalThis;
  const { compile, CompileError, instantiate, Instance, Memory, Module } = WebAssembly;
  const { grow } = Memory.prototype;
  const { imports: importsOf } = Module;
  // The engine gives its own to nobody. None of them grows, so each is counted by what makes its bytes; as those of memories are not,
  // none is shared.
  EngineShared = new Memory({ __proto__: null, initial: 0, maximum: 0, shared: true }).buffer.constructor;
  bound("SharedArrayBuffer", EngineShared, GROWING);
  // Who has a memory's buffer has what it reserves, and keeps the memory, which is what is counted.
  const { get: bufferOf } = ReflectGetOwnPropertyDescriptor(Memory.prototype, "buffer");
  const owners = new SafeWeakMap();
  const { get: seen } = ReflectGetOwnPropertyDescriptor({
    get buffer() {
      const buffer = ReflectApply(bufferOf, this, []);
      WeakMapPrototypeSet(owners, buffer, this);
      return buffer;
    },
  }, "buffer");
  ObjectDefineProperty(Memory.prototype, "buffer", { __proto__: null, configurable: true, enumerable: true, get: seen });
  // What a memory is seen as may not grow either.
  ReflectDeleteProperty(Memory.prototype, "toFixedLengthBuffer");
  ReflectDeleteProperty(Memory.prototype, "toResizableBuffer");
  // Of each module that has some, its memories.
  const own = new SafeWeakMap();

  // A class whose instances are made by `make`, which is given what to construct them with.
  const standsFor = (native, make) => {
    const stands = new Proxy(native, {
      __proto__: null,
      construct(target, given, newTarget) {
        return make((...words) => ReflectConstruct(target, words, newTarget === stands ? target : newTarget), given);
      },
    });
    ObjectDefineProperty(native.prototype, "constructor", {
      __proto__: null, configurable: true, enumerable: false, value: stands, writable: true,
    });
    return stands;
  };

  bounded.Memory = standsFor(Memory, (make, given) => {
    const memory = make(given[0]);
    if (!op_warren_reserve(memory)) throw noRoom();
    return memory;
  });
  const methods = {
    grow(delta) {
      const pages = typeof delta === "bigint" ? delta : +delta;
      if (pages > 0 && !op_warren_has_room(+`${pages}`)) throw new RangeError("WebAssembly.Memory.grow(): Unable to grow instance memory");
      return ReflectApply(grow, this, [pages]);
    },
    imports(module) {
      const all = importsOf(module);
      if (WeakMapPrototypeGet(own, module) === undefined) return all;
      const shown = [];
      for (let at = 0; at < all.length; at++) if (all[at].module !== FROM) ArrayPrototypePush(shown, all[at]);
      return shown;
    },
  };
  ObjectDefineProperty(Memory.prototype, "grow", {
    __proto__: null, configurable: true, enumerable: true, value: methods.grow, writable: true,
  });
  ObjectDefineProperty(Module, "imports", {
    __proto__: null, configurable: true, enumerable: true, value: methods.imports, writable: true,
  });

  const unknown = () => new CompileError("WebAssembly.Module(): a memory of an unknown kind");
  bounded.Module = standsFor(Module, (make, given) => {
    let found;
    try {
      found = imported(given[0]);
    } catch {
      // It says what is wrong with it.
      make(given[0], given[1]);
      throw unknown();
    }
    if (found === undefined) return make(given[0], given[1]);
    let module;
    try {
      module = make(found.bytes, given[1]);
    } catch (error) {
      make(given[0], given[1]);
      throw error;
    }
    WeakMapPrototypeSet(own, module, found.memories);
    return module;
  });

  // What a module is instantiated with: what it is given, and its memories.
  const withMemories = (module, imports) => {
    const memories = isObject(module) ? WeakMapPrototypeGet(own, module) : undefined;
    if (memories === undefined) return imports;
    // It says that they are missing.
    if (imports === undefined ? importsOf(module).length > memories.length : !isObject(imports)) return imports;
    const made = { __proto__: null };
    for (let at = 0; at < memories.length; at++) {
      const { 0: initial, 1: maximum, 2: shared, 3: wide } = memories[at];
      const size = wide ? BigInt : (pages) => pages;
      const type = { __proto__: null, initial: size(initial), shared };
      if (maximum >= 0) type.maximum = size(maximum);
      if (wide) type.address = "i64";
      made[at] = new Memory(type);
      if (!op_warren_reserve(made[at])) throw noRoom();
    }
    return { __proto__: imports ?? null, [FROM]: made };
  };
  bounded.Instance = standsFor(Instance, (make, given) => make(given[0], withMemories(given[0], given[1])));

  const compiled = (source, options) => {
    const asItIs = () => ReflectApply(compile, WebAssembly, [source, options]);
    let found;
    try {
      found = imported(source);
    } catch {
      return PromisePrototypeThen(asItIs(), () => {
        throw unknown();
      });
    }
    if (found === undefined) return asItIs();
    const kept = (module) => {
      WeakMapPrototypeSet(own, module, found.memories);
      return module;
    };
    return PromisePrototypeThen(ReflectApply(compile, WebAssembly, [found.bytes, options]), kept, (error) =>
      PromisePrototypeThen(asItIs(), () => {
        throw error;
      }));
  };
  const instantiated = (module, imports) => {
    try {
      return ReflectApply(instantiate, WebAssembly, [module, withMemories(module, imports)]);
    } catch (error) {
      return PromiseReject(error);
    }
  };
  const both = (source, imports, options) =>
    PromisePrototypeThen(
      compiled(source, options),
      (module) => PromisePrototypeThen(instantiated(module, imports), (instance) => ({ module, instance })),
    );
  const streamed = (name, response, use) =>
    PromisePrototypeThen(PromiseResolve(response), (response) => {
      const { Response } = globalThis;
      if (typeof Response !== "function" || !(response instanceof Response)) {
        throw new TypeError(`WebAssembly.${name}(): Argument 0 must be a Response`);
      }
      if (!response.ok) throw new TypeError(`WebAssembly.${name}(): HTTP status code ${response.status}`);
      if (response.headers.get("content-type") !== "application/wasm") {
        throw new TypeError(`WebAssembly.${name}(): Incorrect response MIME type. Expected 'application/wasm'.`);
      }
      return PromisePrototypeThen(response.arrayBuffer(), use);
    });
  const functions = {
    compile(source, options) {
      return compiled(source, options);
    },
    compileStreaming(source, options) {
      return streamed("compileStreaming", source, (bytes) => compiled(bytes, options));
    },
    instantiate(source, imports, options) {
      const isBytes = ArrayBufferIsView(source) || core.isAnyArrayBuffer(source);
      return isBytes ? both(source, imports, options) : instantiated(source, imports);
    },
    instantiateStreaming(source, imports, options) {
      return streamed("instantiateStreaming", source, (bytes) => both(bytes, imports, options));
    },
  };
  bounded.compile = functions.compile;
  bounded.compileStreaming = functions.compileStreaming;
  bounded.instantiate = functions.instantiate;
  bounded.instantiateStreaming = functions.instantiateStreaming;
  replace(WebAssembly);
}

function replace(webAssembly) {
  for (const name in bounded) {
    const enumerable = typeof bounded[name].prototype !== "object";
    ObjectDefineProperty(webAssembly, name, {
      __proto__: null, configurable: true, enumerable, value: bounded[name], writable: true,
    });
  }
}

// A context of node:vm has the engine's own; nobody has seen them yet when it is made, and nothing here asks its sandbox anything, which
// may be the program's to answer. It has no SharedArrayBuffer, and of the engine's one that grows nothing leads there.
internals.tendContext = (sandbox) => {
  const inside = op_vm_script_run_in_context(
    op_vm_create_script("(function () {})", "node:vm", 0, 0, undefined, false, sandbox, 0).value, sandbox, -1, true, false,
  );
  // Without one of the function's own, the prototype is that of its context.
  inside.prototype = undefined;
  const prototype = ReflectGetPrototypeOf(ReflectConstruct(EngineShared, [0], inside));
  ReflectDeleteProperty(prototype, "constructor");
  for (let at = 0; at < GROWING.length; at++) ReflectDeleteProperty(prototype, GROWING[at]);
  replace(op_warren_global(inside, "WebAssembly"));
  // One without a sandbox of its own is not made of the context that has them bounded.
  const buffers = op_warren_global(inside, "ArrayBuffer");
  if (ReflectGetOwnPropertyDescriptor(buffers.prototype, "resize") !== undefined) boundBuffers(buffers, sandbox);
};

export { boundMemories };
