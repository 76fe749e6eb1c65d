console.log(
  Reflect.ownKeys(globalThis)
    .filter((key) => typeof key === 'symbol')
    .map(String),
);
console.log(
  Object.getPrototypeOf(globalThis) === Object.prototype,
  Object.getPrototypeOf(Object.getPrototypeOf(globalThis)) === Object.prototype,
  globalThis.constructor.name,
);
globalThis.added = 1;
console.log(added, delete globalThis.added, typeof added);
var top = 1;
console.log(globalThis.top);
process = 5;
console.log(process);
globalThis.process = 6;
console.log(globalThis.process);
