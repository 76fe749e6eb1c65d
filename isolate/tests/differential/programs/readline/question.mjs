//: input "first\nsecond\nthird\n"
import * as readline from 'node:readline/promises';
import { later, print } from 'observe';
const rl = readline.createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
print(await rl.question('one? '));
rl.on('line', (line) => print('line', line));
rl.prompt();
const control = new AbortController();
control.abort();
await later('aborted', rl.question('never? ', { signal: control.signal }));
rl.write('typed\n');
setTimeout(async () => {
  rl.close();
  await later('closed', rl.question('closed? '));
}, 50);
