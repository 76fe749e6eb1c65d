//! node:http, node:https and what is above them.

use crate::harness::{Place, printed};
use warren_kernel::process::ExitStatus;

/// A certificate for `localhost` that it signed itself, and its key; for a hundred years.
const CERTIFICATE: &str = include_str!("files/cert.pem");
const KEY: &str = include_str!("files/key.pem");

/// What a program with a certificate beside it prints.
fn printed_with_certificate(script: &str) -> String {
    let place = Place::new();
    place.file("/home/agent/cert.pem", CERTIFICATE);
    place.file("/home/agent/key.pem", KEY);
    place.file("/home/agent/main.js", script);
    let ended = place.node(&["main.js"]);
    assert_eq!((ended.status, ended.err.as_str()), (ExitStatus::Exited(0), ""), "{script}: {ended:?}");
    ended.out
}

#[test]
fn a_server_answers_requests() {
    let script = "const http = require('http');\n\
        const server = http.createServer((req, res) => { let b = ''; req.on('data', (d) => b += d).on('end', () => res.end(req.method + req.url + b)); });\n\
        server.listen(0, () => { const req = http.request({ port: server.address().port, path: '/x', method: 'POST' }, (res) => {\n\
          let all = ''; res.on('data', (d) => all += d).on('end', () => { console.log(res.statusCode, all); server.close(); }); }); req.end('body'); });";
    assert_eq!(printed(script), "200 POST/xbody\n");
}

#[test]
fn connections_are_kept_chunks_joined_and_requests_given_up() {
    let script = "const http = require('http'), agent = new http.Agent({ keepAlive: true, maxSockets: 1 });\n\
        let connections = 0, seen; const saw = new Promise((r) => seen = r);\n\
        const server = http.createServer((req, res) => {\n\
          if (req.url === '/chunks') { res.write('one,'); return setTimeout(() => res.end('two'), 5); }\n\
          if (req.url === '/hang') { res.write('x'); return req.on('close', () => { console.log('server saw it'); seen(); }); }\n\
          res.end(req.url); }).on('connection', () => connections++);\n\
        const get = (path) => new Promise((done, fail) => http.get({ port: server.address().port, path, agent }, (res) => {\n\
          let all = ''; res.on('data', (d) => all += d).on('end', () => done([res.headers['transfer-encoding'], all].join())); }).on('error', fail));\n\
        server.listen(0, async () => {\n\
          console.log(await get('/a'), await get('/b'), await get('/chunks'), connections);\n\
          const req = http.get({ port: server.address().port, path: '/hang' }, (res) => { res.on('error', (e) => console.log(e.code)); res.once('data', () => req.destroy()); });\n\
          await new Promise((r) => req.on('close', r)); await saw; agent.destroy(); server.close(() => console.log('closed')); });";
    assert_eq!(printed(script), ",/a ,/b chunked,one,two 1\nECONNRESET\nserver saw it\nclosed\n");
}

#[test]
fn a_request_that_is_none_is_answered_so() {
    let script = "const net = require('net'), http = require('http');\n\
        const server = http.createServer(() => {}).listen(0, () => { const s = net.connect(server.address().port); s.write('nonsense\\r\\n\\r\\n'); let all = '';\n\
          s.on('data', (d) => all += d).on('close', () => { console.log(all.split('\\r\\n')[0]); server.close(); }); });";
    assert_eq!(printed(script), "HTTP/1.1 400 Bad Request\n");
}

#[test]
fn a_connection_becomes_another_protocols() {
    let script = "const http = require('http'), crypto = require('crypto');\n\
        const server = http.createServer().on('upgrade', (req, socket, head) => {\n\
          const accept = crypto.createHash('sha1').update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');\n\
          socket.write(`HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ${accept}\\r\\n\\r\\n`);\n\
          socket.on('data', (d) => { const m = d.subarray(2, 6), n = d[1] & 127, p = d.subarray(6, 6 + n).map((x, i) => x ^ m[i & 3]);\n\
            if ((d[0] & 15) === 8) { socket.end(Buffer.from([0x88, 2, p[0], p[1]])); return; }\n\
            socket.write(Buffer.concat([Buffer.from([d[0], n]), p])); }); });\n\
        server.listen(0, () => { const ws = new WebSocket(`ws://localhost:${server.address().port}/a`);\n\
          ws.binaryType = 'arraybuffer';\n\
          ws.onopen = () => { console.log('open', ws.readyState); ws.send('text'); };\n\
          ws.onmessage = ({ data }) => { if (typeof data === 'string') { console.log(data); ws.send(new Uint8Array([1, 2, 3])); } else { console.log(data.byteLength); ws.close(3000, 'done'); } };\n\
          ws.onclose = (e) => { console.log('close', e.code, e.wasClean, ws.readyState); server.close();\n\
            const no = new WebSocket('ws://127.0.0.1:2'); no.onerror = (e) => console.log(e.type); no.onclose = (e) => console.log(e.code, e.wasClean); }; });";
    assert_eq!(printed(script), "open 1\ntext\n3\nclose 3000 true 3\nerror\n1006 false\n");
}

