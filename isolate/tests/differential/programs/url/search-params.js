const { attempt, print } = require('observe');
const p = new URLSearchParams('?a=1&b=2&a=3&c');
print([...p], p.get('a'), p.getAll('a'), p.get('none'), p.has('c'), p.has('a', '3'), p.size);
p.append('d', 'x y&');
p.set('a', '9');
p.delete('b');
p.sort();
print(String(p), [...p.keys()], [...p.values()]);
p.delete('a', 'nothing');
p.forEach((value, key, all) => print(key, value, all === p));
print(
  String(new URLSearchParams({ a: 1, b: '\u00e9' })),
  String(
    new URLSearchParams([
      ['a', 'b'],
      ['c', 'd'],
    ]),
  ),
  String(new URLSearchParams(new Map([['x', 'y']]))),
  String(new URLSearchParams('a=%zz&b=+')),
  String(new URLSearchParams()),
);
const u = new URL('http://a/?x=1');
u.searchParams.append('y', '2');
print(u.href);
u.search = '?z';
print([...u.searchParams], u.searchParams);
print(p.entries(), p.keys());
attempt('pairs', () => new URLSearchParams([['a']]));
attempt('not iterable', () => new URLSearchParams([5]));
attempt('get', () => p.get());
attempt('append', () => p.append('a'));
attempt('this', () => URLSearchParams.prototype.get.call({}, 'a'));
attempt('forEach', () => p.forEach(5));
attempt('symbol', () => new URLSearchParams({ a: Symbol('x') }));
