const url = require('url');
const { attempt, print } = require('observe');
for (const text of [
  'http://user:pass@host.com:80/p/a?query=string#hash',
  '/path?x=1',
  'mailto:a@b.c',
  'HTTP://A.com',
  '',
  '//host/path',
  'x:y',
  'javascript:alert(1)',
  'http://a.com/\u00e9 b',
])
  print(text, { ...url.parse(text) });
print(url.parse('/a?b=c&b=d', true).query, url.parse('//h/p', false, true).host);
print(
  url.format({ protocol: 'http', host: 'a.com', pathname: '/x', query: { a: [1, 2] }, hash: 'h' }),
  url.format(new URL('http://u:p@a/b?c#d'), { auth: false, fragment: false, search: false }),
  url.format('http://a/b c'),
);
print(
  url.resolve('/one/two', 'three'),
  url.resolve('http://a/b', '//c/d'),
  url.resolve('http://a/b?c', '#d'),
  url.resolve('http://a.com/', '../x'),
);
print(url.domainToASCII('\u4f60\u597d.com'), url.domainToUnicode('xn--6qqa088eba.com'), url.domainToASCII('xn--i\u00f1valid'));
print(
  url.fileURLToPath('file:///a%20b/c'),
  url.pathToFileURL('/a b#?%').href,
  url.urlToHttpOptions(new URL('http://a:b@c:1/d?e')).auth,
  url.pathToFileURL('x/').href.endsWith('/x/'),
);
print({ ...url.urlToHttpOptions(new URL('https://me:pw@[::1]:8/p?q#h')) });
attempt('fileURLToPath', () => url.fileURLToPath('http://a'));
attempt('host', () => url.fileURLToPath('file://host/a'));
attempt('encoded', () => url.fileURLToPath('file:///a%2fb'));
attempt('fileURLToPath', () => url.fileURLToPath(5));
attempt('parse', () => url.parse(5));
attempt('bad host', () => url.parse('http://a b.com/'));
attempt('bad port', () => url.parse('http://a:99999999/').port);
attempt('format', () => url.format(5));
attempt('Url', () => Object.keys(new url.Url()));
