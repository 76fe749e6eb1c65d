const { Writable } = require('stream');
const { attempt, events, print } = require('observe');
(async () => {
  const done = [];
  const w = new Writable({
    highWaterMark: 4,
    write(chunk, encoding, next) {
      done.push([String(chunk), encoding]);
      setImmediate(next);
    },
    final(next) {
      done.push('final');
      next();
    },
  });
  events('w', w, ['drain', 'finish', 'close', 'pipe']);
  print(w.write('ab'), w.write('cd', 'latin1'), w.writableLength, w.writableNeedDrain, w.writableHighWaterMark);
  await new Promise((next) => w.once('drain', next));
  w.end('last', () => print('ended'));
  print(w.writableEnded, w.writableFinished, w.writable);
  await new Promise((next) => w.on('close', next));
  print(done, w.writableFinished);
  events('w', w, ['error']);
  print(w.write('late'));
  await new Promise((done) => setTimeout(done, 5));
  w.end((error) => print('end again', error?.code));
  await new Promise((done) => setTimeout(done, 5));
  const many = new Writable({
    writev(chunks, next) {
      print(
        'writev',
        chunks.map(({ chunk }) => String(chunk)),
      );
      next();
    },
  });
  many.cork();
  many.write('a');
  many.write('b');
  print(many.writableCorked);
  many.uncork();
  many.end('c');
  await new Promise((next) => many.on('finish', next));
  const failing = new Writable({
    write(chunk, encoding, next) {
      next(new Error('no'));
    },
  });
  events('failing', failing, ['error', 'close', 'finish']);
  failing.write('x', (error) => print('callback', error.message));
  failing.write('y', (error) => print('second', error.code ?? error.message));
  await new Promise((done) => setTimeout(done, 5));
  await new Promise((done) => setTimeout(done, 5));
  print(failing.destroyed, failing.errored.message, failing.writable);
  const destroyed = new Writable({
    write() {},
    destroy(error, next) {
      print('destroy', error?.message);
      next(new Error('another'));
    },
  });
  events('destroyed', destroyed, ['error', 'close']);
  destroyed.destroy(new Error('first'));
  destroyed.destroy(new Error('second'));
  await new Promise((done) => setTimeout(done, 5));
  const objects = new Writable({
    objectMode: true,
    write(chunk, encoding, next) {
      print('object', chunk, encoding);
      next();
    },
  });
  objects.write({ a: 1 });
  objects.write(0);
  objects.end();
  attempt('null', () => objects.write(null));
  attempt('number', () => new Writable({ write() {} }).write(5));
  attempt('encoding', () => new Writable({ write() {} }).write('a', 'nonsense'));
  attempt('default encoding', () => new Writable().setDefaultEncoding('nonsense'));
  attempt('unimplemented', () => new Writable().write('x'));
  const text = new Writable({
    decodeStrings: false,
    defaultEncoding: 'hex',
    write(chunk, encoding, next) {
      print(typeof chunk, encoding);
      next();
    },
  });
  text.write('61');
  text.end();
  const constructing = new Writable({
    construct(next) {
      print('construct');
      setImmediate(next);
    },
    write(c, e, next) {
      print('write', String(c));
      next();
    },
  });
  constructing.end('x');
  await new Promise((next) => constructing.on('close', next));
  const aborted = new Writable({ signal: AbortSignal.abort(), write() {} });
  aborted.on('error', (error) => print(error.name, error.code));
})();
