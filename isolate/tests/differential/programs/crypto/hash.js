const crypto = require('crypto');
const { attempt, later, print } = require('observe');
const { createHash, createHmac, hash } = crypto;
for (const name of ['md5', 'sha1', 'sha256', 'SHA512', 'sha384', 'sha512-256', 'sha3-256', 'ripemd160', 'blake2b512', 'RSA-SHA256'])
  attempt(name, () => createHash(name).update('text').digest('hex'));
attempt('shake', () => createHash('shake256', { outputLength: 8 }).update('a').digest('hex'));
attempt('encodings', () =>
  ['base64', 'base64url', 'latin1', undefined].map((encoding) => createHash('md5').update('YQ==', 'base64').digest(encoding)),
);
attempt(
  'parts',
  () => createHash('sha1').update('a').update(Buffer.from('b')).digest('hex') === createHash('sha1').update('ab').digest('hex'),
);
attempt('copy', () => {
  const h = createHash('sha1').update('a');
  const c = h.copy();
  return [h.digest('hex') === c.digest('hex')];
});
attempt('hash', () => [hash('sha1', 'x'), hash('md5', Buffer.from('x'), 'base64'), hash('sha1', 'x', 'buffer').length]);
attempt('hmac', () => [
  createHmac('sha256', 'key').update('text').digest('hex'),
  createHmac('md5', Buffer.alloc(200)).update('').digest('base64'),
]);
attempt('unknown', () => createHash('nonsense'));
attempt('hmac unknown', () => createHmac('nonsense', 'k'));
attempt('twice', () => {
  const h = createHash('md5');
  h.digest();
  h.digest();
});
attempt('update after', () => {
  const h = createHash('md5');
  h.digest();
  h.update('x');
});
attempt('number', () => createHash('md5').update(5));
attempt('no name', () => createHash());
attempt('no key', () => createHmac('md5'));
print(
  crypto.getHashes().includes('sha256'),
  crypto.getHashes().includes('RSA-SHA1'),
  crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a')),
);
attempt('lengths', () => crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('ab')));
attempt('types', () => crypto.timingSafeEqual('a', 'a'));
const stream = createHash('sha1');
stream.on('readable', () => {
  const d = stream.read();
  if (d) print('stream', d.toString('hex'));
});
stream.write('a');
stream.end();
(async () => {
  await later(
    'pbkdf2',
    new Promise((done, fail) => crypto.pbkdf2('p', 's', 2, 16, 'sha256', (e, k) => (e ? fail(e) : done(k.toString('hex'))))),
  );
  attempt('pbkdf2Sync', () => crypto.pbkdf2Sync('p', 's', 1, 8, 'sha1').toString('hex'));
  attempt('pbkdf2 digest', () => crypto.pbkdf2Sync('p', 's', 1, 8, 'nonsense'));
  attempt('pbkdf2 rounds', () => crypto.pbkdf2Sync('p', 's', 0, 8, 'sha1'));
  attempt('scrypt', () => crypto.scryptSync('p', 's', 8, { N: 16 }).toString('hex'));
  attempt('scrypt N', () => crypto.scryptSync('p', 's', 8, { N: 15 }));
  attempt('hkdf', () => Buffer.from(crypto.hkdfSync('sha256', 'k', 's', 'i', 10)).toString('hex'));
  attempt('hkdf length', () => crypto.hkdfSync('sha256', 'k', 's', 'i', 1e6));
})();
