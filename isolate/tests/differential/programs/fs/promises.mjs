import fs from 'node:fs/promises';
import { constants } from 'node:fs';
import { later, print } from 'observe';
await later('write', fs.writeFile('a', 'text'));
await later('read', fs.readFile('a', 'utf8'));
await later('append', fs.appendFile('a', ' more'));
await later('stat', async () => (await fs.stat('a')).size);
await later('missing', fs.readFile('missing'));
await later('stat missing', fs.stat('missing'));
await later('access', fs.access('a', constants.R_OK));
await later('access missing', fs.access('missing'));
await later(
  'mkdir',
  fs.mkdir('d/e/f', { recursive: true }).then((made) => made.split('/').slice(-1)),
);
await later('mkdir again', fs.mkdir('d'));
await later('readdir', fs.readdir('d'));
await later('copy', fs.copyFile('a', 'd/copy'));
await later('copy exclusive', fs.copyFile('a', 'd/copy', constants.COPYFILE_EXCL));
await later('rename', fs.rename('d/copy', 'd/moved'));
await later('unlink', fs.unlink('d/moved'));
await later('rmdir full', fs.rmdir('d'));
await later('rm', fs.rm('d'));
await later('rm recursive', fs.rm('d', { recursive: true }));
await later('rm missing', fs.rm('d'));
await later('rm force', fs.rm('d', { force: true }));
await later('truncate', fs.truncate('a', 2));
await later('read', fs.readFile('a', 'latin1'));
await later('link', fs.link('a', 'hard'));
await later('symlink', fs.symlink('a', 'soft'));
await later('readlink', fs.readlink('soft'));
await later('readlink of a file', fs.readlink('a'));
await later(
  'realpath',
  fs.realpath('soft').then((path) => path.endsWith('/a')),
);
await later(
  'mkdtemp',
  fs.mkdtemp('temp-').then((path) => path.length),
);
await later('aborted', fs.readFile('a', { signal: AbortSignal.abort() }));
await later(
  'iterable',
  fs.writeFile(
    'iterable',
    (function* () {
      yield 'one';
      yield 'two';
    })(),
  ),
);
await later('read', fs.readFile('iterable', 'utf8'));
const names = [];
for await (const name of await fs.opendir('.')) names.push(name.name);
print(names.filter((name) => !name.startsWith('temp-')).sort());
