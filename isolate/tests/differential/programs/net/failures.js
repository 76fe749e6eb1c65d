const net = require('net');
const { attempt, described, events, print } = require('observe');
(async () => {
  attempt('no port', () => net.connect());
  attempt('port', () => net.connect(70000));
  attempt('host', () => net.connect({ port: 1, host: 5 }));
  attempt('family', () => net.connect({ port: 1, family: 7 }));
  attempt('lookup', () => net.connect({ port: 1, lookup: 5 }));
  attempt('local', () => net.connect({ port: 1, localAddress: 'x' }));
  attempt('localPort', () => net.connect({ port: 1, localPort: 'x' }));
  attempt('listen', () => net.createServer().listen(70000));
  attempt('listen options', () => net.createServer().listen({}));
  attempt('listen text', () => net.createServer().listen({ port: 'x' }));
  attempt('listener', () => net.createServer(5));
  attempt('fd', () => new net.Socket({ fd: 'x' }));
  attempt('timeout', () => new net.Socket().setTimeout('x'));
  attempt('write closed', () => new net.Socket().on('error', (error) => print('unconnected', described(error))).write('x'));
  attempt('address', () => [new net.Socket().address(), net.createServer().address()]);
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.on('listening', done));
  const { port } = server.address();
  const taken = net.createServer();
  taken.listen(port, '127.0.0.1');
  {
    const error = await new Promise((done) => taken.on('error', done));
    print(described(error).replaceAll(port, 'PORT'));
  }
  attempt('listen again', () => server.listen(0));
  const missing = net.connect('./missing.sock');
  print(described(await new Promise((done) => missing.on('error', done))));
  const nowhere = net.createServer().listen('/nowhere/x.sock');
  print(described(await new Promise((done) => nowhere.on('error', done))));
  const local = net.createServer().listen({ port: 0, host: '203.0.113.1' });
  const localError = await new Promise((done) => local.on('error', done));
  print(localError.code, localError.syscall, localError.address);
  const destroyed = net.connect(port, '127.0.0.1');
  destroyed.on('close', (had) => print('destroyed', had)).on('error', (error) => print(described(error)));
  destroyed.destroy(new Error('mine'));
  await new Promise((done) => destroyed.on('close', done));
  server.on('connection', (socket) => {
    socket.on('error', (error) => print('peer', error.code)).on('close', (had) => print('peer closed', had));
    socket.resume();
  });
  const reset = net.connect(port, '127.0.0.1', () => reset.resetAndDestroy());
  await new Promise((done) => reset.on('close', done));
  await new Promise((done) => setTimeout(done, 50));
  const ended = net.connect(port, '127.0.0.1', () => {
    ended.end();
    ended.write('late', (error) => print('write after end', described(error)));
  });
  ended.on('error', (error) => print('error', error.code));
  await new Promise((done) => ended.on('close', done));
  await new Promise((done) => setTimeout(done, 50));
  server.maxConnections = 0;
  server.on('drop', (data) => print('drop', Object.keys(data).sort()));
  const dropped = net.connect(port, '127.0.0.1');
  dropped.on('error', (error) => print(error.code));
  dropped.resume();
  await new Promise((done) => dropped.on('close', done));
  server.close();
  print(
    net.isIP('1.2.3.4'),
    net.isIP('::1'),
    net.isIP('x'),
    net.isIPv4('1.2.3'),
    net.isIPv6('fe80::1%lo'),
    net.isIP('01.2.3.4'),
    net.getDefaultAutoSelectFamily(),
    net.getDefaultAutoSelectFamilyAttemptTimeout(),
  );
  const list = new net.BlockList();
  list.addAddress('1.1.1.1');
  list.addRange('2.0.0.0', '2.0.0.9');
  list.addSubnet('10.0.0.0', 8);
  print(
    list.check('1.1.1.1'),
    list.check('2.0.0.5'),
    list.check('10.9.9.9'),
    list.check('9.9.9.9'),
    list.check('::ffff:1.1.1.1', 'ipv6'),
    list.rules.sort(),
  );
  attempt('block', () => list.addAddress('x'));
  attempt('range', () => list.addRange('2.0.0.9', '2.0.0.1'));
  print(new net.SocketAddress({ address: '1.2.3.4', port: 5 }).toJSON());
  attempt('socket address', () => new net.SocketAddress({ address: 'x' }));
  print(net.SocketAddress.parse?.('1.2.3.4:80')?.port);
})();
