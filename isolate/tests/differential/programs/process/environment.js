const fs = require('fs');
const { attempt, print } = require('observe');
print(Object.keys(process.env).sort(), process.env.LANG, process.env.missing, 'LANG' in process.env, 'missing' in process.env);
process.env.A = 5;
process.env.B = undefined;
process.env.C = null;
process.env.D = '';
print(
  [process.env.A, process.env.B, process.env.C, process.env.D],
  delete process.env.A,
  process.env.A,
  delete process.env.missing,
  Object.hasOwn(process.env, 'D'),
);
attempt('symbol', () => {
  process.env.S = Symbol('x');
});
attempt('symbol key', () => {
  process.env[Symbol('x')] = 1;
});
attempt('read symbol', () => process.env[Symbol('x')]);
attempt('define', () => Object.defineProperty(process.env, 'E', { value: 'v', configurable: true, writable: true, enumerable: true }).E);
attempt('define half', () => Object.defineProperty(process.env, 'F', { value: 'v' }));
attempt('getter', () =>
  Object.defineProperty(process.env, 'G', {
    get() {
      return 1;
    },
  }),
);
print(
  { ...process.env }.D,
  JSON.stringify(process.env).includes('"LANG"'),
  Object.getOwnPropertyDescriptor(process.env, 'LANG'),
  Object.entries(process.env).length > 3,
);
fs.writeFileSync('.env', 'ONE=1\nLANG=other\nTWO="a b"\n');
process.loadEnvFile();
print(process.env.ONE, process.env.TWO, process.env.LANG);
process.env.TZ = 'America/New_York';
print('zone', new Date(0).getHours());
process.env.TZ = 'UTC';
print(new Date(0).getHours());
