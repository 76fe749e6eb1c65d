const { attempt, print } = require('observe');
process.on('SIGUSR1', (name, number) => print('got', name, number));
process.once('SIGTERM', (name) => {
  print('got', name);
  clearInterval(alive);
});
const alive = setInterval(() => {}, 1000);
print(process.kill(process.pid, 0), process.kill(process.pid, 'SIGUSR1'));
setTimeout(() => process.kill(process.pid, 'SIGTERM'), 20);
attempt('no such process', () => process.kill(99999999, 0));
attempt('no such signal', () => process.kill(process.pid, 'SIGNONE'));
attempt('number', () => process.kill(process.pid, 999));
attempt('text', () => process.kill('x'));
attempt('on SIGKILL', () => process.on('SIGKILL', () => {}));
print(process.listenerCount('SIGUSR1'), require('os').constants.signals.SIGTERM);
