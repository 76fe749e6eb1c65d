//! Sockets as Node has them: errors and their fields, ends, limits, time.

use crate::harness::printed;

/// `on(emitter, event)` is what it is told first.
const BEGIN: &str = "const net = require('net'); const on = (em, ev) => new Promise((r) => em.once(ev, (...a) => r(a))), log = console.log;\n";

fn says(script: &str) -> String {
    printed(&format!("{BEGIN}{script}"))
}

#[test]
fn errors_say_what_where_and_why() {
    assert_eq!(
        says(
            "const show = (e) => log(e.code, e.errno, e.syscall, e.address, e.port, e.message); const failed = async (em) => show((await on(em, 'error'))[0]);\n\
             (async () => {\n\
               const a = net.createServer().listen(7001, '127.0.0.1'); await on(a, 'listening'); log(a.address());\n\
               await failed(net.createServer().listen(7001, '127.0.0.1')); await failed(net.createServer().listen('/nodir/x')); await failed(net.createServer().listen(7002, '9.9.9.9'));\n\
               a.close(); await on(a, 'close'); await failed(net.connect(7001, '127.0.0.1')); await failed(net.connect({ path: '/tmp/none.sock' }));\n\
               require('fs').writeFileSync('/tmp/plain', ''); await failed(net.connect({ path: '/tmp/plain' }));\n\
               const u = net.createServer().listen('/tmp/u.sock'); await on(u, 'listening'); await failed(net.createServer().listen('/tmp/u.sock')); u.close();\n\
               const s = net.createServer().listen(0); try { s.listen(0) } catch (e) { log(e.code) } await on(s, 'listening'); s.close(() => s.close((e) => log(e.code))); })();"
        ),
        "{ address: '127.0.0.1', family: 'IPv4', port: 7001 }\n\
         EADDRINUSE -98 listen 127.0.0.1 7001 listen EADDRINUSE: address already in use 127.0.0.1:7001\n\
         EACCES -13 listen /nodir/x -1 listen EACCES: permission denied /nodir/x\n\
         EADDRNOTAVAIL -99 listen 9.9.9.9 7002 listen EADDRNOTAVAIL: address not available 9.9.9.9:7002\n\
         ECONNREFUSED -111 connect 127.0.0.1 7001 connect ECONNREFUSED 127.0.0.1:7001\n\
         ENOENT -2 connect /tmp/none.sock undefined connect ENOENT /tmp/none.sock\n\
         ECONNREFUSED -111 connect /tmp/plain undefined connect ECONNREFUSED /tmp/plain\n\
         EADDRINUSE -98 listen /tmp/u.sock -1 listen EADDRINUSE: address already in use /tmp/u.sock\n\
         ERR_SERVER_ALREADY_LISTEN\nERR_SERVER_NOT_RUNNING\n"
    );
}

#[test]
fn a_server_closes_when_its_last_connection_has() {
    assert_eq!(
        says(
            "const server = net.createServer((s) => { s.on('data', (d) => s.end('pong')); }).listen(0, '127.0.0.1', () => {\n\
               const port = server.address().port, c = net.connect(port, '127.0.0.1', () => {\n\
                 log(c.remoteAddress, c.remotePort === port, c.remoteFamily, c.localAddress, c.connecting, c.pending, c.readyState);\n\
                 server.close((e) => log('closed', e, c.bytesRead, c.bytesWritten)); log(server.listening);\n\
                 net.connect(port, '127.0.0.1').on('error', (e) => { log(e.code); server.getConnections((e, n) => { log(n); c.write('ping'); }); }); });\n\
               log(c.connecting, c.pending, c.readyState); c.resume(); });"
        ),
        "true true opening\n127.0.0.1 true IPv4 127.0.0.1 false false open\nfalse\nECONNREFUSED\n1\nclosed undefined 4 4\n"
    );
}

#[test]
fn silence_and_resets_are_told() {
    assert_eq!(
        says(
            "const server = net.createServer((s) => { s.setTimeout(20, () => { log('silent'); s.end('bye'); }); }).listen(0, () => {\n\
               const c = net.connect(server.address().port); c.setNoDelay(true).setKeepAlive(true, 1000); c.setTimeout(60000, () => log('never')); log(c.timeout);\n\
               c.on('data', (d) => log(String(d))).on('close', (e) => { log(e); server.close(); reset(); }); });\n\
             const reset = () => { const server = net.createServer((s) => { s.on('error', (e) => log(e.message, e.errno, e.syscall)).on('close', (e) => { log(e); server.close(); }); s.write('hi'); }).listen(0, () => {\n\
               const c = net.connect(server.address().port); c.once('data', () => c.resetAndDestroy()); }); };"
        ),
        "60000\nsilent\nbye\nfalse\nread ECONNRESET -104 read\ntrue\n"
    );
}

