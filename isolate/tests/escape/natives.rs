//! Native objects behind Node's modules, used by who finds them in an order that nobody else would.

use crate::gets;

/// Everything `seen` leads to by names and symbols that has a class of its own.
const CLASSES: &str = "
    const classes = new Set(), walked = new Set();
    const walk = (value, deep) => {
      if (value === null || (typeof value !== 'object' && typeof value !== 'function') || walked.has(value) || deep > 4) return;
      walked.add(value);
      for (const key of Reflect.ownKeys(value)) {
        let next; try { next = value[key]; } catch { continue; }
        walk(next, deep + 1);
      }
      let kind = Object.getPrototypeOf(value);
      for (; kind !== null && kind !== Object.prototype; kind = Object.getPrototypeOf(kind)) {
        let made; try { made = kind.constructor; } catch { continue; }
        if (typeof made !== 'function') continue;
        classes.add(made);
        for (let base = Object.getPrototypeOf(made); typeof base === 'function' && base !== Function.prototype; base = Object.getPrototypeOf(base)) classes.add(base);
      }
    };";

#[test]
fn no_class_of_native_objects_is_called_on_something_else() {
    let script = format!(
        "{CLASSES}
        const crypto = require('crypto'), net = require('net'), zlib = require('zlib');
        const server = net.createServer().listen(0), udp = require('dgram').createSocket('udp4');
        const seen = [server, net.connect(server.address().port), udp, crypto.createHash('sha1'), crypto.createHmac('sha1', 'k'), crypto.createECDH('prime256v1'),
          crypto.createCipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16)), crypto.createSign('sha1'), crypto.createSecretKey(Buffer.alloc(8)), zlib.createGzip(),
          zlib.createBrotliCompress(), zlib.createBrotliDecompress(), zlib.createZstdCompress(), new (require('vm').Script)('1'), new (require('v8').Serializer)(),
          require('perf_hooks').createHistogram(), new (require('_http_common').HTTPParser)(), new AbortController(), new URL('a:b'), new TextDecoder(), performance, process, new Headers(), new Blob([])];
        for (const one of seen) walk(one, 0);
        let tried = 0;
        for (const one of classes) for (const self of [[1, 2, 3], {{}}, new Map(), () => {{}}, new Uint8Array(8), new Proxy({{}}, {{}}), globalThis]) {{
          tried++; try {{ one.call(self, 1, 2, 3); }} catch {{}}
          for (const key of Object.getOwnPropertyNames(one.prototype ?? {{}})) if (!/kill|exit|abort|dlopen|chdir|stop/i.test(key)) try {{
            const made = Object.getOwnPropertyDescriptor(one.prototype, key); (made.value ?? made.get)?.call(self, 1, 2, 3);
          }} catch {{}}
        }}
        console.log(classes.size > 40, tried > 280); process.exit(0);"
    );
    assert_eq!(gets(&script).lines().last(), Some("true true"));
}

#[test]
fn a_stream_that_compresses_keeps_to_its_order() {
    let script = "
        const zlib = require('zlib'), all = [], left = new Uint32Array(2), input = require('crypto').randomBytes(60000), out = new Uint8Array(100000);
        const attempt = (work) => { try { work(); all.push('done'); } catch (e) { all.push(e.message); } };
        // What was written to is gone when it is written to again.
        const one = zlib.createDeflate()._handle; one.writeSync(0, input, 0, 60000, out, 0, 100, left);
        structuredClone(out.buffer, { transfer: [out.buffer] }); attempt(() => one.params(1, 0));
        attempt(() => one.init(15, 6, 8, 0, () => {}, undefined));
        one.close(); one.close(); for (const name of ['reset', 'params', 'write', 'writeSync']) attempt(() => one[name](0, input, 0, 1, new Uint8Array(9), 0, 1, left));
        for (const kind of ['BrotliCompress', 'BrotliDecompress', 'ZstdCompress', 'ZstdDecompress']) {
          const { _handle } = zlib['create' + kind](); _handle.close(); attempt(() => _handle.writeSync(0, input, 0, 1, new Uint8Array(9), 0, 1, left));
          attempt(() => new _handle.constructor(1).writeSync(0, input, 0, 1, new Uint8Array(9), 0, 1, left));
        }
        const bad = zlib.createInflate()._handle;
        for (const told of [5, undefined, { call: 1 }]) { bad.onerror = told; attempt(() => bad.writeSync(0, Buffer.from('garbage'), 0, 7, new Uint8Array(99), 0, 99, left)); }
        Object.defineProperty(bad, 'onerror', { get() { throw new Error('mine'); } }); attempt(() => bad.writeSync(0, Buffer.from('garbage'), 0, 7, new Uint8Array(99), 0, 99, left));
        for (const [from, length] of [[1, 7], [2 ** 32 - 1, 7], [-1, -1]]) attempt(() => zlib.createGzip()._handle.writeSync(0, Buffer.from('1234567'), from, length, new Uint8Array(9), 0, 9, left));
        console.log([...new Set(all)].join('|'));
        const kept = zlib.createDeflate(), parts = []; kept.on('data', (data) => parts.push(data)); kept.write('x'.repeat(1000));
        kept.params(9, 0, () => kept.end('y')); kept.on('end', () => console.log(zlib.inflateSync(Buffer.concat(parts)).length));";
    let said = "done|init after init|zlib binding closed|write before init|mine|a range beyond its buffer";
    assert_eq!(gets(script), format!("{said}\n1001\n"));
}

