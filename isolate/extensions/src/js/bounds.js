// No buffer grows: what one would reserve is counted by nobody, and shrinking takes memory from under native code that reads it. A
// program finds an engine that does not know of such buffers. Run in the main context and in the one that those of node:vm are made
// from; whoever runs it takes `bound` and `growing` away.
{
  const { construct, defineProperty, deleteProperty } = Reflect;
  const { Proxy } = globalThis;
  const hidden = { __proto__: null, configurable: true, enumerable: false, writable: true };
  // Puts a constructor of buffers that stay as long as they are in the place of the engine's, in a realm.
  globalThis.bound = (name, native, growing, realm = globalThis) => {
    for (let at = 0; at < growing.length; at++) deleteProperty(native.prototype, growing[at]);
    const fixed = new Proxy(native, {
      __proto__: null,
      construct: (target, given, newTarget) =>
        construct(target, given.length === 0 ? [] : [given[0]], newTarget === fixed ? target : newTarget),
    });
    defineProperty(native.prototype, "constructor", { ...hidden, value: fixed });
    defineProperty(realm, name, { ...hidden, value: fixed });
  };
  globalThis.growing = ["maxByteLength", "resizable", "resize"];
  globalThis.bound("ArrayBuffer", ArrayBuffer, globalThis.growing);
}
