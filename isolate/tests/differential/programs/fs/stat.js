const fs = require('fs');
const { attempt, callback, print } = require('observe');
fs.writeFileSync('a', 'text', { mode: 0o640 });
fs.mkdirSync('d');
fs.symlinkSync('a', 'soft');
fs.symlinkSync('nowhere', 'dangling');
const stat = fs.statSync('a');
print(Object.keys(stat));
print(
  stat.size,
  stat.nlink,
  (stat.mode & 0o7777).toString(8),
  stat.uid === process.getuid(),
  stat.isFile(),
  stat.isDirectory(),
  stat.isSymbolicLink(),
);
print(stat.isFIFO(), stat.isSocket(), stat.isBlockDevice(), stat.isCharacterDevice());
print(
  stat.mtime instanceof Date,
  stat.mtimeMs === Number(stat.mtime) || Math.abs(stat.mtimeMs - Number(stat.mtime)) < 1,
  stat.constructor.name,
);
const big = fs.statSync('a', { bigint: true });
print(Object.keys(big), typeof big.size, typeof big.mtimeNs, big.constructor.name);
attempt('directory', () => fs.statSync('d').isDirectory());
attempt('link', () => [fs.statSync('soft').isFile(), fs.lstatSync('soft').isSymbolicLink(), fs.lstatSync('soft').size]);
attempt('dangling', () => fs.statSync('dangling'));
attempt('missing', () => fs.statSync('missing'));
attempt('missing quietly', () => fs.statSync('missing', { throwIfNoEntry: false }));
attempt('lstat missing', () => fs.lstatSync('missing'));
attempt('device', () => [fs.statSync('/dev/null').isCharacterDevice(), fs.statSync('/dev/null').size]);
attempt('exists', () => ['a', 'd', 'soft', 'dangling', 'missing', ''].map((name) => fs.existsSync(name)));
attempt('exists of nothing', () => [fs.existsSync(), fs.existsSync(5), fs.existsSync({})]);
attempt('utimes', () => (fs.utimesSync('a', 10, new Date(20500)), [fs.statSync('a').atimeMs, fs.statSync('a').mtimeMs]));
attempt('lutimes', () => (fs.lutimesSync('soft', 1, 2), [fs.lstatSync('soft').mtimeMs, fs.statSync('a').mtimeMs]));
attempt('utimes missing', () => fs.utimesSync('missing', 1, 1));
attempt('utimes of text', () => (fs.utimesSync('a', '30', '40'), fs.statSync('a').mtimeMs));
attempt('utimes of nonsense', () => fs.utimesSync('a', 'x', 1));
attempt('statfs', () => Object.keys(fs.statfsSync('.')));
fs.stat('missing', callback('stat'));
fs.lstat('soft', (error, stat) => print('lstat', error, stat.isSymbolicLink()));
