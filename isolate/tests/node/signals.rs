//! Signals of node programs: caught, uncaught, to others and to oneself.

use crate::harness::{Place, printed};
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

fn ended(script: &str) -> (ExitStatus, String, String) {
    let ended = Place::new().node(&["-e", script]);
    (ended.status, ended.out, ended.err)
}

#[test]
fn a_caught_signal_is_told_to_every_listener() {
    assert_eq!(
        printed(
            "process.on('SIGUSR2', (name, number) => console.log(name, number)); process.once('SIGUSR2', () => console.log('once')); \
             const timer = setInterval(() => {}, 1000); process.kill(process.pid, 'SIGUSR2'); \
             process.on('SIGTERM', () => { console.log('end'); clearInterval(timer); }); setTimeout(() => process.kill(process.pid, 15), 50)"
        ),
        "SIGUSR2 12\nonce\nend\n"
    );
}

#[test]
fn a_listener_does_not_keep_the_program() {
    assert_eq!(printed("process.on('SIGINT', () => {}); console.log('over')"), "over\n");
}

#[test]
fn without_its_last_listener_a_signal_has_its_default_again() {
    let script = "const f = () => console.log('caught'); process.on('SIGHUP', f); process.kill(process.pid, 'SIGHUP'); \
                  setTimeout(() => { process.off('SIGHUP', f); process.kill(process.pid, 'SIGHUP'); console.log('never'); }, 50)";
    assert_eq!(ended(script), (ExitStatus::Signaled(Signal::HUP), "caught\n".into(), String::new()));
}

#[test]
fn an_uncaught_signal_ends_the_program_before_it_goes_on() {
    for (name, signal) in [("SIGTERM", Signal::TERM), ("SIGINT", Signal::INT), ("SIGKILL", Signal::KILL)] {
        let script = format!(
            "process.on('exit', () => console.log('exit')); process.kill(process.pid, '{name}'); console.log('never')"
        );
        assert_eq!(ended(&script), (ExitStatus::Signaled(signal), String::new(), String::new()), "{name}");
    }
}

#[test]
fn signals_that_are_ignored_have_no_effect() {
    assert_eq!(
        printed(
            "for (const s of ['SIGCHLD', 'SIGWINCH', 'SIGPIPE', 'SIGURG', 'SIGCONT', 'SIGUSR1']) process.kill(process.pid, s); console.log('on')"
        ),
        "on\n"
    );
}

#[test]
fn what_cannot_be_caught_or_is_no_signal_is_an_error() {
    assert_eq!(
        printed(
            "for (const s of ['SIGKILL', 'SIGSTOP']) try { process.on(s, () => {}); } catch (e) { console.log(e.message, e.code, e.errno, e.syscall); } \
             for (const s of [77, 'SIGNOTHING', -1]) try { process.kill(process.pid, s); } catch (e) { console.log(e.code); }"
        ),
        "uv_signal_start EINVAL EINVAL -22 uv_signal_start\nuv_signal_start EINVAL EINVAL -22 uv_signal_start\n\
         EINVAL\nERR_UNKNOWN_SIGNAL\nEINVAL\n"
    );
}

#[test]
fn signal_0_asks_whether_a_process_is_there() {
    assert_eq!(
        printed(
            "console.log(process.kill(process.pid, 0)); try { process.kill(4000000, 0); } catch (e) { console.log(e.message, e.code, e.syscall); } try { process.kill(1, 'SIGTERM') } catch (e) { console.log(e.code) }"
        ),
        "true\nkill ESRCH ESRCH kill\nEPERM\n"
    );
}

#[test]
fn an_endless_loop_is_ended() {
    for (signal, name) in [("SIGTERM", "SIGTERM"), ("SIGKILL", "SIGKILL")] {
        let script = format!(
            "const r = require('child_process').spawnSync(process.execPath, ['-e', 'console.log(1); for (;;);'], {{ timeout: 400, killSignal: '{signal}' }}); \
             console.log(r.signal, String(r.stdout))"
        );
        assert_eq!(printed(&script), format!("{name} 1\n\n"));
    }
}

#[test]
fn a_loop_that_catches_goes_on_until_it_is_over() {
    let script = "process.on('SIGINT', () => console.log('told')); process.kill(process.pid, 'SIGINT'); \
                  const until = Date.now() + 100; while (Date.now() < until); console.log('loop is over'); setTimeout(() => {}, 50)";
    assert_eq!(printed(script), "loop is over\ntold\n");
}

#[test]
fn a_stopped_program_stands_still_until_it_is_continued() {
    // The child spins and counts in a file; stopped, it counts no more.
    let script = "const cp = require('child_process'), fs = require('fs'); fs.writeFileSync('n', '0'); \
        const child = cp.spawn(process.execPath, ['-e', 'let n = 0; for (;;) { n++; if (n % 100000 === 0) require(\"fs\").writeFileSync(\"n\", String(n)); }'], { stdio: 'ignore' }); \
        const read = () => Number(fs.readFileSync('n', 'utf8')); \
        const when = (test, then) => test() ? then() : setTimeout(when, 20, test, then); \
        when(() => read() > 0, () => { child.kill('SIGSTOP'); setTimeout(() => { const at = read(); setTimeout(() => { console.log(read() === at); child.kill('SIGCONT'); \
        when(() => read() > at, () => { console.log('on'); child.kill(); }); }, 300); }, 300); }); \
        child.on('exit', (code, signal) => console.log(code, signal));";
    assert_eq!(printed(script), "true\non\nnull SIGTERM\n");
}

#[test]
fn a_pipe_nobody_reads_is_an_error_and_not_the_end() {
    let script = "const cp = require('child_process'); const c = cp.spawn(process.execPath, ['-e', 'try { for (;;) require(\"fs\").writeSync(3, \"x\") } catch (e) { console.log(e.code) }'], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] }); \
                  c.stdio[3].destroy(); let out = ''; c.stdout.on('data', (d) => out += d); c.on('close', (status) => console.log(status, out))";
    assert_eq!(printed(script), "0 EPIPE\n\n");
}
