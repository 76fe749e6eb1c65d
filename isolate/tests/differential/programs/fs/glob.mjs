import fs from 'node:fs';
import { attempt, later } from 'observe';
fs.mkdirSync('d/e', { recursive: true });
for (const name of ['a.js', 'b.ts', 'd/c.js', 'd/e/f.js']) fs.writeFileSync(name, '');
attempt('top', () => fs.globSync('*.js').sort());
attempt('deep', () => fs.globSync('d/**/*.js').sort());
attempt('alternatives', () => fs.globSync('*.{js,ts}').sort());
attempt('excluded', () => fs.globSync('d/**', { exclude: (name) => name.endsWith('f.js') }).sort());
attempt('cwd', () => fs.globSync('*.js', { cwd: 'd' }));
attempt('none', () => fs.globSync('*.none'));
attempt('not a pattern', () => fs.globSync(5));
await later('promised', async () => {
  const all = [];
  for await (const name of fs.promises.glob('d/*')) all.push(name);
  return all.sort();
});
