const crypto = require('crypto');
const { attempt, print } = require('observe');
for (const [name, keys, ivs] of [
  ['aes-128-cbc', 16, 16],
  ['aes-256-cbc', 32, 16],
  ['aes-192-ctr', 24, 16],
  ['aes-128-ecb', 16, 0],
  ['AES-256-CTR', 32, 16],
]) {
  attempt(name, () => {
    const key = Buffer.alloc(keys, 1),
      iv = ivs ? Buffer.alloc(ivs, 2) : null;
    const c = crypto.createCipheriv(name, key, iv);
    const text = c.update('some text', 'utf8', 'hex') + c.final('hex');
    const d = crypto.createDecipheriv(name, key, iv);
    return [text, d.update(text, 'hex', 'utf8') + d.final('utf8')];
  });
}
for (const name of ['aes-256-gcm', 'chacha20-poly1305'])
  attempt(name, () => {
    const key = Buffer.alloc(32, 3),
      iv = Buffer.alloc(12, 4),
      options = { authTagLength: 16 };
    const c = crypto.createCipheriv(name, key, iv, options);
    c.setAAD(Buffer.from('aad'));
    const text = Buffer.concat([c.update('secret'), c.final()]),
      tag = c.getAuthTag();
    const d = crypto.createDecipheriv(name, key, iv, options);
    d.setAAD(Buffer.from('aad'));
    d.setAuthTag(tag);
    return [text.toString('hex'), tag.toString('hex'), d.update(text, null, 'utf8') + d.final('utf8')];
  });
attempt('wrong tag', () => {
  const d = crypto.createDecipheriv('aes-128-gcm', Buffer.alloc(16), Buffer.alloc(12));
  d.setAuthTag(Buffer.alloc(16));
  d.update('00', 'hex');
  d.final();
});
attempt('wrong key', () => {
  const c = crypto.createCipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16));
  const t = Buffer.concat([c.update('x'), c.final()]);
  const d = crypto.createDecipheriv('aes-128-cbc', Buffer.alloc(16, 9), Buffer.alloc(16));
  d.update(t);
  d.final();
});
attempt('short text', () => {
  const d = crypto.createDecipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16));
  d.update('abc');
  d.final();
});
attempt('no padding', () => {
  const c = crypto.createCipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16));
  c.setAutoPadding(false);
  c.update('abc');
  c.final();
});
attempt('unknown', () => crypto.createCipheriv('nonsense', Buffer.alloc(16), null));
attempt('key length', () => crypto.createCipheriv('aes-128-cbc', Buffer.alloc(5), Buffer.alloc(16)));
attempt('iv length', () => crypto.createCipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(5)));
attempt('no iv', () => crypto.createCipheriv('aes-128-cbc', Buffer.alloc(16)));
attempt('final twice', () => {
  const c = crypto.createCipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16));
  c.final();
  c.final();
});
print(crypto.getCiphers().includes('aes-256-gcm'), crypto.getCipherInfo('none'));
print('info', crypto.getCipherInfo('aes-256-gcm'));
