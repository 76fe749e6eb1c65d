//! `fs.watch` and its kin: what a program is told of files, as Node tells it on Linux.

use crate::harness::{Place, printed};
use warren_kernel::process::ExitStatus;

/// What a script says that does `steps` one after the other, each with what was told after it.
fn steps(setup: &str, steps: &[&str]) -> String {
    let steps: Vec<String> = steps.iter().map(|step| format!("() => {{ {step} }}")).collect();
    printed(&format!(
        "const fs = require('fs'), told = [], on = (name) => (type, file) => told.push(name + type + ':' + file);\n\
         const watchers = []; const watch = (path, name = '', options = {{}}) => watchers.push(fs.watch(path, options, on(name)));\n\
         {setup}\n\
         fs.mkdirSync('/tmp/mark'); let marked, marks = 0; watchers.push(fs.watch('/tmp/mark', () => marked()));\n\
         (async () => {{ for (const step of [{}]) {{ step(); const all = new Promise((done) => marked = done); fs.mkdirSync('/tmp/mark/' + marks++); await all;\n\
             console.log(told.splice(0).join(' ')); }}\n\
           for (const w of watchers) w.close(); }})()",
        steps.join(", ")
    ))
}

#[test]
fn a_directory_tells_of_its_names_and_a_file_of_itself() {
    assert_eq!(
        steps(
            "fs.mkdirSync('d'); fs.writeFileSync('d/f', '1'); fs.writeFileSync('d/b', '1'); watch('d', 'dir/'); watch('d/f', 'file/'); watch('d/b', 'b/');",
            &[
                "fs.writeFileSync('d/f', '22')",
                "fs.appendFileSync('d/f', '3')",
                "fs.chmodSync('d/f', 0o600)",
                "fs.utimesSync('d/f', 1, 1)",
                "fs.writeFileSync('d/new', 'x')",
                "fs.writeFileSync('d/empty', '')",
                "fs.mkdirSync('d/s')",
                "fs.renameSync('d/new', 'd/new2')",
                "fs.linkSync('d/f', 'd/l')",
                "fs.unlinkSync('d/l')",
                "fs.renameSync('d/f', 'd/b')",
                "fs.unlinkSync('d/b')",
                "fs.chmodSync('d', 0o700)",
                "fs.rmdirSync('d/s')",
                "fs.readFileSync('d/empty')",
                "fs.rmSync('d', { recursive: true })",
            ]
        ),
        // As Node 20 has it on Linux, but for the order of a replaced file.
        "dir/change:f file/change:f dir/change:f file/change:f\n\
         dir/change:f file/change:f\n\
         dir/change:f file/change:f\n\
         dir/change:f file/change:f\n\
         dir/rename:new dir/change:new\n\
         dir/rename:empty\n\
         dir/rename:s\n\
         dir/rename:new dir/rename:new2\n\
         file/change:f dir/rename:l\n\
         file/change:f dir/rename:l\n\
         dir/rename:f dir/rename:b b/change:b b/rename:b b/rename:b file/rename:f\n\
         file/change:f file/rename:f file/rename:f dir/rename:b\n\
         dir/rename:d\n\
         dir/rename:s\n\n\
         dir/rename:empty dir/rename:new2 dir/rename:d dir/rename:d\n"
    );
}

#[test]
fn everything_beneath_is_told_when_it_is_asked_for() {
    assert_eq!(
        steps(
            "fs.mkdirSync('d/a/b', { recursive: true }); fs.writeFileSync('d/a/b/f', ''); watch('d', '', { recursive: true });",
            &[
                "fs.appendFileSync('d/a/b/f', 'x')",
                "fs.mkdirSync('d/n'); fs.writeFileSync('d/n/early', '')",
                "fs.appendFileSync('d/n/early', 'x')",
                "fs.renameSync('d/n', 'd/a/m')",
                "fs.appendFileSync('d/a/m/early', 'x')",
                "fs.renameSync('d/a', 'away')",
                "fs.appendFileSync('away/b/f', 'x')",
                "fs.rmSync('away', { recursive: true })",
            ]
        ),
        "change:a/b/f\nrename:n rename:n/early\nchange:n/early\nrename:n rename:a/m rename:a/m/early\nchange:a/m/early\n\
         rename:a\n\n\n"
    );
}

