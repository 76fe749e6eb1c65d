//! Pipes and FIFOs through `node:fs`: who waits, and for what.

use crate::harness::{Place, printed};
use warren_kernel::process::ExitStatus;

/// What a script prints in a session with a FIFO, `fifo`.
fn with_fifo(script: &str) -> String {
    let place = Place::new();
    place.fifo("/home/agent/fifo");
    let ended = place.node(&["-e", &format!("const fs = require('fs'); {script}")]);
    assert_eq!((ended.status, ended.err.as_str()), (ExitStatus::Exited(0), ""), "{script}: {ended:?}");
    ended.out
}

#[test]
fn a_full_pipe_holds_up_nothing_but_the_write() {
    assert_eq!(
        with_fifo(
            "const fd = fs.openSync('fifo', 'r+'), data = Buffer.alloc(200000, 'x'); let turns = 0;\n\
             fs.write(fd, data, (e, n) => { console.log(e, n, turns > 5); clearInterval(timer); fs.closeSync(fd); });\n\
             const timer = setInterval(() => { if (++turns > 5) fs.read(fd, Buffer.alloc(50000), () => {}); }, 1);"
        ),
        "null 200000 true\n"
    );
}

#[test]
fn an_empty_pipe_holds_up_nothing_but_the_read() {
    assert_eq!(
        with_fifo(
            "const fd = fs.openSync('fifo', 'r+'); fs.promises.open('fifo').then(async (h) => {\n\
               const read = h.read(Buffer.alloc(10)); await new Promise((r) => setTimeout(r, 5)); console.log('others run'); fs.writeSync(fd, 'now');\n\
               const { bytesRead, buffer } = await read; console.log(bytesRead, String(buffer.subarray(0, bytesRead))); await h.close(); })"
        ),
        "others run\n3 now\n"
    );
}

#[test]
fn a_fifo_is_opened_when_somebody_opens_its_other_end() {
    assert_eq!(
        with_fifo(
            "const order = []; fs.open('fifo', 'r', (e, r) => { order.push('reader'); fs.createReadStream(null, { fd: r }).on('data', (d) => order.push(String(d))).on('close', () => console.log(order.join())); });\n\
             setTimeout(() => { order.push('waited'); const w = fs.createWriteStream('fifo'); w.write('one'); w.end('two'); }, 5);"
        )
        .replace("one,two", "onetwo"),
        "waited,reader,onetwo\n"
    );
    assert_eq!(
        with_fifo(
            "fs.readFile('fifo', 'utf8', (e, text) => console.log(text.length)); fs.promises.writeFile('fifo', 'y'.repeat(300000)).then(() => console.log('written'))"
        )
        .lines()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>(),
        ["300000", "written"]
    );
}

#[test]
fn a_descriptor_that_does_not_wait_says_so() {
    assert_eq!(
        with_fifo(
            "const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants, said = (f) => { try { console.log(f()) } catch (e) { console.log(e.message, e.errno) } };\n\
             said(() => fs.openSync('fifo', O_WRONLY | O_NONBLOCK)); const r = fs.openSync('fifo', O_RDONLY | O_NONBLOCK);\n\
             said(() => fs.readSync(r, Buffer.alloc(4))); const w = fs.openSync('fifo', O_WRONLY | O_NONBLOCK);\n\
             said(() => fs.readSync(r, Buffer.alloc(4))); said(() => fs.writeSync(w, Buffer.alloc(100000))); said(() => fs.writeSync(w, 'x'));\n\
             fs.write(w, 'x', (e) => { console.log(e.code); fs.read(r, Buffer.alloc(10), (e, n) => { console.log(e, n); fs.closeSync(r); said(() => fs.writeSync(w, 'x')); }); });"
        ),
        "ENXIO: no such device or address, open 'fifo' -6\n0\nEAGAIN: resource temporarily unavailable, read -11\n65536\n\
         EAGAIN: resource temporarily unavailable, write -11\nEAGAIN\nnull 10\nEPIPE: broken pipe, write -32\n"
    );
}