#[test]
fn what_is_encrypted_is_trusted_or_refused() {
    let script = "const https = require('https'), tls = require('tls'), fs = require('fs');\n\
        const key = fs.readFileSync('key.pem'), cert = fs.readFileSync('cert.pem');\n\
        const server = https.createServer({ key, cert }, (req, res) => { let n = 0; req.on('data', (d) => n += d.length).on('end', () => res.end(`${req.socket.encrypted} ${n}`)); });\n\
        server.listen(0, async () => {\n\
          const get = (options, body) => new Promise((done) => https.request({ port: server.address().port, host: 'localhost', method: 'POST', agent: false, ...options }, (res) => {\n\
            let all = ''; res.on('data', (d) => all += d).on('end', () => done([res.statusCode, all, res.socket.authorized].join())); }).on('error', (e) => done(e.code)).end(body));\n\
          console.log(await get({ ca: cert }));\n\
          console.log(await get({ ca: cert }, Buffer.alloc(3 << 20)));\n\
          console.log(await get({}));\n\
          console.log(await get({ rejectUnauthorized: false }));\n\
          console.log(await get({ ca: cert, servername: 'other.example' }));\n\
          server.close();\n\
          const echo = tls.createServer({ key, cert }, (s) => s.pipe(s)).listen(0, () => {\n\
            const c = tls.connect({ port: echo.address().port, host: '127.0.0.1', ca: cert }, () => c.end('x'.repeat(1 << 20)));\n\
            let n = 0; c.on('data', (d) => n += d.length).on('close', (failed) => { console.log(n, failed); echo.close(); }); }); });";
    assert_eq!(
        printed_with_certificate(script),
        "200,true 0,true\n200,true 3145728,true\nDEPTH_ZERO_SELF_SIGNED_CERT\n200,true 0,false\n\
         ERR_TLS_CERT_ALTNAME_INVALID\n1048576 false\n"
    );
}

#[test]
fn certificates_of_the_sessions_own_are_trusted_as_well() {
    let script = "const https = require('https'), tls = require('tls'), fs = require('fs'), cp = require('child_process');\n\
        if (process.argv[2]) { fetch(process.argv[2]).then((r) => r.text()).then(console.log, (e) => console.log(e.message, e.cause.code)); return; }\n\
        const server = https.createServer({ key: fs.readFileSync('key.pem'), cert: fs.readFileSync('cert.pem') }, (req, res) => res.end('trusted')).listen(0, async () => {\n\
          const ask = (env) => new Promise((done) => cp.spawn(process.execPath, [__filename, `https://localhost:${server.address().port}/`], { stdio: 'inherit', env }).on('exit', done));\n\
          await ask({}); await ask({ NODE_EXTRA_CA_CERTS: '/home/agent/cert.pem' }); await ask({ NODE_EXTRA_CA_CERTS: '/none' });\n\
          console.log(tls.rootCertificates.length > 100, tls.getCACertificates('extra').length, tls.getCACertificates('system').length); server.close(); });";
    assert_eq!(
        printed_with_certificate(script),
        "fetch failed DEPTH_ZERO_SELF_SIGNED_CERT\ntrusted\nfetch failed DEPTH_ZERO_SELF_SIGNED_CERT\ntrue 0 0\n"
    );
}

