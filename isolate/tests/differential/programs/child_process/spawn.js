const { spawn } = require('child_process');
const { described, events, print } = require('observe');
const node = process.execPath;
const ended = (label, child) =>
  new Promise((done) => {
    const order = [],
      out = [],
      err = [];
    child.stdout?.on('data', (data) => out.push(data)).on('end', () => order.push('end'));
    child.stderr?.on('data', (data) => err.push(data));
    for (const name of ['spawn', 'exit', 'close', 'error'])
      child.on(name, (...values) => order.push([name, ...values.map((value) => (value instanceof Error ? described(value) : value))]));
    child.on('close', () => {
      print(
        label,
        order.filter((event) => event !== 'end'),
        Buffer.concat(out).toString(),
        Buffer.concat(err).toString(),
      );
      done();
    });
  });
(async () => {
  const child = spawn(node, ['-e', 'console.log("out"); console.error("err"); process.exit(3)']);
  print(
    typeof child.pid,
    child.spawnfile === node,
    child.spawnargs.slice(1, 2),
    child.connected,
    child.exitCode,
    child.killed,
    child.stdio.length,
    child.constructor.name,
  );
  await ended('plain', child);
  print(child.exitCode, child.signalCode);
  const reader = spawn(node, [
    '-e',
    'process.stdin.on("data", (d) => process.stdout.write(String(d).toUpperCase())).on("end", () => console.log("end"))',
  ]);
  reader.stdin.write('one ');
  reader.stdin.end('two ');
  await ended('stdin', reader);
  const missing = spawn('no-such-command', ['a']);
  print(missing.pid);
  await new Promise((done) =>
    missing.on('error', (error) => {
      print(described(error), error.spawnargs);
      done();
    }),
  );
  await ended('cwd', spawn(node, ['-p', 'process.cwd()'], { cwd: '/tmp' }));
  const nowhere = spawn(node, [], { cwd: '/nowhere' });
  nowhere.on('error', (error) => print('nowhere', error.code, error.syscall.split(' ')[0]));
  await new Promise((done) =>
    nowhere.on('close', (...values) => {
      print('close', values);
      done();
    }),
  );
  await ended('env', spawn(node, ['-p', 'JSON.stringify(process.env)'], { env: { A: '1', B: undefined } }));
  await ended('argv0', spawn(node, ['-p', 'process.argv0'], { argv0: 'other' }));
  const killed = spawn(node, ['-e', 'setInterval(() => {}, 1000); console.log("ready")']);
  killed.stdout.once('data', () => print('kill', killed.kill(), killed.killed));
  await ended('killed', killed);
  print(killed.signalCode, killed.kill());
  const named = spawn(node, [
    '-e',
    'process.on("SIGUSR2", () => { console.log("usr2"); process.exit(5); }); setInterval(() => {}, 1000); console.log("ready")',
  ]);
  named.stdout.once('data', () => named.kill('SIGUSR2'));
  await ended('signal', named);
  const stuck = spawn(node, ['-e', 'setInterval(() => {}, 1000)'], { timeout: 300, killSignal: 'SIGKILL' });
  await ended('timeout', stuck);
  const control = new AbortController();
  const aborted = spawn(node, ['-e', 'setInterval(() => {}, 1000)'], { signal: control.signal });
  setTimeout(() => control.abort(), 50);
  await ended('aborted', aborted);
  await ended('inherit', spawn(node, ['-e', 'console.log("of the child")'], { stdio: 'inherit' }));
  const ignored = spawn(node, ['-e', 'console.log("unseen")'], { stdio: 'ignore' });
  print(ignored.stdout, ignored.stdin);
  await ended('ignored', ignored);
  const more = spawn(node, ['-e', 'require("fs").writeSync(3, "third"); require("fs").closeSync(3)'], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  more.stdio[3].on('data', (data) => print('third', String(data)));
  await ended('more', more);
  const fs = require('fs'),
    file = fs.openSync('out', 'w');
  await ended('file', spawn(node, ['-e', 'console.log("to a file")'], { stdio: ['ignore', file, 'pipe'] }));
  print(fs.readFileSync('out', 'utf8'));
})();
