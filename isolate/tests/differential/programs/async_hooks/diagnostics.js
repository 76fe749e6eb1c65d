const channels = require('diagnostics_channel');
const { attempt, print } = require('observe');
const channel = channels.channel('mine');
print(channel.hasSubscribers, channel.name, channels.hasSubscribers('mine'), channels.channel('mine') === channel);
const listener = (message, name) => print('message', message, name);
channels.subscribe('mine', listener);
channel.publish({ a: 1 });
print(channel.hasSubscribers, channels.unsubscribe('mine', listener), channels.unsubscribe('mine', listener));
channel.publish({ a: 2 });
attempt('name', () => channels.channel(5));
attempt('subscribe', () => channel.subscribe(5));
const tracing = channels.tracingChannel('trace');
tracing.subscribe({
  start: (m) => print('start', m.x),
  end: (m) => print('end', m.result),
  asyncStart: () => print('asyncStart'),
  asyncEnd: () => print('asyncEnd'),
  error: (m) => print('error', m.error.message),
});
print(tracing.traceSync((a) => a + 1, { x: 1 }, null, 5));
attempt('traceSync', () =>
  tracing.traceSync(
    () => {
      throw new Error('mine');
    },
    { x: 2 },
  ),
);
tracing
  .tracePromise(async () => 'done', { x: 3 })
  .then((value) => {
    print(value);
    tracing.traceCallback(
      (done) => setImmediate(done, null, 'cb'),
      0,
      { x: 4 },
      null,
      (error, value) => print('callback', error, value),
    );
  });
const { AsyncLocalStorage } = require('async_hooks');
const store = new AsyncLocalStorage();
channel.bindStore(store, (data) => data.id);
channel.runStores({ id: 7 }, () => print('store', store.getStore()));
print(channel.unbindStore(store));