#[test]
fn what_waits_in_a_call_is_ended_by_a_signal() {
    let script = "const cp = require('child_process'), fs = require('fs');\n\
        for (const call of ['fs.readSync(0, Buffer.alloc(1))', 'fs.writeSync(1, Buffer.alloc(1 << 20))', 'fs.readFileSync(0)', 'fs.openSync(\"fifo\")']) {\n\
          const child = cp.spawn(process.execPath, ['-e', `const fs = require('fs'); fs.writeSync(2, 'r'); ${call}`], { stdio: ['pipe', 'pipe', 'pipe'] });\n\
          child.stderr.once('data', () => setTimeout(() => child.kill(), 20)); child.on('exit', (code, signal) => console.log(code, signal)); }";
    let place = Place::new();
    place.fifo("/home/agent/fifo");
    let ended = place.node(&["-e", script]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("null SIGTERM\n".repeat(4).as_str(), ""));
}

#[test]
fn a_synchronous_write_waits_for_its_reader() {
    let script = "const cp = require('child_process');\n\
        const child = cp.spawn(process.execPath, ['-e', 'const n = require(\"fs\").writeSync(1, Buffer.alloc(1 << 20)); console.error(n)'], { stdio: ['ignore', 'pipe', 'inherit'] });\n\
        let n = 0; child.stdout.on('data', (d) => n += d.length).on('end', () => console.log(n));";
    let ended = Place::new().node(&["-e", script]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("1048576\n", "1048576\n"));
}

#[test]
fn output_is_written_before_a_program_exits() {
    let script = "const cp = require('child_process');\n\
        const child = cp.spawn(process.execPath, ['-e', 'for (let i = 0; i < 300; i++) process.stdout.write(\"x\".repeat(1000)); console.log(\"end\"); process.exit(3)'], { stdio: ['ignore', 'pipe', 'inherit'] });\n\
        setTimeout(() => { let all = ''; child.stdout.setEncoding('utf8').on('data', (d) => all += d).on('end', () => console.log(all.length, all.endsWith('xend\\n'))); }, 50);\n\
        child.on('close', (code) => console.log(code));";
    assert_eq!(printed(script), "300004 true\n3\n");
}

#[test]
fn output_has_callbacks_and_tells_when_it_drained() {
    let script = "const out = process.stdout; const order = [];\n\
        order.push(out.write('a\\n', () => order.push('a'))); order.push(out.write(Buffer.alloc(100000, ' '), () => order.push('b')));\n\
        out.on('drain', () => order.push('drain')); setTimeout(() => { console.error(order.join(), out.writableLength, out.writableNeedDrain); out.end('last\\n', () => console.error('ended')); }, 20);";
    let ended = Place::new().node(&["-e", script]);
    assert_eq!((ended.out.len(), ended.status), (2 + 100_000 + 5, ExitStatus::Exited(0)), "{}", ended.err);
    assert!(ended.out.ends_with("last\n"));
    let (first, _) = ended.err.split_once('\n').unwrap();
    assert!(first.starts_with("true,true,"), "{first}");
    assert!(first.ends_with(",a,b 0 false"), "{first}");
}

#[test]
fn output_nobody_reads_is_an_error_of_the_stream() {
    let script = "const cp = require('child_process');\n\
        const run = (text) => new Promise((done) => { const child = cp.spawn(process.execPath, ['-e', text], { stdio: ['pipe', 'pipe', 'pipe'] });\n\
          child.stdout.destroy(); let err = ''; child.stderr.on('data', (d) => err += d); child.on('close', (code, signal) => { console.log(code, signal, err.trim().split('\\n').filter((l) => !l.startsWith('    at')).join('|')); done(); });\n\
          child.stdin.end(); });\n\
        const later = (text) => `process.stdin.resume().on('end', () => setTimeout(() => { ${text} }, 30))`;\n\
        (async () => {\n\
          await run(later('process.stdout.on(\"error\", (e) => console.error(e.code, e.syscall, e.errno, e.message)); process.stdout.write(\"x\", (e) => console.error(e.code))'));\n\
          await run(later('console.log(1); console.log(2); console.error(\"goes on\")'));\n\
          await run(later('try { require(\"fs\").writeSync(1, \"x\") } catch (e) { console.error(e.message) }')); })();";
    assert_eq!(
        printed(script),
        "0 null EPIPE|EPIPE write -32 write EPIPE\n0 null goes on\n0 null EPIPE: broken pipe, write\n"
    );
}
