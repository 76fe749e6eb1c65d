const net = require('net');
const fs = require('fs');
const { print } = require('observe');
const server = net
  .createServer((socket) => socket.end('hello'))
  .listen('a.sock', () => {
    print(server.address(), fs.statSync('a.sock').isSocket());
    const socket = net.connect('a.sock');
    socket
      .setEncoding('utf8')
      .on('data', (data) => print(data))
      .on('connect', () => print('connect', socket.remoteAddress, socket.address()))
      .on('close', (had) => {
        print('close', had);
        const taken = net
          .createServer()
          .on('error', (error) => {
            print(error.code, error.syscall, error.address);
            server.close(() => print('exists', fs.existsSync('a.sock')));
          })
          .listen('a.sock');
      });
  });
