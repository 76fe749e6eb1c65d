//! Files of the host: by no name, no number, no link and no way of asking.

use crate::harness::Place;
use crate::{answers, gets, gets_in};
use std::io::Write;

const WAYS: &str = "
    const fs = require('fs'), path = require('path'), cp = require('child_process'), { pathToFileURL } = require('url');
    const SECRET = 'secret-of-the-' + 'host';
    const found = new Set(), waiting = [];
    const see = (how, value) => {
      let text = '';
      try { text = Buffer.isBuffer(value) ? value.toString('latin1') : typeof value === 'string' ? value : JSON.stringify(value, (k, v) => typeof v === 'bigint' ? String(v) : v) ?? ''; } catch {}
      if (text.includes(SECRET)) found.add(how);
    };
    const sync = (how, f) => { try { see(how, f()); } catch (e) { see(how + ':error', String(e.stack).replaceAll(DIR, '')); } };
    const later = (how, f) => { try { const made = f(); if (made && made.then) waiting.push(made.then((v) => see(how, v), () => {})); } catch {} };
    const callback = (how, f) => waiting.push(new Promise((done) => { setTimeout(done, 1500).unref(); try { f((e, v) => { see(how, v); done(); }); } catch { done(); } }));
    async function attack(FILE, DIR_) {
      sync('readFileSync', () => fs.readFileSync(FILE)); sync('openSync', () => { const fd = fs.openSync(FILE); try { return fs.readFileSync(fd); } finally { fs.closeSync(fd); } });
      sync('realpathSync', () => fs.realpathSync(FILE) && fs.readFileSync(fs.realpathSync(FILE))); sync('native', () => fs.realpathSync.native(FILE) && 'found ' + fs.readFileSync(FILE));
      sync('statSync', () => { if (fs.statSync(FILE).size === 20) return SECRET; }); sync('lstatSync', () => { if (fs.lstatSync(FILE).size === 20) return SECRET; });
      sync('existsSync', () => fs.existsSync(FILE) && SECRET); sync('accessSync', () => { fs.accessSync(FILE); return SECRET; });
      sync('readdirSync', () => fs.readdirSync(DIR_)); sync('opendirSync', () => fs.opendirSync(DIR_).readSync()?.name); sync('readlinkSync', () => fs.readlinkSync(DIR_ + '/link'));
      sync('cpSync', () => { fs.cpSync(FILE, '/tmp/copy1'); return fs.readFileSync('/tmp/copy1'); }); sync('cpSyncR', () => { fs.cpSync(DIR_, '/tmp/copy2', { recursive: true }); return fs.readdirSync('/tmp/copy2'); });
      sync('copyFileSync', () => { fs.copyFileSync(FILE, '/tmp/copy3'); return fs.readFileSync('/tmp/copy3'); }); sync('linkSync', () => { fs.linkSync(FILE, '/tmp/link3'); return fs.readFileSync('/tmp/link3'); });
      sync('symlinkSync', () => { try { fs.unlinkSync('/tmp/link4'); } catch {} fs.symlinkSync(FILE, '/tmp/link4'); return fs.readFileSync('/tmp/link4'); }); sync('renameSync', () => { fs.renameSync(FILE, '/tmp/moved'); return fs.readFileSync('/tmp/moved'); });
      sync('globSync', () => fs.globSync(DIR_ + '/*')); sync('statfs', () => { if (fs.statfsSync(DIR_).blocks > 1e9) return SECRET; }); sync('url', () => fs.readFileSync(pathToFileURL(FILE)));
      sync('buffer', () => fs.readFileSync(Buffer.from(FILE))); sync('writeFileSync', () => { fs.writeFileSync(FILE, 'overwritten'); }); sync('appendFileSync', () => { fs.appendFileSync(FILE, 'x'); });
      sync('truncateSync', () => fs.truncateSync(FILE, 0)); sync('chmodSync', () => fs.chmodSync(FILE, 0o777)); sync('utimesSync', () => fs.utimesSync(FILE, 1, 1)); sync('unlinkSync', () => fs.unlinkSync(FILE)); sync('rmSync', () => fs.rmSync(DIR_, { recursive: true }));
      sync('mkdtempSync', () => fs.mkdtempSync(DIR_ + '/t')); sync('require', () => require(FILE)); sync('requireDir', () => require(DIR_)); sync('resolve', () => require.resolve(FILE) && SECRET);
      sync('createRequire', () => require('module').createRequire(FILE)('./secret.json')); sync('chdir', () => { process.chdir(DIR_); return fs.readdirSync('.'); }); process.chdir('/tmp');
      sync('loadEnvFile', () => { process.loadEnvFile(FILE); return process.env; }); sync('spawnCwd', () => cp.spawnSync('cat', ['secret.json'], { cwd: DIR_ }).stdout); sync('spawnFile', () => cp.spawnSync(FILE).stdout);
      sync('spawnNode', () => cp.spawnSync('node', ['-p', 'require(\"fs\").readFileSync(process.argv[1], \"utf8\")', FILE]).stdout); sync('spawnNodeFile', () => { const r = cp.spawnSync('node', [FILE]); return r.stdout + r.stderr; });
      sync('spawnNodeR', () => { const r = cp.spawnSync('node', ['-r', FILE, '-e', '1']); return r.stdout + r.stderr; }); sync('envFile', () => cp.spawnSync('node', ['--env-file', FILE, '-p', 'process.env']).stdout);
      sync('getReport', () => process.report?.getReport?.()); sync('findPackage', () => require('module').findPackageJSON?.(FILE, FILE)); sync('sourceMap', () => require('module').findSourceMap?.(FILE));
      later('promises.readFile', () => fs.promises.readFile(FILE)); later('promises.open', async () => (await fs.promises.open(FILE)).readFile()); later('promises.readdir', () => fs.promises.readdir(DIR_));
      later('promises.opendir', async () => (await (await fs.promises.opendir(DIR_)).read()).name); later('promises.cp', async () => { await fs.promises.cp(FILE, '/tmp/copy5'); return fs.promises.readFile('/tmp/copy5'); });
      later('promises.copyFile', async () => { await fs.promises.copyFile(FILE, '/tmp/copy6'); return fs.promises.readFile('/tmp/copy6'); }); later('promises.stat', async () => (await fs.promises.stat(FILE)).size === 20 && SECRET);
      later('promises.readlink', () => fs.promises.readlink(FILE)); later('promises.realpath', async () => fs.promises.readFile(await fs.promises.realpath(FILE))); later('import', async () => (await import(FILE)).default);
      later('importJson', async () => (await import(pathToFileURL(FILE), { with: { type: 'json' } })).default); later('importRelative', async () => (await import('../../../../../../..' + FILE, { with: { type: 'json' } })).default);
      later('fetch', async () => (await fetch(pathToFileURL(FILE))).text()); later('openAsBlob', async () => (await fs.openAsBlob(FILE)).text()); later('importData', async () => (await import('data:text/javascript,' + encodeURIComponent('import x from ' + JSON.stringify(String(pathToFileURL(FILE))) + ' with { type: \"json\" }; export default x'))).default);
      callback('readFile', (done) => fs.readFile(FILE, done)); callback('readFileUtf', (done) => fs.readFile(FILE, 'utf8', done)); callback('open', (done) => fs.open(FILE, (e, fd) => e ? done(e) : fs.readFile(fd, done))); callback('readdir', (done) => fs.readdir(DIR_, done));
      callback('cp', (done) => fs.cp(FILE, '/tmp/copy7', (e) => e ? done(e) : fs.readFile('/tmp/copy7', done))); callback('realpath', (done) => fs.realpath(FILE, (e, p) => e ? done(e) : done(null, SECRET))); callback('stat', (done) => fs.stat(FILE, (e, s) => e ? done(e) : done(null, s.size === 20 ? SECRET : '')));
      callback('stream', (done) => fs.createReadStream(FILE).on('data', (d) => done(null, d)).on('error', done)); callback('write', (done) => fs.createWriteStream(FILE).on('error', done).end('x', done)); callback('exec', (done) => cp.exec('cat ' + FILE, done));
      callback('watchFile', (done) => { const w = fs.watchFile(FILE, { interval: 20 }, (s) => done(null, s.size === 20 ? SECRET : '')); w.unref(); }); callback('worker', (done) => { new (require('worker_threads').Worker)(FILE).on('message', (m) => done(null, m)).on('error', done); });
      await Promise.allSettled(waiting.splice(0));
    }
