const { Duplex, PassThrough, Transform, duplexPair } = require('stream');
const { attempt, events, print } = require('observe');
(async () => {
  const upper = new Transform({
    transform(chunk, encoding, next) {
      next(null, String(chunk).toUpperCase());
    },
    flush(next) {
      this.push('!');
      next();
    },
  });
  upper.write('a');
  upper.write('b');
  upper.end();
  let text = '';
  for await (const chunk of upper) text += chunk;
  print(text);
  const failing = new Transform({
    transform(chunk, encoding, next) {
      next(new Error('bad'));
    },
  });
  events('failing', failing, ['error', 'close', 'end', 'finish']);
  failing.end('x');
  await new Promise((next) => failing.on('close', next));
  const flush = new Transform({
    transform(c, e, next) {
      next();
    },
    flush(next) {
      next(new Error('flush'));
    },
  });
  events('flush', flush, ['error', 'finish']);
  flush.end('x');
  flush.resume();
  await new Promise(setImmediate);
  const pass = new PassThrough();
  pass.end('through');
  print(String((await pass.toArray())[0]));
  const duplex = new Duplex({
    allowHalfOpen: false,
    read() {
      this.push('r');
      this.push(null);
    },
    write(c, e, next) {
      print('wrote', String(c));
      next();
    },
  });
  events('duplex', duplex, ['end', 'finish', 'close']);
  duplex.on('data', (data) => print('read', String(data)));
  await new Promise((next) => duplex.on('close', next));
  const [one, other] = duplexPair();
  one.end('to the other');
  other.on('data', (data) => print(String(data)));
  other.on('end', () => print('its end'));
  await new Promise((next) => other.on('end', next));
  const from = Duplex.from(async function* (source) {
    for await (const chunk of source) yield String(chunk).repeat(2);
  });
  from.end('ab');
  print((await from.toArray()).join(''));
  print(await Duplex.from(Promise.resolve('later')).toArray());
  attempt('unimplemented', () => new Transform().write('x'));
  try {
    Duplex.from(5);
  } catch (error) {
    print(error.code, error.message);
  }
})();
