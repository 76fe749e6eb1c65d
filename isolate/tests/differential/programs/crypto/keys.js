const crypto = require('crypto');
const { attempt, later, print } = require('observe');
(async () => {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 });
  print(privateKey.type, privateKey.asymmetricKeyType, publicKey.asymmetricKeyDetails, privateKey);
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  print(
    pem.split('\n')[0],
    privateKey.export({ type: 'pkcs8', format: 'der' }).length > 500,
    Object.keys(publicKey.export({ format: 'jwk' })),
  );
  attempt('sign', () => {
    const s = crypto.sign('sha256', Buffer.from('x'), privateKey);
    return [s.length, crypto.verify('sha256', Buffer.from('x'), publicKey, s), crypto.verify('sha256', Buffer.from('y'), pem, s)];
  });
  attempt('Sign', () => {
    const s = crypto.createSign('RSA-SHA256').update('x').sign(privateKey, 'base64');
    return crypto.createVerify('SHA256').update('x').verify(pem, s, 'base64');
  });
  attempt('encrypt', () => crypto.privateDecrypt(privateKey, crypto.publicEncrypt(publicKey, Buffer.from('secret'))).toString());
  attempt('decrypt', () => crypto.privateDecrypt(privateKey, Buffer.alloc(128)).length >= 0);
  for (const curve of ['P-256', 'secp384r1', 'secp256k1'])
    attempt(curve, () => {
      const k = crypto.generateKeyPairSync('ec', { namedCurve: curve });
      const s = crypto.sign('sha256', Buffer.from('x'), k.privateKey);
      return [k.publicKey.asymmetricKeyDetails, crypto.verify('sha256', Buffer.from('x'), k.publicKey, s)];
    });
  attempt('ed25519', () => {
    const k = crypto.generateKeyPairSync('ed25519');
    const s = crypto.sign(null, Buffer.from('x'), k.privateKey);
    return [s.length, crypto.verify(null, Buffer.from('x'), k.publicKey, s), crypto.createPublicKey(k.privateKey).equals(k.publicKey)];
  });
  attempt('x25519', () => {
    const a = crypto.generateKeyPairSync('x25519'),
      b = crypto.generateKeyPairSync('x25519');
    return crypto
      .diffieHellman({ privateKey: a.privateKey, publicKey: b.publicKey })
      .equals(crypto.diffieHellman({ privateKey: b.privateKey, publicKey: a.publicKey }));
  });
  attempt('ecdh', () => {
    const a = crypto.createECDH('prime256v1'),
      b = crypto.createECDH('prime256v1');
    a.generateKeys();
    b.generateKeys();
    return a.computeSecret(b.getPublicKey()).equals(b.computeSecret(a.getPublicKey()));
  });
  attempt('dh', () => {
    const a = crypto.getDiffieHellman('modp5'),
      b = crypto.getDiffieHellman('modp5');
    a.generateKeys();
    b.generateKeys();
    return a.computeSecret(b.getPublicKey()).equals(b.computeSecret(a.getPublicKey()));
  });
  attempt('secret', () => {
    const k = crypto.createSecretKey('text', 'utf8');
    return [
      k.type,
      k.symmetricKeySize,
      k.export().toString(),
      k.export({ format: 'jwk' }),
      k.equals(crypto.createSecretKey(Buffer.from('text'))),
    ];
  });
  await later(
    'generateKey',
    new Promise((done, fail) => crypto.generateKey('hmac', { length: 64 }, (e, k) => (e ? fail(e) : done(k.symmetricKeySize)))),
  );
  attempt('encrypted', () => {
    const text = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' });
    return [text.split('\n')[0], crypto.createPrivateKey({ key: text, passphrase: 'p' }).equals(privateKey)];
  });
  attempt('bad pem', () => crypto.createPublicKey('nonsense'));
  attempt('type', () => crypto.generateKeyPairSync('nonsense'));
  attempt('no modulus', () => crypto.generateKeyPairSync('rsa'));
  attempt('curve', () => crypto.generateKeyPairSync('ec', { namedCurve: 'nonsense' }));
  attempt('export', () => publicKey.export());
  attempt('sign with public', () => crypto.sign('sha256', Buffer.from('x'), publicKey));
  attempt('ecdh curve', () => crypto.createECDH('nonsense'));
  print(crypto.getCurves().includes('prime256v1'), typeof crypto.constants.RSA_PKCS1_PADDING, crypto.KeyObject.name);
  await later(
    'pair',
    require('util')
      .promisify(crypto.generateKeyPair)('ed25519', {
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      })
      .then((k) => [k.publicKey.length, k.privateKey.split('\n')[0]]),
  );
})();
