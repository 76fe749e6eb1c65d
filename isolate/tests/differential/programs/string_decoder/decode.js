const { StringDecoder } = require('string_decoder');
const { attempt, print } = require('observe');
const feed = (encoding, ...parts) => {
  const d = new StringDecoder(encoding);
  print(
    encoding,
    parts.map((part) => d.write(Buffer.from(part))),
    JSON.stringify(d.end()),
  );
};
feed('utf8', [0xe2], [0x82], [0xac, 0x61]);
feed('utf8', [0xf0, 0x9f], [0x98]);
feed('utf8', [0xff, 0x61], [0xc3]);
feed('utf16le', [0x61], [0x00, 0x3d], [0xd8], [0x00, 0xde]);
feed('base64', [1], [2, 3, 4], [5]);
feed('base64url', [255], [254]);
feed('hex', [1, 2]);
feed('latin1', [0xe9]);
feed('ascii', [0xe9]);
const d = new StringDecoder();
print(d.encoding, d.lastNeed, d.lastTotal, JSON.stringify(d.write(Buffer.from([0xe2]))), d.lastNeed, d.end(Buffer.from([0x82, 0xac])));
attempt('encoding', () => new StringDecoder('nonsense'));
attempt('write', () => d.write(5));
attempt('text', () => d.write('text'));
