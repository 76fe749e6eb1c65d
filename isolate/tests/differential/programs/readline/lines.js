//: input "one\ntwo\r\nthree\n\nlast"
const readline = require('readline');
const { print } = require('observe');
const rl = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
print(rl.terminal, rl.line, rl.cursor, rl.closed);
rl.on('line', (line) => print('line', JSON.stringify(line)))
  .on('close', () => print('close', rl.closed))
  .on('pause', () => print('pause'))
  .on('resume', () => print('resume'));