";

/// A folder of the host with a secret in it, and what tries to get at it under other names.
#[test]
fn a_file_of_the_host_is_reached_by_no_function() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret.json");
    std::fs::File::create(&file).unwrap().write_all(b"\"secret-of-the-host\"").unwrap();
    std::os::unix::fs::symlink("secret-of-the-host", folder.path().join("link")).unwrap();
    let dir = folder.path().to_str().unwrap();
    let pid = std::process::id();
    let names: Vec<String> = [
        "",
        "/proc/self/root",
        "/proc/1/root",
        "/proc/self/cwd/../../../../../../../..",
        "/..",
        "//",
        "/tmp/../..",
        "/proc/self/fd/../root",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([format!("/proc/{pid}/root"), format!("/proc/{pid}/cwd/../../../../..")])
    .map(|prefix| format!("{prefix}{dir}"))
    .collect();
    let script = format!(
        "const DIR = {dir:?}; {WAYS} process.on('uncaughtException', () => {{}}); process.on('unhandledRejection', () => {{}}); \
         (async () => {{ for (const dir of {names:?}) await attack(dir + '/secret.json', dir); \
         for (const odd of [DIR + '/secret.json\\0', DIR.replaceAll('/', '%2f') + '/secret.json', 'file://' + DIR + '/secret.json', DIR + '/./secret.json'.repeat(1), '\\\\\\\\?\\\\' + DIR]) {{ sync('odd', () => fs.readFileSync(odd)); sync('oddurl', () => fs.readFileSync(new URL('file://' + odd))); sync('oddrequire', () => require(odd)); }} \
         console.log(JSON.stringify([...found])); process.exit(); }})()"
    );
    let place = Place::new();
    let ended = place.node(&["-e", &script]);
    answers(&place);
    assert_eq!(ended.out, "[]\n", "{}", ended.err);
    assert_eq!(std::fs::read(&file).unwrap(), b"\"secret-of-the-host\"");
    assert!(std::fs::read_dir(folder.path()).unwrap().count() == 2);
}

