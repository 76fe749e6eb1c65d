const { print } = require('observe');
process.on('uncaughtException', (error, origin) => print('uncaughtException', error.message ?? error, origin));
process.on('uncaughtExceptionMonitor', (error, origin) => print('monitor', error.message ?? error, origin));
process.on('unhandledRejection', (reason, promise) => print('unhandledRejection', reason.message ?? reason, promise instanceof Promise));
process.on('rejectionHandled', (promise) => print('rejectionHandled', promise instanceof Promise));
process.on('warning', (warning) => print('warning', warning.name, warning.message, warning.code, warning.detail));
const rejected = Promise.reject(new Error('late'));
setTimeout(() => rejected.catch((error) => print('handled', error.message)), 5);
process.emitWarning('plain');
process.emitWarning('typed', 'Mine', 'M1');
process.emitWarning('detailed', { type: 'T', code: 'C', detail: 'more' });
process.emitWarning(new Error('own'));
setTimeout(() => {
  throw new Error('thrown');
}, 100);
setTimeout(() => {
  throw 5;
}, 150);
setTimeout(() => {
  process.removeAllListeners('unhandledRejection');
  Promise.reject(new Error('to uncaught'));
}, 200);
process.on('exit', (code) => print('exit', code));
