const stream = require('stream');
const { Readable, PassThrough, Writable, finished, pipeline, addAbortSignal, compose } = stream;
const promises = require('stream/promises');
const { attempt, described, later, print } = require('observe');
(async () => {
  const sink = () => {
    const all = [];
    return Object.assign(
      new Writable({
        write(c, e, next) {
          all.push(String(c));
          next();
        },
      }),
      { all },
    );
  };
  const to = sink();
  await new Promise((done) =>
    pipeline(Readable.from(['a', 'b']), new PassThrough(), to, (error) => {
      print('pipeline', error ?? 'no error', to.all);
      done();
    }),
  );
  await later(
    'promised',
    promises.pipeline(
      Readable.from(['x']),
      async function* (source) {
        for await (const chunk of source) yield `<${chunk}>`;
      },
      async (source) => {
        let text = '';
        for await (const chunk of source) text += chunk;
        return text;
      },
    ),
  );
  const broken = new PassThrough();
  const last = sink();
  last.on('error', (error) => print('last', error.message)).on('close', () => print('last closed'));
  const broke = promises.pipeline(broken, new PassThrough(), last);
  broken.destroy(new Error('broken'));
  await later('broken', broke);
  const early = new PassThrough();
  const earlier = promises.pipeline(early, sink());
  early.destroy();
  await later('premature', earlier);
  const control = new AbortController();
  const aborted = promises.pipeline(new PassThrough(), sink(), { signal: control.signal });
  control.abort();
  await later('aborted', aborted);
  const ended = new PassThrough();
  finished(ended, (error) => print('finished', error ? described(error) : 'no error'));
  ended.end();
  ended.resume();
  await new Promise((done) => ended.on('close', done));
  await later('finished of a destroyed', () => {
    const s = new PassThrough();
    s.destroy();
    return promises.finished(s);
  });
  await later('finished of an error', () => {
    const s = new PassThrough();
    s.destroy(new Error('mine'));
    return promises.finished(s);
  });
  await later('no end', promises.pipeline(Readable.from(['1']), to.destroyed ? new PassThrough().resume() : to, { end: false }));
  const signal = new AbortController();
  const watched = addAbortSignal(signal.signal, new PassThrough());
  watched.on('error', (error) => print('watched', error.name));
  signal.abort();
  await new Promise(setImmediate);
  await later(
    'compose',
    compose(Readable.from(['a', 'b']), async function* (source) {
      for await (const c of source) yield c.toUpperCase();
    }).toArray(),
  );
  const source = Readable.from(['1', '2', '3']);
  const one = sink(),
    two = sink();
  source.pipe(one);
  source.pipe(two);
  source.on('data', () => {});
  await promises.finished(two);
  print(one.all, two.all);
  const unpiped = new PassThrough();
  const target = new PassThrough();
  target.on('unpipe', (from) => print('unpipe', from === unpiped)).on('pipe', (from) => print('pipe', from === unpiped));
  unpiped.pipe(target);
  unpiped.unpipe(target);
  attempt('one stream', () => pipeline(new PassThrough(), () => {}));
  attempt('no callback', () => pipeline(new PassThrough(), new PassThrough()));
  attempt('finished of nothing', () => finished({}, () => {}));
  print(
    stream.isErrored(watched),
    stream.isReadable(new PassThrough()),
    stream.isDisturbed(source),
    stream.isDestroyed?.(watched),
    stream.getDefaultHighWaterMark(false),
    stream.getDefaultHighWaterMark(true),
  );
  attempt('default', () => stream.setDefaultHighWaterMark(false, -1));
  const { text, json, buffer, arrayBuffer, blob } = require('stream/consumers');
  await later('text', text(Readable.from(['a', 'b'])));
  await later('json', json(Readable.from(['{"a":1}'])));
  await later('json fails', json(Readable.from(['{'])));
  await later('buffer', buffer(Readable.from([Buffer.from('x')])));
  await later('arrayBuffer', arrayBuffer(Readable.from([Buffer.from('x')])).then((bytes) => bytes.byteLength));
  await later(
    'blob',
    blob(Readable.from([Buffer.from('x')])).then((b) => b.size),
  );
})();
