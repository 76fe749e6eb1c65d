//: fails
const { print } = require('observe');
let again = 0;
process.on('beforeExit', (code) => {
  print('beforeExit', code);
  if (again++ < 2) setTimeout(() => print('more'), 1);
  else process.exitCode = 9;
});
process.on('exit', (code) => {
  print('exit', code, process.exitCode);
  process.exitCode = 12;
  setTimeout(() => print('never'), 0);
  Promise.resolve().then(() => print('a promise'));
});
process.on('exit', (code) => print('second', code, process.exitCode));
