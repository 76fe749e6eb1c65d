//: fails
const { print } = require('observe');
process.on('exit', (code) => {
  print('exit', code);
  process.exit(4);
});
process.on('exit', () => print('never'));
setTimeout(() => print('never'), 1000);
process.nextTick(() => print('never'));
process.exit(3);
