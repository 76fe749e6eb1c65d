//! Sockets between programs of a session.

use crate::harness::{Place, printed};
use warren_kernel::process::ExitStatus;

#[test]
fn a_connection_carries_bytes_both_ways() {
    let script = "const net = require('net');\n\
        const server = net.createServer((socket) => socket.pipe(socket));\n\
        server.listen(0, '127.0.0.1', () => {\n\
          const socket = net.connect(server.address().port, '127.0.0.1', () => socket.end('over and back'));\n\
          let all = ''; socket.setEncoding('utf8').on('data', (d) => all += d);\n\
          socket.on('close', () => { console.log(all, socket.bytesRead, socket.bytesWritten); server.close(() => console.log('closed')); });\n\
        });";
    assert_eq!(printed(script), "over and back 13 13\nclosed\n");
}

#[test]
fn one_half_of_a_connection_ends_before_the_other() {
    let script = "const net = require('net');\n\
        const server = net.createServer({ allowHalfOpen: true }, (socket) => {\n\
          let got = ''; socket.on('data', (d) => got += d).on('end', () => setTimeout(() => socket.end('after ' + got), 5)); });\n\
        server.listen(0, () => {\n\
          const socket = net.connect({ port: server.address().port, allowHalfOpen: true }); let all = '';\n\
          socket.end('first'); socket.on('data', (d) => all += d).on('close', (failed) => { console.log(all, failed); server.close(); }); });";
    assert_eq!(printed(script), "after first false\n");
}

#[test]
fn who_writes_too_fast_waits_and_nothing_is_lost() {
    let script = "const net = require('net'), crypto = require('crypto');\n\
        const data = crypto.randomBytes(10 << 20), sum = (b) => crypto.createHash('sha256').update(b).digest('hex');\n\
        const server = net.createServer({ allowHalfOpen: true }, (socket) => {\n\
          const parts = []; let stops = 0;\n\
          socket.on('data', (d) => { parts.push(d); if (parts.length % 50 === 0) { stops++; socket.pause(); setTimeout(() => socket.resume(), 1); } });\n\
          socket.on('end', () => { console.log('stopped', stops > 1); socket.end(Buffer.concat(parts)); }); });\n\
        server.listen(0, () => {\n\
          const socket = net.connect({ port: server.address().port, allowHalfOpen: true }), parts = [];\n\
          console.log('taken at once', socket.write(data)); socket.end();\n\
          socket.on('data', (d) => parts.push(d)).on('end', () => {\n\
            const all = Buffer.concat(parts); console.log(all.length, sum(all) === sum(data)); server.close(); }); });";
    assert_eq!(printed(script), "taken at once false\nstopped true\n10485760 true\n");
}

#[test]
fn what_cannot_be_reached_is_an_error_with_its_code() {
    let script = "const net = require('net');\n\
        const fails = (emitter) => new Promise((done) => emitter.on('error', done));\n\
        (async () => {\n\
          for (const to of [[9, '127.0.0.1'], ['/tmp/none.sock'], [80, '198.51.100.1']]) { const e = await fails(net.connect(...to)); console.log(e.code, e.syscall, e.port ?? e.address); }\n\
          const both = await fails(net.connect(9, 'localhost')); console.log(both.code, both.errors.length);\n\
          console.log((await fails(net.createServer().listen(80))).code);\n\
          const a = net.createServer().listen(7000); await new Promise((done) => a.on('listening', done));\n\
          console.log((await fails(net.createServer().listen(7000))).message); a.close(); })();";
    assert_eq!(
        printed(script),
        "ECONNREFUSED connect 9\nENOENT connect /tmp/none.sock\nEACCES connect 80\nECONNREFUSED 2\nEACCES\n\
         listen EADDRINUSE: address already in use :::7000\n"
    );
}

#[test]
fn unix_sockets_have_paths() {
    let script = "const net = require('net'), fs = require('fs');\n\
        const server = net.createServer((s) => s.end('hello')).listen({ path: '/tmp/s.sock', writableAll: true }, () => {\n\
          console.log(server.address(), fs.statSync('/tmp/s.sock').isSocket());\n\
          const c = net.connect('/tmp/s.sock'); let all = '';\n\
          c.on('data', (d) => all += d).on('close', () => { console.log(all); server.close(() => console.log(fs.existsSync('/tmp/s.sock'))); }); });";
    assert_eq!(printed(script), "/tmp/s.sock true\nhello\nfalse\n");
}

#[test]
fn what_is_not_referred_to_holds_nobody() {
    let script = "const net = require('net');\n\
        const server = net.createServer((s) => s.unref()).listen(0, () => {\n\
          const c = net.connect(server.address().port, () => { c.unref(); server.unref(); console.log('nobody stays'); }); });\n\
        process.on('exit', () => console.log('exit'));";
    assert_eq!(printed(script), "nobody stays\nexit\n");
}

