//! Numbers of descriptors: a guest's are its process's, whatever the host has open under the same ones.

use crate::gets;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;

#[test]
fn no_number_names_a_file_or_a_socket_of_the_host() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"a secret of the host").unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let (mut near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    near.write_all(b"a secret of the host").unwrap();
    assert!(file.as_raw_fd() > 2 && file.as_raw_fd() < 4096 && far.as_raw_fd() < 4096);
    let script = "
        const fs = require('fs'), net = require('net'), tty = require('tty'), { Buffer } = require('buffer');
        const bytes = Buffer.alloc(64), found = [];
        const see = (how, n) => { if (n > 2 || bytes.includes('secret')) found.push(how + n); bytes.fill(0); };
        const tries = {
          read: (n) => fs.readSync(n, bytes, 0, 64, null), pread: (n) => fs.readSync(n, bytes, 0, 64, 0), readv: (n) => fs.readvSync(n, [bytes]),
          readFile: (n) => fs.readFileSync(n), write: (n) => n > 2 && fs.writeSync(n, 'x'), fstat: (n) => fs.fstatSync(n),
          ftruncate: (n) => n > 2 && fs.ftruncateSync(n, 0), fsync: (n) => n > 2 && fs.fsyncSync(n), fchmod: (n) => n > 2 && fs.fchmodSync(n, 0o777),
          futimes: (n) => n > 2 && fs.futimesSync(n, 1, 1), close: (n) => n > 2 && fs.closeSync(n),
          socket: (n) => new net.Socket({ fd: n }).destroy(), tty: (n) => new tty.ReadStream(n).destroy(),
          ttyw: (n) => new tty.WriteStream(n).destroy(),
        };
        const others = [-1, -(2 ** 31), 2 ** 31, 2 ** 32 + 3, 1.5, NaN, Infinity, '3', null, {}];
        for (const [how, attempt] of Object.entries(tries)) {
          for (const n of [...Array(4096).keys()].slice(how === 'readFile' || how === 'socket' || how.startsWith('tty') || how === 'read' ? 3 : 0).concat(others)) {
            try { attempt(n); see(how, n); } catch (e) { if (!e.code) found.push(how + ':' + n + ':' + e); }
          }
        }
        process.on('uncaughtException', (e) => { if (e.code !== 'EBADF' && e.code !== 'EINVAL') found.push(e.message); });
        setTimeout(() => console.log(JSON.stringify(found)), 50)";
    assert_eq!(gets(script), "[]\n");
    // Nobody wrote over it, or took what was written.
    assert_eq!(file.metadata().unwrap().len(), 20);
    let mut far = far;
    let mut bytes = [0; 64];
    far.set_nonblocking(true).unwrap();
    assert_eq!(std::io::Read::read(&mut far, &mut bytes).unwrap(), 20);
}

#[test]
fn handles_open_descriptors_of_the_process_alone() {
    let file = tempfile::tempfile().unwrap();
    assert!(file.as_raw_fd() < 4096);
    let script = "
        const net = require('net'), tty = require('tty'), server = net.createServer(), unix = net.createServer();
        server.listen(0, () => unix.listen('/tmp/s', () => {
          const own = new Set([0, 1, 2, server._handle.fd, unix._handle.fd]), found = [];
          for (const handle of [server._handle, unix._handle]) {
            if (handle.open(0) === 0) found.push('again');
            for (let n = 0; n < 4096; n++) {
              const error = new handle.constructor(0).open(n);
              if (error === 0 && !own.has(n)) found.push(n);
            }
            for (const n of [-1, -(2 ** 31), 2 ** 31, 2 ** 32 + 99, NaN, {}, 'x', undefined, 1n]) {
              try { const h = new handle.constructor(0); const error = h.open(n); if (error === 0 && !own.has(h.fd)) found.push(String(n)); } catch {}
            }
          }
          console.log(JSON.stringify(found)); server.close(); unix.close(); process.exit();
        }))";
    assert_eq!(gets(script), "[]\n");
}

#[test]
fn a_child_is_given_descriptors_of_its_parent_alone() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"a secret of the host").unwrap();
    let script = "
        const cp = require('child_process'); const found = [];
        for (let n = 3; n < 24; n++) {
          try { const r = cp.spawnSync('node', ['-e', 'process.stdin.on(\"data\", (d) => process.stdout.write(d)).on(\"error\", () => {}); setTimeout(() => process.exit(), 20)'], { stdio: [n, 'pipe', 'pipe'] }); if (String(r.stdout).includes('secret')) found.push(n); } catch (e) { if (!e.code) found.push(e.message); }
        }
        console.log(JSON.stringify(found))";
    assert_eq!(gets(script), "[]\n");
}
