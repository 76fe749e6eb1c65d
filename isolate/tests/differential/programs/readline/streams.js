const readline = require('readline');
const { PassThrough, Writable } = require('stream');
const { attempt, print } = require('observe');
(async () => {
  const input = new PassThrough();
  const rl = readline.createInterface({ input, terminal: false, historySize: 3 });
  const lines = [];
  rl.on('line', (line) => lines.push(line));
  for (const part of ['par', 'tial\nnext\r', '\nlone\rreturn\u2028sep', '\n', '\u20ac'.slice(0), '\nend']) input.write(part);
  await new Promise((done) => setTimeout(done, 150));
  print(lines.map((line) => JSON.stringify(line)));
  input.end();
  await new Promise((done) => rl.once('close', done));
  print(lines.length, lines.at(-1));
  let out = '';
  const screen = new Writable({
    write(c, e, next) {
      out += c;
      next();
    },
  });
  print(
    readline.cursorTo(screen, 3, 4),
    readline.moveCursor(screen, -1, 2),
    readline.clearLine(screen, 0),
    readline.clearLine(screen, -1),
    readline.clearScreenDown(screen),
    JSON.stringify(out),
  );
  attempt('cursorTo', () => readline.cursorTo(screen, 'x'));
  attempt('cursorTo NaN', () => readline.cursorTo(screen, NaN));
  attempt('input', () => readline.createInterface());
  attempt('completer', () => readline.createInterface({ input, completer: 5 }));
  attempt('history', () => readline.createInterface({ input, historySize: -1 }));
  attempt('closed', () => rl.question('x', () => {}));
  attempt('prompt', () => {
    rl.setPrompt('p ');
    return rl.getPrompt();
  });
  const terminal = new PassThrough();
  out = '';
  screen.columns = 20;
  const tty = readline.createInterface({
    input: terminal,
    output: screen,
    terminal: true,
    prompt: '$ ',
    completer: (line) => [['alpha', 'alps'].filter((word) => word.startsWith(line)), line],
  });
  const typed = [];
  tty.on('line', (line) => typed.push(line)).on('SIGINT', () => typed.push('SIGINT'));
  tty.prompt();
  terminal.write('abc\x1b[D\x1b[DX\r');
  terminal.write('alp\t');
  terminal.write('\x15next\x01>\r\x1b[A\r\x03');
  await new Promise((done) => setTimeout(done, 50));
  print(typed, tty.history);
  print('drawn', JSON.stringify(out));
  tty.close();
  const keys = new PassThrough();
  readline.emitKeypressEvents(keys);
  keys.on('keypress', (text, key) => print(JSON.stringify(text), key.name, key.ctrl, key.meta, key.shift, JSON.stringify(key.sequence)));
  keys.write('aB\x03\x1b[A\x1b[1;5C\t\r\x7f\x1bx\u20ac');
  await new Promise((done) => setTimeout(done, 600));
})();
