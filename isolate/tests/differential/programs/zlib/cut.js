const zlib = require('zlib');
const { attempt, callback, print } = require('observe');
const text = 'some text, '.repeat(100);
for (const [name, pack, unpack] of [
  ['gzip', zlib.gzipSync, zlib.gunzipSync],
  ['deflate', zlib.deflateSync, zlib.inflateSync],
  ['raw', zlib.deflateRawSync, zlib.inflateRawSync],
  ['brotli', zlib.brotliCompressSync, zlib.brotliDecompressSync],
]) {
  const packed = pack(text);
  attempt(`${name} whole`, () => unpack(packed).length);
  attempt(`${name} cut`, () => unpack(packed.subarray(0, packed.length - 3)).length);
  attempt(`${name} begun`, () => unpack(packed.subarray(0, 2)).length);
  attempt(`${name} nothing`, () => unpack(Buffer.alloc(0)).length);
}
(async () => {
  const done = callback('gunzip');
  zlib.gunzip(zlib.gzipSync(text).subarray(0, 20), done);
  await done.done;
  const brotli = callback('brotli');
  zlib.brotliDecompress(zlib.brotliCompressSync(text), (error, bytes) => brotli(error, bytes && bytes.length));
  await brotli.done;
  const pipe = zlib.createBrotliDecompress();
  let size = 0;
  pipe.on('data', (chunk) => (size += chunk.length)).on('end', () => print('streamed', size));
  const packed = zlib.brotliCompressSync(text);
  pipe.write(packed.subarray(0, 5));
  pipe.end(packed.subarray(5));
})();
