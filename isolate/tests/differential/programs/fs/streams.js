const fs = require('fs');
const { described, print } = require('observe');
const { once } = require('events');
(async () => {
  const out = fs.createWriteStream('a');
  const order = [];
  for (const name of ['open', 'ready', 'finish', 'close']) out.on(name, () => order.push(name));
  print(out.write('one,'), out.write(Buffer.from('two,')), out.pending, typeof out.fd, out.path);
  out.end('three');
  await once(out, 'close');
  print(order, out.bytesWritten, out.closed, out.writableFinished);
  const read = fs.createReadStream('a', { encoding: 'utf8', start: 4, end: 8, highWaterMark: 2 });
  const seen = [];
  for (const name of ['open', 'ready', 'end', 'close']) read.on(name, () => seen.push(name));
  read.on('data', (data) => seen.push(data));
  await once(read, 'close');
  print(seen, read.bytesRead);
  const missing = fs.createReadStream('missing');
  const [error] = await once(missing, 'error');
  print(described(error), missing.destroyed);
  const nowhere = fs.createWriteStream('none/a');
  print(described((await once(nowhere, 'error'))[0]));
  const appended = fs.createWriteStream('a', { flags: 'a' });
  appended.end('!');
  await once(appended, 'finish');
  print(fs.readFileSync('a', 'utf8'));
  const inside = fs.createWriteStream('a', { flags: 'r+', start: 1 });
  inside.end('XX');
  await once(inside, 'close');
  print(fs.readFileSync('a', 'utf8'));
  try {
    fs.createReadStream('a', { start: 5, end: 2 });
  } catch (error) {
    print(described(error));
  }
  try {
    fs.createReadStream(5);
  } catch (error) {
    print(described(error));
  }
  let text = '';
  for await (const chunk of fs.createReadStream('a')) text += chunk;
  print(text);
  const copied = fs.createReadStream('a').pipe(fs.createWriteStream('b'));
  await once(copied, 'finish');
  print(fs.readFileSync('b', 'utf8'));
})();
