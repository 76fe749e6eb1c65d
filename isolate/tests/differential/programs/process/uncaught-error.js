//: stderr
//: fails
process.on('exit', (code) => console.log('exit', code));
function thrower() {
  throw new RangeError('nobody catches');
}
thrower();
