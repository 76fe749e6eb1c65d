const os = require('os');
const { attempt, print } = require('observe');
print(
  os.EOL === '\n',
  os.platform(),
  os.type(),
  os.arch(),
  os.endianness(),
  os.devNull,
  os.tmpdir(),
  os.homedir() === process.env.HOME,
  os.machine(),
);
print(
  typeof os.hostname(),
  typeof os.release(),
  typeof os.version(),
  os.uptime() > 0,
  os.totalmem() > 0,
  os.freemem() > 0,
  os.loadavg().length,
  os.availableParallelism() >= 1,
);
print(
  os.cpus().length >= 1,
  Object.keys(os.cpus()[0]),
  Object.keys(os.cpus()[0].times),
  Object.keys(os.networkInterfaces()).includes('lo'),
  os.networkInterfaces().lo[0],
);
const me = os.userInfo();
print(Object.keys(me), me.uid === process.getuid(), typeof os.userInfo({ encoding: 'buffer' }).username);
print(
  os.constants.signals.SIGINT,
  os.constants.errno.ENOENT,
  { ...os.constants.priority },
);
print('constants', Object.keys(os.constants), Object.keys(os.constants.signals).length);
attempt('priority', () => os.getPriority());
attempt('of none', () => os.getPriority(99999999));
attempt('set', () => (os.setPriority(5), os.getPriority()));
attempt('range', () => os.setPriority(0, 99));
attempt('type', () => os.getPriority('x'));
attempt('read only', () => {
  'use strict';
  os.EOL = 'x';
  return os.EOL === '\n';
});
print(`${os.hostname}` === os.hostname(), `${os.tmpdir}`);
process.env.TMPDIR = '/other/';
print(os.tmpdir());
process.env.HOME = '/h';
print(os.homedir());
