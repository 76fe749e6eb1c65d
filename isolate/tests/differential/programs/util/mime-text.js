const { MIMEType, TextDecoder, TextEncoder } = require('util');
const { attempt, print } = require('observe');
const mime = new MIMEType('Text/HTML; charset=UTF-8; q="a;b"');
print(mime.type, mime.subtype, mime.essence, [...mime.params], String(mime));
mime.params.set('x', 'y z');
mime.params.delete('q');
mime.type = 'application';
print(String(mime), mime.params.has('x'), mime.params.get('none'));
attempt('mime', () => new MIMEType('nonsense'));
attempt('type', () => {
  mime.type = 'a b';
});
print(new TextEncoder().encode('h\u00e9'), new TextEncoder().encodeInto('\u20acx', new Uint8Array(3)), new TextEncoder().encoding);
for (const name of ['utf-8', 'latin1', 'utf-16le', 'shift_jis', 'gbk', 'windows-1252'])
  attempt(name, () => {
    const d = new TextDecoder(name);
    return [d.encoding, d.fatal, d.ignoreBOM, d.decode(new Uint8Array([0x61, 0x62]))];
  });
attempt('fatal', () => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])));
attempt('name', () => new TextDecoder('nonsense'));
const stream = new TextDecoder();
print([
  stream.decode(new Uint8Array([0xe2, 0x82]), { stream: true }),
  stream.decode(new Uint8Array([0xac]), { stream: true }),
  stream.decode(),
]);
print(
  JSON.stringify(new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))),
  JSON.stringify(new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))),
);
attempt('decode', () => new TextDecoder().decode('x'));
print(stream, mime);
