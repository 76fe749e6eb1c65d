const net = require('net');
const { print } = require('observe');
const server = net
  .createServer((socket) => {
    socket.pause();
    setTimeout(() => socket.resume(), 50);
    let count = 0;
    socket
      .on('data', (data) => (count += data.length))
      .on('end', () => {
        print('received', count);
        server.close();
      });
  })
  .listen(0, '127.0.0.1', () => {
    const socket = net.connect(server.address().port, '127.0.0.1', () => {
      let refused = 0;
      for (let i = 0; i < 200; i++) if (!socket.write(Buffer.alloc(65536))) refused++;
      print(refused > 0, socket.writableNeedDrain, socket.writableLength > 0);
      socket.once('drain', () => {
        print('drain', socket.writableLength);
        socket.end();
      });
    });
    socket.resume();
  });
