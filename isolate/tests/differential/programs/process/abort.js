//: fails
process.on('exit', () => console.log('never'));
require('fs').writeSync(1, 'before\n');
process.abort();
