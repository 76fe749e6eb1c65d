const path = require('path');
const { attempt, print } = require('observe');
for (const parts of [[], [''], ['a', 'b'], ['/a', '..', 'b'], ['a', '', '..', '..'], ['/', '..'], ['a/', '/b'], ['.', 'a/./b']])
  print('join', parts, path.join(...parts));
for (const text of ['', '.', '/', '//a//b/', 'a/../..', '/../a', './a/.', 'a/b/../c/']) print('normalize', text, path.normalize(text));
for (const [from, to] of [
  ['/a/b', '/a/c'],
  ['/a', '/a'],
  ['/', '/a/b'],
  ['/a/b/c', '/'],
  ['/a/bc', '/a/b'],
])
  print('relative', path.relative(from, to));
for (const text of ['', '/', 'a', 'a/b.txt', '/a/b/', 'a/.b', 'a.b.c', '..', 'a/b.'])
  print('parts', [path.dirname(text), path.basename(text), path.extname(text), path.isAbsolute(text)]);
print(path.basename('a.html', '.html'), path.basename('.html', '.html'), path.basename('a', 'a'));
print(path.resolve('/a', 'b', '../c'), path.resolve('/a', '/b'), path.resolve('x') === `${process.cwd()}/x`);
print(path.parse('/a/b.tar.gz'), path.parse('/'), path.parse(''));
print(path.format({ dir: '/a', base: 'b' }), path.format({ root: '/', name: 'a', ext: 'b' }), path.format({}));
print(path.sep, path.delimiter, path.posix === path, path.matchesGlob('a/b.js', 'a/*.js'), path.matchesGlob('a', 'b'));
attempt('join', () => path.join('a', 5));
attempt('dirname', () => path.dirname());
attempt('relative', () => path.relative('a', null));
attempt('parse', () => path.parse({}));
attempt('format', () => path.format('a'));
attempt('basename', () => path.basename('a', 5));
