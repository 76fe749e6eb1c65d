const { parseArgs } = require('util');
const { attempt, print } = require('observe');
const options = {
  verbose: { type: 'boolean', short: 'v' },
  out: { type: 'string', short: 'o', default: 'x' },
  many: { type: 'string', multiple: true },
};
const parse = (args, more) =>
  attempt(args.join(' '), () => {
    const { values, positionals, tokens } = parseArgs({ args, options, ...more });
    return tokens ? tokens : [{ ...values }, positionals];
  });
parse([]);
parse(['-v', '-o', 'file']);
parse(['--out=a=b', '--many', '1', '--many=2'], {});
parse(['-vofile']);
parse(['--no-verbose'], { allowNegative: true });
parse(['a', '--', '-v'], { allowPositionals: true });
parse(['a']);
parse(['--nothing']);
parse(['--nothing', 'x'], { strict: false });
parse(['-o']);
parse(['--verbose=1']);
parse(['--out', '-v']);
parse(['-v', 'x', '--'], { allowPositionals: true, tokens: true });
attempt('type', () => parseArgs({ options: { a: { type: 'number' } } }));
attempt('short', () => parseArgs({ options: { a: { type: 'string', short: 'ab' } } }));
attempt('default', () => parseArgs({ options: { a: { type: 'string', default: 5 } } }));
attempt('args', () => parseArgs({ args: 'x' }));
print({ ...parseArgs({ options: { a: { type: 'boolean' } }, args: ['--a'] }).values });