#[test]
fn proc_and_the_environment_are_the_sessions() {
    let host: Vec<String> =
        std::env::vars().map(|(_, value)| value).filter(|value| value.len() > 12 && value.contains('/')).collect();
    assert!(!host.is_empty());
    let script = format!(
        "const fs = require('fs'), path = require('path'); const host = {host:?}.filter((v) => !Object.values({{ PATH: process.env.PATH }}).includes(v)); const found = []; let files = 0; \
         const see = (where, text) => {{ for (const value of host) if (text.includes(value)) found.push(where + ' ' + value); }}; \
         see('env', JSON.stringify(process.env)); see('argv', JSON.stringify([process.argv, process.execPath, process.title, process.config, process.release, process.versions])); \
         see('os', JSON.stringify([require('os').userInfo(), require('os').hostname(), require('os').homedir(), require('os').tmpdir(), require('os').cpus(), require('os').networkInterfaces()])); \
         see('globalPaths', JSON.stringify(require('module').globalPaths)); \
         const walk = (dir, deep) => {{ let names; try {{ names = fs.readdirSync(dir); }} catch {{ return; }} for (const name of names) {{ const at = path.join(dir, name); let stat; try {{ stat = fs.lstatSync(at); }} catch {{ continue; }} \
           if (stat.isSymbolicLink()) {{ try {{ see(at, fs.readlinkSync(at)); }} catch {{}} }} else if (stat.isDirectory()) {{ if (deep < 4) walk(at, deep + 1); }} else if (stat.isFile()) {{ files++; try {{ see(at, fs.readFileSync(at, 'latin1')); }} catch {{}} }} }} }}; \
         walk('/proc', 0); for (let n = found.length - 1; n >= 0; n--) if (found[n].includes('/cmdline ')) found.splice(n, 1); console.log(JSON.stringify(found), files > 20); console.log(fs.readdirSync('/proc').filter((n) => +n === {pid}).length)",
        pid = std::process::id()
    );
    assert_eq!(gets(&script), "[] true\n0\n");
}

#[test]
fn errors_and_stacks_name_no_file_of_the_host() {
    let here = env!("CARGO_MANIFEST_DIR");
    let script = format!(
        "const all = []; for (const f of [() => require('fs').readFileSync('/none'), () => require('./none'), () => new URL('x'), () => JSON.parse('{{'), () => require('crypto').createHash('no'), () => require('child_process').spawn(''), () => null.x, () => require('vm').runInThisContext('}}')]) \
           try {{ f(); }} catch (e) {{ all.push(e.stack, require('util').inspect(e, {{ showHidden: true, depth: 9 }})); }} \
         console.log(['.cargo', 'registry', '/src/', {here:?}, 'deno_node-'].filter((name) => all.join().includes(name)).join())"
    );
    assert_eq!(gets(&script), "\n");
}

#[test]
fn very_long_and_very_odd_names_are_errors() {
    let script = "
        const fs = require('fs'); const odd = ['x'.repeat(1 << 24), '/x'.repeat(1 << 20), '../'.repeat(1 << 20), '\\0', 'a\\0b', '\\ud800', '/'.repeat(1 << 22), '', '.', '\\n', String.fromCharCode(...Array(1000).keys())];
        let wrong = 0; for (const name of odd) for (const f of [fs.readFileSync, fs.statSync, fs.realpathSync, fs.readdirSync, fs.mkdirSync, fs.rmdirSync, require, require.resolve]) { try { f(name); } catch (e) { if (!(e instanceof Error)) wrong++; } }
        Promise.allSettled(odd.map((name) => import(name))).then((all) => console.log(wrong, all.filter((one) => one.status === 'rejected').length > 8))";
    assert_eq!(gets_in(&Place::new(), script), "0 true\n");
}
