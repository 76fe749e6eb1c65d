import http from 'node:http';
import { later, print, attempt } from 'observe';
const server = http.createServer((req, res) => {
  const { host, ...headers } = req.headers;
  let all = '';
  req
    .on('data', (data) => (all += data))
    .on('end', () => {
      if (req.url === '/redirect') {
        res.writeHead(302, { location: '/json' });
        return res.end();
      }
      if (req.url === '/loop') {
        res.writeHead(302, { location: '/loop' });
        return res.end();
      }
      if (req.url === '/json') {
        res.setHeader('content-type', 'application/json');
        return res.end(JSON.stringify({ method: req.method, all, type: headers['content-type'], accept: headers.accept }));
      }
      if (req.url === '/headers') {
        res.setHeader('set-cookie', ['a=1', 'b=2']);
        res.setHeader('x-mine', 'm');
        return res.end(`${headers['x-sent']} ${headers['user-agent']}`);
      }
      if (req.url === '/slow') {
        res.write('part');
        return;
      }
      if (req.url === '/cut') {
        res.setHeader('content-length', 10);
        res.write('x');
        return setTimeout(() => res.destroy(), 20);
      }
      if (req.url === '/status') {
        res.writeHead(418, 'Mine');
        return res.end('tea');
      }
      if (req.url === '/gzip') {
        res.setHeader('content-encoding', 'gzip');
        return import('node:zlib').then((zlib) => res.end(zlib.gzipSync('unpacked')));
      }
      if (req.url === '/204') {
        res.writeHead(204);
        return res.end();
      }
      res.end('plain');
    });
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const base = `http://127.0.0.1:${server.address().port}`;
const hide = (text) => String(text).replaceAll(base, 'BASE');
await later(
  'text',
  fetch(`${base}/`).then((r) => r.text()),
);
await later(
  'json',
  fetch(`${base}/json`, { method: 'POST', body: JSON.stringify({ a: 1 }) }).then((r) => r.json()),
);
await later(
  'form',
  fetch(`${base}/json`, { method: 'PUT', body: new URLSearchParams({ a: 'b c' }) }).then((r) => r.json()),
);
await later(
  'bytes',
  fetch(`${base}/json`, { method: 'POST', body: Buffer.from('bytes') }).then((r) => r.json()),
);
await later('multipart', async () => {
  const form = new FormData();
  form.set('a', '1');
  form.set('f', new File(['x'], 'n.txt', { type: 'text/plain' }));
  const r = await (await fetch(`${base}/json`, { method: 'POST', body: form })).json();
  return [r.type.split(';')[0], r.all.includes('filename="n.txt"')];
});
await later(
  'stream',
  fetch(`${base}/json`, {
    method: 'POST',
    duplex: 'half',
    body: new ReadableStream({
      start(c) {
        c.enqueue(Buffer.from('streamed'));
        c.close();
      },
    }),
  }).then((r) => r.json()),
);
await later('no duplex', fetch(`${base}/json`, { method: 'POST', body: new ReadableStream() }));
await later('headers', async () => {
  const r = await fetch(`${base}/headers`, { headers: { 'X-Sent': 's' } });
  return [
    await r.text(),
    r.headers.get('X-Mine'),
    r.headers.getSetCookie(),
    r.headers.has('none'),
    r.ok,
    r.type,
    hide(r.url),
    r.redirected,
    r.bodyUsed,
  ];
});
await later('redirect', async () => {
  const r = await fetch(`${base}/redirect`);
  return [hide(r.url), r.redirected, r.status];
});
await later('manual', async () => {
  const r = await fetch(`${base}/redirect`, { redirect: 'manual' });
  return [r.status, r.headers.get('location')];
});
const failed = async (label, promise) => {
  try {
    await promise;
    print(label, 'no error');
  } catch (error) {
    print(
      label,
      error.name,
      error.message,
      error.cause && [error.cause.name, error.cause.code, hide(error.cause.message).replace(/:\d{4,5}/, ':PORT')],
    );
  }
};
await failed('redirect error', fetch(`${base}/redirect`, { redirect: 'error' }));
await failed('loop', fetch(`${base}/loop`));
await later('status', async () => {
  const r = await fetch(`${base}/status`);
  return [r.status, r.statusText, r.ok, await r.text()];
});
await later(
  'gzip',
  fetch(`${base}/gzip`).then((r) => r.text()),
);
await later(
  '204',
  fetch(`${base}/204`).then(async (r) => [r.status, r.body, await r.text()]),
);
await later('read twice', async () => {
  const r = await fetch(base);
  await r.text();
  await r.text();
});
await later('clone', async () => {
  const r = await fetch(base);
  const c = r.clone();
  return [await r.text(), await c.text()];
});
await failed(
  'cut',
  fetch(`${base}/cut`).then((r) => r.text()),
);
await failed('aborted', fetch(base, { signal: AbortSignal.abort() }));
const control = new AbortController();
await failed(
  'aborted later',
  fetch(`${base}/slow`, { signal: control.signal }).then((r) => {
    setTimeout(() => control.abort(), 20);
    return r.text();
  }),
);
await failed(
  'timeout',
  fetch(`${base}/slow`, { signal: AbortSignal.timeout(50) }).then((r) => r.text()),
);
await failed('reason', fetch(base, { signal: AbortSignal.abort(new RangeError('mine')) }));
server.closeAllConnections();
server.close();
await failed('refused', fetch(base));
await failed('url', fetch('nonsense'));
await failed('scheme', fetch('ftp://a'));
await failed('credentials', fetch('http://a:b@127.0.0.1'));
await failed('method', fetch(base, { method: 'A B' }));
await failed('GET with body', fetch(base, { body: 'x' }));
await failed('header', fetch(base, { headers: { 'a b': 'c' } }));
await failed('bad port', fetch('http://127.0.0.1:1'));
await later(
  'data',
  fetch('data:text/plain,hello').then((r) => r.text()),
);
await failed('file', fetch('file:///etc/passwd'));
await later(
  'blob',
  fetch(URL.createObjectURL(new Blob(['b']))).then((r) => r.text()),
);
