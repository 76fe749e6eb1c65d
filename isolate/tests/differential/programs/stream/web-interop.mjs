import { Duplex, Readable, Writable } from 'node:stream';
import { later, print } from 'observe';
await later('toWeb', async () => {
  const all = [];
  for await (const chunk of Readable.toWeb(Readable.from(['a', 'b']))) all.push(chunk);
  return all;
});
await later(
  'fromWeb',
  Readable.fromWeb(
    new ReadableStream({
      start(c) {
        c.enqueue('x');
        c.enqueue('y');
        c.close();
      },
    }),
  ).toArray(),
);
await later(
  'fromWeb error',
  Readable.fromWeb(
    new ReadableStream({
      start(c) {
        c.error(new Error('mine'));
      },
    }),
  ).toArray(),
);
const seen = [];
const writer = Writable.toWeb(
  new Writable({
    write(c, e, next) {
      seen.push(String(c));
      next();
    },
  }),
).getWriter();
await writer.write('one');
await writer.close();
print(seen);
await later(
  'writable fromWeb',
  new Promise((done, fail) => {
    const w = Writable.fromWeb(
      new WritableStream({
        write(c) {
          print('web', c.length, String(c));
        },
      }),
    );
    w.on('error', fail).on('finish', () => done('finished'));
    w.end('two');
  }),
);
const { readable, writable } = Duplex.toWeb(new (await import('node:stream')).PassThrough());
const w = writable.getWriter();
w.write(Buffer.from('z'));
w.close();
for await (const chunk of readable) print(Buffer.from(chunk).toString());
