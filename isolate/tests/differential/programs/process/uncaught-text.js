//: stderr
//: fails
setImmediate(() => {
  throw 'text';
});
