//! Native sessions and streams of node:http2, called by a program itself.

use crate::gets;

/// `h` and `t` are the handles of a session and a stream of its. What the attack puts into `all` is printed.
fn handles(attack: &str) -> String {
    gets(&format!(
        "const http2 = require('http2'), {{ Duplex }} = require('stream'), all = [];
        const handle = (of) => of[Object.getOwnPropertySymbols(of).find((s) => String(s) === 'Symbol(kHandle)')];
        const frame = (type, flags, id, ...bytes) => Buffer.from([0, 0, bytes.length, type, flags, 0, 0, 0, id, ...bytes]);
        const tried = (f) => {{ try {{ return String(f()); }} catch (e) {{ return e.name; }} }};
        const request = ':method\\0GET\\0\\0:path\\0/\\0\\0:scheme\\0http\\0\\0:authority\\0a\\0\\0';
        const made = (h) => {{ h.settings(() => {{}}); h.receive(frame(4, 0, 0)); return h; }};
        const sent = (h) => {{ let n = 0, c; while ((c = h.getOutgoingChunk()).length) n += c.length; return n; }};
        const asked = (h) => {{ const t = h.request(request, 4, 0, 0, 16, false); sent(h); h.receive(frame(1, 4, t.id(), 0x88)); return t; }};
        const createConnection = () => new Duplex({{ read() {{}}, write(c, e, done) {{ done(); }} }});
        const client = http2.connect('http://localhost', {{ createConnection }}).on('error', () => {{}});
        const stream = client.request({{ ':path': '/' }}).on('error', () => {{}});
        setImmediate(() => {{
          const h = handle(client), t = handle(stream);
          {attack}
          console.log(all.join()); process.exit();
        }});"
    ))
}

#[test]
fn a_stream_whose_session_is_no_more_does_nothing() {
    let attack = "
        const kept = asked(made(new h.constructor(1, false))); h.destroy(); h.destroy();
        const block = ['a\\0b\\0\\0', 1, 0], bytes = [{}, Buffer.alloc(9)];
        for (const [name, ...given] of [['id'], ['getState'], ['respond', ...block], ['info', ...block], ['trailers', ...block], ['trailers', '', 0],
          ['pushPromise', ...block], ['writeBuffer', ...bytes], ['writeUtf8String', {}, 'x'], ['markEnding'], ['shutdown', {}], ['readStart'], ['readStop'],
          ['rstStream', 8], ['priority', 0, 16, false, true], ['destroy'], ['destroy']]) all.push(tried(() => t[name](...given)));
        for (const [name, ...given] of [['ping', bytes[1].subarray(1)], ['request', request, 4], ['goaway', 1, 0], ['settings', () => {}], ['origin', 'a\\0', 1],
          ['altsvc', 0, 'http://a', 'b'], ['receive', bytes[1]], ['sendPending'], ['hasPendingData'], ['localSettings'], ['setLocalWindowSize', 9],
          ['submitShutdownNotice'], ['framesSent']]) tried(() => h[name](...given));
        for (let n = 0; n < 200; n++) new Array(1e5).fill(n);
        all.push(kept.getState().state, kept.writeBuffer(...bytes));";
    let none = "undefined";
    assert_eq!(
        handles(attack),
        format!("1,[object Object],{none},0,0,-510,-510,-125,-125,{none},1,0,0,{none},-519,{none},{none},2,0\n")
    );
}

#[test]
fn a_stream_is_made_by_its_session_alone_and_a_session_of_a_kind() {
    let attack = "
        const Session = h.constructor, Stream = t.constructor, bytes = Buffer.alloc(8);
        for (const kind of [5, -1, '1', NaN, undefined, { valueOf: () => 1 }]) all.push(tried(() => new Session(kind, false)));
        for (const f of [() => Session(1), () => Session.call([1], 1), () => new Stream(), () => Reflect.construct(Stream, [], Session), () => h.ping.call({}, bytes),
          () => h.ping.call(t, bytes), () => t.id.call(h), () => h.consumeStream(require('net').connect(1).on('error', () => {})._handle), () => h.consumeStream({})])
          all.push(tried(f));
        all.push(new (class extends Session {})(0) instanceof Session, new Session(1, false).ping(bytes), h.framesSent.call(new Session(0)));";
    let wrong = ["TypeError"; 13].join(",");
    assert_eq!(handles(attack), format!("{wrong},Error,Error,true,0,0\n"));
}