/// A server for `fetch`, and `run` to be called with its address.
const FETCHED: &str = "const http = require('http'), zlib = require('zlib');\n\
    const server = http.createServer((req, res) => {\n\
      const head = (name, value) => res.setHeader(name, value);\n\
      switch (req.url) {\n\
        case '/gzip': head('content-encoding', 'gzip'); return res.end(zlib.gzipSync('packed'));\n\
        case '/br': head('content-encoding', 'br'); return res.end(zlib.brotliCompressSync('packed too'));\n\
        case '/move': res.writeHead(302, { location: '/json' }); return res.end('gone');\n\
        case '/see': res.writeHead(303, { location: '/echo' }); return res.end();\n\
        case '/loop': res.writeHead(302, { location: '/loop' }); return res.end();\n\
        case '/json': head('x-a', '1'); head('set-cookie', ['a=1', 'b=2']); return res.end('{\"a\":1}');\n\
        case '/some': return res.write('some');\n\
        case '/never': return;\n\
        case '/cut': res.writeHead(200, { 'content-length': 100 }); res.write('part'); return setTimeout(() => res.destroy(), 5);\n\
        case '/big': return res.end(Buffer.alloc(5 << 20, 97)); }\n\
      let b = ''; req.on('data', (d) => b += d).on('end', () => res.end([req.method, b, req.headers['content-type'], req.headers['content-length']].join())); });\n\
    server.listen(0, async () => { const base = `http://localhost:${server.address().port}`;\n\
      try { await run(base); } finally { server.closeAllConnections(); server.close(); } });\n";

#[test]
fn fetch_gets_and_sends() {
    let script = "async function run(base) {\n\
          let r = await fetch(base + '/json'); console.log(r.status, r.ok, r.url === base + '/json', r.redirected, await r.json(), r.headers.get('x-a'), r.headers.getSetCookie().join());\n\
          console.log(await (await fetch(base + '/gzip')).text(), await (await fetch(base + '/br')).text());\n\
          const post = async (body, more) => console.log(await (await fetch(base + '/echo', { method: 'POST', body, ...more })).text());\n\
          await post('{}', { headers: { 'content-type': 'application/json' } }); await post(new URLSearchParams({ a: 'b' })); await post(new Uint8Array([65, 66]));\n\
          await post(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('str')); c.enqueue(new TextEncoder().encode('eam')); c.close(); } }), { duplex: 'half' });\n\
          r = await fetch(base + '/big'); let n = 0; for await (const part of r.body) n += part.byteLength; console.log(n, r.bodyUsed);\n\
          console.log((await fetch(base + '/json', { method: 'HEAD' })).headers.get('x-a'), await (await fetch('data:text/plain;base64,aGk=')).text(), await (await fetch(URL.createObjectURL(new Blob(['blob'])))).text());\n\
        }\n";
    assert_eq!(
        printed(&format!("{script}{FETCHED}")),
        "200 true true false { a: 1 } 1 a=1,b=2\npacked packed too\nPOST,{},application/json,2\n\
         POST,a=b,application/x-www-form-urlencoded;charset=UTF-8,3\nPOST,AB,,2\nPOST,stream,,\n5242880 true\n1 hi blob\n"
    );
}

#[test]
fn fetch_follows_and_fails_as_node_does() {
    let script = "async function run(base) {\n\
          let r = await fetch(base + '/move'); console.log(r.status, r.redirected, r.url === base + '/json');\n\
          r = await fetch(base + '/move', { redirect: 'manual' }); console.log(r.status, r.headers.get('location'));\n\
          console.log(await (await fetch(base + '/see', { method: 'POST', body: 'b' })).text());\n\
          const fails = (what, promise) => promise.then(console.log, (e) => console.log(what, e.name, e.name === 'AbortError' ? '' : e.message, e.cause?.code ?? e.cause?.message));\n\
          await fails('refused', fetch('http://127.0.0.1:2'));\n\
          await fails('outside', fetch('http://198.51.100.1/'));\n\
          await fails('named', fetch('http://no.such.name/'));\n\
          await fails('loop', fetch(base + '/loop'));\n\
          await fails('error', fetch(base + '/move', { redirect: 'error' }));\n\
          await fails('cut', fetch(base + '/cut').then((r) => r.text()));\n\
          await fails('timeout', fetch(base + '/never', { signal: AbortSignal.timeout(10) }));\n\
          await fails('aborted', fetch(base, { signal: AbortSignal.abort() }));\n\
          const c = new AbortController(); r = await fetch(base + '/some', { signal: c.signal }); setTimeout(() => c.abort(new Error('mine')), 5); await fails('body', r.text());\n\
        }\n";
    assert_eq!(
        printed(&format!("{script}{FETCHED}")),
        "200 true true\n302 /json\nGET,,,\n\
         refused TypeError fetch failed ECONNREFUSED\noutside TypeError fetch failed EACCES\n\
         named TypeError fetch failed EACCES\nloop TypeError fetch failed redirect count exceeded\n\
         error TypeError fetch failed unexpected redirect\ncut TypeError terminated ECONNRESET\n\
         timeout TimeoutError The operation was aborted due to timeout undefined\n\
         aborted AbortError  undefined\nbody Error mine undefined\n"
    );
}
