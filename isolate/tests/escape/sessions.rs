//! Between sessions, and between the processes of one: nothing but what the kernel carries.

use crate::gets_in;
use crate::harness::Place;

/// Runs `sender` in one place while `receiver`, which says at the end what it got, runs in another. Both for a moment.
fn both(sender: (&Place, &str), receiver: (&Place, &str)) -> String {
    std::thread::scope(|scope| {
        let sends =
            scope.spawn(|| sender.0.node(&["-e", &format!("{}; setTimeout(() => process.exit(), 900)", sender.1)]));
        let got = gets_in(
            receiver.0,
            &format!(
                "const got = []; {}; setTimeout(() => {{ console.log(JSON.stringify(got)); process.exit(); }}, 600)",
                receiver.1
            ),
        );
        sends.join().unwrap();
        got
    })
}

#[test]
fn broadcast_channels_end_with_their_process() {
    let send = "const c = new BroadcastChannel('all'); setInterval(() => c.postMessage('secret'), 5)";
    let hear = "const c = new BroadcastChannel('all'); c.onmessage = (m) => got.push(m.data)";
    let (one, other) = (Place::new(), Place::new());
    assert_eq!(both((&one, send), (&other, hear)), "[]\n");
    assert_eq!(both((&one, send), (&one, hear)), "[]\n");
}

#[test]
fn locks_names_stores_and_addresses_of_one_program_mean_nothing_to_another() {
    let hold = "globalThis.navigator?.locks?.request?.('all', () => new Promise(() => {}))?.catch?.(() => {}); \
                try { globalThis.localStorage?.setItem('k', 'secret'); } catch {} try { globalThis.caches?.open('k'); } catch {} globalThis.shared = 'secret'; Array.prototype.secret = 'secret'; \
                process.env.SECRET = 'secret'; process.title = 'secret'; Symbol.for('secret').x = 1; performance.mark('secret'); \
                global.u = URL.createObjectURL(new Blob(['secret'])); setInterval(() => {}, 10)";
    let look = "got.push(typeof navigator === 'object' && navigator.locks ? 'locks' : 'none'); globalThis.navigator?.locks?.query?.().then((q) => { if (JSON.stringify(q).includes('all')) got.push('held'); }, () => {}); \
                try { if (globalThis.localStorage?.getItem('k')) got.push('stored'); } catch {} if (globalThis.shared || [].secret || process.env.SECRET) got.push('shared'); \
                if (performance.getEntriesByName('secret').length) got.push('marked'); got.shift()";
    let (one, other) = (Place::new(), Place::new());
    assert_eq!(both((&one, hold), (&other, look)), "[]\n");
    assert_eq!(both((&one, hold), (&one, look)), "[]\n");
}

#[test]
fn a_port_a_socket_and_a_file_of_one_session_are_not_anothers() {
    let serve = "require('net').createServer((s) => s.end('secret')).listen(7070); require('net').createServer((s) => s.end('secret')).listen('\\0name'); require('fs').writeFileSync('/tmp/secret', 'secret')";
    let call = "for (const to of [7070, { path: '\\0name' }]) setTimeout(() => require('net').connect(to).on('data', (d) => got.push(String(d))).on('error', () => {}), 300); setTimeout(() => got.push(...require('fs').readdirSync('/tmp')), 400)";
    let (one, other) = (Place::new(), Place::new());
    assert_eq!(both((&one, serve), (&other, call)), "[]\n");
}

#[test]
fn memory_that_is_shared_is_sent_to_no_other_process() {
    let place = Place::new();
    place.file("/home/agent/child.js", "process.on('message', (m) => { process.send(m.b instanceof SharedArrayBuffer ? 'shared' : 'copied or none'); process.disconnect(); })");
    let script = "
        const cp = require('child_process'), got = [];
        for (const serialization of ['json', 'advanced']) {
          const child = cp.fork('/home/agent/child.js', { serialization }); child.on('message', (m) => got.push(m));
          try { child.send({ b: new SharedArrayBuffer(8) }); } catch (e) { got.push('refused'); child.kill(); }
        }
        process.on('exit', () => console.log(got.includes('shared'), got.length));";
    assert_eq!(gets_in(&place, script), "false 2\n");
    let script = "
        const v8 = require('v8'); let got = 0;
        try { const bytes = v8.serialize(new SharedArrayBuffer(8)); const back = v8.deserialize(bytes); got = back instanceof SharedArrayBuffer; } catch { got = 'refused'; } console.log(got)";
    assert_ne!(gets_in(&place, script), "true\n");
}