#[test]
fn no_size_is_taken_as_it_is_given() {
    let attack = "
        const far = [-1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, NaN, Infinity], s = new h.constructor(0, false), once = asked(made(new h.constructor(1, false)));
        for (const count of far) all.push(tried(() => s.origin('a', count)));
        for (const count of far) for (const block of ['a', '', '\\0\\0\\0', 'a\\0b\\0\\0'])
          for (const f of [() => t.info(block, count), () => t.trailers(block, count), () => once.respond(block, count, 0), () => t.pushPromise(block, count, 0)]) tried(f);
        const long = 'x'.repeat(5 << 20);
        for (const f of [() => h.request(long, 1), () => t.info(long, 1), () => s.origin(long, 1), () => h.request({}, 1), () => t.info(5, 1), () => t.writeUtf8String({}, {}),
          () => t.writeBuffer({}, {}), () => t.writeBuffer(null, Buffer.alloc(1)), () => t.shutdown(1), () => h.settings({}), () => h.receive({ length: 2 ** 40 }),
          () => h.ping(Buffer.alloc(7)), () => h.altsvc(0, 'a', long)]) all.push(tried(f));";
    let types = ["TypeError"; 8].join(",");
    let ranges = ["RangeError"; 3].join(",");
    let origins = "RangeError,0,RangeError,RangeError,0,0";
    assert_eq!(handles(attack), format!("{origins},{ranges},{types},-1,-1\n"));
}

/// Native code holds what callbacks would take from under it.
#[test]
fn what_callbacks_destroy_is_destroyed_afterwards() {
    let attack = "
        for (const what of [(h, t) => t.destroy(), (h, t) => h.destroy(), (h, t) => h.receive(frame(0, 1, t.id())), (h, t) => t.rstStream(1), () => { throw new Error('mine'); }]) {
          const s = made(new h.constructor(1, false)), one = asked(s); let done = false;
          Object.defineProperty(Array.prototype, '0', { configurable: true, set() { if (done) return; done = true; what(s, one); } });
          tried(() => s.receive(frame(1, 5, 1, 0x40, 1, 97, 1, 98)));
          delete Array.prototype[0]; all.push(done); sent(s); s.destroy();
        }
        const s = made(new h.constructor(1, false)), one = asked(s), two = asked(s); let reads = 0;
        one.onread = function (data, count) {
          all.push(this === one, count);
          if (++reads === 1) { s.receive(frame(0, 0, 1, 9, 9)); one.rstStream(8); one.trailers('', 0); one.shutdown({}); all.push(s.getOutgoingChunk().length); }
          if (reads === 2) { two.destroy(); one.destroy(); two.rstStream(3); s.destroy(); one.getState(); one.readStart(); throw new RangeError('mine'); }
        };
        all.push(tried(() => s.receive(Buffer.concat([frame(0, 0, 1, 1, 2, 3), frame(0, 0, 1, 4), frame(0, 1, 1, 5, 6)]))));
        all.push(reads, s.ping(Buffer.alloc(8)));";
    assert_eq!(handles(attack), "true,true,true,true,true,true,3,0,true,1,RangeError,2,-1\n");
}

#[test]
fn bytes_that_callbacks_take_away_are_read_all_the_same() {
    let attack = "
        const s = made(new h.constructor(1, false)), one = asked(s), text = [];
        const data = Buffer.concat([frame(0, 0, 1, 65), frame(0, 0, 1, 66), frame(0, 0, 1, 67)]), bytes = new Uint8Array(data.length); bytes.set(data);
        one.onread = (data) => { text.push(String.fromCharCode(data[0])); if (bytes.length === 0) return; bytes.fill(0xff); structuredClone(bytes.buffer, { transfer: [bytes.buffer] }); };
        s.receive(bytes); all.push(text.join(''), bytes.length);";
    assert_eq!(handles(attack), "ABC,0\n");
}

