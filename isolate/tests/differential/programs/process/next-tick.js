const { attempt, print } = require('observe');
process.nextTick((...values) => print('tick', values), 1, 2);
attempt('nothing', () => process.nextTick());
attempt('text', () => process.nextTick('x'));
let depth = 0;
(function deeper() {
  if (depth++ < 2000) process.nextTick(deeper);
  else print('deep');
})();
setImmediate(() => print('immediate after all ticks', depth));
queueMicrotask(() => print('microtask'));
attempt('queueMicrotask', () => queueMicrotask(5));
