//: stderr
const { attempt, print } = require('observe');
print(
  process.stdout.isTTY,
  process.stdout.fd,
  process.stderr.fd,
  process.stdout.writable,
  process.stdout.writableHighWaterMark,
  process.stdin.isTTY,
);
process.stdout.write('written\n', () => print('callback'));
process.stderr.write('to error\n');
console.error('%s error', 'an');
console.warn({ a: 1 });
console.info('info');
console.debug('debug');
console.log();
console.table([
  { a: 1, b: 'x' },
  { a: 2, c: true },
]);
console.table(
  [
    [1, 2],
    [3, 4],
  ],
  ['0'],
);
console.table(5);
console.table(new Map([['k', 'v']]));
console.group('group');
console.log('inside\nlines');
console.group();
console.warn('deeper');
console.groupEnd();
console.groupEnd();
console.log('outside');
console.dir({ a: { b: { c: {} } } }, { depth: 0 });
console.assert(true, 'never');
console.assert(false, 'assertion %s', 'text');
console.assert(false);
console.assert(false, { a: 1 });
console.count();
console.count('x');
console.count();
console.countReset();
console.count();
console.countReset('none');
console.timeEnd('none');
console.timeLog('none');
attempt('number', () => process.stdout.write(5));
attempt('null', () => process.stdout.write(null));
const { Console } = console;
const { Writable } = require('stream');
const lines = [];
const mine = new Console({
  stdout: new Writable({
    write(c, e, next) {
      lines.push(String(c));
      next();
    },
  }),
  groupIndentation: 4,
  inspectOptions: { depth: 0 },
});
mine.group('g');
mine.log({ a: {} }, 'x');
mine.error('to the same');
print(lines);
attempt('Console', () => new Console({}));
attempt('Console', () => new Console({ stdout: process.stdout, colorMode: 'x' }));
console.trace === undefined || console.log(typeof console.trace, Object.prototype.toString.call(console));
process.stdout.cork();
process.stdout.write('corked ');
process.stdout.uncork();
process.stdout.end?.call;
console.log(Object.keys(console).slice(0, 12));
