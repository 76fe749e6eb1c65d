const { print } = require('observe');
process.on('uncaughtException', (error, origin) => print('caught', error.message, origin));
setTimeout(() => {
  throw new Error('first');
}, 10);
setTimeout(() => print('second'), 10);
setTimeout(() => {
  setImmediate(() => {
    throw new Error('immediate');
  });
  setImmediate(() => print('after it'));
}, 30);
process.nextTick(() => {
  throw new Error('tick');
});
process.nextTick(() => print('next tick'));
queueMicrotask(() => {
  throw new Error('microtask');
});
Promise.resolve().then(() => print('promise'));
