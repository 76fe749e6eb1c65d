const vm = require('vm');
const { attempt, print } = require('observe');
const context = vm.createContext({ x: 2, console });
attempt('context', () => vm.runInContext('x * 21', context));
attempt('assigns', () => {
  vm.runInContext('y = x + 1; var z = 5; let hidden = 1; function f() { return this === globalThis; }', context);
  return [context.y, context.z, context.hidden, context.f()];
});
attempt('new', () => vm.runInNewContext('a + b', { a: 1, b: 2 }));
attempt('this', () => {
  globalThis.mine = 7;
  return vm.runInThisContext('typeof require + mine');
});
attempt('isolated', () => vm.runInNewContext('typeof process + typeof console + typeof Array'));
attempt('other realm', () => vm.runInNewContext('[]') instanceof Array);
attempt('isContext', () => [vm.isContext(context), vm.isContext({})]);
attempt('frozen', () => vm.runInNewContext('Object.keys(globalThis)', { a: 1 }));
attempt('globalThis', () => vm.runInContext('globalThis.x = 9; delete globalThis.y; [x, typeof y]', context));
attempt('getter', () =>
  vm.runInNewContext('v', {
    get v() {
      return 'got';
    },
  }),
);
attempt('symbols', () => vm.runInNewContext('this[Symbol.for("a")]', { [Symbol.for('a')]: 5 }));
attempt('throws', () => vm.runInContext('throw new TypeError("inside")', context));
attempt('foreign error', () => {
  try {
    vm.runInContext('null.x', context);
  } catch (error) {
    return [error instanceof TypeError, error.name, error.message, error.constructor.name];
  }
});
attempt('syntax', () => vm.runInThisContext('a b', 'named.js'));
attempt('stack', () => {
  try {
    vm.runInThisContext('\n\nthrow new Error("x")', { filename: 'named.js', lineOffset: 10, columnOffset: 5 });
  } catch (error) {
    return error.stack.split('\n').filter((line) => line.includes('named.js'));
  }
});
attempt('timeout', () => vm.runInThisContext('for (;;);', { timeout: 50 }));
attempt('timeout of context', () => vm.runInNewContext('while (true) {}', {}, { timeout: 50 }));
attempt('bad timeout', () => vm.runInThisContext('1', { timeout: -1 }));
attempt('no code', () => vm.runInThisContext(5));
attempt('no context', () => vm.runInContext('1', {}));
attempt('context type', () => vm.createContext(5));
attempt('code generation', () => vm.runInNewContext('eval("1+1")', {}, { contextCodeGeneration: { strings: false } }));
attempt('microtasks', () => {
  const o = { log: [] };
  vm.runInNewContext('Promise.resolve().then(() => log.push("micro"))', o, { microtaskMode: 'afterEvaluate' });
  return o.log;
});
const script = new vm.Script('n = (globalThis.n ?? 0) + 1', { filename: 's.js' });
print(
  script.runInContext(context),
  script.runInContext(context),
  script.runInNewContext({ n: 5 }),
  script.constructor.name,
  Buffer.isBuffer(script.createCachedData()),
);
print('rejected', script.cachedDataRejected);
attempt('script', () => new vm.Script('const'));
attempt('cached', () => new vm.Script('1+1', { cachedData: new vm.Script('1+1').createCachedData() }).cachedDataRejected);
attempt('compile', () => vm.compileFunction('return a + b + c', ['a', 'b'], { contextExtensions: [{ c: 3 }] })(1, 2));
attempt('parameters', () => vm.compileFunction('return', 5));
print(typeof vm.measureMemory, Object.keys(vm.constants));
print('symbols', Object.values(vm.constants).map(String), typeof vm.SourceTextModule);
attempt('vanilla', () => typeof vm.runInContext('globalThis', vm.createContext(vm.constants.DONT_CONTEXTIFY)));
const code = vm.runInContext('(function () { return [typeof setTimeout, Error().stack.length > 0]; })', context);
print(code());
attempt('proxy', () => {
  const c = vm.createContext(new Proxy({}, { get: (_, key) => (key === 'p' ? 'proxied' : undefined), has: () => true }));
  return vm.runInContext('p', c);
});
