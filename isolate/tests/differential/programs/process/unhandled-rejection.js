//: stderr
//: fails
process.on('exit', (code) => console.log('exit', code));
Promise.reject(new Error('nobody waits'));
setTimeout(() => console.log('never'), 50);
