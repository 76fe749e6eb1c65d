const http = require('http');
const { described, print } = require('observe');
const body = (stream) =>
  new Promise((done, fail) => {
    let all = '';
    stream
      .setEncoding('utf8')
      .on('data', (data) => (all += data))
      .on('end', () => done(all))
      .on('error', fail);
  });
const without = ({ date, ...headers }) => headers;
(async () => {
  const server = http.createServer(async (req, res) => {
    const { host, ...headers } = req.headers;
    print(req.method, req.url, req.httpVersion, headers, req.rawHeaders.length, req.complete);
    if (req.url === '/echo') {
      res.setHeader('X-One', ['a', 'b']);
      res.writeHead(201, 'Mine', { 'Content-Type': 'text/plain' });
      return res.end(await body(req));
    }
    if (req.url === '/chunks') {
      res.write('one ');
      res.write(Buffer.from('two'));
      return setTimeout(() => res.end(' three'), 10);
    }
    if (req.url === '/trailers') {
      res.setHeader('Trailer', 'X-Sum');
      res.write('x');
      res.addTrailers({ 'X-Sum': '1' });
      return res.end();
    }
    if (req.url === '/length') {
      res.setHeader('Content-Length', 3);
      return res.end('abc');
    }
    if (req.url === '/none') {
      res.statusCode = 204;
      return res.end();
    }
    if (req.url === '/cookies') {
      res.setHeader('Set-Cookie', ['a=1', 'b=2']);
      res.appendHeader('X-More', '1');
      res.appendHeader('X-More', '2');
      print(res.getHeaderNames(), res.hasHeader('x-more'), res.getHeader('set-cookie'), res.headersSent);
      res.removeHeader('x-more');
      return res.end('cookies');
    }
    if (req.url === '/early') {
      res.writeEarlyHints({ link: '</a>; rel=preload' });
      res.writeProcessing?.();
      return res.end('early');
    }
    if (req.url === '/destroy') return req.socket.destroy();
    if (req.url === '/cut') {
      res.setHeader('Content-Length', 10);
      res.write('abc');
      return setTimeout(() => res.destroy(), 20);
    }
    res.end('plain');
  });
  server.listen(0, '127.0.0.1');
  await new Promise((done) => server.on('listening', done));
  const { port } = server.address();
  const ask = (options, data) =>
    new Promise((done) => {
      const req = http.request({ port, host: '127.0.0.1', agent: false, ...options }, async (res) => {
        const answer = [res.statusCode, res.statusMessage, res.httpVersion, without(res.headers)];
        try {
          const text = await body(res);
          print('answer', ...answer, text, res.trailers, res.complete);
        } catch (error) {
          print('broken', answer[0], described(error), res.complete, res.aborted);
        }
        done();
      });
      req
        .on('error', (error) => {
          print('error', described(error).replaceAll(port, 'PORT'));
          done();
        })
        .on('information', ({ statusCode, headers }) => print('information', statusCode, headers));
      req.end(data);
    });
  await ask({ path: '/' });
  await ask({ path: '/echo', method: 'POST', headers: { 'Content-Type': 'text/plain', 'X-Mine': ['1', '2'] } }, 'the body');
  await ask({ path: '/chunks' });
  await ask({ path: '/trailers' });
  await ask({ path: '/length', method: 'HEAD' });
  await ask({ path: '/none' });
  await ask({ path: '/cookies' });
  await ask({ path: '/early' });
  await ask({ path: '/destroy' });
  await ask({ path: '/cut' });
  await ask({ path: '/?a=b c'.replace(' ', '%20'), auth: 'user:pass' });
  await ask({ path: '/echo', method: 'PUT', headers: { 'Transfer-Encoding': 'chunked' } }, 'chunked');
  server.close();
  await new Promise((done) => server.on('close', done));
  await ask({ path: '/' }).catch(() => {});
})().catch((error) => print(described(error)));
