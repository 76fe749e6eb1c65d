const net = require('net');
const { described, events, print } = require('observe');
(async () => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    let all = '';
    socket
      .setEncoding('utf8')
      .on('data', (data) => (all += data))
      .on('end', () => socket.end(all.toUpperCase()));
  });
  events('server', server, ['listening', 'close']);
  server.on('connection', (socket) =>
    print('connection', socket.remoteFamily, socket.localAddress, typeof socket.remotePort, socket.remoteAddress),
  );
  server.listen(0, '127.0.0.1');
  await new Promise((done) => server.on('listening', done));
  const { port, ...address } = server.address();
  print(address, typeof port, server.listening);
  const socket = net.connect(port, '127.0.0.1');
  print(socket.connecting, socket.pending, socket.readyState, socket.destroyed);
  const order = [];
  for (const name of ['lookup', 'connectionAttempt', 'connect', 'ready', 'end', 'finish', 'close'])
    socket.on(name, (...values) => order.push([name, ...values.filter((value) => typeof value !== 'number' || value < 1024)]));
  socket.write('some ');
  socket.end('text', () => order.push('flushed'));
  socket.on('data', (data) => order.push(String(data)));
  await new Promise((done) => socket.on('close', done));
  print(order, socket.bytesRead, socket.bytesWritten, socket.destroyed, socket.readyState, socket.remoteAddress);
  const byName = net.createConnection({ port, host: 'localhost', family: 4 });
  await new Promise((done) => byName.on('connect', done));
  print(byName.remoteAddress, byName.readyState);
  byName.setNoDelay(true).setKeepAlive(true, 1000).setTimeout(0);
  byName.end();
  byName.resume();
  await new Promise((done) => byName.on('close', done));
  print(await new Promise((done) => server.getConnections((error, count) => done(count))));
  server.close();
  await new Promise((done) => server.on('close', done));
  print(server.address(), server.listening);
  server.close((error) => print(described(error)));
  const refused = net.connect(port, '127.0.0.1');
  const [error] = await new Promise((done) => refused.on('error', (...values) => done(values)));
  print(described(error).replaceAll(port, 'PORT'), error.port === port, refused.destroyed);
  await new Promise((done) =>
    refused.on('close', (had) => {
      print('close', had);
      done();
    }),
  );
  const timed = net
    .createServer(() => {})
    .listen(0, () => {
      const idle = net.connect(timed.address().port);
      idle.setTimeout(50, () => {
        print('timeout', idle.timeout);
        idle.destroy();
      });
      idle.on('close', () => timed.close());
      timed.on('connection', (peer) => peer.on('error', () => {}).resume());
    });
  await new Promise((done) => timed.on('close', done));
  print('closed');
})();
