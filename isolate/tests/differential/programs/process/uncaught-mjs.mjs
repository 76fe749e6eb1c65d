//: stderr
//: fails
await null;
throw new Error('of a module');
