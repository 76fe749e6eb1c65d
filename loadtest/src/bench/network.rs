//! Connections inside a session.

use super::Effort;
use crate::bed::{self, Bed, Failure};
use crate::measure::{Measured, Timer};
use std::time::Instant;
use warren_wasi_posix::node::Command;

/// Accepts, echoes one byte, closes, for ever.
const SERVER: &str = r#"(module
  (import "host_net" "net_socket" (func $socket (param i32 i32 i32 i32) (result i32)))
  (import "host_net" "net_bind" (func $bind (param i32 i32 i32) (result i32)))
  (import "host_net" "net_listen" (func $listen (param i32 i32) (result i32)))
  (import "host_net" "net_accept" (func $accept (param i32 i32 i32 i32) (result i32)))
  (import "host_net" "net_recv" (func $recv (param i32 i32 i32 i32 i32) (result i32)))
  (import "host_net" "net_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))
  (import "host_net" "net_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "127.0.0.1:7000")
  (data (i32.const 64) "\10\00\00\00\01\00\00\00")
  (func (export "_start")
    (local $listener i32) (local $one i32)
    (if (call $socket (i32.const 1) (i32.const 6) (i32.const 0) (i32.const 0)) (then unreachable))
    (local.set $listener (i32.load (i32.const 0)))
    (if (call $bind (local.get $listener) (i32.const 16) (i32.const 14)) (then unreachable))
    (if (call $listen (local.get $listener) (i32.const 16)) (then unreachable))
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 32)))
    (loop $again
      (i32.store (i32.const 8) (i32.const 64))
      (if (call $accept (local.get $listener) (i32.const 0) (i32.const 128) (i32.const 8)) (then unreachable))
      (local.set $one (i32.load (i32.const 0)))
      (if (call $recv (local.get $one) (i32.const 256) (i32.const 1) (i32.const 0) (i32.const 32)) (then unreachable))
      (if (call $send (local.get $one) (i32.const 256) (i32.const 1) (i32.const 0) (i32.const 32)) (then unreachable))
      (if (call $close (local.get $one)) (then unreachable))
      (br $again))))"#;

/// For each byte of its input: connects, has a byte echoed, closes, and writes a byte.
const CLIENT: &str = r#"(module
  (import "host_net" "net_socket" (func $socket (param i32 i32 i32 i32) (result i32)))
  (import "host_net" "net_connect" (func $connect (param i32 i32 i32) (result i32)))
  (import "host_net" "net_recv" (func $recv (param i32 i32 i32 i32 i32) (result i32)))
  (import "host_net" "net_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))
  (import "host_net" "net_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "127.0.0.1:7000")
  (data (i32.const 64) "\80\00\00\00\01\00\00\00")
  (func (export "_start")
    (local $one i32)
    (loop $again
      (if (call $read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 32)) (then unreachable))
      (if (i32.eqz (i32.load (i32.const 32))) (then return))
      (if (call $socket (i32.const 1) (i32.const 6) (i32.const 0) (i32.const 0)) (then unreachable))
      (local.set $one (i32.load (i32.const 0)))
      (if (call $connect (local.get $one) (i32.const 16) (i32.const 14)) (then unreachable))
      (if (call $send (local.get $one) (i32.const 256) (i32.const 1) (i32.const 0) (i32.const 32)) (then unreachable))
      (if (call $recv (local.get $one) (i32.const 256) (i32.const 1) (i32.const 0) (i32.const 32)) (then unreachable))
      (if (i32.ne (i32.load (i32.const 32)) (i32.const 1)) (then unreachable))
      (if (call $close (local.get $one)) (then unreachable))
      (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 32)))
      (br $again))))"#;

pub(crate) fn connections(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let session = bed.session();
    bed::put_program(&session, "/tmp/server", SERVER)?;
    bed::put_program(&session, "/tmp/client", CLIENT)?;
    let template = bed.node().template();
    let [server, client] = ["/tmp/server", "/tmp/client"].map(|path| Command::new(&template, [path]));
    bed.drive(async move {
        let mut byte = Vec::new();
        let server = server.launch(&session).await?;
        let ready = server.stdout.as_ref().ok_or("no output")?;
        if ready.read(1, &mut byte).await? != 1 {
            return Err("the server does not listen".into());
        }
        let client = client.launch(&session).await?;
        let (input, output) = client.stdin.as_ref().zip(client.stdout.as_ref()).ok_or("no pipes")?;
        let mut timer = Timer::begin()?;
        for _ in 0..effort.pick(20_000, 200) {
            let begun = Instant::now();
            input.write_all(b"x").await?;
            byte.clear();
            if output.read(1, &mut byte).await? != 1 {
                return Err("the client ended".into());
            }
            timer.record(begun);
        }
        session.with(|kernel| kernel.signal_process(server.pid, warren_kernel::signal::Signal::KILL));
        server.wait().await?;
        let measured = timer.end();
        let rate = measured.operations as f64 / measured.cpu_ms * 1e3;
        Ok(measured.with("rate", "/s a core", rate))
    })
}
