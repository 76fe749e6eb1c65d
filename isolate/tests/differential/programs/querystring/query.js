const q = require('querystring');
const { attempt, print } = require('observe');
for (const text of ['a=1&b=2', 'a=1&a=2', 'a', '=1', '', 'a=%20+b', 'a=%zz', '&&a=1', 'a=b=c', '__proto__=1', '%E4%BD%A0=x'])
  print(text, q.parse(text));
print(
  q.parse('a:1;b:2', ';', ':'),
  q.parse('a=1&b=2&c=3', null, null, { maxKeys: 2 }),
  q.parse('a=%41', null, null, { decodeURIComponent: (text) => `<${text}>` }),
  q.parse(5),
);
print(
  q.stringify({ a: 1, b: [2, 3], c: '', d: null, e: undefined, f: true, g: {}, h: 10n, i: NaN }),
  q.stringify({ a: 'b c&d' }, ';', ':'),
  q.stringify('x'),
  q.stringify({ a: '\u4f60' }, '&', '=', { encodeURIComponent: () => 'E' }),
);
print(
  q.escape('a b&\u00e9'),
  q.unescape('a%20b%zz'),
  q.encode === q.stringify,
  q.decode === q.parse,
  Object.getPrototypeOf(q.parse('a=1')),
);
attempt('lone surrogate', () => q.stringify({ a: '\ud800' }));
attempt('escape', () =>
  q.escape({
    toString() {
      throw new Error('mine');
    },
  }),
);
