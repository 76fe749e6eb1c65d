const { Buffer, constants, kMaxLength } = require('buffer');
const { attempt, print } = require('observe');
print(
  Buffer.alloc(3),
  Buffer.alloc(3, 'ab'),
  Buffer.alloc(2, 257),
  Buffer.alloc(4, 'aGk=', 'base64'),
  Buffer.allocUnsafe(2).length,
  Buffer.allocUnsafeSlow(1).length,
);
print(
  Buffer.from([1, 256, -1, 3.7]),
  Buffer.from('h\u00e9'),
  Buffer.from('6869zz', 'hex'),
  Buffer.from('aGk', 'base64url'),
  Buffer.from('h\u00e9', 'latin1'),
  Buffer.from('hi', 'utf16le'),
);
print(
  Buffer.from(new ArrayBuffer(4), 1, 2),
  Buffer.from(Buffer.from('a')),
  Buffer.from({ length: 2, 0: 5, 1: 6 }),
  Buffer.from(new String('text')),
  Buffer.from({ type: 'Buffer', data: [1, 2] }),
);
print(
  Buffer.of(1, 2),
  Buffer.concat([Buffer.from('a'), Buffer.from('bc')]),
  Buffer.concat([Buffer.from('abc')], 2),
  Buffer.concat([Buffer.from('a')], 3),
  Buffer.concat([]),
);
print(
  Buffer.byteLength('h\u00e9'),
  Buffer.byteLength('6869', 'hex'),
  Buffer.byteLength('aGk=', 'base64'),
  Buffer.byteLength(new ArrayBuffer(5)),
);
print(
  Buffer.isBuffer(Buffer.alloc(1)),
  Buffer.isBuffer(new Uint8Array(1)),
  Buffer.isEncoding('UTF-8'),
  Buffer.isEncoding('utf7'),
  Buffer.isEncoding('ucs2'),
  Buffer.isEncoding(5),
);
print(Buffer.compare(Buffer.from('a'), Buffer.from('b')), Buffer.poolSize, constants.MAX_LENGTH === kMaxLength);
print(Buffer.copyBytesFrom(new Uint16Array([1, 2, 3]), 1, 1));
attempt('number', () => Buffer.from(5));
attempt('nothing', () => Buffer.from());
attempt('null', () => Buffer.from(null));
attempt('negative', () => Buffer.alloc(-1));
attempt('text size', () => Buffer.alloc('5'));
attempt('too large', () => Buffer.alloc(2 ** 53));
attempt('encoding', () => Buffer.from('a', 'nonsense'));
attempt('fill', () => Buffer.alloc(3, 'zz', 'hex'));
attempt('offset', () => Buffer.from(new ArrayBuffer(4), 5));
attempt('length', () => Buffer.from(new ArrayBuffer(4), 1, 5));
attempt('concat', () => Buffer.concat('a'));
attempt('concat of strings', () => Buffer.concat(['a']));
attempt('byteLength', () => Buffer.byteLength(5));
attempt('compare', () => Buffer.compare('a', Buffer.alloc(0)));
