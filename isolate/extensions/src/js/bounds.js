// Buffers that grow are no business of the allocator's, which counts all others: one of them is of 512 MiB at most, and what they
// reserve is counted by the host. Run in the main context and in the one that those of node:vm are made from, where none can grow;
// whoever runs it takes `bound` away.
{
  const { apply, construct, defineProperty, getOwnPropertyDescriptor } = Reflect;
  const { Proxy, RangeError } = globalThis;
  const BYTES_MAX = 512 * 1024 * 1024;
  const fits = (length) => {
    length = +length;
    if (length > BYTES_MAX) throw new RangeError("Array buffer allocation failed");
    return length;
  };
  // `reserve` counts a buffer, and says whether there is room for it.
  globalThis.bound = (name, method, reserve = () => false) => {
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
        newTarget = newTarget === bounded ? target : newTarget;
        if (given.length < 2) return construct(target, given, newTarget);
        // Each is read once: a program could answer otherwise the next time.
        const length = fits(given[0]);
        const options = given[1];
        const isObject = typeof options === "function" || (typeof options === "object" && options !== null);
        const most = isObject ? options.maxByteLength : undefined;
        if (most === undefined) return construct(target, [length], newTarget);
        const made = construct(target, [length, { __proto__: null, maxByteLength: fits(most) }], newTarget);
        if (!reserve(made)) throw new RangeError("Array buffer allocation failed");
        return made;
      },
    });
    defineProperty(native.prototype, method, { ...hidden, value: grow });
    defineProperty(native.prototype, "constructor", { ...hidden, value: bounded });
    defineProperty(globalThis, name, { ...hidden, value: bounded });
  };
  globalThis.bound("ArrayBuffer", "resize", globalThis.reserve);
  // What a buffer that grows is moved to grows, too.
  const { prototype } = ArrayBuffer, { reserve = () => false } = globalThis;
  const { transfer: native } = prototype, { get: resizable } = getOwnPropertyDescriptor(prototype, "resizable");
  const { transfer } = {
    transfer() {
      const moved = apply(native, this, arguments);
      if (apply(resizable, moved, []) && !reserve(moved)) throw new RangeError("Array buffer allocation failed");
      return moved;
    },
  };
  defineProperty(prototype, "transfer", { ...getOwnPropertyDescriptor(prototype, "transfer"), value: transfer });
}
