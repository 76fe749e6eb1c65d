const http2 = require('http2');
const { described, print } = require('observe');
const wait = (emitter, name) => new Promise((done) => emitter.once(name, done));
(async () => {
  const server = http2.createServer();
  server.on('stream', (stream, headers) => {
    print(headers[':method'], headers[':path'], headers['x-mine']);
    stream.on('error', (error) => print('server stream', error.code));
    if (headers[':path'] === '/reset') return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    stream.respond({ ':status': 200, 'content-type': 'text/plain' });
    stream.pipe(stream);
  });
  server.listen(0, '127.0.0.1');
  await wait(server, 'listening');
  const client = http2.connect(`http://127.0.0.1:${server.address().port}`);
  await wait(client, 'connect');
  print(client.encrypted, client.type, client.closed, client.alpnProtocol);
  const req = client.request({ ':path': '/a', ':method': 'POST', 'x-mine': '1' });
  req.end('echoed');
  const headers = await wait(req, 'response');
  print(headers[':status'], headers['content-type']);
  let all = '';
  for await (const data of req) all += data;
  print(all);
  const reset = client.request({ ':path': '/reset' });
  reset.on('error', (error) => print(described(error)));
  await wait(reset, 'close');
  print(reset.rstCode);
  print(await new Promise((done) => client.ping((error, ms, payload) => done([error, typeof ms, payload.length]))));
  client.close();
  await wait(client, 'close');
  server.close();
  await wait(server, 'close');
  print(
    http2.getDefaultSettings().headerTableSize,
    http2.getPackedSettings({ enablePush: false }).toString('hex'),
    http2.constants.HTTP2_HEADER_STATUS,
  );
})();
