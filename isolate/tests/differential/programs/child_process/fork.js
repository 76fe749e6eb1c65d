const cp = require('child_process');
const { attempt, described, print } = require('observe');
(async () => {
  if (process.argv[2] === 'child') {
    process.on('message', (message) => {
      if (message === 'end') process.disconnect();
      else if (message === 'exit') process.exit(6);
      else process.send({ got: message, args: process.argv.slice(3), connected: process.connected });
    });
    process.on('disconnect', () => console.log('disconnected', process.connected));
    return process.send('ready');
  }
  print(process.send, process.connected, process.channel);
  const child = cp.fork(__filename, ['child', 'x'], { silent: true });
  child.stdout.on('data', (data) => print('child says', String(data)));
  const next = () => new Promise((done) => child.once('message', done));
  print(await next(), child.connected, typeof child.channel);
  for (const message of [{ a: [1, null, 'x'], b: undefined }, 'text', 5, true, null, [], { d: new Date(0) }]) {
    child.send(message, (error) => error && print(error));
    print(await next());
  }
  attempt('nothing', () => child.send());
  attempt('function', () => child.send(() => {}));
  attempt('bigint', () => child.send(5n));
  attempt('symbol', () => child.send(Symbol('x')));
  child.send('end');
  await new Promise((done) =>
    child.on('close', (...values) => {
      print('close', values);
      done();
    }),
  );
  print(child.connected);
  attempt('closed', () => child.send('x', (error) => print('callback', described(error))));
  child.on('error', (error) => print('error', described(error)));
  child.send('y');
  attempt('disconnect', () => child.disconnect());
  await new Promise(setImmediate);
  const advanced = cp.fork(__filename, ['child'], { serialization: 'advanced' });
  await new Promise((done) => advanced.once('message', done));
  advanced.send({ map: new Map([[1, new Set(['x'])]]), date: new Date(0), big: 5n, bytes: Buffer.from('ab'), error: new RangeError('r') });
  const { got } = await new Promise((done) => advanced.once('message', done));
  print(got.map, got.date, got.big, got.bytes, got.error.message, got.error.name);
  advanced.send('exit');
  print(await new Promise((done) => advanced.on('exit', (...values) => done(values))));
  const text = cp.fork('-e', { execArgv: [], silent: true });
  text.on('error', (error) => print(error.code));
  print((await new Promise((done) => text.on('exit', done))) !== 0);
})();
