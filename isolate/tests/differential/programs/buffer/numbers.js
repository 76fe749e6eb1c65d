const { attempt, print } = require('observe');
const b = Buffer.alloc(16);
for (const [name, value] of [
  ['UInt8', 255],
  ['Int8', -1],
  ['UInt16LE', 65535],
  ['UInt16BE', 258],
  ['Int16LE', -2],
  ['Int16BE', -300],
  ['UInt32LE', 4294967295],
  ['UInt32BE', 16909060],
  ['Int32LE', -5],
  ['Int32BE', 7],
  ['FloatLE', 1.5],
  ['FloatBE', -0.1],
  ['DoubleLE', Math.PI],
  ['DoubleBE', -Infinity],
  ['BigInt64LE', -1n],
  ['BigInt64BE', 2n ** 62n],
  ['BigUInt64LE', 2n ** 64n - 1n],
  ['BigUInt64BE', 5n],
]) {
  b.fill(0);
  print(name, b[`write${name}`](value, 2), b.toString('hex'), b[`read${name}`](2));
}
print(
  b.writeUIntBE(0x123456789abc, 0, 6),
  b.readUIntBE(0, 6),
  b.readIntLE(0, 3),
  b.writeIntLE(-5, 1, 5),
  b.readIntLE(1, 5),
  b.readUint8(0),
  b.readBigUint64BE(0),
);
attempt('too large', () => b.writeUInt8(256, 0));
attempt('too small', () => b.writeInt16BE(-32769, 0));
attempt('big', () => b.writeBigInt64LE(2n ** 63n, 0));
attempt('not big', () => b.writeBigInt64LE(5, 0));
attempt('beyond', () => b.readUInt32LE(13));
attempt('fraction', () => b.readUInt8(1.5));
attempt('text', () => b.readUInt8('1'));
attempt('bytes', () => b.readUIntLE(0, 7));
attempt('undefined bytes', () => b.readUIntLE(0));
attempt('empty', () => Buffer.alloc(0).readInt8());
attempt('short', () => Buffer.alloc(1).readInt16LE());
