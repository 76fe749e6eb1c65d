const fs = require('fs');
const { attempt, print } = require('observe');
attempt('missing', () => fs.watch('missing'));
fs.mkdirSync('d');
const seen = new Set();
const watcher = fs.watch('d', (event, name) => {
  seen.add(name);
  if (seen.size === 2) watcher.close();
});
watcher.on('close', () => print([...seen].sort()));
setTimeout(() => fs.writeFileSync('d/a', ''), 50);
setTimeout(() => fs.mkdirSync('d/b'), 100);
setTimeout(() => watcher.close(), 3000).unref();
