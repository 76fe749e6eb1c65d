const { attempt, print } = require('observe');
const pattern = new URLPattern({ pathname: '/books/:id(\\d+)', search: '*' });
print(pattern.test('http://a/books/12?x'), pattern.test('http://a/books/x'), { ...pattern.exec('http://a/books/12?x').pathname.groups });
print(
  pattern.pathname,
  pattern.protocol,
  pattern.hasRegExpGroups,
  new URLPattern('/a/*', 'https://b.com').exec('https://b.com/a/x/y').pathname.groups[0],
);
print(pattern.exec('nonsense'));
const refused = (make) => {
  try {
    return make();
  } catch (error) {
    return [error.name, error.code];
  }
};
print('pattern', refused(() => new URLPattern({ pathname: '/(' })));
print('relative', refused(() => new URLPattern('/a')));
