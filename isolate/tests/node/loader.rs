//! How modules find one another.

use crate::harness::Place;
use warren_kernel::process::ExitStatus;

fn prints(place: &Place, words: &[&str], out: &str) {
    let ended = place.node(words);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), (out, ""), "{words:?}");
}

#[test]
fn commonjs_requires_modules_and_modules_import_commonjs() {
    let place = Place::new();
    place
        .file("/home/agent/m.mjs", "export const named = 1; export default 'd'; export { named as 'module.exports2' }");
    place.file("/home/agent/own.mjs", "export { f as 'module.exports' }; function f() { return 'own' }");
    place.file("/home/agent/later.mjs", "await 0; export const x = 1");
    place.file(
        "/home/agent/a.cjs",
        "const m = require('./m.mjs'); console.log(m.named, m.default, require('./own.mjs')()); \
         try { require('./later.mjs') } catch (e) { console.log(e.code) } import('./later.mjs').then((l) => console.log(l.x))",
    );
    prints(&place, &["a.cjs"], "1 d own\nERR_REQUIRE_ASYNC_MODULE\n1\n");
    place.file("/home/agent/c.cjs", "exports.one = 1; Object.defineProperty(exports, '__esModule', { value: true }); exports.default = 'dd'; module.exports.two = 2; ");
    place.file("/home/agent/re.cjs", "module.exports = require('./c.cjs')");
    place.file("/home/agent/b.mjs", "import c, { one, two } from './c.cjs'; import { one as again } from './re.cjs'; console.log(c.default, one, two, again)");
    prints(&place, &["b.mjs"], "dd 1 2 1\n");
}

#[test]
fn a_module_knows_where_it_is() {
    let place = Place::new();
    place.file("/home/agent/dir/b.mjs", "export const main = import.meta.main");
    place.file(
        "/home/agent/dir/a.mjs",
        "import { main } from './b.mjs'; import { createRequire } from 'module'; const m = import.meta; \
         console.log(m.dirname, m.filename, m.url, m.main, main, m.resolve('./b.mjs'), m.resolve('fs'), createRequire(m.url)('path').sep)",
    );
    prints(
        &place,
        &["dir/a.mjs"],
        "/home/agent/dir /home/agent/dir/a.mjs file:///home/agent/dir/a.mjs true false file:///home/agent/dir/b.mjs node:fs /\n",
    );
}

#[test]
fn packages_are_found_by_their_names_imports_and_links() {
    let place = Place::new();
    place.file("/home/agent/package.json", "{\"name\":\"self\",\"type\":\"module\",\"exports\":{\"./x\":\"./x.js\"},\"imports\":{\"#in\":{\"node\":\"./in.js\"},\"#dep\":\"dep\",\"#dir/*\":\"./x/*.js\"}}");
    place.file("/home/agent/x.js", "export default 'x'");
    place.file("/home/agent/in.js", "export default 'in'");
    place.file("/home/agent/x/y.js", "export default 'y'");
    // As pnpm lays them out: the package is a link into a store, beside which its own dependencies are.
    place.file(
        "/home/agent/node_modules/.pnpm/dep@1/node_modules/dep/package.json",
        "{\"name\":\"dep\",\"main\":\"i.js\"}",
    );
    place.file(
        "/home/agent/node_modules/.pnpm/dep@1/node_modules/dep/i.js",
        "module.exports = 'dep+' + require('sub') + __filename",
    );
    place.file("/home/agent/node_modules/.pnpm/sub@1/node_modules/sub/index.js", "module.exports = 'sub '");
    let link = "const fs = require('fs'); fs.symlinkSync('.pnpm/dep@1/node_modules/dep', 'node_modules/dep'); \
                fs.symlinkSync('../../sub@1/node_modules/sub', 'node_modules/.pnpm/dep@1/node_modules/sub')";
    prints(&place, &["--input-type=commonjs", "-e", link], "");
    place.file("/home/agent/a.js", "import x from 'self/x'; import i from '#in'; import d from '#dep'; import y from '#dir/y'; console.log(x, i, d, y)");
    prints(&place, &["a.js"], "x in dep+sub /home/agent/node_modules/.pnpm/dep@1/node_modules/dep/i.js y\n");
    place.file(
        "/home/agent/b.cjs",
        "console.log(require('self/x').default, require('#in').default, require('#dep'), require.resolve('dep'))",
    );
    prints(
        &place,
        &["b.cjs"],
        "x in dep+sub /home/agent/node_modules/.pnpm/dep@1/node_modules/dep/i.js /home/agent/node_modules/.pnpm/dep@1/node_modules/dep/i.js\n",
    );
}

#[test]
fn folders_of_node_path_are_looked_in_last() {
    let place = Place::with(|template| crate::harness::set(template, "NODE_PATH=/opt/lib:/opt/other"));
    place.file("/opt/other/far.js", "module.exports = 'far'");
    place.file("/home/agent/.node_modules/home.js", "module.exports = 'home'");
    prints(&place, &["-p", "require('far') + require('home')"], "farhome\n");
    prints(
        &place,
        &["-p", "require.resolve.paths('x').slice(-5).join()"],
        "/opt/lib,/opt/other,/home/agent/.node_modules,/home/agent/.node_libraries,/usr/lib/node\n",
    );
}

