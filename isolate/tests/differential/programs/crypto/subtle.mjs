import { later, print } from 'observe';
const { subtle } = globalThis.crypto;
const text = new TextEncoder().encode('text');
const hex = (buffer) => Buffer.from(buffer).toString('hex');
for (const name of ['SHA-1', 'SHA-256', 'SHA-512']) await later(name, subtle.digest(name, text).then(hex));
await later('unknown', subtle.digest('MD5', text));
const hmac = await subtle.importKey('raw', text, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign', 'verify']);
print(hmac.type, hmac.extractable, hmac.usages, hmac.algorithm);
const signature = await subtle.sign('HMAC', hmac, text);
await later('hmac', () => hex(signature));
await later('verify', subtle.verify('HMAC', hmac, signature, text));
await later('export', subtle.exportKey('jwk', hmac));
const aes = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt', 'decrypt']);
const iv = new Uint8Array(12);
const sealed = await subtle.encrypt({ name: 'AES-GCM', iv }, aes, text);
await later(
  'aes',
  subtle.decrypt({ name: 'AES-GCM', iv }, aes, sealed).then((b) => Buffer.from(b).toString()),
);
await later('tampered', subtle.decrypt({ name: 'AES-GCM', iv }, aes, new Uint8Array(20)));
await later('not extractable', subtle.exportKey('raw', aes));
await later('usage', subtle.sign('HMAC', aes, text));
const pair = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const signed = await subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, text);
await later('ecdsa', subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, pair.publicKey, signed, text));
await later(
  'spki',
  subtle.exportKey('spki', pair.publicKey).then((b) => b.byteLength),
);
const password = await subtle.importKey('raw', text, 'PBKDF2', false, ['deriveBits']);
await later('pbkdf2', subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: text, iterations: 2 }, password, 64).then(hex));
const ed = await subtle.generateKey('Ed25519', true, ['sign', 'verify']);
await later('ed25519', async () => subtle.verify('Ed25519', ed.publicKey, await subtle.sign('Ed25519', ed.privateKey, text), text));
await later('bad key', subtle.importKey('raw', new Uint8Array(3), 'AES-CBC', true, ['encrypt']));
await later('no usages', subtle.generateKey({ name: 'AES-CBC', length: 128 }, true, []));
