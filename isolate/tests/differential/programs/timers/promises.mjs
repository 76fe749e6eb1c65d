import { scheduler, setImmediate, setInterval, setTimeout } from 'node:timers/promises';
import { later, print } from 'observe';
await later('timeout', setTimeout(1, 'value'));
await later('immediate', setImmediate('value'));
await later('aborted', setTimeout(1, 'x', { signal: AbortSignal.abort() }));
const control = new AbortController();
const waiting = setTimeout(1000, 'x', { signal: control.signal });
control.abort(new Error('why'));
await later('aborted later', waiting);
let count = 0;
for await (const value of setInterval(1, 'tick')) {
  print(value, ++count);
  if (count === 2) break;
}
await later('interval aborted', async () => {
  for await (const _ of setInterval(1, 1, { signal: AbortSignal.timeout(20) })) count++;
});
await later('scheduler', scheduler.wait(1));
await later('yield', scheduler.yield());
await later('signal', setTimeout(1, 1, { signal: 5 }));
await later('options', setTimeout(1, 1, 5));
await later('ref', setTimeout(1, 1, { ref: 'x' }));
await later('delay', setTimeout('x'));
