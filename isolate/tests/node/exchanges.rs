//! HTTP between programs of a session: what servers and clients say beside requests and answers.

use crate::harness::printed;

const BEGIN: &str = "const http = require('http'), net = require('net'), log = console.log;\n";

fn says(script: &str) -> String {
    printed(&format!("{BEGIN}{script}"))
}

#[test]
fn a_connection_is_kept_for_the_next_request_and_none_is_made_twice() {
    assert_eq!(
        says(
            "let conns = 0; const server = http.createServer((q, r) => { if (q.url === '/hang') { log('once'); server.close(() => setTimeout(() => log('closed'), 20)); server.closeIdleConnections(); setTimeout(() => server.closeAllConnections(), 10); return; } r.end(q.method + q.url); }).on('connection', () => conns++).listen(0, async () => {\n\
               const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });\n\
               const get = (path, o = {}) => new Promise((done, failed) => { const q = http.request({ port: server.address().port, path, agent, ...o }, (r) => { let b = ''; r.on('data', (d) => b += d).on('end', () => done([r.statusCode, r.headers.connection, r.headers['keep-alive'], b, q.reusedSocket].join())); }); q.on('error', failed); q.end(); });\n\
               log(await get('/1')); log(await get('/2')); log(...await Promise.all([get('/3'), get('/4', { method: 'POST' })])); log(conns, Object.keys(agent.freeSockets).length);\n\
               log(await get('/5', { agent: false })); log(conns);\n\
               await get('/hang').catch((e) => log(e.code, e.message)); });"
        ),
        "200,keep-alive,timeout=5,GET/1,false\n200,keep-alive,timeout=5,GET/2,true\n200,keep-alive,timeout=5,GET/3,true 200,keep-alive,timeout=5,POST/4,false\n1 1\n\
         200,close,,GET/5,false\n2\nonce\nECONNRESET socket hang up\nclosed\n"
    );
}

#[test]
fn a_server_is_asked_before_a_body_is_sent() {
    assert_eq!(
        says(
            "const server = http.createServer((q, r) => { let b = ''; q.on('data', (d) => b += d).on('end', () => r.end('got ' + b)); });\n\
             server.on('checkContinue', (q, r) => { log('check'); if (q.url === '/no') { r.writeHead(417); r.end(); return; } r.writeContinue(); server.emit('request', q, r); });\n\
             server.on('checkExpectation', (q, r) => { log('other', q.headers.expect); r.writeHead(417); r.end(); });\n\
             server.listen(0, () => { const go = (path, expect, next) => { const q = http.request({ port: server.address().port, path, method: 'POST', headers: { expect } }, (r) => { log(r.statusCode); r.on('data', (d) => log(String(d))).on('end', next); });\n\
               q.on('continue', () => { log('continue'); q.end('body'); }); q.flushHeaders(); if (path !== '/yes') q.on('response', () => q.end()); };\n\
               go('/yes', '100-continue', () => go('/no', '100-continue', () => go('/x', '200-ok', () => server.close()))); });"
        ),
        "check\ncontinue\n200\ngot body\ncheck\n417\nother 200-ok\n417\n"
    );
}

#[test]
fn a_connection_becomes_one_of_web_sockets() {
    assert_eq!(
        says(
            "const crypto = require('crypto'); const server = http.createServer();\n\
             server.on('upgrade', (q, s, head) => { const key = crypto.createHash('sha1').update(q.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');\n\
               s.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + key + '\\r\\n\\r\\n');\n\
               s.on('data', (d) => { const mask = d.subarray(2, 6), data = Buffer.from(d.subarray(6, 6 + (d[1] & 127))).map((b, i) => b ^ mask[i % 4]); if ((d[0] & 15) === 8) { s.end(Buffer.from([0x88, 0])); return; }\n\
                 const out = Buffer.from('echo ' + data); s.write(Buffer.concat([Buffer.from([0x81, out.length]), out])); }); });\n\
             server.listen(0, () => { const q = http.request({ port: server.address().port, headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': 13, 'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64') } }).end();\n\
               q.on('upgrade', (r, s, head) => { log(r.statusCode, r.headers['sec-websocket-accept']); const m = Buffer.from([1, 2, 3, 4]), t = Buffer.from('hello').map((b, i) => b ^ m[i % 4]); s.write(Buffer.concat([Buffer.from([0x81, 0x85]), m, t]));\n\
                 s.on('data', (d) => { if (d[0] === 0x88) { log('closed'); s.end(); server.close(); return; } log(d.subarray(2).toString()); s.write(Buffer.concat([Buffer.from([0x88, 0x80]), m])); }); }); });"
        ),
        "101 BACScCJPNqyz+UBoqMH89VmURoA=\necho hello\nclosed\n"
    );
}

