const { attempt, print } = require('observe');
const timeout = setTimeout((...values) => print('called', values), 100, 1, 'two');
print(
  timeout.constructor.name,
  timeout.hasRef(),
  timeout.unref().hasRef(),
  timeout.ref() === timeout,
  typeof timeout[Symbol.toPrimitive](),
  typeof timeout.close,
);
const interval = setInterval(() => {
  if (++interval.count === 3) {
    clearInterval(interval);
  }
}, 1);
interval.count = 0;
clearImmediate(setImmediate(() => print('never')));
clearTimeout(setTimeout(() => print('never'), 1));
clearTimeout(Number(setTimeout(() => print('never'), 1)));
clearTimeout(String(Number(setTimeout(() => print('never'), 1))));
for (const nothing of [undefined, null, 0, -1, 'x', {}, NaN]) clearTimeout(nothing);
const closed = setTimeout(() => print('never'), 1);
closed.close();
const refreshed = setTimeout(() => print('refreshed'), 300);
refreshed.refresh();
setTimeout(() => print('never'), 100000).unref();
setInterval(() => {}, 100000).unref();
attempt('no function', () => setTimeout('text', 1));
attempt('nothing', () => setInterval());
attempt('immediate', () => setImmediate(5));
setTimeout(() => print('negative'), -5);
setTimeout(() => print('NaN'), NaN);
const { setTimeout: promised } = require('timers/promises');
(async () => {
  await promised(600);
  print(interval.count, interval.constructor.name);
  const immediate = setImmediate((value) => print('immediate', value), 'x');
  print(immediate.constructor.name, immediate.hasRef());
  await promised(20);
  const dispose = setTimeout(() => print('never'), 1);
  dispose[Symbol.dispose]();
  print('disposed', dispose._destroyed);
})();
