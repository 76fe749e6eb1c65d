const fs = require('fs');
const { attempt, callback } = require('observe');
const fd = fs.openSync('a', 'w+');
attempt('write', () => fs.writeSync(fd, 'hello'));
attempt('write at', () => fs.writeSync(fd, 'J', 0));
attempt('write part', () => fs.writeSync(fd, Buffer.from('abcdef'), 2, 3));
attempt('read', () => {
  const b = Buffer.alloc(20);
  const n = fs.readSync(fd, b, 0, 20, 0);
  return [n, b.toString('utf8', 0, n)];
});
attempt('read from here', () => fs.readSync(fd, Buffer.alloc(5)));
attempt('options', () => {
  const b = Buffer.alloc(3);
  fs.readSync(fd, b, { position: 1 });
  return String(b);
});
attempt('bigint', () => fs.readSync(fd, Buffer.alloc(2), 0, 2, 1n));
attempt('fstat', () => fs.fstatSync(fd).size);
attempt('ftruncate', () => (fs.ftruncateSync(fd, 2), fs.readFileSync('a', 'utf8')));
attempt('ftruncate longer', () => (fs.ftruncateSync(fd, 4), fs.readFileSync('a')));
attempt('fsync', () => fs.fsyncSync(fd));
attempt('fdatasync', () => fs.fdatasyncSync(fd));
attempt('fchmod', () => (fs.fchmodSync(fd, 0o640), (fs.statSync('a').mode & 0o777).toString(8)));
attempt('futimes', () => (fs.futimesSync(fd, 5, 6.5), [fs.fstatSync(fd).atimeMs, fs.fstatSync(fd).mtimeMs]));
attempt('writev', () => fs.writevSync(fd, [Buffer.from('x'), Buffer.from('yz')], 0));
attempt('readv', () => {
  const p = [Buffer.alloc(1), Buffer.alloc(2)];
  return [fs.readvSync(fd, p, 0), p.map(String)];
});
attempt('close', () => fs.closeSync(fd));
attempt('close again', () => fs.closeSync(fd));
attempt('read closed', () => fs.readSync(fd, Buffer.alloc(1)));
attempt('not a number', () => fs.closeSync('a'));
attempt('negative', () => fs.closeSync(-1));
attempt('too far', () => fs.readSync(1, Buffer.alloc(2), 0, 3));
const only = fs.openSync('a', 'r');
attempt('write to a reader', () => fs.writeSync(only, 'x'));
attempt('truncate a reader', () => fs.ftruncateSync(only, 1));
attempt('exclusive', () => fs.openSync('a', 'wx'));
attempt('flags', () => fs.openSync('a', 'q'));
attempt('numeric flags', () => typeof fs.openSync('new', fs.constants.O_CREAT | fs.constants.O_WRONLY, 0o600));
attempt('mode', () => (fs.statSync('new').mode & 0o777).toString(8));
attempt('directory for writing', () => fs.openSync('.', 'w'));
attempt('append', () => {
  const f = fs.openSync('a', 'a');
  fs.writeSync(f, 'END', 0);
  fs.closeSync(f);
  return fs.readFileSync('a', 'latin1');
});
fs.read(only, Buffer.alloc(2), 0, 2, 0, (error, count, buffer) => {
  callback('read')(error, count, String(buffer));
  const write = callback('write');
  fs.write(only, 'x', write);
  write.done.then(() => fs.open('missing', callback('open')));
});
