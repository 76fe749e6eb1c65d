const { attempt, print } = require('observe');
process.setUncaughtExceptionCaptureCallback((error) => print('captured', error.message));
attempt('twice', () => process.setUncaughtExceptionCaptureCallback(() => {}));
attempt('nothing', () => process.setUncaughtExceptionCaptureCallback(5));
print(process.hasUncaughtExceptionCaptureCallback());
setTimeout(() => {
  throw new Error('one');
}, 1);
setTimeout(() => print('on'), 10);
