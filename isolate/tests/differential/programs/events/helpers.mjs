import events, {
  EventEmitter,
  EventEmitterAsyncResource,
  addAbortListener,
  captureRejectionSymbol,
  errorMonitor,
  getEventListeners,
  getMaxListeners,
  listenerCount,
  on,
  once,
  setMaxListeners,
} from 'node:events';
import { attempt, described, later, print } from 'observe';
const emitter = new EventEmitter();
setImmediate(() => emitter.emit('a', 1, 2));
await later('once', once(emitter, 'a'));
setImmediate(() => emitter.emit('error', new Error('mine')));
await later('once error', once(emitter, 'a'));
await later('once aborted', once(emitter, 'a', { signal: AbortSignal.abort('why') }));
const control = new AbortController();
setImmediate(() => control.abort());
await later('once aborted later', once(emitter, 'a', { signal: control.signal }));
print(emitter.listenerCount('a'), emitter.listenerCount('error'));
setImmediate(() => {
  emitter.emit('b', 1);
  emitter.emit('b', 2);
  emitter.emit('end');
});
for await (const value of on(emitter, 'b', { close: ['end'] })) print('on', value);
setImmediate(() => {
  emitter.emit('b', 1);
  emitter.emit('error', new Error('broken'));
});
await later('on error', async () => {
  for await (const value of on(emitter, 'b')) print('on', value);
});
emitter.on(errorMonitor, (error) => print('monitor', error.message));
attempt('monitored', () => emitter.emit('error', new Error('seen')));
const capturing = new EventEmitter({ captureRejections: true });
capturing.on('a', async () => {
  throw new Error('async');
});
capturing.on('error', (error) => print('captured', described(error)));
capturing.emit('a');
await new Promise(setImmediate);
capturing[captureRejectionSymbol] = (error, name, ...values) => print('own', error.message, name, values);
capturing.emit('a', 7);
await new Promise(setImmediate);
const target = new EventTarget();
target.addEventListener('x', () => {});
print(
  getEventListeners(target, 'x').length,
  getEventListeners(emitter, 'b').length,
  getMaxListeners(target),
  listenerCount(emitter, 'none'),
);
setMaxListeners(3, target, emitter);
print(getMaxListeners(target), getMaxListeners(emitter));
attempt('set', () => setMaxListeners(1, {}));
setImmediate(() => target.dispatchEvent(new Event('y')));
await later(
  'once of a target',
  once(target, 'y').then(([event]) => event.type),
);
const signal = new AbortController();
const added = addAbortListener(signal.signal, () => print('aborted'));
signal.abort();
print(typeof added[Symbol.dispose], typeof EventEmitterAsyncResource, events === EventEmitter);
