//: stderr
const { attempt, print } = require('observe');
process.env.NUMBER = 3000;
process.env.BOOLEAN = true;
process.env.EMPTY = '';
print(process.env.NUMBER, process.env.BOOLEAN, process.env.EMPTY === '', typeof process.env.NUMBER);
print(Object.getOwnPropertyDescriptor(process.env, 'NUMBER'));
attempt('delete', () => [delete process.env.NUMBER, process.env.NUMBER, 'NUMBER' in process.env]);
console.error('nothing before this');
