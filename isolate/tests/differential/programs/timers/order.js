const { print } = require('observe');
const log = [];
setTimeout(() => log.push('timeout 0'), 0);
setTimeout(() => log.push('timeout 1'), 1);
setImmediate(() => {
  log.push('immediate');
  process.nextTick(() => log.push('tick in immediate'));
  Promise.resolve().then(() => log.push('promise in immediate'));
});
setImmediate(() => log.push('second immediate'));
process.nextTick(() => {
  log.push('tick');
  process.nextTick(() => log.push('tick in tick'));
  Promise.resolve().then(() => log.push('promise in tick'));
});
Promise.resolve().then(() => {
  log.push('promise');
  process.nextTick(() => log.push('tick in promise'));
  queueMicrotask(() => log.push('microtask in promise'));
});
queueMicrotask(() => log.push('microtask'));
log.push('end of script');
setTimeout(() => {
  print(log.filter((word) => !/^(timeout|immediate|second|tick in imm|promise in imm)/.test(word)));
  print(log.filter((word) => word.includes('immediate')));
  const inside = [];
  setTimeout(() => {
    setImmediate(() => inside.push('immediate'));
    setTimeout(() => {
      inside.push('timeout');
      print(inside);
    }, 5);
    process.nextTick(() => inside.push('tick'));
    Promise.resolve().then(() => inside.push('promise'));
  }, 1);
  const same = [];
  for (let i = 0; i < 3; i++)
    setTimeout(() => {
      same.push(i);
      Promise.resolve().then(() => same.push(`p${i}`));
      process.nextTick(() => same.push(`t${i}`));
    }, 3);
  setTimeout(() => print(same), 20);
}, 30);
