const { print } = require('observe');
process.on('uncaughtException', (error, origin) => print('caught', error.message, origin));
setTimeout(() => {
  throw new Error('first');
}, 200);
setTimeout(() => print('second'), 200);
setTimeout(() => {
  setImmediate(() => {
    throw new Error('immediate');
  });
  setImmediate(() => print('after it'));
}, 500);
process.nextTick(() => {
  throw new Error('tick');
});
process.nextTick(() => print('next tick'));
queueMicrotask(() => {
  throw new Error('microtask');
});
Promise.resolve().then(() => print('promise'));