#[test]
fn streams_that_compress_are_counted_and_ended() {
    let script = "
        const zlib = require('zlib'), all = [], open = [];
        for (const make of [() => zlib.createGzip(), () => zlib.createBrotliCompress(), () => zlib.createZstdDecompress()]) {
          let n = 0; try { for (; n < 5000; n++) open.push(make()); } catch (e) { all.push(e.message, n > 8); }
          for (const one of open.splice(0)) one.close();
        }
        for (const wrong of [{ [zlib.constants.BROTLI_PARAM_LARGE_WINDOW]: 1, [zlib.constants.BROTLI_PARAM_LGWIN]: 30 }])
          try { zlib.createBrotliCompress({ params: wrong }); all.push('made'); } catch (e) { all.push(e.message); }
        // Parameters that are not given are as if they were unset, and take as much.
        for (const kind of ['BrotliDecompress', 'ZstdDecompress', 'ZstdCompress', 'BrotliCompress']) {
          const { constructor } = zlib['create' + kind]()._handle; let n = 0;
          try { for (; n < 5000; n++) { const one = new constructor(1); one.init(new Uint32Array(0), () => {}); open.push(one); } } catch (e) { all.push(n < 1000); }
          for (const one of open.splice(0)) one.close();
        }
        (async () => {
          // What nobody has any more is ended, sooner or later.
          for (let n = 0; n < 4000; n++) { zlib.createGzip(); if (n % 200 === 0) { new Array(1e6).fill(n); await new Promise((done) => setTimeout(done, 1)); } }
          all.push(zlib.gunzipSync(zlib.gzipSync('well')));
        })().then(() => console.log(all.join('|')), (e) => console.log(e.message, all.join('|')));";
    let full = "zlib: there is no memory for another stream of this kind";
    let said = gets(script);
    let bounded = "true|true|true|true|well";
    assert!(said.starts_with(&format!("{full}|true|{full}|true|{full}|true|{full}|{bounded}")), "{said}");
}

#[test]
fn a_parser_goes_on_whatever_its_callbacks_do() {
    let script = "
        const { HTTPParser } = require('_http_common'), all = [], text = 'POST /a HTTP/1.1\\r\\nhost: a\\r\\ncontent-length: 4\\r\\n\\r\\nbodyGET /b HTTP/1.1\\r\\n\\r\\n';
        for (const mischief of [
          (parser) => parser.initialize(1, {}), (parser) => parser._native.initialize(1, 0, 0), (parser) => parser.free(), (parser) => parser.close(), (parser) => parser.execute(Buffer.from(text)),
          (parser, bytes) => { structuredClone(bytes.buffer, { transfer: [bytes.buffer] }); new Uint8Array(1 << 20).fill(1); }, (parser) => parser.finish(), (parser) => parser.pause(),
        ]) for (let at = 0; at < 5; at++) {
          const parser = new HTTPParser(); parser.initialize(1, {}); const bytes = new Uint8Array(Buffer.from(text)); let once = true;
          for (let each = 0; each < 5; each++) parser[each] = () => { if (each === at && once) { once = false; mischief(parser, bytes); } return 0; };
          try { all.push(typeof parser.execute(bytes)); } catch (e) { all.push(e.name); }
        }
        for (const kind of [77, -1, 2 ** 40, NaN]) try { new HTTPParser()._native.initialize(kind, 0, 0); all.push('made'); } catch (e) { all.push(e.name); }
        console.log(all.length, [...new Set(all)].every((it) => ['number', 'object', 'TypeError', 'Error', 'made'].includes(it)));";
    assert_eq!(gets(script), "44 true\n");
}

#[test]
fn contexts_and_modules_are_not_made_in_the_middle_of_themselves() {
    let script = "
        const vm = require('vm'), all = [];
        const attempt = (work) => { try { all.push(work()); } catch (e) { all.push(e.message); } };
        const box = {}; attempt(() => vm.createContext(box, { get name() { vm.createContext(box); } }));
        for (const columnOffset of [-5, -(2 ** 31), 2 ** 31 - 1]) attempt(() => new vm.Script('throw new Error(`thrown`)', { columnOffset }).runInThisContext());
        const chain = Array.from({ length: 5000 }, (_, n) => new vm.SourceTextModule(n < 4999 ? 'import `x`'.replaceAll('`', '\"') : ''));
        for (let n = 0; n < 5000; n++) chain[n].linkRequests(n < 4999 ? [chain[n + 1]] : []);
        attempt(() => chain[0].instantiate());
        const one = new vm.SourceTextModule('globalThis.again()'); one.linkRequests([]); one.instantiate();
        globalThis.again = () => { one.evaluate().catch((e) => all.push(e.message)); };
        one.evaluate().then(() => setTimeout(() => console.log(all.join('|')), 1));";
    let thrown = "thrown|thrown|thrown";
    let linked = "more than 4000 modules are linked with each other";
    let said = format!("it has become a context meanwhile|{thrown}|{linked}|the module is being evaluated\n");
    assert_eq!(gets(script), said);
}

