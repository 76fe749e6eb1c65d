//: stderr
process.emitWarning('plain');
process.emitWarning('typed', 'Mine', 'M1');
process.emitWarning('detailed', { type: 'T', code: 'C', detail: 'more\nlines' });
process.emitWarning('deprecated', 'DeprecationWarning', 'DEP_X');
process.emitWarning('deprecated', 'DeprecationWarning', 'DEP_X');
console.log('done');
