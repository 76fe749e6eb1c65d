//: options --no-warnings
//: arguments one --two=3
const { attempt, print } = require('observe');
print(process.argv.slice(2), process.argv[1] === __filename, process.execArgv, process.argv0, process.title === '' || typeof process.title);
print(
  process.platform,
  process.arch,
  typeof process.pid,
  typeof process.ppid,
  process.cwd() === __dirname,
  process.exitCode,
  process.version[0],
);
print(
  typeof process.uptime(),
  typeof process.hrtime.bigint(),
  process.hrtime().length,
  process.hrtime([0, 0]).length,
  Object.keys(process.memoryUsage()),
  typeof process.memoryUsage.rss(),
  Object.keys(process.cpuUsage()),
  Object.keys(process.resourceUsage()).length,
);
print(
  Object.keys(process.release).slice(0, 1),
  process.release.name,
  process.config.variables !== undefined,
  process.features.inspector !== undefined,
  typeof process.constrainedMemory(),
  typeof process.availableMemory(),
);
print(
  process.getuid() === process.geteuid(),
  process.getgid() === process.getegid(),
  Array.isArray(process.getgroups()),
  process.umask().toString(8),
);
print(
  Object.prototype.toString.call(process),
  process[Symbol.toStringTag],
  process.constructor.name,
  process instanceof require('events'),
  require('process') === process,
);
attempt('hrtime', () => process.hrtime(5));
attempt('hrtime length', () => process.hrtime([1]));
attempt('chdir', () => {
  process.chdir('/tmp');
  return process.cwd();
});
attempt('chdir missing', () => process.chdir('/missing'));
attempt('chdir a file', () => process.chdir('/etc/passwd'));
attempt('chdir nothing', () => process.chdir());
attempt('umask', () => process.umask('x'));
attempt('umask octal', () => [process.umask('077'), process.umask(0o22)]);
attempt('cpuUsage', () => process.cpuUsage({ user: 'x' }));
attempt('setuid', () => process.setuid(0));
attempt('setuid name', () => process.setuid('nobodyatall'));
attempt('setgid', () => process.setgid(0));
attempt('seteuid me', () => process.seteuid(process.getuid()));
attempt('argv0', () => {
  process.argv0 = 'x';
  return process.argv0;
});
attempt('emitWarning', () => process.emitWarning(5));
attempt('exitCode', () => {
  process.exitCode = 'x';
});
attempt('exitCode text', () => {
  process.exitCode = '0';
  return process.exitCode;
});
attempt('exitCode fraction', () => {
  process.exitCode = 1.5;
});
attempt('title', () => {
  process.title = 'mine';
  return process.title;
});
attempt('binding', () => process.binding('nonsense'));
attempt('getActive', () => process.getActiveResourcesInfo());
attempt('allowed', () => [process.allowedNodeEnvironmentFlags.has('--no-warnings'), process.allowedNodeEnvironmentFlags.constructor.name]);
attempt('report', () => typeof process.report?.getReport);
attempt('getBuiltinModule', () => [process.getBuiltinModule('fs') === require('fs'), process.getBuiltinModule('none')]);
attempt('loadEnvFile', () => process.loadEnvFile('missing'));
attempt('setSourceMapsEnabled', () => process.setSourceMapsEnabled(false));
attempt('hasUncaught', () => process.hasUncaughtExceptionCaptureCallback());
