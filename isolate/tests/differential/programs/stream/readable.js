const { Readable } = require('stream');
const { attempt, events, later, print } = require('observe');
(async () => {
  const r = new Readable({ highWaterMark: 5, read() {} });
  print(r.push('abc'), r.push('def'), r.readableLength, r.readableHighWaterMark, r.readableFlowing, r.readableEnded);
  print(String(r.read(2)), String(r.read()), r.read());
  r.unshift('back');
  print(String(r.read(3)), r.push(null));
  events('r', r, ['end', 'close', 'readable']);
  print(String(r.read()));
  await new Promise(setImmediate);
  print(r.readableEnded, r.destroyed, r.closed);
  const order = [];
  const flowing = new Readable({
    read() {
      this.push(this.left-- > 0 ? `chunk ${this.left}` : null);
    },
  });
  flowing.left = 3;
  flowing
    .setEncoding('utf8')
    .on('data', (data) => order.push(data))
    .on('end', () => order.push('end'))
    .on('close', () => order.push('close'))
    .on('pause', () => order.push('pause'))
    .on('resume', () => order.push('resume'));
  await new Promise((done) => flowing.on('close', done));
  print(order, flowing.readableAborted, flowing.readableDidRead);
  await later('from', Readable.from(['a', 'b', 3]).toArray());
  await later('from text', Readable.from('whole').toArray());
  await later('from async', async () => {
    const all = [];
    for await (const x of Readable.from(
      (async function* () {
        yield 1;
        yield 2;
      })(),
    ))
      all.push(x);
    return all;
  });
  await later('from error', async () => {
    for await (const x of Readable.from(
      (function* () {
        yield 1;
        throw new Error('mine');
      })(),
    ))
      print(x);
  });
  const numbers = () => Readable.from([1, 2, 3, 4, 5]);
  await later(
    'map filter',
    numbers()
      .filter((n) => n % 2)
      .map(async (n) => n * 10)
      .toArray(),
  );
  await later(
    'reduce',
    numbers().reduce((a, b) => a + b, 0),
  );
  await later('take drop', numbers().drop(1).take(2).toArray());
  await later(
    'flatMap',
    numbers()
      .take(2)
      .flatMap((n) => [n, n])
      .toArray(),
  );
  await later('some every find', Promise.all([numbers().some((n) => n > 4), numbers().every((n) => n > 4), numbers().find((n) => n > 3)]));
  await later(
    'forEach',
    numbers()
      .take(1)
      .forEach((n) => print('each', n)),
  );
  await later(
    'reduce of nothing',
    Readable.from([]).reduce((a) => a),
  );
  const destroyed = new Readable({ read() {} });
  events('destroyed', destroyed, ['error', 'close', 'end', 'data']);
  destroyed.destroy(new Error('given up'));
  await new Promise(setImmediate);
  print(destroyed.errored?.message, destroyed.push('x'), destroyed.readable);
  const after = new Readable({ read() {} });
  events('after', after, ['error']);
  after.push(null);
  after.push('late');
  await new Promise(setImmediate);
  const objects = new Readable({ objectMode: true, read() {} });
  objects.push({ a: 1 });
  objects.push(0);
  objects.push('');
  print(objects.read(), objects.read(), objects.read(), objects.readableObjectMode);
  const bad = new Readable({ read() {} });
  events('bad', bad, ['error']);
  bad.push(5);
  await new Promise(setImmediate);
  events('unimplemented', new Readable(), ['error']).read();
  await new Promise(setImmediate);
  attempt('highWaterMark', () => new Readable({ highWaterMark: -1 }));
  attempt('encoding', () => new Readable({ encoding: 'nonsense' }));
  attempt('from', () => Readable.from(5));
  attempt('isPaused', () => [new Readable().isPaused(), new Readable().pause().isPaused()]);
})();
