const { inspect } = require('util');
const show = (value, options) => console.log(inspect(value, options));
show({ a: 1, 'b-c': 'text', [Symbol('s')]: null, d: undefined, e: () => {}, f: class A extends Array {}, g: function named() {} });
show([1, , 3, 'a', [[[[1]]]], -0, NaN, 10n, 1e21]);
show(
  new Map([
    ['a', { b: 1 }],
    [{}, new Set([1, 'x'])],
  ]),
);
show([new Date(0), new Date(NaN), /a\/b/gi, Symbol('x'), new Number(3), new String('s'), Object(1n), new Boolean(false)]);
show([new Uint8Array(3), new Float64Array([1.5]), Buffer.from('ab')]);
show([Promise.resolve(1), Promise.reject(new Error('x')).catch(() => {}) && new Promise(() => {}), new WeakMap(), new WeakSet()]);
show([
  new Proxy({ a: 1 }, {}),
  new Proxy(() => {}, {}),
  Object.create(null),
  Object.create({ a: 1 }),
  new (class Mine {
    x = 1;
    #y = 2;
    get z() {
      return 1;
    }
  })(),
]);
show({
  get a() {
    return 1;
  },
  set a(v) {},
  get b() {
    return 1;
  },
  set c(v) {},
});
show(
  {
    get a() {
      return { x: 1 };
    },
  },
  { getters: true },
);
const circular = { name: 'c', list: [] };
circular.self = circular;
circular.list.push(circular, { circular });
show(circular);
show({ a: { b: { c: { d: {} } } } });
show({ a: { b: { c: { d: {} } } } }, { depth: 0 });
show({ a: { b: { c: { d: {} } } } }, { depth: Infinity });
show(Array.from({ length: 120 }, (_, i) => i));
show('x'.repeat(200).split(''), { maxArrayLength: 3 });
show('line\n"quoted" \'single\' `tick` \x00\u{1f600}');
show(["it's", '"', '\'"', 'a\nb']);
show('a'.repeat(50), { maxStringLength: 10 });
show(Array.from({ length: 30 }, (_, i) => `item number ${i}`));
show({ long: 'x'.repeat(100), other: 'y'.repeat(30), third: ['z'.repeat(60), 'w'.repeat(60)] });
show({ a: 1, b: [1, 2, { c: 3 }] }, { compact: false });
show({ b: 1, a: 2 }, { sorted: true });
show([1, 'a', null, undefined, true, Symbol('s'), 5n, new Date(0), /x/, () => {}], { colors: true });
show(new (class Foo extends Map {})([[1, 2]]));
show(Object.assign(() => {}, { a: 1 }));
show(Object.assign([1], { extra: true }));
show([function* gen() {}, async () => {}, async function* ag() {}, Math.max, Math, JSON, globalThis === global, Reflect]);
show(
  (function () {
    return arguments;
  })(1, 2),
);
show([[1, 2][Symbol.iterator](), new Map([[1, 2]]).entries(), new Set([1]).values(), 'ab'.matchAll(/./g)]);
show({
  [inspect.custom](depth, options) {
    return `custom ${depth} ${typeof options.stylize}`;
  },
});
show({ [inspect.custom]: () => ({ not: 'a string' }) });
show({
  nested: {
    [inspect.custom](depth) {
      return `at ${depth}`;
    },
  },
});
show({
  inspect: () => 'ignored',
  toString() {
    return 'ignored';
  },
});
show(
  new (class extends null {
    constructor() {
      return Object.create(new.target.prototype);
    }
  })(),
);
show({ __proto__: { constructor: { name: 'Fake' } } });
show({ a: 'x' }, { breakLength: 3 });
show(new Map([[{ k: 1 }, 'v']]), { showHidden: true });
show([1], { showHidden: true });
show(Object.defineProperty({}, 'hidden', { value: 1 }), { showHidden: true });
show(globalThis.process.versions.constructor);
