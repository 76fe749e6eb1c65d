//! Clocks: how fine they are, by every way of asking.

use crate::gets;

#[test]
fn clocks_go_in_steps_of_a_tenth_of_a_millisecond() {
    let script = "
        const { performance: p, createHistogram } = require('perf_hooks'); const wrong = new Set();
        const on = (how, nanoseconds) => { const rest = Number(BigInt(Math.round(nanoseconds)) % 100000n); if (rest > 50 && rest < 99950) wrong.add(how + ' ' + nanoseconds); };
        for (let n = 0; n < 3000; n++) {
          on('now', performance.now() * 1e6); on('hooks', p.now() * 1e6); on('bigint', Number(process.hrtime.bigint())); const [s, ns] = process.hrtime(); on('hrtime', ns); on('uptime', process.uptime() * 1e9);
          on('mark', performance.mark('x').startTime * 1e6); on('event', new Event('x').timeStamp * 1e6); on('measure', performance.measure('y', 'x').duration * 1e6); performance.clearMarks(); performance.clearMeasures();
          const t = setTimeout(() => {}, 1); for (const key of Reflect.ownKeys(t)) if (typeof t[key] === 'number' && !Number.isInteger(t[key])) on('timer ' + String(key), t[key] * 1e6); clearTimeout(t);
          if (!Number.isInteger(Date.now()) || !Number.isInteger(+new Date)) wrong.add('date');
        }
        console.log([...wrong].slice(0, 5).join())";
    assert_eq!(gets(script), "\n");
}

#[test]
fn a_clock_goes_on_and_begins_with_the_program() {
    let script = "
        const a = performance.now(), b = process.hrtime.bigint(); const at = Date.now(); while (Date.now() < at + 20); const c = performance.now(), d = process.hrtime.bigint();
        console.log(a >= 0 && a < 60000, c - a > 15 && c - a < 5000, d - b > 15000000n, Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000)";
    assert_eq!(gets(script), "true true true true\n");
}

#[test]
fn a_histogram_measures_no_finer_than_a_clock() {
    let script = "
        const h = require('perf_hooks').createHistogram(); h.recordDelta(); for (let n = 0; n < 2000; n++) h.recordDelta();
        let fine = 0; for (const [, v] of h.percentiles) if (v > 1 && v < 90000) fine++; console.log(fine)";
    assert_eq!(gets(script), "0\n");
}

#[test]
fn no_second_thread_counts_beside_a_program() {
    let script = "
        const says = []; for (const make of [() => new (require('worker_threads').Worker)('1', { eval: true }), () => new Worker('data:,1'), () => new SharedWorker('data:,1')]) { try { make(); says.push('made'); } catch (e) { says.push('refused'); } }
        const cell = new Int32Array(new SharedArrayBuffer(4)); const r = Atomics.waitAsync(cell, 0, 0, 10); says.push(r.async); console.log(says.join())";
    assert_eq!(gets(script), "refused,refused,refused,true\n");
}
