//: stderr
//: fails
const { PassThrough } = require('stream');
const stream = new PassThrough();
process.on('exit', (code) => console.log('exit', code));
stream.destroy(new Error('nobody listens'));
