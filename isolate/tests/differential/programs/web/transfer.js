const { attempt, print } = require('observe');
const bytes = new Uint8Array([1, 2, 3]);
const moved = structuredClone({ bytes, more: 1 }, { transfer: [bytes.buffer] });
print(bytes.length, bytes.buffer.detached, [...moved.bytes], moved.more);
const view = new DataView(new ArrayBuffer(4));
view.setInt16(1, 300);
print(structuredClone(view, { transfer: [view.buffer] }).getInt16(1), view.buffer.byteLength);
const both = [new ArrayBuffer(1), new ArrayBuffer(2)];
print(
  structuredClone(both, { transfer: both }).map((buffer) => buffer.byteLength),
  both.map((buffer) => buffer.byteLength),
);
const kept = new ArrayBuffer(5);
print(structuredClone(kept).byteLength, kept.byteLength);
attempt('detached', () => structuredClone(bytes.buffer, { transfer: [bytes.buffer] }) && 'moved');
const shared = new SharedArrayBuffer(4);
const again = structuredClone(shared);
new Uint8Array(again)[0] = 7;
print(new Uint8Array(shared)[0], again === shared);
const { port1, port2 } = new MessageChannel();
const sent = new Uint8Array([4, 5]);
port2.onmessage = ({ data }) => {
  print('message', [...data], sent.length);
  port1.close();
};
port1.postMessage(sent, [sent.buffer]);
