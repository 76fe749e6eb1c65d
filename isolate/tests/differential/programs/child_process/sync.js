const cp = require('child_process');
const { attempt, described, print } = require('observe');
const node = 'node';
const run = (label, words, options) => {
  const { pid, error, ...rest } = cp.spawnSync(node, words, { encoding: 'utf8', ...options });
  print(label, pid > 0, error && described(error), rest);
};
run('plain', ['-e', 'console.log(1); console.error(2); process.exitCode = 4']);
run('input', ['-e', 'process.stdin.pipe(process.stdout)'], { input: 'given' });
run('killed', ['-e', 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)']);
run('timeout', ['-e', 'setInterval(() => {}, 1000)'], { timeout: 300 });
run('too much', ['-e', 'process.stdout.write("x".repeat(20))'], { maxBuffer: 10 });
run('ignore', ['-e', 'console.log(1)'], { stdio: 'ignore' });
run('inherit', ['-e', 'console.log("inherited")'], { stdio: ['pipe', 'inherit', 'inherit'] });
run('third', ['-e', 'require("fs").writeSync(3, "third"); console.log(1)'], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
run('third bytes', ['-e', 'require("fs").writeSync(4, "fourth")'], { stdio: ['pipe', 'ignore', 'pipe', 'ignore', 'pipe'], encoding: 'buffer' });
run('third too much', ['-e', 'require("fs").writeSync(3, "x".repeat(20))'], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], maxBuffer: 10 });
run('env', ['-p', 'process.env.A + process.env.HOME'], { env: { A: 'a' } });
run('missing cwd', ['-e', '0'], { cwd: '/nowhere' });
const missing = cp.spawnSync('no-such-command', ['a']);
print(described(missing.error), missing.error.spawnargs, missing.status, missing.pid, missing.output);
attempt('buffer', () => cp.spawnSync(node, ['-p', '1']).stdout);
attempt('execFileSync', () => cp.execFileSync(node, ['-p', '"text"'], { encoding: 'utf8' }));
attempt('execFileSync fails', () => {
  try {
    return cp.execFileSync(node, ['-e', 'console.error("why"); process.exit(3)'], { stdio: 'pipe' });
  } catch (error) {
    return [error.message.split('\n').slice(1), error.status, error.signal, String(error.stderr), Object.keys(error)];
  }
});
attempt('execFileSync missing', () => cp.execFileSync('no-such-command'));
