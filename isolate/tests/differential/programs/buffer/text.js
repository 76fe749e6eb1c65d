const { attempt, print } = require('observe');
const { Blob, File, atob, btoa, isAscii, isUtf8, transcode } = require('buffer');
const b = Buffer.from('h\u00e9llo w\u00f6rld \u{1f600}');
for (const encoding of ['utf8', 'latin1', 'ascii', 'hex', 'base64', 'base64url', 'binary', 'utf16le', 'ucs-2', 'UTF8'])
  print(encoding, JSON.stringify(b.toString(encoding)), JSON.stringify(b.toString(encoding, 1, 4)));
print(
  JSON.stringify(Buffer.from([0xff, 0x61, 0xc3]).toString()),
  JSON.stringify(Buffer.from([0xe2, 0x82]).toString()),
  b.toString('utf8', -5, 3),
  b.toString('utf8', 5, 2),
  b.toJSON().data.length,
);
const w = Buffer.alloc(6, '.');
print(
  w.write('ab'),
  w.write('xyz', 4),
  w.write('\u20ac', 5),
  w.write('414243', 1, 'hex'),
  w.write('zz', 0, 1),
  w.latin1Write('q', 5),
  String(w),
);
print(
  b.indexOf('o'),
  b.indexOf('zz'),
  b.lastIndexOf('o'),
  b.includes('w\u00f6'),
  b.indexOf(0x6c),
  b.indexOf(Buffer.from('l'), 4),
  b.indexOf(''),
  b.indexOf('6f', 'hex'),
  b.lastIndexOf('l', -10),
);
print(b.equals(Buffer.from(b)), b.compare(Buffer.from('i')), b.compare(b, 0, 2, 1, 3), b.slice(-4).length, b.subarray(1, 3));
print(Buffer.from('abcd').swap16(), Buffer.from('abcd').swap32(), Buffer.from('abcdefgh').swap64(), Buffer.from('abc').reverse());
print(
  Buffer.from('abc').fill('xy', 1),
  Buffer.from('abc').fill(0),
  Buffer.from('abcdef').copy(w, 2, 1, 3),
  w,
  [...Buffer.from('ab').entries()],
  [...Buffer.from('ab').keys()],
);
print(b.parent instanceof ArrayBuffer, Buffer.from('x').inspect(), Buffer.alloc(60, 1));
print(atob('aGk='), btoa('hi'), isAscii(b), isUtf8(b), isUtf8(Buffer.from([0xff])), transcode(Buffer.from('\u20ac'), 'utf8', 'latin1'));
attempt('atob', () => atob('*'));
attempt('btoa', () => btoa('\u20ac'));
attempt('swap', () => Buffer.alloc(3).swap16());
attempt('equals', () => b.equals('x'));
attempt('encoding', () => b.toString('nonsense'));
attempt('write', () => b.write(5));
attempt('offset', () => b.write('a', 100));
attempt('indexOf', () => b.indexOf({}));
attempt('fill', () => b.fill('a', 0, 100));
attempt('transcode', () => transcode(b, 'utf8', 'nonsense'));
(async () => {
  const blob = new Blob(['one', Buffer.from('two'), new Blob(['three'])], { type: 'Text/Plain' });
  print(blob.size, blob.type, await blob.text(), await blob.slice(2, 5).text(), (await blob.arrayBuffer()).byteLength, blob);
  const file = new File(['x'], 'name', { lastModified: 5 });
  print(file.name, file.lastModified, file instanceof Blob, file.size);
})();
