const { win32 } = require('path');
const { attempt, print } = require('observe');
for (const parts of [
  ['a', 'b'],
  ['C:\\', 'a', '..', 'b'],
  ['\\\\server', 'share', 'a'],
  ['C:', 'a'],
  ['a/b', '..\\c'],
])
  print('join', win32.join(...parts));
for (const text of ['C:\\a\\..\\b', 'C:a', '/a/b', '\\\\?\\C:\\a', 'a\\..\\..', 'C:\\..']) print('normalize', win32.normalize(text));
for (const text of ['C:\\a\\b.txt', 'C:', '\\\\server\\share\\a', 'a/b', '']) print('parse', win32.parse(text));
print(win32.relative('C:\\a\\b', 'C:\\a\\c'), win32.relative('C:\\a', 'D:\\b'), win32.resolve('C:\\a', '..\\b'));
print(
  win32.isAbsolute('C:/'),
  win32.isAbsolute('C:'),
  win32.isAbsolute('\\a'),
  win32.toNamespacedPath('C:\\a'),
  win32.basename('C:\\a.txt', '.txt'),
);
attempt('join', () => win32.join(null));
