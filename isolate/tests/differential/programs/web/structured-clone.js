const { attempt, print } = require('observe');
const source = {
  date: new Date(5),
  map: new Map([['a', { b: 1 }]]),
  set: new Set([1]),
  re: /x/gi,
  bytes: new Uint8Array([1, 2]),
  buffer: new ArrayBuffer(2),
  big: 5n,
  error: new RangeError('mine'),
  nested: [undefined, null, NaN, -0],
  boxed: new Number(1),
};
source.self = source;
const copy = structuredClone(source);
copy.error.stack = '';
copy.buffer = copy.buffer.byteLength;
print(copy, copy.self === copy, copy.map !== source.map, copy.error instanceof RangeError);
const buffer = new ArrayBuffer(8);
const moved = structuredClone(buffer, { transfer: [buffer] });
print(buffer.byteLength, buffer.detached, moved.byteLength);
class Mine {
  constructor() {
    this.x = 1;
  }
  get y() {
    return 2;
  }
}
print(structuredClone(new Mine()), structuredClone(Object.create({ inherited: 1 })), structuredClone(Object.assign([1], { extra: 1 })));
attempt('function', () => structuredClone(() => {}));
attempt('symbol', () => structuredClone(Symbol('x')));
attempt('nested function', () => structuredClone({ a: { f() {} } }));
attempt('promise', () => structuredClone(Promise.resolve()));
attempt('nothing', () => structuredClone());
attempt('weak', () => structuredClone(new WeakMap()));
attempt('transfer', () => structuredClone(1, { transfer: [{}] }));
attempt('twice', () => structuredClone(buffer, { transfer: [buffer] }));
attempt('blob', () => structuredClone(new Blob(['x'])).size);
attempt('url', () => structuredClone(new URL('http://a')));
print(structuredClone(new DOMException('m', 'AbortError')).name);
const { port1, port2 } = new MessageChannel();
port2.onmessage = (event) => {
  print('message', event.data, event.ports.length, event.constructor.name);
  port2.close();
};
port1.on?.('close', () => setTimeout(() => print('closed'), 300));
port1.postMessage({ a: new Map([[1, 2]]) });
attempt('post', () => port1.postMessage(() => {}));
const channel = new BroadcastChannel('c'),
  other = new BroadcastChannel('c');
other.onmessage = (event) => {
  print('broadcast', event.data);
  channel.close();
  other.close();
};
setTimeout(() => channel.postMessage('to all'), 20);
