const fs = require('fs');
const { print } = require('observe');
fs.writeFileSync('a', '1');
fs.watchFile('a', { interval: 20 }, (now, before) => {
  print(now.size, before.size);
  fs.unwatchFile('a');
});
setTimeout(() => fs.writeFileSync('a', '22'), 60);