/// The engine runs it as it is.
#[test]
fn code_that_was_compiled_is_taken_from_nobody_else() {
    let script = "
        const vm = require('vm'), all = [], made = new vm.Script('6 * 7').createCachedData();
        const rejected = (text, cachedData) => { const script = new vm.Script(text, { cachedData }); all.push(script.cachedDataRejected, script.runInThisContext()); };
        rejected('6 * 7', made); rejected('7 * 7', made);
        const changed = Buffer.from(made); changed[changed.length - 9] ^= 1; rejected('6 * 7', changed); rejected('6 * 7', Buffer.alloc(1000, 1));
        const f = vm.compileFunction('return 1', ['a'], { produceCachedData: true });
        const { cachedData } = f; for (const names of [['a'], ['b']]) { const g = vm.compileFunction('return 1', names, { cachedData }); all.push(g.cachedDataRejected, g()); }
        console.log(all.join());";
    assert_eq!(gets(script), "false,42,true,49,true,42,true,42,false,1,true,1\n");
}

/// What native code counts with is as long as a program says.
#[test]
fn histograms_and_salts_are_as_large_as_they_may_be() {
    let script = "
        const { createHistogram } = require('perf_hooks'), crypto = require('crypto'), all = [], kept = [];
        try { for (let n = 0; n < 2000; n++) kept.push(createHistogram({ lowest: 1, highest: 2 ** 53 - 1, figures: 5 })); } catch (e) { all.push(e.name, kept.length > 4); }
        kept.length = 0; const one = createHistogram({ highest: 1000 }); one.record(5); try { one.add(one); } catch (e) { all.push(e.name); } all.push(one.max);
        const { privateKey: key } = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 });
        try { crypto.sign('sha256', 'x', { key, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 2 ** 31 - 1 }); } catch (e) { all.push(e.code); }
        console.log(all.join());";
    assert_eq!(gets(script), "RangeError,true,TypeError,5,ERR_INVALID_ARG_VALUE\n");
}

/// A short text of brotli's is of hundreds of megabytes.
#[test]
fn what_is_unpacked_in_a_stream_is_counted_as_it_comes() {
    let script = "
        const zlib = require('zlib');
        const packed = { brotli: zlib.brotliCompressSync(Buffer.alloc(1 << 26), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }), gzip: zlib.gzipSync('x'.repeat(1e6)) };
        const most = async (name, source) => {
          const stream = new DecompressionStream(name), writer = stream.writable.getWriter(); let most = 0, all = 0;
          writer.write(source).then(() => writer.close()); for await (const part of stream.readable) { most = Math.max(most, part.length); all += part.length; }
          return [most <= 1 << 25, all].join();
        };
        (async () => console.log(await most('gzip', packed.gzip), await most('gzip', packed.gzip.buffer.slice(packed.gzip.byteOffset, packed.gzip.byteOffset + packed.gzip.length)), await most('brotli', packed.brotli)))();";
    assert_eq!(gets(script), "true,1000000 true,1000000 true,67108864\n");
}

/// The engine's methods are put into classes once more when the first script is loaded late.
#[test]
fn guards_stay_when_everything_is_loaded() {
    let script = "
        process.noDeprecation = true;
        for (const name of require('module').builtinModules) try { require(name); } catch {}
        new CompressionStream('gzip'); new URLPattern({}); performance.mark('x'); crypto.subtle; new BroadcastChannel('x').close(); try { new WebSocket('ws://127.0.0.1:1').onerror = () => {}; } catch {}
        const zlib = require('zlib'), vm = require('vm'), native = [];
        const handles = [zlib.createGzip(), zlib.createBrotliCompress(), zlib.createZstdDecompress()].map((it) => it._handle);
        handles.push(new (require('_http_common').HTTPParser)()._native);
        for (const handle of handles) {
          const kind = Object.getPrototypeOf(handle);
          for (const name of Object.getOwnPropertyNames(kind)) if (typeof kind[name] === 'function' && /\\[native code\\]/.test(String(kind[name]))) native.push(name);
        }
        const box = {}; try { vm.createContext(box, { get name() { vm.createContext(box); } }); } catch (e) { native.push(e.message); }
        const chain = Array.from({ length: 4100 }, (_, n) => new vm.SourceTextModule(n < 4099 ? 'import \"x\"' : ''));
        for (let n = 0; n < 4100; n++) chain[n].linkRequests(n < 4099 ? [chain[n + 1]] : []);
        try { chain[0].instantiate(); } catch (e) { native.push(e.message); }
        console.log(native.join('|')); process.exit();";
    assert_eq!(gets(script), "it has become a context meanwhile|more than 4000 modules are linked with each other\n");
}