#[test]
fn what_waits_in_a_session_has_a_bound() {
    let attack = "
        const until = (f) => { for (let n = 0; n < 1e6; n++) { let said; try { said = f(); } catch (e) { return e.name; } if (said === false || said === -12) return said; } return 'none'; };
        const fresh = () => made(new h.constructor(1, false)), bytes = Buffer.alloc(8), wide = Buffer.alloc(1 << 22), far = request + 'x\\0y\\0\\0'.repeat(1e4);
        for (const f of [(s) => s.ping(bytes), (s) => s.settings(() => {}), (s) => s.goaway(1, 0, bytes), (s) => s.request(far, 1e4),
          (s, t) => t.info(far, 1e4), (s, t) => t.writeBuffer({}, wide)]) {
          const s = fresh(), one = asked(s); all.push(until(() => f(s, one))); if (all.length === 1) { sent(s); all.push(s.ping(bytes)); } s.destroy();
        }
        all.push(until(() => new h.constructor(0, false)));";
    let range = "RangeError";
    assert_eq!(handles(attack), format!("{range},0,false,{range},{range},{range},-12,{range}\n"));
}

#[test]
fn ordinary_programs_find_sessions_as_they_were() {
    let script = "
        const http2 = require('http2'), fs = require('fs'), all = [];
        fs.writeFileSync('/tmp/file', 'filed');
        const server = http2.createServer((req, res) => {
          if (req.url !== '/compat') return;
          res.setTrailer('x-last', 'end'); res.write('one'); res.end('two');
        });
        server.on('stream', (stream, headers) => {
          if (headers[':path'] === '/file') stream.respondWithFile('/tmp/file');
          if (headers[':path'] === '/echo') { stream.respond({ ':status': 200 }); stream.pipe(stream); }
          if (headers[':path'] === '/push') stream.pushStream({ ':path': '/pushed' }, (error, pushed) => { pushed.respond(); pushed.end('pushed'); stream.respond(); stream.end('done'); });
          if (headers[':path'] === '/abort') stream.on('aborted', () => all.push('aborted')).on('error', () => {});
        });
        server.listen(0, async () => {
          const client = http2.connect(`http://localhost:${server.address().port}`);
          const get = (path, body) => new Promise((resolve, reject) => {
            const stream = client.request({ ':path': path, ':method': body ? 'POST' : 'GET' }); let text = '';
            stream.setEncoding('utf8').on('data', (d) => text += d).on('trailers', (t) => text += t['x-last']).on('end', () => resolve(text)).on('error', reject); stream.end(body);
          });
          let pushed = ''; client.on('stream', (stream) => stream.setEncoding('utf8').on('data', (d) => pushed += d));
          all.push(await get('/compat'), await get('/file'), (await get('/echo', 'x'.repeat(1 << 20))).length, await get('/push'));
          all.push(await new Promise((resolve) => client.ping(Buffer.from('12345678'), (e, took, bytes) => resolve(String(bytes)))));
          const set = new Promise((resolve) => client.settings({ initialWindowSize: 1 << 20 }, resolve)); client.ping(() => {}); await set; all.push(client.localSettings.initialWindowSize);
          const dropped = client.request({ ':path': '/abort' }); dropped.on('error', () => {}); setTimeout(() => dropped.close(8), 50);
          await new Promise((resolve) => dropped.on('close', resolve)); await new Promise((resolve) => setTimeout(resolve, 50));
          all.push(pushed); client.goaway(0); client.close(() => { console.log(all.join()); server.close(); });
        });";
    assert_eq!(gets(script), "onetwoend,filed,1048576,done,12345678,1048576,aborted,pushed\n");
}
