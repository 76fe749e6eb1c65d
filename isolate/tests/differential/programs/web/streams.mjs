import { later, print, attempt } from 'observe';
const from = (values) =>
  new ReadableStream({
    start(c) {
      values.forEach((value) => c.enqueue(value));
      c.close();
    },
  });
const all = async (stream) => {
  const list = [];
  for await (const value of stream) list.push(value);
  return list;
};
await later('iterate', all(from([1, 2])));
const log = [];
const pulled = new ReadableStream(
  {
    pull(c) {
      log.push('pull');
      c.enqueue(log.length);
      if (log.length === 3) c.close();
    },
    cancel(reason) {
      print('cancel', reason);
    },
  },
  { highWaterMark: 0 },
);
await later('pull', all(pulled));
print(log);
const reader = from(['x']).getReader();
print('read', await reader.read());
print(await reader.read(), (await reader.closed) === undefined);
reader.releaseLock();
await later('released', reader.read());
const locked = from([1]);
locked.getReader();
attempt('locked', () => locked.getReader());
await later('cancel locked', locked.cancel());
const [a, b] = from([1, 2]).tee();
await later('tee', Promise.all([all(a), all(b)]));
const upper = new TransformStream({
  transform(chunk, c) {
    c.enqueue(chunk.toUpperCase());
  },
  flush(c) {
    c.enqueue('!');
  },
});
await later('transform', all(from(['a', 'b']).pipeThrough(upper)));
const written = [];
const sink = () =>
  new WritableStream({
    write(chunk) {
      written.push(chunk);
    },
    close() {
      written.push('close');
    },
    abort(reason) {
      written.push(`abort ${reason}`);
    },
  });
await later('pipeTo', from([1, 2]).pipeTo(sink()));
print(written);
await later(
  'pipe error',
  new ReadableStream({
    start(c) {
      c.error(new Error('mine'));
    },
  }).pipeTo(sink()),
);
print(written.at(-1));
const writer = sink().getWriter();
print(writer.desiredSize, await writer.ready, await writer.write('w'));
await later('abort', writer.abort('why'));
await later('after', writer.write('x'));
await later(
  'errored',
  all(
    new ReadableStream({
      pull() {
        throw new TypeError('pull fails');
      },
    }),
  ),
);
const bytes = new ReadableStream({
  type: 'bytes',
  pull(c) {
    const view = c.byobRequest?.view;
    if (view) {
      view[0] = 7;
      c.byobRequest.respond(1);
    } else c.enqueue(new Uint8Array([1]));
  },
});
const byob = bytes.getReader({ mode: 'byob' });
print(await byob.read(new Uint8Array(4)));
await later('from', all(ReadableStream.from(['f', 'g'])));
await later('text', all(from([new Uint8Array([0xe2, 0x82]), new Uint8Array([0xac])]).pipeThrough(new TextDecoderStream())));
await later('encode', all(from(['\u20ac']).pipeThrough(new TextEncoderStream())));
await later('compress', async () =>
  (
    await all(
      from([Buffer.from('text')])
        .pipeThrough(new CompressionStream('gzip'))
        .pipeThrough(new DecompressionStream('gzip')),
    )
  ).map(String),
);
attempt('format', () => new CompressionStream('none'));
await later('bad data', all(from([Buffer.from('garbage')]).pipeThrough(new DecompressionStream('gzip'))));
attempt('enqueue closed', () => {
  let kept;
  new ReadableStream({
    start(c) {
      kept = c;
    },
  });
  kept.close();
  kept.enqueue(1);
});
attempt('source', () => new ReadableStream({ type: 'nonsense' }));
attempt('strategy', () => new ReadableStream({}, { highWaterMark: -1 }));
print(
  new CountQueuingStrategy({ highWaterMark: 3 }).size(),
  new ByteLengthQueuingStrategy({ highWaterMark: 3 }).size(new Uint8Array(5)),
  from([1]),
  sink(),
  new TransformStream().readable.locked,
);
