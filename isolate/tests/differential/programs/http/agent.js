const http = require('http');
const { print } = require('observe');
const wait = (emitter, name) => new Promise((done) => emitter.once(name, done));
(async () => {
  let connections = 0;
  const server = http
    .createServer((req, res) => {
      res.end(`${req.url} ${req.headers.connection}`);
    })
    .on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await wait(server, 'listening');
  const { port } = server.address();
  const get = async (agent, path) => {
    const req = http.get({ port, host: '127.0.0.1', path, agent });
    const res = await wait(req, 'response');
    let all = '';
    for await (const data of res) all += data;
    return [all, req.reusedSocket, res.headers.connection, res.headers['keep-alive']];
  };
  const keep = new http.Agent({ keepAlive: true, maxSockets: 1 });
  print(await Promise.all([get(keep, '/1'), get(keep, '/2'), get(keep, '/3')]), connections);
  print(Object.keys(keep.freeSockets).length, Object.keys(keep.sockets).length, Object.keys(keep.requests).length);
  keep.destroy();
  connections = 0;
  const none = new http.Agent({ keepAlive: false });
  print(await get(none, '/4'), await get(none, '/5'), connections);
  connections = 0;
  print(await get(undefined, '/6'), await get(undefined, '/7'), connections);
  print(await get(false, '/8'), connections);
  http.globalAgent.destroy();
  server.close();
  await wait(server, 'close');
  print('closed');
})();
