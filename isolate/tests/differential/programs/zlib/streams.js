const zlib = require('zlib');
const { described, events, later, print } = require('observe');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');
(async () => {
  await later('round trip', async () => {
    let text = '';
    await pipeline(Readable.from(['one ', 'two']), zlib.createGzip(), zlib.createGunzip(), async (source) => {
      for await (const c of source) text += c;
    });
    return text;
  });
  await later('brotli', async () => {
    let text = '';
    await pipeline(
      Readable.from(['x'.repeat(1e5)]),
      zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
      zlib.createBrotliDecompress(),
      async (source) => {
        for await (const c of source) text += c;
      },
    );
    return text.length;
  });
  const gzip = zlib.createGzip();
  const out = [];
  gzip.on('data', (data) => out.push(data.length > 0));
  gzip.write('part');
  await new Promise((done) => gzip.flush(done));
  print('flushed', out.length > 0, gzip.bytesWritten);
  await new Promise((done) => gzip.params(1, zlib.constants.Z_DEFAULT_STRATEGY, done));
  gzip.end('rest');
  await new Promise((done) => gzip.on('end', done));
  print('ended', gzip.bytesWritten);
  const bad = events('bad', zlib.createInflate(), ['error', 'close', 'end']);
  bad.resume();
  bad.end('garbage');
  await new Promise((done) => bad.on('close', done));
  print(bad.destroyed);
  const cut = events('cut', zlib.createGunzip(), ['error']);
  cut.resume();
  cut.end(zlib.gzipSync('x'.repeat(1000)).subarray(0, 15));
  await new Promise((done) => cut.on('close', done));
  await later(
    'callback',
    new Promise((done, fail) => zlib.gzip('text', (e, b) => (e ? fail(e) : zlib.gunzip(b, (e2, t) => (e2 ? fail(e2) : done(String(t))))))),
  );
  zlib.inflate(Buffer.from('zz'), (error, result) => print('callback fails', described(error), result));
  const reset = zlib.createDeflate();
  reset.reset();
  reset.close(() => print('closed'));
  try {
    zlib.gzip('x');
  } catch (error) {
    print(described(error));
  }
})();
