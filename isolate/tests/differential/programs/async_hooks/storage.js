const { AsyncLocalStorage, AsyncResource, createHook, executionAsyncId, triggerAsyncId, executionAsyncResource } = require('async_hooks');
const { attempt, print } = require('observe');
const storage = new AsyncLocalStorage();
// What comes at the same time comes in no order.
let seen = [];
const get = (label) => (seen ? seen.push(`${label} ${JSON.stringify(storage.getStore())}`) : print(label, storage.getStore()));
(async () => {
  get('outside');
  storage.run({ id: 1 }, () => {
    get('inside');
    setTimeout(() => get('timeout'), 10);
    setImmediate(() => get('immediate'));
    process.nextTick(() => get('tick'));
    Promise.resolve().then(() => get('promise'));
    queueMicrotask(() => get('microtask'));
    require('fs').stat('.', () => get('fs'));
    (async () => {
      await null;
      get('await');
      await new Promise((done) => setTimeout(done, 25));
      get('await timeout');
    })();
    storage.run(2, () => get('nested'));
    storage.exit(() => get('exit'));
    get('after');
  });
  get('outside again');
  await new Promise((done) => setTimeout(done, 60));
  print(seen.sort());
  seen = undefined;
  print(storage.run('x', (a, b) => [storage.getStore(), a, b], 1, 2));
  attempt('throws', () =>
    storage.run('x', () => {
      throw new Error('mine');
    }),
  );
  get('after a throw');
  storage.enterWith('entered');
  get('entered');
  await null;
  get('kept');
  storage.disable();
  get('disabled');
  const bound = storage.run('bound', () => AsyncLocalStorage.bind(() => storage.getStore()));
  print(bound());
  const snapshot = storage.run('snap', () => AsyncLocalStorage.snapshot());
  print(snapshot(() => storage.getStore()));
  attempt('bind', () => AsyncLocalStorage.bind(5));
  attempt('run', () => storage.run(1));
  print(new AsyncLocalStorage({ defaultValue: 'default', name: 'n' }).getStore(), new AsyncLocalStorage({ name: 'n' }).name);
  const resource = storage.run('resource', () => new AsyncResource('MINE'));
  print(
    resource.runInAsyncScope(() => storage.getStore()),
    typeof resource.asyncId(),
    typeof resource.triggerAsyncId(),
    resource.runInAsyncScope(
      function (a) {
        return [this.x, a];
      },
      { x: 1 },
      2,
    ),
    resource.bind(() => storage.getStore())(),
    resource.emitDestroy() === resource,
  );
  attempt('type', () => new AsyncResource());
  attempt('hook', () => createHook({ init: 5 }));
  print(typeof executionAsyncId(), typeof triggerAsyncId(), typeof executionAsyncResource());
  const emitter = new (require('events'))();
  storage.run('emitter', () => emitter.on('x', () => get('listener')));
  storage.run('emit', () => emitter.emit('x'));
  const { EventEmitterAsyncResource } = require('events');
  const own = storage.run('own', () => new EventEmitterAsyncResource({ name: 'E' }));
  own.on('x', () => get('own listener'));
  storage.run('emit', () => own.emit('x'));
  storage.run('thenable', async () => {
    await {
      then(done) {
        get('then');
        done();
      },
    };
    get('after thenable');
  });
  storage.run('iterate', async () => {
    for await (const x of (async function* () {
      get('generator');
      yield 1;
    })())
      get('loop');
  });
  storage.run('target', () => {
    const control = new AbortController();
    control.signal.addEventListener('abort', () => get('abort'));
    storage.exit(() => control.abort());
  });
})();
