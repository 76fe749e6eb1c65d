//: input "a\nb\nc"
import { createInterface } from 'node:readline';
import { print } from 'observe';
const rl = createInterface({ input: process.stdin });
for await (const line of rl) print(line);
print('done');
