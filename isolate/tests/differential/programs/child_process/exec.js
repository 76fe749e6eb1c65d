const cp = require('child_process');
const fs = require('fs');
const { promisify } = require('util');
const { described, later, print } = require('observe');
// A shell that every machine has: it runs what it is given as JavaScript.
fs.writeFileSync('shell', `#!${process.execPath}\nif (process.argv[2] !== '-c') process.exit(99);\n(0, eval)(process.argv[3]);\n`, {
  mode: 0o755,
});
const shell = `${process.cwd()}/shell`;
const exec = (command, options) =>
  new Promise((done) =>
    cp.exec(command, { shell, ...options }, (error, out, err) => {
      print(command, error && [described(error), error.code, error.killed, error.signal, error.cmd], [out, err]);
      done();
    }),
  );
(async () => {
  await exec('console.log("out"); console.error("err")');
  await exec('process.exit(3)');
  await exec('process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000)');
  await exec('console.log("x".repeat(100))', { maxBuffer: 10 });
  await exec('setInterval(() => {}, 1000)', { timeout: 300 });
  await exec('console.log("bytes")', { encoding: 'buffer' });
  await exec('console.log("6869")', { encoding: 'hex' });
  await later('promisified', promisify(cp.exec)('console.log("p"); console.error("q")', { shell }));
  try {
    await promisify(cp.exec)('console.log("before"); process.exit(2)', { shell });
  } catch (error) {
    print(described(error), error.stdout, error.stderr, error.code);
  }
  await new Promise((done) =>
    cp.execFile(process.execPath, ['-p', '1+1'], (error, out, err) => {
      print('execFile', error, [out, err]);
      done();
    }),
  );
  await new Promise((done) =>
    cp.execFile('no-such-file', (error, out, err) => {
      print('missing', described(error), error.spawnargs, error.cmd, [out, err]);
      done();
    }),
  );
  await new Promise((done) =>
    cp.execFile(process.execPath, ['-e', 'process.exit(7)'], (error) => {
      print('fails', error.code, error.killed, error.message.endsWith('-e process.exit(7)\n'));
      done();
    }),
  );
  const aborted = new AbortController();
  setTimeout(() => aborted.abort(), 50);
  await new Promise((done) =>
    cp.exec('setInterval(() => {}, 1000)', { shell, signal: aborted.signal }, (error) => {
      print(described(error));
      done();
    }),
  );
  const child = cp.spawn('console.log("spawned by", process.argv.length)', { shell });
  child.stdout.on('data', (data) => print(String(data), child.spawnargs.slice(1)));
  await new Promise((done) => child.on('close', done));
  const args = cp.spawn('console.log', ['("a b")'], { shell, stdio: ['ignore', 'inherit', 'inherit'] });
  await new Promise((done) => args.on('close', done));
  print(String(cp.execSync('console.log("sync")', { shell })));
  try {
    cp.execSync('console.log("o"); console.error("e"); process.exit(4)', { shell, stdio: 'pipe' });
  } catch (error) {
    print(error.message, error.status, error.signal, String(error.stdout), String(error.stderr), error.pid > 0, error.output.length);
  }
})();
