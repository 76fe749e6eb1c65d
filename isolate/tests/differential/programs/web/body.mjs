import { later, print, attempt } from 'observe';
const headers = new Headers({ B: '2', a: ' 1 ' });
headers.append('a', '3');
print([...headers], headers.get('A'));
print('inspected', headers);
headers.append('set-cookie', 'x');
headers.append('set-cookie', 'y');
print([...headers.keys()], headers.getSetCookie());
headers.delete('b');
headers.set('c', 'd');
headers.forEach((value, key) => print(key, value));
attempt('name', () => headers.set('a b', 'x'));
attempt('value', () => {
  try {
    headers.set('a', 'x\n\0y');
  } catch (error) {
    return error.name;
  }
});
attempt('list', () => new Headers([['a']]));
attempt('get', () => headers.get());
attempt('non latin', () => headers.set('a', '\u4f60'));
const request = new Request('http://a/b?c', { method: 'post', body: 'text', headers: { x: 'y' } });
print(
  request.method,
  request.url,
  request.headers.get('content-type'),
  request.headers.get('x'),
  request.redirect,
  request.credentials,
  request.mode,
  request.cache,
  request.signal.aborted,
  await request.clone().text(),
  request.bodyUsed,
);
const again = new Request(request, { method: 'PUT' });
print(again.method, request.bodyUsed, await again.json().catch((error) => [error.name, error.message]));
attempt('url', () => new Request('/relative'));
attempt('body', () => new Request('http://a', { method: 'GET', body: 'x' }));
attempt('method', () => new Request('http://a', { method: 'CONNECT' }));
attempt('mode', () => new Request('http://a', { mode: 'navigate' }));
const response = new Response('{"a":1}', { status: 201, statusText: 'Mine', headers: { 'content-type': 'application/json' } });
print(response.status, response.ok, response.statusText, response.type, response.url, await response.json(), response.bodyUsed);
await later('again', response.text());
print(
  Response.json({ a: 1 }).headers.get('content-type'),
  Response.error().type,
  Response.redirect('http://a/b', 301).headers.get('location'),
  new Response().body,
  (await new Response(new Blob(['x'], { type: 'a/b' })).blob()).type,
  (await new Response('bytes').bytes()).length,
  (await new Response('buffer').arrayBuffer()).byteLength,
);
attempt('status', () => new Response('', { status: 99 }));
attempt('null body', () => new Response('x', { status: 204 }));
attempt('redirect', () => Response.redirect('http://a', 200));
attempt('json', () => Response.json(undefined));
await later('bad json', new Response('{').json());
const form = new FormData();
form.append('a', '1');
form.append('a', '2');
form.set('f', new Blob(['x']), 'name.txt');
print(form.getAll('a'), form.get('f').name, form.has('b'), [...form.keys()]);
await later('form', async () => {
  const back = await new Response(form).formData();
  return [back.getAll('a'), back.get('f').name, await back.get('f').text()];
});
await later('urlencoded', async () => [...(await new Response(new URLSearchParams('a=1&b=c d')).formData())]);
await later('no form', new Response('x').formData());
attempt('append', () => form.append('a'));
attempt('not a blob', () => form.append('a', 'x', 'name'));
print('duplex', request.duplex);
print(Object.prototype.toString.call(request), [...response.headers]);