#[test]
fn who_is_too_many_is_turned_away_and_who_is_paused_waits() {
    assert_eq!(
        says(
            "const server = net.createServer({ pauseOnConnect: true }, (s) => { log(s.isPaused()); s.on('data', (d) => log(String(d))); setTimeout(() => s.resume(), 10); });\n\
             server.maxConnections = 1; server.on('drop', (d) => log('dropped', d.remoteFamily, d.localPort === server.address().port));\n\
             server.listen(0, '127.0.0.1', () => { const a = net.connect(server.address().port, '127.0.0.1', () => { a.write('held back');\n\
               net.connect(server.address().port, '127.0.0.1').on('close', () => { setTimeout(() => { a.destroy(); server.close(); }, 30); }); }); });"
        ),
        "true\ndropped IPv4 true\nheld back\n"
    );
}

#[test]
fn the_addresses_of_a_host_are_tried_in_turn() {
    assert_eq!(
        says(
            "const s = net.createServer((c) => c.end('v4')).listen(0, '127.0.0.1', () => { const c = net.connect({ port: s.address().port, host: 'localhost' });\n\
             c.on('connectionAttempt', (ip, port, family) => log('try', ip, family)).on('connectionAttemptFailed', (ip, port, family, e) => log('failed', ip, e.code));\n\
             c.on('data', (d) => log(String(d), c.remoteAddress)).on('close', () => s.close()); })"
        )
        .replace("try ::1 6\nfailed ::1 ECONNREFUSED\n", ""),
        "try 127.0.0.1 4\nv4 127.0.0.1\n"
    );
}

#[test]
fn names_without_a_path_and_descriptors_of_others() {
    assert_eq!(
        says(
            "const s = net.createServer((c) => c.end('abstract')).listen('\\0name', () => { log(JSON.stringify(s.address()));\n\
               net.connect('\\0name').on('data', (d) => log(String(d))).on('close', () => s.close()); });\n\
             require('fs').writeFileSync('child.js', 'process.on(\"disconnect\", () => {})'); const child = require('child_process').fork('child.js'); \
             const t = net.createServer().listen(0, () => { try { child.send('x', t) } catch (e) { log(e.code) } t.close(); child.disconnect(); });"
        )
        .lines()
        .collect::<std::collections::BTreeSet<_>>(),
        ["\"\\u0000name\"", "abstract", "ERR_INVALID_HANDLE_TYPE"].into()
    );
}

#[test]
fn datagrams_have_addresses_and_sizes() {
    assert_eq!(
        says(
            "const d = require('dgram'), a = d.createSocket('udp4'), b = d.createSocket('udp4');\n\
             a.on('message', (m, r) => { log(String(m), r.address, r.family, r.size, r.port === b.address().port); a.send('pong', r.port, r.address); });\n\
             b.on('message', (m) => { log(String(m)); a.close(); b.close(() => log('closed')); });\n\
             a.bind(0, '127.0.0.1', () => b.bind(() => {\n\
               b.send('x'.repeat(70000), a.address().port, '127.0.0.1', (e) => { log(e.code, e.syscall);\n\
               const c = d.createSocket('udp4'); c.on('error', (e) => { log(e.code, e.syscall, e.address); c.close();\n\
                 c.x = d.createSocket('udp4'); c.x.connect(a.address().port, '127.0.0.1', () => { log(c.x.remoteAddress().address); c.x.disconnect(); try { c.x.remoteAddress() } catch (e) { log(e.code) } c.x.close(); b.send([Buffer.from('pi'), 'ng'], a.address().port, '127.0.0.1', (e, n) => log(e, n)); }); });\n\
               c.bind(a.address().port, '127.0.0.1'); }); }));"
        ),
        "EMSGSIZE send\nEADDRINUSE bind 127.0.0.1\n127.0.0.1\nERR_SOCKET_DGRAM_NOT_CONNECTED\nnull 4\nping 127.0.0.1 IPv4 4 true\npong\nclosed\n"
    );
}
