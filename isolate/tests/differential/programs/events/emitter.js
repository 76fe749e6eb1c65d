const { EventEmitter } = require('events');
const { attempt, print } = require('observe');
const emitter = new EventEmitter();
emitter.on('newListener', (name) => print('new', name)).on('removeListener', (name) => print('removed', name));
const one = (...values) => print('one', values, values.length);
emitter
  .on('a', one)
  .once('a', () => print('once'))
  .prependListener('a', () => print('first'))
  .prependOnceListener('a', () => print('very first'));
print(emitter.emit('a', 1, 2, 3, 4), emitter.emit('a'), emitter.emit('nothing'));
print(
  emitter.listenerCount('a'),
  emitter.listenerCount('a', one),
  emitter.eventNames(),
  emitter.listeners('a').length,
  emitter.rawListeners('a').length,
);
emitter.off('a', one).removeAllListeners('a');
print(emitter.listenerCount('a'), emitter.getMaxListeners(), EventEmitter.defaultMaxListeners);
attempt('error', () => emitter.emit('error', new TypeError('mine')));
attempt('error that is none', () => emitter.emit('error', { a: 1 }));
attempt('error of nothing', () => emitter.emit('error'));
attempt('no function', () => emitter.on('a', 5));
attempt('maximum', () => emitter.setMaxListeners(-1));
const symbol = Symbol('mine');
emitter.on(symbol, () => {
  emitter.on(symbol, () => print('added while it is told'));
  print('told');
});
emitter.emit(symbol);
print(emitter.eventNames());
const removing = new EventEmitter();
const second = () => print('second');
removing
  .on('a', () => {
    removing.off('a', second);
    print('removes');
  })
  .on('a', second);
removing.emit('a');
removing.emit('a');
class Mine extends EventEmitter {}
print(new Mine(), new Mine() instanceof EventEmitter, require('events') === EventEmitter);