#[test]
fn what_is_not_found_has_nodes_codes() {
    let place = Place::new();
    place.file("/home/agent/node_modules/p/package.json", "{\"name\":\"p\",\"exports\":{\"./a\":\"./a.js\"}}");
    place.file("/home/agent/node_modules/p/a.js", "");
    place.file("/home/agent/d.json", "{}");
    let import = "for (const s of ['./nope.mjs', 'nope', 'p', 'p/b', '#x', 'node:nope', 'http://a/b', './d.json', 'p/', './node_modules']) \
                  await import(s).then(() => console.log(s, 'found'), (e) => console.log(s, e.code))";
    prints(
        &place,
        &["--input-type=module", "-e", import],
        "./nope.mjs ERR_MODULE_NOT_FOUND\nnope ERR_MODULE_NOT_FOUND\np ERR_PACKAGE_PATH_NOT_EXPORTED\np/b ERR_PACKAGE_PATH_NOT_EXPORTED\n\
         #x ERR_PACKAGE_IMPORT_NOT_DEFINED\nnode:nope ERR_UNKNOWN_BUILTIN_MODULE\nhttp://a/b ERR_UNSUPPORTED_ESM_URL_SCHEME\n\
         ./d.json ERR_IMPORT_ATTRIBUTE_MISSING\np/ ERR_PACKAGE_PATH_NOT_EXPORTED\n./node_modules ERR_UNSUPPORTED_DIR_IMPORT\n",
    );
    let require = "for (const s of ['./nope', 'nope', 'p/b', 'node:nope']) try { require(s); console.log('found') } catch (e) { console.log(s, e.code) }";
    prints(
        &place,
        &["-e", require],
        "./nope MODULE_NOT_FOUND\nnope MODULE_NOT_FOUND\np/b ERR_PACKAGE_PATH_NOT_EXPORTED\nnode:nope ERR_UNKNOWN_BUILTIN_MODULE\n",
    );
}

#[test]
fn circles_are_as_in_node() {
    let place = Place::new();
    place.file(
        "/home/agent/a.js",
        "exports.done = false; const b = require('./b.js'); console.log('b in a', b.done); exports.done = true",
    );
    place.file(
        "/home/agent/b.js",
        "exports.done = false; const a = require('./a.js'); console.log('a in b', a.done); exports.done = true",
    );
    prints(&place, &["a.js"], "a in b false\nb in a true\n");
    place.file("/home/agent/c.mjs", "import { d } from './d.mjs'; export const c = () => 'c'; console.log(d())");
    place.file("/home/agent/d.mjs", "import { c } from './c.mjs'; export const d = () => 'd' + c();");
    prints(&place, &["c.mjs"], "dc\n");
}

#[test]
fn json_and_data_are_imported() {
    let place = Place::new();
    place.file("/home/agent/d.json", "{\"x\": [1]}");
    place.file(
        "/home/agent/a.mjs",
        "import d from './d.json' with { type: 'json' }; const e = await import('./d.json', { with: { type: 'json' } }); \
         const t = await import('data:text/javascript,export default 4'); \
         const b = await import('data:text/javascript;base64,ZXhwb3J0IGRlZmF1bHQgNQ=='); console.log(d.x[0], e.default === d, t.default, b.default)",
    );
    prints(&place, &["a.mjs"], "1 true 4 5\n");
}

#[test]
fn hooks_change_what_is_found_and_loaded() {
    let place = Place::new();
    place.file("/home/agent/real.cjs", "module.exports = 'real'");
    place.file(
        "/home/agent/a.mjs",
        "import { registerHooks } from 'node:module'; import { createRequire } from 'node:module'; \
         const hooks = registerHooks({ resolve(s, c, next) { return s === 'made:up' ? { url: 'virtual:x', shortCircuit: true } : next(s, c) }, \
         load(u, c, next) { return u === 'virtual:x' ? { source: 'export default \"virtual\"', format: 'module', shortCircuit: true } : next(u, c) } }); \
         console.log((await import('made:up')).default, createRequire(import.meta.url)('./real.cjs')); hooks.deregister(); \
         await import('made:up').catch((e) => console.log(e.code))",
    );
    prints(&place, &["a.mjs"], "virtual real\nERR_UNSUPPORTED_ESM_URL_SCHEME\n");
}

#[test]
fn an_export_that_is_both_is_one_module() {
    let place = Place::new();
    place.file("/home/agent/a.mjs", "import { createRequire } from 'module'; const r = createRequire(import.meta.url); r('./s.cjs').n++; console.log((await import('./s.cjs')).default.n)");
    place.file("/home/agent/s.cjs", "exports.n = 1");
    prints(&place, &["a.mjs"], "2\n");
    let ended = place.node(&["-e", "require('./nothing-here')"]);
    assert_eq!(ended.status, ExitStatus::Exited(1));
    assert!(ended.err.contains("Require stack:\n- /home/agent/[eval]\n"), "{}", ended.err);
}
