const zlib = require('zlib');
const { attempt, print } = require('observe');
const text = 'some text, some text, '.repeat(50);
for (const [pack, unpack] of [
  ['deflateSync', 'inflateSync'],
  ['gzipSync', 'gunzipSync'],
  ['deflateRawSync', 'inflateRawSync'],
  ['brotliCompressSync', 'brotliDecompressSync'],
  ['gzipSync', 'unzipSync'],
  ['deflateSync', 'unzipSync'],
  ['zstdCompressSync', 'zstdDecompressSync'],
]) {
  attempt(`${pack} ${unpack}`, () => {
    const packed = zlib[pack](text);
    return [packed.length < 200, String(zlib[unpack](packed)) === text, zlib[unpack](zlib[pack]('')).length];
  });
}
attempt('levels', () => [0, 1, 9].map((level) => zlib.deflateSync(text, { level }).length > 0));
attempt('stored', () => zlib.deflateRawSync('abc', { level: 0 }).toString('hex'));
attempt('dictionary', () => {
  const dictionary = Buffer.from('some text, ');
  return String(zlib.inflateSync(zlib.deflateSync(text, { dictionary }), { dictionary })) === text;
});
attempt('no dictionary', () => zlib.inflateSync(zlib.deflateSync(text, { dictionary: Buffer.from('some') })));
attempt('members', () => String(zlib.gunzipSync(Buffer.concat([zlib.gzipSync('a'), zlib.gzipSync('b')]))));
attempt('garbage', () => zlib.inflateSync(Buffer.from('garbage')));
attempt('not gzip', () => zlib.gunzipSync(Buffer.from('garbage')));
attempt('cut', () => zlib.gunzipSync(zlib.gzipSync(text).subarray(0, 20)));
attempt('cut but wanted', () =>
  String(zlib.gunzipSync(zlib.gzipSync('abc').subarray(0, -8), { finishFlush: zlib.constants.Z_SYNC_FLUSH })),
);
attempt('wrong sum', () => {
  const b = zlib.gzipSync('abc');
  b[b.length - 5] ^= 1;
  return zlib.gunzipSync(b);
});
attempt('brotli garbage', () => zlib.brotliDecompressSync(Buffer.from('garbage')));
attempt('zstd garbage', () => zlib.zstdDecompressSync(Buffer.from('garbage')));
attempt('limit', () => zlib.inflateSync(zlib.deflateSync(text), { maxOutputLength: 10 }));
attempt('level', () => zlib.deflateSync('a', { level: 99 }));
attempt('windowBits', () => zlib.createDeflate({ windowBits: 3 }));
attempt('number', () => zlib.deflateSync(5));
attempt('info', () => Object.keys(zlib.deflateSync('a', { info: true })));
attempt('crc32', () => [zlib.crc32('hello'), zlib.crc32('lo', zlib.crc32('hel')), zlib.crc32(Buffer.alloc(0))]);
attempt('crc32 of a number', () => zlib.crc32(5));
print(zlib.constants.Z_BEST_COMPRESSION, zlib.codes.Z_OK, zlib.codes['-3'], Object.isFrozen(zlib.codes));
