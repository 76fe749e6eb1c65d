const https = require('https');
const tls = require('tls');
const fs = require('fs');
const { attempt, described, print } = require('observe');
const wait = (emitter, name) => new Promise((done) => emitter.once(name, done));
const key = fs.readFileSync('key.pem'),
  cert = fs.readFileSync('cert.pem');
(async () => {
  const server = https.createServer({ key, cert }, (req, res) => res.end(`secure ${req.socket.encrypted} ${req.url}`));
  server.on('tlsClientError', (error) => print('tlsClientError', typeof error.code));
  server.listen(0, '127.0.0.1');
  await wait(server, 'listening');
  const { port } = server.address();
  const get = (options) =>
    new Promise((done) =>
      https
        .get({ port, host: '127.0.0.1', servername: 'localhost', agent: false, path: '/x', ...options }, (res) => {
          let all = '';
          res
            .on('data', (data) => (all += data))
            .on('end', () => done([res.statusCode, all, res.socket.authorized, res.socket.authorizationError ?? null]));
        })
        .on('error', (error) => done(described(error))),
    );
  print(await get({ ca: cert }));
  print(await get({ rejectUnauthorized: false }));
  print('unknown', await get({}));
  print(await get({ ca: cert, servername: 'other.example' }));
  print(await get({ ca: cert, checkServerIdentity: () => new Error('mine') }));
  server.close();
  const echo = tls.createServer({ key, cert, ALPNProtocols: ['one', 'two'] }, (socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await wait(echo, 'listening');
  const socket = tls.connect({ port: echo.address().port, host: '127.0.0.1', servername: 'localhost', ca: cert, ALPNProtocols: ['two'] });
  await wait(socket, 'secureConnect');
  print(
    socket.encrypted,
    socket.authorized,
    socket.alpnProtocol,
    socket.getProtocol(),
    socket.getPeerCertificate().subject,
    typeof socket.getCipher().name,
    socket.servername,
    socket.isSessionReused(),
  );
  socket.end('through');
  print(String(await wait(socket, 'data')));
  await wait(socket, 'close');
  echo.close();
  attempt('key', () => typeof tls.createSecureContext({ key: 'nonsense', cert: 'nonsense' }));
  attempt('version', () => tls.createSecureContext({ minVersion: 'x' }));
  attempt('identity', () => described(tls.checkServerIdentity('a.com', { subject: { CN: 'b.com' } })));
  attempt('identity', () => tls.checkServerIdentity('a.b.com', { subject: {}, subjectaltname: 'DNS:*.b.com' }));
  print(tls.DEFAULT_MIN_VERSION, tls.DEFAULT_MAX_VERSION, tls.rootCertificates.length > 100, tls.getCiphers().length > 5);
})();