#[test]
fn other_programs_change_files_too() {
    let script = "const fs = require('fs'), cp = require('child_process'); fs.writeFileSync('f', '');\n\
        const watcher = fs.watch('f', (type, name) => { console.log(type, name, watcher.constructor.name); watcher.close(); }).on('close', () => console.log('closed', fs.readdirSync('/proc/self/fd').length));\n\
        console.log(fs.readlinkSync('/proc/self/fd/3')); cp.spawnSync(process.execPath, ['-e', 'require(\"fs\").appendFileSync(\"f\", \"x\")']);";
    assert_eq!(printed(script), "anon_inode:inotify\nchange f FSWatcher\nclosed 4\n");
}

#[test]
fn a_watcher_keeps_the_program_unless_it_is_told_not_to() {
    assert_eq!(
        printed(
            "const fs = require('fs'); fs.watch('.', { persistent: false }); fs.watch('.').unref(); console.log('over')"
        ),
        "over\n"
    );
    let kept = Place::new().node_killed_after(
        &["-e", "require('fs').watch('.'); console.log('watching')"],
        std::time::Duration::from_millis(300),
    );
    assert_eq!(kept.out, "watching\n");
    assert!(matches!(kept.status, ExitStatus::Signaled(_)), "{kept:?}");
    assert_eq!(
        printed(
            "const fs = require('fs'); const stop = new AbortController(); fs.watch('.', { signal: stop.signal }).on('close', () => console.log('closed')); stop.abort(); \
             fs.watch('.', { signal: AbortSignal.abort() }).on('close', () => console.log('at once'))"
        ),
        "closed\nat once\n"
    );
}

#[test]
fn what_cannot_be_watched_is_an_error() {
    assert_eq!(
        printed(
            "const fs = require('fs'); for (const p of ['none', '/root']) try { fs.watch(p) } catch (e) { console.log(e.message, e.errno, e.code, e.syscall, e.path, e.filename) } \
             for (const o of [{ recursive: 1 }, { signal: 1 }]) try { fs.watch('.', o) } catch (e) { console.log(e.code) }"
        ),
        "ENOENT: no such file or directory, watch 'none' -2 ENOENT watch none none\n\
         EACCES: permission denied, watch '/root' -13 EACCES watch /root /root\n\
         ERR_INVALID_ARG_TYPE\nERR_INVALID_ARG_TYPE\n"
    );
}

#[test]
fn events_can_be_iterated() {
    let script = "const fs = require('fs'), stop = new AbortController(); fs.mkdirSync('d');\n\
        (async () => { try { for await (const event of fs.promises.watch('d', { signal: stop.signal })) { console.log(event.eventType, event.filename); if (event.filename === 'last') stop.abort('why'); } } catch (e) { console.log(e.name, e.code, e.cause); }\n\
          for await (const event of fs.promises.watch('d', { encoding: 'buffer' })) { console.log(event.filename); break; }\n\
          try { for await (const event of fs.promises.watch('none')); } catch (e) { console.log(e.code, e.syscall) } })();\n\
        setTimeout(() => { fs.mkdirSync('d/first'); fs.mkdirSync('d/last'); setTimeout(() => fs.rmdirSync('d/last'), 5); }, 5);";
    assert_eq!(
        printed(script),
        "rename first\nrename last\nAbortError ABORT_ERR why\n<Buffer 6c 61 73 74>\nENOENT watch\n"
    );
}

#[test]
fn a_file_is_looked_at_now_and_then() {
    let script = "const fs = require('fs'); fs.writeFileSync('f', '1');\n\
        fs.watchFile('f', { interval: 5 }, (now, before) => { console.log(now.size, before.size); if (now.size === 3) fs.unlinkSync('f'); else if (now.size === 0) { console.log(now.mtimeMs, now.nlink); fs.unwatchFile('f'); } });\n\
        fs.watchFile('other', { interval: 5, persistent: false }, () => {}); setTimeout(() => fs.writeFileSync('f', '123'), 30);";
    assert_eq!(printed(script), "3 1\n0 3\n0 0\n");
}

#[test]
fn who_changes_much_while_nobody_listens_is_told_that_much_changed() {
    let script = "const fs = require('fs'), seen = []; const w = fs.watch('.', (type, name) => seen.push(name)); const long = 'n'.repeat(240);\n\
        for (let i = 0; i < 1500; i++) { fs.writeFileSync(long + i, ''); }\n\
        setTimeout(() => { console.log(seen.length > 500, seen.length < 1500, seen.includes(null)); w.close(); }, 50);";
    assert_eq!(printed(script), "true true true\n");
}