#[test]
fn bodies_have_ends_that_say_more_and_may_be_large() {
    assert_eq!(
        says(
            "const server = http.createServer((q, r) => { q.resume().on('end', () => { log(q.trailers); r.writeHead(200, { Trailer: 'X-Sum' }); r.write('a'); r.addTrailers({ 'X-Sum': '42' }); r.end('b'); }); }).listen(0, () => {\n\
               const q = http.request({ port: server.address().port, method: 'POST', headers: { Trailer: 'X-Req', 'Transfer-Encoding': 'chunked' } }, (r) => { let b = ''; r.on('data', (d) => b += d).on('end', () => { log(b, r.trailers, r.complete); server.close(); }); });\n\
               q.write('body'); q.addTrailers({ 'X-Req': '7' }); q.end(); });"
        ),
        "{ 'x-req': '7' }\nab { 'x-sum': '42' } true\n"
    );
    assert_eq!(
        says(
            "const crypto = require('crypto'), big = crypto.randomBytes(6 << 20), sum = (b) => crypto.createHash('sha256').update(b).digest('hex');\n\
             const server = http.createServer((q, r) => { const h = crypto.createHash('sha256'); q.on('data', (d) => { h.update(d); if (!r.write(d)) { q.pause(); r.once('drain', () => q.resume()); } }).on('end', () => { r.addTrailers({ sum: h.digest('hex') }); r.end(); }); }).listen(0, () => {\n\
               const q = http.request({ port: server.address().port, method: 'PUT' }, (r) => { const parts = []; r.on('data', (d) => parts.push(d)).on('end', () => { const b = Buffer.concat(parts); log(b.length, sum(b) === sum(big), r.trailers.sum === sum(big)); server.close(); }); });\n\
               for (let i = 0; i < big.length; i += 100000) q.write(big.subarray(i, i + 100000)); q.end(); });"
        ),
        "6291456 true true\n"
    );
}

#[test]
fn an_exchange_that_is_given_up_is_told_to_both() {
    assert_eq!(
        says(
            "const server = http.createServer((q, r) => { q.on('aborted', () => log(q.url, 'aborted')).on('error', (e) => log(q.url, e.code)); if (q.url === '/slow') r.write('part'); if (q.url === '/cut') { r.writeHead(200, { 'content-length': 10 }); r.write('12345', () => r.destroy()); } }).listen(0, async () => {\n\
               const get = (path, f) => new Promise((done) => { const q = http.get({ port: server.address().port, path }, (r) => { r.on('data', (d) => f?.(q)).on('error', (e) => { log('answer', e.code, e.message, r.complete); setTimeout(done, 20); }); }); q.on('error', (e) => { log('request', e.code, e.message); setTimeout(done, 20); }); if (path === '/never') setTimeout(() => q.destroy(), 10); });\n\
               for (const [path, f] of [['/slow', (q) => q.destroy()], ['/cut'], ['/never']]) await get(path, f); server.close(); });"
        ),
        "answer ECONNRESET aborted false\n/slow aborted\n/slow ECONNRESET\n/cut aborted\n/cut ECONNRESET\nanswer ECONNRESET aborted false\n\
         request ECONNRESET socket hang up\n/never aborted\n/never ECONNRESET\n"
    );
}

#[test]
fn servers_have_patience_to_an_end() {
    assert_eq!(
        says(
            "const server = http.createServer({ keepAliveTimeout: 30, headersTimeout: 60, requestTimeout: 80, connectionsCheckingInterval: 10 }, (q, r) => r.end('x')).listen(0, () => {\n\
               const c = net.connect(server.address().port, () => c.write('GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')); c.resume().on('end', () => { log('let go');\n\
                 const d = net.connect(server.address().port, () => d.write('GET / HTTP/1.1\\r\\nHost')); let t = ''; d.on('data', (x) => t += x).on('close', () => { log(t.split('\\r\\n')[0]); server.close(); }); }); });"
        ),
        "let go\nHTTP/1.1 408 Request Timeout\n"
    );
}
