//: stderr
const { EventEmitter } = require('events');
const emitter = new EventEmitter();
for (let i = 0; i < 11; i++) emitter.on('a', () => {});
process.on('warning', (warning) => console.log(warning.name, warning.count, warning.type, warning.emitter === emitter, warning.message));
