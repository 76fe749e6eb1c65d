//! The loader: names out of the session's files, links that change while they are followed, files that are no scripts.

use crate::harness::Place;
use crate::{answers, gets_in};
use warren_kernel::process::ExitStatus;

#[test]
fn links_that_change_while_they_are_followed_lead_nowhere_else() {
    let place = Place::new();
    place
        .file("/home/agent/good.cjs", "module.exports = 'good'")
        .file("/home/agent/other.cjs", "module.exports = 'other'");
    let script = "
        const fs = require('fs'), cp = require('child_process'); fs.symlinkSync('good.cjs', 'link.cjs');
        const swap = cp.spawn('node', ['-e', 'const fs = require(\"fs\"); for (let n = 0;; n++) { try { fs.symlinkSync([\"other.cjs\", \"/proc/self/root/etc/passwd\", \"link.cjs\", \"/home/agent\", \"../../../../etc/shadow\"][n % 5], \"t\"); fs.renameSync(\"t\", \"link.cjs\"); } catch {} }'], { stdio: 'ignore' });
        const got = new Set(); let turns = 0;
        setTimeout(async function again() {
          for (let n = 0; n < 40; n++) { delete require.cache[fs.existsSync('link.cjs') ? 'x' : 'y']; for (const key of Object.keys(require.cache)) delete require.cache[key]; try { const v = require('./link.cjs'); got.add(typeof v === 'string' ? v : 'object'); } catch (e) { got.add('error'); } try { got.add(typeof (await import('./link.cjs?' + turns + n)).default); } catch { got.add('error'); } }
          if (turns++ < 5) return setTimeout(again, 1);
          swap.kill('SIGKILL'); console.log([...got].filter((v) => !['good', 'other', 'error', 'string', 'object', 'undefined'].includes(v)).join());
        }, 50)";
    assert_eq!(gets_in(&place, script), "\n");
}

#[test]
fn files_that_are_no_scripts_are_errors() {
    let place = Place::new();
    place
        .file("/home/agent/mark.ts", "\u{feff}const a: number = 1; console.log(a)")
        .file("/home/agent/mark.js", "\u{feff}import fs from 'fs'; console.log(typeof fs)")
        .file("/home/agent/bad.ts", "let x: = ;;; @@@ <")
        .file("/home/agent/bad.mts", "enum A { B = 1 ")
        .file("/home/agent/bad.json", "{")
        .file("/home/agent/bad.cjs", "exports.a = ;; import export")
        .file("/home/agent/package.json", "{}")
        .file("/home/agent/node_modules/p/package.json", "{\"name\":\"p\",\"main\":\"../../../../../../etc/passwd\",\"exports\":{\"./*\":\"./../../../../*\",\"./x\":\"file:///etc/passwd\",\"./n\":\"./\\u0000\"}}")
        .file("/home/agent/node_modules/q/package.json", "[[[[[[");
    let run = |name: &str| place.node(&[name]);
    assert_eq!(run("mark.ts").out, "1\n");
    assert_eq!(run("mark.js").out, "object\n");
    for name in
        ["bad.ts", "bad.mts", "bad.json", "bad.cjs", "none.js", "/proc/self/mem", "/dev/zero\0", "/etc", "/dev/null/x"]
    {
        let ended = run(name);
        assert!(ended.status != ExitStatus::Exited(0) && !ended.err.contains("panicked"), "{name}: {ended:?}");
    }
    let script = "
        Promise.allSettled(['./bad.ts', './bad.mts', './bad.cjs', 'p', 'p/x', 'p/n', 'p/etc/passwd', 'p/%2e%2e/x', 'q', './%2e%2e/%2e%2e/etc/passwd', './a%00b.js', './a%2fb.js', '/dev/zero%00', '#x', 'p#y', './' + '../'.repeat(5000) + 'etc/passwd'].map((n) => import(n)))
          .then((all) => console.log(all.every((one) => one.status === 'rejected' && one.reason instanceof Error)))";
    assert_eq!(gets_in(&place, script), "true\n");
}

#[test]
fn files_without_an_end_are_no_scripts() {
    let place = Place::new();
    for name in ["/dev/zero", "/dev/urandom", "/dev/full"] {
        let ended = place.node_killed_after(&[name], std::time::Duration::from_secs(5));
        assert!(ended.status != ExitStatus::Exited(0), "{name}: {ended:?}");
        answers(&place);
    }
}

#[test]
fn what_is_deserialized_may_be_anything() {
    let script = "
        const v8 = require('v8'); let seed = 7; const random = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n; };
        const parts = [1, 'text', 2n ** 70n, new Date(), /x/g, new Map([[1, { a: [1, , 3] }]]), new Set(['ü']), new Uint8Array(9), new Float64Array(3), Buffer.from('x'), new Error('e'), [[[]]], { a: { b: undefined } }, new ArrayBuffer(4), new Boolean(true)];
        let fine = 0, refused = 0;
        for (let n = 0; n < 20000; n++) {
          const bytes = v8.serialize(parts[n % parts.length]); for (let m = random(6); m >= 0; m--) bytes[random(bytes.length)] = random(256);
          try { v8.deserialize(bytes.subarray(0, random(4) ? bytes.length : random(bytes.length))); fine++; } catch (e) { if (!(e instanceof Error)) throw 1; refused++; }
        }
        for (let n = 0; n < 5000; n++) { const bytes = Buffer.alloc(random(64)); for (let m = 0; m < bytes.length; m++) bytes[m] = random(256); bytes[0] = 255; bytes[1] = 15; try { v8.deserialize(bytes); fine++; } catch { refused++; } }
        let deep = Buffer.concat([Buffer.from([255, 15]), Buffer.alloc(1 << 20, 'A\\x01'.charCodeAt(0))]); try { v8.deserialize(deep); } catch {}
        let nest = Buffer.alloc(1 << 20); nest[0] = 255; nest[1] = 15; for (let n = 2; n + 1 < nest.length; n += 2) { nest[n] = 65; nest[n + 1] = 1; } try { v8.deserialize(nest); } catch {}
        console.log(fine + refused)";
    assert_eq!(gets_in(&Place::new(), script), "25000\n");
}

#[test]
fn bytes_that_are_no_webassembly_are_errors() {
    let script = "
        let seed = 3; const random = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n; };
        const good = [0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,5,3,1,0,1,7,5,1,1,102,0,0,10,9,1,7,0,65,208,15,64,0,11]; let made = 0, refused = 0;
        for (let n = 0; n < 5000; n++) { const bytes = new Uint8Array(good); for (let m = random(4); m >= 0; m--) bytes[8 + random(bytes.length - 8)] = random(256); try { new WebAssembly.Instance(new WebAssembly.Module(bytes), {}); made++; } catch (e) { refused++; } }
        console.log(made + refused)";
    assert_eq!(gets_in(&Place::new(), script), "5000\n");
}
