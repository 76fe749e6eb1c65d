//! Descriptors by number: what a program names is what the kernel has.

use crate::harness::{Place, printed};
use warren_kernel::process::ExitStatus;

#[test]
fn numbers_are_the_lowest_free_and_are_freed() {
    let script = "const fs = require('fs'), seen = () => fs.readdirSync('/proc/self/fd').map(Number).sort((a, b) => a - b).join();\n\
        const first = seen(), a = fs.openSync('/etc/passwd'), b = fs.openSync('.'); console.log(a, b, fs.readlinkSync('/proc/self/fd/3'));\n\
        fs.closeSync(a); fs.open('new', 'w', async (_, c) => {\n\
          const handle = await fs.promises.open('new'); console.log(c, handle.fd, seen()); await handle.close(); fs.closeSync(b);\n\
          fs.close(c, (error) => console.log(error, seen() === first)); });";
    assert_eq!(printed(script), "3 4 /etc/passwd\n3 5 0,1,2,3,4,5,6\nnull true\n");
}

#[test]
fn sockets_streams_and_files_share_the_numbers() {
    let script = "const fs = require('fs'), net = require('net'), tty = require('tty');\n\
        const server = net.createServer().listen(0, () => {\n\
          const fd = server._handle.fd; console.log(fd, fs.fstatSync(fd).isSocket(), fs.readlinkSync('/proc/self/fd/' + fd).startsWith('socket:'), tty.isatty(fd), tty.isatty(0));\n\
          server.close(() => { try { fs.fstatSync(fd) } catch (e) { console.log(e.message, e.errno, e.code, e.syscall) }\n\
            const file = fs.openSync('f', 'w+'); console.log(file === fd); fs.writeSync(file, 'some text');\n\
            fs.createReadStream(null, { fd: file, start: 5, autoClose: true }).on('data', (d) => console.log(String(d))).on('close', () => { try { fs.readSync(file, Buffer.alloc(1)) } catch (e) { console.log(e.message) } }); }); });";
    assert_eq!(
        printed(script),
        "3 true true false false\nEBADF: bad file descriptor, fstat -9 EBADF fstat\ntrue\ntext\nEBADF: bad file descriptor, read\n"
    );
}

#[test]
fn what_a_parent_gave_is_read_by_number_and_as_a_stream() {
    let script = "const cp = require('child_process'), fs = require('fs'); fs.writeFileSync('f', 'of a file');\n\
        if (process.argv[1] === 'child') {\n\
          const b = Buffer.alloc(4); console.log(fs.readSync(3, b, 0, 4), String(b), fs.readFileSync(3, 'utf8'), fs.fstatSync(3).size);\n\
          const socket = new (require('net').Socket)({ fd: 4 }); socket.on('data', (d) => { console.log(String(d)); socket.end('answer'); }); return; }\n\
        const child = cp.spawn(process.execPath, ['-e', process._eval, 'child'], { stdio: ['ignore', 'inherit', 'inherit', fs.openSync('f'), 'pipe'] });\n\
        child.stdio[4].write('question'); child.stdio[4].on('data', (d) => console.log(String(d)));";
    assert_eq!(printed(&format!("(() => {{ {script} }})()")), "4 of a  file 9\nquestion\nanswer\n");
}

#[test]
fn standard_streams_are_descriptors_as_others_are() {
    let script = "const fs = require('fs'); console.log(fs.readFileSync(0, 'utf8')); fs.writeSync(1, 'one\\n'); fs.writeFileSync(2, 'two\\n'); console.log(fs.fstatSync(0).isFIFO());\n\
        fs.closeSync(0); console.log(fs.openSync('/etc/passwd')); fs.closeSync(1); try { fs.writeSync(1, 'x') } catch (e) { fs.writeSync(2, e.message) }";
    let ended = Place::new().node_with(&["-e", script], "input");
    assert_eq!(
        (ended.out.as_str(), ended.err.as_str()),
        ("input\none\ntrue\n0\n", "two\nEBADF: bad file descriptor, write")
    );
}

