import { open } from 'node:fs/promises';
import { later, print } from 'observe';
const file = await open('a', 'w+');
print(typeof file.fd, file.constructor.name);
await later(
  'write',
  file.write('hello world').then(({ bytesWritten, buffer }) => [bytesWritten, buffer]),
);
await later(
  'write at',
  file.write(Buffer.from('HE'), 0, 2, 0).then(({ bytesWritten }) => bytesWritten),
);
await later(
  'read at',
  file.read(Buffer.alloc(5), 0, 5, 0).then(({ bytesRead, buffer }) => [bytesRead, String(buffer)]),
);
await later(
  'read from here',
  file.read({ buffer: Buffer.alloc(4), length: 4, position: 6 }).then((r) => String(r.buffer)),
);
await later(
  'at the end',
  file.read(Buffer.alloc(4), 0, 4, 100).then((r) => r.bytesRead),
);
await later(
  'writev',
  file.writev([Buffer.from('ab'), Buffer.from('cd')], 0).then((r) => r.bytesWritten),
);
await later('readv', async () => {
  const parts = [Buffer.alloc(2), Buffer.alloc(3)];
  const { bytesRead } = await file.readv(parts, 0);
  return [bytesRead, parts.map(String)];
});
await later(
  'stat',
  file.stat().then((stat) => [stat.size, stat.isFile()]),
);
await later('truncate', file.truncate(3));
await later('read all', file.readFile('utf8'));
await later('sync', file.sync());
await later('datasync', file.datasync());
await later('chmod', file.chmod(0o600));
await later(
  'mode',
  file.stat().then((stat) => (stat.mode & 0o777).toString(8)),
);
await later('utimes', file.utimes(1, 2));
await later(
  'times',
  file.stat().then((stat) => [stat.atimeMs, stat.mtimeMs]),
);
file.on('close', () => print('closed'));
await later('close', file.close());
await later('after', file.read(Buffer.alloc(1)));
print(file.fd);
await later('missing', open('missing'));
await later('flags', open('a', 'nonsense'));
const lines = await open('lines', 'w+');
await lines.writeFile('one\ntwo\nthree');
const reading = await open('lines');
for await (const line of reading.readLines()) print(line);
await lines.close();
{
  const read = await open('lines');
  let text = '';
  for await (const chunk of read.createReadStream({ encoding: 'utf8', highWaterMark: 4 })) text += `${chunk}|`;
  print(JSON.stringify(text));
}
const web = await open('lines');
const chunks = [];
for await (const chunk of web.readableWebStream()) chunks.push(Buffer.from(chunk));
print(Buffer.concat(chunks).toString());
await web.close();
