// Buffers that grow are no business of the allocator's, which counts all others: one of them is of 512 MiB at most. Run in the main
// context and in the one that those of node:vm are made from; whoever runs it takes `bound` away.
{
  const { apply, construct, defineProperty } = Reflect;
  const { Proxy, RangeError } = globalThis;
  const BYTES_MAX = 512 * 1024 * 1024;
  const fits = (length) => {
    length = +length;
    if (length > BYTES_MAX) throw new RangeError("Array buffer allocation failed");
    return length;
  };
  globalThis.bound = (name, method) => {
    const native = globalThis[name];
    const before = native.prototype[method];
    const hidden = { __proto__: null, configurable: true, enumerable: false, writable: true };
    const { [method]: grow } = {
      [method](newLength) {
        return apply(before, this, [fits(newLength)]);
      },
    };
    const bounded = new Proxy(native, {
      __proto__: null,
      construct(target, given, newTarget) {
        if (given.length > 1) {
          given[0] = fits(given[0]);
          // The engine counts nothing of one that is shared and grows.
          if (method === "grow" && given[1]?.maxByteLength !== undefined) fits(BYTES_MAX + 1);
        }
        return construct(target, given, newTarget === bounded ? target : newTarget);
      },
    });
    defineProperty(native.prototype, method, { ...hidden, value: grow });
    defineProperty(native.prototype, "constructor", { ...hidden, value: bounded });
    defineProperty(globalThis, name, { ...hidden, value: bounded });
  };
  globalThis.bound("ArrayBuffer", "resize");
  // Nor is what memories of WebAssembly have: all that a script makes are of so much together.
  globalThis.bound.memories = () => {
    const { FinalizationRegistry, WeakMap } = globalThis;
    const native = WebAssembly.Memory;
    const { grow } = native.prototype;
    const get = WeakMap.prototype.get;
    const set = WeakMap.prototype.set;
    const PAGE = 65536;
    let live = 0;
    const sizes = new WeakMap();
    const gone = new FinalizationRegistry((size) => live -= size.bytes);
    const register = gone.register;
    const take = (pages) => {
      const bytes = pages * PAGE;
      if (live + bytes > BYTES_MAX) throw new RangeError("WebAssembly.Memory(): could not allocate memory");
      live += bytes;
      return bytes;
    };
    const bounded = new Proxy(native, {
      __proto__: null,
      construct(target, given, newTarget) {
        const memory = construct(target, given, newTarget === bounded ? target : newTarget);
        const size = { __proto__: null, bytes: 0 };
        size.bytes = take(memory.buffer.byteLength / PAGE);
        apply(set, sizes, [memory, size]);
        apply(register, gone, [memory, size]);
        return memory;
      },
    });
    defineProperty(native.prototype, "grow", {
      __proto__: null, configurable: true, enumerable: true, writable: true,
      value: {
        grow(delta) {
          const size = apply(get, sizes, [this]);
          if (size === undefined) return apply(grow, this, [delta]);
          delta = +delta;
          const bytes = delta > 0 ? take(delta) : 0;
          try {
            const before = apply(grow, this, [delta]);
            size.bytes += bytes;
            return before;
          } catch (error) {
            live -= bytes;
            throw error;
          }
        },
      }.grow,
    });
    defineProperty(native.prototype, "constructor", { __proto__: null, configurable: true, writable: true, value: bounded });
    defineProperty(WebAssembly, "Memory", { __proto__: null, configurable: true, writable: true, value: bounded });
  };
}
