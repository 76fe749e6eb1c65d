const http = require('http');
const net = require('net');
const { described, print } = require('observe');
const order = [];
const note = (who, emitter, names) => names.forEach((name) => emitter.on(name, () => order.push(`${who} ${name}`)));
const wait = (emitter, name) => new Promise((done) => emitter.once(name, done));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
(async () => {
  const server = http.createServer((req, res) => {
    note('incoming', req, ['end', 'close', 'aborted']);
    note('response', res, ['finish', 'close', 'prefinish']);
    if (req.url === '/hang') return;
    req.resume();
    res.end('ok', () => order.push('end callback'));
  });
  note('server', server, ['connection', 'request', 'close']);
  server.listen(0, '127.0.0.1');
  await wait(server, 'listening');
  const { port } = server.address();
  const req = http.get({ port, host: '127.0.0.1', agent: false });
  note('request', req, ['socket', 'response', 'finish', 'close', 'abort', 'error']);
  const res = await wait(req, 'response');
  note('answer', res, ['end', 'close']);
  res.resume();
  await wait(req, 'close');
  await pause(20);
  for (const who of ['server', 'incoming', 'response', 'request', 'answer']) print(order.filter((event) => event.startsWith(`${who} `)));
  order.length = 0;
  const given = http.get({ port, host: '127.0.0.1', path: '/hang', agent: false });
  note('request', given, ['abort', 'close', 'response']);
  given.on('error', (error) => print(described(error), given.destroyed, given.reusedSocket));
  await wait(given, 'socket');
  await pause(30);
  given.destroy();
  await pause(50);
  for (const who of ['request', 'incoming']) print(order.filter((event) => event.startsWith(`${who} `)));
  order.length = 0;
  const late = http.get({ port, host: '127.0.0.1', path: '/hang', agent: false, timeout: 50 }, () => {});
  late
    .on('timeout', () => {
      print('timeout');
      late.destroy(new Error('too late'));
    })
    .on('error', (error) => print(described(error)));
  await wait(late, 'close');
  const control = new AbortController();
  const aborted = http.get({ port, host: '127.0.0.1', path: '/hang', agent: false, signal: control.signal });
  aborted.on('error', (error) => print(described(error)));
  await pause(20);
  control.abort();
  await pause(20);
  const raw = (text) =>
    new Promise((done) => {
      let all = '';
      const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
      socket
        .setEncoding('utf8')
        .on('data', (data) => {
          all += data;
          if (!text.startsWith('GET / HTTP/1.1')) socket.end();
        })
        .on('error', () => {})
        .on('close', () => {
          print(all.split('\r\n').filter((line) => !/^Date/.test(line)));
          done();
        });
    });
  await raw('nonsense\r\n\r\n');
  await raw('GET / HTTP/1.1\r\n\r\n'.replace('GET /', 'POST /x'));
  await raw('GET / HTTP/1.0\r\n\r\n'.replace('GET /', 'PUT /'));
  await raw('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await raw(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`);
  await raw(`PUT / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(20000)}\r\n\r\n`);
  server.removeAllListeners('upgrade');
  server.on('upgrade', (request, socket, head) => {
    print('upgrade', request.headers.upgrade, String(head));
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: mine\r\n\r\nraw');
  });
  const upgrade = http.get({ port, host: '127.0.0.1', agent: false, headers: { Connection: 'Upgrade', Upgrade: 'mine' } });
  upgrade.on('upgrade', (answer, socket, head) => {
    print(answer.statusCode, answer.headers, String(head));
    socket.on('data', (data) => print('more', String(data))).on('close', () => print('upgraded closed'));
    socket.end();
  });
  await wait(upgrade, 'close');
  await pause(20);
  server.removeAllListeners('checkContinue');
  const asking = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false, headers: { Expect: '100-continue' } }, (answer) => {
    print('answer', answer.statusCode);
    answer.resume();
  });
  asking.on('continue', () => {
    print('continue');
    asking.end('x');
  });
  asking.flushHeaders();
  await wait(asking, 'close');
  server.closeAllConnections();
  server.close();
  await wait(server, 'close');
  print('closed');
})();
