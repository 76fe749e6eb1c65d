const crypto = require('crypto');
const { attempt, later, print } = require('observe');
(async () => {
  attempt('bytes', () => [crypto.randomBytes(8).length, crypto.randomBytes(0).length, crypto.randomBytes(4).equals(crypto.randomBytes(4))]);
  attempt('negative', () => crypto.randomBytes(-1));
  attempt('text', () => crypto.randomBytes('a'));
  attempt('too many', () => crypto.randomBytes(2 ** 31));
  await later('callback', new Promise((done, fail) => crypto.randomBytes(5, (e, b) => (e ? fail(e) : done(b.length)))));
  attempt('int', () => {
    const n = crypto.randomInt(3, 6);
    return n >= 3 && n < 6;
  });
  attempt('int empty', () => crypto.randomInt(3, 3));
  attempt('int fraction', () => crypto.randomInt(1.5));
  attempt('int range', () => crypto.randomInt(0, 2 ** 48 + 1));
  await later('int callback', new Promise((done, fail) => crypto.randomInt(1, (e, n) => (e ? fail(e) : done(n)))));
  attempt('uuid', () => [
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()),
    crypto.randomUUID({ disableEntropyCache: true }).length,
  ]);
  attempt('fill', () => {
    const b = Buffer.alloc(6);
    crypto.randomFillSync(b, 2, 2);
    return [b[0], b[1], b[4], b[5]];
  });
  attempt('fill beyond', () => crypto.randomFillSync(Buffer.alloc(2), 3));
  attempt('fill text', () => crypto.randomFillSync('x'));
  attempt('getRandomValues', () => crypto.getRandomValues(new Uint32Array(2)).length);
  attempt('too large', () => crypto.webcrypto.getRandomValues(new Uint8Array(65537)));
  attempt('floats', () => crypto.webcrypto.getRandomValues(new Float32Array(1)));
  print(crypto.randomUUID() !== crypto.randomUUID());
  attempt('prime', () => crypto.checkPrimeSync(7n));
  attempt('not prime', () => crypto.checkPrimeSync(9n));
  attempt('generate', () => crypto.checkPrimeSync(crypto.generatePrimeSync(24, { bigint: true })));
})();
