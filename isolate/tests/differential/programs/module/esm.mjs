import fs, { readFileSync } from 'node:fs';
import * as all from './files/b.mjs';
import cjs, { one } from './files/c.cjs';
import data from './files/d.json' with { type: 'json' };
import pack, { named } from 'pack';
import { createRequire, register } from 'node:module';
import { later, attempt, print } from 'observe';
print(
  all,
  cjs,
  one,
  data,
  pack,
  named,
  fs.readFileSync === readFileSync,
  Object.keys(import.meta).sort(),
  import.meta.url.endsWith('/esm.mjs'),
  import.meta.filename.endsWith('/esm.mjs'),
  import.meta.dirname === process.cwd(),
  import.meta.main,
  import.meta.resolve('./x.js').endsWith('/x.js'),
  import.meta.resolve('fs'),
);
print(
  typeof require,
  typeof module,
  typeof __filename,
  typeof exports,
  this,
  new Error('x').stack.split('\n')[1].includes('file:///'),
  createRequire(import.meta.url)('./files/c.cjs').one,
  all[Symbol.toStringTag],
  Object.isSealed(all),
);
attempt('assign', () => {
  all.b = 2;
});
attempt('resolve package', () => import.meta.resolve('pack').endsWith('pack/i.mjs'));
attempt('resolve missing', () => import.meta.resolve('no-such-package'));
await later(
  'dynamic',
  import('./files/b.mjs').then((module) => module.b),
);
await later(
  'same',
  import('./files/b.mjs').then((module) => module === all),
);
await later(
  'missing',
  import('./missing.mjs').catch((error) => {
    error.message = error.message.replaceAll(process.cwd(), '');
    delete error.url;
    throw error;
  }),
);
await later(
  'missing package',
  import('no-such-package').catch((error) => {
    error.message = error.message.replaceAll(process.cwd(), '');
    throw error;
  }),
);
await later(
  'directory',
  import('./files').catch((error) => {
    error.message = error.message.replaceAll(process.cwd(), '');
    throw error;
  }),
);
await later(
  'json without type',
  import('./files/d.json').catch((error) => {
    error.message = error.message.replaceAll(process.cwd(), '');
    throw error;
  }),
);
await later(
  'wrong type',
  import('./files/b.mjs', { with: { type: 'json' } }).catch((error) => {
    error.message = error.message.replaceAll(process.cwd(), '');
    throw error;
  }),
);
await later(
  'unknown type',
  import('./files/b.mjs', { with: { type: 'nonsense' } }).catch((error) => {
    throw Object.assign(error, { message: error.code });
  }),
);
await later('builtin', import('node:none'));
await later('scheme', import('http://localhost/x'));
await later(
  'data',
  import('data:text/javascript,export default 5').then((module) => module.default),
);
await later(
  'syntax',
  import('./files/syntax.mjs').catch((error) => {
    throw new error.constructor(error.message);
  }),
);
await later(
  'no export',
  import('./files/no-export.mjs').catch((error) => {
    throw new error.constructor(error.message);
  }),
);
await later('throws', import('./files/throws.mjs'));
await later('throws again', import('./files/throws.mjs'));
await later(
  'not exported',
  import('pack/other').catch((error) => {
    error.message = error.message.replaceAll(process.cwd(), '');
    throw error;
  }),
);
await later(
  'query',
  import('./files/b.mjs?x').then((module) => module === all),
);
await later(
  'no extension',
  import('./files/b').catch((error) => {
    error.message = error.message.replaceAll(process.cwd(), '');
    delete error.url;
    throw error;
  }),
);
await later(
  'cycle',
  import('./files/cycle-a.mjs').then((module) => module.seen()),
);
await later(
  'imports',
  import('#internal').then((module) => module.default),
);
await later(
  'imports missing',
  import('#none').catch((error) => {
    error.message = error.message.replaceAll(process.cwd(), '');
    throw error;
  }),
);