#[test]
fn errors_say_what_node_says() {
    let script = "const fs = require('fs'), said = (e) => console.log(e.message, e.errno, e.code, e.syscall, e.path);\n\
        for (const f of [() => fs.openSync('none'), () => fs.openSync('.', 'w'), () => fs.closeSync(77), () => fs.fsyncSync(77), () => fs.ftruncateSync(0, 1), () => fs.openSync('.', fs.constants.O_CREAT | fs.constants.O_EXCL)]) try { f() } catch (e) { said(e) }\n\
        fs.write(77, 'x', (e) => { said(e); fs.read(77, Buffer.alloc(1), 0, 1, 0, (e) => { said(e); fs.close(77, (e) => { said(e); fs.open('none', (e) => { said(e); fs.promises.open('none').catch(said); }); }); }); });";
    assert_eq!(
        printed(script),
        "ENOENT: no such file or directory, open 'none' -2 ENOENT open none\n\
         EISDIR: illegal operation on a directory, open '.' -21 EISDIR open .\n\
         EBADF: bad file descriptor, close -9 EBADF close undefined\n\
         EBADF: bad file descriptor, fsync -9 EBADF fsync undefined\n\
         EINVAL: invalid argument, ftruncate -22 EINVAL ftruncate undefined\n\
         EEXIST: file already exists, open '.' -17 EEXIST open .\n\
         EBADF: bad file descriptor, write -9 EBADF write undefined\n\
         EBADF: bad file descriptor, read -9 EBADF read undefined\n\
         EBADF: bad file descriptor, close -9 EBADF close undefined\n\
         ENOENT: no such file or directory, open 'none' -2 ENOENT open none\n\
         ENOENT: no such file or directory, open 'none' -2 ENOENT open none\n"
    );
}

#[test]
fn there_are_as_many_as_the_session_says() {
    let place = Place::with(|template| template.limits.descriptors = 10);
    let script = "const fs = require('fs'), net = require('net'), open = []; try { for (;;) open.push(fs.openSync('/etc/passwd')); } catch (e) { console.log(open.join(), e.message); }\n\
        fs.open('/etc/passwd', (e) => { console.log(e.code); net.createServer().on('error', (e) => { console.log(e.code); fs.closeSync(open[2]); console.log(fs.openSync('.')); }).listen(0); });";
    let ended = place.node(&["-e", script]);
    assert_eq!(
        (ended.out.as_str(), ended.err.as_str()),
        ("3,4,5,6,7,8,9 EMFILE: too many open files, open '/etc/passwd'\nEMFILE\nEMFILE\n5\n", "")
    );
}

#[test]
fn a_number_that_is_closed_ends_what_waits_on_it() {
    let place = Place::new();
    place.fifo("/home/agent/fifo");
    let script = "const fs = require('fs'), fd = fs.openSync('fifo', 'r+');\n\
        fs.read(fd, Buffer.alloc(1), (e) => { console.log(e.code, fs.openSync('.') === fd); });\n\
        setImmediate(() => fs.closeSync(fd));";
    let ended = place.node(&["-e", script]);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(0), "EBADF true\n"), "{ended:?}");
}

#[test]
fn a_handle_that_is_lost_is_closed() {
    let script = "const fs = require('fs');\n\
        process.on('uncaughtException', (e) => console.log(e.code, e.message.endsWith('File descriptor: 3')));\n\
        (async () => { await (async () => { await fs.promises.open('/etc/passwd'); await (await fs.promises.open('/etc/passwd')).close(); })();\n\
          for (let turn = 0; turn < 300 && fs.existsSync('/proc/self/fd/3'); turn++) { globalThis.waste = [new ArrayBuffer(8 << 20), Array.from({ length: 1000 }, () => ({}))]; await new Promise(setImmediate); } })();";
    assert_eq!(printed(script), "ERR_INVALID_STATE true\n");
}