#[test]
fn a_connection_that_is_reset_is_an_error_at_the_other_end() {
    let script = "const net = require('net');\n\
        const server = net.createServer((s) => s.on('data', () => s.resetAndDestroy()));\n\
        server.listen(0, () => { const c = net.connect(server.address().port); c.write('x');\n\
          c.on('error', (e) => console.log(e.code)).on('close', (failed) => { console.log(failed); server.close(); }); });";
    assert_eq!(printed(script), "ECONNRESET\ntrue\n");
}

#[test]
fn an_error_of_a_listener_is_the_programs() {
    let script = "const net = require('net'); const s = net.createServer((c) => c.end('x')).listen(0, () => \
                  net.connect(s.address().port).on('data', () => { throw new Error('in data'); }));";
    let ended = Place::new().node(&["-e", script]);
    assert_eq!(ended.status, ExitStatus::Exited(1));
    assert!(ended.err.contains("Error: in data"), "{}", ended.err);
}

#[test]
fn numbers_reach_the_programs_own_descriptors_and_no_others() {
    let script = "const net = require('net');\n\
        const server = net.createServer().listen(0, () => {\n\
          const own = server._handle.fd, kinds = new Set(), opened = [];\n\
          for (let fd = 3; fd < 64; fd++) if (fd !== own) {\n\
            try { const s = new net.Socket({ fd }); opened.push(fd); s.on('error', () => {}).destroy(); } catch (e) { kinds.add(e.code); } }\n\
          console.log(opened.length, [...kinds].join());\n\
          const { TCP, constants } = process.binding('tcp_wrap'), { Pipe } = process.binding('pipe_wrap');\n\
          for (const handle of [new TCP(constants.SOCKET), new Pipe(0)]) {\n\
            const found = []; for (let fd = 3; fd < 64; fd++) if (handle.open(fd) === 0) found.push(fd);\n\
            console.log(found.length, handle.open(own) < 0, handle.open(-1) < 0, handle.open(2 ** 31) < 0); }\n\
          const c = net.connect(server.address().port, () => {\n\
            const ours = c._handle.fd; console.log(c._handle.open(0) < 0, c._handle.fd === ours);\n\
            c.destroy(); server.close(); }); });";
    assert_eq!(printed(script), "0 ERR_INVALID_FD_TYPE\n0 true true true\n0 true true true\ntrue true\n");
}

#[test]
fn datagrams_go_from_socket_to_socket() {
    let script = "const dgram = require('dgram');\n\
        const a = dgram.createSocket('udp4'), b = dgram.createSocket('udp4');\n\
        a.on('message', (m, from) => { console.log('a', String(m), from.address, from.port === b.address().port, from.size); a.send('pong', from.port, from.address); });\n\
        b.on('message', (m) => { console.log('b', String(m)); a.close(); b.close(() => console.log('closed')); });\n\
        a.bind(0, '127.0.0.1', () => b.send([Buffer.from('pi'), 'ng'], a.address().port, '127.0.0.1', (e, n) => console.log('sent', e, n)));";
    assert_eq!(printed(script), "sent null 4\na ping 127.0.0.1 true 4\nb pong\nclosed\n");
    let script = "const s = require('dgram').createSocket('udp6'); \
                  s.send(Buffer.alloc(70000), 9, '::1', (e) => { console.log(e.code); s.send('', 9, '::1', (e, n) => { console.log(e, n); s.close(); }); });";
    assert_eq!(printed(script), "EMSGSIZE\nnull 0\n");
}

#[test]
fn names_are_the_sessions() {
    let place = Place::new();
    place.file("/etc/hosts", "127.0.0.1 localhost\n127.0.0.2 db db.local\n");
    let script = "const dns = require('dns'), { promises } = dns;\n\
        (async () => {\n\
          console.log(await promises.lookup('db'), (await promises.lookup('localhost', { all: true })).length);\n\
          console.log(await promises.lookup('::1'), await promises.resolve4('db.local'), await promises.lookupService('127.0.0.2', 443));\n\
          for (const ask of [() => promises.lookup('no.such.name'), () => promises.resolveMx('db'), () => promises.lookupService('127.9.9.9', 1).then((r) => { throw r; })])\n\
            await ask().catch((e) => console.log(e.code ?? e.hostname)); })();";
    let ended = place.node(&["-e", script]);
    assert_eq!(
        (ended.out.as_str(), ended.err.as_str()),
        (
            "{ address: '127.0.0.2', family: 4 } 1\n\
             { address: '::1', family: 6 } [ '127.0.0.2' ] { hostname: 'db', service: 'https' }\n\
             EACCES\nENOTIMP\nlocalhost\n",
            ""
        )
    );
}
